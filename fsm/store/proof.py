"""The hash chain of one run, followed row by row, and the one altered row that explains each break of it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from fsm.store.ledger import TOMBSTONE, link, origin
from fsm.store.stored import StoredArtifact, StoredRow

Digests = list[tuple[str, bytes]]


class Fault(NamedTuple):
    """A row that is not what was committed.

    Attributes:
        table: which one it is a row of.
        seq: which transition of the run; 0 for an input; None for the run itself.
        name: of the artifact.
        said: what is wrong with it.
    """

    table: str
    seq: int | None
    name: str | None
    said: str


class _Suspect(NamedTuple):
    """A row that does not have its hash, and what it would have had."""

    row: StoredRow
    head: bytes
    computed: bytes


class Proof:
    """Follows a run's ledger from its first row to its last.

    Args:
        run_id: whose ledger it is.
        workflows: the digests of the versions that the run may have begun under, the likeliest first.
        inputs: the artifacts of seq 0.
        names: what artifacts of the run may be called.

    Attributes:
        faults: what was found so far, in order; complete after `finish`.
        workflow: the digest of the version that the run began under, as far as its first row tells.
    """

    def __init__(
        self, run_id: str, workflows: Sequence[str], inputs: Sequence[StoredArtifact], names: Collection[str]
    ) -> None:
        self.faults: list[Fault] = []
        self.workflow = workflows[0]
        self._run_id = run_id
        self._names = names
        self._inputs = inputs
        self._heads = [(None, origin(run_id, workflows[0], _digests(inputs)))]
        self._doubted = [(fault, origin(run_id, workflows[0], digests)) for fault, digests in _altered(inputs, names)]
        for other in workflows[1:]:
            fault = Fault("transitions", 1, None, _FOREIGN + other)
            self._doubted.append((fault, origin(run_id, other, _digests(inputs))))
        self._suspects: list[_Suspect] = []
        self._surplus: list[StoredArtifact] = []

    def check(self, row: StoredRow) -> bool:
        """Take the next row in, and return whether its columns are what was committed."""
        found = self._explanation(row)
        if found is None:
            ((_, head), *_) = self._heads
            self._suspects.append(_Suspect(row, head, link(head, row.columns, _digests(row.artifacts))))
        elif found.said.startswith(_FOREIGN):
            self.workflow = found.said.removeprefix(_FOREIGN)
            self.faults.append(found._replace(said="it names another workflow than the run began under"))
        elif found.said:
            self.faults.append(found)
            self._note(found, row)
        self._check_values(row.artifacts)
        # Where this row's own hash was altered, the next row goes on from what it should have been.
        doubted = [(_hash_of(row.seq), self._suspects[-1].computed)] if found is None else []
        self._heads, self._doubted = [(None, row.hash)], doubted
        return found is not None

    def skip(self, row: StoredRow) -> None:
        """Take a row in before which others are missing, so that nobody knows which hash it should have."""
        self._check_values(row.artifacts)
        self._heads, self._doubted = [(None, row.hash)], []

    def stray(self, artifact: StoredArtifact) -> None:
        """Take an artifact in that names no transition of the run."""
        self._surplus.append(artifact)
        self.faults.append(Fault("artifacts", artifact.seq, artifact.name, "it belongs to no transition"))

    def finish(self, head: bytes) -> bool:
        """Conclude at the hash that the run's row names; return whether it is that of the last row."""
        self._check_values(self._inputs)
        ((_, last), *_) = self._heads
        is_hash = bool(self._doubted) and head == self._doubted[0][1]
        for suspect in self._suspects:
            if not self._is_explained(suspect) and not self._has_fault(suspect.row.seq):
                said = "its hash" if is_hash and suspect is self._suspects[-1] else "it, or what it wrote,"
                self.faults.append(Fault("transitions", suspect.row.seq, None, f"{said} is not what was committed"))
        return is_hash or head == last

    def _explanation(self, row: StoredRow) -> Fault | None:
        """Return the alteration that explains a row's hash; _SOUND for none, None where nothing explains it."""
        stored = _digests(row.artifacts)
        ((_, head), *_) = self._heads
        if link(head, row.columns, stored) == row.hash:
            return _SOUND
        for fault, other in self._doubted:
            if link(other, row.columns, stored) == row.hash:
                return fault
        for fault, digests in _altered(row.artifacts, self._names):
            if link(head, row.columns, digests) == row.hash:
                return fault
        return self._swapped(row) if row.seq == 1 else None

    def _swapped(self, row: StoredRow) -> Fault | None:
        """Return the input that lies with what the first row wrote, or the other way round."""
        for here, there, said in (
            (row.artifacts, self._inputs, "it is an input"),
            (self._inputs, row.artifacts, "it belongs to transition 1"),
        ):
            for place, one in enumerate(here):
                left, joined = _digests((*here[:place], *here[place + 1 :])), _digests((*there, one))
                written, inputs = (left, joined) if here is row.artifacts else (joined, left)
                if link(origin(self._run_id, self.workflow, inputs), row.columns, written) == row.hash:
                    return Fault("artifacts", one.seq, one.name, said)
        return None

    def _note(self, fault: Fault, row: StoredRow) -> None:
        surplus = [one for one in (*row.artifacts, *self._inputs) if (one.name, one.seq) == (fault.name, fault.seq)]
        if fault.said == _SURPLUS:
            self._surplus += surplus

    def _is_explained(self, suspect: _Suspect) -> bool:
        """Explain a break by an artifact that lies elsewhere, and say of that one where it belongs."""
        row = suspect.row
        for lost in self._surplus:
            more = (lost.name, lost.digest)
            begun = origin(self._run_id, self.workflow, [*_digests(self._inputs), more]) if row.seq == 1 else None
            if link(suspect.head, row.columns, [*_digests(row.artifacts), more]) == row.hash:
                said = f"it belongs to transition {row.seq}"
            elif begun and link(begun, row.columns, _digests(row.artifacts)) == row.hash:
                said = "it is an input"
            else:
                continue
            self.faults = [fault for fault in self.faults if fault[:3] != ("artifacts", lost.seq, lost.name)]
            self.faults.append(Fault("artifacts", lost.seq, lost.name, said))
            return True
        return False

    def _has_fault(self, seq: int) -> bool:
        return any(fault.table == "transitions" and fault.seq == seq for fault in self.faults)

    def _check_values(self, artifacts: Iterable[StoredArtifact]) -> None:
        told = {fault[:3] for fault in self.faults}
        self.faults += [
            Fault("artifacts", one.seq, one.name, "its value is not what was committed")
            for one in artifacts
            if one.actual is not None and one.actual != one.digest and ("artifacts", one.seq, one.name) not in told
        ]


_SOUND = Fault("", 0, None, "")
_FOREIGN = "foreign "
_SURPLUS = "it does not belong to this transition"


def _hash_of(seq: int) -> Fault:
    return Fault("transitions", seq, None, "its hash is not what was committed")


def _digests(artifacts: Iterable[StoredArtifact]) -> Digests:
    return [(one.name, one.digest) for one in artifacts]


def _altered(artifacts: Sequence[StoredArtifact], names: Collection[str]) -> Iterator[tuple[Fault, Digests]]:
    """Yield each way in which one artifact may have been altered, with the digests that there were before."""
    for place, one in enumerate(artifacts):
        others = _digests((*artifacts[:place], *artifacts[place + 1 :]))

        def fault(said: str, one: StoredArtifact = one) -> Fault:
            return Fault("artifacts", one.seq, one.name, said)

        actual = TOMBSTONE if one.actual is None else one.actual
        if actual != one.digest:
            yield fault("its digest is not what was committed"), [*others, (one.name, actual)]
        yield fault(_SURPLUS), others
        taken = {name for name, _ in others}
        for name in names:
            if name != one.name and name not in taken:
                yield fault(f'it was written as "{name}"'), [*others, (name, one.digest)]
