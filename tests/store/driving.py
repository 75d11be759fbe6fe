"""Runs for the tests of stores: real workflows, and the decisions of the kernel itself, at a time of their own."""

import itertools
import json
import os
from collections.abc import Mapping
from typing import Any

from fsm.kernel.decide import begin, decide
from fsm.model.run import Artifact, Decision, Failed, Failure, Kept, Result, Run, Status, Succeeded
from fsm.model.workflow import Workflow, own_names
from fsm.source import read
from fsm.store import Store

REVIEW = """
workflow: review
version: 1
start: fetch
input: {uri: str}
defaults: {timeout: 60s, retry: never, error: {Refused: rejected, else: lost}}
errors: {Refused: []}
states:
  fetch:
    action: review.fetch
    writes: document
    retry: [{attempts: 3, delay: 0s, errors: [Timeout]}, {attempts: 3, delay: 10s, jitter: none, errors: [Unavailable]}]
    success: {success: draft, nothing: done}
  draft: {action: review.draft, writes: text, idempotent: false, interrupted: ask, max_visits: 3, success: human}
  human: {signal: {accept: pause, refuse: draft}, writes: verdict, deadline: 1h}
  pause: {wait: 30m, success: choice}
  choice:
    switch:
      - {when: "verdict == 'fine'", to: done}
      - {else: draft}
    optional: [verdict]
  done: {end: success, output: document}
  rejected: {end: failure, reason: "'refused'"}
  lost: {end: dead_letter}
"""

LOOP = """
workflow: loop
version: 1
start: turn
states:
  turn:
    action: loop.turn
    timeout: 60s
    retry: never
    max_visits: 100000
    success: {again: turn, success: done}
    error: done
  done: {end: success}
"""

FETCHED = Succeeded("success", '"a page"')
DRAFTED = Succeeded("success", '"a text"')
AGAIN = Succeeded("again", '"once more"')
URI = {"uri": "a.pdf"}


def failed(name: str, *names: str, interrupted: bool = False) -> Failed:
    return Failed(Failure(name, "it broke", frozenset({name, "Exception", *names}), interrupted=interrupted))


def flow_of(text: str) -> Workflow:
    source = read(text, "made.yaml")
    assert source.workflow is not None, source.diagnostics
    return source.workflow


def artifacts_of(values: Mapping[str, Any]) -> list[Artifact]:
    return [Artifact(name, json.dumps(value)) for name, value in values.items()]


class Driver:
    """Starts runs in a store and takes them over edges; what `commit` returns is always what `get` finds."""

    _numbers = itertools.count()

    def __init__(self, store: Store, now: int = 1_700_000_000_000) -> None:
        self.store = store
        self.now = now
        self.flows: dict[str, Workflow] = {}

    def new(
        self, text: str = REVIEW, *, key: str | None = None, status: Status = "running", uid: str | None = None,
        priority: int = 0,
    ) -> Run:  # fmt: skip
        """Return a run of a saved workflow, as it is before its start."""
        flow = flow_of(text)
        self.flows[flow.digest] = flow
        self.now += 1
        self.store.save(flow, text, self.now)
        return Run(
            id=uid or f"{self.now:014d}{os.getpid() % 1_000_000:06d}{next(self._numbers):06d}", workflow=flow.name,
            version=flow.version, digest=flow.digest, key=key, state="", status=status, seq=0, head=b"", visit=0,
            entered_at=self.now, attempt=1, tries={}, visits={}, due_at=None, awaits=(), epoch=1, crashes=0,
            interrupted=False, started_at=self.now, updated_at=self.now, priority=priority,
        )  # fmt: skip

    def start(
        self, text: str = REVIEW, given: Mapping[str, Any] = URI, *, key: str | None = None, status: Status = "running",
        uid: str | None = None, priority: int = 0,
    ) -> Run:  # fmt: skip
        inputs = given if text == REVIEW else {}
        run = self.new(text, key=key, status=status, uid=uid, priority=priority)
        decision = begin(self.flows[run.digest], run, self.now, inputs)
        return self.store.start(run, artifacts_of(inputs), decision)

    def flow(self, run: Run) -> Workflow:
        if run.digest not in self.flows:
            self.flows[run.digest] = flow_of(self.store.text(run.digest))
        return self.flows[run.digest]

    def values(self, run: Run) -> dict[str, Any]:
        texts = self.store.values(run, own_names(self.flow(run).needs[run.state]))
        return {name: json.loads(text) for name, text in texts.items()}

    def decision(self, run: Run, result: Result) -> Decision:
        self.now += 1
        return decide(self.flow(run), run, result, self.now, 0.5, self.values(run))

    def commit(self, decision: Decision) -> Run:
        (after,) = self.store.commit([decision])
        assert after is not None, "it came too late"
        assert after == self.store.get(after.id)
        return after

    def go(self, run: Run, *results: Result) -> Run:
        """Take a run over one edge per result."""
        for result in results:
            run = self.commit(self.decision(run, result))
        return run

    def claim(self, run: Run) -> Run:
        claimed = self.store.claim(run.id, self.now)
        assert claimed is not None, "it could not be claimed"
        assert claimed == self.store.get(run.id)
        return claimed

    def signal(self, name: str, payload: Any = "fine", message_id: str | None = None) -> Kept:
        self.now += 1
        return Kept(0, name, "ana", payload, self.now, message_id)

    def wake(self, run: Run) -> Run:
        """Claim a waiting run at the instant it is due."""
        assert run.due_at is not None
        self.now = max(self.now, run.due_at)
        return self.claim(run)
