"""What the checker found: a stable code, a severity, a place, and a cure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class Severity(StrEnum):
    """How grave a finding is. Errors make a definition unsound; warnings and notes do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a text: one-based line and column, end column exclusive, counted in characters."""

    line: int
    column: int
    end_line: int
    end_column: int

    @classmethod
    def at(cls, line: int, column: int, width: int = 1) -> "Span":
        return cls(line, column, line, column + max(width, 1))


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Args:
        code: stable, "FSM" and three digits; never reused.
        severity: from the catalogue of codes, unless configured otherwise.
        message: what was found, in one sentence without a full stop.
        path: the file as the caller named it.
        span: the place; None when the file as a whole is meant.
        hint: the cure, shown beside the caret.
    """

    code: str
    severity: Severity
    message: str
    path: str
    span: Span | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.path}:{self.span.line}:{self.span.column}" if self.span else self.path
        cure = f" ({self.hint})" if self.hint else ""
        return f"{place}: {self.severity}[{self.code}]: {self.message}{cure}"

    @property
    def sort_key(self) -> tuple[str, Span, str, str]:
        """Order by place, then code, so that output is deterministic."""
        return (self.path, self.span or Span(0, 0, 0, 0), self.code, self.message)


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

CATALOGUE: Mapping[str, tuple[Severity, str]] = {
    # what is looked at
    "FSM001": (_E, "file cannot be read, or actions cannot be imported"),
    # text
    "FSM100": (_E, "not YAML"),
    "FSM101": (_E, "tab in the indentation"),
    "FSM102": (_E, "key repeated"),
    "FSM103": (_E, "not UTF-8, or a control character"),
    "FSM104": (_E, "number where text is meant"),
    "FSM105": (_E, "anchor, alias or merge key"),
    "FSM106": (_E, "too large, too deep or too many nodes"),
    "FSM107": (_E, "tag"),
    "FSM108": (_E, "several documents, or a directive"),
    "FSM109": (_E, "key is not text"),
    "FSM110": (_E, "file is empty"),
    "FSM111": (_E, "number that cannot be stored"),
    # shape
    "FSM201": (_E, "unknown key"),
    "FSM202": (_E, "key missing"),
    "FSM203": (_E, "not exactly one verb"),
    "FSM204": (_E, "not a duration"),
    "FSM205": (_E, "not an identifier"),
    "FSM206": (_E, "key that an end state excludes"),
    "FSM207": (_E, "number out of range"),
    "FSM208": (_E, "expression does not parse"),
    "FSM209": (_E, "looks like a credential"),
    "FSM210": (_E, "wrong kind of value"),
    "FSM211": (_E, "unknown type"),
    "FSM212": (_E, "part of the language that this version does not support yet"),
    # graph
    "FSM301": (_E, "no such state"),
    "FSM302": (_E, "cannot be reached from start"),
    "FSM303": (_E, "no way out"),
    "FSM304": (_E, "no path to any end"),
    "FSM305": (_E, "no end state"),
    "FSM306": (_E, "unbounded cycle"),
    "FSM307": (_E, "edge leaves an end state"),
    "FSM308": (_E, "switch lacks else"),
    "FSM309": (_E, "rule can never match"),
    "FSM310": (_W, "condition is constant"),
    "FSM311": (_W, "only failure ends can be reached"),
    "FSM313": (_N, "reached only through error edges"),
    # errors and retries
    "FSM401": (_E, "no error edge"),
    "FSM402": (_E, "error clause can never match"),
    "FSM403": (_E, "error class listed twice"),
    "FSM404": (_E, "else is not last"),
    "FSM405": (_E, "unknown error class"),
    "FSM406": (_N, "declared error reaches only else"),
    "FSM407": (_W, "error both retried and routed"),
    "FSM408": (_E, "retry on an action declared idempotent: false"),
    "FSM409": (_N, "idempotence undeclared"),
    "FSM410": (_E, "retries outlast the deadline"),
    "FSM411": (_E, "cancel cannot be caught"),
    "FSM412": (_E, "no retry edge"),
    "FSM413": (_E, "unlimited attempts without a deadline"),
    "FSM414": (_E, "idempotent: false without a probe or ask"),
    "FSM415": (_E, "no such retry policy"),
    "FSM416": (_E, "declared error named like a built-in one"),
    "FSM417": (_E, "error that cannot be retried"),
    # time and bounds
    "FSM501": (_E, "heartbeat is not below timeout"),
    "FSM502": (_W, "no timeout"),
    "FSM503": (_W, "signal without a deadline"),
    "FSM504": (_E, "timeout exceeds a limit"),
    "FSM505": (_W, "worst case exceeds a limit"),
    "FSM506": (_E, "worst case is unbounded"),
    "FSM507": (_E, "max_delay is below delay"),
    "FSM508": (_E, "wait is beyond its deadline"),
    # what is read and written
    "FSM601": (_E, "reads what is unwritten on some path"),
    "FSM602": (_E, "writes what is not declared"),
    "FSM603": (_N, "never read"),
    "FSM604": (_E, "writes another type than declared"),
    "FSM605": (_E, "reads more tokens than its limit"),
    "FSM606": (_E, "types do not go together"),
    "FSM607": (_E, "no such attribute"),
    "FSM608": (_E, "branches write the same name"),
    "FSM609": (_E, "writes an input"),
    "FSM610": (_E, "type cannot be stored as JSON"),
    "FSM611": (_E, "reserved name"),
    # actions
    "FSM701": (_E, "action is not registered"),
    "FSM702": (_E, "parameter is not given"),
    "FSM703": (_E, "outcome has no edge"),
    "FSM704": (_W, "outcome is never returned"),
    "FSM706": (_W, "action's code changed under the same version"),
    "FSM707": (_E, "reads names that the action has no parameter for"),
    # map, parallel, run
    "FSM801": (_E, "map without a key"),
    "FSM802": (_E, "tolerate without an edge for ToleranceExceeded"),
    "FSM804": (_E, "no such workflow, or it contains itself"),
    "FSM805": (_E, "run lacks an input"),
    "FSM806": (_W, "join: any may cut off an action that is not idempotent"),
    # versions
    "FSM901": (_E, "content changed under the same version"),
    "FSM902": (_E, "drops a state where runs stand"),
    "FSM903": (_E, "migration leaves a name unwritten"),
    "FSM904": (_E, "language newer than this engine"),
    "FSM905": (_E, "visit limit that runs have passed"),
    "FSM906": (_E, "value that runs hold is of another type"),
}
"""Every code with its severity and a title. Codes are never reused and never renumbered."""


def finding(code: str, message: str, path: str, span: Span | None, hint: str | None = None) -> Diagnostic:
    """Return a diagnostic with the severity that the catalogue gives its code."""
    return Diagnostic(code, CATALOGUE[code][0], message, path, span, hint)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return a hint that names the nearest known word, or None when nothing is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else None
