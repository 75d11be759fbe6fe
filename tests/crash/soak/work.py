"""The runs of a soak: started many at a time, sent their signals, some of them early and all of them twice."""

import random
import time
from functools import partial
from pathlib import Path

import fsm
from fsm.engine.engine import Engine
from fsm.errors import IllegalTransition
from fsm.model.run import LIVE
from tests.crash.soak import actions
from tests.crash.soak.flow import FLOW, KINDS, signal_of

STARTED_TOGETHER = 50
STRIDE = 7
"""Between the numbers of two runs; shares no factor with KINDS, so that all kinds come."""


class Work:
    """Runs on one store, each with its number.

    Args:
        kinds: how many different numbers there are among them.
    """

    def __init__(self, folder: Path, runs: int, kinds: int, chance: random.Random) -> None:
        definition = folder / "soak.yaml"
        definition.write_text(FLOW)
        self.engine = Engine(folder / "runs.db", definitions=definition, actions=[actions])
        self.numbers: dict[str, int] = {}
        self._todo = [place % kinds * STRIDE % KINDS for place in range(runs)]
        self._chance = chance
        self._unsent: dict[str, int] = {}

    def start_some(self) -> bool:
        """Start some more runs in one transaction; return whether there are more."""
        now, self._todo = self._todo[:STARTED_TOGETHER], self._todo[STARTED_TOGETHER:]
        first = len(self.numbers)

        def start(place: int, n: int) -> fsm.Run:
            return self.engine.start("soak", {"n": n}, key=str(place), priority=place % 3)

        works = [partial(start, place, n) for place, n in enumerate(now, first)]
        _, begun = self.engine.store.together([], works)
        for run, n in zip(begun, now, strict=True):
            assert isinstance(run, fsm.Run), run
            self.numbers[run.id] = n
            if signal_of(n):
                self._unsent[run.id] = n
                if self._chance.random() < 0.3:  # before it is awaited
                    self._send(run.id)
        return bool(self._todo)

    def send_some(self) -> None:
        """Send signals to runs that wait for one."""
        for run in self.engine.runs(status="waiting", state="human", limit=100):
            if run.id in self._unsent:
                self._send(run.id)

    def _send(self, run_id: str) -> None:
        name, payload = signal_of(self._unsent.pop(run_id)) or ("", None)
        for _ in range(2):  # the second one is the same message, and changes nothing
            try:
                self.engine.signal(run_id, name, payload, message_id="m")
            except IllegalTransition:  # the run has ended on the first one
                assert self.engine.store.message(self.engine.get(run_id), "m")

    def is_done(self) -> bool:
        """Return whether every run has ended."""
        return not self._todo and not any(self.engine.runs(status=status, limit=1) for status in LIVE)

    def close(self) -> None:
        self.engine.close()


def paused(seconds: float, until_s: float) -> None:
    """Let a little time pass; raise where the whole has taken too long."""
    if time.monotonic() > until_s:
        raise TimeoutError("the soak was not done in time")
    time.sleep(seconds)
