"""Hypothesis strategies: random workflows that are sound by construction, as plain values and as YAML.

States are laid out in an order and every state but the first gets a parent before it, so that all are
reachable; every state has an edge forward, so that all can end; whatever an edge leads back to gets
`max_visits`, so that no cycle is unbounded. Actions are named "act.<state>", their probes "probe.<state>".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from hypothesis import strategies as st

Draw = st.DrawFn
Values = dict[str, Any]

WORK = ("fetch", "parse", "plan", "check", "post", "human", "ship", "bill")
ENDS = {"done": "success", "failed": "failure", "dead": "dead_letter"}
INPUTS: Values = {"amount": "int", "title": {"type": "str"}, "tags": {"type": "list[str]", "default": []}}
ERRORS: Values = {"BadDocument": ["NotAnInvoice", "Encrypted"], "Refused": []}

_ACTION_CLAUSES = (
    "NotAnInvoice", "BadDocument", "Refused", "BadRequest", "NotReady", "Timeout", "Transient",
    "DeadlineExceeded", "RequireFailed", "InvalidResult", "Interrupted", "Exception",
)  # fmt: skip
"""In this order none shadows another."""
_CLAUSES = {
    "action": _ACTION_CLAUSES,
    "switch": ("ExpressionError",),
    "wait": ("DeadlineExceeded", "ExpressionError"),
    "signal": ("DeadlineExceeded",),
}
_OUTCOMES = ("success", "nothing", "partial", "again", "later", "other")
_SIGNALS = ("accept", "refuse", "retry", "skip", "stop", "more")
_MAIN_MAX = len(_OUTCOMES)

_POLICIES: Values = {
    "quick": {"attempts": 3, "delay": "1ms", "max_delay": "4ms"},
    "patient": {"attempts": 2, "delay": "2ms", "factor": 3, "jitter": "none", "errors": ["NotReady", "BadRequest"]},
}


@dataclass
class _Node:
    """A state while it is being drawn: its verb, and its edges as (key, target)."""

    name: str
    verb: str
    main: list[tuple[str, str]] = field(default_factory=list)
    clauses: list[tuple[str, str]] = field(default_factory=list)
    writes: str | None = None


def to_yaml(definition: Mapping[str, Any]) -> str:
    """Return a definition as an author could have written it; no anchors, order kept."""
    return yaml.dump(dict(definition), Dumper=_Plain, sort_keys=False, allow_unicode=True)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


@st.composite
def sound_definitions(draw: Draw, states_max: int = len(WORK)) -> Values:
    """Draw a sound definition with 1 to `states_max` states besides its ends."""
    work = draw(st.permutations(WORK))[: draw(st.integers(1, states_max))]
    ends = ["done", *(name for name in ("failed", "dead") if draw(st.booleans()))]
    nodes = _nodes(draw, work, ends)
    bounded = _led_back_to(nodes)
    inputs = {name: given for name, given in INPUTS.items() if draw(st.booleans())}
    certain = _certain(nodes, inputs)
    known = sorted({*inputs, *(node.writes for node in nodes if node.writes)})
    states = {node.name: _state(draw, node, sorted(certain[node.name]), known, bounded) for node in nodes}
    states |= {end: _end(draw, end, sorted(certain[end])) for end in ends}
    definition: Values = {"workflow": "random", "version": 1, "start": work[0]}
    if inputs:
        definition["input"] = inputs
    definition |= {"errors": ERRORS, "policies": _POLICIES}
    _use_defaults(draw, definition, states, ends)
    definition["states"] = {name: states[name] for name in draw(st.permutations(list(states)))}
    return definition


def _nodes(draw: Draw, work: list[str], ends: list[str]) -> list[_Node]:
    """Draw the graph: every name after the first hangs on a state before it."""
    names = [*work, *ends]
    children: dict[str, list[str]] = {name: [] for name in work}
    for place, name in enumerate(names[1:], 1):
        parent = work[draw(st.integers(0, min(place, len(work)) - 1))]
        children[parent].append(name)
    nodes = []
    for place, name in enumerate(work):
        forward = children[name] or [draw(st.sampled_from(names[place + 1 :]))]
        extra = draw(st.lists(st.sampled_from(names), max_size=3))
        nodes.append(_node(draw, name, forward, extra, draw(st.sampled_from(ends))))
    return nodes


def _node(draw: Draw, name: str, forward: list[str], extra: list[str], otherwise: str) -> _Node:
    """Draw a state with an edge to each of `forward` and `extra`, and one for all other errors."""
    targets = [*forward, *extra]
    verb = draw(st.sampled_from(["action", "action", "action", "switch", "wait", "signal"]))
    room = {"switch": len(targets), "wait": 1}.get(verb, _MAIN_MAX)
    if len(targets) > room + len(_CLAUSES[verb]) or (verb in ("action", "signal") and len(targets) > room):
        verb, room = "switch", len(targets)
    least = max(1, len(targets) - len(_CLAUSES[verb]))
    count = draw(st.integers(least, min(room, len(targets))))
    node = _Node(name, verb)
    node.main = [(_main_key(verb, n), target) for n, target in enumerate(targets[:count])]
    left = targets[count:]
    clauses = sorted(draw(st.permutations(range(len(_CLAUSES[verb]))))[: len(left)])
    node.clauses = [(_CLAUSES[verb][n], target) for n, target in zip(clauses, left, strict=True)]
    if draw(st.booleans()):
        # Beyond its visits a state must leave every cycle it is in, so this edge and `else` lead to an end.
        node.clauses.append(("VisitsExceeded", otherwise))
    node.clauses.append(("else", otherwise))
    if verb in ("action", "signal"):
        node.writes = draw(st.sampled_from([name, name, "text", "invoice", "note"]))
    return node


def _main_key(verb: str, place: int) -> str:
    return {"action": _OUTCOMES, "signal": _SIGNALS}[verb][place] if verb in ("action", "signal") else str(place)


def _led_back_to(nodes: list[_Node]) -> set[str]:
    place = {node.name: n for n, node in enumerate(nodes)}
    return {
        target
        for node in nodes
        for _, target in [*node.main, *node.clauses]
        if place.get(target, len(nodes)) <= place[node.name]
    }


def _certain(nodes: list[_Node], inputs: Values) -> dict[str, set[str]]:
    """Return what is written for certain on entry of each state."""
    certain: dict[str, set[str]] = {nodes[0].name: set(inputs)}
    for _ in range(len(nodes) * len(nodes) + 1):
        for node in nodes:
            here = certain.get(node.name)
            if here is None:
                continue
            leaving = [(target, here | ({node.writes} if node.writes else set())) for _, target in node.main]
            leaving += [(target, here | {"error"}) for _, target in node.clauses]
            for target, written in leaving:
                certain[target] = certain.get(target, written) & written
    return certain


def _state(draw: Draw, node: _Node, certain: list[str], known: list[str], bounded: set[str]) -> Values:
    draw_state = {"action": _action, "switch": _switch, "wait": _wait, "signal": _signal}[node.verb]
    state = draw_state(draw, node, certain, known)
    state["error"] = dict(node.clauses) if len(node.clauses) > 1 or draw(st.booleans()) else node.clauses[0][1]
    if node.name in bounded or draw(st.integers(0, 4)) == 0:
        state["max_visits"] = draw(st.integers(1, 3))
    return state


def _action(draw: Draw, node: _Node, certain: list[str], known: list[str]) -> Values:
    state: Values = {"action": f"act.{node.name}"}
    if node.writes != node.name:
        state["writes"] = node.writes
    reads = draw(st.lists(st.sampled_from(certain), unique=True, max_size=3)) if certain else []
    optional = draw(st.lists(st.sampled_from(known), unique=True, max_size=2)) if known else []
    if optional:
        state["optional"] = optional if len(optional) > 1 else optional[0]
    if draw(st.booleans()) or reads:
        state["reads"] = [*reads, *(name for name in optional if name not in reads)]
    if certain and draw(st.integers(0, 3)) == 0:
        state["with"] = {"given": draw(st.sampled_from(certain))}
    state |= {"timeout": "10s", "retry": draw(_retries())}
    state |= draw(st.fixed_dictionaries({}, optional={
        "deadline": st.sampled_from(["1m", "1h"]),
        "heartbeat": st.just("5s"),
        "require": st.just("run.version > 0"),
        "ensure": st.just([f"{node.writes} == {node.writes}"]),
    }))  # fmt: skip
    state |= draw(_repeatability(node, certain))
    main = dict(node.main)
    state["success"] = main["success"] if len(main) == 1 and draw(st.booleans()) else main
    return state


def _repeatability(node: _Node, certain: list[str]) -> st.SearchStrategy[Values]:
    """Draw `idempotent` and `interrupted` together: what must not be repeated asks first."""
    asking = st.sampled_from(["ask", {"probe": f"probe.{node.name}"}])
    keys = [name for name in certain if name != "error"]
    declared = st.sampled_from([True, *keys[:1]])
    return st.one_of(
        st.just({}),
        st.just({"interrupted": "repeat"}),
        st.fixed_dictionaries({"idempotent": declared}),
        st.fixed_dictionaries({"idempotent": st.sampled_from([True, False]), "interrupted": asking}),
    )


def _retries() -> st.SearchStrategy[Any]:
    """Draw a `retry`; the policies of a list are for errors that have nothing in common."""
    transient = st.sampled_from([2, 3, "quick", {"attempts": 2, "delay": "1ms", "errors": ["Timeout", "RateLimited"]}])
    other = st.sampled_from(["patient", {"attempts": 3, "delay": "0ms", "factor": 1, "errors": "NotReady"}])
    own = st.just({"attempts": 2, "delay": "1ms", "max_delay": "1ms", "errors": ["BadDocument", "InvalidResult"]})
    every = st.just({"attempts": 2, "delay": "1ms", "errors": ["Exception"]})
    return st.one_of(
        st.just("never"), transient, other, own, every, st.tuples(transient, other, own).map(list),
        st.permutations([0, 1]).flatmap(lambda order: st.tuples(*([transient, own][n] for n in order)).map(list)),
    )  # fmt: skip


def _switch(draw: Draw, node: _Node, certain: list[str], known: list[str]) -> Values:
    *rules, last = [target for _, target in node.main]
    optional = [draw(st.sampled_from(known))] if draw(st.booleans()) and known else []
    read = [*certain, *optional]
    switch: list[Values] = []
    for place, target in enumerate(rules):
        name = draw(st.sampled_from(read)) if read else None
        left = "len(tags)" if name == "tags" else name or "run.version"
        right = f'"{place}"' if name == "title" else str(place)
        comparison = ">" if name in ("amount", "tags", None) and draw(st.booleans()) else "=="
        switch.append({"when": f"{left} {comparison} {right}", "to": target})
    state: Values = {"switch": [*switch, {"else": last}]}
    return state | ({"optional": optional} if optional else {})


def _wait(draw: Draw, node: _Node, _certain: list[str], _known: list[str]) -> Values:
    wait = draw(st.sampled_from(["1ms", "0s", {"for": "0.002"}, {"until": "'2020-01-01T00:00:00Z'"}]))
    state: Values = {"wait": wait, "success": node.main[0][1]}
    return state | draw(st.fixed_dictionaries({}, optional={"deadline": st.just("1m")}))


def _signal(draw: Draw, node: _Node, _certain: list[str], _known: list[str]) -> Values:
    typed = draw(st.booleans())
    arms = {name: {"to": to, "payload": {"by": "str"}} if typed else to for name, to in node.main}
    state: Values = {"signal": arms, "deadline": draw(st.sampled_from(["5ms", "1m", "1d"]))}
    if node.writes != node.name:
        state["writes"] = node.writes
    if typed and draw(st.booleans()):
        state["match"] = "payload.by != ''"
    return state


def _end(draw: Draw, name: str, certain: list[str]) -> Values:
    state: Values = {"end": ENDS[name]}
    if draw(st.booleans()) and certain:
        state["output"] = draw(st.sampled_from(certain))
    if name != "done" and draw(st.booleans()):
        state["reason"] = "'it was not to be'"
    return state


def _use_defaults(draw: Draw, definition: Values, states: dict[str, Values], ends: list[str]) -> None:
    """Move what some states say into `defaults`, or leave all as it is."""
    if not draw(st.booleans()):
        return
    error, retry = draw(st.sampled_from(ends)), draw(_retries())
    definition["defaults"] = {"timeout": "10s", "retry": retry, "error": error}
    for state in states.values():
        if state.get("retry") == retry or ("action" in state and draw(st.integers(0, 3)) == 0):
            del state["retry"]
        if "timeout" in state and "heartbeat" not in state:
            del state["timeout"]
        clauses = state.get("error")
        if clauses in (error, {"else": error}):
            del state["error"]
        elif isinstance(clauses, dict) and clauses["else"] == error:
            del clauses["else"]
