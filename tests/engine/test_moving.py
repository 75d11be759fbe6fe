"""Operator moves through the API: cancel, redrive, complete; and the inbox beside them."""

import threading
from typing import Any

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from tests.engine.builders import NOW, House, events, named

FLOW = """
    workflow: pay
    version: 1
    start: check
    defaults: {retry: never, error: dead}
    states:
      check: {action: p.check, success: pay}
      pay: {action: p.pay, writes: receipt, max_visits: 1, success: {success: done, later: nap}}
      nap: {wait: 1h, success: done}
      done: {end: success, optional: receipt, output: receipt.number}
      dead: {end: dead_letter}
"""


def pay(house: House, payment: Any = None, **options: Any) -> Engine:
    house.define(FLOW)
    return house.engine(
        named("p.check", lambda: "checked"), named("p.pay", payment or (lambda: {"number": 7})), **options
    )


def broke() -> Any:
    raise ValueError("no money")


del broke.__annotations__["return"]  # nothing is known, so nothing is checked


class TestCancel:
    @pytest.mark.parametrize("status", ["ready", "waiting"])
    def test_a_run_ends_where_it_stands(self, house: House, status: str) -> None:
        engine = pay(house, lambda: fsm.Outcome("later"))
        run = engine.start("pay") if status == "ready" else engine.run("pay")
        assert run.status == status
        ended = engine.cancel(run.id, actor="ana", reason="ordered twice")
        assert (ended.status, ended.state, ended.reason) == ("cancelled", run.state, "ordered twice")
        assert engine.get(run.id) == ended
        row = engine.history(run.id)[-1].transition
        assert (row.event, row.source, row.target, row.actor) == ("cancel", run.state, run.state, "ana")
        assert engine.resume() == []

    def test_an_action_in_flight_is_recorded_as_unknown_and_its_result_discarded(self, house: House) -> None:
        inside, gate, refused = threading.Event(), threading.Event(), []

        def payment(ctx: fsm.Context) -> dict[str, int]:
            inside.set()
            gate.wait()
            try:
                ctx.once("late", int)
            except fsm.LeaseLost as lost:
                refused.append(str(lost))
            return {"number": 8}

        engine = pay(house, payment)
        returned: list[fsm.Run] = []
        driver = threading.Thread(target=lambda: returned.append(engine.run("pay", key="k")))
        driver.start()
        assert inside.wait(10)
        run = engine.find("pay", "k")
        assert run is not None
        assert (run.status, run.state) == ("running", "pay")
        ended = engine.cancel(run.id)
        gate.set()
        driver.join()
        assert returned == [ended]
        assert [message for message in refused if "has moved on" in message]
        assert events(engine, run) == ["start", "success", "cancel"]
        assert engine.history(run.id)[-1].transition.interrupted
        assert "receipt" not in engine.artifacts(ended)

    def test_a_late_result_without_a_context_is_discarded_too(self, house: House) -> None:
        house.define(FLOW)
        other = house.engine(definitions=[])

        def payment() -> dict[str, int]:
            other.cancel(other.runs()[0].id, reason="from outside")
            return {"number": 8}

        run = pay(house, payment).run("pay")
        assert (run.status, run.reason) == ("cancelled", "from outside")

    def test_what_has_ended_cannot_be_cancelled(self, house: House) -> None:
        engine = pay(house)
        run = engine.run("pay")
        with pytest.raises(fsm.IllegalTransition, match="the run has ended, succeeded"):
            engine.cancel(run.id)
        with pytest.raises(fsm.NotFound):
            engine.cancel("nobody")

    def test_signals_for_a_cancelled_run_are_refused(self, house: House) -> None:
        engine = pay(house)
        run = engine.start("pay")
        engine.cancel(run.id)
        with pytest.raises(fsm.IllegalTransition, match="the run has ended, cancelled"):
            engine.signal(run.id, "go")


class TestRedrive:
    def test_it_tries_the_failed_state_again_in_the_same_visit(self, house: House) -> None:
        broken = [True]

        def payment() -> dict[str, int]:
            if broken:
                broken.clear()
                raise ValueError("no money")
            return {"number": 9}

        engine = pay(house, payment)
        run = engine.run("pay")
        assert (run.status, run.state, run.reason) == ("dead", "dead", "ValueError: no money")
        again = operations.redrive(engine, run.id, actor="ana", reason="topped up")
        assert (again.status, again.state, again.attempt, again.reason) == ("ready", "pay", 1, None)
        (done,) = engine.resume()
        assert (done.status, done.output) == ("succeeded", 9)
        assert events(engine, run) == ["start", "success", "error:else", "redrive", "success"]
        visits = [row.transition.visit for row in engine.history(run.id)]
        assert (visits[1], visits[3]) == (2, 2), "the redrive opened another visit"

    def test_it_grants_one_more_visit_each_time(self, house: House) -> None:
        engine = pay(house, broke)
        run = engine.run("pay")
        for _ in range(3):
            assert operations.redrive(engine, run.id).state == "pay"
            (run,) = engine.resume()
            assert run.reason == "ValueError: no money"

    def test_a_visit_that_was_one_too_many_is_granted(self, house: House) -> None:
        house.define("""
            workflow: loop
            version: 1
            start: work
            defaults: {retry: never, error: dead}
            states:
              work: {action: l.work, max_visits: 2, success: {success: done, again: work}}
              done: {end: success}
              dead: {end: dead_letter}
        """)
        calls: list[int] = []

        def work() -> Any:
            calls.append(1)
            return fsm.Outcome("again" if len(calls) < 3 else "success")

        engine = house.engine(named("l.work", work))
        run = engine.run("loop")
        assert (run.status, len(calls)) == ("dead", 2)
        operations.redrive(engine, run.id)
        assert (engine.resume()[0].status, len(calls)) == ("succeeded", 3)

    def test_a_run_killed_by_a_fault_is_redriven_where_it_stands(self, house: House) -> None:
        """The checks would not let such a definition pass; an older version of them may have."""
        house.define(FLOW)
        engine = house.engine(named("p.check", broke), named("p.pay", lambda: {"number": 1}))
        run = engine.start("pay")
        pinned = engine.workflow(run)
        state = pinned.states["check"].model_copy(update={"error": {"Timeout": "dead"}})
        pinned.states["check"] = state  # type: ignore[index]
        (dead,) = engine.resume()
        assert (dead.status, dead.state, events(engine, run)) == ("dead", "check", ["start", "fault"])
        operations.redrive(engine, run.id)
        assert engine.resume()[0].status == "dead"
        assert events(engine, run) == ["start", "fault", "redrive", "fault"]

    @pytest.mark.parametrize("status", ["ready", "waiting", "succeeded", "cancelled"])
    def test_a_run_in_any_other_status_cannot_be_redriven(self, house: House, status: str) -> None:
        engine = pay(house, lambda: fsm.Outcome("later") if status == "waiting" else {"number": 1})
        run = engine.start("pay")
        if status == "cancelled":
            engine.cancel(run.id)
        elif status != "ready":
            engine.resume()
        with pytest.raises(fsm.IllegalTransition, match=f"the run is {status}; only a failed or dead one"):
            operations.redrive(engine, run.id)

    def test_a_run_that_failed_by_choice_has_nothing_to_redrive(self, house: House) -> None:
        house.define("""
            workflow: no
            version: 1
            start: ask
            states:
              ask: {signal: {no: refused, yes: done}, error: refused}
              done: {end: success}
              refused: {end: failure}
        """)
        engine = house.engine()
        run = engine.run("no")
        engine.signal(run.id, "no")
        with pytest.raises(fsm.IllegalTransition, match="no error lies behind it; name a state"):
            operations.redrive(engine, run.id)


class TestComplete:
    def test_a_dead_letter_is_repaired_with_a_result_that_a_person_vouches_for(self, house: House) -> None:
        engine = pay(house, broke)
        run = engine.run("pay")
        done = operations.complete(engine, run.id, {"number": 11}, actor="ana", reason="paid by hand")
        assert (done.status, done.output, done.reason) == ("succeeded", 11, None)
        assert engine.get(run.id) == done
        assert engine.artifacts(done)["receipt"] == {"number": 11}
        row = engine.history(run.id)[-1].transition
        assert (row.event, row.source, row.target, row.actor, row.of_seq) == ("complete", "dead", "done", "ana", 3)
        assert (row.detail or {})["because"] == "paid by hand"

    def test_the_run_goes_on_from_there(self, house: House) -> None:
        engine = pay(house, broke)
        run = engine.run("pay")
        waiting = operations.complete(engine, run.id, {"number": 11}, outcome="later", actor="ana")
        assert (waiting.status, waiting.state, waiting.due_at) == ("waiting", "nap", NOW + 3_600_000)
        house.clock.instant += 3_600_000
        assert engine.resume()[0].output == 11

    def test_a_state_before_the_last_is_completed_and_driven_on(self, house: House) -> None:
        house.define(FLOW)
        engine = house.engine(named("p.check", broke), named("p.pay", lambda: {"number": 1}))
        run = engine.run("pay")
        assert operations.complete(engine, run.id, "by eye", actor="ana").state == "pay"
        assert engine.resume()[0].output == 1

    def test_a_value_that_gives_no_output_moves_nothing(self, house: House) -> None:
        engine = pay(house, broke)
        run = engine.run("pay")
        with pytest.raises(fsm.UsageError, match='with this value "done" cannot be entered'):
            operations.complete(engine, run.id, {"total": 1}, actor="ana")
        assert engine.get(run.id) == run

    @pytest.mark.parametrize("value", [object(), float("nan"), "\ud800"])
    def test_a_value_that_is_no_json_is_refused(self, house: House, value: Any) -> None:
        engine = pay(house, broke)
        run = engine.run("pay")
        with pytest.raises(fsm.UsageError):
            operations.complete(engine, run.id, value, actor="ana")

    def test_an_outcome_that_is_not_declared_is_illegal(self, house: House) -> None:
        engine = pay(house, broke)
        run = engine.run("pay")
        with pytest.raises(fsm.IllegalTransition) as caught:
            operations.complete(engine, run.id, outcome="maybe", actor="ana")
        assert (caught.value.state, caught.value.event) == ("pay", "success:maybe")
        assert caught.value.legal == ("error:else", "success", "success:later")

    def test_nobody_completes_what_asks_nobody(self, house: House) -> None:
        engine = pay(house)
        with pytest.raises(fsm.IllegalTransition, match="the run is ready and asks nobody"):
            operations.complete(engine, engine.start("pay").id, actor="ana")


class TestAgainstWhoeverDrives:
    def test_a_move_that_comes_second_looks_at_the_run_anew(self, house: House) -> None:
        """The run moves between the look and the commit; the move is decided again, on what is there then."""
        engine = pay(house)
        driver = pay(house)
        run = engine.start("pay")
        get, stale = engine.store.get, [run]
        engine.store.get = lambda run_id: stale.pop() if stale else get(run_id)  # type: ignore[method-assign]
        driver.resume()
        with pytest.raises(fsm.IllegalTransition, match="the run has ended, succeeded"):
            engine.cancel(run.id)

    def test_a_signal_that_comes_second_looks_at_the_run_anew(self, house: House) -> None:
        house.define("""
            workflow: s
            version: 1
            start: ask
            states:
              ask: {signal: {a: more, b: done}, error: done}
              more: {signal: {b: done}, error: done}
              done: {end: success, optional: [ask, more], output: "[ask, more]"}
        """)
        engine, other = house.engine(), house.engine()
        run = engine.run("s")
        get, stale = engine.store.get, [engine.get(run.id)]
        engine.store.get = lambda run_id: stale.pop() if stale else get(run_id)  # type: ignore[method-assign]
        other.signal(run.id, "a", 1)
        assert engine.signal(run.id, "b", 2).output == [1, 2]
