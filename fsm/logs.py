"""What the engine tells the standard library's logging: which records, and a formatter that writes them as JSON.

Every record about a run carries `run`, `run_key`, `workflow`, `version`, `state`, `visit` and `attempt`; those of an
action's `ctx.log` carry `key`, the idempotency key, too. Loggers: `fsm.run` for transitions, `fsm.action` for what
actions log, `fsm.worker` for the worker.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from fsm.model.run import Run, Transition

_LOG = logging.getLogger("fsm.run")
_LOG.addHandler(logging.NullHandler())  # who configures no logging is not told of every retry on stderr
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def about(run: Run) -> dict[str, Any]:
    """Return what a record about a run carries, for `extra`."""
    return {"run": run.id, "run_key": run.key, "workflow": run.workflow, "version": run.version, "state": run.state,
            "visit": run.visit, "attempt": run.attempt}  # fmt: skip


def log_transition(run: Run, row: Transition) -> None:
    """Log a committed transition: retries as warnings, dead ends as errors, starts and ends as news, the rest as debug.

    Args:
        run: as it stands after it.
    """
    level = _level(row)
    if not _LOG.isEnabledFor(level):
        return
    why = f" after {row.detail['class']}: {row.detail['message']}" if row.detail and "class" in row.detail else ""
    where = row.target if row.target == row.source else f"{row.source or '-'} -> {row.target}"
    _LOG.log(level, "%s@%d %s: %s, %s, seq %d, %s%s", run.workflow, run.version, run.id, row.event, where, row.seq,
             row.status, why, extra={**about(run), "event": row.event, "source": row.source, "status": row.status,
                                     "seq": row.seq, "actor": row.actor})  # fmt: skip


def _level(row: Transition) -> int:
    if row.status == "dead":
        return logging.ERROR
    if row.event.startswith("retry:") or row.status == "failed":
        return logging.WARNING
    return logging.INFO if row.event == "start" or row.status in ("succeeded", "cancelled") else logging.DEBUG


def log_crash(run: Run) -> None:
    """Log that a run was taken over from a process that died, or fell silent, while it drove it."""
    _LOG.error('%s@%d %s: its process died in "%s"; crash %d of this visit', run.workflow, run.version,
                 run.id, run.state, run.crashes, extra={**about(run), "crashes": run.crashes})  # fmt: skip


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object on one line.

    `at` is RFC 3339 in UTC with milliseconds; `level`, `logger` and `message` follow, then whatever the record carries,
    then `traceback` where there is one. What is no JSON is written as its text.
    """

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        found = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        found |= {name: value for name, value in vars(record).items() if name not in _STANDARD and value is not None}
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)
        return json.dumps(found, ensure_ascii=False, default=str)
