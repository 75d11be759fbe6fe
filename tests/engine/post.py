"""A workflow that sends one mail, and the outside world that it is sent to."""

from typing import Any

import fsm
from fsm.engine.engine import Engine
from tests.engine.builders import Died, House, killed, named

FLOW = """
    workflow: mail
    version: 1
    start: send
    input: {log: str}
    defaults: {error: {Interrupted: poisoned, else: dead}}
    states:
      send: {action: mail.send, OPTIONS success: {success: done, bounced: bounced}}
      done: {end: success, output: send}
      bounced: {end: failure, reason: "'it bounced'"}
      poisoned: {end: failure}
      dead: {end: dead_letter}
"""
PROBE = "interrupted: {probe: mail.find}, "
ASK = "interrupted: ask, "
AGAIN = "retry: {attempts: 3, delay: 2s, jitter: none}, "
NEVER = "retry: never, "


def mail(house: House, options: str) -> None:
    house.define(FLOW.replace("OPTIONS", options))


class Post:
    """An outside world: what it was asked to send, and what the probe answers."""

    def __init__(self, *answers: Any) -> None:
        self.sent: list[tuple[str, bool, int]] = []
        self.fates: list[BaseException | Any] = []
        self.answers = list(answers)
        self.asked: list[tuple[str, bool]] = []

    def send(self, log: str, ctx: fsm.Context) -> Any:
        self.sent.append((ctx.key, ctx.interrupted, ctx.attempt))
        fate = self.fates.pop(0) if self.fates else "sent"
        if isinstance(fate, BaseException):
            raise fate
        return fate

    def find(self, ctx: fsm.Context) -> Any:
        self.asked.append((ctx.key, ctx.interrupted))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def engine(self, house: House, **options: Any) -> Engine:
        actions = [
            named("mail.send", self.send),
            named("mail.find", self.find),
        ]
        return house.engine(*actions, **options)

    def run(self, engine: Engine, **options: Any) -> fsm.Run:
        return engine.run("mail", {"log": ""}, **options)

    def crash(self, house: House) -> str:
        """Run until the first attempt dies; return the run's id."""
        self.fates.insert(0, Died())
        engine = self.engine(house)
        killed(engine, lambda: self.run(engine))
        return house.engine(definitions=[]).runs()[0].id
