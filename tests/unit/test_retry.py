"""Retries: which policy decides, how often, and how the waits spread."""

from random import Random

import pytest

from fsm.kernel.retry import Again, again, backoff_ms, matches
from fsm.model.definition import RetryPolicy
from fsm.model.run import Failure
from fsm.model.workflow import Workflow
from tests.engine.builders import flow_of, run_at

FLOW = """
    workflow: w
    version: 1
    start: work
    errors: {BadDocument: [NotAnInvoice, Encrypted], Refused: []}
    policies:
      patient: {attempts: 4, delay: 2s, factor: 2, max_delay: 5s, jitter: none}
      fussy: {attempts: 2, delay: 1s, jitter: none, errors: [BadDocument, BadRequest]}
    states:
      work: {action: act.work, retry: RETRY, success: done, error: dead}
      done: {end: success}
      dead: {end: dead_letter}
"""


def flow(retry: str) -> Workflow:
    return flow_of(FLOW.replace("RETRY", retry))


def failure(*names: str, verdict: bool = False, retry_after_ms: int | None = None) -> Failure:
    return Failure(names[0], "broken", frozenset(names), verdict=verdict, retry_after_ms=retry_after_ms)


def policy(**fields: object) -> RetryPolicy:
    return RetryPolicy.model_validate({"attempts": "unlimited", **fields})


TIMEOUT = failure("Timeout")


class TestBackoff:
    @pytest.mark.parametrize(("retry", "wait_ms"), [(1, 1_000), (2, 3_000), (3, 9_000), (4, 20_000), (50, 20_000)])
    def test_it_grows_by_the_factor_up_to_the_cap(self, retry: int, wait_ms: int) -> None:
        assert backoff_ms(policy(delay="1s", factor=3, max_delay="20s", jitter="none"), retry, 0.3) == wait_ms

    def test_a_small_factor_reaches_the_cap_too(self) -> None:
        slow = policy(delay="1s", factor=1.01, max_delay="1m", jitter="none")
        assert backoff_ms(slow, 100, 0.0) == int(1_000 * 1.01**99)
        assert backoff_ms(slow, 2_000, 0.0) == 60_000

    @pytest.mark.parametrize("retry", [200, 10_000, 10**9])
    def test_a_number_of_retries_beyond_all_floats_waits_the_cap(self, retry: int) -> None:
        assert backoff_ms(policy(delay="10s", factor=100, max_delay="1h", jitter="none"), retry, 0.0) == 3_600_000

    def test_no_delay_stays_none_however_often(self) -> None:
        assert backoff_ms(policy(delay="0s", factor=2, max_delay="1m"), 500, 0.9) == 0

    @pytest.mark.parametrize("retry", [1, 4, 30])
    def test_full_jitter_spreads_evenly_below_the_capped_delay_also_at_the_cap(self, retry: int) -> None:
        """Jitter before the cap would put nearly all of these waits on the cap itself."""
        capped = min(1_000 * 2 ** (retry - 1), 8_000)
        spread = policy(delay="1s", factor=2, max_delay="8s")
        waits = [backoff_ms(spread, retry, draw / 1_000) for draw in range(1_000)]
        buckets = [sum(1 for wait in waits if tenth <= wait * 10 / capped < tenth + 1) for tenth in range(10)]
        assert buckets == [100] * 10

    def test_random_draws_give_the_mean_and_the_quantiles_of_a_uniform_wait(self) -> None:
        chance = Random(20_260_101)
        waits = sorted(backoff_ms(policy(delay="10s", max_delay="10s"), 9, chance.random()) for _ in range(20_000))
        farthest = max(abs(wait / 10_000 - place / len(waits)) for place, wait in enumerate(waits))
        assert farthest < 1.95 / len(waits) ** 0.5  # Kolmogorov and Smirnov, one seed in a thousand beyond

    def test_it_is_the_draw_that_decides_and_nothing_else(self) -> None:
        assert {backoff_ms(policy(delay="1s"), 1, 0.25) for _ in range(50)} == {250}


class TestMatching:
    @pytest.mark.parametrize(
        ("clause", "names", "verdict", "expected"),
        [
            ("else", ["Anything"], True, True),
            ("Exception", ["ValueError"], False, True),
            ("Exception", ["Timeout"], False, True),
            ("Exception", ["InvalidResult"], True, False),
            ("Transient", ["Timeout"], False, True),
            ("Transient", ["HeartbeatLost"], False, True),
            ("Transient", ["APIError", "RateLimited"], False, True),
            ("Transient", ["ReadError", "Unavailable"], False, True),
            ("Transient", ["BadRequest"], False, False),
            ("Transient", ["DeadlineExceeded"], True, False),
            ("OSError", ["FileNotFoundError", "OSError"], False, True),
            ("FileNotFoundError", ["OSError"], False, False),
            ("BadDocument", ["NotAnInvoice"], False, True),
            ("BadDocument", ["Sealed", "Encrypted"], False, True),
            ("BadDocument", ["Refused"], False, False),
            ("Refused", ["Refused"], False, True),
            ("InvalidResult", ["InvalidResult"], True, True),
        ],
    )
    def test_a_clause_covers_what_its_words_say(
        self, clause: str, names: list[str], verdict: bool, expected: bool
    ) -> None:
        groups = flow("never").error_groups
        assert matches(clause, failure(*names, verdict=verdict), groups) is expected


class TestAgain:
    def test_attempts_count_the_first_call(self) -> None:
        three = flow("{attempts: 3, delay: 1s, jitter: none}")
        given = [again(three, run_at(three, "work", tries={"1": taken}), TIMEOUT, 0.0) for taken in range(3)]
        assert given == [Again("1", 1_000), Again("1", 2_000), None]

    def test_one_attempt_is_no_retry(self) -> None:
        assert again(flow("1"), run_at(flow("1"), "work"), TIMEOUT, 0.0) is None

    def test_never_is_never(self) -> None:
        never = flow("never")
        assert again(never, run_at(never, "work"), TIMEOUT, 0.0) is None

    def test_unlimited_has_no_last_attempt(self) -> None:
        polling = flow("{attempts: unlimited, delay: 1s, factor: 1, jitter: none, errors: NotReady}")
        assert again(polling, run_at(polling, "work", tries={"1": 10**6}), failure("NotReady"), 0.0) == Again(
            "1", 1_000
        )

    def test_each_policy_of_a_list_counts_its_own_attempts(self) -> None:
        both = flow("[patient, fussy]")
        worn = run_at(both, "work", tries={"patient": 2}, attempt=3)
        assert again(both, worn, TIMEOUT, 0.0) == Again("patient", 5_000)
        assert again(both, worn, failure("Encrypted"), 0.0) == Again("fussy", 1_000)
        worn = worn._replace(tries={"patient": 2, "fussy": 1})
        assert again(both, worn, failure("Encrypted"), 0.0) is None
        assert again(both, worn, TIMEOUT, 0.0) == Again("patient", 5_000)

    def test_the_first_policy_that_covers_a_failure_decides_even_when_it_is_spent(self) -> None:
        twice = flow("[{attempts: 2, delay: 1s}, {attempts: 9, delay: 1s, errors: [Timeout]}]")
        assert again(twice, run_at(twice, "work", tries={"1": 1}), TIMEOUT, 0.0) is None

    def test_policies_without_a_name_are_told_apart_by_their_place(self) -> None:
        two = flow("[{attempts: 2, delay: 0s}, {attempts: 3, delay: 0s, errors: [NotReady]}]")
        assert again(two, run_at(two, "work"), failure("NotReady"), 0.0) == Again("2", 0)

    def test_a_number_retries_what_is_transient_and_nothing_else(self) -> None:
        five = flow("5")
        assert again(five, run_at(five, "work"), TIMEOUT, 0.5) == Again("1", 500)
        assert again(five, run_at(five, "work"), failure("BadRequest"), 0.5) is None

    @pytest.mark.parametrize(("asked_ms", "wait_ms"), [(None, 2_000), (500, 2_000), (90_000, 90_000)])
    def test_the_wait_that_a_server_asks_for_is_honoured_beyond_the_cap(
        self, asked_ms: int | None, wait_ms: int
    ) -> None:
        patient = flow("patient")
        limited = failure("RateLimited", retry_after_ms=asked_ms)
        assert again(patient, run_at(patient, "work"), limited, 0.0) == Again("patient", wait_ms)

    @pytest.mark.parametrize("name", ["VisitsExceeded", "DeadlineExceeded", "Interrupted"])
    def test_a_bound_that_is_spent_is_never_retried(self, name: str) -> None:
        eager = flow("{attempts: 5, errors: [Exception, Transient, InvalidResult]}")
        assert again(eager, run_at(eager, "work"), failure(name, "Transient", verdict=True), 0.0) is None

    def test_an_exception_that_only_shares_a_verdict_s_name_is_retried(self) -> None:
        """Such as `google.api_core.exceptions.DeadlineExceeded`, which is a gateway's 504."""
        five = flow("5")
        assert again(five, run_at(five, "work"), failure("DeadlineExceeded", "Unavailable"), 0.0) == Again("1", 0)

    def test_other_verdicts_are_retried_where_a_policy_names_them(self) -> None:
        strict = flow("{attempts: 2, delay: 0s, errors: [InvalidResult]}")
        assert again(strict, run_at(strict, "work"), failure("InvalidResult", verdict=True), 0.0) == Again("1", 0)
