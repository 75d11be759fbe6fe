"""The model of the demo: an OpenAI-shaped server that fails at random, says what is scripted, and judges its caller.

It is `llmock`, run as a process of its own. Each model of the definition has a scripted answer here; the small planner
talks instead of answering in JSON, and the writer cites a finding that there is not.
"""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

STARTING_S = 20.0

PLAN = {
    "questions": [
        {"ask": "What does a log have to promise so that a crash loses nothing?", "source": "papers"},
        {"ask": "What may run again after a crash?", "source": "docs"},
        {"ask": "What do users get wrong most often?", "source": "issues"},
    ]
}
ANSWERS: dict[str, Any] = {
    "planner-mini": 'Sure! Here is a plan: {"questions": [{"ask": "What does a log have to pro',
    "planner": PLAN,
    "search-papers": {"claim": "A change is safe once its log record is on disk.", "source": "ARIES, 1992"},
    "search-docs": {"claim": "Only the action in flight runs again, with the same key.", "source": "the manual"},
    "search-issues": {"claim": "They retry requests that can never succeed.", "source": "issue 482"},
    "writer": "Each step is logged before it counts [1]. Only the action in flight runs again [2], not twice [7].",
    "editor": "Each step is logged before it counts [1]. Only the action in flight runs again [2], if it can help [3].",
    "critic": {"sound": True, "issues": []},
}


def script() -> list[dict[str, Any]]:
    """Return llmock's scenario: what each model says, and one failure of each kind that is certain to happen."""
    return [
        *({"type": "reply", "text": text_of(model), "times": None, "match": {"model": model}} for model in ANSWERS),
        {"type": "fail", "status": 429, "retry_after": 0.7, "match": {"model": "planner"}},
        {"type": "fail", "status": 503, "retry_after": 0.4, "match": {"model": "search-docs"}},
    ]


def text_of(model: str) -> str:
    said = ANSWERS[model]
    return said if isinstance(said, str) else json.dumps(said)


@contextlib.contextmanager
def serving(failures: float, log: Path) -> Iterator[str]:
    """Run llmock on a free port and yield its address; half of its failures are 429, half 503."""
    url = f"http://127.0.0.1:{free_port()}"
    rates = [f"--error-rate={status}={failures / 2}" for status in (429, 503)]
    command = [sys.executable, "-m", "llmock.cli", "serve", "--port", url.rpartition(":")[2], "--log-level=warning"]
    # A group of its own: Ctrl-C reaches the demo, which then ends the server.
    with (
        log.open("wb") as out,
        subprocess.Popen([*command, *rates], stdout=out, stderr=out, process_group=0) as server,  # noqa: S603 - our own
    ):
        try:
            wait_for(url, server, log)
            httpx.post(f"{url}/_llmock/scenario", json={"behaviors": script()}).raise_for_status()
            yield url
        finally:
            stop(server)


def stop(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:
        server.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    ends_s = time.monotonic() + STARTING_S
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health").is_success:
                return
        if server.poll() is not None or time.monotonic() > ends_s:
            sys.exit(f"llmock did not start:\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.05)


def served(url: str) -> list[int]:
    """Return the status of every answer that the server gave."""
    return [request["status"] for request in httpx.get(f"{url}/_llmock/requests").json()["requests"]]


def verdict(url: str) -> tuple[int, str]:
    """Return what `llmock report` says about its caller, and its exit code: 0 for well behaved."""
    command = [sys.executable, "-m", "llmock.cli", "report", "--strict", "--url", url]
    report = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    return report.returncode, (report.stdout + report.stderr).strip()
