"""Rows as they are stored, for whoever doubts them: nothing in them is taken for what it should be."""

from typing import Any, NamedTuple

from fsm.model.run import Run, Transition


class StoredArtifact(NamedTuple):
    """A row of the artifacts.

    Attributes:
        digest: as it is stored.
        actual: the digest of the value that is stored; None where there is no value.
    """

    name: str
    seq: int
    digest: bytes
    actual: bytes | None


class StoredRow(NamedTuple):
    """A row of the ledger with the artifacts that name it.

    Attributes:
        seq: which transition of its run.
        columns: from `seq` on, as its hash covers them, without the hash.
        hash: as it is stored.
        workflow: the digest of the workflow that it names; None where there is no such workflow.
        transition: what it says; None where it cannot be read.
    """

    seq: int
    columns: tuple[Any, ...]
    hash: bytes
    workflow: str | None
    transition: Transition | None
    artifacts: tuple[StoredArtifact, ...]


class StoredRun(NamedTuple):
    """A row of the runs.

    Attributes:
        row: the store's own number for it.
        seq, head: the last transition that it names, and the hash of that.
        inputs: the digest of what the run was started with.
        workflow: the digest of the workflow that it names; None where there is no such workflow.
        run: what it says, but for what an ended run leaves behind; None where it cannot be read.
    """

    row: int
    id: str
    seq: int
    head: bytes
    inputs: bytes
    workflow: str | None
    run: Run | None


class Stray(NamedTuple):
    """A row that belongs to no transition: of which table, of which run (by its row), with which seq."""

    table: str
    run: int
    seq: int
    name: str | None
