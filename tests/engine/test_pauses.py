"""The kill switch, seen from the engine: nothing new begins, nothing is lost, and what comes after goes on."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from tests.engine.builders import NOW, House, events, named
from tests.store.processes import Line, children

FLOW = """
    workflow: work
    version: 1
    start: one
    input: {n: int}
    defaults: {retry: {attempts: 3, delay: 10s, jitter: none}, error: failed}
    states:
      one: {action: w.one, idempotent: true, success: two}
      two: {action: w.two, idempotent: true, success: human}
      human: {signal: {accept: done, refuse: failed}, match: payload != 'wrong', deadline: 1h}
      done: {end: success, output: "one + two"}
      failed: {end: failure}
"""


class Works:
    """An engine whose two actions are counted; each may do something before it returns."""

    def __init__(self, house: House) -> None:
        house.define(FLOW)
        self.house = house
        self.calls: list[str] = []
        self.hold: dict[str, Callable[[], object]] = {}
        self.engine = self.opened()

    def opened(self, **options: Any) -> Engine:
        actions = [named(f"w.{name}", self._action(name)) for name in ("one", "two")]
        return self.house.engine(*actions, **options)

    def _action(self, name: str) -> Callable[..., int]:
        def act(n: int) -> int:
            self.calls.append(name)
            self.hold.get(name, lambda: None)()
            return n

        return act

    def pause(self, *scope: str, **more: Any) -> None:
        operations.pause(self.engine, *scope, actor="ana", reason="down", **more)

    def resume(self, *scope: str) -> list[fsm.Run]:
        operations.unpause(self.engine, *scope)
        return self.engine.resume()


@pytest.fixture
def works(house: House) -> Works:
    return Works(house)


class TestDriving:
    def test_the_action_in_flight_ends_and_the_next_one_does_not_begin(self, works: Works) -> None:
        works.hold["one"] = lambda: works.pause("work")
        run = works.engine.run("work", {"n": 1})
        assert (run.state, run.status, works.calls) == ("two", "ready", ["one"])
        assert works.engine.artifacts(run)["one"] == 1
        assert works.engine.resume() == []
        assert works.engine.resume(run.id) == [run]
        (after,) = works.resume("work")
        assert (after.state, works.calls) == ("human", ["one", "two"])

    def test_a_run_is_stored_and_nothing_of_it_performed(self, works: Works) -> None:
        works.pause()
        run = works.engine.run("work", {"n": 1}, key="k")
        assert (run.state, run.status, works.calls) == ("one", "ready", [])
        assert works.engine.run("work", {"n": 1}, key="k") == run
        assert works.engine.start("work", {"n": 2}).status == "ready"
        assert [after.state for after in works.resume()] == ["human", "human"]

    def test_driving_to_the_end_stops_at_a_pause_too(self, works: Works) -> None:
        works.hold["two"] = lambda: works.pause("work", "human")
        assert works.engine.run("work", {"n": 1}, until="end").state == "human"

    def test_a_retry_that_is_waited_for_is_not_slept_through_under_a_pause(self, works: Works) -> None:
        def fail() -> None:
            works.pause("work", "one")
            raise fsm.Unavailable("down")

        works.hold["one"] = fail
        run = works.engine.run("work", {"n": 1})
        assert (run.state, run.status, works.house.clock.slept) == ("one", "waiting", [])
        works.house.clock.instant += 10_000
        assert works.engine.resume() == []
        works.hold.clear()
        assert works.resume("work", "one")[0].state == "human"

    def test_a_pause_between_a_probe_and_its_action_keeps_the_action_from_beginning(self, house: House) -> None:
        house.define("""
            workflow: mail
            version: 1
            start: send
            defaults: {retry: never, error: failed}
            states:
              send: {action: m.send, idempotent: false, interrupted: {probe: m.find}, success: done}
              done: {end: success}
              failed: {end: failure}
        """)
        calls: list[str] = []

        def send() -> None:
            calls.append("send")
            if len(calls) == 1:
                raise KeyboardInterrupt

        def find() -> None:
            calls.append("find")
            if len(calls) == 2:
                operations.pause(engine, "mail", "send")

        engine = house.engine(named("m.send", send), named("m.find", find))
        with pytest.raises(KeyboardInterrupt):
            engine.run("mail", key="k")
        (run,) = engine.resume()
        assert (run.status, run.interrupted, calls) == ("ready", True, ["send", "find"])
        operations.unpause(engine, "mail", "send")
        assert engine.resume()[0].status == "succeeded"
        assert calls == ["send", "find", "find", "send"]

    def test_it_is_the_same_from_asyncio(self, works: Works) -> None:
        works.hold["one"] = lambda: works.pause("work")
        run = asyncio.run(works.engine.run_async("work", {"n": 1}))
        assert (run.state, run.status, works.calls) == ("two", "ready", ["one"])


class TestSignals:
    def waiting(self, works: Works) -> fsm.Run:
        run = works.engine.run("work", {"n": 1})
        assert run.status == "waiting"
        return run

    def test_one_that_comes_under_a_pause_is_kept_and_taken_afterwards(self, works: Works) -> None:
        run = self.waiting(works)
        works.pause("work", "human")
        assert works.engine.signal(run.id, "accept", "fine", message_id="m") == run
        assert works.engine.signal(run.id, "accept", "fine", message_id="m") == run
        assert works.engine.resume() == []
        (done,) = works.resume("work", "human")
        assert (done.status, events(works.engine, run)[-1]) == ("succeeded", "signal:accept")

    def test_the_oldest_that_came_is_the_one_that_is_taken(self, works: Works) -> None:
        run = self.waiting(works)
        works.pause()
        works.engine.signal(run.id, "refuse")
        works.engine.signal(run.id, "accept")
        assert works.resume()[0].state == "failed"

    def test_one_that_can_not_be_taken_is_refused_at_once(self, works: Works) -> None:
        run = self.waiting(works)
        works.pause()
        with pytest.raises(fsm.IllegalTransition, match="`match` refuses its payload"):
            works.engine.signal(run.id, "accept", "wrong")
        with pytest.raises(fsm.IllegalTransition):
            works.engine.signal(run.id, "acept")

    def test_one_that_came_before_the_deadline_beats_it_though_the_pause_outlasts_it(self, works: Works) -> None:
        run = self.waiting(works)
        works.pause()
        works.engine.signal(run.id, "accept")
        works.house.clock.instant = NOW + 7_200_000
        assert works.resume()[0].status == "succeeded"

    def test_a_deadline_that_passes_under_a_pause_is_taken_afterwards(self, works: Works) -> None:
        run = self.waiting(works)
        works.pause("work")
        works.house.clock.instant = NOW + 7_200_000
        assert works.engine.resume() == []
        with pytest.raises(fsm.IllegalTransition, match="it came after the deadline"):
            works.engine.signal(run.id, "accept")
        assert works.resume("work")[0].state == "failed"

    def test_a_pause_that_comes_between_the_look_and_the_commit_keeps_the_signal(self, works: Works) -> None:
        run = self.waiting(works)
        real = works.engine.store.commit

        def late(decisions: Any) -> Any:
            works.engine.store.commit = real  # type: ignore[method-assign]
            works.pause("work")
            return works.engine.store.commit(decisions)

        works.engine.store.commit = late  # type: ignore[method-assign]
        assert works.engine.signal(run.id, "accept") == run
        assert works.resume("work")[0].status == "succeeded"

    def test_a_pause_that_ends_between_the_look_and_the_keeping_lets_the_signal_cross(self, works: Works) -> None:
        run = self.waiting(works)
        works.pause("work")
        real = works.engine.store.keep

        def late(*given: Any, **more: Any) -> bool:
            works.engine.store.keep = real  # type: ignore[method-assign]
            operations.unpause(works.engine, "work")
            return works.engine.store.keep(*given, **more)

        works.engine.store.keep = late  # type: ignore[method-assign]
        assert works.engine.signal(run.id, "accept").status == "succeeded"


class TestOperators:
    def test_moves_work_under_a_pause(self, works: Works) -> None:
        works.hold["one"] = lambda: works.pause("work")
        run = works.engine.run("work", {"n": 1})
        assert works.engine.cancel(run.id, actor="ana").status == "cancelled"

    def test_an_unknown_workflow_or_state_is_refused_with_the_nearest(self, works: Works) -> None:
        with pytest.raises(
            fsm.NotFound, match='no workflow "wrk" in the store or the definitions; did you mean "work"'
        ):
            operations.pause(works.engine, "wrk")
        with pytest.raises(fsm.NotFound, match='no version of "work" has a state "humn"; did you mean "human"'):
            operations.pause(works.engine, "work", "humn")
        with pytest.raises(fsm.UsageError, match='state "one" belongs to a workflow; name that, too'):
            operations.pause(works.engine, None, "one")
        with pytest.raises(fsm.UsageError, match='state "one" belongs to a workflow'):
            operations.unpause(works.engine, None, "one")
        assert works.engine.store.pauses() == []

    def test_what_only_the_store_knows_can_be_paused(self, works: Works) -> None:
        works.engine.start("work", {"n": 1})
        bare = works.house.engine(definitions=[])
        assert operations.pause(bare, "work", "two").subject == 'state "two" of "work"'

    def test_what_is_not_paused_can_not_be_unpaused_and_what_is_is_told(self, works: Works) -> None:
        with pytest.raises(fsm.NotFound, match="everything is not paused; paused: nothing"):
            operations.unpause(works.engine)
        works.pause("work", "two")
        with pytest.raises(fsm.NotFound, match='workflow "work" is not paused; paused: state "two" of "work"'):
            operations.unpause(works.engine, "work")


def test_a_pause_by_another_process_stops_a_run_within_one_edge_and_loses_nothing(house: House, tmp_path: Path) -> None:
    """The process is in the middle of its first action when another one pauses."""
    log = tmp_path / "log"

    def drive(line: Line) -> None:
        def act(name: str) -> Callable[..., str]:
            def run(n: int) -> str:
                with log.open("a") as file:
                    file.write(f"{name}\n")
                if name == "one":
                    line.send("inside")
                    line.recv()
                return name

            return run

        house.define(FLOW.replace("one + two", "[one, two]"))
        engine = house.engine(named("w.one", act("one")), named("w.two", act("two")))
        line.send(engine.run("work", {"n": 1}).state)

    with children(drive) as (child,):
        assert child.hears() == "inside"
        house.define(FLOW.replace("one + two", "[one, two]"))
        here = house.engine(named("w.one", lambda: "1"), named("w.two", lambda: "two"))
        operations.pause(here, "work", actor="ana")
        child.tell()
        assert child.hears() == "two"
        assert child.ended() == 0
    (run,) = here.runs()
    assert (run.status, run.crashes, here.artifacts(run)["one"]) == ("ready", 0, "one")
    assert log.read_text() == "one\n"
    operations.unpause(here, "work")
    assert here.resume()[0].state == "human"
    assert here.signal(run.id, "accept").output == ["one", "two"]
