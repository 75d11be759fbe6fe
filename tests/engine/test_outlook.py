"""The verdict before a deploy: what definitions would mean for the runs that a store has in flight."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import fsm
from fsm.engine.engine import Engine
from fsm.engine.outlook import outlook
from fsm.errors import SchemaError, StoreError
from tests.engine.builders import House, named

FIRST = """
workflow: intake
version: 3
start: fetch
input: {uri: str}
defaults: {retry: never, error: lost, timeout: 1m}
states:
  fetch: {action: i.fetch, idempotent: true, writes: document, success: ocr}
  ocr: {action: i.ocr, idempotent: true, reads: [uri, document], writes: text, success: human}
  human: {signal: {accept: done}, deadline: 1h, error: lost}
  done: {end: success, output: text}
  lost: {end: dead_letter}
"""
SECOND = """
workflow: intake
version: 4
start: fetch
input: {uri: str}
defaults: {retry: never, error: lost, timeout: 1m}
states:
  fetch: {action: i.fetch, idempotent: true, writes: document, success: extract}
  extract: {action: i.extract, idempotent: true, reads: document, writes: invoice, success: human}
  human: {signal: {accept: done}, deadline: 1h, error: lost}
  done: {end: success, output: invoice}
  lost: {end: dead_letter}
"""
UNWRITTEN = '"invoice" would be unwritten in "done", where 1 run stands under version 3'


def read(uri: str) -> str:
    if uri == "broken":
        raise ValueError("no page")
    return f"page of {uri}"


def ocr(uri: str, document: str) -> str:
    if uri == "torn":
        raise ValueError("no text")
    return document


def engine_of(house: House) -> Engine:
    house.define(FIRST, "intake.yaml")
    return house.engine(named("i.fetch", read), named("i.ocr", ocr))


@pytest.fixture
def engine(house: House) -> Engine:
    return engine_of(house)


def started(engine: Engine, uri: str = "a.pdf") -> fsm.Run:
    return engine.run("intake", {"uri": uri})


def verdict(house: House, text: str, **states: str) -> list[str]:
    """Return the findings about a file, each with where it is and what it says."""
    file = house.folder / "later.yaml"
    file.write_text(text)
    findings = outlook(house.store, [file], None, states).findings
    return [f"{one.span.line if one.span else 0}: {one.code}: {one.message}" for one in findings]


class TestVersions:
    def test_content_that_changed_under_its_version_is_found(self, engine: Engine, house: House) -> None:
        started(engine)
        started(engine)
        assert verdict(house, FIRST.replace("1h", "2h")) == [
            "3: FSM901: content changed under version 3, where 2 runs stand"
        ]

    def test_the_same_content_is_fine_whatever_its_comments_say(self, engine: Engine, house: House) -> None:
        started(engine)
        assert verdict(house, FIRST + "# a comment\n") == []

    def test_a_version_that_the_store_has_no_run_of_must_not_change_either(self, engine: Engine, house: House) -> None:
        engine.cancel(started(engine).id)
        assert verdict(house, FIRST.replace("1h", "2h")) == ["3: FSM901: content changed under version 3"]

    def test_a_state_that_is_dropped_is_found_where_runs_stand(self, engine: Engine, house: House) -> None:
        started(engine, "torn")
        started(engine, "torn")
        assert verdict(house, SECOND) == ['7: FSM902: version 4 drops "ocr", where 2 runs stand under version 3']

    def test_a_name_that_would_be_unwritten_is_found_where_it_is_read(self, engine: Engine, house: House) -> None:
        started(engine)
        assert verdict(house, SECOND) == [f"11: FSM903: migrating human → human: {UNWRITTEN}"]

    def test_a_map_of_states_is_taken_into_account(self, engine: Engine, house: House) -> None:
        started(engine, "torn")
        assert verdict(house, SECOND, ocr="extract") == []
        assert verdict(house, SECOND, ocr="human") == [f"11: FSM903: migrating ocr → human: {UNWRITTEN}"]

    @pytest.mark.parametrize("states", [{"nowhere": "extract"}, {"ocr": "nowhere"}])
    def test_a_map_that_leads_nowhere_is_refused(self, engine: Engine, house: House, states: dict[str, str]) -> None:
        started(engine)
        with pytest.raises(fsm.UsageError, match='"nowhere", which is no state of'):
            verdict(house, SECOND, **states)

    def test_what_has_ended_is_in_nobodys_way(self, engine: Engine, house: House) -> None:
        engine.cancel(started(engine, "a").id)
        engine.signal(started(engine, "b").id, "accept")
        assert verdict(house, SECOND) == []

    def test_an_older_file_is_no_version_to_move_to(self, engine: Engine, house: House) -> None:
        started(engine)
        assert verdict(house, SECOND.replace("version: 4", "version: 2")) == []

    def test_other_workflows_do_not_matter(self, engine: Engine, house: House) -> None:
        started(engine)
        assert verdict(house, SECOND.replace("workflow: intake", "workflow: other")) == []

    def test_a_file_with_faults_of_its_own_is_passed_over(self, engine: Engine, house: House) -> None:
        started(engine)
        assert verdict(house, SECOND.replace("success: extract", "success: extrakt")) == []

    def test_runs_are_told_one_by_one(self, engine: Engine, house: House) -> None:
        fine, stuck = started(engine, "broken"), started(engine)
        file = house.folder / "later.yaml"
        file.write_text(SECOND)
        (forecast,) = outlook(house.store, [file]).forecasts
        assert (forecast.path, forecast.old.version, forecast.new.version) == (str(file), 3, 4)
        assert [(one.run, one.state, one.target, one.is_open) for one in forecast.passages] == [
            (fine, "fetch", "fetch", True), (stuck, "human", "human", False),
        ]  # fmt: skip


class TestWhatThisEngineCannotRead:
    def test_a_store_of_a_newer_engine_is_found(self, engine: Engine, house: House) -> None:
        started(engine)
        engine.close()
        with closing(sqlite3.connect(house.store)) as sql:
            sql.execute("PRAGMA user_version=99")
        (found,) = verdict(house, SECOND)
        assert found.startswith("0: FSM904: ")
        assert "has schema 99; this version of fsm knows" in found

    def test_a_stored_definition_in_a_language_to_come_is_found(self, engine: Engine, house: House) -> None:
        started(engine)
        with closing(sqlite3.connect(house.store)) as sql:
            for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                sql.execute(f"DROP TRIGGER {name}")
            sql.execute("UPDATE workflows SET text = 'language: 9\nplaces: {}\n'")
            sql.commit()
            assert verdict(house, SECOND) == [
                '0: FSM904: version 3 of "intake", where 1 run stands, cannot be read by this version of fsm'
            ]
            sql.execute("UPDATE runs SET status = 'cancelled'")
            sql.commit()
        assert verdict(house, SECOND) == []

    def test_a_store_of_an_older_engine_is_not_upgraded_by_looking_at_it(self, engine: Engine, house: House) -> None:
        started(engine)
        engine.close()
        with closing(sqlite3.connect(house.store)) as sql:
            sql.execute("PRAGMA user_version=1")
        with pytest.raises(SchemaError, match="has schema 1, which any command that works on it brings to"):
            verdict(house, SECOND)


class TestLooking:
    def test_a_store_is_looked_at_while_others_work_on_it_and_nothing_of_it_changes(
        self, engine: Engine, house: House
    ) -> None:
        started(engine, "torn")
        before = [house.store.read_bytes(), house.store.with_name("runs.db-wal").read_bytes()]
        assert len(verdict(house, SECOND)) == 1
        assert [house.store.read_bytes(), house.store.with_name("runs.db-wal").read_bytes()] == before
        started(engine, "torn")
        assert "2 runs stand" in verdict(house, SECOND)[0]

    def test_a_store_that_nobody_may_write_is_looked_at(self, engine: Engine, house: House, tmp_path: Path) -> None:
        started(engine, "torn")
        engine.close()
        copy = Path(shutil.copy(house.store, tmp_path / "copy.db"))
        copy.chmod(0o400)
        file = house.folder / "later.yaml"
        file.write_text(SECOND)
        assert [one.code for one in outlook(copy, [file]).findings] == ["FSM902"]

    def test_what_is_no_store_is_refused(self, house: House) -> None:
        (house.folder / "other.db").write_text("hello, this is no database at all, not even a little")
        with pytest.raises(StoreError):
            outlook(house.folder / "other.db", [])
        with pytest.raises(StoreError):
            outlook(house.folder / "none.db", [])
        assert not (house.folder / "none.db").exists()


class TestCheck:
    def test_it_looks_at_a_store_where_one_is_named(self, engine: Engine, house: House) -> None:
        started(engine, "torn")
        file = house.folder / "later.yaml"
        file.write_text(SECOND)
        assert [one.code for one in fsm.check(file)] == []
        assert [one.code for one in fsm.check(file, store=house.store)] == ["FSM902"]

    def test_it_never_raises(self, house: House) -> None:
        (found,) = fsm.check(store=house.folder / "none.db")
        assert (found.code, found.path) == ("FSM001", str(house.folder / "none.db"))
