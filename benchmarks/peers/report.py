"""The report: a row for each thing measured, a column for each engine, and whether ours is ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from benchmarks.figures import spread


@dataclass(frozen=True)
class Measure:
    """What one engine showed in one row: a value of each slice, or why there is none."""

    values: tuple[float, ...] = ()
    failed: str | None = None

    @property
    def value(self) -> float | None:
        """The median of the slices."""
        return None if self.failed or not self.values else median(self.values)


@dataclass(frozen=True)
class Row:
    """One thing that was measured on every engine.

    Attributes:
        better: which value is the better one; None for what is only told.
        measures: by engine, ours first.
    """

    what: str
    unit: str
    better: Literal["more", "less"] | None
    measures: Mapping[str, Measure]

    @property
    def ratios(self) -> dict[str, float]:
        """How many times better ours is than each peer that was measured."""
        (_, ours), *peers = self.measures.items()
        pairs = [(name, ours.value, peer.value) for name, peer in peers]
        return {name: _times(own, other, self.better) for name, own, other in pairs if own is not None and other}

    @property
    def ahead(self) -> bool | None:
        """Whether ours is better than every peer that was measured; None where there is nothing to compare."""
        return all(ratio > 1 for ratio in self.ratios.values()) if self.better and self.ratios else None

    @property
    def verdict(self) -> str:
        if self.better is None:
            return ""
        if self.ahead is None:
            return "nothing to compare"
        missing = [name for name, one in self.measures.items() if one.value is None]
        said = f"ahead, {min(self.ratios.values()):.2f}x at least"
        if not self.ahead:
            said = "BEHIND " + ", ".join(f"{name} {ratio:.2f}x" for name, ratio in self.ratios.items() if ratio <= 1)
        return said + (f"; without {', '.join(missing)}" if missing else "")

    def as_json(self) -> dict[str, Any]:
        measures = {name: {**vars(one), "value": one.value} for name, one in self.measures.items()}
        return {**vars(self), "measures": measures, "ratios": self.ratios, "ahead": self.ahead}


@dataclass(frozen=True)
class Fact:
    """One thing that is told of every engine, in words."""

    what: str
    told: Mapping[str, str]


def table(titles: Sequence[str], facts: Sequence[Fact], rows: Sequence[Row]) -> str:
    """Return facts and rows as aligned text: behind each peer's figure, how many times better ours is."""
    head = ("", *titles, "ours is")
    told = [(fact.what, *(fact.told.get(title, "") for title in titles), "") for fact in facts]
    measured = [(_title(row), *(_cell(row, title) for title in titles), row.verdict) for row in rows]
    lines = [head, *told, *measured]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    rule = ["─" * width for width in widths]
    shown = [_line(line, widths) for line in (head, rule, *told, *([rule] if told else []), *measured)]
    return "\n".join([*shown, *_notes(rows)])


def _title(row: Row) -> str:
    return f"{row.what}, {row.unit}" if row.unit else row.what


def _cell(row: Row, title: str) -> str:
    measure = row.measures[title]
    if measure.value is None:
        return "failed"
    ratio = f" ({row.ratios[title]:.2f}x)" if row.better and title in row.ratios else ""
    return f"{measure.value:,.{0 if measure.value >= 100 else 1}f}{ratio}"  # noqa: PLR2004


def _notes(rows: Sequence[Row]) -> list[str]:
    """Return why there are no figures, each reason once, and between what the slices lay."""
    failed: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for title, one in row.measures.items():
            if one.failed:
                failed.setdefault((title, one.failed), []).append(row.what)
    notes = [f"· {title} failed at {'; '.join(where)}: {why}" for (title, why), where in failed.items()]
    for row in rows:
        spreads = [f"{title} {_between(one.values)}" for title, one in row.measures.items() if len(one.values) > 1]
        notes += [f"· {row.what}, the middle half of its slices: {', '.join(spreads)}"] if spreads else []
    return ["", *notes] if notes else []


def _between(values: Sequence[float]) -> str:
    return spread(values, ",.0f" if min(values) >= 100 else ",.1f").partition(" (")[0]  # noqa: PLR2004


def _times(own: float, other: float, better: str | None) -> float:
    return own / other if better == "more" else other / own


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    last = len(cells) - 1
    aligned = (cell.rjust(width) if 0 < place < last else cell.ljust(width)
               for place, (cell, width) in enumerate(zip(cells, widths, strict=True)))  # fmt: skip
    return "  ".join(aligned).rstrip()
