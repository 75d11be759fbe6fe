"""The law in the file: a hand at the database can not move a run but along its edges."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from fsm.kernel import moves
from fsm.kernel.migration import migrate
from fsm.model.run import PERSON, Rest, Run
from fsm.store.sqlite import SqliteStore
from tests.store.chain import breaks
from tests.store.contract_migration import SECOND
from tests.store.driving import DRAFTED, FETCHED, LOOP, Driver, failed, flow_of

TABLES = ("workflows", "edges", "runs", "transitions", "artifacts", "state_maps", "remains")
COPY = "run_id, seq, epoch, workflow_id, source, event, target, status, visit, attempt, interrupted, at, hash"
BIRTH = (
    "runs(uid, workflow_id, name, key, input_digest, state, status, seq, head, visit, entered_at, attempt, started_at, "
    "updated_at)"
)

Runs = dict[str, Run]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Runs]:
    """A store with a run in each of the places that a hand may reach for; each test works on a copy."""
    place = tmp_path_factory.mktemp("made") / "runs.db"
    store = SqliteStore(place)
    driver = Driver(store)
    asking = driver.go(driver.start(), FETCHED)
    runs = {
        "ready": driver.start(status="ready", key="taken"),
        "running": driver.go(driver.start(), FETCHED),
        "waiting": driver.go(driver.start(), FETCHED, DRAFTED),
        "asking": driver.commit(driver.decision(asking, Rest(None, PERSON))),
        "succeeded": driver.go(driver.start(), FETCHED._replace(outcome="nothing")),
        "failed": driver.go(driver.start(), failed("Refused")),
        "dead": driver.go(driver.start(), FETCHED, failed("Boom")),
        "loop": driver.start(LOOP),
        **migrating(driver),
    }
    store.close()
    return place, runs


def migrating(driver: Driver) -> Runs:
    """Return runs of which one was moved to the second version, and others could be."""
    moved, dead = driver.go(driver.start(), FETCHED, failed("Boom")), driver.go(driver.start(), FETCHED, failed("Boom"))
    live = driver.start(status="ready")
    old, new = driver.flow(moved), flow_of(SECOND)
    driver.store.save(new, SECOND, driver.now)
    states = {state: {"draft": "compose", "lost": "parked"}.get(state, state) for state in old.states}
    driver.store.map_states(old.digest, new.digest, states)
    failure, visited = driver.store.last_failure(moved), driver.store.visited(moved)
    move = migrate(old, new, moved, states, visited, failure, driver.now, "ana", '"2":"done"')
    return {"moved": driver.commit(move), "mapped": live, "mapped dead": dead}


@pytest.fixture
def place(made: tuple[Path, Runs], tmp_path: Path) -> Path:
    return Path(shutil.copy(made[0], tmp_path))


@pytest.fixture
def runs(made: tuple[Path, Runs]) -> Runs:
    return made[1]


@pytest.fixture
def driver(place: Path) -> Iterator[Driver]:
    store = SqliteStore(place)
    yield Driver(store)
    store.close()


@pytest.fixture(params=["default", "recursive_triggers=ON", "recursive_triggers=OFF"])
def hand(request: pytest.FixtureRequest, place: Path) -> Iterator[sqlite3.Connection]:
    """A plain connection, as any script or shell has one."""
    with closing(sqlite3.connect(place)) as sql:
        if request.param != "default":
            sql.execute(f"PRAGMA {request.param}")
        yield sql


def content(place: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(place)) as sql:
        return {table: sorted(sql.execute(f"SELECT * FROM {table}"), key=str) for table in TABLES}


def ledger(run: Run, verb: str = "INSERT INTO", **changed: Any) -> tuple[str, dict[str, Any]]:
    """Return the statement that takes a run from `fetch` to `draft` by hand, but for what is changed."""
    row = {
        "run_id": run.row, "seq": run.seq + 1, "epoch": run.epoch, "source": run.state, "event": "success",
        "target": "draft", "status": "ready", "visit": run.seq + 1, "attempt": 1, "interrupted": 0, "at": 1,
        "actor": None, "of_seq": None, "hash": b"by hand", "id": None,
    } | changed  # fmt: skip
    workflow = row.pop("workflow_id", None) or f"(SELECT workflow_id FROM runs WHERE id = {run.row})"
    columns = [*row, "workflow_id"]
    return (
        f"{verb} transitions({', '.join(columns)}) VALUES ({', '.join(':' + name for name in row)}, {workflow})",
        row,
    )


UPDATES = {
    "state": "UPDATE runs SET state = 'choice' WHERE uid = :uid",
    "state of all": "UPDATE runs SET state = 'choice'",
    "seq": "UPDATE runs SET seq = seq + 1 WHERE uid = :uid",
    "seq back": "UPDATE runs SET seq = seq - 1 WHERE uid = :uid",
    "head": "UPDATE runs SET head = x'00' WHERE uid = :uid",
    "visit": "UPDATE runs SET visit = visit + 1 WHERE uid = :uid",
    "entered_at": "UPDATE runs SET entered_at = entered_at + 1 WHERE uid = :uid",
    "attempt": "UPDATE runs SET attempt = 0 WHERE uid = :uid",
    "tries": "UPDATE runs SET tries = '{\"1\":9}' WHERE uid = :uid",
    "visits": "UPDATE runs SET visits = '{}' WHERE uid = :uid",
    "workflow": "UPDATE runs SET workflow_id = (SELECT id FROM workflows WHERE name = 'loop') WHERE uid = :uid",
    "success": "UPDATE runs SET status = 'succeeded', worker_id = NULL WHERE uid = :uid",
    "death": "UPDATE runs SET status = 'dead', worker_id = NULL WHERE uid = :uid",
    "cancellation": "UPDATE runs SET status = 'cancelled', worker_id = NULL WHERE uid = :uid",
    "no such status": "UPDATE runs SET status = 'paused', worker_id = NULL WHERE uid = :uid",
    "state and status": "UPDATE runs SET state = 'choice', status = 'succeeded', worker_id = NULL WHERE uid = :uid",
    "a whole edge": "UPDATE runs SET state = 'draft', seq = seq + 1, visit = seq + 1 WHERE uid = :uid",
    "epoch back": "UPDATE runs SET epoch = epoch - 1 WHERE uid = :uid",
    "id": "UPDATE runs SET id = 99 WHERE uid = :uid",
    "uid": "UPDATE runs SET uid = 'other' WHERE uid = :uid",
    "key": "UPDATE runs SET key = 'other' WHERE uid = :uid",
    "name": "UPDATE runs SET name = 'other' WHERE uid = :uid",
    "input": "UPDATE runs SET input_digest = x'00' WHERE uid = :uid",
    "started_at": "UPDATE runs SET started_at = 0 WHERE uid = :uid",
    "forked_from": "UPDATE runs SET forked_from = 'other' WHERE uid = :uid",
    "or replace": "UPDATE OR REPLACE runs SET state = 'choice' WHERE uid = :uid",
    "or ignore": "UPDATE OR IGNORE runs SET state = 'choice' WHERE uid = :uid",
    "onto another": "UPDATE OR REPLACE runs SET id = (SELECT max(id) FROM runs) WHERE uid = :uid",
    "key onto another": "UPDATE OR REPLACE runs SET key = 'taken' WHERE uid = :uid",
    "through a join": "UPDATE runs SET state = e.target FROM edges e WHERE e.source = runs.state AND uid = :uid",
    "upsert": "INSERT INTO runs SELECT * FROM runs WHERE uid = :uid ON CONFLICT DO UPDATE SET state = 'choice'",
    "replaced": "INSERT OR REPLACE INTO runs SELECT * FROM runs WHERE uid = :uid",
    "replace": "REPLACE INTO runs SELECT * FROM runs WHERE uid = :uid",
    "replaced by its uid": f"INSERT OR REPLACE INTO {BIRTH} SELECT uid, workflow_id, name, key, input_digest, '', "
    "'ready', 0, x'00', 0, 0, 1, 0, 0 FROM runs WHERE uid = :uid",
    "replaced by a key": f"INSERT OR REPLACE INTO {BIRTH} SELECT 'new', workflow_id, 'review', 'taken', input_digest, "
    "'', 'ready', 0, x'00', 0, 0, 1, 0, 0 FROM runs WHERE uid = :uid",
    "born elsewhere": f"INSERT INTO {BIRTH} SELECT 'new', workflow_id, name, NULL, input_digest, 'draft', 'ready', "
    "0, x'00', 0, 0, 1, 0, 0 FROM runs WHERE uid = :uid",
    "born late": f"INSERT INTO {BIRTH} SELECT 'new', workflow_id, name, NULL, input_digest, '', 'ready', "
    "1, x'00', 0, 0, 1, 0, 0 FROM runs WHERE uid = :uid",
    "born ended": f"INSERT INTO {BIRTH} SELECT 'new', workflow_id, name, NULL, input_digest, '', 'succeeded', "
    "0, x'00', 0, 0, 1, 0, 0 FROM runs WHERE uid = :uid",
    "born of another name": f"INSERT INTO {BIRTH} SELECT 'new', workflow_id, 'other', NULL, input_digest, '', 'ready', "
    "0, x'00', 0, 0, 1, 0, 0 FROM runs WHERE uid = :uid",
}

STATEMENTS = {
    "ledger rewritten": "UPDATE transitions SET target = 'done'",
    "ledger rehashed": "UPDATE transitions SET hash = x'00'",
    "ledger moved": "UPDATE OR REPLACE transitions SET run_id = run_id + 1",
    "ledger deleted": "DELETE FROM transitions",
    "last rows deleted": "DELETE FROM transitions WHERE seq > 1",
    "ledger replaced": "INSERT OR REPLACE INTO transitions SELECT * FROM transitions",
    "ledger replaced by id": f"INSERT OR REPLACE INTO transitions(id, {COPY}) SELECT t.id, r.id, r.seq + 1, r.epoch, "
    "r.workflow_id, 'fetch', 'success', 'draft', 'ready', r.seq + 1, 1, 0, 1, x'00' FROM transitions t, runs r "
    "WHERE t.id = 1 AND r.uid = :uid",
    "ledger upserted": "INSERT INTO transitions SELECT * FROM transitions WHERE true "
    "ON CONFLICT DO UPDATE SET target = 'done'",
    "artifact rewritten": "UPDATE artifacts SET value = '1'",
    "artifact moved": "UPDATE OR REPLACE artifacts SET seq = seq + 1",
    "artifact deleted": "DELETE FROM artifacts",
    "artifact replaced": "INSERT OR REPLACE INTO artifacts SELECT id, run_id, name, seq, '1', digest FROM artifacts",
    "artifact replaced by name": "INSERT OR REPLACE INTO artifacts(run_id, name, seq, value, digest) "
    "SELECT run_id, name, seq, '1', digest FROM artifacts",
    "artifact of an earlier row": "INSERT INTO artifacts(run_id, name, seq, value, digest) "
    "SELECT id, 'new', seq - 1, '1', x'00' FROM runs WHERE seq > 0",
    "artifact of a row to come": "INSERT INTO artifacts(run_id, name, seq, value, digest) "
    "SELECT id, 'new', seq + 1, '1', x'00' FROM runs",
    "artifact of no run": "INSERT INTO artifacts(run_id, name, seq, value, digest) VALUES (99, 'new', 0, '1', x'00')",
    "edge added": "INSERT INTO edges SELECT workflow_id, 'fetch', 'success', 'done', 'succeeded' FROM runs "
    "WHERE uid = :uid",
    "edge replaced": "INSERT OR REPLACE INTO edges SELECT workflow_id, source, event, target, 'succeeded' FROM edges",
    "edge changed": "UPDATE edges SET target = 'done'",
    "edge deleted": "DELETE FROM edges",
    "edge of a workflow to come": "INSERT INTO edges VALUES (3, 'fetch', 'success', 'done', 'succeeded')",
    "text changed": "UPDATE workflows SET text = 'other'",
    "digest changed": "UPDATE workflows SET digest = 'other'",
    "version changed": "UPDATE workflows SET version = version + 1",
    "unsealed": "UPDATE workflows SET sealed = 0",
    "same version again": "INSERT INTO workflows(name, version, digest, text, at) "
    "VALUES ('review', 1, 'other', 'other', 1)",
    "same version replaced": "INSERT OR REPLACE INTO workflows(name, version, digest, text, at) "
    "VALUES ('review', 1, 'other', 'other', 1)",
    "workflow replaced": "INSERT OR REPLACE INTO workflows "
    "SELECT id, name, version, digest, 'other', at, 0 FROM workflows",
    "workflow replaced by id": "INSERT OR REPLACE INTO workflows(id, name, version, digest, text, at) "
    "VALUES (1, 'other', 1, 'other', 'other', 1)",
    "workflow deleted": "DELETE FROM workflows",
    "drop forged": "INSERT INTO dropped(uid, name, version, state, status, seq, head, at) "
    "SELECT uid, name, 1, state, status, seq, head, 1 FROM runs",
    "place of a deleted run freed": "UPDATE vacated SET row = -1",
    "place of a deleted run forgotten": "DELETE FROM vacated",
    "second place of a deleted run": "INSERT INTO vacated VALUES (9)",
    "map altered": "UPDATE state_maps SET target = 'fetch'",
    "map to a state that is not there": "INSERT INTO state_maps SELECT to_id, workflow_id, 'compose', 'nowhere' "
    "FROM state_maps LIMIT 1",
    "map from a state that is not there": "INSERT INTO state_maps SELECT to_id, workflow_id, 'draft', 'fetch' "
    "FROM state_maps LIMIT 1",
    "map to before the start": "INSERT INTO state_maps SELECT to_id, workflow_id, 'compose', '' "
    "FROM state_maps LIMIT 1",
    "map to the same version": "INSERT INTO state_maps SELECT to_id, to_id, 'compose', 'fetch' FROM state_maps LIMIT 1",
    "map to another workflow": "INSERT INTO state_maps SELECT to_id, (SELECT id FROM workflows WHERE name = 'loop'), "
    "'compose', 'turn' FROM state_maps LIMIT 1",
    "live run deleted": "DELETE FROM runs WHERE status IN ('ready', 'running', 'waiting')",
}  # fmt: skip


def refused(place: Path, sql: sqlite3.Connection, statement: str, parameters: dict[str, Any], *, loudly: bool) -> None:
    """Assert that a statement leaves every row as it was, and that it raises where it must."""
    before = content(place)
    with pytest.raises(sqlite3.IntegrityError) if loudly else suppress(sqlite3.IntegrityError):
        sql.execute(statement, parameters)
    sql.commit()
    assert content(place) == before, statement


NO_MATCH = {("ready", "key onto another"), ("dead", "death"), ("dead", "through a join")}


@pytest.mark.parametrize("attack", UPDATES)
def test_a_hand_can_not_move_a_run_by_its_row(place: Path, hand: sqlite3.Connection, runs: Runs, attack: str) -> None:
    for kind in ("ready", "running", "waiting", "dead"):
        refused(place, hand, UPDATES[attack], {"uid": runs[kind].id}, loudly=(kind, attack) not in NO_MATCH)


@pytest.mark.parametrize("attack", STATEMENTS)
def test_a_hand_can_not_rewrite_what_was_written(
    place: Path, hand: sqlite3.Connection, runs: Runs, attack: str
) -> None:
    refused(place, hand, STATEMENTS[attack], {"uid": runs["ready"].id}, loudly=True)


VERBS = ["INSERT INTO", "INSERT OR REPLACE INTO", "INSERT OR IGNORE INTO", "INSERT OR FAIL INTO"]
REDRIVE = {"event": "redrive", "visit": 2, "of_seq": 3}
FIRST = "(SELECT id FROM workflows WHERE name = 'review' AND version = 1)"
LOOPING = "(SELECT id FROM workflows WHERE name = 'loop')"
MIGRATE = {"event": "migrate", "target": "fetch", "visit": 1,
           "workflow_id": "(SELECT id FROM workflows WHERE name = 'review' AND version = 2)"}  # fmt: skip
AT_FETCH = {"event": "redrive", "target": "fetch", "visit": 1, "of_seq": 1}
FORGED: dict[str, tuple[str, dict[str, Any]]] = {
    "undeclared target": ("ready", {"target": "human"}),
    "undeclared event": ("ready", {"event": "success:other"}),
    "no such retry clause": ("ready", {"event": "retry:9", "target": "fetch", "visit": 1}),
    "from another state": ("ready", {"source": "human", "event": "signal:accept", "target": "pause"}),
    "start again": ("ready", {"source": "", "event": "start", "target": "fetch"}),
    "seq too low": ("ready", {"seq": 1}),
    "seq zero": ("ready", {"seq": 0}),
    "seq too high": ("ready", {"seq": 3}),
    "older epoch": ("running", {"epoch": 0, "source": "draft", "target": "human", "status": "waiting", "due_at": 9}),
    "epoch to come": ("ready", {"epoch": 2}),
    "end without its status": ("ready", {"event": "success:nothing", "target": "done", "status": "ready"}),
    "end with another status": ("ready", {"event": "success:nothing", "target": "done", "status": "failed"}),
    "status of an end without one": ("ready", {"status": "succeeded"}),
    "no such status": ("ready", {"status": "paused"}),
    "running, though nobody holds it": ("ready", {"status": "running"}),
    "another workflow": ("ready", {"workflow_id": "(SELECT id FROM workflows WHERE name = 'loop')"}),
    "no such run": ("ready", {"run_id": 99}),
    "on from success": ("succeeded", {"source": "fetch"}),
    "on from the end": ("succeeded", {}),
    "fault of the ended": ("dead", {"event": "fault", "target": "lost", "status": "dead"}),
    "cancel of the ended": ("succeeded", {"event": "cancel", "target": "done", "status": "cancelled"}),
    "cancel into elsewhere": ("ready", {"event": "cancel", "status": "cancelled"}),
    "cancel that goes on": ("ready", {"event": "cancel", "target": "fetch"}),
    "redrive of the live": ("ready", {"event": "redrive", "target": "fetch", "of_seq": 1}),
    "redrive of the succeeded": ("succeeded", {"event": "redrive", "target": "fetch", "of_seq": 2}),
    "redrive without an error": ("dead", {"event": "redrive", "of_seq": 2}),
    "redrive elsewhere": ("dead", {"event": "redrive", "target": "human", "of_seq": 3}),
    "redrive in another visit": ("dead", {**REDRIVE, "visit": 9}),
    "redrive in the visit of another state": ("dead", {**REDRIVE, "visit": 1}),
    "redrive at an end": ("dead", {**REDRIVE, "target": "lost", "visit": 3}),
    "redrive at a state never visited": ("dead", {**REDRIVE, "target": "human", "of_seq": 2}),
    "redrive at a visited state of the live": ("waiting", {**AT_FETCH}),
    "redrive at a visited state of the succeeded": ("succeeded", {**AT_FETCH}),
    "redrive of the asking at another state": ("asking", {**AT_FETCH}),
    "redrive by an old name": ("moved", {**REDRIVE, "target": "draft"}),
    "redrive by a name that its reason has": ("moved", {**REDRIVE, "target": "done"}),
    "redrive of a visit by another's name": ("moved", {**REDRIVE, "target": "fetch"}),
    "redrive of another visit by its name": ("moved", {**REDRIVE, "target": "compose", "visit": 1}),
    "redrive of no visit": ("moved", {**REDRIVE, "target": "compose", "visit": 4}),
    "redrive by the migration": ("moved", {**REDRIVE, "target": "compose", "of_seq": 4}),
    "complete by an old name": ("moved", {"event": "complete", "target": "human", "actor": "ana", "of_seq": 2}),
    "migrate without a map": ("moved", {"event": "migrate", "target": "lost", "status": "dead", "visit": 3,
                                        "workflow_id": FIRST}),
    "migrate into another state": ("mapped", {**MIGRATE, "target": "compose"}),
    "migrate into another visit": ("mapped", {**MIGRATE, "visit": 2}),
    "migrate into another attempt": ("mapped", {**MIGRATE, "attempt": 2}),
    "migrate to the same version": ("mapped", {**MIGRATE, "workflow_id": FIRST}),
    "migrate to another workflow": ("mapped", {**MIGRATE, "workflow_id": LOOPING}),
    "migrate into an end": ("mapped", {**MIGRATE, "status": "succeeded"}),
    "migrate into a run that is driven": ("mapped", {**MIGRATE, "status": "running"}),
    "migrate to life": ("mapped dead", {**MIGRATE, "target": "parked", "visit": 3}),
    "migrate to another death": ("mapped dead", {**MIGRATE, "target": "parked", "visit": 3, "status": "failed"}),
    "migrate of the succeeded": ("succeeded", {**MIGRATE, "target": "done", "status": "succeeded"}),
    "complete without an actor": ("asking", {"event": "complete", "target": "human"}),
    "complete of the waiting": ("waiting", {"event": "complete", "target": "human", "actor": "ana"}),
    "complete by an error edge": ("asking", {"event": "complete", "target": "lost", "status": "dead", "actor": "ana"}),
    "complete of the live": ("ready", {"event": "complete", "actor": "ana"}),
    "rewind": ("ready", {"event": "rewind", "target": "fetch"}),
    "rewind to a row to come": ("ready", {"event": "rewind", "of_seq": 2}),
    "rewind to where another was": ("running", {"event": "rewind", "of_seq": 3, "source": "draft", "target": "human"}),
    "rewind to elsewhere": ("dead", {"event": "rewind", "of_seq": 1, "source": "lost", "target": "human"}),
    "rewind to the end": ("dead", {"event": "rewind", "of_seq": 3, "source": "lost", "target": "lost"}),
    "rewind into the end": ("dead", {"event": "rewind", "of_seq": 3, "source": "lost", "target": "lost",
                                     "status": "dead"}),
    "rewind into the old visit": ("dead", {"event": "rewind", "of_seq": 2, "source": "lost", "visit": 2}),
    "rewind into another attempt": ("dead", {"event": "rewind", "of_seq": 2, "source": "lost", "attempt": 2}),
    "rewind that is driven": ("dead", {"event": "rewind", "of_seq": 2, "source": "lost", "status": "running"}),
    "rewind from elsewhere": ("dead", {"event": "rewind", "of_seq": 2, "source": "draft"}),
    "rewind of an older epoch": ("running", {"event": "rewind", "of_seq": 2, "source": "draft", "epoch": 0}),
    "rewind out of sequence": ("dead", {"event": "rewind", "of_seq": 2, "source": "lost", "seq": 5, "visit": 5}),
    "rewind into another workflow": ("dead", {"event": "rewind", "of_seq": 2, "source": "lost",
                                              "workflow_id": "(SELECT id FROM workflows WHERE name = 'loop')"}),
    "a known id": ("ready", {"id": 1}),
    "no id at all": ("ready", {"id": -1}),
}  # fmt: skip


@pytest.mark.parametrize("attack", FORGED)
def test_a_ledger_row_that_the_law_does_not_allow_moves_nothing(
    place: Path, hand: sqlite3.Connection, runs: Runs, attack: str
) -> None:
    kind, changed = FORGED[attack]
    for verb in VERBS:
        refused(place, hand, *ledger(runs[kind], verb, **changed), loudly=False)


def test_a_rewind_by_hand_that_the_law_allows_moves_the_run(
    hand: sqlite3.Connection, driver: Driver, runs: Runs
) -> None:
    """So that what is refused above is refused for what is changed in it."""
    hand.execute(*ledger(runs["dead"], event="rewind", of_seq=2, source="lost"))
    hand.commit()
    moved = driver.store.get(runs["dead"].id)
    assert (moved.state, moved.status, moved.seq, moved.visit) == ("draft", "ready", 4, 4)


FORKED: dict[str, dict[str, Any]] = {
    "of nobody": {"forked_from": None},
    "of one that is not there": {"forked_from": "nobody"},
    "of another workflow": {"of": "loop", "of_seq": 1, "target": "turn"},
    "at another run's row": {"of": "ready"},
    "at a row to come": {"of_seq": 4},
    "at no row": {"of_seq": None},
    "to elsewhere": {"target": "human"},
    "to the end": {"of_seq": 3, "target": "lost"},
    "into the end": {"of_seq": 3, "target": "lost", "status": "dead"},
    "into another visit": {"visit": 2},
    "into another attempt": {"attempt": 2},
    "that is driven": {"status": "running"},
    "from somewhere": {"source": "fetch"},
    "out of sequence": {"seq": 2},
    "of an older epoch": {"epoch": 1},
}


def branched(hand: sqlite3.Connection, runs: Runs, verb: str, **changed: Any) -> None:
    """Give birth by hand to a run that branches off the dead one in `draft`, but for what is changed."""
    origin = runs[changed.pop("of", "dead")]
    hand.execute(
        f"INSERT INTO {BIRTH[:-1]}, forked_from) SELECT 'new', workflow_id, name, NULL, input_digest, '', 'ready', 0, "
        "x'00', 0, 0, 1, 0, 0, ? FROM runs WHERE uid = ?",
        (changed.pop("forked_from", origin.id), runs["dead"].id),
    )
    ((row,),) = hand.execute("SELECT id FROM runs WHERE uid = 'new'").fetchall()
    born = origin._replace(row=row, seq=0, epoch=0, state="")
    hand.execute(*ledger(born, verb, **({"event": "fork", "of_seq": 2} | changed)))


@pytest.mark.parametrize("attack", FORKED)
def test_a_fork_by_hand_that_the_law_does_not_allow_begins_nowhere(
    hand: sqlite3.Connection, runs: Runs, attack: str
) -> None:
    for verb in VERBS:
        with suppress(sqlite3.IntegrityError):
            branched(hand, runs, verb, **FORKED[attack])
        assert hand.execute("SELECT state, seq FROM runs WHERE uid = 'new'").fetchall() == [("", 0)]
        hand.rollback()


def test_a_fork_by_hand_that_the_law_allows_begins(hand: sqlite3.Connection, driver: Driver, runs: Runs) -> None:
    """So that what is refused above is refused for what is changed in it."""
    branched(hand, runs, "INSERT INTO")
    hand.commit()
    born = driver.store.get("new")
    assert (born.state, born.status, born.seq, born.visit) == ("draft", "ready", 1, 1)


@pytest.mark.parametrize("verb", VERBS)
def test_a_legal_ledger_row_by_hand_moves_the_run_and_breaks_its_chain(
    place: Path, hand: sqlite3.Connection, driver: Driver, runs: Runs, verb: str
) -> None:
    run = runs["ready"]
    assert breaks(place, run.id) == []
    hand.execute(*ledger(run, verb))
    hand.commit()
    moved = driver.store.get(run.id)
    assert (moved.state, moved.status, moved.seq, moved.visit) == ("draft", "ready", 2, 2)
    assert breaks(place, run.id) == ["transitions 2"]
    on = driver.go(driver.claim(moved), DRAFTED)
    assert (on.state, breaks(place, run.id)) == ("human", ["transitions 2"])


LEGAL: dict[str, tuple[str, dict[str, Any]]] = {
    "migrate": ("mapped", MIGRATE),
    "migrate of the dead": ("mapped dead", {**MIGRATE, "target": "parked", "visit": 3, "status": "dead"}),
    "redrive by the new name": ("moved", {**REDRIVE, "target": "compose"}),
    "redrive": ("dead", REDRIVE),
    "redrive at another state": ("dead", AT_FETCH),
}


@pytest.mark.parametrize("move", LEGAL)
def test_what_the_attacks_are_made_of_is_legal_itself(
    hand: sqlite3.Connection, driver: Driver, runs: Runs, move: str
) -> None:
    kind, changed = LEGAL[move]
    hand.execute(*ledger(runs[kind], **changed))
    hand.commit()
    moved = driver.store.get(runs[kind].id)
    assert (moved.seq, moved.visit) == (runs[kind].seq + 1, changed["visit"])


def test_every_run_made_by_the_engine_has_a_chain_that_verifies(place: Path, runs: Runs) -> None:
    assert {kind: breaks(place, run.id) for kind, run in runs.items()} == {kind: [] for kind in runs}


class Who(StrEnum):
    ANA = "ana"


def test_an_actor_that_is_a_kind_of_text_is_hashed_as_the_text_that_is_stored(place: Path, driver: Driver) -> None:
    run = driver.commit(moves.cancel(driver.start(), driver.now, Who.ANA, None))
    assert [row.transition.actor for row in driver.store.history(run.id)] == [None, "ana"]
    assert breaks(place, run.id) == []


TAMPERED: dict[str, Callable[[int], str]] = {
    "transitions 1": lambda row: f"UPDATE transitions SET actor = 'eve' WHERE run_id = {row} AND seq = 1",
    "artifacts 2 document": lambda row: f"UPDATE artifacts SET digest = x'00' WHERE run_id = {row} AND seq = 2",
    "artifacts 3 text": lambda row: f"UPDATE artifacts SET value = '1' WHERE run_id = {row} AND seq = 3",
    "runs": lambda row: f"UPDATE runs SET head = x'00' WHERE id = {row}",
}


@pytest.mark.parametrize("where", TAMPERED)
def test_what_the_owner_of_the_file_changes_behind_the_law_shows_in_the_chain(
    place: Path, runs: Runs, where: str
) -> None:
    run = runs["waiting"]
    with closing(sqlite3.connect(place)) as sql:
        for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            sql.execute(f"DROP TRIGGER {name}")
        sql.execute(TAMPERED[where](run.row))
        sql.commit()
    assert breaks(place, run.id) == [where]


def test_a_run_that_has_ended_may_be_dropped_with_all_it_left(
    place: Path, hand: sqlite3.Connection, runs: Runs
) -> None:
    hand.execute("DELETE FROM runs WHERE uid = ?", (runs["dead"].id,))
    for table in ("transitions", "artifacts"):
        hand.execute(f"DELETE FROM {table} WHERE run_id = ?", (runs["dead"].row,))
    hand.commit()
    assert breaks(place, runs["waiting"].id) == []


REMAINS = {
    "forgotten": "DELETE FROM remains",
    "made another run's": "UPDATE remains SET run_id = 1",
    "a live run among them": "INSERT INTO remains SELECT id FROM runs WHERE uid = :uid",
    "replaced": "INSERT OR REPLACE INTO remains VALUES (:row)",
    "written to": "INSERT INTO transitions SELECT NULL, run_id, seq + 1, epoch, workflow_id, source, event, target, "
    "status, visit, attempt, tries, visits, due_at, awaits, interrupted, of_seq, at, actor, detail, hash "
    "FROM transitions WHERE run_id = :row",
}


@pytest.mark.parametrize("attack", REMAINS)
def test_what_a_deleted_run_left_is_noted_until_it_is_gone(
    place: Path, hand: sqlite3.Connection, runs: Runs, attack: str
) -> None:
    dead = runs["dead"]
    with closing(sqlite3.connect(place)) as sql:
        sql.execute("DELETE FROM runs WHERE uid = ?", (dead.id,))
        sql.commit()
        assert sql.execute("SELECT run_id FROM remains").fetchall() == [(dead.row,)]
    row = {"uid": runs["ready"].id, "row": dead.row}
    refused(place, hand, REMAINS[attack], row, loudly=attack != "written to")


def test_the_edge_rows_are_exactly_the_edges_of_the_workflow(place: Path, driver: Driver, runs: Runs) -> None:
    with closing(sqlite3.connect(place)) as sql:
        rows = sql.execute("SELECT w.digest, e.source, e.event, e.target, e.ends FROM edges e JOIN workflows w "
                           "ON w.id = e.workflow_id").fetchall()  # fmt: skip
    flows = {driver.flow(run).digest: driver.flow(run) for run in runs.values()}
    assert sorted(map(str, rows)) == sorted(
        str((digest, *edge)) for digest, flow in flows.items() for edge in flow.edges
    )
