"""What the look at a whole store finds."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from fsm.model.reason import Cure

Severity = Literal["fault", "note"]


class Kind(NamedTuple):
    """What may be found: how bad it is, what it says, and what to do about it."""

    severity: Severity
    what: str
    cure: str


_RESTORE = "keep a copy of the file, and restore a backup"

_AUDIT = f"`fsm audit RUN` tells which row was altered; {_RESTORE}"

KINDS: Mapping[str, Kind] = {
    "file-damaged": Kind("fault", "SQLite finds the file damaged", f"end all that use it; {_RESTORE}"),
    "reference-broken": Kind("fault", "a row refers to one that is not there", _RESTORE),
    "schema-differs": Kind(
        "fault", "a table, index or trigger is not that of this version", f"nothing may alter the schema; {_RESTORE}"
    ),
    "setting-differs": Kind(
        "fault", "the file is not set as it has to be", "end what changed it, and open the store with fsm once"
    ),
    "edges-differ": Kind("fault", "the edges of a workflow are not those of its definition", _RESTORE),
    "definition-unread": Kind(
        "fault",
        "live runs need a definition that this version cannot read",
        "drive them with the version of fsm that stored it, or migrate them",
    ),
    "ledger-differs": Kind("fault", "a run is not where its ledger says", _AUDIT),
    "ledger-gap": Kind("fault", "rows of a ledger are missing, or there are too many", _AUDIT),
    "value-astray": Kind("fault", "a value, signal or checkpoint names a transition that is not there", _RESTORE),
    "altered": Kind("fault", "a row is not what was committed", _RESTORE),
    "no-reason": Kind("fault", "nothing will ever wake a live run", "cancel it, and report how it came there"),
    "signal-unseen": Kind(
        "fault", "a run waits for a signal that lies in its inbox", "pause and unpause its state, and report it"
    ),
    "orphan": Kind(
        "fault",
        "rows are there without their run",
        f"nothing reads them; if somebody deleted the run by hand, {_RESTORE}",
    ),
    "left-behind": Kind(
        "note", "a dead or stopped process holds runs", "nothing to do: the next `fsm resume` or worker takes them over"
    ),
    "crashing": Kind(
        "note",
        "runs crashed their process more than once",
        "workers drive them alone; look at the action, or raise its memory",
    ),
    "signal-idle": Kind("note", "a signal came that no state ahead will take", "nothing to do; it goes with its run"),
    "waits-long": Kind(
        "note",
        "runs wait for weeks, and have no deadline",
        "send the signal, answer, or cancel; give the state a `deadline`",
    ),
    "pause-long": Kind("note", "something is paused for more than a week", "`fsm unpause`, if it was forgotten"),
    "clock-back": Kind(
        "note", "a run moved at an instant that has not come", "set the clock right: waits and deadlines follow it"
    ),
    "remains": Kind("note", "parts of deleted runs are still there", "`fsm prune` deletes them"),
    "log-large": Kind(
        "note", "the write-ahead log is large", "end what reads from the store for long, or left a transaction open"
    ),
}
"""Everything that may be found, faults first."""


class Finding(NamedTuple):
    """One thing that was found.

    Attributes:
        kind: of KINDS.
        message: what exactly.
        run_id: the run that it is about, or the first of several; None for none.
        cures: commands that mend it.
    """

    kind: str
    message: str
    run_id: str | None = None
    cures: tuple[Cure, ...] = ()

    @property
    def is_fault(self) -> bool:
        """Whether something is wrong; else it is only worth knowing."""
        return KINDS[self.kind].severity == "fault"


class Group(NamedTuple):
    """Runs of one workflow and state that have something in common.

    Attributes:
        runs: how many.
        since: the earliest instant that counts.
        run_id: one of them, for example.
        signal: the name of the one that came to them.
    """

    kind: str
    workflow: str
    state: str
    runs: int
    since: int
    run_id: str
    signal: str = ""


class Inbox(NamedTuple):
    """Signals of one name in the inboxes of runs of one version and state, that nobody has taken.

    Attributes:
        awaited: whether the run waits for it right now, nobody pauses it, and it is not due.
        actors: how many distinct ones sent it, where it is about one run.
    """

    digest: str
    state: str
    name: str
    is_final: bool
    awaited: bool
    signals: int
    actors: int
    run_id: str


class Examined(NamedTuple):
    """What was found in one part of a store.

    Attributes:
        after: where the next part begins; None after the last.
        runs: how many were looked at.
        groups: what is common to several runs, to be added up.
        inboxes: signals to be judged by the definitions.
    """

    after: int | None
    runs: int
    findings: tuple[Finding, ...] = ()
    groups: tuple[Group, ...] = ()
    inboxes: tuple[Inbox, ...] = ()
