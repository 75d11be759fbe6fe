"""The checker: from a definition, and the signatures of its actions, to everything that is wrong with it."""

from collections.abc import Callable, Iterator, Mapping

from fsm.checks import actions, conditions, data, errors, graph, retries, time, typed
from fsm.checks.case import Case
from fsm.diagnostics import Diagnostic
from fsm.model.signature import Signature
from fsm.source import Source, read

Rule = Callable[[Case], Iterator[Diagnostic]]

RULES: tuple[Rule, ...] = (
    *graph.RULES,
    *conditions.RULES,
    *errors.RULES,
    *retries.RULES,
    *time.RULES,
    *data.RULES,
    *typed.RULES,
    *actions.RULES,
)
"""Every rule; its docstring is the law that it proves."""


def check_source(source: Source, signatures: Mapping[str, Signature] | None = None) -> list[Diagnostic]:
    """Return every finding about a definition, in order of place. Never raises.

    Args:
        source: what was read.
        signatures: of all registered actions, by name; None when they are not known, which skips the rules
            that need them.
    """
    found = set(source.diagnostics)
    if source.workflow is not None:
        case = Case(source, source.workflow, signatures)
        for rule in RULES:
            found.update(rule(case))
    return sorted(found, key=lambda diagnostic: diagnostic.sort_key)


def check_text(
    text: str | bytes, path: str, signatures: Mapping[str, Signature] | None = None
) -> tuple[Source, list[Diagnostic]]:
    """Read and check one definition; see `check_source`.

    Args:
        text: the file's content.
        path: the file as findings shall name it.
        signatures: see `check_source`.
    """
    source = read(text, path)
    return source, check_source(source, signatures)


__all__ = ["RULES", "check_source", "check_text"]
