"""Audit through the API: what engines and operators do is whole; what anybody does behind the law is named."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from fsm.operations.audit import Audited
from fsm.store.ledger import digest_of, link
from fsm.store.sqlite.rows import TRANSITION_COLUMNS
from tests.engine.builders import House
from tests.engine.test_rewinding import FLOW, Post
from tests.past.test_audit_property import cells, lawless, others

Told = list[tuple[str | None, str, int | None, str | None]]


@pytest.fixture
def post(house: House) -> Post:
    return Post(house)


class Owner:
    """The owner of the file, who can do anything to it: from the first statement on, the triggers are gone."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._sql: sqlite3.Connection | None = None

    @property
    def sql(self) -> sqlite3.Connection:
        self._sql = self._sql or lawless(self._post.house.store)
        return self._sql

    def __call__(self, statement: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        return self.sql.execute(statement, parameters)


@pytest.fixture
def hand(post: Post) -> Iterator[Owner]:
    owner = Owner(post)
    yield owner
    owner.sql.close()


def told(engine: Engine, run_id: str | None = None) -> Told:
    return [one[:4] for one in operations.audit(engine, run_id).altered]


def moved_about(post: Post) -> tuple[Engine, list[fsm.Run]]:
    """Return runs that operators have moved in every way there is: the first is dead, the second was migrated."""
    engine = post.engine()
    run = post.reviewed(engine)
    operations.rewind(engine, run.id, 2, actor="ana")
    fork = operations.fork(engine, run.id, 4, changes={"to": "Eva"})
    engine.resume()
    engine.signal(fork.id, "worse", "no")
    engine.cancel(run.id)
    post.raises = ConnectionResetError("in the middle of it")
    dead = post.reviewed(engine)
    operations.redrive(engine, dead.id, reason="again")
    engine.resume()
    mended = post.reviewed(engine)
    operations.complete(engine, mended.id, "by hand", actor="ana")
    engine.start("letter", {"to": "Ida"})
    post.house.define(FLOW.replace("version: 1", "version: 2").replace("nap", "rest"), "newer.yaml")
    engine = post.engine()
    operations.migrate(engine, "letter", 1, 2, states={"nap": "rest"}, run_id=dead.id)
    operations.redrive(engine, dead.id)
    engine.resume()
    operations.rewind(engine, dead.id, 10)
    return engine, [engine.get(dead.id), *engine.runs()]


class TestWhole:
    def test_what_engines_and_operators_do_is_whole(self, post: Post) -> None:
        engine, runs = moved_about(post)
        events = {row.transition.event for run in runs for row in engine.history(run.id)}
        assert events >= {"start", "rewind", "fork", "redrive", "complete", "cancel", "migrate", "error:else"}
        done = operations.audit(engine)
        assert (done.altered, done.runs) == ([], len(engine.runs()))
        assert done.transitions == sum(run.seq for run in engine.runs())

    def test_one_run_is_audited_by_itself_and_by_the_beginning_of_its_id(self, post: Post) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        post.reviewed(engine)
        done = operations.audit(engine, run.id[:-1] + run.id[-1])
        assert (done.runs, done.transitions, done.altered) == (1, run.seq, [])
        with pytest.raises(fsm.NotFound):
            operations.audit(engine, "nobody")

    def test_a_fork_of_a_run_that_was_dropped_is_whole(self, post: Post) -> None:
        engine = post.engine()
        post.raises = ValueError("no")
        dead = post.reviewed(engine)
        operations.fork(engine, dead.id, 2)
        operations.drop(engine, dead.id)
        assert told(engine) == []

    def test_values_that_were_pruned_are_passed_over(self, post: Post, hand: Owner) -> None:
        engine = post.engine()
        post.reviewed(engine)
        assert hand("UPDATE artifacts SET value = NULL").rowcount
        assert told(engine) == []

    def test_a_run_that_is_driven_meanwhile_is_read_to_its_new_end(self, post: Post) -> None:
        engine, other = post.engine(), post.engine()
        run = engine.run("letter", {"to": "Ben"})
        rows, moves = engine.store.stored_rows, ["worse", "fine"]

        def meanwhile(*args: Any) -> Any:
            page = rows(*args)
            if moves:
                other.signal(run.id, moves.pop(0))
                other.resume()
            return page

        engine.store.stored_rows = meanwhile  # type: ignore[method-assign, assignment]
        done = operations.audit(engine, run.id)
        assert (done.altered, done.transitions) == ([], 6)
        assert not moves

    def test_a_run_that_is_deleted_meanwhile_has_no_faults(self, post: Post) -> None:
        engine, other = post.engine(), post.engine()
        post.raises = ValueError("no")
        run = post.reviewed(engine)
        rows = engine.store.stored_rows

        def meanwhile(*args: Any) -> Any:
            engine.store.stored_rows = rows  # type: ignore[method-assign]
            page = rows(*args)
            operations.drop(other, run.id)
            return (page[0][:3], page[1])

        engine.store.stored_rows = meanwhile  # type: ignore[method-assign, assignment]
        assert operations.audit(engine).altered == []

    def test_whoever_watches_is_told_time_and_again_while_nothing_is_held_up(self, post: Post) -> None:
        engine = post.engine()
        for _ in range(3):
            post.reviewed(engine)
        heard: list[int] = []

        def watch(done: Audited) -> None:
            heard.append(done.runs)
            assert not engine.store.sql.in_transaction  # type: ignore[attr-defined]

        operations.audit(engine, watch=watch)
        assert (heard[0], heard[-1], sorted(heard)) == (0, 3, heard)


class TestAltered:
    def test_every_cell_of_ledgers_that_operators_wrote_is_told_by_its_row(self, post: Post, hand: Owner) -> None:
        """As the property of random workflows, which knows no migrations."""
        engine, (moved, *_) = moved_about(post)
        uids = dict(hand("SELECT id, uid FROM runs").fetchall())
        (row,) = [number for number, uid in uids.items() if uid == moved.id]
        for table, number, column, value, run, seq in list(cells(hand.sql)):
            for other in others(column, value, list(uids)):
                if run != row or other == value or column in ("run_id", "seq"):
                    continue
                hand(f"UPDATE {table} SET {column} = ? WHERE id = ?", (other, number))
                found = told(engine)
                hand(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, number))
                assert [one[:3] for one in found] == [(moved.id, table, seq)], (table, column, seq, other, found)
        assert told(engine) == []

    @pytest.mark.parametrize("seq", [1, 3, 6])
    def test_a_transition_that_is_missing(self, post: Post, hand: Owner, seq: int) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        hand("DELETE FROM transitions WHERE seq = ?", (seq,))
        found = operations.audit(engine).altered
        assert (run.id, "transitions", seq, None) in [one[:4] for one in found]
        assert [one.said for one in found if one.seq == seq and one.table == "transitions"] == ["it is missing"]

    def test_a_whole_ledger_that_is_missing(self, post: Post, hand: Owner) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        hand("DELETE FROM transitions")
        found = [one for one in operations.audit(engine).altered if one.table == "transitions"]
        assert [(one.run, one.seq, one.said) for one in found] == [
            (run.id, 1, "it is missing; so is what follows up to 6"),
        ]  # fmt: skip

    def test_a_transition_beyond_the_last(self, post: Post, hand: Owner) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        columns = TRANSITION_COLUMNS.replace("seq, ", "", 1)
        hand(f"INSERT INTO transitions(run_id, workflow_id, seq, {columns}) "
             f"SELECT run_id, workflow_id, 7, {columns} FROM transitions WHERE seq = 6")  # fmt: skip
        assert told(engine) == [(run.id, "transitions", 7, None)]

    @pytest.mark.parametrize("column", ["detail", "tries", "visits", "awaits"])
    @pytest.mark.parametrize("text", ["{", "7"])
    def test_a_column_that_is_no_json_is_told_and_hides_no_other_run(
        self, post: Post, hand: Owner, column: str, text: str
    ) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        other = post.reviewed(engine)
        hand(f"UPDATE transitions SET {column} = ? WHERE seq = 6 AND run_id = ?", (text, run.row))
        assert told(engine) == [(run.id, "transitions", 6, None)]
        if column == "detail":
            assert engine.runs() == [other, run._replace(output=None, reason=engine.get(run.id).reason)]
            assert f"`fsm audit {run.id}`" in (engine.get(run.id).reason or "")

    def test_somebody_who_forges_a_transition_with_its_hash_is_found_by_the_law(self, post: Post, hand: Owner) -> None:
        engine = post.engine()
        run = engine.run("letter", {"to": "Ben"})
        forged: dict[str, str | int | None] = {
            "seq": 3, "epoch": run.epoch, "source": "review", "event": "signal:fine", "target": "done",
            "status": "succeeded", "visit": 3, "attempt": 1, "tries": None, "visits": None, "due_at": None,
            "awaits": None, "interrupted": 0, "of_seq": None, "at": 1, "actor": None, "detail": None,
        }  # fmt: skip
        head = link(run.head, list(forged.values()), [("receipt", digest_of('"free"'))])
        hand(f"INSERT INTO transitions(run_id, workflow_id, {', '.join(forged)}, hash) "
             f"VALUES ({run.row}, 1, {', '.join(['?'] * len(forged))}, ?)", (*forged.values(), head))  # fmt: skip
        hand("INSERT INTO artifacts(run_id, name, seq, value, digest) VALUES (?, 'receipt', 3, ?, ?)",
             (run.row, '"free"', digest_of('"free"')))  # fmt: skip
        hand("UPDATE runs SET state = 'done', status = 'succeeded', seq = 3, head = ?, visit = 3, entered_at = 1, "
             "updated_at = 1, due_at = NULL, awaits = NULL", (head,))  # fmt: skip
        (one,) = operations.audit(engine).altered
        assert one[:3] == (run.id, "transitions", 3)
        assert one.said == 'no edge leads from "review" by "signal:fine" to "done"'

    def test_a_fork_is_not_blamed_for_what_was_done_to_the_run_that_it_branched_off(
        self, post: Post, hand: Owner
    ) -> None:
        engine = post.engine()
        run = post.reviewed(engine)
        operations.fork(engine, run.id, 2)
        hand("UPDATE transitions SET target = 'send' WHERE seq = 2 AND run_id = ?", (run.row,))
        assert told(engine) == [(run.id, "transitions", 2, None)]

    def test_rows_of_runs_that_are_not_there(self, post: Post, hand: Owner) -> None:
        engine = post.engine()
        post.reviewed(engine)
        hand("DELETE FROM runs")
        assert [(one.table, one.run, one.seq) for one in operations.audit(engine).altered] == [
            *[("transitions", None, seq) for seq in range(1, 7)],
            *[("artifacts", None, seq) for seq in (0, 2, 3, 4, 5, 6)],
        ]  # fmt: skip

    def test_rows_of_runs_that_were_deleted_and_are_not_gone_yet_are_passed_over(self, post: Post) -> None:
        engine = post.engine()
        post.reviewed(engine)
        with closing(sqlite3.connect(post.house.store)) as sql:  # with the triggers
            sql.execute("DELETE FROM runs")
            sql.commit()
        assert told(engine) == []


RUNS: dict[str, str] = {
    "state": "state = 'send'",
    "status": "status = 'failed'",
    "seq": "seq = 5",
    "head": "head = x'00'",
    "visit": "visit = 1",
    "entered_at": "entered_at = 1",
    "attempt": "attempt = 2",
    "tries": "tries = '{\"1\":2}'",
    "tries that cannot be read": "tries = '{'",
    "visits": "visits = NULL",
    "epoch": "epoch = 0",
    "workflow": "workflow_id = 9",
    "forked_from": "forked_from = 'somebody'",
    "input_digest": "input_digest = x'00'",
    "updated_at": "updated_at = 1",
    "id": "uid = 'SOMEBODY'",
}


@pytest.mark.parametrize("what", RUNS)
def test_a_run_s_row_that_is_not_what_its_ledger_makes_of_it(post: Post, hand: Owner, what: str) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    hand(f"UPDATE runs SET {RUNS[what]}")
    found = operations.audit(engine).altered
    if what == "id":  # every hash covers whose ledger it is
        assert [one[:3] for one in found] == [("SOMEBODY", "transitions", 1)]
    elif what == "seq":  # the ledger goes on beyond it
        assert {(one.run, one.table, one.seq) for one in found} >= {(run.id, "transitions", 6)}
    else:
        assert {(one.run, one.table, one.seq) for one in found} == {(run.id, "runs", None)}
        assert any(what.partition(" ")[0] in one.said or "cannot be read" in one.said for one in found)


def test_a_workflow_whose_text_or_edges_were_altered(post: Post, hand: Owner) -> None:
    engine = post.engine()
    post.reviewed(engine)
    digest = engine.runs()[0].digest
    hand("UPDATE edges SET target = 'done' WHERE event = 'signal:worse'")
    found = operations.audit(post.house.engine(definitions=[])).altered
    assert [(one.run, one.table, one.name) for one in found] == [(None, "edges", digest)] * 2
    assert found[0].said == 'the edge from "review" by "signal:worse" to "done" is not declared'
    assert found[1].said == 'the edge from "review" by "signal:worse" to "draft" is missing'
    hand("UPDATE workflows SET text = replace(text, 'max_visits: 2', 'max_visits: 9')")
    found = operations.audit(post.house.engine(definitions=[])).altered
    assert [(one.run, one.table, one.name) for one in found] == [(None, "workflows", digest)]
