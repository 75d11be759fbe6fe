"""Stats and watch through the API: the window that is looked at, what is stuck, how fast it moves."""

from importlib import import_module

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from fsm.errors import NotFound
from tests.engine.builders import House, named

DAY = 86_400_000
FLOW = """
    workflow: work
    version: 1
    start: act
    input: {how: str}
    defaults: {retry: never, error: dead}
    states:
      act: {action: w.act, success: done}
      done: {end: success}
      dead: {end: dead_letter}
"""


def act(how: str) -> str:
    if how == "break":
        raise ValueError(how)
    return how


@pytest.fixture
def engine(house: House) -> Engine:
    house.define(FLOW)
    return house.engine(named("w.act", act))


def run(engine: Engine, how: str = "go") -> fsm.Run:
    return engine.run("work", {"how": how})


class TestStats:
    def test_the_last_day_is_looked_at(self, house: House, engine: Engine) -> None:
        run(engine)
        house.clock.instant += DAY + 1
        run(engine, "break")
        stats = operations.stats(engine)
        assert (stats.since_ms, stats.lately.since) == (DAY, stats.at - DAY)
        assert [(one.state, one.status) for one in stats.present.counts] == [("dead", "dead")]
        assert (stats.lately.transitions, stats.lately.begun, stats.lately.finished) == (2, 1, 1)
        assert operations.stats(engine, since_ms=DAY + 1).lately.transitions == 4

    def test_without_a_window_no_more_than_so_many_rows_are_looked_at(
        self, house: House, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(import_module("fsm.operations.stats"), "ROWS_MAX", 4)
        for _ in range(3):
            run(engine)
            house.clock.instant += 1_000
        stats = operations.stats(engine)
        assert (stats.lately.rows, stats.lately.is_cut, stats.since_ms) == (4, True, 2_000)
        whole = operations.stats(engine, since_ms=DAY)
        assert (whole.lately.rows, whole.lately.is_cut, whole.since_ms) == (6, False, DAY)

    @pytest.mark.parametrize(("since_ms", "bucket_ms"), [(None, 3_600_000), (2 * DAY, 3_600_000), (2 * DAY + 1, DAY)])
    def test_deaths_are_counted_by_the_hour_or_in_a_long_window_by_the_day(
        self, engine: Engine, since_ms: int | None, bucket_ms: int
    ) -> None:
        assert operations.stats(engine, since_ms=since_ms).bucket_ms == bucket_ms

    def test_a_run_is_stuck_that_nobody_drives_for_a_minute_or_as_told(self, house: House, engine: Engine) -> None:
        ready = engine.start("work", {"how": "go"})
        house.clock.instant += 59_999
        assert operations.stats(engine).present.stuck_runs == 0
        house.clock.instant += 1
        (stuck,) = operations.stats(engine).present.stuck
        assert (stuck.run_id, stuck.why) == (ready.id, "ready")
        assert operations.stats(engine, late_ms=60_001).present.stuck_runs == 0

    def test_only_the_workflow_that_was_named_is_counted(self, house: House) -> None:
        house.define(FLOW)
        house.define(FLOW.replace("workflow: work", "workflow: other"), "other.yaml")
        engine = house.engine(named("w.act", act))
        run(engine, "break")
        engine.run("other", {"how": "break"})
        stats = operations.stats(engine, workflow="other")
        assert [count.workflow for count in stats.present.counts] == ["other"]
        assert stats.lately.transitions == 2

    def test_a_workflow_that_has_no_runs_is_refused(self, engine: Engine) -> None:
        run(engine)
        for verb in (operations.stats, operations.watch):
            with pytest.raises(NotFound, match='no workflow "wrok" has runs here; did you mean "work"'):
                verb(engine, workflow="wrok")


class TestWatch:
    def test_the_first_look_knows_no_speed_and_the_next_one_tells_it(self, house: House, engine: Engine) -> None:
        run(engine)
        first = operations.watch(engine)
        assert (first.at, first.edges_per_s) == (house.clock.instant, None)
        for _ in range(3):
            run(engine)
        house.clock.instant += 4_000
        second = operations.watch(engine, first)
        assert second.edges_per_s == 1.5
        house.clock.instant += 1_000
        assert operations.watch(engine, second).edges_per_s == 0

    def test_two_looks_at_the_same_instant_tell_no_speed(self, engine: Engine) -> None:
        assert operations.watch(engine, operations.watch(engine)).edges_per_s is None

    def test_what_it_tells_is_what_there_is(self, house: House, engine: Engine) -> None:
        ready = engine.start("work", {"how": "go"})
        glance = operations.watch(engine)
        assert [(one.state, one.status, one.runs) for one in glance.present.counts] == [("act", "ready", 1)]
        assert glance.present.ready_since == ready.updated_at
