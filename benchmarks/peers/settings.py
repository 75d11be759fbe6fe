"""What a connection is really set to: read back on the engine's own connections, since `synchronous` is one's own."""

import contextlib
import sqlite3
from typing import Any

_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


class Listener:
    """Takes note of every connection that is opened in this process from its making on.

    It makes them slower: what is measured is measured in another process.
    """

    def __init__(self) -> None:
        self._connect = sqlite3.connect
        self._open: list[sqlite3.Connection] = []
        self._found: set[tuple[str, str]] = set()
        sqlite3.connect = sqlite3.dbapi2.connect = self._noted  # type: ignore[assignment]

    def found(self) -> list[tuple[str, str]]:
        """Return the journal mode and `synchronous` of the connections that wrote, each pair once."""
        for connection in self._open:
            with contextlib.suppress(sqlite3.ProgrammingError):  # it is closed, and told before that
                self._note(connection)
        return sorted(self._found)

    def _noted(self, *given: Any, **named: Any) -> sqlite3.Connection:
        kind = named.pop("factory", sqlite3.Connection)

        def close(connection: sqlite3.Connection) -> None:
            self._note(connection)
            kind.close(connection)

        # It is asked from our thread, whatever thread it was opened on.
        named |= {"factory": type("Noted", (kind,), {"close": close}), "check_same_thread": False}
        opened: sqlite3.Connection = self._connect(*given, **named)
        self._open.append(opened)
        return opened

    def _note(self, connection: sqlite3.Connection) -> None:
        if connection.total_changes:
            ((mode,),) = sqlite3.Connection.execute(connection, "PRAGMA journal_mode").fetchall()
            ((number,),) = sqlite3.Connection.execute(connection, "PRAGMA synchronous").fetchall()
            self._found.add((str(mode), _SYNCHRONOUS[number]))
