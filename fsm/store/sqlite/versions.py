"""What runs have been through, by the names that states have in the version that they are pinned to now."""

import json

from fsm.model.run import Run, Transition
from fsm.store.sqlite.base import Opened
from fsm.store.sqlite.rows import TRANSITION_COLUMNS, transition_of


class Versions(Opened):
    """The part of the store that follows a run through its versions."""

    def last_failure(self, run: Run) -> Transition | None:
        rows = self._read(
            f"SELECT {TRANSITION_COLUMNS} FROM transitions "  # noqa: S608
            "WHERE run_id = ? AND (event GLOB 'error:*' OR event IN ('fault', 'rewind')) ORDER BY seq DESC LIMIT 1",
            (run.row,),
        )
        failed = transition_of(rows[0]) if rows else None
        if failed is None or failed.event == "rewind":
            return None
        ((visit, attempt),) = self._read("SELECT visit, attempt FROM transitions WHERE run_id = ? AND seq = ?",
                                         (run.row, failed.seq - 1))  # fmt: skip
        _, named = self._migrated(run, failed.seq)
        return failed._replace(visit=visit, attempt=attempt, source=named.get(visit, failed.source))

    def visited(self, run: Run) -> dict[str, int]:
        since, named = self._migrated(run)
        latest: dict[str, int] = {}
        rows = self._read("SELECT target, max(visit) FROM transitions WHERE run_id = ? AND seq >= ? GROUP BY target",
                          (run.row, since))  # fmt: skip
        for state, visit in [*((state, visit) for visit, state in named.items()), *rows]:
            latest[state] = max(visit, latest.get(state, 0))
        return latest

    def _migrated(self, run: Run, after: int = 0) -> tuple[int, dict[int, str]]:
        """Return the run's last migration after a seq, and the names that it gave to visits; 0 and none without one."""
        rows = self._read(
            "SELECT seq, detail FROM transitions WHERE run_id = ? AND seq > ? AND event = 'migrate' "
            "ORDER BY seq DESC LIMIT 1",
            (run.row, after),
        )
        if not rows:
            return 0, {}
        ((seq, detail),) = rows
        return seq, {int(visit): state for visit, state in json.loads(detail)["visits"].items()}
