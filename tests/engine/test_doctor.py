"""Doctor: what is sound is said to be, whatever is done to it; and each kind of damage is found for what it is."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm import operations
from fsm.engine.engine import Engine
from fsm.model.finding import KINDS, Finding
from fsm.model.pause import Pause
from fsm.model.run import PERSON, Received, Rest, Run
from fsm.operations.doctor import Diagnosis
from fsm.store.sqlite import examination, soundness
from tests.engine.builders import NOW, Hand, House
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, Driver, failed
from tests.store.processes import Line, children

if TYPE_CHECKING:
    from fsm.clock import Clock

DAY_MS = 86_400_000


def kinds(found: Diagnosis) -> dict[str, int]:
    return dict(found.counts)


def only(found: Diagnosis, kind: str) -> Finding:
    """Return the one finding there is."""
    assert kinds(found) == {kind: 1}, found.findings
    return found.findings[0]


def damage(path: Path, *statements: str) -> None:
    """Do to a file what its law forbids."""
    with closing(sqlite3.connect(path, isolation_level=None)) as sql:
        law = sql.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        sql.execute("PRAGMA ignore_check_constraints=ON")
        for name, _ in law:
            sql.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert sql.execute(statement).rowcount != 0, f"nothing to damage: {statement}"
        for _, text in law:
            sql.execute(text)


class Ward:
    """A store with a run in every situation, and an engine that knows nothing but what the store has."""

    def __init__(self, house: House) -> None:
        self.engine = house.engine(definitions=[])
        self.path = house.store
        self.driver = Driver(self.engine.store, NOW)
        driver = self.driver
        self.ready = driver.start(status="ready")
        self.held = driver.start()
        self.signal = driver.go(driver.start(), FETCHED, DRAFTED)
        self.timer = driver.go(driver.start(), FETCHED, DRAFTED, Received("accept", '"fine"', (), None))
        self.retry = driver.go(driver.start(), failed("Unavailable", "Transient"))
        self.asking = driver.commit(driver.decision(driver.go(driver.start(), FETCHED), Rest(None, PERSON)))
        self.dead = driver.go(driver.start(), failed("Boom"))
        self.long = driver.go(driver.start(LOOP), *[AGAIN] * 20)
        driver.store.save_checkpoint(self.long, "half", "1")
        driver.store.beat(self.long, '"half"', driver.now)
        driver.store.keep(self.ready, driver.signal("accept"))
        house.clock.instant = driver.now

    @property
    def runs(self) -> list[Run]:
        return self.engine.runs()

    def doctor(self) -> Diagnosis:
        return operations.doctor(self.engine)

    def damaged(self, *statements: str) -> Diagnosis:
        damage(self.path, *statements)
        return self.doctor()


@pytest.fixture
def ward(house: House) -> Ward:
    return Ward(house)


class TestSound:
    def test_a_store_with_nothing_in_it_is_sound(self, house: House) -> None:
        found = operations.doctor(house.engine(definitions=[]))
        assert (found.is_sound, kinds(found), found.runs) == (True, {}, 0)

    def test_a_run_in_every_situation_is_sound(self, ward: Ward) -> None:
        found = ward.doctor()
        assert (found.is_sound, found.findings, found.runs) == (True, [], 8)

    def test_pauses_moves_and_released_runs_are_sound(self, ward: Ward) -> None:
        operations.pause(ward.engine)
        ward.engine.signal(ward.signal.id, "accept")
        ward.driver.go(ward.held, FETCHED)
        ward.engine.store.release(ward.long, interrupted=True)
        operations.redrive(ward.engine, ward.dead.id)
        ward.engine.cancel(ward.retry.id)
        assert kinds(ward.doctor()) == {}
        operations.unpause(ward.engine)
        assert kinds(ward.doctor()) == {}

    def test_rewound_forked_and_dropped_runs_are_sound(self, ward: Ward) -> None:
        operations.rewind(ward.engine, ward.signal.id, 1)
        operations.fork(ward.engine, ward.timer.id, 2)
        operations.drop(ward.engine, ward.dead.id)
        assert kinds(ward.doctor()) == {}

    def test_it_is_looked_at_in_parts_and_each_run_once(self, ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(examination, "_RUNS_MAX", 3)
        monkeypatch.setattr(examination, "_TRANSITIONS_MAX", 6)
        seen: list[tuple[str, int, int]] = []
        found = operations.doctor(ward.engine, watch=lambda *told: seen.append(told))
        assert (found.is_sound, found.runs) == (True, 8)
        assert len([told for told in seen if told[0] == "runs"]) >= 4
        damage(ward.path, "UPDATE runs SET attempt = 9")
        assert ward.doctor().counts["ledger-differs"] == 8

    def test_every_kind_that_is_found_is_in_the_catalogue_and_some_is_kept_of_each(self, ward: Ward) -> None:
        damage(ward.path, "UPDATE runs SET attempt = 9, worker_id = 99")
        found = operations.doctor(ward.engine, limit=2)
        assert found.counts["ledger-differs"] == 8
        assert len([one for one in found.findings if one.kind == "ledger-differs"]) == 2
        assert [one.kind for one in found.findings] == sorted(
            (one.kind for one in found.findings), key=list(KINDS).index
        )

    def test_writers_go_on_while_it_looks(self, ward: Ward) -> None:
        """A look that held a snapshot between its parts would see what follows too late, or hold the writer up."""
        edges: list[int] = []

        def turn(*_: object) -> None:
            ward.long = ward.driver.go(ward.long, AGAIN)
            edges.append(ward.long.seq)

        found = operations.doctor(ward.engine, watch=turn)
        assert kinds(found) == {}
        assert len(edges) > 10


RUN = "(SELECT id FROM runs WHERE state = 'human')"
LEDGERS = {
    "another state": ("UPDATE runs SET state = 'draft' WHERE state = 'human'", "state"),
    "another head": ("UPDATE runs SET head = x'00' WHERE state = 'human'", "head"),
    "another attempt": ("UPDATE runs SET attempt = 7 WHERE state = 'human'", "attempt"),
    "another visit": ("UPDATE runs SET visit = 1 WHERE state = 'human'", "visit"),
    "other tries": ("UPDATE runs SET tries = '{\"1\":1}' WHERE state = 'human'", "tries"),
    "another status": ("UPDATE runs SET status = 'failed', due_at = NULL WHERE state = 'human'", "status"),
    "an altered row": (f"UPDATE transitions SET hash = x'01' WHERE run_id = {RUN} AND seq = 3", "head"),
}


class TestLedgers:
    @pytest.mark.parametrize("which", LEDGERS)
    def test_a_run_that_is_not_where_its_ledger_says_is_found(self, ward: Ward, which: str) -> None:
        statement, said = LEDGERS[which]
        finding = only(ward.damaged(statement), "ledger-differs")
        assert (finding.message, finding.run_id) == (f"its ledger does not agree with it: {said}", ward.signal.id)

    def test_a_run_under_another_version_than_its_ledger_is_found(self, ward: Ward) -> None:
        statement = "UPDATE runs SET workflow_id = (SELECT id FROM workflows WHERE name = 'loop') WHERE state = 'lost'"
        assert only(ward.damaged(statement), "ledger-differs").message.endswith(": version")

    def test_missing_rows_are_found(self, ward: Ward) -> None:
        found = ward.damaged(f"DELETE FROM transitions WHERE run_id = {RUN} AND seq = 2")
        assert only(found, "ledger-gap").message == "3 transitions are expected; there are 2, from 1 to 3"
        found = ward.damaged(f"DELETE FROM transitions WHERE run_id = {RUN} AND seq = 3")
        assert kinds(found) == {"ledger-gap": 1, "ledger-differs": 1}

    def test_a_row_in_another_place_is_found_though_there_are_as_many(self, ward: Ward) -> None:
        found = ward.damaged(f"UPDATE transitions SET seq = 50 WHERE run_id = {RUN} AND seq = 2")
        assert only(found, "ledger-gap").message == "3 transitions are expected; there are 3, from 1 to 50"

    def test_a_run_without_any_ledger_is_found(self, ward: Ward) -> None:
        found = ward.damaged(f"DELETE FROM transitions WHERE run_id = {RUN}")
        assert kinds(found) == {"ledger-gap": 1, "ledger-differs": 1}
        assert found.findings[0].message == "its ledger does not agree with it: its last row, 3, is not there"

    @pytest.mark.parametrize(
        ("statement", "what"),
        [
            (f"UPDATE artifacts SET seq = 99 WHERE run_id = {RUN} AND name = 'text'", "1 value"),
            ("UPDATE checkpoints SET visit = 99", "1 checkpoint"),
            ("UPDATE beats SET visit = 99", "1 heartbeat"),
            ("UPDATE signals SET used_seq = 99", "1 used signal"),
        ],
    )
    def test_what_names_a_transition_that_is_not_there_is_found(self, ward: Ward, statement: str, what: str) -> None:
        assert only(ward.damaged(statement), "value-astray").message.startswith(f"{what} of transition 99, or ")

    @pytest.mark.parametrize("table", ["transitions", "artifacts", "checkpoints", "beats", "signals"])
    def test_rows_without_their_run_are_found_wherever_they_lie(self, ward: Ward, table: str) -> None:
        other = {"artifacts": "seq, value", "checkpoints": "visit, name", "beats": "visit", "signals": "name, payload"}
        assert table in (*other, "transitions")
        damage(ward.path, "PRAGMA user_version=2", f"UPDATE {table} SET run_id = 5000 + run_id WHERE rowid IN "
               f"(SELECT rowid FROM {table} LIMIT 1)" if table != "checkpoints" else
               "UPDATE checkpoints SET run_id = 5000")  # fmt: skip
        found = ward.doctor()
        assert found.counts["orphan"] == 1
        (orphan,) = [one for one in found.findings if one.kind == "orphan"]
        assert orphan.message.startswith(f"1 in {table}, of 1 runs; the first is number 5")

    def test_what_a_deletion_left_for_a_prune_is_a_note(self, ward: Ward) -> None:
        damage(ward.path, "UPDATE beats SET run_id = 5000", "INSERT INTO remains VALUES (5000)")
        assert only(ward.doctor(), "remains").message.startswith("1 in beats, of 1 runs")
        assert ward.doctor().is_sound


class TestReasons:
    @pytest.mark.parametrize(
        ("run", "change", "said"),
        [
            ("signal", "due_at = NULL, awaits = NULL", "it waits for no instant, no signal and no person"),
            ("signal", "due_at = NULL, awaits = '[]'", "it waits for no instant, no signal and no person"),
            ("timer", "due_at = NULL, awaits = NULL", "it waits for no instant, no signal and no person"),
            ("signal", "due_at = NULL, awaits = '[\"acept\"]'", 'it awaits ["acept"], which "human" does not declare'),
            ("held", "worker_id = 99", "it is claimed by a worker that the store does not know"),
        ],
    )
    def test_a_run_that_nothing_will_wake_is_found(self, ward: Ward, run: str, change: str, said: str) -> None:
        broken: Run = getattr(ward, run)
        damage(ward.path, f"UPDATE runs SET {change} WHERE uid = '{broken.id}'")
        found = ward.doctor()
        (finding,) = [one for one in found.findings if one.kind == "no-reason"]
        assert (finding.message, finding.run_id) == (f"nothing will ever wake it: {said}", broken.id)
        assert finding.cures[0].commands == (("cancel", broken.id),)
        assert [reason.kind for reason in operations.why(ward.engine, broken.id).reasons] == ["nothing"]

    def test_a_live_run_at_an_end_is_found(self, ward: Ward) -> None:
        found = ward.damaged("UPDATE runs SET status = 'ready' WHERE state = 'lost'")
        assert found.counts["no-reason"] == 1

    def test_a_signal_that_nobody_looks_at_is_found_and_its_cure_helps(self, ward: Ward) -> None:
        put = "INSERT INTO signals(run_id, name, payload, at) SELECT id, 'accept', '\"x\"', 1 FROM runs"
        finding = only(ward.damaged(f"{put} WHERE state = 'human'"), "signal-unseen")
        assert finding.run_id == ward.signal.id
        assert [reason.kind for reason in operations.why(ward.engine, ward.signal.id).reasons] == ["nothing"]
        operations.pause(ward.engine, "review", "human")
        assert kinds(ward.doctor()) == {}
        operations.unpause(ward.engine, "review", "human")
        assert kinds(ward.doctor()) == {}
        assert ward.engine.get(ward.signal.id).status == "ready"

    def test_a_signal_in_the_inbox_of_a_run_that_is_due_is_looked_at_by_whoever_takes_it(
        self, ward: Ward, house: House
    ) -> None:
        damage(ward.path, "INSERT INTO signals(run_id, name, payload, at) "
               "SELECT id, 'accept', '\"x\"', 1 FROM runs WHERE state = 'human'")  # fmt: skip
        assert ward.signal.due_at is not None
        house.clock.instant = ward.signal.due_at
        assert kinds(ward.doctor()) == {}

    def test_signals_that_several_must_send_lie_there_until_enough_of_them_came(self, house: House) -> None:
        house.define("""
            workflow: vote
            version: 1
            start: ask
            states:
              ask: {signal: {yes: {to: done, count: 2}}, deadline: 1h, error: done}
              done: {end: success}
        """)
        engine = house.engine()
        run = engine.run("vote")
        engine.signal(run.id, "yes", actor="ana")
        assert kinds(operations.doctor(engine)) == {}
        put = "INSERT INTO signals(run_id, name, payload, at, actor) SELECT id, 'yes', 'null', 1, "
        damage(house.store, f"{put} 'ana' FROM runs")
        assert kinds(operations.doctor(engine)) == {}
        damage(house.store, f"{put} 'bo' FROM runs")
        assert only(operations.doctor(engine), "signal-unseen").run_id == run.id


CHANGES = (
    "due_at = NULL", f"due_at = {NOW + 10**9}", "due_at = 1", "awaits = NULL", "awaits = '[]'",
    "awaits = '[\"accept\"]'", "awaits = '[\"acept\"]'", "awaits = '[\"complete\",\"redrive\"]'", "worker_id = 77",
    "status = 'waiting', worker_id = NULL", "status = 'ready', worker_id = NULL", "status = 'running'",
    "state = 'pause'", "state = 'done'", "state = 'human'", "state = 'nowhere'",
)  # fmt: skip


SITUATIONS = ("ready", "held", "signal", "timer", "retry", "asking", "dead", "long")


class Copies(NamedTuple):
    """A sound store to be copied, and the ids of its runs by their situation."""

    path: Path
    ids: dict[str, str]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    house = House(tmp_path_factory.mktemp("ward"))
    ward = Ward(house)
    operations.backup(ward.engine, house.folder / "whole.db")
    house.close()
    return Copies(house.folder / "whole.db", {name: getattr(ward, name).id for name in SITUATIONS})


@settings(max_examples=30)
@given(changes=st.lists(st.tuples(st.sampled_from(SITUATIONS), st.sampled_from(CHANGES)), min_size=1, max_size=4))
def test_doctor_and_why_agree_on_every_run_whatever_was_done_to_it(
    copies: Copies, changes: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(copies.path, folder))
        damage(path, *(f"UPDATE runs SET {how} WHERE uid = '{copies.ids[run]}'" for run, how in changes))
        with Engine(path, clock=cast("Clock", Hand())) as engine:
            found = operations.doctor(engine)
            stuck = {one.run_id for one in found.findings if one.kind in ("no-reason", "signal-unseen")}
            for run_id in copies.ids.values():
                reasons = operations.why(engine, run_id).reasons
                assert reasons
                assert (run_id in stuck) == any(reason.kind == "nothing" for reason in reasons), (run_id, reasons)


class TestDefinitions:
    def test_edges_that_are_not_those_of_the_definition_are_found(self, ward: Ward) -> None:
        found = ward.damaged("DELETE FROM edges WHERE event = 'signal:refuse'")
        finding = next(one for one in found.findings if one.kind == "edges-differ")
        assert finding.message == 'version 1 of "review": human signal:refuse draft'

    def test_a_definition_that_can_not_be_read_is_found_where_live_runs_need_it(self, ward: Ward, house: House) -> None:
        damage(ward.path, "UPDATE workflows SET text = 'workflow: [' WHERE name = 'loop'")
        finding = only(operations.doctor(house.engine(definitions=[])), "definition-unread")
        assert finding.message.startswith('version 1 of "loop", which 1 runs need: ')


class TestFile:
    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            ("DROP TRIGGER legal", "trigger legal is not there"),
            ("DROP INDEX runs_due", "index runs_due is not there"),
            ("CREATE TRIGGER free AFTER UPDATE ON runs BEGIN SELECT 1; END", "trigger free is not of this version"),
            ("CREATE TABLE notes(x)", "table notes is not of this version"),
        ],
    )
    def test_a_schema_that_is_not_ours_is_found(self, ward: Ward, statement: str, said: str) -> None:
        with closing(sqlite3.connect(ward.path, isolation_level=None)) as sql:
            sql.execute(statement)
        assert only(ward.doctor(), "schema-differs").message == said

    def test_a_law_that_was_weakened_is_found(self, ward: Ward) -> None:
        with closing(sqlite3.connect(ward.path, isolation_level=None)) as sql:
            sql.execute("DROP TRIGGER fenced")
            sql.execute("CREATE TRIGGER fenced BEFORE UPDATE OF epoch ON runs BEGIN SELECT 1; END")
        assert only(ward.doctor(), "schema-differs").message == "trigger fenced was altered"

    def test_a_reference_to_nothing_is_found(self, ward: Ward) -> None:
        found = ward.damaged("UPDATE runs SET workflow_id = 77 WHERE state = 'lost'")
        assert found.counts["reference-broken"] == 1

    def test_a_damaged_page_is_found_and_nothing_breaks(self, ward: Ward, house: House) -> None:
        with closing(sqlite3.connect(ward.path)) as sql:
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (root,) = sql.execute("SELECT rootpage FROM sqlite_master WHERE name = 'artifacts'").fetchone()
        house.close()
        with ward.path.open("r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(b"\x99" * 200)
        with Engine(ward.path) as engine:
            found = operations.doctor(engine)
        assert found.counts["file-damaged"] >= 1
        assert not found.is_sound

    def test_a_large_log_is_a_note(self, ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(soundness, "_LOG_BYTES", 0)
        assert only(ward.doctor(), "log-large").message.endswith("something keeps it from being reused")


class TestNotes:
    def test_runs_that_a_dead_process_holds_are_noted_by_process(self, ward: Ward) -> None:
        def hold(line: Line) -> None:
            with Engine(ward.path) as engine:
                own = Driver(engine.store, ward.driver.now)
                line.send([own.start().id, own.start().id])
                line.recv()

        with children(hold) as (child,):
            ids = child.hears()
            assert kinds(ward.doctor()) == {}
            child.kill()
            finding = only(ward.doctor(), "left-behind")
        assert finding.message.startswith(f"2 runs held by process {child.pid} on ")
        assert finding.run_id == ids[0]
        assert ward.doctor().is_sound

    def test_runs_that_crashed_their_process_twice_are_noted(self, ward: Ward) -> None:
        assert only(ward.damaged("UPDATE runs SET crashes = 2 WHERE state = 'turn'"), "crashing").message == (
            '1 run of "loop" in "turn"'
        )

    def test_runs_that_wait_for_weeks_without_a_deadline_are_noted_once_for_each_state(
        self, ward: Ward, house: House
    ) -> None:
        ward.driver.commit(ward.driver.decision(ward.driver.go(ward.driver.start(), FETCHED), Rest(None, PERSON)))
        house.clock.instant = ward.driver.now + 15 * DAY_MS
        finding = only(ward.doctor(), "waits-long")
        assert finding.message.startswith('2 runs of "review" in "draft", the first since 2023-11-14T22:13:')
        assert finding.run_id == ward.asking.id

    def test_a_pause_that_nobody_ended_is_noted_with_its_end(self, ward: Ward, house: House) -> None:
        ward.engine.store.pause(Pause("review", "", stops_actions=False, actor="ana", reason=None, at=NOW))
        assert kinds(ward.doctor()) == {}
        house.clock.instant = NOW + 8 * DAY_MS
        finding = only(ward.doctor(), "pause-long")
        assert finding.message == 'workflow "review" is paused by ana since 2023-11-14T22:13:20.000Z'
        assert finding.cures[0].commands == (("unpause", "--workflow", "review"),)

    def test_signals_that_no_state_ahead_takes_are_noted_and_others_are_not(self, ward: Ward) -> None:
        ward.driver.store.keep(ward.long, ward.driver.signal("accept"))
        finding = only(ward.doctor(), "signal-idle")
        assert finding.message == ('1 run of "loop" in "turn" got signal "accept", and nothing ahead of them takes it')
        ward.driver.go(ward.ready, failed("Boom"))
        assert ward.doctor().counts["signal-idle"] == 2

    def test_a_clock_that_was_set_back_is_noted(self, ward: Ward, house: House) -> None:
        house.clock.instant = NOW - DAY_MS
        found = ward.doctor()
        assert (set(found.counts), found.is_sound) == ({"clock-back"}, True)
