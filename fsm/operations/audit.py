"""Audit: every ledger against its hashes, its edges against the law, and every run against its ledger."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fsm.engine.engine import Engine
from fsm.errors import DefinitionError, NotFound, UsageError
from fsm.model.workflow import Workflow
from fsm.operations.ledgers import LedgerAudit
from fsm.store.stored import StoredRun

PAGE_RUNS = 200


class Altered(NamedTuple):
    """A row that is not what was committed, or not lawful.

    Attributes:
        run: the run's id; None for a row of no run.
        table: `transitions`, `artifacts`, `runs`, `workflows` or `edges`.
        seq: which transition; 0 for an input; None for a row that belongs to none.
        name: of the artifact, or the digest of the workflow.
        said: what is wrong with it.
    """

    run: str | None
    table: str
    seq: int | None
    name: str | None
    said: str


@dataclass
class Audited:
    """What was looked at so far, and what was found."""

    runs: int = 0
    transitions: int = 0
    altered: list[Altered] = field(default_factory=list)


def audit(
    engine: Engine, run_id: str | None = None, *, watch: Callable[[Audited], object] | None = None
) -> Audited:  # fmt: skip
    """Verify that the store holds what was committed to it, row by row, and name each row that was altered.

    For each run: its hash chain from the first transition on; its values against their digests; that no transition is
    missing; that each is a declared edge or a lawful move; that the run's row is what its ledger makes of it. For the
    whole store also its workflows and edges, and rows that belong to no run. It reads a page at a time and holds
    nobody up. A value that was pruned is passed over. Somebody who recomputes every hash up to the last one is found
    only by comparing that with one that was noted elsewhere.

    Args:
        run_id: only this run, and the workflows that it went through.
        watch: called with what was done so far, time and again.

    Raises:
        NotFound: there is no such run.
    """
    books = Books(engine, watch)
    if run_id is not None:
        stored = engine.store.stored_run(run_id) or engine.store.stored_run(engine.get(run_id).id)
        if stored is None:
            raise NotFound(f'no run "{run_id}"; `fsm ls` lists those there are')
        books.run(stored)
        return books.done
    for name in engine.store.names():
        for digest in engine.store.versions(name).values():
            books.flow(digest)
    for stored in _all(engine):
        books.run(stored)
    for stray in engine.store.orphans():
        said = f"it is of a run that is not there, of row {stray.run}"
        books.done.altered.append(Altered(None, stray.table, stray.seq, stray.name, said))
    return books.done


def _all(engine: Engine) -> Iterator[StoredRun]:
    after = 0
    while page := engine.store.stored_runs(after, PAGE_RUNS):
        yield from page
        after = page[-1].row


class Books:
    """An audit while it lasts: what was found, and the workflows that were looked at."""

    def __init__(self, engine: Engine, watch: Callable[[Audited], object] | None) -> None:
        self.engine = engine
        self.done = Audited()
        self._watch = watch
        self._flows: dict[str, Workflow | None] = {}

    def run(self, stored: StoredRun) -> None:
        """Audit one run."""
        ledger = LedgerAudit(self.engine.store, stored, self.flow)
        for transitions in ledger.walk():
            self.done.transitions += transitions
            self._tell()
        self.done.runs += 1
        self.done.altered += [Altered(stored.id, *fault) for fault in ledger.faults]
        self._tell()

    def flow(self, digest: str) -> Workflow | None:
        """Return a workflow, audited when it is first asked for; None where it cannot be had."""
        if digest not in self._flows:
            try:
                flow = self._flows[digest] = self.engine.library.pinned(self.engine.store, digest)
            except (DefinitionError, UsageError) as error:
                self._flows[digest] = None
                said = f"its text is not that of its digest: {error}".partition("\n")[0]
                self.done.altered.append(Altered(None, "workflows", None, digest, said))
            else:
                self._edges(flow)
        return self._flows[digest]

    def _edges(self, flow: Workflow) -> None:
        stored, declared = self.engine.store.edges(flow.digest), set(flow.edges)
        for edge in sorted(stored ^ declared, key=str):
            source, event, target, ends = edge
            said = f'the edge from "{source}" by "{event}" to "{target}"{f", {ends}," if ends else ""} is '
            said += "not declared" if edge in stored else "missing"
            self.done.altered.append(Altered(None, "edges", None, flow.digest, said))

    def _tell(self) -> None:
        if self._watch:
            self._watch(self.done)
