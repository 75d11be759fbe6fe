"""Texts that look like credentials: a definition is shown, stored and sent about, and holds none."""

import re
from collections.abc import Iterator

from fsm.diagnostics import Diagnostic, Span, finding

SHAPES = {
    "an API key": r"\b(?:sk|rk|pk)-(?=[A-Za-z_-]{0,60}[0-9])[A-Za-z0-9_-]{20,}"
    r"|\b[sr]k_live_[A-Za-z0-9]{16,}|\bAIza[\w-]{35}\b",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{22,}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY-----",
    "a bearer token": r"\bBearer +ey[A-Za-z0-9_.-]{10,}|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",
    "a URL with a password": r"\b[a-z][a-z0-9+.-]{1,30}://[^\s/:@\"']{1,100}:(?![${<*%])[^\s/:@\"']{1,100}@",
}
"""Shapes that hardly anything else has: a false alarm here would be an error in a sound file."""

_ANY = re.compile("|".join(f"(?P<_{place}>{shape})" for place, shape in enumerate(SHAPES.values())))
_KINDS = tuple(SHAPES)
_BREAK = re.compile(r"\r\n|\r|\n")


def credentials(text: str, path: str) -> Iterator[Diagnostic]:
    """Yield a finding for each text in the file, comments included, that has the shape of a credential."""
    for number, line in enumerate(_BREAK.split(text), 1):
        for found in _ANY.finditer(line):
            kind = _KINDS[int(str(found.lastgroup)[1:])]
            span = Span(number, found.start() + 1, number, found.end() + 1)
            yield finding(
                "FSM209", f"this looks like {kind}", path, span, "definitions hold no secrets; let the action read it"
            )
