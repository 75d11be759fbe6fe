"""Reading the parts of one file into the nouns of the model, around what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fsm.diagnostics import Diagnostic, Span, finding
from fsm.model.definition import Noun
from fsm.model.names import IDENTIFIER
from fsm.source.grammar import noun_at, without_value
from fsm.source.places import covers, find, region
from fsm.source.tree import Path, Tree
from fsm.source.wording import Words, unknown_key, wrong_value

TURNS_MAX = 10
"""How often what is wrong is left out and the rest read again; each turn leaves out more."""

STAND_INS: dict[str, Any] = {"policies": {"attempts": 1}, "input": {"type": "any"}, "errors": []}
"""What takes the place of an unreadable entry, so that its name stays known to those who use it."""

N = TypeVar("N", bound=Noun)


class Fault(NamedTuple):
    """One fault of shape: the part of the file it is about, and what pydantic says of it."""

    path: Path
    error: ErrorDetails

    @property
    def kind(self) -> str:
        return self.error["type"]

    @property
    def name(self) -> str:
        """The key that is missing or unknown."""
        return str(self.error["loc"][-1])


@dataclass(slots=True)
class Shape:
    """One file being read.

    Attributes:
        path: the file as the caller named it.
        tree: its plain values.
        found: the findings of the tree, and what is added here.
        gone: the paths of what is left out of the nouns.
        refused: the places of what the tree does not have.
    """

    path: str
    tree: Tree
    found: list[Diagnostic]
    gone: set[Path] = field(default_factory=set)
    refused: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        self.refused = tuple(diagnostic.span for diagnostic in self.found if diagnostic.span)

    def noun(self, kind: type[N], at: Path, **given: Any) -> N | None:
        """Return the noun at a path, without what is wrong in it, or None when nothing can be made of it.

        Args:
            kind: what it is read into.
            at: the path of its map.
            given: parts that take the place of those in the file.
        """
        for path in without_value(kind, self.value(at)):
            self.leave_out_empty((*at, *path))
        for turn in range(TURNS_MAX):
            try:
                return kind.model_validate({**self._live(self.value(at), at), **given})
            except ValidationError as error:
                faults = list(self._faults(error, at))
            if turn == 0:
                self._report(kind, at, faults)
            if not self._leave_out(at, faults):
                break
        return None

    def value(self, path: Path) -> Any:
        """Return the plain value at a path of the file."""
        value = self.tree.value
        for part in path:
            value = value[part]
        return value

    def say(self, words: Words, span: Span | None) -> None:
        """Add a finding."""
        self.found.append(finding(words.code, words.message, self.path, span, words.hint))

    def leave_out_empty(self, path: Path) -> None:
        """Report a key without a value, and leave it out."""
        words = Words("FSM210", f'"{path[-1]}" has no value', "give it one, or leave the key out")
        self.say(words, self.tree.key_span(path))
        self.gone.add(path)

    def torn(self, at: Path) -> bool:
        """Return whether the tree lacks an entry of the map at a path; which one is not known."""
        if not isinstance(self.value(at), dict):
            return False
        children = [region(self.tree, (*at, key)) for key in self.value(at)]
        return any(
            covers(region(self.tree, at), span) and not any(covers(child, span) for child in children)
            for span in self.refused
        )

    def _live(self, value: Any, at: Path) -> Any:
        if isinstance(value, list):
            return [self._live(item, (*at, n)) for n, item in enumerate(value) if (*at, n) not in self.gone]
        if not isinstance(value, dict):
            return value
        entries = {key: self._live(item, (*at, key)) for key, item in value.items() if (*at, key) not in self.gone}
        if len(at) == 1 and at[0] in STAND_INS:
            lost = (key for key in value if key not in entries and IDENTIFIER.match(key))
            entries |= dict.fromkeys(lost, STAND_INS[at[0]])
        return entries

    def _faults(self, error: ValidationError, at: Path) -> Iterator[Fault]:
        for found in error.errors(include_url=False):
            loc = found["loc"][:-1] if found["type"] == "missing" else found["loc"]
            path = find(self.tree.value, (*at, *_untagged(loc)), self.gone).path
            if found["type"] != "bool_type":  # beside it, the other half of the union says what is wrong
                yield Fault(path, found)

    def _leave_out(self, at: Path, faults: list[Fault]) -> bool:
        """Leave out what is wrong; return False when that would be everything, or would change nothing."""
        wrong = {fault.path for fault in faults}
        fresh = wrong - self.gone
        self.gone |= wrong - {at}
        return at not in wrong and bool(fresh)

    def _report(self, kind: type[Noun], at: Path, faults: list[Fault]) -> None:
        misspelt = set()
        for fault in faults:
            if fault.kind == "extra_forbidden":
                owner = fault.path[:-1]
                words = unknown_key(noun_at(kind, owner[len(at) :]) or kind, fault.name)
                self.say(words, self.tree.key_span(fault.path))
                misspelt |= {owner} if words.guessed else set()
            elif fault.kind != "missing":
                self._report_value(fault)
        for fault in faults:
            if fault.kind == "missing" and fault.path not in misspelt:
                self._report_missing(fault)

    def _report_missing(self, fault: Fault) -> None:
        if (*fault.path, fault.name) in self.gone or self.torn(fault.path):
            return
        words = Words("FSM202", f'"{fault.name}" missing')
        first = next(iter(self.value(fault.path)), None) if not fault.path else None
        self.say(words, self.tree.key_span((first,) if first else fault.path))

    def _report_value(self, fault: Fault) -> None:
        words = wrong_value(fault.error, fault.path, self.tree.raw.get(fault.path))
        if fault.error["loc"][-1] == "[key]":
            self.say(words, self.tree.key_span(fault.path))
            return
        context = fault.error.get("ctx", {})
        span = None
        if "offset" in context:
            span = expression_span(self.tree, fault.path, context["offset"], context["end"])
        self.say(words, span or self.tree.span(fault.path))


def expression_span(tree: Tree, path: Path, offset: int, end: int) -> Span | None:
    """Return the place of a part of an expression, or None when the text of the file says it otherwise.

    Args:
        tree: what holds the expression.
        path: of the expression.
        offset: of the part's first character in the stripped text.
        end: behind its last.
    """
    start = tree.text_offset(path)
    text = tree.value
    for part in path:
        text = text[part]
    if start is None:
        return None
    line, column = start
    column += len(text) - len(text.lstrip()) if isinstance(text, str) else 0
    return Span(line, column + offset, line, column + max(end, offset + 1))


def _untagged(loc: tuple[int | str, ...]) -> Path:
    """Return where an error is without the names of a union's members, which follow an index."""
    return tuple(
        part
        for before, part in zip((None, *loc), loc, strict=False)
        if not (isinstance(before, int) and part in ("policy", "name"))
    )
