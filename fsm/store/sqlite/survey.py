"""A store that is only looked at: nothing of it is changed, not even its schema; others may work on it meanwhile."""

import sqlite3
from urllib.parse import quote

from fsm.errors import SchemaError
from fsm.store.sqlite.connection import identity_of, refuse_foreign
from fsm.store.sqlite.past import Past
from fsm.store.sqlite.records import Records
from fsm.store.sqlite.runs import Runs
from fsm.store.sqlite.schema import SCRIPTS
from fsm.store.sqlite.versions import Versions


class Newer(SchemaError):
    """A newer version of this package wrote the file."""


class Survey(Runs, Records, Past, Versions):
    """The reading verbs of a store, for one thread.

    Raises:
        StoreError: the file cannot be opened.
        SchemaError: it is not a store of this engine, or of an older one, which opening it for work would upgrade.
        Newer: it is one of a newer version.
    """

    def _begin(self) -> tuple[int, int]:
        self._reader = sqlite3.connect(f"file:{quote(str(self.path))}?mode=ro", uri=True, isolation_level=None)
        self._reader.execute("PRAGMA trusted_schema=0")
        refuse_foreign(self._reader, self.path)
        (version,) = self._reader.execute("PRAGMA user_version").fetchone()
        if version > len(SCRIPTS):
            raise Newer(f"{self.path} has schema {version}; this version of fsm knows {len(SCRIPTS)}: upgrade fsm")
        if version < len(SCRIPTS):
            raise SchemaError(
                f"{self.path} has schema {version}, which any command that works on it brings to {len(SCRIPTS)}; "
                "until then it cannot be looked at: use a copy that `fsm ls --store COPY` was called on"
            )
        return identity_of(self.path)

    @property
    def sql(self) -> sqlite3.Connection:
        """The connection, to read from."""
        return self._reader

    def leave(self) -> None:
        reader: sqlite3.Connection | None = getattr(self, "_reader", None)
        if reader is not None:
            reader.close()

    close = leave
