"""Names of workflows, as operators give them."""

from fsm.diagnostics import did_you_mean
from fsm.engine.engine import Engine
from fsm.errors import NotFound


def require_stored(engine: Engine, workflow: str | None) -> None:
    """Make sure that the store has a workflow of a name, since a misspelt one would look like one without runs.

    Raises:
        NotFound: it has none; names the nearest one.
    """
    names = engine.store.names()
    if workflow is not None and workflow not in names:
        near = did_you_mean(workflow, names)
        raise NotFound(f'no workflow "{workflow}" has runs here; {near or "known: " + (", ".join(names) or "none")}')
