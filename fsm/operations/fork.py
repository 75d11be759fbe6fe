"""Fork: a new run branches off an old one."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fsm.diagnostics import did_you_mean
from fsm.engine.engine import Engine
from fsm.engine.inputs import checked_changes
from fsm.errors import KeyConflict, UsageError
from fsm.kernel import past
from fsm.model.run import Artifact, Run
from fsm.model.workflow import Workflow
from fsm.operations.rewind import held


def fork(
    engine: Engine, run_id: str, at: int, *, key: str | None = None, changes: Mapping[str, Any] | None = None,
    unset: Collection[str] = (), actor: str | None = None, reason: str | None = None,
) -> Run:  # fmt: skip
    """Begin a new run where a transition of another one led; `resume` drives it.

    It has the inputs, values and visit counts that the other one had right after that transition, but for what is
    changed, and is pinned to the version that the other one had then. The other run is left alone, and may have ended.

    Args:
        at: the seq of the transition.
        key: the caller's name for the new run; the same key gives the same fork.
        changes: inputs and values by name that take the place of the old ones; inputs as the definition declares them.
        unset: names of values that the new run shall not have.

    Raises:
        NotFound: there is no such run or transition.
        IllegalTransition: the transition led to an end.
        KeyConflict: the key belongs to another run.
        UsageError: a change does not fit, a name to leave out is not there, or a value of then was pruned.
    """
    origin = engine.get(run_id)
    then = engine.store.moment(origin, at)
    run = past.branch(origin, then, engine.clock.new_id(), key, engine.clock.now())
    flow = engine.workflow(run)
    names = sorted(name for name, digest in then.written.items() if digest is not None)
    kept = {name: value for name, value in held(engine, origin, then, names) if name not in unset}
    _require_known(flow, names, unset)
    kept |= dict(checked_changes(flow, changes or {}))
    changed = sorted({*(changes or {}), *unset})
    inputs = [Artifact(name, kept[name]) for name in flow.definition.input if name in kept]
    written = [Artifact(name, kept[name]) for name in sorted(kept) if name not in flow.definition.input]
    found = engine.bear(run, inputs, past.fork(flow, origin, run, then, written, changed, actor, reason))
    if found.id != run.id:
        _require_same(engine, found, origin, at, inputs, written)
    return found


def _require_known(flow: Workflow, names: Sequence[str], unset: Collection[str]) -> None:
    """Make sure that what is to be left out is there, and can be done without."""
    for name in unset:
        if name in flow.definition.input:
            raise UsageError(f'"{name}" is an input and cannot be left out; give it another value')
        if name not in names:
            near = did_you_mean(name, names)
            raise UsageError(f'"{name}" is not written there; {near or "written: " + (", ".join(names) or "nothing")}')


def _require_same(
    engine: Engine, found: Run, origin: Run, at: int, inputs: Sequence[Artifact], written: Sequence[Artifact]
) -> None:
    """Make sure that a key which is taken is taken by the very fork that is asked for."""
    first = next(iter(engine.follow(found.id)))
    is_same = (
        (found.forked_from, first.transition.of_seq) == (origin.id, at)
        and engine.store.same_input(found, inputs)
        and list(first.artifacts) == list(written)
    )
    if not is_same:
        raise KeyConflict(f'key "{found.key}" of "{found.workflow}" belongs to run {found.id}, which is not this fork; '
                          "use another key")  # fmt: skip
