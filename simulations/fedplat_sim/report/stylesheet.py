"""The look of every report page; the colours come from the charts' palette."""

from fedplat_sim.report.drawing import CARD, GRID, INK, MUTED, SERIES, variable, variables
from fedplat_sim.report.markup import Html

_RULES = f"""
:root {{ color-scheme: light dark; {variables(dark=False)}
  --ink: {variable(INK)}; --muted: {variable(MUTED)}; --line: {variable(GRID)};
  --card: {variable(CARD)}; --accent: {variable(SERIES[0])}; --warn: {variable(SERIES[1])};
  --good: {variable(SERIES[2])}; --page: #f4f6f9; }}
@media (prefers-color-scheme: dark) {{ :root {{ {variables(dark=True)} --page: #0f141d; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
main {{ max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }}
h1 {{ font-size: 28px; line-height: 1.2; margin: 0; letter-spacing: -0.01em;
  overflow-wrap: anywhere; }}
h2 {{ font-size: 18px; margin: 40px 0 12px; }}
h3 {{ font-size: 15px; margin: 0; }}
.sub {{ color: var(--muted); margin: 6px 0 0; }}
.head {{ display: flex; gap: 12px 16px; align-items: center; flex-wrap: wrap; }}
.badge {{ font-size: 13px; font-weight: 600; padding: 2px 10px; border-radius: 99px;
  color: var(--good); border: 1px solid currentColor; }}
.badge.warn {{ color: var(--warn); }}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 12px;
  margin: 24px 0 12px; padding: 0; }}
.tile, .card, .notes, .facts, details {{ background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; }}
.tile {{ padding: 12px 16px; }}
.tile dt {{ color: var(--muted); font-size: 13px; }}
.tile dd {{ margin: 0; font-size: 22px; font-weight: 650; white-space: nowrap;
  font-variant-numeric: tabular-nums; letter-spacing: -0.01em; }}
.tile p {{ margin: 0; color: var(--muted); font-size: 13px; }}
.facts {{ display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0;
  padding: 12px 16px; font-size: 13px; }}
.facts dt {{ color: var(--muted); }}
.facts dd {{ margin: 0; overflow-wrap: anywhere; }}
code, pre {{ font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: 12.5px; }}
.notes {{ margin: 12px 0 0; padding: 12px 16px 12px 34px; border-left: 4px solid var(--warn); }}
.cards {{ display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }}
.card {{ margin: 0; padding: 16px 16px 8px; min-width: 0; display: flex; flex-direction: column;
  justify-content: space-between; }}
.card.wide {{ grid-column: 1 / -1; }}
.card p {{ margin: 0; color: var(--muted); font-size: 13px; }}
.card svg {{ display: block; width: 100%; height: auto; margin-top: 8px; overflow: visible; }}
.card svg image {{ image-rendering: pixelated; }}
.legend {{ list-style: none; display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 6px 0 0;
  padding: 0; font-size: 13px; font-variant-numeric: tabular-nums; }}
.legend li {{ display: flex; align-items: center; gap: 6px; }}
.legend i {{ width: 12px; height: 12px; border-radius: 3px; background: var(--k); flex: none; }}
.legend i.line {{ width: 18px; height: 3px; }}
.legend i.dashed {{ width: 18px; height: 0; border-radius: 0; background: none;
  border-top: 2px dashed var(--k); }}
details {{ margin-top: 12px; padding: 10px 16px; }}
summary {{ cursor: pointer; font-weight: 600; }}
pre {{ overflow-x: auto; margin: 10px 0 4px; line-height: 1.45; }}
.scroll {{ overflow-x: auto; margin-top: 10px; }}
.plain {{ background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 4px 16px 8px; }}
table {{ border-collapse: collapse; width: 100%; font-size: 13px;
  font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line);
  white-space: nowrap; }}
th {{ color: var(--muted); font-weight: 500; }}
tr:last-child td {{ border-bottom: 0; }}
th:first-child, td:first-child, .words th, .words td {{ text-align: left; padding-left: 0; }}
.words td {{ padding-left: 0; white-space: normal; overflow-wrap: anywhere; }}
b.best {{ color: var(--good); }}
footer {{ margin-top: 40px; color: var(--muted); font-size: 13px; }}
@media (max-width: 760px) {{ .cards {{ grid-template-columns: minmax(0, 1fr); }} }}
@media print {{ body {{ background: none; }} .card, .tile {{ break-inside: avoid; }} }}
"""

STYLE = Html(_RULES)
