"""OpenTelemetry, for who wants it: a span for each attempt of an action, and counts of what runs do.

Needs `opentelemetry-api` (`pip install 'fsm[otel]'`); which exporter and provider there are is the program's own
business. Nothing of it is imported unless a `Telemetry` is made.
"""

import time
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from fsm.errors import UsageError
from fsm.model.run import Run, Transition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context
    from opentelemetry.trace import Span


class Telemetry:
    """Tells OpenTelemetry what the engine does, through the providers that are set globally.

    All attempts of a run belong to one trace, in whatever process they are made: the one that was current where the
    run was started, else one of its own.

    Raises:
        UsageError: `opentelemetry-api` is not installed.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry import metrics, trace  # noqa: PLC0415 - only for who wants it
        except ImportError:
            raise UsageError("OpenTelemetry is not installed; pip install 'fsm[otel]'") from None
        self._tracer = trace.get_tracer("fsm")
        meter = metrics.get_meter("fsm")
        self._transitions = meter.create_counter("fsm.transitions", description="Transitions that were committed")
        self._dead = meter.create_counter("fsm.dead_letters", description="Runs that went to a dead letter")
        self._attempts = meter.create_histogram("fsm.attempt.duration", "s", "How long attempts of actions took")
        self._in_flight = meter.create_up_down_counter("fsm.attempts.in_flight", description="Attempts being made")

    def origin(self) -> str | None:
        """Return the caller's current span as a traceparent, or None where there is none."""
        from opentelemetry import trace  # noqa: PLC0415

        here = trace.get_current_span().get_span_context()
        if not here.is_valid:
            return None
        return f"00-{here.trace_id:032x}-{here.span_id:016x}-{int(here.trace_flags):02x}"

    def crossed(self, run: Run, row: Transition) -> None:
        """Count a transition after it is committed."""
        where = {"fsm.workflow": run.workflow, "fsm.state": row.source, "fsm.event": row.event}
        self._transitions.add(1, where)
        if row.status == "dead":
            self._dead.add(1, {"fsm.workflow": run.workflow, "fsm.state": row.source})

    @contextmanager
    def attempt(self, run: Run, action: str, key: str | None) -> "Iterator[Span]":
        """Make a span the current one for the attempt of an action.

        Args:
            key: the idempotency key, where the action takes one.
        """
        about: dict[str, Any] = {
            "fsm.run": run.id, "fsm.workflow": run.workflow, "fsm.version": run.version, "fsm.state": run.state,
            "fsm.visit": run.visit, "fsm.attempt": run.attempt, "fsm.action": action,
            "fsm.interrupted": run.interrupted, "fsm.crashes": run.crashes,
        }  # fmt: skip
        if key is not None:
            about["fsm.key"] = key
        labels = {"fsm.workflow": run.workflow, "fsm.state": run.state}
        self._in_flight.add(1, labels)
        began_s = time.perf_counter()
        try:
            with self._tracer.start_as_current_span(run.state, context=_parent(run), attributes=about) as span:
                yield span
        finally:
            self._in_flight.add(-1, labels)
            self._attempts.record(time.perf_counter() - began_s, labels)

    def failed(self, span: "Span", name: str, message: str) -> None:
        """Record in a span how its attempt failed."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

        span.set_attribute("error.type", name)
        span.set_status(Status(StatusCode.ERROR, f"{name}: {message}"))


def _parent(run: Run) -> "Context":
    """Return the context that the run's attempts have in common, carried by its row or derived from its id."""
    from opentelemetry import trace  # noqa: PLC0415

    if run.trace:
        _, trace_id, span_id, flags = run.trace.split("-")
    else:
        digest = sha256(run.id.encode()).hexdigest()
        trace_id, span_id, flags = digest[:32], digest[32:48], "01"
    parent = trace.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True,
                               trace_flags=trace.TraceFlags(int(flags, 16)))  # fmt: skip
    return trace.set_span_in_context(trace.NonRecordingSpan(parent))
