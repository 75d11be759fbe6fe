"""The line that says how far long work is."""

import os
import pty
import sys
from collections.abc import Iterator

import pytest

from fsm.cli import meter as room
from fsm.cli.meter import Meter, meter


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal behind stderr; give the end that shows what is drawn."""
    here, there = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    with os.fdopen(there, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        yield here
    os.close(here)


def drawn(terminal: int) -> str:
    """Return all that the terminal was sent."""
    print("THE END", file=sys.stderr, flush=True)
    shown = ""
    while "THE END" not in shown:
        shown += os.read(terminal, 65_536).decode()
    return shown.partition("THE END")[0]


def test_long_work_says_how_far_it_is_and_leaves_nothing_behind(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE_S", 0.0)
    with meter(quiet=False) as shown:
        shown.show("copied 10%")
        shown.show("copied 20%, of \x1b[31m" + "much " * 20)
    text = drawn(terminal)
    assert "copied 20%, of \u241b[31m" in text
    assert "much much much much much" not in text
    assert text.endswith("\x1b[1A\x1b[2K")


def test_short_work_says_nothing(terminal: int) -> None:
    with meter(quiet=False) as shown:
        shown.show("copied 10%")
    assert drawn(terminal) == ""


def test_quiet_work_says_nothing(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE_S", 0.0)
    with meter(quiet=True) as shown:
        shown.show("copied 10%")
    assert drawn(terminal) == ""


def test_without_a_terminal_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert type(meter(quiet=False)) is Meter
    assert capsys.readouterr().err == ""
