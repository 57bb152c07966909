"""The rates as a picture: bars on a logarithmic scale, as SVG for light and dark mode."""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

from table import significant

WIDTH, LEFT, RIGHT, TOP, STEP, BAR = 760, 176, 96, 62, 30, 18

STYLE = """
  text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 11.5px; fill: #57606a }
  .value { font-weight: 600 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .ours { fill: #0969da } .other { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #3d444d }
    .ours { fill: #4493f8 } .other { fill: #7d8590 }
  }
"""


def svg(answer: dict[str, Any]) -> str:
    """Returns the picture of a comparison."""
    runs = sorted(answer["subjects"].items(), key=lambda entry: -entry[1]["results_per_second"])
    rates = [run["results_per_second"] for _, run in runs]
    low = math.floor(math.log10(min(rates))) if rates else 0
    high = math.ceil(math.log10(max(rates))) if rates else 1
    span = max(1, high - low)
    bottom = TOP + STEP * len(runs)
    machine = answer["machine"]

    def at(rate: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(rate) - low) / span

    versions = "PostgreSQL " + machine["postgres"].split(" ")[0]
    about = (
        f"{versions}, {machine['processors']} cores that the tools share with it, documents of "
        f"{answer['document_bytes'] / 1000:.1f} KB, best of {answer['rounds']}; logarithmic scale"
    )
    named = "; ".join(f"{name} {significant(run['results_per_second'])}" for name, run in runs)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 34}" role="img" '
        f'aria-label="{escape("Results recorded a second: " + named, {chr(34): "&quot;"})}">',
        f"<style>{STYLE}</style>",
        '<text class="title" x="12" y="24">Results recorded a second, committed</text>',
        f'<text class="small" x="12" y="43">{escape(about)}</text>',
    ]
    for power in range(low, low + span + 1):
        x = at(10**power)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text class="small" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{10**power:,}</text>')
    for number, (name, run) in enumerate(runs):
        y = TOP + STEP * number
        x = at(run["results_per_second"])
        kind = "ours" if run["group"] == "arc" else "other"
        middle = y + BAR / 2 + 5
        parts += [
            f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{max(1.0, x - LEFT):.1f}" height="{BAR}" rx="2"/>',
            f'<text class="value" x="{x + 8:.1f}" y="{middle:.0f}">{significant(run["results_per_second"])}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
