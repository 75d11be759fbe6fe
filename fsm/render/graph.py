"""A workflow as a graph, for Mermaid and for Graphviz. Equal workflows give equal texts."""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from fsm.model.definition import ActionState, Case, EndState, SignalState, State, SwitchState, WaitState
from fsm.model.workflow import START, Edge, Workflow

Crossing = tuple[str, str, str]
"""Source state, event and target state of a transition."""

RULE_CHARS_MAX = 48

_MERMAID_SHAPES = {
    "action": '["{}"]', "switch": '{{"{}"}}', "wait": '(["{}"])', "signal": '[/"{}"/]', "missing": '["{}"]',
    "success": '((("{}")))', "failure": '[["{}"]]', "dead_letter": '[("{}")]',
}  # fmt: skip
_MERMAID_ARROWS = {"plain": "-->", "error": "-.->"}
_MERMAID_CLASSES = {
    "success": "fill:#d9f2e0,stroke:#2e7d46,color:#12331d",
    "failure": "fill:#fbe6cf,stroke:#a85b00,color:#402300",
    "dead_letter": "fill:#f8d7d7,stroke:#a12525,color:#3d0c0c",
    "missing": "fill:#ffffff,stroke:#a12525,color:#a12525,stroke-dasharray:4",
    "here": "fill:#ffe58a,stroke:#8a6a00,color:#332700,stroke-width:3px",
}
_MERMAID_PASSED = "stroke:#1f5fbf,stroke-width:3px"
_MERMAID_UNSAFE = re.compile(r"[^\w .,:!?'/+*=()-]")

_DOT_SHAPES = {
    "action": "shape=box", "switch": "shape=diamond", "wait": "shape=oval",
    "signal": "shape=parallelogram", "missing": "shape=box, style=dashed, color=red",
    "success": "shape=doublecircle", "failure": "shape=doubleoctagon", "dead_letter": "shape=cylinder",
}  # fmt: skip
_DOT_HERE = ', style=filled, fillcolor="#ffe58a", penwidth=2'
_DOT_STYLES = {"plain": "", "error": ", style=dashed"}
_DOT_PASSED = ', color="#1f5fbf", penwidth=2.5'


class _Arrow(NamedTuple):
    """What one drawn line stands for; edges between the same states that look the same share one."""

    source: str
    target: str
    style: str
    passed: bool


def mermaid(workflow: Workflow, at: str | None = None, passed: Iterable[Crossing] = ()) -> str:
    """Return the workflow as a Mermaid flowchart.

    Args:
        workflow: need not be sound; a state that does not exist is drawn dashed.
        at: the state where a run is, marked.
        passed: the transitions that a run has made, drawn bold.
    """
    ids = {name: f"s{place}" for place, name in enumerate(_nodes(workflow), 1)} | {START: "s0"}
    arrows = _arrows(workflow, frozenset(passed))
    kinds = {name: _kind(workflow.states.get(name)) for name in _nodes(workflow)}
    lines = ["flowchart TD", "  s0(( ))"]
    lines += [f"  {ids[name]}{_MERMAID_SHAPES[kind].format(_entities(name))}" for name, kind in kinds.items()]
    for arrow, labels in arrows.items():
        text = "<br>".join(_entities(label) for label in labels)
        label = f'|"{text}"|' if text else ""
        lines.append(f"  {ids[arrow.source]} {_MERMAID_ARROWS[arrow.style]}{label} {ids[arrow.target]}")
    for name, style in _MERMAID_CLASSES.items():
        members = [ids[state] for state, kind in kinds.items() if kind == name or (name == "here" and state == at)]
        if members:
            lines += [f"  classDef {name} {style}", f"  class {','.join(members)} {name}"]
    bold = [str(place) for place, arrow in enumerate(arrows) if arrow.passed]
    lines += [f"  linkStyle {','.join(bold)} {_MERMAID_PASSED}"] if bold else []
    return "\n".join(lines)


def dot(workflow: Workflow, at: str | None = None, passed: Iterable[Crossing] = ()) -> str:
    """Return the workflow as a Graphviz digraph.

    Args:
        workflow: need not be sound; a state that does not exist is drawn dashed.
        at: the state where a run is, marked.
        passed: the transitions that a run has made, drawn bold.
    """
    lines = [
        f"digraph {_quoted(workflow.name)} {{",
        '  node [fontname="Helvetica", fontsize=11]',
        '  edge [fontname="Helvetica", fontsize=9]',
        '  "" [shape=circle, style=filled, fillcolor=black, width=0.15, label=""]',
    ]
    for name in _nodes(workflow):
        here = _DOT_HERE if name == at else ""
        lines.append(f"  {_quoted(name)} [{_DOT_SHAPES[_kind(workflow.states.get(name))]}{here}]")
    for arrow, labels in _arrows(workflow, frozenset(passed)).items():
        style = _DOT_STYLES[arrow.style] + (_DOT_PASSED if arrow.passed else "")
        ends = f"{_quoted(arrow.source)} -> {_quoted(arrow.target)}"
        lines.append(f"  {ends} [label={_quoted(*labels)}{style}]")
    return "\n".join([*lines, "}"])


def _nodes(workflow: Workflow) -> list[str]:
    """Return the states in the order of the file, then those that edges name and nobody declares."""
    targets = (edge.target for edge in workflow.edges)
    return list(dict.fromkeys([*workflow.states, *targets]))


def _arrows(workflow: Workflow, passed: Collection[Crossing]) -> dict[_Arrow, list[str]]:
    arrows: dict[_Arrow, list[str]] = {}
    for edge in workflow.edges:
        if edge.event == "fault":
            continue
        style = "error" if edge.event.startswith("error:") else "plain"
        arrow = _Arrow(edge.source, edge.target, style, edge[:3] in passed)
        arrows.setdefault(arrow, []).extend(_label(workflow, edge))
    return arrows


def _label(workflow: Workflow, edge: Edge) -> list[str]:
    """Return the words on an edge: its event, but the rule itself for a case of a switch, and none for `start`."""
    if edge.event == "start":
        return []
    case = _case(workflow.states.get(edge.source), edge.event)
    if case is None or case.when is None:
        return [edge.event]
    text = " ".join(case.when.text.split())
    return [text if len(text) <= RULE_CHARS_MAX else f"{text[: RULE_CHARS_MAX - 1]}…"]


def _case(state: State | None, event: str) -> Case | None:
    if isinstance(state, SwitchState) and event.startswith("case:"):
        return state.switch[int(event.removeprefix("case:")) - 1]
    return None


def _kind(state: State | None) -> str:
    match state:
        case ActionState() | SwitchState() | WaitState() | SignalState():
            return state.VERB
        case EndState():
            return state.end
        case _:
            return "missing"


def _entities(text: str) -> str:
    """Return a text as Mermaid shows it, whatever it would mean in Mermaid or HTML."""
    return _MERMAID_UNSAFE.sub(lambda found: f"#{ord(found[0])};", text)


def _quoted(*lines: str) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
