"""The look at the file itself: is it whole, is its schema ours, do its parts refer to what is there."""

import contextlib
import sqlite3
from collections.abc import Iterator

from fsm.errors import StoreError
from fsm.model.finding import Finding
from fsm.model.workflow import Edge
from fsm.store.sqlite.base import Opened
from fsm.store.sqlite.connection import APPLICATION_ID
from fsm.store.sqlite.schema import LAW, SCRIPTS, script, statements

_LOG_BYTES = 256 * 1024 * 1024
_SHOWN = 20


class Soundness(Opened):
    """The part of the store that looks at the file. Each step is one read, as long as its largest table takes."""

    def examine_file(self) -> Iterator[tuple[str, list[Finding]]]:
        yield "the settings", self._settings()
        yield "the schema", self._schema()
        for table in self._tables():
            yield f"the pages of {table}", self._pages(table)
        for table in self._tables():
            yield f"what {table} refers to", self._references(table)

    def workflows_stored(self) -> list[tuple[str, str, int, int]]:
        return self._read(
            "SELECT digest, name, version, (SELECT count(*) FROM runs WHERE workflow_id = workflows.id "
            "AND status IN ('ready', 'running', 'waiting')) FROM workflows ORDER BY name, version"
        )

    def edges(self, digest: str) -> set[Edge]:
        rows = self._read("SELECT source, event, target, ends FROM edges "
                          "WHERE workflow_id = (SELECT id FROM workflows WHERE digest = ?)", (digest,))  # fmt: skip
        return {Edge(*row) for row in rows}

    def _tables(self) -> list[str]:
        return [name for (name,) in self._read("SELECT name FROM sqlite_master WHERE type = 'table' "
                                               "AND name NOT GLOB 'sqlite_*' ORDER BY name")]  # fmt: skip

    def _settings(self) -> list[Finding]:
        found = []
        for pragma, wanted in (
            ("journal_mode", "wal"),
            ("application_id", APPLICATION_ID),
            ("user_version", len(SCRIPTS)),
        ):
            ((value,),) = self._read(f"PRAGMA {pragma}")
            if value != wanted:
                found.append(Finding("setting-differs", f"{pragma} is {value}; {wanted} is needed"))
        with contextlib.suppress(OSError):
            size = self.path.with_name(self.path.name + "-wal").stat().st_size
            if size > _LOG_BYTES:
                found.append(
                    Finding("log-large", f"the log takes {size // 1024**2} MiB; something keeps it from being reused")
                )
        return found

    def _schema(self) -> list[Finding]:
        """Compare every table, index and trigger with those of a fresh store; a change of layout alone is none."""
        ours = _objects(_fresh())
        theirs = {(kind, name): text for kind, name, text in self._read(_OBJECTS)}
        found = []
        for kind, name in sorted(ours.keys() | theirs.keys()):
            wanted, there = ours.get((kind, name)), theirs.get((kind, name))
            if there is None or wanted is None or _plain(there) != _plain(wanted):
                said = (
                    "is not there" if there is None else "is not of this version" if wanted is None else "was altered"
                )
                found.append(Finding("schema-differs", f"{kind} {name} {said}"))
        return found

    def _pages(self, table: str) -> list[Finding]:
        try:
            rows = self._read(f'PRAGMA quick_check("{table}")')
        except StoreError as error:
            return [Finding("file-damaged", f"{table}: {error}")]
        return [Finding("file-damaged", f"{table}: {said}") for (said,) in rows[:_SHOWN] if said != "ok"]

    def _references(self, table: str) -> list[Finding]:
        try:
            rows = self._read(f'PRAGMA foreign_key_check("{table}")')
        except StoreError as error:
            return [Finding("file-damaged", f"{table}: {error}")]
        return [Finding("reference-broken", f"row {row} of {table} refers to no row of {parent}")
                for _, row, parent, _ in rows[:_SHOWN]]  # fmt: skip


_OBJECTS = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT GLOB '*_migrations*'"


def _fresh() -> sqlite3.Connection:
    fresh = sqlite3.connect(":memory:")
    for name in (*SCRIPTS, LAW):
        for statement in statements(script(name)):
            fresh.execute(statement)
    return fresh


def _objects(sql: sqlite3.Connection) -> dict[tuple[str, str], str]:
    with contextlib.closing(sql):
        return {(kind, name): text for kind, name, text in sql.execute(_OBJECTS)}


def _plain(text: str) -> str:
    return " ".join(text.split())
