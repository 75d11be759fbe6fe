"""From the text of a file to a definition, with everything that is wrong with its text and shape."""

from dataclasses import dataclass, field

from fsm.diagnostics import Diagnostic, Span
from fsm.model.definition import Definition
from fsm.model.workflow import START, Workflow
from fsm.source.credentials import credentials
from fsm.source.digest import digest
from fsm.source.parts import read_definition
from fsm.source.places import find
from fsm.source.shape import Shape, expression_span
from fsm.source.tree import SIZE_BYTES_MAX, Path, Tree, parse_tree


@dataclass(frozen=True)
class Source:
    """One file as it was read.

    Attributes:
        path: the file as the caller named it.
        text: its content, without a byte order mark.
        tree: its plain values with their places; None when it could not be read to its end.
        definition: what could be read; None when that is not even a workflow with states.
        workflow: the definition with its edges; proved sound only when nothing at all was found.
        damaged: the states that could not be read, or not whole: their edges may be incomplete. `START` is
            among them when where to start could not be read.
        diagnostics: what is wrong with text and shape, in order of place.
        gone: the paths of what was left out of the definition.
    """

    path: str
    text: str
    tree: Tree | None
    definition: Definition | None
    workflow: Workflow | None
    damaged: frozenset[str]
    diagnostics: tuple[Diagnostic, ...]
    gone: frozenset[Path] = field(default=frozenset(), repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The states that are known by name, damaged ones included."""
        known = self.definition.states if self.definition else ()
        return frozenset(known) | (self.damaged - {START})

    def span(self, *path: str | int) -> Span | None:
        """Return the place of a value by its path in the definition; None when it is not written."""
        place = self._written(path)
        return None if place is None or self.tree is None else self.tree.span(place)

    def key_span(self, *path: str | int) -> Span | None:
        """Return the place of a key by its path in the definition; None when it is not written."""
        place = self._written(path)
        return None if place is None or self.tree is None else self.tree.key_span(place)

    def expression_span(self, path: Path, offset: int, end: int) -> Span | None:
        """Return the place of a part of an expression, or of the whole where that is not known.

        Args:
            path: of the expression in the definition.
            offset: of the part's first character in the expression.
            end: behind its last.
        """
        place = self._written(path)
        if place is None or self.tree is None:
            return None
        return expression_span(self.tree, place, offset, end) or self.tree.span(place)

    def _written(self, path: Path) -> Path | None:
        if self.tree is None:
            return None
        place = find(self.tree.value, path, self.gone)
        return place.path if place.written else None


def read(text: str | bytes, path: str) -> Source:
    """Read the text of a definition; never raise.

    Args:
        text: the content of the file; bytes are UTF-8.
        path: the file as diagnostics shall name it.
    """
    tree, found = parse_tree(text, path)
    written = text if isinstance(text, str) else text.decode("utf-8", "replace")
    written = written.removeprefix("\ufeff")
    secrets = list(credentials(written, path)) if len(text) <= SIZE_BYTES_MAX else []
    if tree is None:
        return Source(path, written, None, None, None, frozenset(), _settled([*found, *secrets]))
    shape = Shape(path, tree, found)
    definition, damaged = read_definition(shape)
    workflow = Workflow(definition, digest(definition)) if definition else None
    settled = _settled([*shape.found, *secrets])
    return Source(path, written, tree, definition, workflow, damaged, settled, frozenset(shape.gone))


def _settled(found: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda diagnostic: diagnostic.sort_key))
