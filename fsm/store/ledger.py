"""The hash chain: each ledger row's hash covers the row, the artifacts it wrote, and the hash before it.

Artifacts enter by their digests, so that a pruned value leaves the chain whole. Computed before the transaction
that writes the row. It shows tampering to whoever kept a head; it does not stop the owner of the file.
"""

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256

from fsm.model.run import Artifact

TOMBSTONE = sha256(b"").digest()
"""The digest of a name that was taken back: that of no text, which is no JSON, so that no value has it."""


def digest_of(value: str | None) -> bytes:
    """Return the SHA-256 of a JSON text; of None, which takes a name back, that of no text."""
    return TOMBSTONE if value is None else sha256(value.encode("utf-8")).digest()


def genesis(run_id: str, workflow_digest: str, inputs: Iterable[Artifact]) -> bytes:
    """Return the head of a run before its first transition: who it is and what it was given."""
    return origin(run_id, workflow_digest, [(name, digest_of(value)) for name, value in inputs])


def origin(run_id: str, workflow_digest: str, inputs: Iterable[tuple[str, bytes]]) -> bytes:
    """Return `genesis`, from the digests of the inputs."""
    parts = [run_id, workflow_digest, *(f"{name}={digest.hex()}" for name, digest in sorted(inputs))]
    return sha256("\n".join(parts).encode()).digest()


def input_digest(inputs: Iterable[Artifact]) -> bytes:
    """Return a digest of all inputs, to tell whether a key came with other ones."""
    return sha256(json.dumps(sorted(inputs)).encode()).digest()


def link(head: bytes, columns: Sequence[str | int | None], artifacts: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the hash of a ledger row.

    Args:
        head: the hash of the row before it.
        columns: the row as it is stored, from `seq` on, without its hash; JSON columns as their text.
        artifacts: name and digest of each that the row wrote, in any order.
    """
    # ascii() of numbers, text and None is the same in every version of Python, and far quicker than JSON.
    return sha256(head + ascii((*columns, *sorted(artifacts))).encode()).digest()
