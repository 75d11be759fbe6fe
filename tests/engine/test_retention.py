"""Retention: finished runs are deleted when their time has come, abandoned ones cancelled, everything else is kept."""

import sqlite3
import threading
from contextlib import closing
from typing import Any

import pytest

import fsm
from fsm import operations
from fsm.engine import retention, worker
from fsm.engine.engine import Engine
from fsm.engine.retention import sweep
from fsm.errors import NotFound
from fsm.store.answers import Aged
from tests.engine.builders import House, events, named
from tests.store.processes import eventually

DAY = 86_400_000
FLOW = """
    workflow: work
    version: 1
    start: act
    input: {how: str}
    defaults: {retry: never, error: dead}
    errors: {Refused: []}
    states:
      act: {action: w.act, interrupted: ask, success: {success: done, ask: asked, rest: resting, nap: napping}, error: {Refused: failed}}
      asked: {signal: {yes: done, more: more}}
      more: {signal: {yes: done}}
      resting: {signal: {yes: done}, deadline: 400d}
      napping: {wait: 400d, success: done}
      done: {end: success}
      failed: {end: failure}
      dead: {end: dead_letter}
"""  # noqa: E501


class Refused(Exception):
    pass


def act(how: str) -> fsm.Outcome[str, None]:
    if how == "refuse":
        raise Refused
    if how == "break":
        raise ValueError(how)
    return fsm.Outcome(how, None)


def opened(house: House, **options: Any) -> Engine:
    house.define(FLOW)
    return house.engine(named("w.act", act), **options)


def run(engine: Engine, how: str = "success") -> fsm.Run:
    return engine.run("work", {"how": how})


def left(engine: Engine) -> set[str]:
    return {one.id for one in engine.runs(limit=10_000)}


def later(house: House, duration_ms: int) -> None:
    house.clock.instant += duration_ms


class TestRetention:
    def test_what_has_ended_is_kept_for_thirty_days_and_then_deleted(self, house: House) -> None:
        engine = opened(house)
        done, failed = run(engine), run(engine, "refuse")
        cancelled = engine.cancel(engine.start("work", {"how": "success"}).id)
        assert {done.status, failed.status, cancelled.status} == {"succeeded", "failed", "cancelled"}
        later(house, 30 * DAY - 1)
        assert not operations.prune(engine).deleted
        later(house, 1)
        pruned = operations.prune(engine)
        assert pruned.deleted == {("work", status): 1 for status in ("succeeded", "failed", "cancelled")}
        assert left(engine) == set()

    def test_the_time_counts_from_the_end_not_from_the_start(self, house: House) -> None:
        engine = opened(house)
        asked = run(engine, "ask")
        later(house, 40 * DAY)
        engine.signal(asked.id, "yes")
        later(house, 29 * DAY)
        assert not operations.prune(engine).deleted
        later(house, DAY)
        assert operations.prune(engine).deleted == {("work", "succeeded"): 1}

    def test_a_dead_run_is_kept_however_old_it_is(self, house: House) -> None:
        engine = opened(house)
        dead = run(engine, "break")
        later(house, 3_000 * DAY)
        assert not operations.prune(engine, older_than_ms=0).deleted
        assert engine.get(dead.id).status == "dead"

    def test_a_workflow_may_keep_its_runs_for_another_time_or_for_ever(self, house: House) -> None:
        house.define(FLOW.replace("start: act", "start: act\n    retention: 2h"))
        house.define(FLOW.replace("workflow: work", "workflow: forever\n    retention: never"), "forever.yaml")
        engine = house.engine(named("w.act", act))
        run(engine)
        kept = engine.run("forever", {"how": "success"})
        later(house, 2 * 3_600_000)
        assert operations.prune(engine).deleted == {("work", "succeeded"): 1}
        later(house, 3_000 * DAY)
        assert not operations.prune(engine).deleted
        assert left(engine) == {kept.id}

    def test_the_newest_version_among_the_files_rules_and_also_older_runs(self, house: House) -> None:
        run(opened(house))
        house.define(FLOW.replace("version: 1", "version: 2\n    retention: 1d"), "newer.yaml")
        engine = house.engine(named("w.act", act))
        later(house, DAY)
        assert operations.prune(engine).deleted == {("work", "succeeded"): 1}

    def test_without_a_file_the_newest_version_in_the_store_rules(self, house: House) -> None:
        run(opened(house))
        house.define(FLOW.replace("version: 1", "version: 2\n    retention: 1d"))
        run(house.engine(named("w.act", act)))
        engine = house.engine(definitions=[])
        later(house, DAY)
        assert operations.prune(engine).deleted == {("work", "succeeded"): 2}

    def test_a_definition_that_cannot_be_read_keeps_its_runs(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        done = run(opened(house))
        with closing(sqlite3.connect(house.store)) as sql:
            sql.execute("DROP TRIGGER workflows_fixed")
            sql.execute("UPDATE workflows SET text = 'of a time to come'")
            sql.commit()
        engine = house.engine(definitions=[])
        later(house, 3_000 * DAY)
        assert not operations.prune(engine).deleted
        assert left(engine) == {done.id}
        assert 'no run of "work" is deleted or expires' in caplog.text

    def test_older_than_is_stronger_than_what_the_workflow_says(self, house: House) -> None:
        house.define(FLOW.replace("start: act", "start: act\n    retention: never"))
        engine = house.engine(named("w.act", act))
        old = run(engine)
        later(house, DAY)
        young = run(engine)
        assert operations.prune(engine, older_than_ms=DAY).deleted == {("work", "succeeded"): 1}
        assert left(engine) == {young.id}
        assert old.id != young.id

    def test_only_the_workflow_that_was_named_is_pruned(self, house: House) -> None:
        house.define(FLOW.replace("workflow: work", "workflow: other"), "other.yaml")
        engine = opened(house)
        run(engine)
        other = engine.run("other", {"how": "success"})
        later(house, 30 * DAY)
        assert operations.prune(engine, workflow="work").deleted == {("work", "succeeded"): 1}
        assert left(engine) == {other.id}

    def test_a_workflow_that_has_no_runs_is_told_apart_from_one_with_nothing_to_prune(self, house: House) -> None:
        engine = opened(house)
        run(engine)
        with pytest.raises(NotFound, match='no workflow "wrok" has runs here; did you mean "work"'):
            operations.prune(engine, workflow="wrok")

    def test_a_dry_run_tells_what_would_be_done_and_does_nothing(self, house: House) -> None:
        engine = opened(house)
        runs = {run(engine).id, run(engine, "refuse").id, run(engine, "ask").id}
        later(house, 90 * DAY)
        told = operations.prune(engine, dry_run=True)
        assert (told.rows, left(engine)) == (0, runs)
        assert engine.store.sql.execute("SELECT count(*) FROM runs WHERE status = 'waiting'").fetchone() == (1,)  # type: ignore[attr-defined]
        done = operations.prune(engine)
        assert (done.deleted, done.expired) == (told.deleted, told.expired)
        assert told.expired == {"work": 1}

    def test_a_fork_outlives_the_run_that_it_branched_off(self, house: House) -> None:
        engine = opened(house)
        origin = run(engine, "ask")
        fork = operations.fork(engine, origin.id, 2)
        engine.signal(origin.id, "yes")
        later(house, 30 * DAY)
        assert operations.prune(engine).deleted == {("work", "succeeded"): 1}
        assert not operations.replay(engine, fork.id).differences
        engine.signal(fork.id, "yes")
        assert [(one.id, one.status) for one in engine.resume(fork.id)] == [(fork.id, "succeeded")]

    def test_whoever_watches_is_told_how_far_it_is_after_every_step(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "_PAGE_RUNS", 2)
        engine = opened(house)
        for _ in range(5):
            run(engine)
        later(house, 30 * DAY)
        told: list[int] = []
        operations.prune(engine, watch=lambda done: told.append(done.deleted.total()))
        assert told == [2, 4, 5]

    def test_between_two_steps_that_wrote_others_get_their_turn(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "_PAGE_RUNS", 2)
        engine = opened(house)
        old = [run(engine) for _ in range(3)]
        later(house, 30 * DAY)
        fresh: list[fsm.Run] = []
        house.clock.slept.clear()
        house.clock.on_sleep = lambda: fresh.append(engine.start("work", {"how": "success"}))
        operations.prune(engine)
        assert len(fresh) == len(house.clock.slept) >= 1
        assert left(engine) == {one.id for one in fresh}
        assert old


class TestExpiry:
    @pytest.mark.parametrize("how", ["ask", "ready"])
    def test_a_run_that_nobody_moved_for_ninety_days_is_cancelled(self, house: House, how: str) -> None:
        engine = opened(house)
        abandoned = engine.start("work", {"how": "x"}) if how == "ready" else run(engine, how)
        later(house, 90 * DAY - 1)
        assert not operations.prune(engine).expired
        later(house, 1)
        assert operations.prune(engine).expired == {"work": 1}
        ended = engine.get(abandoned.id)
        assert (ended.status, ended.state) == ("cancelled", abandoned.state)
        assert ended.reason == "expired: no transition for 90d or more"
        row = engine.history(ended.id)[-1].transition
        assert (row.event, row.actor, row.at) == ("cancel", "fsm", house.clock.instant)

    def test_a_run_that_asks_a_person_expires_too(self, house: House) -> None:
        house.define(FLOW.replace("interrupted: ask,", "timeout: 1ms, interrupted: ask,"))
        engine = house.engine(named("w.act", lambda how: threading.Event().wait(0.2)))
        asking = run(engine)
        assert asking.awaits == ("complete", "redrive")
        later(house, 90 * DAY)
        assert operations.prune(engine).expired == {"work": 1}

    @pytest.mark.parametrize("how", ["rest", "nap"])
    def test_a_run_that_goes_on_by_itself_at_some_time_does_not_expire(self, house: House, how: str) -> None:
        engine = opened(house)
        resting = run(engine, how)
        later(house, 399 * DAY)
        assert not operations.prune(engine).expired
        assert engine.get(resting.id) == resting

    def test_a_run_that_a_process_drives_does_not_expire(self, house: House) -> None:
        engine = opened(house)
        ready = engine.start("work", {"how": "success"})
        assert engine.store.claim(ready.id, house.clock.instant)
        later(house, 3_000 * DAY)
        assert not operations.prune(engine).expired

    @pytest.mark.parametrize(("workflow", "state"), [("", ""), ("work", ""), ("work", "asked")])
    def test_the_time_of_a_run_that_was_paused_counts_from_the_end_of_the_pause(
        self, house: House, workflow: str, state: str
    ) -> None:
        engine = opened(house)
        asked = run(engine, "ask")
        operations.pause(engine, workflow or None, state or None)
        later(house, 90 * DAY)
        assert not operations.prune(engine).expired
        operations.unpause(engine, workflow or None, state or None)
        later(house, 90 * DAY - 1)
        assert not operations.prune(engine).expired
        assert engine.get(asked.id) == asked
        later(house, 1)
        assert operations.prune(engine).expired == {"work": 1}

    def test_a_workflow_may_say_when_its_runs_expire_or_that_they_never_do(self, house: House) -> None:
        house.define(FLOW.replace("start: act", "start: act\n    expires: 36h"))
        house.define(FLOW.replace("workflow: work", "workflow: forever\n    expires: never"), "forever.yaml")
        engine = house.engine(named("w.act", act))
        asked = run(engine, "ask")
        kept = engine.run("forever", {"how": "ask"})
        later(house, 36 * 3_600_000)
        operations.prune(engine)
        assert engine.get(asked.id).reason == "expired: no transition for 1d12h or more"
        later(house, 3_000 * DAY)
        operations.prune(engine)
        assert left(engine) == {kept.id}

    def test_the_cancelled_run_is_kept_for_its_retention_from_then_on(self, house: House) -> None:
        engine = opened(house)
        asked = run(engine, "ask")
        later(house, 90 * DAY)
        operations.prune(engine)
        later(house, 30 * DAY - 1)
        assert not operations.prune(engine).deleted
        assert engine.get(asked.id).status == "cancelled"
        later(house, 1)
        assert operations.prune(engine).deleted == {("work", "cancelled"): 1}

    @pytest.mark.parametrize("answer", ["yes", "more"])
    def test_a_run_that_moves_while_it_is_looked_at_is_left_alone(self, house: House, answer: str) -> None:
        engine = opened(house)
        asked = run(engine, "ask")
        later(house, 90 * DAY)
        look = engine.store.aged

        def answered(after: str, limit: int) -> list[Aged]:
            page = look(after, limit)
            engine.signal(asked.id, answer)
            return page

        engine.store.aged = answered  # type: ignore[method-assign]
        assert not operations.prune(engine).expired
        assert events(engine, asked) == ["start", "success:ask", f"signal:{answer}"]

    def test_watchers_of_the_engine_are_told_of_what_expires(self, house: House) -> None:
        seen: list[tuple[str, str]] = []
        engine = opened(house, watch=lambda run, row: seen.append((run.status, row.event)))
        run(engine, "ask")
        later(house, 90 * DAY)
        seen.clear()
        operations.prune(engine)
        assert seen == [("cancelled", "cancel")]


class TestSweep:
    def test_a_sweep_looks_at_one_page_and_the_next_one_goes_on_behind_it(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "_PAGE_RUNS", 2)
        engine = opened(house)
        runs = [run(engine, how) for how in ("break", "success", "break", "break", "success")]
        later(house, 30 * DAY)
        first = sweep(engine)
        assert ([one.id for one in first.deleted], first.after) == ([runs[1].id], runs[1].id)
        second = sweep(engine, after=first.after or "")
        assert (second.deleted, second.after) == ((), runs[3].id)
        third = sweep(engine, after=second.after or "")
        assert ([one.id for one in third.deleted], third.after) == ([runs[4].id], None)

    def test_a_sweep_deletes_no_more_than_it_may_and_the_next_one_goes_on_there(self, house: House) -> None:
        engine = opened(house)
        runs = [run(engine) for _ in range(4)]
        later(house, 30 * DAY)
        first = sweep(engine, rows_max=8)
        assert [one.id for one in first.deleted] == [one.id for one in runs[:2]]
        assert first.after == runs[1].id
        rest = sweep(engine, after=first.after)
        assert ([one.id for one in rest.deleted], rest.after) == ([one.id for one in runs[2:]], None)

    def test_sweeps_that_can_delete_next_to_nothing_still_come_to_an_end(self, house: House) -> None:
        engine = opened(house)
        for _ in range(3):
            run(engine)
        later(house, 30 * DAY)
        after: str | None = ""
        while after is not None:
            after = sweep(engine, rows_max=1, after=after).after
        assert left(engine) == set()

    def test_a_sweep_of_a_store_with_nothing_old_reads_one_page(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "_PAGE_RUNS", 2)
        engine = opened(house)
        for _ in range(5):
            run(engine)
        swept = sweep(engine)
        assert swept == retention.Swept((), (), 0, None)

    def test_a_sweep_of_an_empty_store_does_nothing(self, house: House) -> None:
        assert sweep(opened(house)) == retention.Swept((), (), 0, None)


class TestWorker:
    def test_a_worker_deletes_what_is_kept_no_longer_while_it_drives_other_runs(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "_PAGE_RUNS", 2)
        for name in ("SWEEP_S", "SWEEP_ON_S", "SWEEP_BUSY_S"):
            monkeypatch.setattr(worker, name, 0.0)
        gate = threading.Event()
        house.define(FLOW)
        engine = house.engine(named("w.act", lambda how: act(how) if how != "hold" else gate.wait()))
        kept = {run(engine, "break").id for _ in range(3)}
        for _ in range(5):
            run(engine)
        later(house, 30 * DAY)
        driven = engine.start("work", {"how": "hold"})
        working = threading.Thread(target=engine.work, kwargs={"until": "idle"})
        working.start()
        eventually(lambda: left(engine) == {*kept, driven.id})
        gate.set()
        working.join()
        assert engine.get(driven.id).status == "succeeded"

    def test_a_worker_drives_what_lay_ready_for_long_before_it_could_expire(self, house: House) -> None:
        engine = opened(house)
        ready = engine.start("work", {"how": "success"})
        later(house, 3_000 * DAY)
        looks: list[str] = []
        engine.store.aged = lambda after, limit: looks.append(after) or []  # type: ignore[method-assign,func-returns-value]
        engine.work(until="idle")
        assert looks == []
        assert engine.get(ready.id).status == "succeeded"
