"""The migrations of a store, applied by sqlite-utils inside one exclusive transaction.

The numbered scripts make tables and are never changed once released. The law, all of it triggers, is one script that
replaces whatever law an older file has; a change of it needs a number too, so that such files are told apart. No
convenience that rebuilds a table is used, since that would drop its triggers.
"""

from importlib.resources import files
from typing import TYPE_CHECKING

from fsm.errors import SchemaError
from fsm.store.sqlite.connection import APPLICATION_ID, Connection

if TYPE_CHECKING:
    import sqlite3

    from sqlite_utils import Database

SCRIPTS = ("0001_core", "0002_worker")
LAW = "law"


def migrate(connection: Connection) -> None:
    """Bring the file to the newest schema; a file that is there already costs one read.

    Raises:
        SchemaError: the file was written by a newer version of this package.
    """
    (version,) = connection.sql.execute("PRAGMA user_version").fetchone()
    if version == len(SCRIPTS):
        return
    if version > len(SCRIPTS):
        raise SchemaError(
            f"{connection.path} has schema {version}; this version of fsm knows {len(SCRIPTS)}: upgrade fsm"
        )
    with connection.transaction() as sql:
        from sqlite_utils import Database  # noqa: PLC0415 - costs 80 ms, needed once in a file's life

        _repeal(sql)
        _migrations().apply(Database(sql, execute_plugins=False))
        for statement in statements(script(LAW)):
            sql.execute(statement)
        sql.execute(f"PRAGMA application_id={APPLICATION_ID}")
        sql.execute(f"PRAGMA user_version={len(SCRIPTS)}")


def _repeal(sql: "sqlite3.Connection") -> None:
    """Remove the law of an older version; today's takes its place in the same transaction."""
    for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        sql.execute(f'DROP TRIGGER "{name}"')


def _migrations() -> "Migrations":  # type: ignore[name-defined]  # noqa: F821
    from sqlite_utils import Migrations  # noqa: PLC0415

    steps = Migrations("fsm")
    for name in SCRIPTS:

        def step(db: "Database", name: str = name) -> None:
            for statement in statements(script(name)):
                db.conn.execute(statement)

        steps(name=name)(step)
    return steps


def script(name: str) -> str:
    """Return the text of a migration."""
    return (files("fsm.store.sqlite") / "migrations" / f"{name}.sql").read_text()


def statements(text: str) -> list[str]:
    """Split a script into statements; `executescript` would commit the transaction around it."""
    import sqlite3  # noqa: PLC0415

    found, pending = [], ""
    for line in text.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
