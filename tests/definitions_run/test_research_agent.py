"""The research agent, end to end: a real OpenAI-shaped server over HTTP that fails, and judges its caller."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Match, Reply

import fsm
from definitions.research_agent import actions, model_server
from fsm.clock import Clock

HOME = Path(actions.__file__).parent
DEMO = HOME / "demo.py"
TOPIC = "What survives a crash?"
DAY_MS = 86_400_000


class Swift(Clock):
    """The real time, set forward by `ahead_ms`; only a wait that the server names is waited."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now(self) -> int:
        return super().now() + self.ahead_ms

    def draw(self) -> float:
        return 0.0


class Model:
    """The scripted server, as the tests speak to it."""

    def __init__(self, llmock: LLMock) -> None:
        self.llmock = llmock

    def says(self, model: str, *answers: str, last: str | None = None) -> None:
        """Queue answers of one model; `last` is repeated for ever."""
        for text in answers:
            self.llmock.add(Reply(text=text, match=Match(model=model)))
        if last is not None:
            self.llmock.add(Reply(text=last, times=None, match=Match(model=model)))

    def asked(self) -> dict[str, int]:
        return dict(Counter(str(request.model) for request in self.llmock.requests))

    def prompts(self, model: str) -> list[str]:
        """Return what a model was told, one text per request."""
        bodies = [request.body for request in self.llmock.requests if request.model == model]
        return ["\n".join(message["content"] for message in body["messages"]) for body in bodies]


@pytest.fixture
def model(llmock: LLMock) -> Model:
    return Model(llmock)


@pytest.fixture
def scripted(model: Model) -> Model:
    """The model with the answers of the demo, but a planner that is right at once."""
    model.says("planner-mini", last=model_server.text_of("planner"))
    for name in model_server.ANSWERS.keys() - {"planner-mini"}:
        model.says(name, last=model_server.text_of(name))
    return model


@pytest.fixture
def clock() -> Swift:
    return Swift()


@pytest.fixture
def engine(tmp_path: Path, clock: Swift) -> Iterator[fsm.Engine]:
    with fsm.Engine(tmp_path / "runs.db", definitions=HOME, actions=[actions], clock=clock) as engine:
        yield engine


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    return {"topic": TOPIC, "outlet": str(tmp_path / "outlet")}


def path(engine: fsm.Engine, run: fsm.Run) -> str:
    return " ".join(crossed.target for crossed, _ in engine.history(run.id) if not crossed.event.startswith("retry:"))


def test_the_definition_is_proved_sound_with_its_actions() -> None:
    found = [str(one) for one in fsm.check(HOME, actions=[actions]) if one.severity != fsm.Severity.NOTE]
    assert found == []


def test_a_report_is_researched_mended_approved_and_published(
    scripted: Model, engine: fsm.Engine, inputs: dict[str, Any]
) -> None:
    run = engine.run("research-agent", inputs)
    assert (run.status, run.state) == ("waiting", "approval")
    report = engine.artifacts(run)["report"]
    engine.signal(run.id, "approve", {"report": report["id"], "by": "ana"})
    (run,) = engine.resume()
    assert path(engine, run) == "plan gather draft critique revise critique approval publish published"
    published = Path(run.output).read_text(encoding="utf-8")
    assert published == f"# {TOPIC}\n\n{model_server.ANSWERS['editor']}\n\nApproved by ana.\n"
    assert [file.name for file in Path(inputs["outlet"]).iterdir()] == [Path(run.output).name]
    assert scripted.asked() == dict.fromkeys(
        ["planner-mini", "search-papers", "search-docs", "search-issues", "writer", "editor", "critic"], 1
    )


def test_a_server_that_fails_finds_its_caller_well_behaved(
    scripted: Model, engine: fsm.Engine, inputs: dict[str, Any]
) -> None:
    for name, status in {"planner-mini": 429, "search-docs": 503, "writer": 429, "critic": 503}.items():
        scripted.llmock.fail(status, retry_after=0.1, times=2, model=name)
    run = engine.run("research-agent", inputs)
    assert (run.status, run.state) == ("waiting", "approval")
    verdict = scripted.llmock.verdict()
    assert (verdict.faults, verdict.findings) == (8, ())


def test_answers_that_arrived_before_a_refusal_are_not_paid_for_again(
    scripted: Model, engine: fsm.Engine, inputs: dict[str, Any]
) -> None:
    scripted.llmock.fail(503, retry_after=0.01, times=2, model="search-issues")
    engine.run("research-agent", inputs)
    searched = {name: count for name, count in scripted.asked().items() if name.startswith("search-")}
    assert searched == {"search-papers": 1, "search-docs": 1, "search-issues": 3}


CHILD = """
import os, signal, sys
import fsm
from definitions.research_agent import actions

def die(question, key):
    answer = look_up(question, key)
    if question.source == "issues":
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

look_up, actions.look_up = actions.look_up, die
fsm.Engine(sys.argv[1], definitions=sys.argv[2], actions=[actions]).run(
    "research-agent", {"topic": sys.argv[3], "outlet": sys.argv[4]}
)
"""


def test_a_kill_in_mid_gather_pays_again_only_for_the_answer_on_its_way(
    scripted: Model, engine: fsm.Engine, inputs: dict[str, Any], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CHILD, tmp_path / "runs.db", HOME, TOPIC, inputs["outlet"]]
    child = subprocess.run(command, check=False)
    assert child.returncode == -signal.SIGKILL
    (run,) = engine.resume()
    assert (run.status, run.state) == ("waiting", "approval")
    assert scripted.asked() == {
        "planner-mini": 1, "search-papers": 1, "search-docs": 1, "search-issues": 2, "writer": 1, "editor": 1,
        "critic": 1,
    }  # fmt: skip


def test_a_malformed_plan_is_asked_for_again_with_the_answer_and_what_is_wrong(
    scripted: Model, engine: fsm.Engine, inputs: dict[str, Any]
) -> None:
    scripted.llmock.reset()
    scripted.says("planner-mini", "Sure! [1, 2")
    scripted.says("planner", '{"questions": []}', last=model_server.text_of("planner"))
    for name in ("search-papers", "search-docs", "search-issues", "editor", "critic"):
        scripted.says(name, last=model_server.text_of(name))
    scripted.says("writer", last=model_server.text_of("editor"))
    run = engine.run("research-agent", inputs)
    assert path(engine, run) == "plan replan replan gather draft critique approval"
    first, second = scripted.prompts("planner")
    assert "Sure! [1, 2" in first
    assert "Invalid JSON" in first
    assert '{"questions": []}' in second
    assert "questions: List should have at least 1 item" in second


def test_a_model_that_never_answers_in_json_ends_in_the_dead_letter(
    model: Model, engine: fsm.Engine, inputs: dict[str, Any]
) -> None:
    model.says("planner-mini", last="no")
    model.says("planner", last="no")
    run = engine.run("research-agent", inputs)
    assert path(engine, run) == "plan replan replan replan replan dead_letter"
    assert (run.status, str(run.reason).partition(":")[0]) == ("dead", "VisitsExceeded")
    assert model.asked() == {"planner-mini": 1, "planner": 3}


def test_a_malformed_search_result_is_asked_for_once_more_and_the_others_are_kept(
    scripted: Model, engine: fsm.Engine, inputs: dict[str, Any]
) -> None:
    scripted.llmock.reset()
    scripted.says("search-docs", "not JSON", model_server.text_of("search-docs"))
    for name in ("planner-mini", "search-papers", "search-issues", "writer", "editor", "critic"):
        scripted.says(name, last=model_server.text_of("planner" if name == "planner-mini" else name))
    run = engine.run("research-agent", inputs)
    assert run.state == "approval"
    assert scripted.asked()["search-papers"] == 1
    assert scripted.asked()["search-docs"] == 2


def test_an_answer_that_was_cut_off_is_malformed(model: Model, engine: fsm.Engine, inputs: dict[str, Any]) -> None:
    model.llmock.add(Reply(text="{", finish_reason="length", times=None))
    run = engine.run("research-agent", inputs)
    assert engine.artifacts(run)["error"]["class"] == "VisitsExceeded"
    assert "cut off" in model.prompts("planner")[0]


def test_a_critic_that_is_never_content_leaves_it_to_a_person(
    scripted: Model, engine: fsm.Engine, inputs: dict[str, Any]
) -> None:
    scripted.llmock.reset()
    scripted.says("critic", last=json.dumps({"sound": False, "issues": ["dull"]}))
    for name in ("planner-mini", "search-papers", "search-docs", "search-issues", "editor"):
        scripted.says(name, last=model_server.text_of("planner" if name == "planner-mini" else name))
    scripted.says("writer", last=model_server.text_of("editor"))
    run = engine.run("research-agent", inputs)
    assert path(engine, run) == "plan gather draft critique revise critique revise critique revise approval"
    assert engine.artifacts(run)["critique"]["issues"] == ["dull"]


def test_a_state_sees_only_what_it_reads(scripted: Model, engine: fsm.Engine, inputs: dict[str, Any]) -> None:
    engine.run("research-agent", inputs)
    assert TOPIC in scripted.prompts("writer")[0]
    for name in ("editor", "critic"):
        assert TOPIC not in scripted.prompts(name)[0]


def test_an_approval_of_another_text_is_refused(scripted: Model, engine: fsm.Engine, inputs: dict[str, Any]) -> None:
    run = engine.run("research-agent", inputs)
    with pytest.raises(fsm.IllegalTransition, match="match"):
        engine.signal(run.id, "approve", {"report": "000000000000", "by": "ana"})
    assert engine.get(run.id).state == "approval"
    assert not Path(inputs["outlet"]).exists()


def test_a_refused_report_is_not_published(scripted: Model, engine: fsm.Engine, inputs: dict[str, Any]) -> None:
    run = engine.run("research-agent", inputs)
    report = engine.artifacts(run)["report"]["id"]
    run = engine.signal(run.id, "refuse", {"report": report, "by": "ana", "why": "thin"})
    assert (run.status, run.reason) == ("failed", "refused by ana: thin")
    assert not Path(inputs["outlet"]).exists()


def test_a_report_that_nobody_answers_for_is_not_published(
    scripted: Model, engine: fsm.Engine, inputs: dict[str, Any], clock: Swift
) -> None:
    engine.run("research-agent", inputs)
    clock.ahead_ms = 7 * DAY_MS
    (run,) = engine.resume()
    assert (run.status, run.state) == ("failed", "unanswered")
    assert not Path(inputs["outlet"]).exists()


def test_a_request_that_can_never_succeed_is_not_repeated(
    scripted: Model, engine: fsm.Engine, inputs: dict[str, Any]
) -> None:
    scripted.llmock.fail(400, times=None, model="writer")
    run = engine.run("research-agent", inputs)
    assert (run.status, run.state) == ("dead", "dead_letter")
    assert scripted.asked()["writer"] == 1
    scripted.llmock.assert_resilient(strict=True)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("All is well [1] and [2].", []),
        ("All is well.", ["nothing is cited"]),
        ("All is well [0] and [3].", ["[0] cites no finding", "[3] cites no finding"]),
    ],
)
def test_citations_are_checked_by_code(text: str, wrong: list[str]) -> None:
    assert actions.unbacked(text, findings=2) == wrong


def test_the_demo_ends_with_a_published_report_and_a_verdict_without_findings(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONWARNINGS": "error"}
    command = [sys.executable, str(DEMO), "--failures", "0"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "approval → publish → published" in ended.stdout
    assert "PASS  the client handled every injected fault correctly." in ended.stdout
    assert ended.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_the_demo_cleans_up_when_it_is_interrupted(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, DEMO], env=environment, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        url = demo.stdout.readline().split()[3]
        demo.send_signal(signal.SIGINT)
        assert demo.wait() == 130
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")
