"""Rewind: a run goes back to an earlier transition."""

from fsm.engine.engine import Engine
from fsm.errors import IllegalTransition, UsageError
from fsm.kernel import past
from fsm.model.run import Artifact, Decision, Moment, Run


def rewind(
    engine: Engine, run_id: str, to: int, *, actor: str | None = None, reason: str | None = None,
    seen: int | None = None,
) -> Run:  # fmt: skip
    """Take a run back to the state that one of its transitions entered; `resume` drives it on from there.

    It is taken from whoever drives it, and may have ended. A visit of its own is opened, so that actions are performed
    anew, with other keys; values and counts of visits are again what they were right after that transition. The ledger
    keeps what came after it. What actions did outside is not undone: `effects` tells what that is. Signals that were
    consumed stay consumed.

    Args:
        to: the seq of the transition.
        seen: the seq up to which the caller looked at the run; one that has moved on since is left alone.

    Raises:
        NotFound: there is no such run or transition.
        IllegalTransition: the transition led to an end, or was crossed under another version; or the run has moved on.
        UsageError: a value of then was pruned.
    """

    def move(run: Run) -> Decision:
        if seen is not None and run.seq != seen:
            raise IllegalTransition(run.state, "rewind", [], f"the run moved on from {seen} to {run.seq} meanwhile")
        then, now = engine.store.moment(run, to), engine.store.moment(run, run.seq)
        restored = held(engine, run, then, past.changed(then, now))
        return past.rewind(engine.workflow(run), run, then, restored, engine.clock.now(), actor, reason)

    return engine.move(run_id, move)


def held(engine: Engine, run: Run, then: Moment, names: list[str]) -> list[Artifact]:
    """Return the values that a run had then; None for a name that was not written.

    Raises:
        UsageError: one was pruned.
    """
    texts = engine.store.values_at(run, names, then.transition.seq)
    pruned = [name for name in names if then.written.get(name) is not None and name not in texts]
    if pruned:
        raise UsageError(f'the value that "{pruned[0]}" had at {then.transition.seq} was pruned; it cannot be restored')
    return [Artifact(name, texts.get(name)) for name in names]
