"""Rewind through the API: where a run stands then, what it performs anew, and what it tells of effects before."""

import threading
from typing import Any

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from tests.engine.builders import NOW, Died, House, events, killed, named

FLOW = """
    workflow: letter
    version: 1
    start: draft
    input: {to: str}
    defaults: {retry: never, error: dead}
    states:
      draft:
        action: l.draft
        idempotent: true
        optional: critique
        max_visits: 2
        writes: text
        success: review
      review: {signal: {fine: send, worse: draft}, writes: critique, deadline: 1h}
      send: {action: l.send, idempotent: text, max_visits: 1, writes: receipt, success: {success: done, later: nap}}
      nap: {wait: 1h, success: done}
      done: {end: success, optional: receipt, output: receipt}
      dead: {end: dead_letter}
"""


class Post:
    """What the letters' actions did: each call with its key."""

    def __init__(self, house: House) -> None:
        house.define(FLOW)
        self.house = house
        self.drafts: list[tuple[str, Any]] = []
        self.sent: list[str] = []
        self.raises: BaseException | None = None
        self.outcome: Any = "receipt"

    def engine(self) -> Engine:
        return self.house.engine(named("l.draft", self.draft), named("l.send", self.send))

    def draft(self, ctx: fsm.Context, to: str, critique: Any) -> str:
        self.drafts.append((ctx.key, critique))
        return f"{to}, draft {len(self.drafts)}"

    def send(self, ctx: fsm.Context, text: str) -> Any:
        self.sent.append(text)
        if self.raises:
            raise self.raises
        return self.outcome

    def reviewed(self, engine: Engine) -> fsm.Run:
        """Return a run that was sent back once and then sent: eight transitions, ended."""
        run = engine.run("letter", {"to": "Ben"})
        engine.signal(run.id, "worse", "too long", message_id="m1")
        engine.resume()
        engine.signal(run.id, "fine")
        (run,) = engine.resume()
        return run


@pytest.fixture
def post(house: House) -> Post:
    return Post(house)


class TestRewind:
    def test_a_run_that_has_ended_goes_back_and_ends_anew(self, post: Post) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        assert events(engine, run) == ["start", "success", "signal:worse", "success", "signal:fine", "success"]
        back = operations.rewind(engine, run.id, 2, actor="ana", reason="the other draft was better")
        assert (back.state, back.status, back.visit, back.visits) == ("review", "ready", 7, {"draft": 1})
        assert (back.output, engine.get(run.id)) == (None, back)
        assert engine.artifacts(back) == {"to": "Ben", "text": "Ben, draft 1"}
        engine.resume()
        engine.signal(run.id, "fine")
        (done,) = engine.resume()
        assert (done.status, done.output) == ("succeeded", "receipt")
        assert post.sent == ["Ben, draft 2", "Ben, draft 1"]
        assert events(engine, run)[6:] == ["rewind", "signal:fine", "success"]
        row = engine.history(run.id)[6].transition
        assert (row.actor, row.of_seq, row.detail) == ("ana", 2, {"reason": "the other draft was better"})

    def test_the_new_visit_has_a_key_of_its_own_and_sees_what_was_optional_as_unwritten(self, post: Post) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        operations.rewind(engine, run.id, 1)
        engine.resume()
        assert [critique for _, critique in post.drafts] == [None, "too long", None]
        assert len({key for key, _ in post.drafts}) == 3

    def test_the_visits_that_were_spent_are_given_back(self, post: Post) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        operations.rewind(engine, run.id, 2)
        engine.resume()
        engine.signal(run.id, "worse", "again")
        assert engine.resume()[0].visits == {"draft": 2}
        engine.signal(run.id, "worse", "and again")
        assert engine.resume()[0].reason == 'VisitsExceeded: entry 3 into "draft"; max_visits is 2'

    def test_a_message_that_was_consumed_is_not_consumed_again(self, post: Post) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        operations.rewind(engine, run.id, 2)
        engine.resume()
        assert engine.signal(run.id, "worse", "too long", message_id="m1").state == "review"
        assert engine.signal(run.id, "worse", "too long", message_id="m2").state == "draft"

    def test_a_wait_and_a_deadline_count_from_the_rewind(self, post: Post) -> None:
        engine = post.engine()
        post.outcome = fsm.Outcome("later", "receipt")
        run = post.reviewed(engine)
        assert (run.state, run.due_at) == ("nap", NOW + 3_600_000)
        post.house.clock.instant += 1_000
        operations.rewind(engine, run.id, 6)
        (run,) = engine.resume()
        assert (run.state, run.status, run.due_at) == ("nap", "waiting", NOW + 3_601_000)
        operations.rewind(engine, run.id, 4)
        (run,) = engine.resume()
        assert (run.state, run.status, run.due_at) == ("review", "waiting", NOW + 3_601_000)

    def test_a_cancelled_run_is_brought_back_to_where_it_was_cancelled(self, post: Post) -> None:
        engine = post.engine()
        run = engine.run("letter", {"to": "Ben"})
        engine.cancel(run.id)
        operations.rewind(engine, run.id, 3)
        assert (engine.resume()[0].state, events(engine, run)) == ("review", ["start", "success", "cancel", "rewind"])

    def test_the_action_in_flight_loses_its_run_and_is_recorded_as_unknown(self, post: Post) -> None:
        inside, gate, refused = threading.Event(), threading.Event(), []

        def draft(ctx: fsm.Context, critique: Any) -> str:
            if inside.is_set():
                return "second"
            inside.set()
            gate.wait()
            try:
                ctx.once("late", int)
            except fsm.LeaseLost as lost:
                refused.append(str(lost))
            return "first"

        engine = post.house.engine(named("l.draft", draft), named("l.send", post.send))
        driver = threading.Thread(target=lambda: engine.run("letter", {"to": "Ben"}, key="k"))
        driver.start()
        assert inside.wait(10)
        run = engine.find("letter", "k")
        assert run is not None
        assert [effect.result for effect in operations.effects(engine, run.id, 1)] == ["unknown"]
        operations.rewind(engine, run.id, 1)
        gate.set()
        driver.join()  # its drive goes on with the run as it finds it
        assert [message for message in refused if "has moved on" in message]
        assert [row.transition.event for row in engine.history(run.id)] == ["start", "rewind", "success"]
        assert engine.history(run.id)[1].transition.interrupted
        assert engine.artifacts(engine.get(run.id))["text"] == "second"

    def test_a_run_that_died_is_taken_from_the_dead(self, post: Post) -> None:
        engine = post.engine()
        run = engine.run("letter", {"to": "Ben"})
        engine.signal(run.id, "fine")
        post.raises = Died()
        killed(engine, engine.resume)
        engine = post.engine()
        assert engine.get(run.id).status == "running"
        assert [effect.result for effect in operations.effects(engine, run.id, 2)] == ["unknown"]
        back = operations.rewind(engine, run.id, 2)
        assert (back.status, back.crashes, back.interrupted) == ("ready", 0, False)

    def test_there_is_no_way_back_to_what_was_not_or_to_an_end(self, post: Post) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        with pytest.raises(fsm.NotFound, match="has no transition 7; it has 1 to 6"):
            operations.rewind(engine, run.id, 7)
        with pytest.raises(fsm.IllegalTransition, match='transition 6 led to "done", where a run ends'):
            operations.rewind(engine, run.id, 6)
        with pytest.raises(fsm.NotFound):
            operations.rewind(engine, "nobody", 1)
        assert engine.get(run.id) == run

    def test_one_that_moved_on_since_the_caller_looked_is_left_alone(self, post: Post) -> None:
        engine = post.engine()
        run = engine.run("letter", {"to": "Ben"})
        engine.signal(run.id, "fine")
        with pytest.raises(fsm.IllegalTransition, match="the run moved on from 2 to 3 meanwhile"):
            operations.rewind(engine, run.id, 1, seen=run.seq)
        assert operations.rewind(engine, run.id, 1, seen=3).seq == 4

    def test_a_rewind_that_comes_second_looks_at_the_run_anew(self, post: Post) -> None:
        """The run moves between the look and the commit: what it wrote meanwhile is taken back, too."""
        engine, other = post.engine(), post.engine()
        run = engine.run("letter", {"to": "Ben"})
        get, stale = engine.store.get, [run]
        engine.store.get = lambda run_id: stale.pop() if stale else get(run_id)  # type: ignore[method-assign]
        other.signal(run.id, "worse", "too long")
        other.resume()
        back = operations.rewind(engine, run.id, 2)
        assert (back.seq, engine.artifacts(back)) == (5, {"to": "Ben", "text": "Ben, draft 1"})


class TestEffects:
    def test_they_are_the_calls_since_then_with_their_keys_and_results(self, post: Post) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        told = operations.effects(engine, run.id, 1)
        assert [(one.state, one.action, one.visit, one.result) for one in told] == [
            ("draft", "l.draft", 1, "succeeded"), ("draft", "l.draft", 3, "succeeded"),
            ("send", "l.send", 5, "succeeded"),
        ]  # fmt: skip
        assert [one.key for one in told[:2]] == [key for key, _ in post.drafts]
        assert [one.visit for one in operations.effects(engine, run.id, 2)] == [3, 5]
        assert [one.visit for one in operations.effects(engine, run.id, 5)] == [5]

    def test_a_key_is_made_of_what_was_written_then(self, post: Post) -> None:
        """`send` is known to the other side by the text; a rewind and another draft change that."""
        engine = post.engine()
        run = post.reviewed(engine)
        (first,) = operations.effects(engine, run.id, 5)
        operations.rewind(engine, run.id, 2)
        engine.resume()
        engine.signal(run.id, "fine")
        engine.resume()
        *_, again, second = operations.effects(engine, run.id, 5)
        assert (again, second.visit) == (first, 8)
        assert first.key != second.key

    def test_a_failed_one_failed_and_one_that_broke_off_is_unknown(self, post: Post) -> None:
        engine = post.engine()
        post.raises = ValueError("no")
        run = post.reviewed(engine)
        assert run.status == "dead"
        assert operations.effects(engine, run.id, 5)[0].result == "failed"
        post.raises = ConnectionResetError("in the middle of it")
        operations.redrive(engine, run.id)
        engine.resume()
        assert [(one.visit, one.result) for one in operations.effects(engine, run.id, 5)] == [(5, "unknown")]

    def test_states_without_an_action_have_none(self, post: Post) -> None:
        engine = post.engine()
        run = engine.run("letter", {"to": "Ben"})
        assert operations.effects(engine, run.id, 2) == []
        engine.signal(run.id, "fine")
        assert operations.effects(engine, run.id, 2) == []
