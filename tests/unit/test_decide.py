"""The one decision: what happened in a state, and what is committed for it."""

from copy import deepcopy
from typing import Any, ClassVar

import pytest

from fsm.errors import IllegalTransition
from fsm.kernel.decide import CRASHES_MAX, begin, deadline_at, decide, encode, values_of, verdict
from fsm.model.run import (
    PERSON,
    Artifact,
    Chose,
    Decision,
    Elapsed,
    Failed,
    Failure,
    Received,
    Rest,
    Result,
    Run,
    Succeeded,
    Transition,
)
from tests.engine.builders import NOW, flow_of, run_at

FLOW = flow_of("""
    workflow: intake
    version: 3
    start: fetch
    input: {uri: str}
    errors: {BadDocument: [NotAnInvoice, Encrypted], Refused: []}
    policies:
      patient: {attempts: 3, delay: 2s, jitter: none}
      eager: {attempts: 2, delay: 0s, errors: [NotReady]}
    defaults: {timeout: 1m, retry: never, error: {Refused: rejected, else: dead}}
    states:
      fetch:
        action: act.fetch
        writes: document
        success: {success: choose, nothing: done, again: fetch}
        max_visits: 2
        error: {NotAnInvoice: rejected, BadDocument: human, Transient: slow, Exception: odd, InvalidResult: failed}
      choose: {switch: [{when: "true", to: nap}, {when: "false", to: human}, {else: done}], max_visits: 2}
      nap: {wait: 30s, success: human, max_visits: 2}
      until: {wait: {until: uri}, success: done}
      human: {signal: {accept: post, refuse: rejected, back: nap}, writes: verdict, deadline: 1h, max_visits: 2}
      open: {signal: {accept: done}}
      post: {action: act.post, retry: [patient, eager], deadline: 10s, success: done}
      slow: {action: act.slow, retry: 5, success: done}
      odd: {action: act.odd, success: measured}
      measured: {end: success, optional: document, output: "document.pages", description: fails where there are none}
      done: {end: success, optional: [document, verdict], output: "[document, verdict, uri, run.workflow]"}
      rejected: {end: failure, reason: "'refused: ' + uri"}
      failed: {end: failure}
      dead: {end: dead_letter}
""")

LAX = flow_of("""
    workflow: lax
    version: 1
    start: work
    states:
      work: {action: act.work, retry: never, success: done, error: {Timeout: done}}
      done: {end: success}
""")

VALUES = {"uri": "a.pdf"}


def ask(
    state: str, result: Result, now: int = NOW, draw: float = 0.5, values: dict[str, Any] | None = None, **run: Any
) -> Decision:
    return decide(FLOW, run_at(FLOW, state, **run), result, now, draw, VALUES if values is None else values)


def row_of(decision: Decision) -> Transition:
    assert decision.transition is not None
    return decision.transition


def broken(*names: str, **more: Any) -> Failed:
    return Failed(Failure(names[0], "it broke", frozenset(names), **more))


def concluded(name: str) -> Failed:
    return Failed(Failure.of_verdict(name, "no"))


class TestStarting:
    def newborn(self, status: str) -> Run:
        return run_at(FLOW, "", seq=0, visit=0, status=status, visits={})

    @pytest.mark.parametrize("status", ["ready", "running"])
    def test_the_start_edge_enters_the_first_state_with_the_status_it_was_born_with(self, status: str) -> None:
        begun = begin(FLOW, self.newborn(status), NOW + 5, VALUES)
        row = row_of(begun)
        assert (row.seq, row.source, row.event, row.target, row.status) == (1, "", "start", "fetch", status)
        assert (begun.run.visit, begun.run.attempt, begun.run.entered_at) == (1, 1, NOW + 5)
        assert begun.run.visits == row.visits == {"fetch": 1}

    def test_a_workflow_may_begin_with_waiting(self) -> None:
        napping = flow_of("""
            workflow: n
            version: 1
            start: nap
            defaults: {error: done}
            states: {nap: {wait: 1m, success: done}, done: {end: success}}
        """)
        begun = begin(napping, run_at(napping, "", seq=0, status="running"), NOW, {})
        assert (begun.run.status, begun.run.due_at) == ("waiting", NOW + 60_000)


class TestEveryEvent:
    """What happened, the event it is, where it leads, and the status on arrival."""

    CASES: ClassVar = [
        ("fetch", Succeeded("success", '"d"'), "success", "choose", "running"),
        ("fetch", Succeeded("nothing", "null"), "success:nothing", "done", "succeeded"),
        ("fetch", Succeeded("again", "null"), "success:again", "fetch", "running"),
        ("fetch", Succeeded("unheard", "1"), "error:InvalidResult", "failed", "failed"),
        ("choose", Chose(1), "case:1", "nap", "waiting"),
        ("choose", Chose(2), "case:2", "human", "waiting"),
        ("choose", Chose(None), "else", "done", "succeeded"),
        ("nap", Elapsed(), "elapsed", "human", "waiting"),
        ("until", Elapsed(), "elapsed", "done", "succeeded"),
        ("human", Received("accept", "{}", (4,), "ana"), "signal:accept", "post", "running"),
        ("human", Received("refuse", "{}", (), None), "signal:refuse", "rejected", "failed"),
        ("human", concluded("DeadlineExceeded"), "error:else", "dead", "dead"),
        ("open", Received("accept", "1", (), None), "signal:accept", "done", "succeeded"),
        ("post", broken("NotReady"), "retry:eager", "post", "running"),
        ("post", broken("Timeout"), "retry:patient", "post", "waiting"),
        ("post", broken("ValueError"), "error:else", "dead", "dead"),
        ("post", broken("Refused"), "error:Refused", "rejected", "failed"),
        ("fetch", broken("NotAnInvoice"), "error:NotAnInvoice", "rejected", "failed"),
        ("fetch", broken("Encrypted"), "error:BadDocument", "human", "waiting"),
        ("fetch", broken("SealedError", "Encrypted"), "error:BadDocument", "human", "waiting"),
        ("fetch", broken("HTTPStatusError", "RateLimited"), "error:Transient", "slow", "running"),
        ("fetch", broken("KeyError", "LookupError"), "error:Exception", "odd", "running"),
        ("fetch", broken("Refused"), "error:Exception", "odd", "running"),
        ("fetch", concluded("InvalidResult"), "error:InvalidResult", "failed", "failed"),
        ("fetch", concluded("VisitsExceeded"), "error:else", "dead", "dead"),
    ]  # fmt: skip

    @pytest.mark.parametrize(("state", "result", "event", "target", "status"), CASES)
    def test_it_takes_its_edge(self, state: str, result: Result, event: str, target: str, status: str) -> None:
        decided = ask(state, result)
        row = row_of(decided)
        assert (row.source, row.event, row.target, row.status) == (state, event, target, status)
        assert (decided.run.state, decided.run.status, decided.run.seq) == (target, status, 8)

    @pytest.mark.parametrize(("state", "result", "event", "target", "status"), CASES)
    def test_the_ledger_row_says_what_the_run_becomes(
        self, state: str, result: Result, event: str, target: str, status: str
    ) -> None:
        decided = ask(state, result, now=NOW + 9)
        row, run = row_of(decided), decided.run
        assert (row.seq, row.epoch, row.visit, row.attempt, row.tries) == (
            run.seq, run.epoch, run.visit, run.attempt, run.tries)  # fmt: skip
        assert (row.due_at, row.awaits, row.at) == (run.due_at, run.awaits, run.updated_at) == (
            run.due_at, run.awaits, NOW + 9)  # fmt: skip
        assert (row.visits or run_at(FLOW, state).visits) == run.visits

    @pytest.mark.parametrize(("state", "result", "event", "target", "status"), CASES)
    def test_it_is_pure(self, state: str, result: Result, event: str, target: str, status: str) -> None:
        run, values = run_at(FLOW, state), {"uri": "a.pdf", "document": {"pages": [1]}}
        before = deepcopy((run, result, values))
        first = decide(FLOW, run, result, NOW, 0.25, values)
        assert (run, result, values) == before
        assert decide(FLOW, run, result, NOW, 0.25, values) == first

    def test_a_runner_s_claim_goes_on_and_nobody_s_stays_ready(self) -> None:
        assert ask("fetch", Succeeded("success", "1")).run.status == "running"
        assert ask("open", Received("accept", "1", (), None), status="waiting").run.status == "succeeded"
        assert ask("human", Received("accept", "1", (), None), status="waiting").run.status == "ready"

    def test_a_signal_that_is_not_declared_here_is_illegal_and_named_with_what_is(self) -> None:
        with pytest.raises(IllegalTransition) as caught:
            ask("human", Received("shout", "1", (), None))
        assert (caught.value.state, caught.value.event) == ("human", "signal:shout")
        assert caught.value.legal == (
            "error:Refused", "error:else", "signal:accept", "signal:back", "signal:refuse")  # fmt: skip

    def test_a_wait_that_is_over_elsewhere_is_illegal(self) -> None:
        with pytest.raises(IllegalTransition, match='"elapsed" is not legal in state "fetch"'):
            ask("fetch", Elapsed())


class TestEntering:
    def test_a_visit_opens_with_the_seq_of_the_edge_and_nothing_of_the_one_before(self) -> None:
        worn: dict[str, Any] = {
            "attempt": 4,
            "tries": {"1": 3},
            "crashes": 2,
            "interrupted": True,
            "entered_at": NOW - 99,
        }
        run = ask("fetch", Succeeded("success", "1"), now=NOW + 1, **worn).run
        assert (run.visit, run.attempt, run.tries, run.crashes, run.interrupted, run.entered_at) == (
            8, 1, {}, 0, False, NOW + 1)  # fmt: skip

    def test_a_self_edge_opens_a_new_visit_too(self) -> None:
        run = ask("fetch", Succeeded("again", "1")).run
        assert (run.visit, run.visits) == (8, {"fetch": 2})

    def test_only_bounded_states_are_counted(self) -> None:
        assert ask("human", Received("accept", "1", (), None), visits={"human": 1}).run.visits == {"human": 1}
        assert row_of(ask("human", Received("accept", "1", (), None))).visits is None

    def test_a_fixed_wait_rests_until_its_instant(self) -> None:
        run = ask("choose", Chose(1), now=NOW + 7).run
        assert (run.status, run.due_at, run.awaits) == ("waiting", NOW + 30_007, ())

    def test_a_signal_rests_for_its_names_and_its_deadline(self) -> None:
        run = ask("nap", Elapsed()).run
        assert (run.status, run.due_at, run.awaits) == ("waiting", NOW + 3_600_000, ("accept", "refuse", "back"))

    def test_a_signal_without_a_deadline_rests_for_ever(self) -> None:
        once = flow_of("""
            workflow: s
            version: 1
            start: ask
            defaults: {error: done}
            states: {ask: {signal: {go: done}}, done: {end: success}}
        """)
        assert begin(once, run_at(once, "", seq=0, status="ready"), NOW, {}).run.due_at is None

    @pytest.mark.parametrize(("state", "result"), [("choose", Chose(1)), ("choose", Chose(2))])
    def test_the_entry_beyond_the_bound_does_not_wait(self, state: str, result: Result) -> None:
        run = ask(state, result, visits={"nap": 2, "human": 2}).run
        assert (run.status, run.due_at, run.awaits) == ("running", None, ())
        refused = verdict(FLOW, run, NOW)
        assert refused is not None
        assert refused.name == "VisitsExceeded"

    def test_the_last_entry_that_is_allowed_waits(self) -> None:
        run = ask("choose", Chose(1), visits={"nap": 1}).run
        assert (run.status, run.visits) == ("waiting", {"nap": 2})
        assert verdict(FLOW, run, NOW) is None


class TestVerdict:
    def test_most_states_may_be_performed(self) -> None:
        assert all(verdict(FLOW, run_at(FLOW, state), NOW) is None for state in FLOW.states)

    def test_a_crash_too_many_is_an_interruption(self) -> None:
        assert verdict(FLOW, run_at(FLOW, "slow", crashes=CRASHES_MAX), NOW) is None
        refused = verdict(FLOW, run_at(FLOW, "slow", crashes=CRASHES_MAX + 1), NOW)
        assert refused is not None
        assert (refused.name, refused.verdict, refused.interrupted) == ("Interrupted", True, True)
        assert refused.message == '4 crashes in "slow"; at most 3 are forgiven'

    @pytest.mark.parametrize(
        ("late_ms", "expected"), [(9_999, None), (10_000, "DeadlineExceeded"), (10**9, "DeadlineExceeded")]
    )
    def test_a_deadline_counts_from_the_entry(self, late_ms: int, expected: str | None) -> None:
        refused = verdict(FLOW, run_at(FLOW, "post"), NOW + late_ms)
        assert (refused and refused.name) == expected

    def test_a_signal_s_deadline_is_left_to_the_inbox_since_an_earlier_signal_beats_it(self) -> None:
        assert verdict(FLOW, run_at(FLOW, "human"), NOW + 10**9) is None
        assert deadline_at(FLOW.states["human"], run_at(FLOW, "human")) == NOW + 3_600_000

    def test_bounds_go_before_deadlines(self) -> None:
        refused = verdict(FLOW, run_at(FLOW, "fetch", visits={"fetch": 3}, crashes=9), NOW + 10**9)
        assert refused is not None
        assert refused.message == 'entry 3 into "fetch"; max_visits is 2'


class TestRetrying:
    def test_it_stays_in_the_visit_until_its_delay_is_over(self) -> None:
        decided = ask("post", broken("Timeout"), now=NOW + 3, attempt=2, tries={"eager": 1})
        run, row = decided.run, row_of(decided)
        assert (run.state, run.visit, run.entered_at, run.attempt) == ("post", 7, NOW, 3)
        assert run.tries == {"eager": 1, "patient": 1}
        assert (run.status, run.due_at, run.updated_at) == ("waiting", NOW + 2_003, NOW + 3)
        assert (row.event, row.visits) == ("retry:patient", None)
        assert row.detail == {"class": "Timeout", "message": "it broke"}
        assert decided.artifacts == ()

    @pytest.mark.parametrize(("status", "expected"), [("running", "running"), ("ready", "ready")])
    def test_without_a_delay_it_goes_on_at_once(self, status: str, expected: str) -> None:
        run = ask("post", broken("NotReady"), status=status).run
        assert (run.status, run.due_at) == (expected, None)

    def test_the_draw_jitters_the_delay(self) -> None:
        waits = [ask("slow", broken("Timeout"), draw=draw).run.due_at for draw in (0.001, 0.25, 0.999)]
        assert waits == [NOW + 1, NOW + 250, NOW + 999]

    def test_an_attempt_whose_effect_is_unknown_is_remembered_for_the_visit(self) -> None:
        decided = ask("post", broken("Timeout", interrupted=True))
        assert (decided.run.interrupted, row_of(decided).interrupted) == (True, True)
        later = decide(FLOW, decided.run, broken("NotReady"), NOW, 0.5, VALUES)
        assert (later.run.interrupted, row_of(later).interrupted) == (True, False)

    @pytest.mark.parametrize(("now", "event"), [(NOW + 7_999, "retry:patient"), (NOW + 8_000, "error:else")])
    def test_a_retry_past_the_deadline_fails_at_once(self, now: int, event: str) -> None:
        assert row_of(ask("post", broken("Timeout"), now=now)).event == event

    def test_a_server_s_wait_past_the_deadline_fails_at_once_and_tells_why(self) -> None:
        decided = ask("post", broken("RateLimited", retry_after_ms=10_000, value={"n": 1}, interrupted=True))
        row = row_of(decided)
        assert (row.event, row.interrupted) == ("error:else", True)
        assert values_of(decided.artifacts)["error"] == {
            "class": "DeadlineExceeded", "message": '"post" was not done by its deadline after RateLimited: it broke',
            "state": "post", "attempt": 1, "value": {"n": 1},
        }  # fmt: skip

    def test_a_server_s_wait_within_the_deadline_is_kept(self) -> None:
        assert ask("post", broken("RateLimited", retry_after_ms=9_999)).run.due_at == NOW + 9_999

    def test_unlimited_attempts_end_at_the_deadline(self) -> None:
        polling = flow_of("""
            workflow: p
            version: 1
            start: poll
            states:
              poll:
                action: act.poll
                retry: {attempts: unlimited, delay: 10s, factor: 1, jitter: none, errors: NotReady}
                deadline: 1m
                success: done
                error: {DeadlineExceeded: late, else: done}
              done: {end: success}
              late: {end: failure}
        """)
        run, now, events = run_at(polling, "poll"), NOW, []
        while run.state == "poll":
            decided = decide(polling, run, broken("NotReady"), now, 0.0, {})
            events.append(row_of(decided).event)
            run, now = decided.run, decided.run.due_at or now
        assert events == ["retry:1"] * 5 + ["error:DeadlineExceeded"]
        assert run.reason == 'DeadlineExceeded: "poll" was not done by its deadline after NotReady: it broke'


class TestFailing:
    def test_the_error_edge_writes_what_a_later_state_can_see(self) -> None:
        decided = ask("post", broken("ValueError", value={"line": 3}), attempt=2)
        assert decided.artifacts == (Artifact("error", encode({
            "class": "ValueError", "message": "it broke", "state": "post", "attempt": 2, "value": {"line": 3},
        })),)  # fmt: skip

    def test_the_ledger_keeps_the_traceback_and_the_artifact_does_not(self) -> None:
        decided = ask("post", broken("ValueError", traceback="File x, line 1"))
        assert (row_of(decided).detail or {})["traceback"] == "File x, line 1"
        assert "File x" not in str(decided.artifacts)

    def test_without_an_edge_the_run_dies_where_it_is(self) -> None:
        run = run_at(LAX, "work", interrupted=True)
        decided = decide(LAX, run, broken("ValueError"), NOW, 0.5, {})
        row = row_of(decided)
        assert (row.source, row.event, row.target, row.status) == ("work", "fault", "work", "dead")
        assert (decided.run.state, decided.run.visit, decided.run.due_at) == ("work", 7, None)
        assert decided.artifacts[0].name == "error"

    def test_an_undeclared_outcome_names_those_that_are_and_keeps_the_value(self) -> None:
        told = values_of(ask("fetch", Succeeded("unheard", '{"n":1}')).artifacts)["error"]
        assert told["message"] == (
            'the action returned outcome "unheard", which has no edge; '
            "declared: success, success:again, success:nothing"
        )
        assert told["value"] == {"n": 1}

    @pytest.mark.parametrize(("before", "now", "expected"), [
        (False, False, False), (True, False, True), (False, True, True), (True, True, True)])  # fmt: skip
    def test_the_row_says_whether_any_attempt_of_the_visit_may_have_had_its_effect(
        self, before: bool, now: bool, expected: bool
    ) -> None:
        failed = ask("post", broken("ValueError", interrupted=now), interrupted=before)
        assert row_of(failed).interrupted is expected

    def test_success_leaves_no_doubt_behind(self) -> None:
        assert row_of(ask("post", Succeeded("success", "1"), interrupted=True)).interrupted is False


class TestWriting:
    @pytest.mark.parametrize(("state", "result", "expected"), [
        ("fetch", Succeeded("success", '{"pages":2}'), Artifact("document", '{"pages":2}')),
        ("slow", Succeeded("success", "1"), Artifact("slow", "1")),
        ("human", Received("accept", '{"by":"ana"}', (1,), "ana"), Artifact("verdict", '{"by":"ana"}')),
        ("open", Received("accept", "null", (1,), None), Artifact("open", "null")),
    ])  # fmt: skip
    def test_a_state_writes_under_its_name_or_what_it_says(
        self, state: str, result: Result, expected: Artifact
    ) -> None:
        assert ask(state, result).artifacts == (expected,)

    @pytest.mark.parametrize(
        ("state", "result"), [("choose", Chose(1)), ("nap", Elapsed()), ("post", broken("NotReady"))]
    )
    def test_choosing_waiting_and_retrying_write_nothing(self, state: str, result: Result) -> None:
        assert ask(state, result).artifacts == ()

    def test_a_signal_is_consumed_and_its_sender_recorded(self) -> None:
        decided = ask("human", Received("accept", "{}", (4, 6), "ana"))
        assert decided.signals == (4, 6)
        assert row_of(decided).actor == "ana"


class TestResting:
    def test_until_an_instant(self) -> None:
        decided = ask("until", Rest(NOW + 5))
        assert (decided.transition, decided.run.status, decided.run.due_at) == (None, "waiting", NOW + 5)

    def test_for_signals(self) -> None:
        decided = ask("open", Rest(None, ("accept",), seen=12, refused=(3,)))
        assert (decided.run.status, decided.run.awaits, decided.seen, decided.refused) == (
            "waiting",
            ("accept",),
            12,
            (3,),
        )

    def test_for_a_person_means_that_the_effect_is_unknown(self) -> None:
        assert ask("slow", Rest(None, PERSON)).run.interrupted is True
        assert ask("open", Rest(None, ("accept",))).run.interrupted is False

    def test_for_nothing_is_ready(self) -> None:
        assert ask("slow", Rest(None)).run.status == "ready"

    def test_it_moves_nothing(self) -> None:
        run = run_at(FLOW, "slow", attempt=2, tries={"1": 1}, crashes=1)
        assert decide(FLOW, run, Rest(NOW), NOW, 0.5, {}).run == run._replace(status="waiting", due_at=NOW)


class TestEnding:
    def test_the_output_sees_what_the_last_state_wrote_and_what_was_there_before(self) -> None:
        values = {"uri": "a.pdf", "document": "old", "verdict": "yes"}
        run = ask("fetch", Succeeded("nothing", '"new"'), values=values).run
        assert run.output == ["new", "yes", "a.pdf", "intake"]

    def test_optional_names_are_null_when_unwritten(self) -> None:
        assert ask("open", Received("accept", "1", (), None)).run.output == [None, None, "a.pdf", "intake"]

    @pytest.mark.parametrize(("target", "status"), [("done", "succeeded"), ("rejected", "failed"), ("dead", "dead")])
    def test_each_end_has_its_status(self, target: str, status: str) -> None:
        sources = {"done": ask("choose", Chose(None)), "rejected": ask("fetch", broken("NotAnInvoice")),
                   "dead": ask("fetch", concluded("VisitsExceeded"))}  # fmt: skip
        assert (sources[target].run.state, sources[target].run.status) == (target, status)

    def test_a_reason_is_an_expression(self) -> None:
        assert ask("human", Received("refuse", "{}", (), None)).run.reason == "refused: a.pdf"

    def test_without_one_the_last_error_is_the_reason(self) -> None:
        assert ask("fetch", concluded("InvalidResult")).run.reason == "InvalidResult: no"

    def test_success_has_no_reason(self) -> None:
        values = {"uri": "a.pdf", "error": {"class": "Timeout", "message": "was slow"}}
        assert ask("choose", Chose(None), values=values).run.reason is None

    def test_the_ledger_keeps_what_is_left_behind(self) -> None:
        row = row_of(ask("human", Received("refuse", "{}", (), None)))
        assert row.detail == {"output": None, "reason": "refused: a.pdf"}

    def test_an_output_that_cannot_be_told_is_an_error_of_the_state_that_led_there(self) -> None:
        decided = ask("odd", Succeeded("success", "1"), values={"uri": "a.pdf", "document": {"title": "x"}})
        row = row_of(decided)
        assert (row.source, row.event, row.target, row.status) == ("odd", "error:else", "dead", "dead")
        told = values_of(decided.artifacts)["error"]
        assert told["class"] == "ExpressionError"
        assert told["message"].startswith('on entry of "measured": ')
        assert decided.run.reason is not None

    def test_a_signal_whose_end_cannot_be_entered_is_consumed_all_the_same(self) -> None:
        picky = flow_of("""
            workflow: s
            version: 1
            start: ask
            states:
              ask: {signal: {go: done}, max_visits: 3, error: ask}
              done: {end: success, output: ask.missing}
        """)
        decided = decide(picky, run_at(picky, "ask"), Received("go", "{}", (9,), "ana"), NOW, 0.5, {})
        assert (row_of(decided).event, decided.signals) == ("error:else", (9,))

    def test_an_error_that_leads_to_such_an_end_still_ends_the_run(self) -> None:
        """Nothing is left to try; the ledger keeps the failure, and the reason says what was wrong with the end."""
        strict = flow_of("""
            workflow: s
            version: 1
            start: work
            states:
              work: {action: act.work, retry: never, success: done, error: broken}
              done: {end: success}
              broken: {end: failure, reason: "work.text"}
        """)
        decided = decide(strict, run_at(strict, "work"), broken("ValueError"), NOW, 0.5, {})
        assert (decided.run.status, row_of(decided).event) == ("failed", "error:else")
        assert '"work" has not been written' in (decided.run.reason or "")
        assert (row_of(decided).detail or {})["class"] == "ValueError"
