"""Rules about data: what is read was written, on every path; what is written has a name that it may have.

FSM602 (writes what is undeclared) has no meaning for these verbs: `writes` is what declares an artifact.
"""

from collections.abc import Iterator

from fsm.checks.case import Case
from fsm.checks.paths import arrows
from fsm.checks.reads import Read, place_of
from fsm.diagnostics import Diagnostic
from fsm.model.definition import ActionState, SignalState
from fsm.model.names import RESERVED
from fsm.model.workflow import expressions_of, writes_of
from fsm.source.tree import Path


def unwritten(case: Case) -> Iterator[Diagnostic]:
    """What a state reads is written on every path into it."""
    known = case.workflow.artifacts | {"error"}
    for name, reads in case.reads.items():
        if name in case.damaged:
            continue
        own = writes_of(name, case.workflow.states[name])
        seen: set[str] = set()
        for read in reads:
            if read.name in seen or (read.name == own and read.path[0] == "ensure"):
                continue
            if read.name not in known:
                found = _never_written(case, name, read) if read.path[0] != "optional" else None
            elif read.needed and not case.flow.is_certain(read.name, name):
                found = _missing_on_a_path(case, name, read)
            else:
                continue
            seen.add(read.name)
            if found:
                yield found


def _never_written(case: Case, state: str, read: Read) -> Diagnostic | None:
    # A parameter that nothing can fill is reported by the rules about actions.
    if case.damaged or case.is_lost("input") or read.parameter:
        return None
    hint = case.near(read.name, case.workflow.artifacts)
    return _at_read(case, f'reads "{read.name}", which nothing writes', state, read, hint)


def _missing_on_a_path(case: Case, state: str, read: Read) -> Diagnostic:
    path = case.flow.path_without(read.name, state)
    way = f"on the path {arrows(path)}" if len(path) > 1 else "at the start"
    hint = f'write it on every path, or add "optional: {read.name}": null when unwritten'
    if read.name == "error":
        hint = 'only error edges write it; add "optional: error": null when there was none'
    return _at_read(case, f'reads "{read.name}", unwritten {way}', state, read, hint)


def _at_read(case: Case, message: str, state: str, read: Read, hint: str | None) -> Diagnostic:
    path: Path = ("states", state, *read.path)
    if read.place is None:
        return case.at("FSM601", message, path, hint)
    return case.inside("FSM601", message, path, read.place, hint)


def optional_of_nothing(case: Case) -> Iterator[Diagnostic]:
    """What is optional is at least written somewhere."""
    known = case.workflow.artifacts | {"error"}
    for name, state in case.workflow.states.items():
        for n, optional in enumerate(state.optional):
            if optional not in known and not (case.damaged or case.is_lost("input")):
                yield case.at("FSM601", f'optional "{optional}" is written nowhere', ("states", name, "optional", n),
                              case.near(optional, known))  # fmt: skip


def special_out_of_place(case: Case) -> Iterator[Diagnostic]:
    """`payload` is read only where a signal is matched, and `key` by the action alone."""
    known = {"payload": ('only in "match"', "read what the signal state writes"),
             "key": ("only to the action", "the action has it as ctx.key")}  # fmt: skip
    for name, state in case.workflow.states.items():
        for path, expression in expressions_of(state):
            for special in sorted(expression.names & known.keys()):
                where, cure = known[special]
                if path != ("match",) or special == "key":
                    yield case.inside("FSM601", f'reads "{special}", which is known {where}', ("states", name, *path),
                                      place_of(special, expression), cure)  # fmt: skip


def never_read(case: Case) -> Iterator[Diagnostic]:
    """What is given a name is read somewhere."""
    if case.damaged or not _all_reads_known(case):
        return
    read = {read.name for reads in case.reads.values() for read in reads}
    for name in case.workflow.definition.input:
        if name not in read | RESERVED:
            yield case.at_key("FSM603", f'input "{name}" is never read', ("input", name))
    seen: set[str] = set()
    for name, state in case.workflow.definition.states.items():
        written = getattr(state, "writes", None)
        if written and written not in read | seen | RESERVED:
            seen.add(written)
            yield case.at("FSM603", f'"{written}" is never read', ("states", name, "writes"))


def _all_reads_known(case: Case) -> bool:
    for state in case.workflow.states.values():
        if isinstance(state, ActionState) and state.reads is None:
            signature = (case.signatures or {}).get(state.action)
            if signature is None:
                return False
    return True


def writes_an_input(case: Case) -> Iterator[Diagnostic]:
    """An input never changes."""
    for name, path, written in _written(case):
        if written in case.workflow.definition.input:
            cure = "write another name" if path[-1] == "writes" else 'add "writes" with another name'
            yield case.at_key("FSM609", f'"{written}" is an input; state "{name}" may not write it', path, cure)


def reserved_name(case: Case) -> Iterator[Diagnostic]:
    """What the language keeps for itself names neither an input nor an artifact."""
    for name in case.workflow.definition.input:
        if name in RESERVED:
            yield case.at_key("FSM611", f'"{name}" is a reserved name', ("input", name), "choose another")
    for _, path, written in _written(case):
        if written in RESERVED:
            cure = "choose another" if path[-1] == "writes" else 'add "writes" with another name'
            yield case.at_key("FSM611", f'"{written}" is a reserved name; no artifact may have it', path, cure)


def _written(case: Case) -> Iterator[tuple[str, Path, str]]:
    """Yield every state that writes an artifact, the place where it is named, and the name."""
    for name, state in case.workflow.states.items():
        written = writes_of(name, state)
        if written and isinstance(state, (ActionState, SignalState)):
            path: Path = ("states", name, "writes") if state.writes else ("states", name)
            if state.writes or name not in case.damaged:
                yield name, path, written


RULES = (unwritten, optional_of_nothing, special_out_of_place, never_read, writes_an_input, reserved_name)
