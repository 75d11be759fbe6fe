"""Pruning beside processes that write, and after the death of one that pruned."""

import os
import signal
import sqlite3
from contextlib import closing

import pytest

from fsm import operations
from fsm.engine import retention
from fsm.operations.prune import Pruned
from tests.engine.builders import Hand, House, named
from tests.store.chain import breaks
from tests.store.processes import Child, Line, children

DAY = 86_400_000
FLOW = """
    workflow: work
    version: 1
    start: one
    defaults: {retry: never, error: failed}
    states:
      one: {action: w.one, success: two}
      two: {action: w.two, success: done}
      done: {end: success, output: "one + two"}
      failed: {end: failure}
"""
ACTIONS = (named("w.one", lambda: 1), named("w.two", lambda: 2))


class Ids(Hand):
    """A clock of one process, whose ids no other process draws."""

    def new_id(self) -> str:
        self._ids += 1
        return f"{self.instant:014d}{os.getpid():06d}{self._ids:06d}"


def filled(house: House, runs: int) -> list[str]:
    """Return old runs, and let the clock go on to where their time has come."""
    house.define(FLOW)
    house.clock = Ids()
    with house.engine(*ACTIONS) as engine:
        ids = [engine.run("work").id for _ in range(runs)]
    house.clock.instant += 30 * DAY
    return ids


def sound(house: House) -> list[str]:
    """Assert that the file is whole and that every run in it has its whole ledger; return the runs."""
    with closing(sqlite3.connect(house.store)) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert sql.execute("SELECT count(*) FROM remains").fetchone() == (0,)
        for table in ("transitions", "artifacts"):
            orphans = f"SELECT count(*) FROM {table} WHERE run_id NOT IN (SELECT id FROM runs)"
            assert sql.execute(orphans).fetchone() == (0,)
        ids = [uid for (uid,) in sql.execute("SELECT uid FROM runs")]
    assert [uid for uid in ids if breaks(house.store, uid)] == []
    return ids


def test_writers_get_on_between_any_two_steps_of_a_prune(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_PAGE_RUNS", 4)
    old = filled(house, 20)

    def write(line: Line) -> None:
        engine = house.engine(*ACTIONS, clock=Ids(house.clock.now()))
        while not line.poll():
            line.send(engine.run("work").id)
        line.recv()
        line.send(None)

    def heard(child: Child, count: int) -> list[str]:
        return [child.hears() for _ in range(count)]

    with children(write, write) as writers, house.engine(definitions=[]) as engine:
        answered = [run_id for child in writers for run_id in heard(child, 1)]

        def watch(_: Pruned) -> None:
            for child in writers:
                answered.extend(heard(child, 2))

        pruned = operations.prune(engine, watch=watch)
        for child in writers:
            child.tell()
            answered += iter(child.hears, None)
            assert child.ended() == 0
    assert pruned.deleted == {("work", "succeeded"): 20}
    assert sorted(sound(house)) == sorted(answered)
    assert not set(answered) & set(old)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_prune_that_is_killed_is_done_by_the_next_one(
    house: House, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(retention, "_PAGE_RUNS", 3)
    monkeypatch.setattr(retention.sweep, "__defaults__", (4,))  # less than a run has: each step leaves something behind
    old = filled(house, 12)

    def prune(line: Line) -> None:
        engine = house.engine(definitions=[], clock=Ids(house.clock.now()))
        operations.prune(engine, watch=line.send)

    with children(prune) as (child,):
        for _ in range(steps):
            child.hears()
        os.kill(child.pid, signal.SIGKILL)
        child.ended()
    with closing(sqlite3.connect(house.store)) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with house.engine(definitions=[]) as engine:
        fresh = house.engine(*ACTIONS).run("work").id
        operations.prune(engine)
    assert sound(house) == [fresh]
    assert fresh not in old


def test_two_that_prune_at_once_delete_every_run_once(house: House) -> None:
    filled(house, 30)

    def prune(line: Line) -> None:
        engine = house.engine(definitions=[], clock=Ids(house.clock.now()))
        line.send("here")
        line.recv()
        line.send(operations.prune(engine).deleted.total())

    with children(prune, prune) as both:
        for child in both:
            child.hears()
        for child in both:
            child.tell()
        assert sum(child.hears() for child in both) == 30
    assert sound(house) == []
