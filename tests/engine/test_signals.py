"""Signals: awaited ones and early ones, late ones and old ones, from several people and sent twice."""

from typing import Any

import pytest

import fsm
from fsm.engine.engine import Engine
from fsm.model.run import Kept
from tests.engine.builders import NOW, House, events, named

HOUR_MS = 3_600_000


def review(house: House, *, arms: str = "{accept: done, refuse: refused}", more: str = "", first: str = "") -> Engine:
    house.define(f"""
        workflow: review
        version: 1
        start: write
        input: {{draft: any}}
        defaults: {{retry: never, error: failed}}
        states:
          write: {{action: w.write, {first} success: ask}}
          ask: {{signal: {arms}, {more} writes: verdict, error: {{DeadlineExceeded: late, else: failed}}}}
          done: {{end: success, output: verdict}}
          refused: {{end: failure, reason: "'refused'"}}
          late: {{end: failure}}
          failed: {{end: failure}}
    """)
    return house.engine(named("w.write", lambda: "text"))


class TestSignals:
    def test_one_that_is_awaited_crosses_its_edge_and_its_payload_is_written(self, house: House) -> None:
        engine = review(house)
        run = engine.run("review", {"draft": 1})
        assert (run.status, run.state, run.awaits, run.due_at) == ("waiting", "ask", ("accept", "refuse"), None)
        done = engine.signal(run.id, "accept", {"by": "ana"}, actor="ana")
        assert (done.status, done.output) == ("succeeded", {"by": "ana"})
        row = engine.history(run.id)[-1].transition
        assert (row.event, row.actor) == ("signal:accept", "ana")

    def test_each_name_has_its_own_edge(self, house: House) -> None:
        engine = review(house)
        run = engine.run("review", {"draft": 1})
        assert engine.signal(run.id, "refuse").reason == "refused"

    def test_signalling_does_not_drive(self, house: House) -> None:
        house.define("""
            workflow: s
            version: 1
            start: ask
            defaults: {retry: never, error: failed}
            states:
              ask: {signal: {go: work}}
              work: {action: w.work, success: done}
              done: {end: success, output: ask}
              failed: {end: failure}
        """)
        engine = house.engine(named("w.work", lambda ask: ask))
        run = engine.run("s")
        assert (engine.signal(run.id, "go", 7).status, engine.get(run.id).state) == ("ready", "work")
        assert engine.resume()[0].output == 7

    def test_one_that_comes_early_is_kept_and_consumed_on_entry(self, house: House) -> None:
        engine = review(house)
        run = engine.start("review", {"draft": 1})
        assert engine.signal(run.id, "accept", "early") == run
        assert engine.resume()[0].output == "early"
        assert events(engine, run) == ["start", "success", "signal:accept"]

    def test_of_several_that_came_early_the_oldest_is_consumed(self, house: House) -> None:
        engine = review(house)
        run = engine.start("review", {"draft": 1})
        for payload in ("first", "second"):
            engine.signal(run.id, "accept", payload)
        engine.signal(run.id, "refuse", "third")
        assert engine.resume()[0].output == "first"

    def test_one_that_comes_while_an_older_one_waits_to_be_looked_at_waits_behind_it(self, house: House) -> None:
        house.define("""
            workflow: s
            version: 1
            start: work
            defaults: {retry: never, error: failed}
            states:
              work: {action: w.work, success: one}
              one: {signal: {go: two}}
              two: {signal: {go: done}}
              done: {end: success, output: "[one, two]"}
              failed: {end: failure}
        """)
        sender = house.engine(definitions=[])

        def send(run: fsm.Run, transition: fsm.Transition) -> None:
            if transition.target == "one":
                assert sender.signal(run.id, "go", "second").state == "one"

        engine = house.engine(named("w.work", lambda: 1), watch=send)
        run = engine.start("s")
        engine.signal(run.id, "go", "first")
        assert engine.resume()[0].output == ["first", "second"]

    def test_one_that_nobody_ahead_declares_is_illegal_and_says_what_is(self, house: House) -> None:
        engine = review(house)
        run = engine.start("review", {"draft": 1})
        with pytest.raises(fsm.IllegalTransition) as caught:
            engine.signal(run.id, "acept")
        assert (caught.value.state, caught.value.event) == ("write", "signal:acept")
        run = engine.resume()[0]
        with pytest.raises(fsm.IllegalTransition) as caught:
            engine.signal(run.id, "acept")
        assert caught.value.legal == ("signal:accept", "signal:refuse")
        engine.signal(run.id, "accept")
        with pytest.raises(fsm.IllegalTransition, match="the run has ended, succeeded"):
            engine.signal(run.id, "accept")

    def test_a_run_that_is_not_there_has_no_signals(self, house: House) -> None:
        with pytest.raises(fsm.NotFound):
            review(house).signal("nobody", "accept")

    def test_the_signal_that_goes_beyond_the_bound_does_not_save_the_visit(self, house: House) -> None:
        house.define("""
            workflow: s
            version: 1
            start: ask
            states:
              ask: {signal: {again: ask, go: done}, max_visits: 1, error: {VisitsExceeded: over, else: over}}
              done: {end: success}
              over: {end: failure}
        """)
        engine = house.engine()
        run = engine.run("s")
        assert engine.signal(run.id, "again").status == "ready"
        assert engine.signal(run.id, "go").state == "ask", "the bound is spent: nothing is awaited here"
        assert engine.resume()[0].state == "over"


def _kept(name: str, payload: Any) -> Kept:
    return Kept(0, name, None, payload, NOW)


class TestSignalDeadlines:
    def test_nobody_who_signals_in_time_is_the_deadline_s_error(self, house: House) -> None:
        engine = review(house, more="deadline: 1h,")
        run = engine.run("review", {"draft": 1})
        assert run.due_at == NOW + HOUR_MS
        house.clock.instant += HOUR_MS - 1
        assert engine.resume() == []
        house.clock.instant += 1
        assert engine.resume()[0].state == "late"

    def test_one_from_before_the_deadline_beats_it_whenever_it_is_processed(self, house: House) -> None:
        """It arrives while the run is on its way into the state, and nobody drives until long after."""
        engine = review(house, more="deadline: 1h,")
        run = engine.start("review", {"draft": 1})
        engine.signal(run.id, "accept", "in time")
        left = engine.store.claim(run.id, NOW)
        assert left is not None
        engine.store.release(left, interrupted=False)
        house.clock.instant += 10 * HOUR_MS
        assert engine.resume()[0].output == "in time"

    def test_one_that_was_kept_in_time_is_taken_after_the_deadline(self, house: House) -> None:
        engine = review(house, more="deadline: 1h,", arms="{accept: {to: done, count: 2}, refuse: refused}")
        run = engine.run("review", {"draft": 1})
        house.clock.instant += HOUR_MS - 1
        engine.signal(run.id, "accept", 1, actor="ana")
        waiting = engine.get(run.id)
        engine.store.keep(waiting, _kept("accept", 2)._replace(actor="ben", at=NOW + HOUR_MS - 1))
        house.clock.instant += HOUR_MS
        assert engine.resume()[0].output == 2

    def test_one_from_after_the_deadline_is_refused_even_before_the_deadline_was_processed(self, house: House) -> None:
        engine = review(house, more="deadline: 1h,")
        run = engine.run("review", {"draft": 1})
        house.clock.instant += HOUR_MS
        with pytest.raises(fsm.IllegalTransition, match="it came after the deadline"):
            engine.signal(run.id, "accept")
        assert engine.resume()[0].state == "late"


class TestMatching:
    MATCH = "match: payload.draft == draft,"

    def test_one_that_does_not_match_is_refused_to_its_sender(self, house: House) -> None:
        engine = review(house, more=self.MATCH)
        run = engine.run("review", {"draft": 2})
        with pytest.raises(fsm.IllegalTransition, match="`match` refuses its payload"):
            engine.signal(run.id, "accept", {"draft": 1})
        assert engine.signal(run.id, "accept", {"draft": 2}).status == "succeeded"

    def test_an_old_click_that_came_early_approves_nothing(self, house: House) -> None:
        engine = review(house, more=self.MATCH)
        run = engine.start("review", {"draft": 2})
        engine.signal(run.id, "accept", {"draft": 1})
        (waiting,) = engine.resume()
        assert (waiting.status, waiting.state) == ("waiting", "ask")
        assert engine.resume() == []
        assert engine.signal(run.id, "accept", {"draft": 2}).output == {"draft": 2}


class TestSeveralPeople:
    ARMS = "{accept: {to: done, count: 2, payload: {by: str}}, refuse: refused}"

    def test_two_distinct_actors_must_agree(self, house: House) -> None:
        engine = review(house, arms=self.ARMS)
        run = engine.run("review", {"draft": 1})
        for _ in range(2):
            assert engine.signal(run.id, "accept", {"by": "ana"}, actor="ana").status == "waiting"
        done = engine.signal(run.id, "accept", {"by": "ben"}, actor="ben")
        assert (done.status, done.output) == ("succeeded", {"by": "ben"})

    def test_one_may_refuse_what_another_has_accepted(self, house: House) -> None:
        engine = review(house, arms=self.ARMS)
        run = engine.run("review", {"draft": 1})
        engine.signal(run.id, "accept", {"by": "ana"}, actor="ana")
        assert engine.signal(run.id, "refuse", actor="ben").state == "refused"

    def test_votes_that_came_early_are_counted(self, house: House) -> None:
        engine = review(house, arms=self.ARMS)
        run = engine.start("review", {"draft": 1})
        for who in ("ana", "ben"):
            engine.signal(run.id, "accept", {"by": who}, actor=who)
        assert engine.resume()[0].status == "succeeded"

    def test_what_was_refused_or_is_for_a_later_state_is_in_nobody_s_way(self, house: House) -> None:
        house.define("""
            workflow: s
            version: 1
            start: one
            states:
              one: {signal: {yes: {to: two, count: 2}}, match: payload.n > 0, error: done}
              two: {signal: {go: done}, error: done}
              done: {end: success}
        """)
        engine = house.engine()
        run = engine.run("s")
        engine.signal(run.id, "yes", {"n": 1}, actor="ana")
        engine.store.keep(engine.get(run.id), _kept("yes", {"n": -1}))
        engine.signal(run.id, "go", 1)
        for _ in range(2):
            engine.signal(run.id, "yes", {"n": 2}, actor="ana")
        assert engine.signal(run.id, "yes", {"n": 3}, actor="ben").state == "two"

    def test_two_who_vote_at_the_same_moment_are_two(self, house: House) -> None:
        """Each has looked before the other has written; the second is told to look again."""
        engine, other = review(house, arms=self.ARMS), review(house, arms=self.ARMS)
        run = engine.run("review", {"draft": 1})
        keep = engine.store.keep

        def overtaken(*arguments: Any) -> bool:
            engine.store.keep = keep  # type: ignore[method-assign]
            other.signal(run.id, "accept", {"by": "ben"}, actor="ben")
            return keep(*arguments)

        engine.store.keep = overtaken  # type: ignore[method-assign,assignment]
        assert engine.signal(run.id, "accept", {"by": "ana"}, actor="ana").status == "succeeded"

    def test_one_early_and_one_later_are_two(self, house: House) -> None:
        engine = review(house, arms=self.ARMS)
        run = engine.start("review", {"draft": 1})
        engine.signal(run.id, "accept", {"by": "ana"}, actor="ana")
        assert engine.resume()[0].status == "waiting"
        assert engine.signal(run.id, "accept", {"by": "ben"}, actor="ben").status == "succeeded"


class TestPayloadsAndMessages:
    ARMS = "{accept: {to: done, payload: {by: str, note: str | null}}, refuse: refused}"

    @pytest.mark.parametrize("payload", [None, {"by": 5}, {"by": "ana", "x": 1}, "ana"])
    def test_a_payload_that_does_not_fit_is_refused_and_leaves_nothing_behind(self, house: House, payload: Any) -> None:
        engine = review(house, arms=self.ARMS)
        run = engine.run("review", {"draft": 1})
        with pytest.raises(fsm.UsageError, match='the payload of signal "accept" does not fit'):
            engine.signal(run.id, "accept", payload)
        assert engine.get(run.id) == run

    def test_a_message_is_consumed_once_however_often_it_is_sent(self, house: House) -> None:
        engine = review(house, arms=self.ARMS)
        run = engine.run("review", {"draft": 1})
        done = engine.signal(run.id, "accept", {"by": "ana"}, message_id="m1")
        assert done.status == "succeeded"
        for _ in range(2):
            assert engine.signal(run.id, "accept", {"by": "ana"}, message_id="m1") == done
        assert events(engine, run) == ["start", "success", "signal:accept"]

    def test_a_message_that_is_kept_is_kept_once(self, house: House) -> None:
        engine = review(house, arms="{accept: {to: done, count: 2}, refuse: refused}")
        run = engine.start("review", {"draft": 1})
        for _ in range(3):
            engine.signal(run.id, "accept", 1, actor="ana", message_id="m1")
        assert len(engine.store.kept(run, ["accept"])) == 1

    @pytest.mark.parametrize(("name", "payload"), [("accept", {"by": "ben"}), ("refuse", {"by": "ana"})])
    def test_the_same_id_with_other_content_is_a_conflict(self, house: House, name: str, payload: Any) -> None:
        engine = review(house, arms=self.ARMS)
        run = engine.run("review", {"draft": 1})
        engine.signal(run.id, "accept", {"by": "ana"}, message_id="m1")
        with pytest.raises(fsm.KeyConflict, match='message "m1" came before, as signal "accept" with other content'):
            engine.signal(run.id, name, payload, message_id="m1")

    def test_what_may_be_left_out_may_be_left_out_every_time(self, house: House) -> None:
        engine = review(house, arms=self.ARMS)
        run = engine.run("review", {"draft": 1})
        for payload in ({"by": "ana"}, {"by": "ana", "note": None}):
            assert engine.signal(run.id, "accept", payload, message_id="m1").output == {"by": "ana", "note": None}

    def test_what_is_stored_in_another_spelling_may_be_sent_again_in_its_own(self, house: House) -> None:
        engine = review(house, arms="{accept: {to: done, payload: {at: datetime}}, refuse: refused}")
        run = engine.run("review", {"draft": 1})
        sent = {"at": "2030-01-31T12:00:00+00:00"}
        assert engine.signal(run.id, "accept", sent, message_id="m1").output == {"at": "2030-01-31T12:00:00Z"}
        assert engine.signal(run.id, "accept", sent, message_id="m1").status == "succeeded"

    def test_messages_without_an_id_are_each_their_own(self, house: House) -> None:
        engine = review(house, arms="{accept: {to: done, count: 2}, refuse: refused}")
        run = engine.start("review", {"draft": 1})
        for _ in range(3):
            engine.signal(run.id, "accept", 1, actor="ana")
        assert len(engine.store.kept(run, ["accept"])) == 3

    def test_the_same_id_from_two_senders_at_once_is_kept_once(self, house: House) -> None:
        engine = review(house)
        run = engine.start("review", {"draft": 1})
        engine.signal(run.id, "accept", 1, message_id="m1")
        unseen = [None, None]
        message = engine.store.message
        engine.store.message = lambda run, message_id: unseen.pop() if unseen else message(run, message_id)  # type: ignore[method-assign]
        assert engine.signal(run.id, "accept", 1, message_id="m1") == run
        assert len(engine.store.kept(run, ["accept"])) == 1
