"""The audit of one run in a file, for tests that want to know whether a store is whole."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from fsm.model.workflow import Workflow
from fsm.operations.ledgers import LedgerAudit
from fsm.source import read
from fsm.store.sqlite import SqliteStore

Flows = Callable[[str], Workflow | None]


def breaks(place: Path, run_id: str, flows: Flows | None = None) -> list[str]:
    """Return the rows of a run that are not what was committed; empty when all holds.

    Each as its table, with the seq and the artifact's name where it has one.
    """
    store = SqliteStore(place)
    try:
        stored = store.stored_run(run_id)
        assert stored is not None
        audit = LedgerAudit(store, stored, flows or (lambda digest: _flow(store.text(digest))))
        for _ in audit.walk():
            pass
        return [" ".join(str(part) for part in fault[:3] if part is not None) for fault in audit.faults]
    finally:
        store.close()


@lru_cache
def _flow(text: str) -> Workflow | None:
    return read(text, "stored.yaml").workflow
