"""Columns of text that fit a terminal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fsm.render.terminal import paint, safe, width

_GAP = "  "
_CUT = "…"
_BOLD = "1"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        least: how narrow it may get; 0 for never narrower than its content.
        spare: which column goes first when there is no room at all, highest first; 0 stays.
    """

    title: str
    least: int = 0
    spare: int = 0


@dataclass
class Table:
    """Rows under titles; more rows may follow the first ones, and keep to their columns where they can.

    Args:
        columns: from left to right; each row has one cell for each.
        room: columns of the terminal, or None for as many as it takes.
    """

    columns: Sequence[Column]
    room: int | None
    _natural: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._natural = [len(column.title) for column in self.columns]

    def head(self, rows: Sequence[Sequence[str]], *, colour: bool = False) -> list[str]:
        """Return the line of titles and the rows under it."""
        body = self.lines(rows)
        return [paint(self._line([column.title for column in self.columns]), _BOLD, on=colour), *body]

    def lines(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """Return one line for each row."""
        clean = [[safe(cell) for cell in row] for row in rows]
        for row in clean:
            self._natural = [max(known, width(cell)) for known, cell in zip(self._natural, row, strict=True)]
        return [self._line(row) for row in clean]

    def _line(self, cells: Iterable[str]) -> str:
        shown = [filled(cell, columns) for cell, columns in zip(cells, self.widths(), strict=True) if columns]
        return _GAP.join(shown).rstrip()

    def widths(self) -> list[int]:
        """Return how wide each column is now; 0 for one that there is no room for."""
        if self.room is None:
            return list(self._natural)
        kept = self._kept(self.room)
        widths = [natural if place in kept else 0 for place, natural in enumerate(self._natural)]
        while _total(widths) > self.room:
            place = max(kept, key=lambda place: widths[place] - self._floor(place))
            if widths[place] == self._floor(place):
                break
            widths[place] -= 1
        return widths

    def _kept(self, room: int) -> list[int]:
        """Return the columns that fit at their narrowest, after giving up as few as need be."""
        kept = list(range(len(self.columns)))
        while _total([self._floor(place) for place in kept]) > room:
            spare = max(kept, key=lambda place: self.columns[place].spare)
            if not self.columns[spare].spare:
                break
            kept.remove(spare)
        return kept

    def _floor(self, place: int) -> int:
        return min(self.columns[place].least or self._natural[place], self._natural[place])


def filled(cell: str, columns: int) -> str:
    """Return a safe text cut or padded to exactly so many columns."""
    if width(cell) > columns:
        while width(cell) > columns - 1 and cell:
            cell = cell[: min(len(cell) - 1, columns)]
        cell += _CUT
    return cell + " " * (columns - width(cell))


def _total(widths: Sequence[int]) -> int:
    taken = [columns for columns in widths if columns]
    return sum(taken) + len(_GAP) * max(len(taken) - 1, 0)
