"""Performing states: what an action is given, what it may give back, and where each leads."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from pydantic import BaseModel

import fsm
from tests.engine.builders import House, events, named, path

HEAD = """
workflow: w
version: 1
start: work
defaults: {timeout: 1m, retry: never, error: failed}
"""
ENDS = """
  done: {end: success, output: work}
  failed: {end: failure}
  other: {end: failure, reason: "'the other way'"}
"""


def define(house: House, work: str, *states: str, head: str = "") -> None:
    """Write a workflow with the state `work`, further states, and three ends."""
    lines = "".join(f"  {state}\n" for state in (f"work: {{{work}}}", *states))
    ends = "".join(f"{line}\n" for line in ENDS.strip("\n").splitlines()
                   if line.strip().split(":")[0] in lines + head or "failed" in line)  # fmt: skip
    house.define(HEAD + head + "\nstates:\n" + lines + ends)


class Item(BaseModel):
    name: str
    price: float


@dataclass(frozen=True)
class Bill:
    total: float
    at: datetime


class TestWhatAnActionIsGiven:
    def test_its_parameters_name_what_it_reads_and_nothing_else_is_loaded(self, house: House) -> None:
        define(
            house,
            "action: a.work, success: next",
            "next: {action: a.next, success: done}",
            head="input: {x: int, y: str}",
        )
        loaded: list[set[str]] = []

        @fsm.action("a.work")
        def work(x: int) -> int:
            return x + 1

        @fsm.action("a.next")
        def following(work: int, y: str) -> str:
            return f"{y}{work}"

        engine = house.engine(work, following)
        values = engine.store.values
        engine.store.values = lambda run, names: loaded.append(set(names)) or values(run, names)  # type: ignore[method-assign,func-returns-value]
        run = engine.run("w", {"x": 1, "y": "n"})
        assert loaded == [{"x"}, {"y"}], "what this drive wrote itself is not read again"
        assert engine.artifacts(run) == {"next": "n2", "work": 2, "x": 1, "y": "n"}

    def test_annotations_make_values_of_their_types(self, house: House) -> None:
        define(house, "action: a.work, success: next", "next: {action: a.next, success: done}")
        seen: list[Any] = []

        @fsm.action("a.work")
        def work() -> list[Item]:
            return [Item(name="pen", price=1.5)]

        @fsm.action("a.next")
        def following(work: list[Item]) -> Bill:
            seen.extend(work)
            return Bill(sum(item.price for item in work), datetime(2030, 1, 1, tzinfo=UTC))

        engine = house.engine(work, following)
        run = engine.run("w")
        assert seen == [Item(name="pen", price=1.5)]
        assert engine.artifacts(run)["next"] == {"total": 1.5, "at": "2030-01-01T00:00:00Z"}

    def test_with_maps_parameters_to_expressions(self, house: House) -> None:
        define(house, 'action: a.work, with: {a: x.n * 2, b: "[title, run.workflow]"}, success: done',
               head="input: {x: dict, title: str}")  # fmt: skip

        @fsm.action("a.work")
        def work(a: int, b: list[str], c: str = "default") -> list[Any]:
            return [a, b, c]

        assert house.engine(work).run("w", {"x": {"n": 4}, "title": "t"}).output == [8, ["t", "w"], "default"]

    @pytest.mark.parametrize(("x", "error", "said"), [
        ({}, "ExpressionError", "has no"),
        ({"n": "four"}, "InvalidResult", '"a" does not fit action "a.work": Input should be a valid integer'),
    ])  # fmt: skip
    def test_a_with_that_cannot_be_told_or_does_not_fit_is_an_error_before_any_call(
        self, house: House, x: dict[str, Any], error: str, said: str
    ) -> None:
        define(house, "action: a.work, with: {a: x.n}, success: done", head="input: {x: dict}")
        called: list[int] = []

        @fsm.action("a.work")
        def work(a: int) -> None:
            called.append(a)

        engine = house.engine(work)
        run = engine.run("w", {"x": x})
        told = engine.artifacts(run)["error"]
        assert (run.state, told["class"], called) == ("failed", error, [])
        assert said in told["message"]

    def test_what_is_optional_is_null_until_it_is_written(self, house: House) -> None:
        define(house, "action: a.work, optional: work, max_visits: 3, success: {success: done, again: work}")

        @fsm.action("a.work")
        def work(work: int | None) -> int | fsm.Outcome[Literal["again"], int]:
            count = (work or 0) + 1
            return count if count == 3 else fsm.Outcome("again", count)

        engine = house.engine(work)
        run = engine.run("w")
        assert (run.output, run.visits) == (3, {"work": 3})
        assert events(engine, run) == ["start", "success:again", "success:again", "success"]

    def test_a_parameter_with_a_default_needs_nothing_written(self, house: House) -> None:
        define(house, "action: a.work, success: {success: done, skip: other}")
        engine = house.engine(named("a.work", lambda error=None, work="nothing yet": [error, work]))
        assert engine.run("w").output == [None, "nothing yet"]

    def test_reads_gives_those_names_and_no_others(self, house: House) -> None:
        define(house, "action: a.work, reads: [x], success: done", head="input: {x: int, y: int}")

        @fsm.action("a.work")
        def work(x: int, y: int = 0, **rest: Any) -> list[Any]:
            return [x, y, rest]

        assert house.engine(work).run("w", {"x": 1, "y": 2}).output == [1, 0, {}]

    def test_further_keywords_take_what_reads_names(self, house: House) -> None:
        define(house, "action: a.work, reads: [x, y], success: done", head="input: {x: int, y: int}")
        engine = house.engine(named("a.work", lambda **rest: rest))
        assert engine.run("w", {"x": 1, "y": 2}).output == {"x": 1, "y": 2}

    def test_the_context_tells_where_the_attempt_belongs(self, house: House, caplog: pytest.LogCaptureFixture) -> None:
        define(house, "action: a.work, success: done")

        @fsm.action("a.work")
        def work(ctx: fsm.Context) -> list[Any]:
            ctx.log.warning("hello")
            return [ctx.run_id, ctx.workflow, ctx.state, ctx.visit, ctx.attempt, ctx.interrupted, len(ctx.key)]

        run = house.engine(work).run("w")
        assert run.output == [run.id, "w", "work", 1, 1, False, 64]
        (record,) = [record for record in caplog.records if record.name == "fsm.action"]
        assert (vars(record)["run"], vars(record)["state"], vars(record)["attempt"]) == (run.id, "work", 1)


class TestWhatAnActionGivesBack:
    @pytest.mark.parametrize(("returned", "state"), [
        (5, "done"), (fsm.Outcome("success", 5), "done"), (fsm.Outcome("skip", {"a": 1}), "other"), (None, "done"),
    ])  # fmt: skip
    def test_an_outcome_takes_its_edge(self, house: House, returned: Any, state: str) -> None:
        define(house, "action: a.work, success: {success: done, skip: other}")
        engine = house.engine(named("a.work", lambda: returned))
        run = engine.run("w")
        assert run.state == state
        expected = returned.value if isinstance(returned, fsm.Outcome) else returned
        assert engine.artifacts(run)["work"] == expected

    @pytest.mark.parametrize(("returned", "said"), [
        ("five", '"a.work" returned what does not fit: Input should be a valid integer'),
        ("5", "valid integer"), (1.0, "valid integer"), (None, "valid integer"), (True, "valid integer"),
        (float("nan"), "a.work"),
        (fsm.Outcome("maybe", 5), 'returned outcome "maybe", which has no edge; declared: success, success:skip'),
        (fsm.Outcome("skip", 5), "valid string"),
    ])  # fmt: skip
    def test_what_was_not_promised_is_an_invalid_result(self, house: House, returned: Any, said: str) -> None:
        define(
            house, "action: a.work, success: {success: done, skip: done}, error: {InvalidResult: other, else: failed}"
        )

        @fsm.action("a.work")
        def work() -> int | fsm.Outcome[Literal["skip"], str]:
            return returned  # type: ignore[no-any-return]

        engine = house.engine(work)
        run = engine.run("w")
        told = engine.artifacts(run)["error"]
        assert (run.state, told["class"]) == ("other", "InvalidResult")
        assert said in told["message"]
        assert "work" not in engine.artifacts(run)

    @pytest.mark.parametrize("returned", [object(), {1, "a"}.__iter__, float("inf"), "\ud800"])
    def test_what_is_no_json_is_an_invalid_result_that_describes_it(self, house: House, returned: Any) -> None:
        define(house, "action: a.work, success: done")
        engine = house.engine(named("a.work", lambda: returned))
        told = engine.artifacts(engine.run("w"))["error"]
        assert told["class"] == "InvalidResult"
        assert isinstance(told["value"], str)

    def test_writes_names_the_artifact(self, house: House) -> None:
        define(house, "action: a.work, writes: receipt, success: end", "end: {end: success, output: receipt}")
        engine = house.engine(named("a.work", lambda: 7))
        assert engine.artifacts(engine.run("w")) == {"receipt": 7}

    def test_the_newest_value_wins_and_the_ledger_keeps_them_all(self, house: House) -> None:
        define(house, "action: a.work, writes: n, optional: n, max_visits: 3, success: {success: end, again: work}",
               "end: {end: success, output: n}")  # fmt: skip
        engine = house.engine(named("a.work", lambda n: fsm.Outcome("again", (n or 0) + 1) if (n or 0) < 2 else 9))
        run = engine.run("w")
        assert run.output == 9
        assert [artifact.value for row in engine.history(run.id) for artifact in row.artifacts] == ["1", "2", "9"]


class TestConditions:
    def test_require_is_asked_before_the_call(self, house: House) -> None:
        asked = 'require: ["x > 0", "x < 10"], error: {RequireFailed: other, else: failed}'
        define(house, f"action: a.work, {asked}, success: done", head="input: {x: int}")
        calls: list[int] = []

        def work(x: int) -> None:
            calls.append(x)

        engine = house.engine(named("a.work", work))
        assert engine.run("w", {"x": 5}).state == "done"
        refused = engine.run("w", {"x": 10})
        assert (refused.state, calls) == ("other", [5])
        assert engine.artifacts(refused)["error"]["message"] == "require is not met: x < 10"

    def test_ensure_is_asked_of_the_result_and_keeps_it_for_the_error_edge(self, house: House) -> None:
        asked = 'ensure: "work % 2 == x", error: {EnsureFailed: other, else: failed}'
        define(house, f"action: a.work, {asked}, success: done", head="input: {x: int}")
        engine = house.engine(named("a.work", lambda: 7))
        assert engine.run("w", {"x": 1}).output == 7
        refused = engine.run("w", {"x": 0})
        told = engine.artifacts(refused)["error"]
        assert (refused.state, told["class"], told["value"]) == ("other", "EnsureFailed", 7)
        assert "work" not in engine.artifacts(refused)

    def test_a_condition_that_cannot_be_told_is_an_error_of_its_own(self, house: House) -> None:
        define(
            house,
            'action: a.work, ensure: "work.total > 0", success: done, error: {ExpressionError: other, else: failed}',
        )
        assert house.engine(named("a.work", lambda: {"n": 1})).run("w").state == "other"


class TestErrors:
    def test_a_reprompt_sees_what_went_wrong(self, house: House) -> None:
        define(
            house, "action: a.work, success: done, error: {BadDraft: again, else: failed}",
            "again: {action: a.again, writes: work, success: done}", head="errors: {BadDraft: []}",
        )  # fmt: skip

        class BadDraft(fsm.ActionError):
            """The draft is not good enough."""

        @fsm.action("a.work")
        def work() -> str:
            raise BadDraft("too short", value={"words": 3})

        @fsm.action("a.again")
        def again(error: dict[str, Any]) -> list[Any]:
            return [error["class"], error["message"], error["state"], error["attempt"], error["value"]]

        assert house.engine(work, again).run("w").output == ["BadDraft", "too short", "work", 1, {"words": 3}]

    def test_an_error_with_words_that_utf_8_cannot_hold_is_stored_escaped(self, house: House) -> None:
        define(house, "action: a.work, success: done")

        @fsm.action("a.work")
        def work() -> None:
            raise FileNotFoundError("a\udcff.pdf")

        engine = house.engine(work)
        run = engine.run("w")
        assert run.reason == "FileNotFoundError: a\\udcff.pdf"
        assert (engine.history(run.id)[-1].transition.detail or {})["message"] == "a\\udcff.pdf"

    def test_a_group_stands_for_the_classes_it_names_and_what_derives_from_them(self, house: House) -> None:
        define(house, "action: a.work, success: done, error: {BadDocument: other, else: failed}",
               head="errors: {BadDocument: [NotAnInvoice, LookupError]}")  # fmt: skip

        @fsm.action("a.work")
        def work() -> None:
            raise KeyError("no such key")

        assert house.engine(work).run("w").state == "other"

    def test_retries_go_on_with_the_same_key_until_it_works(self, house: House) -> None:
        define(house, "action: a.work, retry: {attempts: 4, delay: 2s, factor: 3, jitter: none}, success: done")
        seen: list[tuple[int, str]] = []

        @fsm.action("a.work")
        def work(ctx: fsm.Context) -> int:
            seen.append((ctx.attempt, ctx.key))
            if ctx.attempt < 3:
                raise fsm.Unavailable("not yet")
            return ctx.attempt

        engine = house.engine(work)
        run = engine.run("w")
        assert (run.output, house.clock.slept) == (3, [2_000, 6_000])
        assert [attempt for attempt, _ in seen] == [1, 2, 3]
        assert len({key for _, key in seen}) == 1
        assert events(engine, run) == ["start", "retry:1", "retry:1", "success"]
        assert [row.transition.visit for row in engine.history(run.id)] == [1, 1, 1, 4]

    def test_attempts_that_are_spent_take_the_error_edge_of_the_last_failure(self, house: House) -> None:
        define(house, "action: a.work, retry: 3, success: done, error: {Unavailable: other, else: failed}")

        @fsm.action("a.work")
        def work(ctx: fsm.Context) -> None:
            raise fsm.Unavailable(f"attempt {ctx.attempt}")

        engine = house.engine(work)
        run = engine.run("w")
        assert events(engine, run) == ["start", "retry:1", "retry:1", "error:Unavailable"]
        assert engine.artifacts(run)["error"]["message"] == "attempt 3"
        assert engine.artifacts(run)["error"]["attempt"] == 3

    def test_a_visit_beyond_the_bound_takes_its_error_edge_without_a_call(self, house: House) -> None:
        define(
            house,
            "action: a.work, max_visits: 2, success: {success: done, again: work}, "
            "error: {VisitsExceeded: other, else: failed}",
        )
        calls: list[int] = []
        engine = house.engine(named("a.work", lambda: calls.append(1) or fsm.Outcome("again")))  # type: ignore[func-returns-value]
        run = engine.run("w")
        assert (run.state, len(calls)) == ("other", 2)
        assert events(engine, run) == ["start", "success:again", "success:again", "error:VisitsExceeded"]


class TestChoosing:
    @pytest.mark.parametrize(("x", "event", "state"), [
        (5, "case:1", "small"), (50, "case:2", "medium"), (500, "else", "large")])  # fmt: skip
    def test_the_first_case_that_is_true_is_taken(self, house: House, x: int, event: str, state: str) -> None:
        house.define("""
            workflow: w
            version: 1
            start: choose
            input: {x: int}
            defaults: {error: large}
            states:
              choose: {switch: [{when: x < 10, to: small}, {when: x < 100, to: medium}, {else: large}]}
              small: {end: success}
              medium: {end: success}
              large: {end: success}
        """)
        engine = house.engine()
        run = engine.run("w", {"x": x})
        assert (run.state, path(engine, run)[-1], events(engine, run)) == (state, state, ["start", event])

    def test_a_choice_that_cannot_be_told_is_an_error(self, house: House) -> None:
        house.define("""
            workflow: w
            version: 1
            start: choose
            input: {x: any}
            states:
              choose: {switch: [{when: x.n < 10, to: small}, {else: small}], error: {ExpressionError: odd, else: small}}
              small: {end: success}
              odd: {end: failure}
        """)
        engine = house.engine()
        assert engine.run("w", {"x": {"n": 1}}).state == "small"
        assert engine.run("w", {"x": 5}).state == "odd"


class TestEnding:
    def test_an_output_that_cannot_be_told_takes_the_error_edge_of_the_state_before(self, house: House) -> None:
        define(house, "action: a.work, success: fine, error: {ExpressionError: other, else: failed}",
               "fine: {end: success, output: work.total}")  # fmt: skip
        engine = house.engine(named("a.work", lambda: {"n": 1}))
        run = engine.run("w")
        assert (run.state, run.reason) == ("other", "the other way")
        told = engine.artifacts(run)["error"]
        assert (told["class"], told["state"]) == ("ExpressionError", "work")
        assert told["message"].startswith('on entry of "fine": ')

    def test_a_dead_letter_keeps_the_last_error_as_its_reason(self, house: House) -> None:
        define(house, "action: a.work, success: done, error: {Timeout: failed, else: dead}", "dead: {end: dead_letter}")

        @fsm.action("a.work")
        def work() -> None:
            raise ValueError("bad day")

        run = house.engine(work).run("w")
        assert (run.status, run.reason, run.output) == ("dead", "ValueError: bad day", None)
