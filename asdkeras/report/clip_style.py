"""The style sheet of what is heard in a report: cards, spectrograms, tooltip and player."""

STYLE = """
.clips { display: grid; gap: 1rem; align-items: start; margin: .5rem 0 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.clip { border: 1px solid var(--line); border-radius: 4px; padding: .6rem .75rem;
  min-width: 0; break-inside: avoid; }
.clip :is(h3, h4, h5, h6) { margin: 0 0 .2rem; font-size: .9rem; }
.clip p { margin: 0 0 .35rem; font-size: .85rem; }
.clip audio, .player audio { display: block; width: 100%; height: 2.25rem; margin: .35rem 0 0; }
.spectrogram { display: grid; grid-template: 8rem 1.1rem / 2.6rem 1fr; min-height: 9.1rem;
  font-size: .75rem; line-height: 1; color: var(--faint);
  font-variant-numeric: tabular-nums; }
.spectrogram canvas { width: 100%; height: 100%; display: block; background: #440154; }
.axis-y { position: relative; }
.axis-y span { position: absolute; right: .35rem; bottom: var(--at); transform: translateY(50%);
  white-space: nowrap; }
.axis-y span:first-child { transform: none; }
.axis-y span:last-child { transform: translateY(100%); }
.axis-x { position: relative; grid-column: 2; }
.axis-x span { position: absolute; left: var(--at); top: .25rem; transform: translateX(-50%);
  white-space: nowrap; }
.axis-x span:first-child { transform: none; }
.axis-x span:last-child { transform: translateX(-100%); }
svg.map use[data-clip] { cursor: pointer; }
.ring { fill: none; stroke: var(--front); stroke-width: 2; pointer-events: none; }
.ring.at { stroke-dasharray: 3 2; }
.tip { position: fixed; z-index: 30; max-width: min(26rem, calc(100vw - 8px)); padding: .4rem .6rem;
  pointer-events: none; background: var(--front); color: var(--back); border-radius: 4px;
  font-size: .8rem; line-height: 1.35; }
.tip :is(b, span, i) { display: block; }
.player { position: fixed; z-index: 20; inset: auto 0 0 0; display: grid; gap: .5rem 1.5rem;
  grid-template-columns: minmax(0, 1fr) minmax(0, 1.4fr) auto; align-items: start;
  padding: .75rem max(1rem, calc((100vw - 82rem) / 2 + 1rem)); background: var(--back);
  border-top: 2px solid var(--front); box-shadow: 0 -4px 16px rgb(0 0 0 / .25); }
.player p { margin: 0 0 .2rem; font-size: .85rem; }
.player .player-name { font-weight: 700; font-size: .95rem; }
.player .close { grid-column: 3; grid-row: 1; font: inherit; font-size: 1.3rem; line-height: 1;
  width: 2.25rem; height: 2.25rem; color: inherit; background: none; cursor: pointer;
  border: 1px solid var(--line); border-radius: 4px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
.tip[hidden], .player[hidden] { display: none; }
@media (max-width: 40rem) {
  .player { grid-template-columns: minmax(0, 1fr) auto; max-height: 75vh; overflow-y: auto; }
  .player .told { grid-column: 1; }
  .player .close { grid-column: 2; }
  .player .spectrogram { grid-column: 1 / -1; }
}
@media print {
  .tip, .player, .clip audio { display: none; }
  .spectrogram:empty { display: none; }
}
"""
