"""Plots as inline SVG text: dots with 95% intervals, and distance against diversity. Colours come from the page's CSS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from benchmark.site.board import Column, Group, Number, Row, main_columns

WIDTH = 460
LABEL = 150
RIGHT = 16
STEP = 24
SCATTER_HEIGHT = 330
# Between two labels: words that touch read as one.
CLEAR = 5
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Scale:
    """Numbers to pixels, linear.

    Attributes:
        ticks: round numbers inside [low, high].
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def scale(values: Sequence[float], start: float, end: float, zero: bool = False, count: int = 5) -> Scale:
    """A scale over `values` with about `count` round ticks; `zero` makes it begin at 0 where nothing is below."""
    low, high = min(values), max(values)
    if zero and low >= 0:
        low = 0.0
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    pad = 0.04 * (high - low)
    low, high = (low if zero and low == 0 else low - pad), high + pad
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Scale(low, high, start, end, tuple(round(k * step, 12) for k in range(first, last + 1)))


def plots(group: Group) -> list[Markup]:
    """The group's plots: the distance with intervals, and distance against diversity where both are measured."""
    first, second = main_columns(group)
    out = []
    rows = [row for row in group.rows if first.key in row.numbers]
    if rows:
        out.append(dots(group, rows, first))
    both = [row for row in rows if second is not None and second.key in row.numbers]
    if second is not None and len(both) > 1:
        out.append(scatter(group, both, first, second))
    return out


def dots(group: Group, rows: Sequence[Row], column: Column) -> Markup:
    """One row a method: a dot, and a whisker for its interval."""
    numbers = [row.numbers[column.key] for row in rows]
    axis = scale(_ends(numbers), LABEL, WIDTH - RIGHT, zero=True)
    height = 34 + STEP * len(rows) + 30
    bottom = 24 + STEP * len(rows)
    parts = [_grid_x(axis, 20, bottom), _axis_title(column, WIDTH - RIGHT, bottom + 30, "end")]
    for place, (row, number) in enumerate(zip(rows, numbers)):
        y = 24 + STEP * place + STEP // 2
        parts.append(_t(LABEL - 12, y + 4, _short(row.label, 21), "end", "label"))
        parts.append(_mark(row, axis(number.value), y, _span(axis, number), None, _tooltip(row, [(column, number)])))
    return _svg(f"{column.metric} of each method, {group.guidance}-guided", WIDTH, height, parts)


def scatter(group: Group, rows: Sequence[Row], x_column: Column, y_column: Column) -> Markup:
    """Distance (across) against diversity (up), both with intervals; an indicator sweep is joined by a line."""
    xs, ys = ([row.numbers[c.key] for row in rows] for c in (x_column, y_column))
    across = scale(_ends(xs), 44, WIDTH - RIGHT, zero=True)
    up = scale(_ends(ys), SCATTER_HEIGHT - 46, 26)
    parts = [_grid_x(across, 20, SCATTER_HEIGHT - 46), _grid_y(up, 44, WIDTH - RIGHT)]
    parts.append(_axis_title(x_column, WIDTH - RIGHT, SCATTER_HEIGHT - 8, "end"))
    parts.append(_axis_title(y_column, 0, 12, "start"))
    points = [(across(a.value), up(b.value)) for a, b in zip(xs, ys)]
    parts += _sweeps(rows, points)
    boxes = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    for a, b, (x, y) in zip(xs, ys, points):
        if (span := _span(across, a)) is not None:
            boxes.append((span[0], y - 4, span[1], y + 4))
        if (span := _span(up, b)) is not None:
            boxes.append((x - 4, span[1], x + 4, span[0]))
    for row, a, b, (x, y) in zip(rows, xs, ys, points):
        title = _tooltip(row, [(x_column, a), (y_column, b)])
        parts.append(_mark(row, x, y, _span(across, a), _span(up, b), title))
    labels: list[Box] = []
    for row, a, b, point in zip(rows, xs, ys, points):
        text = row.method if row.indicator is None else f"i = {row.indicator}"
        parts.append(_place_label(text, point, _span(across, a), _span(up, b), boxes, labels))
    title = f"{x_column.metric} against {y_column.metric}, {group.guidance}-guided"
    return _svg(title, WIDTH, SCATTER_HEIGHT, parts)


def _sweeps(rows: Sequence[Row], points: Sequence[tuple[float, float]]) -> list[Markup]:
    lines: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    for row, (x, y) in zip(rows, points):
        if row.indicator is not None:
            lines.setdefault((row.method, row.trust), []).append((row.indicator, x, y))
    out = []
    for sweep in lines.values():
        if len(sweep) > 1:
            path = " ".join(f"{x},{y}" for _, x, y in sorted(sweep))
            out.append(Markup('<polyline class="sweep" points="{}"/>').format(path))
    return out


def _place_label(
    text: str,
    point: tuple[float, float],
    across: tuple[float, float] | None,
    up: tuple[float, float] | None,
    marks: Sequence[Box],
    labels: list[Box],
) -> Markup:
    """A label beside its point or at an end of its intervals, where there is room; the point's tooltip says it anyway."""
    x, y = point
    left_end, right_end = across or point[:1] * 2
    low_end, high_end = up or point[1:] * 2
    label = _short(text, 18)
    wide = 6.4 * len(label)
    beside = ((x + 9, y + 4, "start"), (x - 9, y + 4, "end"), (x, y - 10, "middle"), (x, y + 19, "middle"))
    corners = ((x + 9, y - 7, "start"), (x - 9, y - 7, "end"), (x + 9, y + 16, "start"), (x - 9, y + 16, "end"))
    ends = (
        (right_end + 6, y + 4, "start"),
        (left_end - 6, y + 4, "end"),
        (x, high_end - 6, "middle"),
        (x, low_end + 14, "middle"),
    )
    spots = (*beside, *corners, *ends)
    for at_x, at_y, anchor in spots:
        left = at_x - {"start": 0, "end": wide, "middle": wide / 2}[anchor]
        box = (left, at_y - 10, left + wide, at_y + 3)
        free = not any(_meet(box, mark, 0) for mark in marks) and not any(_meet(box, one, CLEAR) for one in labels)
        if free and box[0] > 46 and box[2] < WIDTH and box[1] > 18 and box[3] < SCATTER_HEIGHT - 44:
            labels.append(box)
            return _t(at_x, at_y, label, anchor, "label small")
    return Markup()


def _meet(a: Box, b: Box, apart: float) -> bool:
    return a[2] + apart >= b[0] and a[0] - apart <= b[2] and a[3] >= b[1] and a[1] <= b[3]


def _mark(
    row: Row,
    x: float,
    y: float,
    across: tuple[float, float] | None,
    up: tuple[float, float] | None,
    title: str,
) -> Markup:
    kind = row.trust.replace(" ", "-")
    whiskers = Markup()
    if across is not None:
        whiskers += Markup('<path class="whisker" d="M{0} {2}H{1}M{0} {3}v8M{1} {3}v8"/>').format(*across, y, y - 4)
    if up is not None:
        whiskers += Markup('<path class="whisker" d="M{2} {0}V{1}M{3} {0}h8M{3} {1}h8"/>').format(*up, x, x - 4)
    dot = Markup('<circle class="dot" cx="{}" cy="{}" r="4.5"/>').format(x, y)
    return Markup('<g class="mark {}"><title>{}</title>{}{}</g>').format(kind, title, whiskers, dot)


def _span(axis: Scale, number: Number) -> tuple[float, float] | None:
    if number.low is None or number.high is None:
        return None
    return axis(number.low), axis(number.high)


def _ends(numbers: Sequence[Number]) -> list[float]:
    return [v for n in numbers for v in (n.value, n.low, n.high) if v is not None]


def _tooltip(row: Row, numbers: Sequence[tuple[Column, Number]]) -> str:
    words = []
    for column, n in numbers:
        span = f" ({figure(n.low)} to {figure(n.high)})" if n.low is not None and n.high is not None else ""
        words.append(f"{column.metric} {figure(n.value)}{span}")
    return f"{row.label}: {', '.join(words)}; {row.trust}"


def figure(value: float) -> str:
    """A number as tables and plots print it: two decimals from 1 on, three below, more only for very small ones."""
    size = abs(value)
    if size and (size >= 1e6 or size < 1e-4):
        return f"{value:.2e}"
    return f"{value:.{0 if size >= 1e4 else 2 if size >= 1 else 3 if size >= 0.01 or not size else 5}f}"


def _tick(value: float) -> str:
    return f"{value:g}"


def _grid_x(axis: Scale, top: float, bottom: float) -> Markup:
    out = Markup()
    for tick in axis.ticks:
        x = axis(tick)
        out += Markup('<path class="grid" d="M{0} {1}V{2}"/>').format(x, top, bottom)
        out += _t(x, bottom + 15, _tick(tick), "middle", "tick")
    return out


def _grid_y(axis: Scale, left: float, right: float) -> Markup:
    out = Markup()
    for tick in axis.ticks:
        y = axis(tick)
        out += Markup('<path class="grid" d="M{0} {1}H{2}"/>').format(left, y, right)
        out += _t(left - 7, y + 4, _tick(tick), "end", "tick")
    return out


def _axis_title(column: Column, x: float, y: float, anchor: str) -> Markup:
    better = {True: ", higher is better", False: ", lower is better", None: ""}[column.higher]
    return _t(x, y, f"{column.metric}{better}", anchor, "axis")


def _t(x: float, y: float, text: str, anchor: str, kind: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>').format(x, y, anchor, kind, text)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _svg(title: str, width: int, height: int, parts: Sequence[Markup]) -> Markup:
    body = Markup("\n").join(parts)
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">\n{}\n</svg>').format(
        width, height, escape(title), body
    )
