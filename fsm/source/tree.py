"""YAML text to a plain tree in which every value knows its place.

The tree is built from PyYAML's events; composer and constructor, and with them tags, aliases and the scalars
of YAML 1.1, are never reached. The pure-Python scanner is chosen over libyaml on purpose: a file must get
the same verdict, to the column, on machines with and without libyaml; what is refused is seen while it is
scanned; and a fault in C could not be caught. It is slower, but nothing within the limits takes a second.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from yaml.error import Mark, MarkedYAMLError
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from fsm.diagnostics import Diagnostic, Severity, Span
from fsm.source.scalars import BREAK, UNSTORABLE, kind_of, resolve, shown, unprintable, unprintables

Path = tuple[str | int, ...]
SIZE_BYTES_MAX = 262_144
DEPTH_MAX = 40
NODES_MAX = 20_000
FINDINGS_MAX = 1_000
"""Reading stops here: a binary file given by mistake has a fault in every line."""

_ABSENT: Final = object()
"""In place of what was refused; it is left out of the tree."""

_PROPERTY = re.compile(r"!<[^>\s\0]*>?|[^\s,\[\]{}\0]+")


@dataclass(frozen=True, slots=True)
class Tree:
    """A definition's text as plain values, with the place of each.

    Args:
        value: mappings in the order of the file, lists, text, numbers, booleans, null.
        spans: the place of every value, by its path; the root's is ().
        keys: the place of every mapping key; the path ends with that key.
        raw: every plain (unquoted) scalar as written, its lines folded into one.
        starts: what text_offset returns.
    """

    value: Any
    spans: Mapping[Path, Span]
    keys: Mapping[Path, Span]
    raw: Mapping[Path, str]
    starts: Mapping[Path, tuple[int, int]]

    def span(self, path: Path) -> Span:
        """Return the value's place, or its nearest ancestor's."""
        while path and path not in self.spans:
            path = path[:-1]
        return self.spans[path]

    def key_span(self, path: Path) -> Span:
        """Return the key's place, or the value's where there is no key."""
        return self.keys.get(path) or self.span(path)

    def text_offset(self, path: Path) -> tuple[int, int] | None:
        """Return the line and column where a scalar's text begins, so that a caret can point into it.

        None where source and text differ: escapes, several lines, no scalar.
        """
        return self.starts.get(path)


def parse_tree(text: str | bytes, path: str) -> tuple[Tree | None, list[Diagnostic]]:
    """Read a YAML text; never raise.

    Args:
        text: the file's content; bytes are UTF-8. A byte order mark is skipped and takes no column.
        path: the file as diagnostics shall name it.

    Returns:
        The tree and what was found, in order of place. The tree is None when the text could not be read to
        its end; otherwise it lacks only what was refused, and of a repeated key all but the first.
    """
    findings = _Findings(path)
    try:
        tree = _Builder(_readable(text, findings), findings).tree()
    except _StopError:
        tree = None
    return tree, sorted(findings.found, key=lambda finding: finding.sort_key)


class _StopError(Exception):
    """Reading cannot go on; the findings say why."""


@dataclass(slots=True)
class _Findings:
    path: str
    found: list[Diagnostic] = field(default_factory=list)

    def add(self, code: str, message: str, span: Span | None, hint: str | None = None) -> None:
        self.found.append(Diagnostic(code, Severity.ERROR, message, self.path, span, hint))
        if len(self.found) >= FINDINGS_MAX:
            raise _StopError

    def stop(self, code: str, message: str, span: Span | None, hint: str | None = None) -> NoReturn:
        self.add(code, message, span, hint)
        raise _StopError


def _readable(text: str | bytes, findings: _Findings) -> str:
    """Return what the scanner may see: text within the size limit, decoded and printable."""
    size_bytes = len(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    if size_bytes > SIZE_BYTES_MAX:
        findings.stop("FSM106", "file is larger than 256 KiB", None, "split it into several workflows")
    undecoded = isinstance(text, bytes)
    if isinstance(text, bytes):
        if text.startswith((b"\xff\xfe", b"\xfe\xff")):
            findings.stop("FSM103", "file is UTF-16, not UTF-8", Span.at(1, 1), "save it as UTF-8")
        text = text.decode("utf-8", "surrogateescape")
    text = text.removeprefix("\ufeff")
    for message, span, hint in unprintables(text, undecoded=undecoded):
        findings.add("FSM103", message, span, hint)
    if findings.found:
        raise _StopError
    return text


def _at(mark: Mark, width: int = 1) -> Span:
    return Span.at(mark.line + 1, mark.column + 1, width)


class _Events(Reader, Scanner, Parser):
    """PyYAML's event stream; anchors, aliases, tags and directives are reported as they are scanned."""

    def __init__(self, text: str, findings: _Findings) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        self.findings = findings

    def fetch_anchor(self) -> None:
        self._refuse("FSM105", "anchor", "write the value out where it is used", super().fetch_anchor)

    def fetch_alias(self) -> None:
        self._refuse("FSM105", "alias", "write the value out; quote it if text is meant", super().fetch_alias)

    def fetch_tag(self) -> None:
        self._refuse("FSM107", "tag", "quote it if text is meant", super().fetch_tag)
        self.tokens[-1].value = (None, "!")  # an undeclared handle is no second fault

    def fetch_directive(self) -> None:
        """Report the line and scan on as if it were a comment."""
        line = BREAK.split(self.buffer[self.pointer : -1], maxsplit=1)[0]
        span = _at(self.get_mark(), len(line.rstrip()))
        self.findings.add("FSM108", f'directive "{shown(line.rstrip())}" refused', span, "remove the line")
        self.forward(len(line))

    def _refuse(self, code: str, kind: str, hint: str, fetch: Callable[[], None]) -> None:
        found = _PROPERTY.match(self.buffer, self.pointer)
        assert found is not None
        span = _at(self.get_mark(), len(found[0]))
        self.findings.add(code, f'{kind} "{shown(found[0])}" refused', span, hint)
        try:
            fetch()
        except MarkedYAMLError:
            raise _StopError from None


class _Builder:
    """Builds the tree from the events, by recursion: DEPTH_MAX bounds it."""

    def __init__(self, text: str, findings: _Findings) -> None:
        self.text = text
        self.findings = findings
        self.events = _Events(text, findings)
        self.nodes = 0
        self.end = (1, 1)
        self.spans: dict[Path, Span] = {}
        self.keys: dict[Path, Span] = {}
        self.raw: dict[Path, str] = {}
        self.starts: dict[Path, tuple[int, int]] = {}

    def tree(self) -> Tree | None:
        self.next()
        empty = isinstance(self.next(), StreamEndEvent)
        value = _ABSENT if empty else self.document()
        if (empty or self.raw.get(()) == "") and not self.findings.found:
            self.findings.stop("FSM110", "file is empty", Span.at(1, 1), 'begin with "workflow: name"')
        return None if value is _ABSENT else Tree(value, self.spans, self.keys, self.raw, self.starts)

    def document(self) -> Any:
        value = self.node(self.next(), (), 1)
        self.next()
        after = self.next()
        if not isinstance(after, StreamEndEvent):
            span = _at(after.start_mark, len("---"))
            self.findings.add("FSM108", "more than one document", span, "one file holds one workflow")
        return value

    def next(self) -> Any:
        try:
            return self.events.get_event()  # type: ignore[no-untyped-call]
        except MarkedYAMLError as error:
            mark = error.problem_mark or self.events.get_mark()
            self.tabs(mark)
            self.findings.stop("FSM100", *_reworded(error, mark, self.text, self.events.marks))
        except (ValueError, OverflowError):  # from chr(): the scanner's one unchecked conversion
            span = Span.at(self.events.line + 1, self.events.column - 1, len(r"\U00110000"))
            self.findings.stop("FSM100", "this escape is no character", span, r"the last is \U0010FFFF")

    def tabs(self, mark: Mark) -> None:
        """Stop with the tabs to blame, when the scanner stumbled in a line's indentation.

        Only where it stumbles is a tab known to be indentation: in block and quoted text it is content.
        """
        first, *later = BREAK.split(self.text[mark.index - mark.column :])
        indent = first[: len(first) - len(first.lstrip(" \t"))]
        if "\t" not in indent or mark.column > len(indent):
            return
        places = [(mark.line + 1, indent.index("\t") + 1)]
        places += [(line, 1) for line, text in enumerate(later, mark.line + 2) if text.startswith("\t")]
        for line, column in places:
            self.findings.add("FSM101", "tab in the indentation", Span.at(line, column), "indent with spaces")
        raise _StopError

    def node(self, event: Any, path: Path | None, depth: int) -> Any:
        """Return the value that begins with this event; without a path it is read but not recorded."""
        self.count(event)
        if isinstance(event, ScalarEvent):
            return self.scalar(event, path)
        if isinstance(event, AliasEvent):
            self.place(event)
            return _ABSENT
        if depth > DEPTH_MAX:
            self.findings.stop("FSM106", f"nested deeper than {DEPTH_MAX}", _at(event.start_mark), "flatten it")
        read = self.mapping if isinstance(event, MappingStartEvent) else self.sequence
        value = read(path, depth)
        if path is not None:
            self.spans[path] = self.since(event)
        return value

    def count(self, event: Any) -> None:
        self.nodes += 1
        if self.nodes > NODES_MAX:
            self.findings.stop("FSM106", f"more than {NODES_MAX:,} nodes", _at(event.start_mark), "split it")

    def place(self, event: Any) -> Span:
        """Return where a leaf stands and note its end; a block's trailing lines are not part of it."""
        start = event.start_mark
        written = self.text[start.index : event.end_mark.index].rstrip(" \t\r\n")
        lines = BREAK.split(written)
        self.end = (start.line + len(lines), len(lines[-1]) + 1 + (start.column if len(lines) == 1 else 0))
        return self.since(event) if written else _at(start)

    def since(self, event: Any) -> Span:
        return Span(event.start_mark.line + 1, event.start_mark.column + 1, *self.end)

    def close(self, event: Any) -> None:
        """Note where a collection ends: at its bracket, or in a block with its last child."""
        if event.end_mark.index > event.start_mark.index:
            self.end = (event.end_mark.line + 1, event.end_mark.column + 1)

    def sequence(self, path: Path | None, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self.next(), SequenceEndEvent):
            item = self.node(event, None if path is None else (*path, len(items)), depth + 1)
            if item is not _ABSENT:
                items.append(item)
        self.close(event)
        return items

    def mapping(self, path: Path | None, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        seen: dict[str, Span] = {}
        while not isinstance(event := self.next(), MappingEndEvent):
            key, span = self.key(event, depth)
            child = None if key is None else self.entry(path, key, span, seen)
            value = self.node(self.next(), child, depth + 1)
            if key is not None and child is not None and value is not _ABSENT:
                self.keys[child] = span
                entries[key] = value
        self.close(event)
        return entries

    def entry(self, path: Path | None, key: str, span: Span, seen: dict[str, Span]) -> Path | None:
        """Return the path of a mapping's value, or None when it is not to be recorded."""
        first = seen.setdefault(key, span)
        if first is not span:
            message = f'key "{shown(key)}" repeated, first at {first.line}:{first.column}'
            self.findings.add("FSM102", message, span, "remove or rename one")
            return None
        return None if path is None else (*path, key)

    def key(self, event: Any, depth: int) -> tuple[str | None, Span]:
        """Return a key's text and place; no text when there is none to go on with."""
        if isinstance(event, ScalarEvent):
            self.count(event)
            text, span = event.value, self.place(event)
            usable = self.plain_key if event.style is None else self.storable
            return (text if usable(text, span) else None), span
        self.node(event, None, depth + 1)
        span = self.since(event)
        if not isinstance(event, AliasEvent):
            kind = "a map" if isinstance(event, MappingStartEvent) else "a list"
            self.findings.add("FSM109", f"key is {kind}, not text", span, "quote it if text is meant")
        return None, span

    def plain_key(self, text: str, span: Span) -> bool:
        """Report a key that means something else than its text, and say whether the text can stand for it."""
        if text == "<<":
            self.findings.add("FSM105", 'merge key "<<" refused', span, "write the entries out")
        elif text == "":
            self.findings.add("FSM109", "key is missing", span, 'write it before the ":"')
        elif (kind := kind_of(text)) != "text":
            name = shown(text)
            self.findings.add("FSM109", f"key {name} is {kind}, not text", span, f'quote it: "{name}"')
        return text not in ("<<", "")

    def storable(self, text: str, span: Span) -> bool:
        found = UNSTORABLE.search(text)
        if found:
            message, hint = unprintable(found[0], undecoded=False)
            self.findings.add("FSM103", message, span, hint)
        return found is None

    def scalar(self, event: Any, path: Path | None) -> Any:
        span, text, style = self.place(event), event.value, event.style
        value = self.resolved(text, span) if style is None else text
        if value is _ABSENT or not self.storable(text, span):
            return _ABSENT
        if path is not None:
            self.spans[path] = span
            if style is None:
                self.raw[path] = text
            quote = len(style or "")
            begin, end = event.start_mark.index + quote, event.end_mark.index - quote
            if style not in ("|", ">") and end > event.start_mark.index and self.text[begin:end] == text:
                self.starts[path] = (span.line, span.column + quote)
        return value

    def resolved(self, text: str, span: Span) -> Any:
        try:
            return resolve(text)
        except ValueError as error:
            self.findings.add("FSM111", str(error), span, "quote it if text is meant")
            return _ABSENT


# Part of PyYAML's words; our message and hint; whether the place is where the construct began.
_REWORDED = (
    (r"'\\t' that cannot start", "a tab cannot stand here", "use spaces, or quote the text", False),
    ("cannot start any token", 'plain text cannot start with "{here}"', "quote the text", False),
    ("expected ':'", 'this key lacks its ":"', 'write "key: value"', True),
    ("sequence entries are not", "a list entry cannot start here", "put it on a line of its own", False),
    ("mapping keys are not", "a key cannot start here", 'quote the text if "?" belongs to it', False),
    ("mapping values are not", '":" cannot stand here', "quote the text, or mend the indentation", False),
    ("indicat|line break", '"{opener}" starts a block of lines', "quote the text if it belongs to it", True),
    ("hexadecimal", "this escape lacks hexadecimal digits", "double the backslash if it is meant", False),
    ("unknown escape", r'"\{here}" is no escape', "use single quotes, or double the backslash", False),
    ("end of stream|separator", "this quote is never closed", "close it with {opener}", True),
    ("<document start>", "{found} after the end of the document", "mend the indentation or brackets", False),
    ("<block end>", "{found} cannot stand here", "mend the indentation or the quotes", False),
    ("node content", "{found} where a value is expected", "write a value, or quote the text", False),
    ("',' or", '{found} where "," or a bracket is expected', 'the "{opener}" at {place} is open', False),
)
_FOUND_NAMES = {
    "<stream end>": "the end of the file",
    "<block end>": "the end of the block",
    "<block mapping start>": "a map",
    "<block sequence start>": "a list",
    "<scalar>": "text",
}


def _reworded(error: MarkedYAMLError, mark: Mark, text: str, opened: list[Mark]) -> tuple[str, Span, str]:
    """Return message, place and hint for a syntax error, in the words of someone who writes the file."""
    problem = str(error.problem)
    found = problem.rpartition("'")[0].rpartition("'")[2]
    bracket = text[opened[-1].index] if opened and found == "<stream end>" else ""
    if bracket in ("[", "{"):
        return f'this "{bracket}" is never closed', _at(opened[-1]), f'close it with "{chr(ord(bracket) + 2)}"'
    context = error.context_mark or mark
    words = {
        "here": text[mark.index : mark.index + 1],
        "opener": text[context.index : context.index + 1],
        "found": _FOUND_NAMES.get(found) or (found.strip("<>") if len(found) > 1 else f'"{found}"'),
        "place": f"{context.line + 1}:{context.column + 1}",
    }
    for part, message, hint, began in _REWORDED:
        if re.search(part, problem):
            return message.format(**words), _at(context if began else mark), hint.format(**words)
    return problem, _at(mark), "quote the text if it is meant"
