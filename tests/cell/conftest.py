from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.engine.engine import Engine
from tests.cell import deeds
from tests.engine.builders import House
from tests.store.processes import eventually

FLOW = """
    workflow: NAME
    version: 1
    start: work
    input: {value: any}
    defaults: {error: failed}
    states:
      work: {action: deed.DEED, OPTIONS success: {success: done, other: other, origin: other}}
      done: {end: success, output: work}
      other: {end: success, output: work}
      failed: {end: failure}
"""


class Yard:
    """A house in which one action at a time is performed in a process of its own."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.engine: Engine = house.engine(deeds)
        self._flows = 0

    def opens(self, deed: str, options: str = "", **more: Any) -> Engine:
        """Open an engine with one workflow: a state with this action, and an end for each outcome."""
        self.engine.close()
        self._flows += 1
        options = options if "retry" in options else f"retry: never, {options}"
        text = FLOW.replace("NAME", self.flow).replace("DEED", deed).replace("OPTIONS", options)
        self.engine = self.house.engine(deeds, definitions=[self.house.define(text, f"{self.flow}.yaml")], **more)
        return self.engine

    @property
    def flow(self) -> str:
        return f"deed{self._flows}"

    def does(self, deed: str, value: Any = None, options: str = "") -> fsm.Run:
        """Perform an action once, in an engine of its own."""
        self.opens(deed, options)
        return self.again(value)

    def again(self, value: Any = None) -> fsm.Run:
        """Perform it once more, in the same engine."""
        return self.engine.run(self.flow, {"value": value})

    def error(self, run: fsm.Run) -> dict[str, Any]:
        found: dict[str, Any] = self.engine.artifacts(run)["error"]
        return found


@pytest.fixture
def yard(house: House) -> Yard:
    return Yard(house)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def pids_in(place: Path) -> list[int]:
    """Wait until an action has left pids there, and return them."""
    eventually(place.exists)
    return [int(word) for word in place.read_text().split()]


def is_gone(pid: int) -> bool:
    """Return whether a process has ended, whether or not its parent knows."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def all_gone(pids: Iterable[int]) -> None:
    """Wait until processes have ended."""
    eventually(lambda: all(is_gone(pid) for pid in pids))
