"""What an action may ask for while it runs: its key, results that are kept, signs of life."""

from hashlib import sha256
from typing import Any

import pytest

import fsm
from fsm import operations
from tests.engine.builders import Died, House, killed, named

FLOW = """
    workflow: shop
    version: 1
    start: work
    input: {order: str}
    policies: {often: {attempts: 5, delay: 0s, errors: [Exception]}}
    defaults: {retry: often, error: dead}
    states:
      work: {action: shop.work, OPTIONS max_visits: 3, success: {success: done, again: work}}
      done: {end: success, output: work}
      dead: {end: dead_letter}
"""


def shop(house: House, options: str = "", version: int = 1) -> None:
    house.define(FLOW.replace("OPTIONS", options).replace("version: 1", f"version: {version}"))


def digest_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


class TestKey:
    def keys(self, house: House, *, fail: int = 0, again: int = 0) -> list[str]:
        """Run an action that fails and re-enters so many times; return the key of each attempt."""
        keys: list[str] = []

        @fsm.action("shop.work")
        def work(ctx: fsm.Context) -> Any:
            keys.append(ctx.key)
            if ctx.attempt <= fail:
                raise ValueError
            return fsm.Outcome("again") if len(keys) <= again else 1

        run = house.engine(work).run("shop", {"order": "A1"})
        assert run.status == "succeeded"
        return keys

    def test_it_is_the_same_on_every_attempt(self, house: House) -> None:
        shop(house)
        keys = self.keys(house, fail=3)
        assert (len(keys), len(set(keys))) == (4, 1)

    def test_it_is_that_of_the_run_and_the_visit(self, house: House) -> None:
        shop(house)
        assert self.keys(house) == [digest_of('["00000000000000000000000001", 1]')]

    def test_it_differs_from_visit_to_visit_and_from_run_to_run(self, house: House) -> None:
        shop(house)
        assert len({*self.keys(house, again=1), *self.keys(house, again=1)}) == 4

    def test_a_key_expression_names_the_work_wherever_it_is_done(self, house: House) -> None:
        shop(house, "idempotent: order, ")
        assert set(self.keys(house, fail=1, again=1)) == {digest_of('["shop", "shop.work", "A1"]')}
        shop(house, "idempotent: order, ", version=2)
        assert set(self.keys(house)) == {digest_of('["shop", "shop.work", "A1"]')}

    def test_a_key_that_cannot_be_told_is_an_error_before_the_call(self, house: House) -> None:
        house.define(FLOW.replace("OPTIONS", "idempotent: order.number, ").replace("order: str", "order: any"))
        called: list[int] = []
        engine = house.engine(named("shop.work", lambda ctx: called.append(1)))
        run = engine.run("shop", {"order": "A1"})
        assert (called, engine.artifacts(run)["error"]["class"]) == ([], "ExpressionError")

    def test_it_stays_after_a_crash_and_after_a_redrive(self, house: House) -> None:
        shop(house)
        keys: list[str] = []
        life: list[type[BaseException] | None] = [Died, OSError, OSError, OSError, OSError, OSError, None]

        @fsm.action("shop.work")
        def work(ctx: fsm.Context) -> int:
            keys.append(ctx.key)
            if end := life.pop(0):
                raise end
            return 1

        first = house.engine(work)
        killed(first, lambda: first.run("shop", {"order": "A1"}))
        second = house.engine(work)
        (run,) = second.resume()
        assert run.status == "dead"
        operations.redrive(second, run.id)
        (run,) = second.resume()
        assert (run.status, len(keys), len(set(keys))) == ("succeeded", 7, 1)


class TestOnce:
    def test_a_result_is_kept_through_errors_and_comes_back_as_json(self, house: House) -> None:
        shop(house)
        calls: list[tuple[Any, ...]] = []

        def pay(amount: int, *, currency: str) -> dict[str, Any]:
            calls.append((amount, currency))
            return {"amount": amount, "tags": (1, 2)}

        @fsm.action("shop.work")
        def work(ctx: fsm.Context) -> Any:
            paid = ctx.once("pay", pay, 5, currency="EUR")
            if ctx.attempt < 3:
                raise ValueError(str(paid))
            return paid

        assert house.engine(work).run("shop", {"order": "A1"}).output == {"amount": 5, "tags": [1, 2]}
        assert calls == [(5, "EUR")]

    def test_a_result_is_kept_through_a_crash(self, house: House) -> None:
        shop(house)
        calls: list[int] = []

        @fsm.action("shop.work")
        def work(ctx: fsm.Context) -> Any:
            paid = ctx.once("pay", lambda: calls.append(1) or len(calls))  # type: ignore[func-returns-value]
            if not ctx.interrupted:
                raise Died
            return [paid, ctx.interrupted]

        first = house.engine(work)
        killed(first, lambda: first.run("shop", {"order": "A1"}))
        (run,) = house.engine(work).resume()
        assert run.output == [1, True]

    def test_a_result_is_kept_through_a_redrive_since_it_is_the_same_visit(self, house: House) -> None:
        shop(house)
        calls: list[int] = []
        broken = [True]

        @fsm.action("shop.work")
        def work(ctx: fsm.Context) -> Any:
            ctx.once("pay", calls.append, 1)
            if broken:
                raise ValueError
            return "paid"

        engine = house.engine(work)
        run = engine.run("shop", {"order": "A1"})
        assert run.status == "dead"
        broken.clear()
        operations.redrive(engine, run.id)
        assert [done.output for done in engine.resume()] == ["paid"]
        assert calls == [1]

    def test_each_visit_has_results_of_its_own(self, house: House) -> None:
        shop(house)
        calls: list[int] = []

        @fsm.action("shop.work")
        def work(ctx: fsm.Context) -> Any:
            count = ctx.once("count", lambda: calls.append(1) or len(calls))  # type: ignore[func-returns-value]
            return count if count == 2 else fsm.Outcome("again", count)

        assert house.engine(work).run("shop", {"order": "A1"}).output == 2

    @pytest.mark.parametrize("result", [None, 0, "", [], False])
    def test_nothing_is_a_result_too(self, house: House, result: Any) -> None:
        shop(house)
        calls: list[int] = []

        @fsm.action("shop.work")
        def work(ctx: fsm.Context) -> Any:
            return [ctx.once("it", lambda: calls.append(1) or result) for _ in range(3)]  # type: ignore[func-returns-value]

        assert house.engine(work).run("shop", {"order": "A1"}).output == [result] * 3
        assert calls == [1]

    def test_a_call_that_fails_keeps_nothing(self, house: House) -> None:
        shop(house)
        calls: list[int] = []

        def flaky() -> int:
            calls.append(1)
            if len(calls) < 3:
                raise OSError("down")
            return len(calls)

        engine = house.engine(named("shop.work", lambda ctx: ctx.once("it", flaky)))
        assert engine.run("shop", {"order": "A1"}).output == 3

    def test_what_is_no_json_cannot_be_kept(self, house: House) -> None:
        shop(house)
        engine = house.engine(named("shop.work", lambda ctx: ctx.once("it", object)))
        run = engine.run("shop", {"order": "A1"})
        assert (run.status, engine.artifacts(run)["error"]["class"]) == ("dead", "NotStorable")

    def test_a_coroutine_in_a_synchronous_action_is_told(self, house: House) -> None:
        shop(house)

        async def soon() -> int:
            return 1

        coroutines = [soon() for _ in range(5)]
        left = list(coroutines)
        engine = house.engine(named("shop.work", lambda ctx: ctx.once("it", left.pop)))
        run = engine.run("shop", {"order": "A1"})
        assert "make the action `async def`" in engine.artifacts(run)["error"]["message"]
        for coroutine in coroutines:
            coroutine.close()


class TestHeartbeat:
    def test_how_far_it_came_is_there_for_the_next_attempt(self, house: House) -> None:
        shop(house)

        @fsm.action("shop.work")
        def work(ctx: fsm.Context) -> Any:
            before = ctx.last_heartbeat
            ctx.heartbeat({"page": ctx.attempt})
            ctx.heartbeat()
            if ctx.attempt < 3:
                raise ValueError
            return before

        assert house.engine(work).run("shop", {"order": "A1"}).output == {"page": 2}

    def test_another_visit_begins_without_one(self, house: House) -> None:
        shop(house)
        seen: list[Any] = []

        @fsm.action("shop.work")
        def work(ctx: fsm.Context) -> Any:
            seen.append(ctx.last_heartbeat)
            ctx.heartbeat(len(seen))
            return fsm.Outcome("again") if len(seen) == 1 else 1

        house.engine(work).run("shop", {"order": "A1"})
        assert seen == [None, None]

    @pytest.mark.parametrize("sign", ["once", "heartbeat"])
    def test_progress_forgives_the_crashes_of_a_visit(self, house: House, sign: str) -> None:
        shop(house)
        lives = 6

        @fsm.action("shop.work")
        def work(ctx: fsm.Context) -> int:
            nonlocal lives
            lives -= 1
            if sign == "once":
                ctx.once(f"life {lives}", int)
            else:
                ctx.heartbeat(lives)
            if lives:
                raise Died
            return 1

        first = house.engine(work)
        killed(first, lambda: first.run("shop", {"order": "A1"}))
        for _ in range(4):
            engine = house.engine(work)
            killed(engine, engine.resume)
        assert [run.status for run in house.engine(work).resume()] == ["succeeded"]
