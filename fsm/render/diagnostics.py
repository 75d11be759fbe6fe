"""Diagnostics as text: with the line they are about, in one line each, or as JSON."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from fsm.diagnostics import CATALOGUE, Diagnostic, Severity, Span
from fsm.render.terminal import cut, masked, paint, safe, width

_BREAK = re.compile(r"\r\n|\r|\n")
_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
_PLURALS = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.NOTE: "notes"}
_GUTTER = "34"
_SHOWN_OF_CREDENTIAL = 4


def full(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str], *, colour: bool = False) -> str:
    """Return each diagnostic with its line of the file, a caret under the place, and the hint beside it.

    Args:
        diagnostics: in the order to show them.
        texts: the files by the path that the diagnostics name; one that is not there is not quoted.
        colour: whether to use ANSI colours.
    """
    known = list(diagnostics)
    margin = max((len(str(found.span.line)) for found in known if found.span), default=1)
    lines = {path: _BREAK.split(text) for path, text in texts.items()}
    _hide_credentials(known, lines)
    return "\n\n".join(_full(found, lines.get(found.path, []), margin, colour=colour) for found in known)


def concise(diagnostics: Iterable[Diagnostic]) -> str:
    """Return each diagnostic in one line."""
    return "\n".join(safe(str(found)) for found in diagnostics)


def as_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Return the diagnostics as a JSON list of objects, all with the same keys."""
    return json.dumps([fields(found) for found in diagnostics], indent=2)


def summary(diagnostics: Iterable[Diagnostic], files: int) -> str:
    """Return the closing line, such as `2 errors, 1 warning in 3 files`.

    Args:
        diagnostics: all that were found.
        files: how many files were looked at, 0 <= files.
    """
    severities = [found.severity for found in diagnostics]
    counts = [
        f"{count} {severity if count == 1 else _PLURALS[severity]}"
        for severity in Severity
        if (count := severities.count(severity))
    ]
    return f"{', '.join(counts) or 'no findings'} in {files} file{'' if files == 1 else 's'}"


def fields(found: Diagnostic) -> dict[str, object]:
    """Return a diagnostic as JSON."""
    span = found.span
    return {
        "code": found.code,
        "severity": found.severity.value,
        "title": CATALOGUE[found.code][1] if found.code in CATALOGUE else None,
        "message": found.message,
        "hint": found.hint,
        "path": found.path,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
    }


def _full(found: Diagnostic, lines: Sequence[str], margin: int, *, colour: bool) -> str:
    tint = _COLOURS[found.severity]
    place = f"{found.path}:{found.span.line}:{found.span.column}" if found.span else found.path
    label = paint(f"{found.severity}[{found.code}]", f"1;{tint}", on=colour)
    header = f"{paint(safe(place), '1', on=colour)}: {label}: {safe(found.message)}"
    if found.span is None or not 0 < found.span.line <= len(lines):
        bar = paint(f"{' ' * margin} =", _GUTTER, on=colour)
        return f"{header}\n{bar} {safe(found.hint)}" if found.hint else header
    before, marked, after = _split(found, lines[found.span.line - 1])
    carets = paint("^" * max(width(marked), 1) + (f" {safe(found.hint)}" if found.hint else ""), tint, on=colour)
    bar = paint(f"{' ' * margin} |", _GUTTER, on=colour)
    numbered = paint(f"{found.span.line:>{margin}} |", _GUTTER, on=colour)
    quoted = f"{numbered} {before}{marked}{after}".rstrip()
    return f"{header}\n{bar}\n{quoted}\n{bar} {' ' * width(before)}{carets}"


def _hide_credentials(diagnostics: Iterable[Diagnostic], lines: Mapping[str, list[str]]) -> None:
    """Mask what looks like a credential, whatever its line is quoted for: what is shown ends up in logs."""
    for found in diagnostics:
        text = lines.get(found.path, [])
        if found.code == "FSM209" and found.span and 0 < found.span.line <= len(text):
            line = text[found.span.line - 1]
            begin, end = _columns(found.span, line)
            hidden = masked(line[begin:end], _SHOWN_OF_CREDENTIAL)
            text[found.span.line - 1] = f"{line[:begin]}{hidden}{line[end:]}"


def _split(found: Diagnostic, line: str) -> tuple[str, str, str]:
    """Return what stands before, at and behind the place, as it is shown."""
    assert found.span is not None
    begin, end = _columns(found.span, line)
    return cut(safe(line[:begin]), safe(line[begin:end]), safe(line[end:]))


def _columns(span: Span, line: str) -> tuple[int, int]:
    """Return the characters of the first line that a span covers; of several lines it covers the rest of one."""
    begin = min(span.column - 1, len(line))
    if span.end_line == span.line:
        return begin, max(min(span.end_column - 1, len(line)), begin)
    return begin, max(len(line.rstrip()), begin)
