"""The plots of a run as SVG, without any library. They are readable on light and dark pages."""

import math
from xml.sax.saxutils import escape

from .plan import FLOORS, RINGEST
from .report import contenders_of, floor, groups, median_cpu_us, valid

STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600 }
.small { font-size: 11px }
.floor { fill: #8c959f; stroke: #8c959f }
.ringest { fill: #0969da; stroke: #0969da }
.other { fill: #bf8700; stroke: #bf8700 }
.axis { stroke: #8c959f; stroke-opacity: .4; stroke-width: 1 }
.line { fill: none; stroke-width: 2 }
.mark { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 4 3 }
rect { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #a4adb7 }
  .ringest { fill: #539bf5; stroke: #539bf5 }
  .other { fill: #c69026; stroke: #c69026 }
  .mark { stroke: #f47067 }
}"""
WIDTH = 760
LEFT = 150
"""Pixels for names."""
RIGHT = 150
"""Pixels for values."""
BAR = 24
"""Pixels from one bar to the next."""


def plots(rows):
    """The plots for which a run has rows, by name."""
    found = groups(rows)
    made = {}
    for broker, words in (("kafka", "Apache Kafka"), ("mock", "a mock broker that answers at once")):
        group = found.get((broker, "event-293"), [])
        if any(valid(group, name) for name in contenders_of(group)):
            title = f"CPU a request, µs: one record of 293 bytes, {words}"
            made[f"cpu-{broker}"] = bars(group, title)
        some = [row for row in rows if row.broker == broker and row.rate and valid([row], row.contender)]
        if some:
            title = f"CPU a request, µs, by requests a second (open loop), {words}"
            made[f"curve-{broker}"] = lines(some, title)
    return made


def kind(contender):
    """The class of a contender's marks."""
    name = contender.removesuffix("-2")
    if name in (*FLOORS, "bare-default"):
        return "floor"
    return "ringest" if name in RINGEST else "other"


def svg(height, title, parts):
    """An image of this height."""
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        text(10, 22, title, "title"),
        *parts,
        "</svg>",
        "",
    ])


def text(x, y, words, classes="", anchor="start"):
    """A text at a place."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}" text-anchor="{anchor}">'
            f"{escape(str(words))}</text>")


def line(x1, y1, x2, y2, classes):
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{classes}"/>'


def bars(rows, title):
    """A bar for each contender, cheapest first, and a line at the floor; those without a valid row
    say why."""
    costs = {name: median_cpu_us(rows, name) for name in contenders_of(rows)}
    names = sorted((name for name in costs if costs[name]), key=costs.get)
    failed = [name for name in costs if not costs[name]]
    lowest = floor(rows)
    scale = (WIDTH - LEFT - RIGHT) / max(map(costs.get, names), default=1)
    parts, top = [], 38
    for index, name in enumerate(names):
        y, width = top + BAR * index, costs[name] * scale
        over = f" · {costs[name] / costs[lowest]:.2f} × floor" if lowest else ""
        parts += [
            text(LEFT - 8, y + 15, name, anchor="end"),
            f'<rect x="{LEFT}" y="{y + 3}" width="{width:.1f}" height="{BAR - 6}" class="{kind(name)}"/>',
            text(LEFT + width + 6, y + 15, f"{costs[name]:.1f}{over}"),
        ]
    bottom = top + BAR * len(names)
    if lowest:
        x = LEFT + costs[lowest] * scale
        parts.append(line(x, top, x, bottom, "mark"))
    for index, name in enumerate(failed):
        why = next((row.fault or row.note for row in rows if row.contender == name), "")
        y = bottom + BAR * index
        parts += [text(LEFT - 8, y + 15, name, anchor="end"), text(LEFT, y + 15, why[:90], "small")]
    return svg(bottom + BAR * len(failed) + 12, title, parts)


def lines(rows, title):
    """CPU a request over the rate, both logarithmic, a line for each contender."""
    height, top, bottom = 420, 48, 380
    points = {name: sorted((row.rate, row.cpu_us_per_request) for row in valid(rows, name))
              for name in contenders_of(rows)}
    points = {name: some for name, some in points.items() if some}
    rates = [math.log10(rate) for some in points.values() for rate, _ in some]
    costs = [math.log10(cost) for some in points.values() for _, cost in some if cost > 0]
    low_x, high_x = math.floor(min(rates)), max(max(rates), math.floor(min(rates)) + 0.5)
    low_y, high_y = math.floor(min(costs, default=0)), math.ceil(max(costs, default=1))

    def place(rate, cost):
        x = LEFT / 2 + (math.log10(rate) - low_x) / (high_x - low_x) * (WIDTH - LEFT / 2 - RIGHT)
        height_share = (math.log10(max(cost, 10 ** low_y)) - low_y) / max(1, high_y - low_y)
        return x, bottom - height_share * (bottom - top)

    parts = []
    for value in ticks(low_y, high_y):
        y = place(10 ** low_x, value)[1]
        parts += [line(LEFT / 2, y, WIDTH - RIGHT, y, "axis"),
                  text(LEFT / 2 - 6, y + 4, f"{value:,.0f}", "small", "end")]
    for value in ticks(low_x, high_x):
        x = place(value, 10 ** low_y)[0]
        parts += [line(x, top, x, bottom, "axis"), text(x, bottom + 18, f"{value:,.0f}/s", "small", "middle")]
    ends = []
    for name, some in points.items():
        places = [place(*point) for point in some]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" class="line {kind(name)}" style="fill:none"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="{kind(name)}"/>' for x, y in places]
        ends.append((places[-1][1], places[-1][0], name, some[-1][1]))
    parts += labels(ends)
    return svg(height, title, parts)


def labels(ends):
    """The names at the ends of the lines, moved apart from one another."""
    parts, last = [], -math.inf
    for y, x, name, cost in sorted(ends):
        at = max(y, last + 14)
        parts += [line(x + 4, y, WIDTH - RIGHT + 8, at, "axis"),
                  text(WIDTH - RIGHT + 10, at + 4, f"{name} {cost:.1f}", "small")]
        last = at
    return parts


def ticks(low, high):
    """1, 2 and 5 times each power of ten from 10^`low` to 10^`high`."""
    values = [step * 10.0 ** power for power in range(math.floor(low), math.ceil(high) + 1)
              for step in (1, 2, 5)]
    return [value for value in values if 10 ** low <= value <= 10 ** high * 1.001]
