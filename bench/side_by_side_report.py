"""What bench/compare found, as numbers, as a table and as a chart. Nothing here measures.

A row is one metric of one workload: for each broker the median of its samples with the smallest and the largest, and
how many times the first broker is ahead of the others: the quotient of the medians, turned so that above 1 is better,
with the interval in which 95 % of bootstrap resamples lie.
"""

from __future__ import annotations

import random
import statistics
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

RESAMPLES = 2000
BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"


@dataclass(frozen=True)
class Metric:
    name: str
    unit: str
    more_is_better: bool = False


@dataclass(frozen=True)
class Spread:
    median: float
    smallest: float
    largest: float
    samples: int


@dataclass(frozen=True)
class Ratio:
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    workload: str
    metric: Metric
    spreads: dict[str, Spread]
    ahead: dict[str, Ratio]
    """By the name of the other broker."""


def spread_of(values: list[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values), len(values))


def ratio_of(first: list[float], other: list[float], more_is_better: bool, seed: int = 1) -> Ratio | None:
    """None where a median is 0, so that there is nothing to divide by."""

    def quotient(mine: list[float], theirs: list[float]) -> float:
        a, b = statistics.median(mine), statistics.median(theirs)
        above, below = (a, b) if more_is_better else (b, a)
        return above / below if below > 0 else 0.0

    value = quotient(first, other)
    if value == 0:
        return None
    chance = random.Random(seed)
    drawn = sorted(
        quotient(chance.choices(first, k=len(first)), chance.choices(other, k=len(other))) for _ in range(RESAMPLES)
    )
    return Ratio(value, drawn[int(RESAMPLES * 0.025)], drawn[int(RESAMPLES * 0.975) - 1])


def row_of(workload: str, metric: Metric, samples: dict[str, list[float]]) -> Row | None:
    """Samples by broker, the first broker first; None where nobody has any."""
    there = {name: values for name, values in samples.items() if values}
    if not there:
        return None
    first = next(iter(samples))
    ahead = {}
    for name, values in there.items():
        if name != first and first in there:
            ratio = ratio_of(there[first], values, metric.more_is_better)
            if ratio:
                ahead[name] = ratio
    return Row(workload, metric, {name: spread_of(values) for name, values in there.items()}, ahead)


def digits(value: float) -> str:
    """Three of them."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 or value == 0 else f"{value:.1e}"


def table(rows: list[Row], brokers: list[str]) -> str:
    first, others = brokers[0], brokers[1:]
    heads = ["workload", "metric", *brokers, *(f"{first} ahead of {other}" for other in others)]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    before = ""
    for row in rows:
        cells = ["" if row.workload == before else row.workload, row.metric.unit]
        for name in brokers:
            spread = row.spreads.get(name)
            cells.append(
                f"{digits(spread.median)} ({digits(spread.smallest)} … {digits(spread.largest)}, {spread.samples})"
                if spread
                else "–"
            )
        for name in others:
            ratio = row.ahead.get(name)
            cells.append(f"**{digits(ratio.value)}×** ({digits(ratio.low)} … {digits(ratio.high)})" if ratio else "–")
        lines.append(f"| {' | '.join(cells)} |")
        before = row.workload
    return "\n".join(lines)


def as_json(rows: list[Row], **more: Any) -> dict[str, Any]:
    return {**more, "rows": [asdict(row) for row in rows]}


def without_paths(arguments: list[str]) -> list[str]:
    """Another broker is told by its name: where it lies on this machine is nobody's business."""
    return [
        f"{word.partition('=')[0]}=…" if before == "--broker" else word
        for before, word in zip(["", *arguments], arguments, strict=False)
    ]


def between_markers(text: str, table_text: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no place for the table: {BEGIN} and {END} must be there")
    return f"{before}{BEGIN}\n\n{table_text}\n\n{END}{after}"


# ---- the chart

COLOURS = ["#1f6f8b", "#c8553d", "#8a8d3f", "#6b4e71"]
WIDTH, LEFT, BAR, GAP, HEAD = 900, 330, 16, 14, 64
SCALE = WIDTH - LEFT - 130


def chart(rows: list[Row], brokers: list[str], title: str) -> str:
    """Bars as long as the medians, each row by its own largest, with a line from the smallest to the largest sample."""
    parts, y = [], HEAD
    for row in rows:
        longest = max(spread.largest for spread in row.spreads.values()) or 1.0
        better = "more is better" if row.metric.more_is_better else "less is better"
        middle = y + len(row.spreads) * BAR / 2
        parts.append(
            f'<text x="{LEFT - 10}" y="{middle - 2:.1f}" text-anchor="end">{escape(row.workload)}</text>'
            f'<text x="{LEFT - 10}" y="{middle + 12:.1f}" text-anchor="end" class="small">'
            f"{escape(row.metric.unit)}, {better}</text>"
        )
        for number, name in enumerate(brokers):
            spread = row.spreads.get(name)
            if not spread:
                continue
            unit = SCALE / longest
            centre = y + BAR / 2
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{max(1.0, spread.median * unit):.1f}" height="{BAR - 2}" '
                f'fill="{COLOURS[number % len(COLOURS)]}"/>'
                f'<path d="M{LEFT + spread.smallest * unit:.1f} {centre:.1f}H{LEFT + spread.largest * unit:.1f}" '
                f'stroke="#222"/>'
                f'<text x="{LEFT + spread.largest * unit + 6:.1f}" y="{y + BAR - 4}" class="small">'
                f"{digits(spread.median)}</text>"
            )
            y += BAR
        y += GAP
    legend = "".join(
        f'<rect x="{LEFT + 150 * n}" y="34" width="12" height="12" fill="{COLOURS[n % len(COLOURS)]}"/>'
        f'<text x="{LEFT + 150 * n + 18}" y="45">{escape(name)}</text>'
        for n, name in enumerate(brokers)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
        f'font-family="sans-serif" font-size="13">'
        f"<style>.small{{font-size:11px;fill:#444}}</style>"
        f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>'
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>{legend}{"".join(parts)}</svg>\n'
    )
