"""Signals: which one is taken, which one is refused, and what a sender is told."""

from typing import Any

import pytest

from fsm.engine.inbox import admissible, checked, receive
from fsm.errors import IllegalTransition, UsageError
from fsm.model.definition import SignalState
from fsm.model.run import Kept
from tests.engine.builders import NOW, flow_of, run_at

FLOW = flow_of("""
    workflow: w
    version: 1
    start: write
    input: {draft: dict}
    defaults: {error: done}
    states:
      write: {action: act.write, retry: never, success: review}
      review:
        signal:
          accept: {to: vote, payload: {by: str, note: str | null, draft: int}}
          refuse: write
        match: payload.draft == draft.id
        max_visits: 3
      vote: {signal: {yes: {to: ship, count: 2}, no: done}, deadline: 1h}
      ship:
        signal:
          sent: {to: done, payload: {at: datetime, tags: "list[str]"}}
          other: {to: done, payload: {free: any}}
      done: {end: success}
""")


def kept(number: int, name: str, payload: Any = None, actor: str | None = None, at: int = NOW) -> Kept:
    return Kept(number, name, actor, payload, at)


class TestReceiving:
    def take(self, state: str, *signals: Kept, last: int | None = None, **values: Any) -> Any:
        return receive(FLOW, run_at(FLOW, state), signals, values, last)

    def test_the_oldest_is_taken(self) -> None:
        received, refused, seen = self.take("vote", kept(3, "no", 1), kept(5, "no", 2))
        assert (received.name, received.payload, received.ids, refused, seen) == ("no", "1", (3,), (), 3)

    def test_with_none_the_newest_that_was_seen_is_told(self) -> None:
        assert self.take("vote") == (None, (), 0)
        assert self.take("vote", kept(4, "yes", actor="ana")) == (None, (), 4)

    def test_a_vote_needs_so_many_distinct_actors(self) -> None:
        votes = [kept(1, "yes", actor="ana"), kept(2, "yes", actor="ana"), kept(3, "yes", {"w": 2}, actor="ben")]
        assert self.take("vote", *votes[:2])[0] is None
        received, _, _ = self.take("vote", *votes)
        assert (received.ids, received.actor, received.payload) == ((1, 3), "ben", '{"w": 2}')

    def test_senders_without_a_name_count_as_one(self) -> None:
        assert self.take("vote", kept(1, "yes"), kept(2, "yes"))[0] is None
        assert self.take("vote", kept(1, "yes"), kept(2, "yes", actor="ana"))[0].ids == (1, 2)

    def test_each_name_is_counted_by_itself(self) -> None:
        received, _, _ = self.take("vote", kept(1, "yes", actor="ana"), kept(2, "no", actor="ben"))
        assert (received.name, received.ids) == ("no", (2,))

    @pytest.mark.parametrize(("at", "taken"), [(NOW + 99, True), (NOW + 100, False), (NOW + 101, False)])
    def test_one_from_before_the_deadline_is_taken_and_one_from_after_refused(self, at: int, taken: bool) -> None:
        received, refused, _ = self.take("vote", kept(1, "no", at=at), last=NOW + 100)
        assert (received is not None, refused) == (taken, () if taken else (1,))

    def test_one_that_does_not_match_is_refused_and_the_next_is_taken(self) -> None:
        old, new = kept(1, "accept", {"draft": 1}), kept(2, "accept", {"draft": 2})
        received, refused, _ = self.take("review", old, new, draft={"id": 2})
        assert (received.ids, refused) == ((2,), (1,))

    @pytest.mark.parametrize("payload", [None, {}, [], 5, {"draft": None}])
    def test_one_that_match_cannot_be_applied_to_does_not_match(self, payload: Any) -> None:
        assert self.take("review", kept(1, "refuse", payload), draft={"id": 2})[:2] == (None, (1,))


class TestAdmission:
    @pytest.mark.parametrize(("state", "name", "expected"), [
        ("review", "accept", "review"), ("write", "accept", "review"), ("write", "yes", "vote"),
        ("review", "sent", "ship"), ("vote", "sent", "ship"), ("vote", "no", "vote")])  # fmt: skip
    def test_a_signal_is_for_the_state_here_or_one_ahead(self, state: str, name: str, expected: str) -> None:
        assert admissible(FLOW, run_at(FLOW, state), name) is FLOW.states[expected]

    def test_a_state_that_was_left_behind_takes_none(self) -> None:
        with pytest.raises(IllegalTransition) as caught:
            admissible(FLOW, run_at(FLOW, "vote"), "accept")
        assert (caught.value.state, caught.value.event, caught.value.legal) == (
            "vote", "signal:accept", ("signal:no", "signal:yes"))  # fmt: skip

    def test_a_signal_that_nobody_declares_is_refused_with_those_that_are(self) -> None:
        with pytest.raises(IllegalTransition, match="legal here: signal:accept, signal:refuse"):
            admissible(FLOW, run_at(FLOW, "review"), "acept")

    @pytest.mark.parametrize("status", ["succeeded", "failed", "dead", "cancelled"])
    def test_a_run_that_has_ended_takes_none(self, status: str) -> None:
        with pytest.raises(IllegalTransition, match=f"the run has ended, {status}"):
            admissible(FLOW, run_at(FLOW, "review", status=status), "accept")


class TestPayload:
    def check(self, state: str, name: str, payload: Any) -> str:
        here = FLOW.states[state]
        assert isinstance(here, SignalState)
        return checked(here, name, payload)

    def test_what_is_declared_is_kept_in_the_declared_order_with_null_for_what_may_be_left_out(self) -> None:
        assert self.check("review", "accept", {"draft": 2, "by": "ana"}) == '{"by":"ana","note":null,"draft":2}'

    @pytest.mark.parametrize("payload", [None, 5, {"any": ["thing"]}, "text"])
    def test_without_a_declaration_any_json_is_taken(self, payload: Any) -> None:
        self.check("review", "refuse", payload)

    def test_types_are_read_as_json_writes_them(self) -> None:
        given = {"at": "2030-01-31T12:00:00Z", "tags": ["a"]}
        assert self.check("ship", "sent", given) == '{"at":"2030-01-31T12:00:00Z","tags":["a"]}'
        assert self.check("ship", "other", None) == '{"free":null}'

    @pytest.mark.parametrize(("payload", "said"), [
        ({"draft": 2}, '"by" is missing'),
        (None, '"by" is missing'),
        ({"by": "ana", "draft": "2"}, "valid integer"),
        ({"by": 5, "draft": 2}, "valid string"),
        ({"by": "ana", "draft": 2, "when": 1}, '"when" is not declared; declared: by, note, draft'),
        (["ana"], "a map with by, note, draft is needed"),
        ("ana", "a map with by, note, draft is needed"),
    ])  # fmt: skip
    def test_what_does_not_fit_is_told(self, payload: Any, said: str) -> None:
        with pytest.raises(UsageError, match='the payload of signal "accept" does not fit') as caught:
            self.check("review", "accept", payload)
        assert said in str(caught.value)

    @pytest.mark.parametrize("payload", [object(), float("nan"), "\ud800"])
    def test_what_is_no_json_is_told(self, payload: Any) -> None:
        with pytest.raises(UsageError, match="does not fit"):
            self.check("review", "refuse", payload)
