"""Rules about error edges: every failure has one, and each clause can be the first that matches."""

from collections.abc import Iterator, Mapping, Sequence

from fsm.checks.case import Case
from fsm.diagnostics import Diagnostic
from fsm.model.definition import ActionState, EndState, SwitchState
from fsm.model.names import BUILT_IN_ERRORS, TRANSIENT, VERDICTS
from fsm.source.tree import Path

_CANCEL = frozenset({"cancel", "Cancel", "Cancelled", "Canceled", "CancelledError"})
_BROAD = "Exception"


def classes_of(case: Case, name: str) -> frozenset[str]:
    """Return the classes that a clause stands for."""
    members = case.workflow.error_groups.get(name, (name,))
    return frozenset(members).union(TRANSIENT if "Transient" in members else ())


def covers(case: Case, clause: str, name: str) -> bool:
    """Return whether a clause matches every error of a class."""
    classes = classes_of(case, clause)
    return clause == "else" or name in classes or (_BROAD in classes and name not in VERDICTS)


def declared(case: Case) -> frozenset[str]:
    """Return the error names that the author declares: groups and the classes that they stand for."""
    errors = case.workflow.definition.errors
    return frozenset(errors).union(*errors.values())


def no_error_edge(case: Case) -> Iterator[Diagnostic]:
    """Every state but an end says where its errors lead, all of them."""
    for name, state in case.whole.items():
        if isinstance(state, EndState) or "else" in (state.error or {}):
            continue
        path: Path = ("states", name)
        if state.error:
            known = ", ".join(state.error)
            yield case.at_key("FSM401", f'"{name}" has no error edge for anything but {known}, and no default one',
                              (*path, "error"), 'add "else: <state>" as its last clause')  # fmt: skip
        else:
            yield case.at_key("FSM401", f'"{name}" has no error edge, and no default one', path,
                              'write "error: <state>" here or under defaults')  # fmt: skip


def shadowed_clause(case: Case) -> Iterator[Diagnostic]:
    """Every error clause can be the first that matches."""
    for path, clauses in case.routes():
        above: list[str] = []
        for name in clauses:
            if name == "else":
                break
            covering = _covering(case, name, above)
            if covering:
                verb = "covers" if len(covering) == 1 else "cover"
                message = f"{name} can never match; {', '.join(covering)} above {verb} it"
                yield case.at_key("FSM402", message, (*path, name), "move it up, or remove it")
            above.append(name)


def _covering(case: Case, name: str, above: Sequence[str]) -> list[str]:
    """Return the clauses that together leave nothing to `name`; none when something is left, or may be."""
    if case.is_lost("errors"):
        return []
    used = set()
    for member in classes_of(case, name):
        clause = next((clause for clause in above if covers(case, clause, member)), None)
        if clause is None:
            return []
        used.add(clause)
    return [clause for clause in above if clause in used]


def shadowed_policy(case: Case) -> Iterator[Diagnostic]:
    """Every policy of a retry list can be the first that matches."""
    for path, items in case.retries():
        above: list[str] = []
        for n, policy in case.resolved(items):
            if policy.errors and all(_covering(case, error, above) for error in policy.errors):
                covered = ", ".join(policy.errors)
                yield case.at("FSM402", f"retry policy {n + 1} can never match; those before it cover {covered}",
                              (*path, n), "move it up, or remove it")  # fmt: skip
            above += policy.errors


def listed_twice(case: Case) -> Iterator[Diagnostic]:
    """A list of error classes names each once."""
    errors = case.workflow.definition.errors.items()
    lists: list[tuple[Path, tuple[str, ...]]] = [(("errors", name), classes) for name, classes in errors]
    lists += [((*path, "errors"), policy.errors) for path, policy in case.policies()]
    for path, names in lists:
        for n, name in enumerate(names):
            if name in names[:n]:
                yield case.at("FSM403", f"{name} is listed twice", (*path, n), "remove one")


def else_not_last(case: Case) -> Iterator[Diagnostic]:
    """`else` is the last clause, for nothing below it can match."""
    for path, clauses in case.routes():
        if "else" in clauses and list(clauses)[-1] != "else":
            yield case.at_key("FSM404", '"else" must be last', (*path, "else"), "move it below the others")
    for name, state in case.workflow.states.items():
        if isinstance(state, SwitchState):
            for n, rule in enumerate(state.switch[:-1]):
                if rule.when is None:
                    yield case.at_key("FSM404", '"else" must be last', ("states", name, "switch", n, "to"),
                                      "move it below the others")  # fmt: skip


def unknown_class(case: Case) -> Iterator[Diagnostic]:
    """Every error class that is named is built in, or declared under `errors`."""
    if case.is_lost("errors"):
        return
    known = BUILT_IN_ERRORS | declared(case)
    for path, name, is_key in _named(case):
        if name in known or name in _CANCEL or (name == "else" and is_key):
            continue
        hint = case.near(name, known) or "declare it under errors"
        if name == "else":
            hint = '"Exception" is any error of the action'
        yield (case.at_key if is_key else case.at)("FSM405", f'unknown error class "{name}"', path, hint)


def cancel_caught(case: Case) -> Iterator[Diagnostic]:
    """Nothing catches a cancel."""
    for path, name, is_key in _named(case):
        if name in _CANCEL and name not in declared(case):
            yield (case.at_key if is_key else case.at)(
                "FSM411", '"cancel" cannot be caught', path, "remove it: a cancelled run ends where it stands"
            )


def _named(case: Case) -> Iterator[tuple[Path, str, bool]]:
    """Yield every error class that a clause or a policy names, with its place, and whether that is a key."""
    for path, clauses in case.routes():
        for name in clauses:
            yield (*path, name), name, True
    for path, policy in case.policies():
        for n, name in enumerate(policy.errors):
            yield (*path, "errors", n), name, False


def declared_for_nothing(case: Case) -> Iterator[Diagnostic]:
    """A class worth declaring is worth a clause of its own."""
    if case.damaged:
        return
    clauses = [name for _, name, _ in _named(case) if name != "else"]
    for name, members in case.workflow.definition.errors.items():
        lost = [member for member in members or (name,) if not any(covers(case, clause, member) for clause in clauses)]
        if len(lost) == len(members or (name,)):
            yield case.at_key("FSM406", f'declared {name} reaches only "else"', ("errors", name),
                              "give it a clause, or remove it")  # fmt: skip
            continue
        for member in lost:
            yield case.at("FSM406", f'declared {member} reaches only "else"', ("errors", name, members.index(member)),
                          "give it a clause, or remove it")  # fmt: skip


def retried_and_routed(case: Case) -> Iterator[Diagnostic]:
    """A class of the author's own is either worth another try or not."""
    own = declared(case)
    for name, state in case.whole.items():
        retries = state.retry if isinstance(state, ActionState) else None
        errors = [error for _, policy in case.resolved(retries or ()) for error in policy.errors if error in own]
        retried = frozenset[str]().union(*(classes_of(case, error) for error in errors))
        for clause in _own_clauses(case, name):
            if clause in own and not retried.isdisjoint(classes_of(case, clause)):
                yield case.at_key("FSM407", f"{clause} is both retried and routed", ("states", name, "error", clause),
                                  "the edge is taken when the retries are spent; is that meant?")  # fmt: skip


def _own_clauses(case: Case, name: str) -> Mapping[str, str]:
    return getattr(case.workflow.definition.states[name], "error", None) or {}


def named_like_built_in(case: Case) -> Iterator[Diagnostic]:
    """No declared name has a meaning already."""
    for name in case.workflow.definition.errors:
        if name in BUILT_IN_ERRORS or name == "else":
            yield case.at_key("FSM416", f'"{name}" is built in', ("errors", name), "choose another name")


RULES = (
    no_error_edge,
    shadowed_clause,
    shadowed_policy,
    listed_twice,
    else_not_last,
    unknown_class,
    cancel_caught,
    declared_for_nothing,
    retried_and_routed,
    named_like_built_in,
)
