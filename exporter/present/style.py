"""The landing page's style: no scripts, nothing from elsewhere, light and dark by the reader's own setting."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --line: #dfe3e8; --ink: #17202a; --quiet: #566270;
  --accent: #0b5cad; --fill: #5b8ab8; --track: #e4e9ee;
  --good: #1a7f4b; --good-ground: #e3f4ea; --warning: #8a5300; --warning-ground: #fdf0d5;
  --critical: #b3261e; --critical-ground: #fde7e5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #10151b; --card: #181f27; --line: #2b353f; --ink: #e6ebf0; --quiet: #9aa7b4;
    --accent: #7db8f0; --fill: #5488b8; --track: #2b353f;
    --good: #6fd09b; --good-ground: #12301f; --warning: #f2bd63; --warning-ground: #3a2a0b;
    --critical: #ff9087; --critical-ground: #431613;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
header, main, footer { max-width: 84rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 1.6rem; display: flex; flex-wrap: wrap; gap: .5rem 2rem; align-items: end; }
header > div { flex: 1 1 22rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h1 svg { width: 1.5rem; height: 1.5rem; vertical-align: -.2rem; margin-right: .5rem; color: var(--accent); }
h2 { font-size: 1.05rem; margin: 2rem 0 .6rem; }
p { margin: .2rem 0; }
.quiet { color: var(--quiet); }
a { color: var(--accent); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; }
.example {
  margin: 1.2rem 0 0; padding: .8rem 1.1rem; border-radius: .6rem; border: 2px solid currentColor;
  color: var(--warning); background: var(--warning-ground); font-weight: 600;
}
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1.3rem 0 0; }
.tiles div {
  display: flex; flex-direction: column-reverse; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; padding: .7rem 1rem;
}
.tiles dt { color: var(--quiet); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.7rem; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; }
.frame { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .5rem .8rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
thead th {
  border-top: 0; color: var(--quiet); font-weight: 600; font-size: .8rem; white-space: nowrap; vertical-align: bottom;
}
tbody th { font-weight: 650; min-width: 11rem; max-width: 15.5rem; overflow-wrap: anywhere; }
tbody th small {
  display: block; font-weight: 400; font-size: .8rem; color: var(--quiet);
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
.why td { border-top: 0; padding: 0 .8rem .6rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { display: flex; align-items: center; gap: .6rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar svg { flex: none; width: 6.5rem; height: .8rem; border-radius: .2rem; }
.bar small, td.number small { color: var(--quiet); }
td.number small { display: block; font-weight: normal; }
.track { fill: var(--track); } .fill { fill: var(--fill); } .target { fill: var(--ink); }
.warning .fill { fill: var(--warning); } .critical .fill { fill: var(--critical); }
.number.warning, .bar.warning span, dd.warning { color: var(--warning); font-weight: 650; }
.number.critical, .bar.critical span, dd.critical { color: var(--critical); font-weight: 650; }
.badge {
  display: inline-block; padding: .02rem .5rem; border-radius: 1rem; font-size: .8rem; font-weight: 600;
  white-space: nowrap; color: var(--quiet); background: var(--track);
}
.badge.good { color: var(--good); background: var(--good-ground); }
.badge.warning { color: var(--warning); background: var(--warning-ground); }
.badge.critical { color: var(--critical); background: var(--critical-ground); }
summary { cursor: pointer; color: var(--quiet); font-size: .9rem; }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: .2rem; }
details ul { margin: .5rem 0 .2rem; padding: 0; list-style: none; max-width: 60rem; }
details li { padding: .5rem 0; border-top: 1px dashed var(--line); overflow-wrap: anywhere; }
details li p { margin: .15rem 0; font-size: .9rem; }
code { font: .85em ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", monospace; }
bdi { unicode-bidi: isolate; }
footer { margin-top: 2rem; padding-bottom: 2rem; color: var(--quiet); font-size: .85rem; }
"""

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# The one style sheet above, by its digest, and nothing else: no script, image, font, frame or form.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
