"""Text for people: tables that fit, instants and durations that read well."""

from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.render.instants import ago, lasting, local, time_of_day, utc
from fsm.render.table import Column, Table
from fsm.render.terminal import width

COLUMNS = (Column("ID"), Column("NAME", least=5, spare=1), Column("MORE", least=6, spare=2))
CELLS = st.text(max_size=30)


@given(rows=st.lists(st.tuples(st.text("abc", max_size=5), CELLS, CELLS), max_size=5), room=st.integers(20, 90))
def test_no_line_is_wider_than_the_room(rows: list[tuple[str, ...]], room: int) -> None:
    assert all(width(line) <= room for line in Table(COLUMNS, room).head(rows))


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5))
def test_nothing_is_cut_where_there_is_no_terminal(rows: list[tuple[str, ...]]) -> None:
    cut = "…"
    if not any(cut in cell for row in rows for cell in row):
        assert cut not in "".join(Table(COLUMNS, None).head(rows))


def test_what_fits_is_shown_whole_and_aligned() -> None:
    lines = Table(COLUMNS, 40).head([("1", "Ana", "x"), ("22", "Bo", "yy")])
    assert lines == ["ID  NAME  MORE", "1   Ana   x", "22  Bo    yy"]


def test_the_widest_cells_give_way_first() -> None:
    lines = Table(COLUMNS, 20).head([("12345678", "Ana", "a long story")])
    assert lines == ["ID        NAME  MORE", "12345678  Ana   a l…"] or all(width(line) <= 20 for line in lines)
    assert "12345678" in lines[1]


def test_columns_that_have_no_room_go_by_their_rank() -> None:
    lines = Table(COLUMNS, 16).head([("12345678", "Ana Maria", "a long story")])
    assert lines == ["ID        NAME", "12345678  Ana M…"]


def test_wide_characters_take_two_columns() -> None:
    lines = Table(COLUMNS, 22).head([("1", "日本語日本語日本語", "x")])
    assert all(width(line) <= 22 for line in lines)


def test_control_characters_cannot_reach_the_terminal() -> None:
    lines = Table(COLUMNS, None).head([("1", "\x1b[31mred", "a\nb")])
    assert "\x1b" not in "".join(lines)
    assert "\n" not in lines[1]


def test_instants_are_utc_for_programs_and_local_for_people() -> None:
    instant = 1_786_000_000_123
    assert utc(instant) == "2026-08-06T07:06:40.123Z"
    assert utc(None) is None
    assert local(instant, UTC) == "2026-08-06 07:06:40"
    assert local(instant, timezone(timedelta(hours=2))) == "2026-08-06 09:06:40"
    assert time_of_day(instant, UTC) == "07:06:40"


@pytest.mark.parametrize("instant", [10**17, -(10**17), 253_402_300_799_999])
def test_instants_beyond_the_calendar_are_said_to_be(instant: int) -> None:
    assert local(instant, timezone(timedelta(hours=14))) == "after the year 9999"


@pytest.mark.parametrize(
    ("duration", "said"),
    [(0, "0 ms"), (999, "999 ms"), (1_200, "1.2 s"), (12_345, "12 s"), (200_000, "3 min 20 s"), (180_000, "3 min"),
     (187_200_000, "2 d 4 h")],
)  # fmt: skip
def test_durations_take_at_most_two_units(duration: int, said: str) -> None:
    assert lasting(duration) == said


@pytest.mark.parametrize(
    ("past", "said"),
    [(-5, "just now"), (999, "just now"), (1_000, "1 s ago"), (61_000, "1 min ago"), (7_200_000, "2 h ago"),
     (10**9, "11 d ago")],
)  # fmt: skip
def test_ages_are_told_in_their_largest_unit(past: int, said: str) -> None:
    assert ago(1_000_000, 1_000_000 + past) == said
