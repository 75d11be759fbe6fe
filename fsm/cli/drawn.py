"""What `show` and `graph` look at: a workflow by name or file, or the one that a run is pinned to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fsm.cli.catalogue import errors_of, named, newest
from fsm.cli.session import Session
from fsm.diagnostics import Diagnostic
from fsm.errors import DefinitionError, UsageError
from fsm.model.run import Run, Transition
from fsm.model.workflow import Workflow, success_event
from fsm.render.graph import Crossing


@dataclass(frozen=True)
class Picture:
    """A workflow, and how far a run has come in it.

    Attributes:
        errors: why the workflow is unsound; none for one that a run is pinned to.
        run: the run, or None.
        passed: the transitions that it made.
    """

    flow: Workflow
    errors: tuple[Diagnostic, ...] = ()
    run: Run | None = None
    passed: frozenset[Crossing] = frozenset()


def chosen(here: Session, word: str | None, run_id: str | None) -> Picture:
    """Return what a command line names.

    Raises:
        UsageError: it names nothing, or a run of another workflow.
        DefinitionError: the file holds nothing that could be called a workflow.
    """
    if run_id is not None:
        return _of_run(here, word, run_id)
    if word is None:
        raise UsageError("name a WORKFLOW or a FILE, or a run with --run")
    source = newest(named(here.definitions, word))
    errors = tuple(errors_of([Path(source.path)]))
    if source.workflow is None:
        raise DefinitionError(errors)
    return Picture(source.workflow, errors)


def _of_run(here: Session, word: str | None, run_id: str) -> Picture:
    with here.existing() as engine:
        run = engine.get(run_id)
        flow = engine.workflow(run)
        passed = frozenset(_passed(row for row, _ in engine.follow(run.id)))
    if word is not None and word != run.workflow and named(here.definitions, word).name != run.workflow:
        raise UsageError(f'run {run.id} is one of "{run.workflow}", not of "{word}"')
    return Picture(flow, (), run, passed)


def _passed(rows: Iterable[Transition]) -> Iterator[Crossing]:
    """Yield the edges that a ledger crossed; a person's `complete` crosses the success edge of what it answers."""
    sources: dict[int, str] = {}
    for row in rows:
        if row.event.startswith("error:") or row.event == "fault":
            sources[row.seq] = row.source
        if row.event == "complete":
            outcome = (row.detail or {}).get("outcome", "success")
            event = success_event(outcome)
            yield sources.get(row.of_seq or 0, row.source), event, row.target
        else:
            yield row.source, row.event, row.target
