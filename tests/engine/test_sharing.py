"""One store, several hands: two engines, several threads, whoever watches, and the record that all of them leave."""

import asyncio
import threading
from typing import Any

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from fsm.kernel.decide import values_of
from tests.engine.builders import NOW, House, events, named, path

FLOW = """
    workflow: work
    version: 1
    start: one
    input: {n: int}
    defaults: {retry: never, error: failed}
    states:
      one: {action: w.one, success: two}
      two: {action: w.two, success: done}
      done: {end: success, output: "one + two"}
      failed: {end: failure}
"""


class Shop:
    """Actions that count how often they were called for each run."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.hold: dict[str, Any] = {}

    def act(self, name: str, n: int, ctx: fsm.Context) -> int:
        self.calls.append((name, ctx.run_id))
        if held := self.hold.get(name):
            held()
        return n

    def engine(self, house: House, **options: Any) -> Engine:
        house.define(FLOW)
        actions = [
            named("w.one", lambda n, ctx: self.act("one", n, ctx)),
            named("w.two", lambda n, ctx: self.act("two", n, ctx)),
        ]
        return house.engine(*actions, **options)


class TestTwoEngines:
    def test_a_run_that_one_drives_the_other_leaves_alone(self, house: House) -> None:
        shop = Shop()
        one, two = shop.engine(house), shop.engine(house)
        seen: list[Any] = []
        shop.hold["one"] = lambda: seen.append((two.resume(), two.runs()[0].status))
        run = one.run("work", {"n": 1})
        assert seen == [([], "running")]
        assert (run.output, len(shop.calls)) == (2, 2)

    def test_running_a_key_that_another_drives_waits_and_returns_its_run(self, house: House) -> None:
        shop = Shop()
        one, two = shop.engine(house), shop.engine(house, clock=None)
        inside, gate = threading.Event(), threading.Event()
        shop.hold["one"] = lambda: [step() for step in (inside.set, gate.wait)]
        runs: list[fsm.Run] = []
        driver = threading.Thread(target=lambda: runs.append(one.run("work", {"n": 1}, key="k")))
        driver.start()
        inside.wait()
        waiter = threading.Thread(target=lambda: runs.append(two.run("work", {"n": 1}, key="k")))
        waiter.start()
        gate.set()
        driver.join()
        waiter.join()
        assert runs[0] == runs[1]
        assert len(shop.calls) == 2

    def test_what_is_ready_is_done_once_however_many_resume_it(self, house: House) -> None:
        shop = Shop()
        first = shop.engine(house, clock=None)
        ids = {first.start("work", {"n": n}).id for n in range(12)}
        start = threading.Barrier(4)
        done: list[str] = []

        def resume(engine: Engine) -> None:
            start.wait()
            done.extend(run.id for run in engine.resume() if run.status == "succeeded")

        threads = [threading.Thread(target=resume, args=(shop.engine(house, clock=None),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(done) <= ids
        assert {run.id for run in first.runs(status="succeeded")} == ids
        assert sorted(shop.calls) == sorted((name, run_id) for run_id in ids for name in ("one", "two"))

    def test_a_result_that_comes_after_another_took_the_run_is_discarded(self, house: House) -> None:
        """The first engine is believed dead while its action runs; the second finishes the run; the first wakes up."""
        shop = Shop()
        one = shop.engine(house)
        two = shop.engine(house)

        def overtaken() -> None:
            shop.hold.clear()
            one.store._life.close()  # type: ignore[attr-defined]  # as a process that was stopped for too long
            shop.calls.append(("overtaken by", two.resume(two.runs()[0].id)[0].status))

        shop.hold["one"] = overtaken
        run = one.run("work", {"n": 1})
        assert (run.status, run.output) == ("succeeded", 2)
        assert events(one, run) == ["start", "success", "success"]
        assert [name for name, _ in shop.calls] == ["one", "one", "two", "overtaken by"]


class TestThreads:
    def test_one_engine_serves_several_threads(self, house: House) -> None:
        shop = Shop()
        engine = shop.engine(house, clock=None)
        outputs: list[Any] = []

        def work(n: int) -> None:
            outputs.extend(engine.run("work", {"n": n}, key=f"{n}-{m}").output for m in range(3))
            engine.store.leave()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outputs) == sorted(2 * n for n in range(6) for _ in range(3))
        assert len(shop.calls) == 36

    def test_threads_and_a_loop_together(self, house: House) -> None:
        shop = Shop()
        engine = shop.engine(house, clock=None)

        async def both() -> list[Any]:
            async_runs = [engine.run_async("work", {"n": n}) for n in range(3)]
            threaded = [asyncio.to_thread(engine.run, "work", {"n": n}) for n in range(3)]
            return [run.output for run in await asyncio.gather(*async_runs, *threaded)]

        assert asyncio.run(both()) == [0, 2, 4, 0, 2, 4]

    def test_signals_from_many_threads_are_each_counted_once(self, house: House) -> None:
        house.define("""
            workflow: vote
            version: 1
            start: ask
            states:
              ask: {signal: {yes: {to: done, count: 6}}, error: done}
              done: {end: success}
        """)
        engine = house.engine(clock=None)
        run = engine.run("vote")

        def vote(n: int) -> None:
            engine.signal(run.id, "yes", n, actor=str(n), message_id=str(n))
            engine.store.leave()

        threads = [threading.Thread(target=vote, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if engine.get(run.id).status != "succeeded":
            engine.resume()
        assert engine.get(run.id).status == "succeeded"
        assert events(engine, run) == ["start", "signal:yes"]


class TestWatching:
    def test_each_transition_is_told_once_in_order_after_it_is_durable(self, house: House) -> None:
        told: list[tuple[int, str, str]] = []
        reader = house.engine(definitions=[])

        def watch(run: fsm.Run, transition: fsm.Transition) -> None:
            assert reader.get(run.id).seq == run.seq == transition.seq
            told.append((transition.seq, transition.event, run.state))

        engine = Shop().engine(house, watch=watch)
        run = engine.run("work", {"n": 1})
        assert told == [(1, "start", "one"), (2, "success", "two"), (3, "success", "done")]
        engine.run("work", {"n": 2}, key="k")
        engine.run("work", {"n": 2}, key="k")
        engine.cancel(engine.start("work", {"n": 3}).id)
        assert [event for _, event, _ in told[3:]] == ["start", "success", "success", "start", "cancel"]
        assert engine.get(run.id).seq == 3

    def test_a_rest_and_a_refused_move_are_no_transitions(self, house: House) -> None:
        house.define("""
            workflow: s
            version: 1
            start: nap
            defaults: {error: done}
            states: {nap: {wait: {for: "60"}, success: ask}, ask: {signal: {go: done}}, done: {end: success}}
        """)
        told: list[str] = []
        engine = house.engine(watch=lambda run, transition: told.append(transition.event))
        run = engine.run("s")
        with pytest.raises(fsm.IllegalTransition):
            operations.redrive(engine, run.id)
        engine.signal(run.id, "go", 1)
        house.clock.instant += 60_000
        engine.resume()
        assert told == ["start", "elapsed", "signal:go"]

    def test_another_engine_s_transitions_are_not_told(self, house: House) -> None:
        told: list[str] = []
        watched = Shop().engine(house, watch=lambda run, transition: told.append(transition.event))
        other = Shop().engine(house)
        run = watched.start("work", {"n": 1})
        other.resume()
        assert told == ["start"]
        assert len(watched.history(run.id)) == 3

    def test_on_a_loop_it_is_told_too(self, house: House) -> None:
        told: list[str] = []
        engine = Shop().engine(house, watch=lambda run, transition: told.append(transition.event))
        asyncio.run(engine.run_async("work", {"n": 1}))
        assert told == ["start", "success", "success"]


class TestLooking:
    def test_the_history_is_every_transition_with_what_it_wrote(self, house: House) -> None:
        engine = Shop().engine(house)
        run = engine.run("work", {"n": 4})
        rows = engine.history(run.id)
        assert [(row.transition.source, row.transition.event, row.transition.target) for row in rows] == [
            ("", "start", "one"), ("one", "success", "two"), ("two", "success", "done")]  # fmt: skip
        assert [[tuple(artifact) for artifact in row.artifacts] for row in rows] == [[], [("one", "4")], [("two", "4")]]
        assert [row.transition.seq for row in rows] == [1, 2, 3]
        assert {row.transition.at for row in rows} == {NOW}
        assert rows[-1].transition.hash == engine.get(run.id).head
        assert [row.transition.seq for row in engine.follow(run.id, after=1)] == [2, 3]
        with pytest.raises(fsm.NotFound):
            engine.history("nobody")

    def test_the_artifacts_are_inputs_and_what_was_written(self, house: House) -> None:
        engine = Shop().engine(house)
        assert engine.artifacts(engine.run("work", {"n": 4})) == {"n": 4, "one": 4, "two": 4}

    def test_runs_are_listed_newest_first_and_by_what_is_asked(self, house: House) -> None:
        engine = Shop().engine(house)
        done = [engine.run("work", {"n": n}) for n in range(3)]
        ready = engine.start("work", {"n": 9})
        assert engine.runs() == [ready, *reversed(done)]
        assert engine.runs(status="ready") == engine.runs(state="one") == [ready]
        assert engine.runs(workflow="other") == []
        assert engine.runs(limit=2) == [ready, done[2]]
        assert engine.runs(limit=2, before=done[2].id) == [done[1], done[0]]
        assert path(engine, ready) == ["one"]

    def test_a_long_history_is_followed_page_by_page(self, house: House) -> None:
        house.define("""
            workflow: long
            version: 1
            start: count
            defaults: {retry: never, error: failed}
            states:
              count: {action: l.count, optional: count, max_visits: 700, success: {success: done, more: count}}
              done: {end: success, output: count}
              failed: {end: failure}
        """)
        engine = house.engine(
            named("l.count", lambda count: fsm.Outcome("more" if (count or 0) < 600 else "success", (count or 0) + 1))
        )
        engine.store.sql.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]  # it is the pages that are tested
        run = engine.run("long")
        seqs = [row.transition.seq for row in engine.follow(run.id)]
        assert (run.output, seqs) == (601, list(range(1, 603)))
        counted = [values_of(row.artifacts)["count"] for row in engine.follow(run.id, after=500)]
        assert counted == list(range(500, 602))

    def test_an_engine_is_a_context_and_closes_twice_without_harm(self, house: House) -> None:
        with Shop().engine(house) as engine:
            engine.run("work", {"n": 1})
        engine.close()
