"""The digest of a definition: the same for every way to write the same thing, another for everything else."""

import hashlib
import json
from typing import Any

from fsm.model.definition import LANGUAGE, Definition

_SILENT: Any = {
    "description": True,
    "input": {"__all__": {"description"}},
    "states": {"__all__": {"description"}},
}
"""What changes nothing in how a run behaves."""


def digest(definition: Definition) -> str:
    """Return the SHA-256 of a definition's content in hex.

    Comments, descriptions, the order of keys and states, and short against long forms do not change it; what
    `defaults` would supply is not in it. The order of error clauses, rules and policies does change it.
    """
    content = definition.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=_SILENT)
    return hashlib.sha256(_canonical({"language": LANGUAGE, "definition": content})).hexdigest()


def _canonical(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
