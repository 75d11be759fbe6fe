"""Reading a definition part by part: every state by its verb, then the whole."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fsm.model.definition import VERBS, VERBS_LATER, Definition, State
from fsm.model.fields import StateName, kind_of
from fsm.model.workflow import START
from fsm.source.grammar import keys_of, verbs_with
from fsm.source.places import covers, region
from fsm.source.shape import Shape
from fsm.source.wording import Words, shown, wrong_value

_STATE_NAME: TypeAdapter[str] = TypeAdapter(StateName)
_COUNTS = {2: "two", 3: "three"}


def read_definition(shape: Shape) -> tuple[Definition | None, frozenset[str]]:
    """Return what can be read of a definition, and the states that are not whole in it.

    Returns:
        None when that is not even a workflow with states. `START` is among the states when where to start
        could not be read.
    """
    top = shape.tree.value
    if not isinstance(top, dict):
        _report_no_map(shape, top)
        return None, frozenset()
    written = top.get("states")
    names = list(written) if isinstance(written, dict) else []
    states = {name: state for name in names if (state := _state(shape, name))}
    given: dict[str, Any] = {"states": states} if isinstance(written, dict) else {}
    definition = shape.noun(Definition, (), **given)
    damaged = _damaged(shape, names, states)
    if definition is None and (states or not names):
        definition = shape.noun(Definition, (), **given, **_stand_ins(shape, states))
        damaged |= {START} if _lost(shape, "start") else set()
    return (definition if states or not names else None), damaged


def _report_no_map(shape: Shape, top: Any) -> None:
    hint = 'a definition starts with "workflow: name"'
    empty = Words("FSM110", "file is empty", hint)
    words = empty if top is None else Words("FSM210", f"a definition is a map, not {kind_of(top)}", hint)
    shape.say(words, shape.tree.span(()))


def _stand_ins(shape: Shape, states: dict[str, State]) -> dict[str, Any]:
    """Return what takes the place of the top's own values, so that the states can be looked at without them."""
    values: dict[str, Any] = {"workflow": "unnamed", "version": 1, "start": next(iter(states), None)}
    return {key: value for key, value in values.items() if value and _lost(shape, key)}


def _lost(shape: Shape, key: str) -> bool:
    return key not in shape.tree.value or (key,) in shape.gone


def _damaged(shape: Shape, names: list[str], states: dict[str, State]) -> frozenset[str]:
    regions = {name: region(shape.tree, ("states", name)) for name in names}
    torn = {name for name, span in regions.items() if any(covers(span, refused) for refused in shape.refused)}
    cut = {str(path[1]) for path in shape.gone if len(path) > 1 and path[0] == "states"}
    return frozenset(names if _all_damaged(shape) else torn | cut | (set(names) - set(states)))


def _all_damaged(shape: Shape) -> bool:
    """Return whether something is lost that may belong to any state."""
    within = [region(shape.tree, (key,)) for key in ("states", "defaults") if key in shape.tree.value]
    shared = shape.torn(("states",)) if isinstance(shape.tree.value.get("states"), dict) else False
    defaults = any(covers(span, refused) for span in within[1:] for refused in shape.refused)
    return shared or defaults or any(path[0] == "defaults" for path in shape.gone)


def _state(shape: Shape, name: str) -> State | None:
    """Return a state without what is wrong in it, or None when nothing can be made of it."""
    at = ("states", name)
    sound = _check_name(shape, name)
    raw = shape.value(at)
    if raw is None:
        shape.leave_out_empty(at)
        return None
    if not isinstance(raw, dict):
        words = Words("FSM210", f'state "{shown(name)}" must be a map, not {kind_of(raw)}', "write {verb: …}")
        shape.say(words, shape.tree.span(at))
        return None
    verb = _verb(shape, name, raw)
    if verb is None:
        return None
    state = shape.noun(VERBS[verb], at)
    return state if sound else None


def _check_name(shape: Shape, name: str) -> bool:
    try:
        _STATE_NAME.validate_python(name)
    except ValidationError as error:
        at = ("states", name)
        shape.say(wrong_value(error.errors()[0], at, None), shape.tree.key_span(at))
        return False
    return True


def _verb(shape: Shape, name: str, raw: dict[str, Any]) -> str | None:
    """Return the verb to read a state by; report when it has none, several, or one of a later version."""
    at = ("states", name)
    verbs = [key for key in raw if key in VERBS or key in VERBS_LATER]
    if not verbs:
        if not shape.torn(at):
            words = Words("FSM203", f"no verb; one of {', '.join(VERBS)}", _misspelt_verb(raw))
            shape.say(words, shape.tree.key_span(at))
        return None
    known = [verb for verb in verbs if verb in VERBS]
    if len(verbs) > 1:
        count = _COUNTS.get(len(verbs), str(len(verbs)))
        words = Words("FSM203", f"{count} verbs: {', '.join(verbs)}", "a state has exactly one")
        shape.say(words, shape.tree.key_span((*at, verbs[1])))
        shape.gone.update((*at, key) for key in raw if _belongs_to_others(key, known))
    elif not known:
        words = Words("FSM212", f'"{verbs[0]}" is not supported by this version yet', f"it has {', '.join(VERBS)}")
        shape.say(words, shape.tree.key_span((*at, verbs[0])))
    return known[0] if known else None


def _belongs_to_others(key: str, known: list[str]) -> bool:
    """Return whether a key is explained by another verb than the one a state is read by."""
    own = keys_of(VERBS[known[0]]) if known else {}
    return key not in own and (key in VERBS_LATER or any(verb in known for verb in verbs_with(key)))


def _misspelt_verb(keys: Iterable[str]) -> str | None:
    if "type" in keys:
        return 'the verb is itself a key, as in "action: name"'
    near = [verb for key in keys for verb in get_close_matches(key, VERBS, n=1, cutoff=0.7)]
    return f'did you mean "{near[0]}"?' if near else None
