"""The verbs of the API that change nothing."""

import json
from collections.abc import Iterator
from typing import Any

from fsm.engine.library import Library
from fsm.model.run import Run, Status
from fsm.model.workflow import Workflow, own_names
from fsm.store import Store
from fsm.store.answers import Written


class Looking:
    """What an engine tells about runs."""

    store: Store
    library: Library

    def get(self, run_id: str) -> Run:
        """Return a run by its id, or by the beginning of it. Raises NotFound."""
        return self.store.get(run_id)

    def find(self, workflow: str, key: str) -> Run | None:
        """Return the run of a workflow that was started with this key, or None."""
        return self.store.find(workflow, key)

    def runs(
        self, *, workflow: str | None = None, status: Status | None = None, state: str | None = None, limit: int = 50,
        before: str | None = None,
    ) -> list[Run]:  # fmt: skip
        """Return runs, newest first; `before` takes the id of the last run of the page before."""
        return self.store.runs(workflow=workflow, status=status, state=state, limit=limit, before=before)

    def history(self, run_id: str) -> list[Written]:
        """Return every transition of a run in order, with the artifacts that each wrote. Raises NotFound."""
        return list(self.follow(run_id))

    def follow(self, run_id: str, after: int = 0) -> Iterator[Written]:
        """Yield a run's transitions after seq `after`, in pages, so that a long ledger is never in memory whole."""
        return self.store.history(self.store.get(run_id).id, after)

    def artifacts(self, run: Run) -> dict[str, Any]:
        """Return the newest value of everything the run holds: its inputs and what its states wrote."""
        names = self.workflow(run).artifacts | {"error"}
        return {name: json.loads(text) for name, text in sorted(self.store.values(run, names).items())}

    def values(self, run: Run, state: str) -> dict[str, Any]:
        """Return what leaving a state of a run may read: of its inputs and artifacts those that expressions name."""
        texts = self.store.values(run, own_names(self.workflow(run).needs[state]))
        return {name: json.loads(text) for name, text in texts.items()}

    def workflow(self, run: Run) -> Workflow:
        """Return the workflow that a run is pinned to."""
        return self.library.pinned(self.store, run.digest)
