"""What the engine tells the log and OpenTelemetry."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import fsm
from fsm.logs import JsonFormatter
from fsm.telemetry import Telemetry
from tests.engine.builders import House, named

FLOW = """
    workflow: post
    version: 2
    start: pack
    defaults: {error: lost, retry: {attempts: 2, delay: 0s, errors: [Unavailable]}}
    states:
      pack: {action: p.pack, success: send}
      send: {action: p.send, OPTIONS success: done}
      done: {end: success, output: send}
      lost: {end: dead_letter}
"""
_EXPORTER = InMemorySpanExporter()
_READER = InMemoryMetricReader()


@pytest.fixture(scope="module", autouse=True)
def _providers() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_EXPORTER))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([_READER]))


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    _EXPORTER.clear()
    yield _EXPORTER
    _EXPORTER.clear()


def fails_once(ctx: fsm.Context) -> str:
    if ctx.attempt == 1:
        raise fsm.Unavailable("down")
    ctx.log.info("sent")
    return ctx.key


class TestLogging:
    def test_each_transition_is_a_record_with_all_about_its_run(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "fsm")
        house.define(FLOW.replace("OPTIONS ", ""))
        run = house.engine(named("p.pack", lambda: 1), named("p.send", fails_once)).run("post", key="k")
        told = [json.loads(JsonFormatter().format(record)) for record in caplog.records if record.name == "fsm.run"]
        assert [(one["event"], one["level"], one["state"], one["attempt"]) for one in told] == [
            ("start", "info", "pack", 1), ("success", "debug", "send", 1), ("retry:1", "warning", "send", 2),
            ("success", "info", "done", 1),
        ]  # fmt: skip
        assert {(one["run"], one["run_key"], one["workflow"], one["version"]) for one in told} == {
            (run.id, "k", "post", 2)
        }
        (own,) = (json.loads(JsonFormatter().format(one)) for one in caplog.records if one.name == "fsm.action")
        assert (own["message"], own["run"], own["state"], own["attempt"], own["key"]) == (
            "sent", run.id, "send", 2, run.output,
        )  # fmt: skip

    def test_a_dead_letter_is_an_error_that_says_why(self, house: House, caplog: pytest.LogCaptureFixture) -> None:
        def breaks() -> None:
            raise ValueError("no stamps")

        house.define(FLOW.replace("OPTIONS ", ""))
        house.engine(named("p.pack", breaks), named("p.send", fails_once)).run("post")
        (record,) = (one for one in caplog.records if one.levelno >= logging.ERROR)
        assert "after ValueError: no stamps" in record.getMessage()

    def test_a_traceback_and_what_is_no_json_are_written_too(self) -> None:
        try:
            raise ValueError("x")
        except ValueError:
            record = logging.getLogger("fsm").makeRecord(
                "fsm", logging.ERROR, __file__, 1, "it %s", ("broke",), None, extra={"what": {1}}
            )
            record.exc_info = sys.exc_info()
        found = json.loads(JsonFormatter().format(record))
        assert (found["message"], found["what"], found["at"][-1]) == ("it broke", "{1}", "Z")
        assert found["traceback"].endswith("ValueError: x")


def of_states(found: tuple[ReadableSpan, ...]) -> list[tuple[str, Any, bool]]:
    return [(span.name, (span.attributes or {})["fsm.attempt"], span.status.is_ok) for span in found]


class TestTelemetry:
    @pytest.mark.parametrize("driver", ["run", "timeout", "run_async", "work"])
    def test_each_attempt_is_a_span_of_one_trace_and_current_in_the_action(
        self, house: House, spans: InMemorySpanExporter, driver: str
    ) -> None:
        inside: list[int] = []

        async def pack() -> int:
            inside.append(trace.get_current_span().get_span_context().span_id)
            return 1

        def send(ctx: fsm.Context) -> str:
            inside.append(trace.get_current_span().get_span_context().span_id)
            return fails_once(ctx)

        house.define(FLOW.replace("OPTIONS", "timeout: 30s," if driver == "timeout" else ""))
        engine = house.engine(named("p.pack", pack), named("p.send", send), telemetry=Telemetry(), clock=None)
        if driver == "run_async":
            run = asyncio.run(engine.run_async("post"))
        elif driver == "work":
            run = engine.start("post")
            engine.work(until="idle")
            run = engine.get(run.id)
        else:
            run = engine.run("post")
        found = spans.get_finished_spans()
        assert run.status == "succeeded"
        assert of_states(found) == [("pack", 1, True), ("send", 1, False), ("send", 2, True)]
        assert [span.context.span_id for span in found if span.context] == inside
        assert len({span.context.trace_id for span in found if span.context}) == 1
        assert (found[2].attributes or {})["fsm.key"] == run.output
        assert (found[1].attributes or {})["error.type"] == "Unavailable"

    def test_the_trace_of_the_caller_is_carried_to_whoever_resumes(
        self, house: House, spans: InMemorySpanExporter
    ) -> None:
        house.define(FLOW.replace("OPTIONS ", ""))
        actions = named("p.pack", lambda: 1), named("p.send", lambda: "x")
        with trace.get_tracer("caller").start_as_current_span("request") as request:
            run = house.engine(*actions, telemetry=Telemetry()).start("post")
        assert run.trace
        assert f"{request.get_span_context().trace_id:032x}" in run.trace
        other = house.engine(*actions, telemetry=Telemetry())
        assert other.get(run.id).trace == run.trace
        other.resume()
        own = [span for span in spans.get_finished_spans() if span.name in ("pack", "send")]
        assert {span.context.trace_id for span in own if span.context} == {request.get_span_context().trace_id}
        assert {span.parent.span_id for span in own if span.parent} == {request.get_span_context().span_id}

    def test_transitions_dead_letters_and_attempts_are_counted(self, house: House) -> None:
        def breaks() -> None:
            raise ValueError("no stamps")

        house.define(FLOW.replace("OPTIONS ", ""))
        house.engine(named("p.pack", breaks), named("p.send", fails_once), telemetry=Telemetry()).run("post")
        data = _READER.get_metrics_data()
        assert data is not None
        names = {one.name for of in data.resource_metrics for scope in of.scope_metrics for one in scope.metrics}
        assert {"fsm.transitions", "fsm.dead_letters", "fsm.attempt.duration", "fsm.attempts.in_flight"} <= names
