"""The audit of one run: its ledger row by row, and then its own row."""

from collections.abc import Callable, Iterator, Mapping

from fsm.kernel.fold import Folded, differences, step, unborn
from fsm.kernel.lawful import Behind, objection
from fsm.model.run import Artifact, Transition
from fsm.model.workflow import Workflow
from fsm.store import Store
from fsm.store.ledger import input_digest
from fsm.store.proof import Fault, Proof
from fsm.store.stored import StoredRow, StoredRun

Flows = Callable[[str], Workflow | None]


class LedgerAudit:
    """Follows one run from its first transition to its last.

    Args:
        stored: the run's row, as it was a moment ago.
        flows: gives a workflow by its digest.
        is_law_held: whether to ask of each transition that it was lawful, too.

    Attributes:
        faults: complete once `walk` has ended; none where the run was deleted meanwhile.
    """

    def __init__(self, store: Store, stored: StoredRun, flows: Flows, *, is_law_held: bool = True) -> None:
        self.faults: list[Fault] = []
        self._store = store
        self._stored = stored
        self._flows = flows
        self._is_law_held = is_law_held
        self._folded: Folded = unborn({})
        self._digest = stored.workflow or ""
        self._broken: set[int] = set()
        self._gaps: list[tuple[int, int]] = []
        self._migration: tuple[int, Mapping[int, str]] | None = None
        self._origin: str | None = None
        self._last = 0

    def walk(self) -> Iterator[int]:
        """Yield after every page how many transitions were looked at."""
        rows, loose = self._store.stored_rows(self._stored.row, 0)
        proof = self._proof(rows)
        final: StoredRun | None = self._stored
        while True:
            for artifact in loose:
                proof.stray(artifact)
            for row in rows:
                self._take(proof, row)
            yield len(rows)
            # What was committed since the page was read is read, too: the run's row is compared with its last one.
            final = self._store.stored_run(self._stored.id)
            rows, loose = self._store.stored_rows(self._stored.row, self._last)
            if final is None or not rows:
                break
        if final is not None:
            self._conclude(proof, final)

    def _proof(self, rows: list[StoredRow]) -> Proof:
        named = [rows[0].workflow if rows else None, *(row.workflow for row in rows[1:2]), self._stored.workflow]
        workflows = list(dict.fromkeys(digest for digest in named if digest)) or [""]
        flows = [flow for flow in map(self._flows, workflows) if flow]
        names = frozenset[str]().union(*(flow.artifacts for flow in flows)) | {"error"}
        inputs = self._store.stored_artifacts(self._stored.row, -1, 0)
        return Proof(self._stored.id, workflows, inputs, sorted(names))

    def _take(self, proof: Proof, row: StoredRow) -> None:
        follows = row.seq == self._last + 1
        if not follows:
            self._gaps.append((self._last + 1, row.seq - 1))
            proof.skip(row)
        is_sound = follows and proof.check(row)
        if row.seq == 1:
            self._digest = proof.workflow
        if row.transition is None:
            is_sound = False
            self._fault("transitions", row.seq, "it cannot be read: a column is not the JSON that belongs there")
        else:
            if is_sound:
                self._judge(row, row.transition)
            self._folded = step(self._folded, row.transition, ())
        if not is_sound:  # it may have been a migration, whatever it says now
            self._digest = row.workflow or self._digest
            self._broken.add(row.seq)
        self._last = row.seq

    def _judge(self, row: StoredRow, transition: Transition) -> None:
        """Hold one transition against the law, unless what the law needs to know was altered anyway."""
        flow, is_migration = self._flows(self._digest), transition.event == "migrate"
        digest = (_pinned(transition) or "") if is_migration else self._digest
        if row.workflow != digest:
            self._fault("transitions", row.seq, "it names another workflow than the run was pinned to")
            self._broken.add(row.seq)
        is_doubted = row.seq - 1 in self._broken
        if transition.of_seq is not None and row.seq > 1:
            is_doubted = any(transition.of_seq - 1 <= seq < row.seq for seq in self._broken)
        if self._is_law_held and flow and not is_doubted:
            after = self._flows(digest) if is_migration else None
            said = objection(flow, self._folded, transition, self._behind(transition), after)
            if said and not (transition.event == "fork" and self._is_origin_altered()):
                self._fault("transitions", row.seq, said)
        self._digest = digest
        if is_migration:
            self._migration = (row.seq, _renamed(transition))

    def _behind(self, transition: Transition) -> Behind | None:
        """Return the row that an operator move goes back to, as far as there is one."""
        of_seq, run = transition.of_seq, self._stored.row
        if of_seq is None:
            return None
        if transition.event == "fork":
            self._origin = str((transition.detail or {}).get("run"))
            origin = self._store.stored_run(self._origin)
            if origin is None:
                return None
            run = origin.row
        elif of_seq >= transition.seq:
            return None
        rows, _ = self._store.stored_rows(run, of_seq - 2, 2)
        found = {row.seq: row for row in rows if row.transition}
        if of_seq not in found:
            return None
        named, before = found[of_seq].transition, found.get(of_seq - 1)
        assert named
        left = before.transition.visit if before and before.transition else 0
        renamed = self._migration[1] if self._migration and self._migration[0] > of_seq else None
        return Behind(named, found[of_seq].workflow or "", left, renamed)

    def _is_origin_altered(self) -> bool:
        """Return whether the ledger that a fork branched off was altered, so that the fork is not to blame."""
        origin = self._store.stored_run(self._origin or "")
        if origin is None:
            return False
        audit = LedgerAudit(self._store, origin, self._flows, is_law_held=False)
        for _ in audit.walk():
            pass
        return bool(audit.faults)

    def _conclude(self, proof: Proof, final: StoredRun) -> None:
        for stray in self._store.strays(final.row):
            if stray.name is None:
                where = "before the run's first transition" if stray.seq < 1 else f"beyond the run's last, {final.seq}"
                self._fault("transitions", stray.seq, f"it lies {where}")
                continue
            for artifact in self._store.stored_artifacts(final.row, stray.seq - 1, stray.seq, stray.name):
                proof.stray(artifact)
        if final.seq > self._last:
            self._gaps.append((self._last + 1, final.seq))
        for first, last in self._gaps:
            if first <= final.seq:
                many = f"; so is what follows up to {min(last, final.seq)}" if min(last, final.seq) > first else ""
                self._fault("transitions", first, f"it is missing{many}")
        is_head = proof.finish(final.head)
        known = {fault[:3] for fault in self.faults}
        self.faults += [fault for fault in proof.faults if fault[:3] not in known]
        if not self.faults:
            self._compare(final, is_head=is_head)
        self.faults.sort(key=lambda fault: (-1 if fault.seq is None else fault.seq, fault.table))

    def _compare(self, final: StoredRun, *, is_head: bool) -> None:
        """Compare the run's row with what its ledger makes of it."""
        run, folded = final.run, self._folded
        if run is None:
            self._fault("runs", None, "it cannot be read: a column is not the JSON that belongs there")
            return
        left = run._replace(output=folded.output, reason=folded.reason)
        told = [(one.field, one.ledger, one.row) for one in differences(folded, left, {}) if one.field != "head"]
        if not is_head:
            told.append(("head", folded.head, final.head))
        if final.workflow != self._digest:
            told.append(("workflow", self._digest, final.workflow))
        if run.forked_from != self._origin:
            told.append(("forked_from", self._origin, run.forked_from))
        for name, ledger, row in told:
            self._fault("runs", None, f"its {name} is {_shown(row)}; its ledger says {_shown(ledger)}")
        inputs = self._store.inputs(run)
        given = self._store.stored_artifacts(final.row, -1, 0)
        if len(inputs) == len(given) and final.inputs != input_digest(_artifacts(inputs)):
            self._fault("runs", None, "its input_digest is not that of its inputs")

    def _fault(self, table: str, seq: int | None, said: str) -> None:
        if not any((fault.table, fault.seq) == (table, seq) for fault in self.faults if table != "runs"):
            self.faults.append(Fault(table, seq, None, said))


def _pinned(transition: Transition) -> str | None:
    """Return the digest that a migration says it pinned its run to."""
    to = (transition.detail or {}).get("to")
    return str(to.get("digest")) if isinstance(to, Mapping) else None


def _renamed(transition: Transition) -> dict[int, str]:
    visits = (transition.detail or {}).get("visits")
    if not isinstance(visits, Mapping):
        return {}
    return {int(visit): str(state) for visit, state in visits.items() if str(visit).isdecimal()}


def _artifacts(texts: Mapping[str, str]) -> list[Artifact]:
    return [Artifact(name, text) for name, text in texts.items()]


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else repr(value)
