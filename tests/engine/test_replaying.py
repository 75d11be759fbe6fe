"""Replay through the API, on real ledgers; and what it says of a row that somebody changed behind the law."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from tests.engine.builders import House
from tests.engine.test_rewinding import Post


@pytest.fixture
def post(house: House) -> Post:
    return Post(house)


def lawless(house: House, *statements: str) -> None:
    """Do to the file what its owner can do: without the triggers, anything."""
    with closing(sqlite3.connect(house.store)) as sql:
        for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            sql.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert sql.execute(statement).rowcount > 0
        sql.commit()


def test_a_ledger_makes_the_run_that_its_row_tells_of(post: Post) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    operations.rewind(engine, run.id, 2)
    operations.fork(engine, run.id, 4)
    engine.start("letter", {"to": "Eva"})
    found = operations.replay(engine, run.id)
    assert (found.run, found.differences) == (engine.get(run.id), ())
    assert (found.folded.state, found.folded.seq, found.folded.visits) == ("review", 7, {"draft": 1})
    assert found.values == found.folded.values == {"to": '"Ben"', "text": '"Ben, draft 1"'}
    told = list(operations.replays(engine))
    assert [one.run for one in told] == engine.runs()
    assert not any(one.differences for one in told)


def test_a_part_of_it_makes_the_run_as_it_was_then(post: Post) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    then = operations.replay(engine, run.id, to=3)
    assert (then.folded.state, then.folded.seq, then.folded.visits, then.differences) == ("draft", 3, {"draft": 2}, ())
    assert then.folded.values == then.values == {
        "to": '"Ben"', "text": '"Ben, draft 1"', "critique": '"too long"',
    }  # fmt: skip
    assert operations.replay(engine, run.id, to=6).folded.output == "receipt"
    for to in (0, 7, -1):
        with pytest.raises(fsm.NotFound, match=f"has no transition {to}; it has 1 to 6"):
            operations.replay(engine, run.id, to=to)


CHANGED: dict[str, tuple[str, list[str]]] = {
    "state": ("UPDATE runs SET state = 'send'", ["state"]),
    "status": ("UPDATE runs SET status = 'failed'", ["status"]),
    "visits": ("UPDATE runs SET visits = '{\"draft\":1}'", ["visits"]),
    "instant": ("UPDATE runs SET entered_at = entered_at - 1", ["entered_at"]),
    "hash": ("UPDATE runs SET head = x'00'", ["head"]),
    "seq": ("UPDATE runs SET seq = 5, status = 'ready'", ["state", "head", "visit"]),
    "row": ("UPDATE transitions SET target = 'send' WHERE seq = 6", ["state"]),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_the_owner_of_the_file_changes_differs(post: Post, what: str) -> None:
    run = post.reviewed(post.engine())
    statement, fields = CHANGED[what]
    lawless(post.house, statement)
    told = operations.replay(post.house.engine(), run.id).differences
    assert [one.field for one in told] == fields


def test_a_run_that_is_deleted_meanwhile_is_not_there_any_more(post: Post) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    post.raises = ValueError("no")
    dead = post.reviewed(engine)
    during(engine, lambda: operations.drop(post.engine(), dead.id))
    with pytest.raises(fsm.NotFound):
        operations.replay(engine, dead.id)
    again = post.reviewed(engine)
    during(engine, lambda: operations.drop(post.engine(), again.id))
    assert [one.run for one in operations.replays(engine)] == [run]


def during(engine: Engine, happens: Callable[[], object]) -> None:
    """Let something happen between the look at a run and the look at its ledger."""
    follow = engine.follow

    def followed(run_id: str, after: int = 0) -> object:
        engine.follow = follow  # type: ignore[method-assign]
        happens()
        return follow(run_id, after)

    engine.follow = followed  # type: ignore[method-assign, assignment]
