"""The style sheet of report pages: light and dark, narrow and wide, screen and paper.

The colors of values are those of Okabe and Ito, which color-blind eyes tell apart; blue, yellow
and the greys are lighter or darker where the background asks for it.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --back: #ffffff; --front: #1c1f23; --faint: #667079; --line: #d5dade; --raised: #f5f7f8;
  --warn: #8a4b00; --warn-back: #fff3e0; --grey: #b4bbc1;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #e69f00; --c5: #56b4e9;
  --c6: #b5a900;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171a; --front: #e6e9ec; --faint: #98a2ab; --line: #353c42; --raised: #1d2125;
    --warn: #ffc477; --warn-back: #33270f; --grey: #6b757d;
    --c0: #3fa0e0; --c1: #f0783a; --c2: #21b98e; --c3: #dd92bb; --c4: #f0b030; --c5: #84cbf5;
    --c6: #f0e442;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 82rem;
  background: var(--back); color: var(--front);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .25rem; }
h4 { font-size: .95rem; margin: 1rem 0 .25rem; font-weight: 600; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
.faint, figcaption, caption { color: var(--faint); }
.dim { color: var(--faint); } .bold { font-weight: 700; }
.warn { background: var(--warn-back); color: var(--warn); padding: .4rem .7rem;
  border-left: 3px solid; border-radius: 2px; }
.headlines { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 1rem 0; }
.headline b { display: block; font-size: 2.2rem; line-height: 1.15;
  font-variant-numeric: tabular-nums; }
.headline span { display: block; color: var(--faint); font-size: .9rem; }
.scroll { overflow-x: auto; margin: .75rem 0 1.25rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .2rem 0; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; }
.name { text-align: left; }
th:first-child, td:first-child { padding-left: 0; }
tbody tr:hover { background: var(--raised); }
summary { cursor: pointer; }
figure { margin: 0; }
figcaption { font-size: .9rem; }
.panels { display: grid; gap: 1.25rem; align-items: start; margin: .5rem 0 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 13.5rem), 1fr)); }
.panels.roomy { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.panels.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 24rem)); }
svg.map, svg.curves { display: block; width: 100%; height: auto; }
svg.map { border: 1px solid var(--line); border-radius: 3px; background: var(--raised); }
.shapes { position: absolute; }
.key { width: .85rem; height: .85rem; vertical-align: -.1rem; overflow: visible;
  margin-right: .2rem; }
svg.line { width: 1.6rem; height: .85rem; vertical-align: -.1rem; margin-right: .3rem; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem .9rem; margin: .35rem 0 0;
  padding: 0; font-size: .85rem; }
.legend b { font-weight: 400; color: var(--faint); }
.c0 { --ink: var(--c0); } .c1 { --ink: var(--c1); } .c2 { --ink: var(--c2); }
.c3 { --ink: var(--c3); } .c4 { --ink: var(--c4); } .c5 { --ink: var(--c5); }
.c6 { --ink: var(--c6); } .grey { --ink: var(--grey); }
use { fill: var(--ink); fill-opacity: .8; stroke: var(--raised); stroke-width: .5; }
use.test { fill-opacity: 0; stroke: var(--ink); stroke-width: 1.3; }
use:hover { fill: var(--front); fill-opacity: 1; stroke: var(--front); }
.line { fill: none; stroke: var(--ink); stroke-width: 1.6; stroke-linejoin: round; }
.line circle { fill: var(--ink); }
.line:hover { stroke-width: 3; }
.dash1 { stroke-dasharray: 6 3; } .dash2 { stroke-dasharray: 2 2.5; }
.axis { fill: none; stroke: var(--line); }
svg text { fill: var(--faint); font-size: 11px; }
.end { text-anchor: end; } .middle { text-anchor: middle; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  .panels { grid-template-columns: repeat(5, 1fr); gap: .75rem; }
  .panels.roomy, .panels.wide { grid-template-columns: repeat(3, 1fr); }
  .panel, tr { break-inside: avoid; } h2, h3, h4 { break-after: avoid; }
  .scroll { overflow: visible; } * { print-color-adjust: exact; }
}
"""
