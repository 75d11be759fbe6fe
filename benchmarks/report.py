"""The report: a header of facts, and a table of figures."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.figures import Figure

_HEAD = ("row", "what", "ours", "raw", "ratio", "target", "")
_NUMBERS = {2, 3, 4}
_VERDICTS = {True: "met", False: "MISSED", None: "told"}


def header(facts: Mapping[str, str]) -> str:
    return "  ".join(f"{name} {value}" for name, value in facts.items())


def table(figures: Iterable[Figure]) -> str:
    """Return figures as aligned text, with the note of each below it."""
    shown = [(_cells(figure), figure.skipped or figure.note) for figure in figures]
    rows = [_HEAD, *(cells for cells, _ in shown)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    lines = [_line(_HEAD, widths), _line(["─" * width for width in widths], widths)]
    for cells, note in shown:
        lines += [_line(cells, widths), *([f"{' ' * (widths[0] + 2)}· {note}"] if note else [])]
    return "\n".join(lines)


def _cells(figure: Figure) -> tuple[str, ...]:
    verdict = "skipped" if figure.skipped else _VERDICTS[figure.met]
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}x"
    target = str(figure.target) if figure.target else ""
    ours, raw = (_number(value, figure.unit) for value in (figure.value, figure.raw))
    return (figure.row, figure.what, ours, raw, ratio, target, verdict)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.{0 if value >= 100 or value == int(value) else 1}f} {unit}".rstrip()  # noqa: PLR2004


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = (
        cell.rjust(width) if place in _NUMBERS else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(aligned).rstrip()
