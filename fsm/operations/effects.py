"""Effects: what the actions of a run did outside since one of its transitions."""

import json
from typing import NamedTuple

from fsm.engine.engine import Engine
from fsm.engine.plan import key_of
from fsm.expressions import EvaluationError
from fsm.kernel.effects import Result, Visited, visited
from fsm.kernel.past import require_entry
from fsm.model.definition import ActionState
from fsm.model.run import Run
from fsm.model.workflow import Workflow, own_names


class Effect(NamedTuple):
    """One visit of a state whose action was called.

    Attributes:
        state, action: where, and what was called.
        visit: the seq that opened the visit.
        key: the idempotency key that the other side knows it by; None where its expression has no value.
        result: "succeeded"; "failed"; or "unknown" where it may have had its effect all the same.
    """

    state: str
    action: str
    visit: int
    key: str | None
    result: Result


def effects(engine: Engine, run_id: str, since: int) -> list[Effect]:
    """Return the actions that a run performed after one of its transitions: what no rewind to it can undo.

    The visit that the transition opened is among them, and what is in flight now.

    Raises:
        NotFound: there is no such run or transition.
        IllegalTransition: the run cannot go back there.
    """
    return effects_of(engine, engine.get(run_id), since)


def effects_of(engine: Engine, run: Run, since: int) -> list[Effect]:
    """Return the effects of a run as it stands; what moves it meanwhile is left out."""
    flow = engine.workflow(run)
    then = engine.store.moment(run, since)
    require_entry(flow, run, "rewind", then)
    rows = (row.transition for row in engine.follow(run.id, since) if row.transition.seq <= run.seq)
    found = []
    for visit in visited(then, rows, run):
        state = flow.states[visit.state]
        if isinstance(state, ActionState):
            key = _key(engine, flow, run, visit)
            found.append(Effect(visit.state, state.action, visit.visit, key, visit.result))
    return found


def _key(engine: Engine, flow: Workflow, run: Run, visit: Visited) -> str | None:
    """Return the key that a visit's attempts were made with: its expression read what was newest then."""
    state = flow.states[visit.state]
    assert isinstance(state, ActionState)
    texts = engine.store.values_at(run, own_names(flow.needs[visit.state]), visit.seq)
    then = run._replace(state=visit.state, visit=visit.visit, visits=visit.visits)
    try:
        return key_of(state, then, {name: json.loads(text) for name, text in texts.items()})
    except EvaluationError:
        return None
