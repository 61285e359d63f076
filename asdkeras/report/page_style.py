"""The style sheet of report pages: light and dark, narrow and wide, screen and paper.

The colors of values are those of Okabe and Ito, which color-blind eyes tell apart; blue, yellow
and the greys are lighter or darker where the background asks for it.
"""

_LIGHT = """
  --back: #ffffff; --front: #1c1f23; --faint: #5c656d; --line: #d5dade; --raised: #f5f7f8;
  --warn: #8a4b00; --warn-back: #fff3e0; --grey: #b4bbc1; --link: #00609a;
  --up1: #e9f3fa; --up2: #c4dff1; --up3: #93c5e8;
  --down1: #fdf0e4; --down2: #fad3b3; --down3: #f4ae77;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #e69f00; --c5: #56b4e9;
  --c6: #b5a900;
"""
_DARK = """
  --back: #14171a; --front: #e6e9ec; --faint: #98a2ab; --line: #353c42; --raised: #1d2125;
  --warn: #ffc477; --warn-back: #33270f; --grey: #6b757d; --link: #7cc0ee;
  --up1: #182733; --up2: #1b3c54; --up3: #1f5680;
  --down1: #2e2217; --down2: #54351a; --down3: #7d4716;
  --c0: #3fa0e0; --c1: #f0783a; --c2: #21b98e; --c3: #dd92bb; --c4: #f0b030; --c5: #84cbf5;
  --c6: #f0e442;
"""

STYLE = (
    f"""
:root {{ color-scheme: light dark; {_LIGHT} }}
:root[data-theme="light"] {{ color-scheme: light; }}
@media screen and (prefers-color-scheme: dark) {{
  :root:not([data-theme="light"]) {{ {_DARK} }}
}}
@media screen {{ :root[data-theme="dark"] {{ color-scheme: dark; {_DARK} }} }}
"""
    + """
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 1.25rem 1rem 3rem; max-width: 82rem;
  background: var(--back); color: var(--front);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
body > header { display: flex; gap: .5rem 1.5rem; align-items: start;
  justify-content: space-between; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .25rem; }
h4 { font-size: .95rem; margin: 1rem 0 .25rem; font-weight: 600; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, summary:focus-visible, .scroll:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100vw; padding: .5rem 1rem; background: var(--back); }
.skip:focus { left: 1rem; top: .5rem; z-index: 1; }
nav ol { list-style: none; display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; margin: .5rem 0;
  padding: 0; font-size: .9rem; }
.theme { flex: none; font: inherit; font-size: .85rem; padding: .25rem .7rem; cursor: pointer;
  color: var(--front); background: var(--raised); border: 1px solid var(--line);
  border-radius: 4px; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .75rem;
  font-size: .85rem; }
.faint, figcaption, caption { color: var(--faint); }
.dim { color: var(--faint); font-weight: 400; } .bold { font-weight: 700; }
.below { display: block; font-size: .8rem; }
.warn { background: var(--warn-back); color: var(--warn); padding: .4rem .7rem;
  border-left: 3px solid; border-radius: 2px; }
.headlines { display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; margin: 1rem 0; }
.headline b { display: block; font-size: 2.2rem; line-height: 1.15;
  font-variant-numeric: tabular-nums; }
.headline span { display: block; color: var(--faint); font-size: .9rem; max-width: 26rem; }
.headline .paper { margin-top: .3rem; padding: .15rem .5rem; border-radius: 3px;
  border: 1px solid var(--line); color: var(--front); }
pre { margin: .25rem 0 1rem; padding: .6rem .8rem; background: var(--raised);
  border: 1px solid var(--line); border-radius: 3px; font-size: .85rem; line-height: 1.45;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: .75rem 0 1.25rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .2rem 0; max-width: calc(100vw - 2rem); white-space: normal; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
thead th { font-weight: 600; vertical-align: bottom; white-space: normal; min-width: 3.2rem;
  overflow-wrap: normal; }
tbody th, tfoot th { font-weight: 400; }
.name { text-align: left; }
th:first-child { padding-left: 0; position: sticky; left: 0; background: var(--back); }
td.up1, .paper.up1 { background: var(--up1); } td.up2, .paper.up2 { background: var(--up2); }
td.up3, .paper.up3 { background: var(--up3); }
td.down1, .paper.down1 { background: var(--down1); }
td.down2, .paper.down2 { background: var(--down2); }
td.down3, .paper.down3 { background: var(--down3); }
tfoot { display: table-row-group; }
tfoot th, tfoot td { font-weight: 600; border-bottom: 0; }
tbody tr:hover td, tbody tr:hover th { box-shadow: inset 0 -2px var(--faint); }
.sort { all: unset; cursor: pointer; }
.sort::after { content: "↕"; color: var(--faint); font-weight: 400; margin-left: .25em;
  opacity: .55; }
[aria-sort="ascending"] .sort::after { content: "↑"; opacity: 1; }
[aria-sort="descending"] .sort::after { content: "↓"; opacity: 1; }
summary { cursor: pointer; margin: .35rem 0; }
summary h3 { display: inline; }
details.part { margin: .6rem 0; }
figure { margin: 0; }
figcaption { font-size: .9rem; }
.panels { display: grid; gap: 1.25rem; align-items: start; margin: .5rem 0 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 13.5rem), 1fr)); }
.panels.roomy { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.panels.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 24rem)); }
.panels.roc { grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 17rem)); }
svg.map, svg.curves { display: block; width: 100%; height: auto; }
svg.map { border: 1px solid var(--line); border-radius: 3px; background: var(--raised); }
.shapes { position: absolute; }
.key { width: .85rem; height: .85rem; vertical-align: -.1rem; overflow: visible;
  margin-right: .2rem; }
svg.line { width: 1.6rem; height: .85rem; vertical-align: -.1rem; margin-right: .3rem; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem .9rem; margin: .35rem 0 0;
  padding: 0; font-size: .85rem; }
.legend b { font-weight: 400; color: var(--faint); white-space: nowrap; }
.c0 { --ink: var(--c0); } .c1 { --ink: var(--c1); } .c2 { --ink: var(--c2); }
.c3 { --ink: var(--c3); } .c4 { --ink: var(--c4); } .c5 { --ink: var(--c5); }
.c6 { --ink: var(--c6); } .grey { --ink: var(--grey); }
use { fill: var(--ink); fill-opacity: .8; stroke: var(--raised); stroke-width: .5; }
use.test { fill-opacity: 0; stroke: var(--ink); stroke-width: 1.3; }
use:hover { fill: var(--front); fill-opacity: 1; stroke: var(--front); }
.line { fill: none; stroke: var(--ink); stroke-width: 1.6; stroke-linejoin: round; }
.line.many { stroke-width: 1.1; stroke-opacity: .75; }
.line circle { fill: var(--ink); }
.line:hover { stroke-width: 3; }
.dash1 { stroke-dasharray: 6 3; } .dash2 { stroke-dasharray: 2 2.5; }
.axis { fill: none; stroke: var(--line); }
.shaded { fill: var(--front); fill-opacity: .09; }
.bar { fill: var(--ink); fill-opacity: .85; }
.outline { fill: none; stroke: var(--faint); stroke-width: 1; }
.threshold { fill: none; stroke: var(--front); stroke-width: 1.3; stroke-dasharray: 4 2.5; }
svg text { fill: var(--faint); font-size: 11px; }
.end { text-anchor: end; } .middle { text-anchor: middle; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@media (max-width: 30rem) {
  body { padding: 1rem .75rem 2rem; } h1 { font-size: 1.3rem; }
  body > header { flex-direction: column; } nav li { padding: .2rem 0; }
  th, td { padding: .3rem .5rem; }
}
@media print {
  @page { margin: 14mm 12mm; }
  html { font-size: 9pt; }
  body { max-width: none; padding: 0; }
  nav, .theme, .skip, .sort::after { display: none; }
  a { color: inherit; text-decoration: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .panels, .panels.roc { grid-template-columns: repeat(4, 1fr); gap: .75rem; }
  .panels.roomy, .panels.wide { grid-template-columns: repeat(3, 1fr); }
  .panel, tr, .headline { break-inside: avoid; } h2, h3, h4, caption, p.faint, section > .legend {
    break-after: avoid; }
  .scroll { overflow: visible; } th:first-child { position: static; }
  table { font-size: 7.5pt; }
  th, td { padding: .1rem .3rem; white-space: normal; overflow-wrap: normal; }
  thead th { min-width: 0; }
  * { print-color-adjust: exact; }
}
"""
)
