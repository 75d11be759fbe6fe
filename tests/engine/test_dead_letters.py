"""Dead letters through the API: looking at them, redriving them elsewhere or with other values, dropping them."""

import json
from typing import Any

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from tests.engine.builders import House, events, named

FLOW = """
    workflow: pay
    version: 1
    start: fetch
    input: {order: str, cents: int, note: {type: str | null, default: null}}
    defaults: {retry: {attempts: 3, delay: 0s, errors: [Exception]}, error: dead}
    states:
      fetch: {action: p.fetch, with: {order: order}, writes: account, success: pay}
      pay: {action: p.pay, writes: receipt, success: done, error: {NoMoney: refused}}
      done: {end: success, output: receipt}
      refused: {end: failure}
      dead: {end: dead_letter}
    errors: {NoMoney: []}
"""


class NoMoney(Exception):
    pass


class Bank:
    """What the actions talk to."""

    def __init__(self) -> None:
        self.accounts = {"A-1": "closed"}
        self.keys: dict[str, list[str]] = {"fetch": [], "pay": []}
        self.interrupted: list[bool] = []

    def fetch(self, order: str, ctx: fsm.Context) -> str:
        self.keys["fetch"].append(ctx.key)
        self.interrupted.append(ctx.interrupted)
        return self.accounts[order]

    def pay(self, account: str, cents: int, ctx: fsm.Context) -> Any:
        self.keys["pay"].append(ctx.key)
        if account == "closed":
            raise ValueError("the account is closed")
        if cents > 100:
            raise NoMoney("too much")
        return f"{cents} from {account}"


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
def engine(house: House, bank: Bank) -> Engine:
    house.define(FLOW)
    return house.engine(named("p.fetch", bank.fetch), named("p.pay", bank.pay))


def dead(engine: Engine, **more: Any) -> fsm.Run:
    run = engine.run("pay", {"order": "A-1", "cents": 5, **more})
    assert run.status == "dead"
    return run


class TestRedriveElsewhere:
    def test_the_way_from_there_is_taken_again_with_the_keys_of_before(self, engine: Engine, bank: Bank) -> None:
        run = dead(engine)
        bank.accounts["A-1"] = "open"
        again = operations.redrive(engine, run.id, at="fetch", actor="ana", reason="reopened")
        assert (again.status, again.state, again.visit) == ("ready", "fetch", 1)
        (done,) = engine.resume()
        assert (done.status, done.output) == ("succeeded", "5 from open")
        assert len(set(bank.keys["fetch"])) == 1
        assert len(set(bank.keys["pay"])) == 2, "the way leads into a new visit of the next state"
        assert bank.interrupted == [False, True], "it had its effect before"
        assert operations.audit(engine).altered == []

    def test_a_state_that_the_run_was_never_in_is_refused(self, engine: Engine) -> None:
        run = dead(engine)
        with pytest.raises(fsm.IllegalTransition, match=r'not been in "done", .* it has been in fetch, pay'):
            operations.redrive(engine, run.id, at="done")
        assert engine.get(run.id) == run


class TestRedriveWithOtherValues:
    def test_an_artifact_that_was_wrong_is_replaced(self, engine: Engine) -> None:
        run = dead(engine)
        operations.redrive(engine, run.id, changes={"account": "savings"}, actor="ana")
        assert engine.resume()[0].output == "5 from savings"
        row = engine.history(run.id)[-2]
        assert (row.transition.event, row.transition.detail) == ("redrive", {"set": ["account"]})
        assert [(name, json.loads(value or "")) for name, value in row.artifacts] == [("account", "savings")]

    def test_an_input_that_was_wrong_is_replaced_and_the_first_one_is_still_told(self, engine: Engine) -> None:
        run = engine.run("pay", {"order": "A-1", "cents": 500}, key="k")
        changes = {"cents": 7, "account": "savings", "note": "by hand"}
        operations.redrive(engine, run.id, changes=changes)
        assert engine.resume()[0].output == "7 from savings"
        now = engine.artifacts(engine.get(run.id))
        assert (now["cents"], now["note"]) == (7, "by hand")
        assert engine.store.values_at(run, ["order", "cents", "note", "account"], 0) == {
            "order": '"A-1"',
            "cents": "500",
            "note": "null",
        }
        assert engine.start("pay", {"order": "A-1", "cents": 500}, key="k").id == run.id
        assert operations.audit(engine).altered == []

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"cents": "7"}, '"cents" must be int'),
            ({"note": 7}, '"note" must be str . null'),
            ({"acount": "savings"}, '"acount" is neither an input nor written by a state; did you mean "account"?'),
            ({"error": None}, '"error" is neither'),
            ({"account": {1, 2}.__iter__}, '"account" must be JSON'),
        ],
    )
    def test_what_does_not_fit_is_refused_and_nothing_is_done(
        self, engine: Engine, changes: dict[str, Any], said: str
    ) -> None:
        run = dead(engine)
        with pytest.raises(fsm.UsageError, match=said):
            operations.redrive(engine, run.id, changes=changes)
        assert engine.get(run.id) == run
        assert events(engine, run)[-1] == "error:else"

    def test_everything_that_does_not_fit_is_told_at_once(self, engine: Engine) -> None:
        with pytest.raises(fsm.UsageError, match=r'"cents" must be int.*; "orders" is neither'):
            operations.redrive(engine, dead(engine).id, changes={"cents": None, "orders": 1})


class TestDeadLetters:
    def test_each_comes_with_the_error_and_the_attempt_that_failed(self, engine: Engine) -> None:
        run = dead(engine)
        (letter,) = operations.dead_letters(engine)
        assert (letter.run, letter.state) == (run, "pay")
        assert letter.failure is not None
        assert (letter.failure.visit, letter.failure.attempt) == (2, 3)
        assert (letter.failure.detail or {})["message"] == "the account is closed"

    def test_failed_runs_are_among_them_only_where_asked_for(self, engine: Engine, bank: Bank) -> None:
        first = dead(engine)
        bank.accounts["A-1"] = "open"
        refused = engine.run("pay", {"order": "A-1", "cents": 101})
        bank.accounts["A-1"] = "closed"
        last = dead(engine)
        assert refused.status == "failed"
        assert [letter.run for letter in operations.dead_letters(engine)] == [last, first]
        assert [letter.run for letter in operations.dead_letters(engine, failed=True)] == [last, refused, first]

    def test_they_are_chosen_by_workflow_and_by_the_state_that_failed(self, engine: Engine) -> None:
        run, broken = dead(engine), engine.run("pay", {"order": "unknown", "cents": 1})
        assert [letter.run for letter in operations.dead_letters(engine, state="fetch")] == [broken]
        assert [letter.run for letter in operations.dead_letters(engine, state="pay")] == [run]
        assert operations.dead_letters(engine, workflow="other") == []

    def test_they_come_in_pages(self, engine: Engine) -> None:
        runs = [dead(engine) for _ in range(5)]
        page = operations.dead_letters(engine, limit=2)
        rest = operations.dead_letters(engine, before=page[-1].run.id)
        assert [letter.run for letter in page + rest] == runs[::-1]

    def test_a_run_that_died_by_choice_counts_where_it_stands(self, house: House) -> None:
        house.define("""
            workflow: choice
            version: 1
            start: ask
            defaults: {error: dead}
            states:
              ask: {switch: [{else: dead}]}
              dead: {end: dead_letter}
        """)
        run = (engine := house.engine()).run("choice")
        (letter,) = operations.dead_letters(engine, state="dead")
        assert (letter.run, letter.failure) == (run, None)


class TestDrop:
    def test_a_dead_letter_is_gone_with_all_it_had_and_who_did_it_is_kept(self, engine: Engine) -> None:
        run = dead(engine)
        assert operations.drop(engine, run.id[:-2], actor="ana", reason="a test") == run
        with pytest.raises(fsm.NotFound):
            engine.get(run.id)
        left = engine.store.dropped(run.id)
        assert left is not None
        assert (left.actor, left.reason, left.at) == ("ana", "a test", engine.clock.now())
        assert operations.audit(engine).altered == []

    def test_a_live_run_is_refused(self, engine: Engine) -> None:
        run = engine.start("pay", {"order": "A-1", "cents": 5})
        with pytest.raises(fsm.IllegalTransition, match="the run is ready; cancel it first"):
            operations.drop(engine, run.id)
        assert engine.get(run.id) == run

    def test_one_that_was_redriven_meanwhile_is_looked_at_anew(self, engine: Engine) -> None:
        run = dead(engine)
        get, stale = engine.store.get, [run]
        engine.store.get = lambda run_id: stale.pop() if stale else get(run_id)  # type: ignore[method-assign]
        operations.redrive(engine, run.id)
        stale.append(run)
        with pytest.raises(fsm.IllegalTransition, match="the run is ready"):
            operations.drop(engine, run.id)
