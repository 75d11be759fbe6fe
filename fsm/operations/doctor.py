"""Doctor: prove over a whole store that it is sound, and that every live run has a reason to wake."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fsm.engine.engine import Engine
from fsm.errors import DefinitionError, StoreBusy, StoreError, UsageError
from fsm.kernel.why import unpause_words
from fsm.model.definition import SignalState
from fsm.model.finding import KINDS, Finding, Group, Inbox
from fsm.model.reason import Cure
from fsm.model.workflow import Workflow
from fsm.operations.audit import audit
from fsm.render.instants import utc

FINDINGS_MAX = 100
"""How many findings of one kind are kept; all are counted."""

_PAUSE_LONG_MS = 7 * 86_400_000

Watch = Callable[[str, int, int], object]
"""Told what is looked at now, and how many runs of how many were."""


@dataclass
class Diagnosis:
    """What was found in a store.

    Attributes:
        findings: faults first; of each kind at most as many as were asked for.
        counts: how many there are of each kind.
        runs: how many were looked at.
    """

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    runs: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong; notes are no faults."""
        return not any(KINDS[kind].severity == "fault" for kind in self.counts)

    def add(self, finding: Finding, limit: int) -> None:
        """Take in a finding; it is kept while there are fewer than `limit` of its kind."""
        self.counts[finding.kind] += 1
        if self.counts[finding.kind] <= limit:
            self.findings.append(finding)


def doctor(
    engine: Engine, *, deep: bool = False, limit: int = FINDINGS_MAX, watch: Watch | None = None
) -> Diagnosis:  # fmt: skip
    """Look at a whole store, and repair nothing.

    The file is whole and its schema that of this version; the law's edges are those of the stored definitions; every
    run agrees with its ledger, which has no gaps; what belongs to runs is there, and their runs are; every live run
    has a reason to wake. Whether anything was altered on purpose the hash chains tell, which are verified where `deep`
    asks for it: every row of every ledger is read then.

    Read in short pieces, each as of one moment, so that nobody is held up.

    Args:
        deep: whether to verify the hash chains, too, as `audit` does.
        limit: how many findings of each kind are kept, from 1.
        watch: called before each piece.
    """
    found = Diagnosis()
    look = watch or (lambda *_: None)
    for finding in _findings(engine, found, look):
        found.add(finding, limit)
    for finding in _altered(engine, found.runs, look) if deep else ():
        found.add(finding, limit)
    order = list(KINDS)
    found.findings.sort(key=lambda finding: order.index(finding.kind))
    return found


def _findings(engine: Engine, found: Diagnosis, watch: Watch) -> Iterator[Finding]:
    try:
        for what, findings in engine.store.examine_file():
            watch(what, 0, 0)
            yield from findings
        flows: dict[str, Workflow] = {}
        yield from _definitions(engine, flows)
        yield from _pauses(engine)
        yield from _runs(engine, flows, found, watch)
    except StoreBusy:
        raise
    except StoreError as error:
        yield Finding("file-damaged", str(error))


def _altered(engine: Engine, runs: int, watch: Watch) -> Iterator[Finding]:
    """Yield what the hash chains tell; what belongs to no run was looked at before."""
    done = audit(engine, watch=lambda so_far: watch("hash chains", so_far.runs, runs))
    for row in done.altered:
        if row.run is not None:
            seq = "" if row.seq is None else f" {row.seq}"
            name = "" if row.name is None else f" {row.name}"
            yield Finding("altered", f"{row.table}{seq}{name}: {row.said}", row.run)


def _definitions(engine: Engine, flows: dict[str, Workflow]) -> Iterator[Finding]:
    for digest, name, version, live in engine.store.workflows_stored():
        try:
            flow = flows[digest] = engine.library.pinned(engine.store, digest)
        except (DefinitionError, UsageError) as fault:
            if live:
                said = " ".join(str(fault).split())
                yield Finding("definition-unread", f'version {version} of "{name}", which {live} runs need: {said}')
            continue
        there, wanted = engine.store.edges(digest), set(flow.edges)
        if there != wanted:
            edges = (f"{edge.source or 'start'} {edge.event} {edge.target}" for edge in there ^ wanted)
            said = ", ".join(sorted(edges))
            yield Finding("edges-differ", f'version {version} of "{name}": {said}')


def _pauses(engine: Engine) -> Iterator[Finding]:
    for pause in engine.store.pauses():
        if pause.at < engine.clock.now() - _PAUSE_LONG_MS:
            by = f" by {pause.actor}" if pause.actor else ""
            cure = Cure("ends it", (unpause_words(pause),))
            yield Finding("pause-long", f"{pause.subject} is paused{by} since {utc(pause.at)}", None, (cure,))


def _runs(engine: Engine, flows: dict[str, Workflow], found: Diagnosis, watch: Watch) -> Iterator[Finding]:
    last, after = engine.store.last_row(), 0
    groups: dict[tuple[str, ...], Group] = {}
    while True:
        watch("runs", found.runs, last)
        part = engine.store.examine(after, engine.clock.now())
        found.runs += part.runs
        yield from part.findings
        for inbox in part.inboxes:
            flow = flows.get(inbox.digest)
            if flow and _is_unseen(flow, inbox):
                yield _unseen(flow, inbox)
            elif flow and not _may_come(flow, inbox):
                _gather(groups, Group("signal-idle", flow.name, inbox.state, 1, 0, inbox.run_id, inbox.name))
        for group in part.groups:
            _gather(groups, group)
        if part.after is None:
            break
        after = part.after
    for group in groups.values():
        yield _told(group)


def _gather(groups: dict[tuple[str, ...], Group], group: Group) -> None:
    """Add a group to what is known of its kind, workflow and state."""
    key = group.kind, group.workflow, group.state, group.signal
    known = groups.get(key)
    if known is not None:
        first = min(known, group, key=lambda one: one.since)
        group = first._replace(runs=known.runs + group.runs)
    groups[key] = group


def _is_unseen(flow: Workflow, inbox: Inbox) -> bool:
    """Return whether the run waits for this signal, and enough of it has come."""
    state = flow.states.get(inbox.state)
    if not inbox.awaited or not isinstance(state, SignalState) or inbox.name not in state.signal:
        return False
    count = state.signal[inbox.name].count
    return (inbox.signals if count == 1 else inbox.actors) >= count


def _unseen(flow: Workflow, inbox: Inbox) -> Finding:
    state = ("--workflow", flow.name, "--state", inbox.state)
    look = Cure("makes it look", (("pause", *state), ("unpause", *state)))
    said = f'it waits for signal "{inbox.name}", which lies in its inbox, and nothing makes it look'
    return Finding("signal-unseen", said, inbox.run_id, (look,))


def _may_come(flow: Workflow, inbox: Inbox) -> bool:
    """Return whether the run's state, or one ahead, takes such a signal."""
    if inbox.is_final or inbox.state not in flow.states:
        return False
    states = (flow.states[name] for name in {inbox.state, *flow.ahead[inbox.state]})
    return any(isinstance(state, SignalState) and inbox.name in state.signal for state in states)


def _told(group: Group) -> Finding:
    runs = f"{group.runs} run{'' if group.runs == 1 else 's'}"
    where = f'of "{group.workflow}" in "{group.state}"'
    since = f"the first since {utc(group.since)}"
    said = {
        "left-behind": f"{runs} held by {group.workflow}, {since}",
        "waits-long": f"{runs} {where}, {since}",
        "crashing": f"{runs} {where}",
        "clock-back": f"{runs} {where}; the first moved at {utc(group.since)}",
        "signal-idle": f'{runs} {where} got signal "{group.signal}", and nothing ahead of them takes it',
    }[group.kind]
    return Finding(group.kind, said, group.run_id)
