"""Burr: an application per run, built on one graph, with a SQLite persister that saves after each action.

Many at once go through `arun` under `gather` with the asynchronous persister, whose one connection they share: what one
commits takes along what others have inserted. That is faster than threads with a connection each.
"""

import asyncio
from itertools import pairwise
from typing import Any
from uuid import uuid4

from burr.core import Application, ApplicationBuilder, Graph, GraphBuilder, State, action, expr
from burr.core.persistence import SQLitePersister
from burr.integrations.persisters.b_aiosqlite import AsyncSQLitePersister

from benchmarks.peers.subject import LONG, STEPS, Subject, Workflow, ended

_LAST = f"s{STEPS}"


class Measured(Subject):
    def open(self, workflow: Workflow) -> None:
        self._path = str(self.folder / "burr.sqlite")
        self._saver = SQLitePersister(self._path)
        self._saver.initialize()
        if workflow == "long":
            self._graph = self._loop()
        else:
            self._graph = self._chain(self._plain() if workflow == "alone" else self._asynchronous())

    def _plain(self) -> Any:
        @action(reads=["x"], writes=["x"])
        def step(state: State) -> State:
            return state.update(x=self.step(state["x"]))

        return step

    def _asynchronous(self) -> Any:
        @action(reads=["x"], writes=["x"])
        async def step(state: State) -> State:
            return state.update(x=self.step(state["x"]))

        return step

    def _chain(self, step: Any) -> Graph:
        names = [f"s{n}" for n in range(1, STEPS + 1)]
        steps = GraphBuilder().with_actions(**dict.fromkeys(names, step))
        return steps.with_transitions(*pairwise(names)).build()

    def _loop(self) -> Graph:
        steps = GraphBuilder().with_actions(s1=self._plain(), end=self._plain())
        return steps.with_transitions(("s1", "s1", expr(f"x < {LONG}")), ("s1", "end")).build()

    def _builder(self, saver: Any, name: str) -> ApplicationBuilder:
        return (
            ApplicationBuilder()
            .with_graph(self._graph)
            .initialize_from(saver, resume_at_next_action=True, default_state={"x": 0}, default_entrypoint="s1")
            .with_state_persister(saver)
            .with_identifiers(app_id=name)
        )

    def alone(self, runs: int) -> None:
        for _ in range(runs):
            *_, state = self._builder(self._saver, str(uuid4())).build().run(halt_after=[_LAST])
            ended(state["x"])

    def crowd(self, runs: int) -> None:
        async def one(saver: AsyncSQLitePersister) -> State:
            application = await self._builder(saver, str(uuid4())).abuild()
            *_, state = await application.arun(halt_after=[_LAST])
            return state

        async def gathered() -> list[State]:
            async with AsyncSQLitePersister.from_values(db_path=self._path) as saver:
                await saver.initialize()
                return await asyncio.gather(*(one(saver) for _ in range(runs)))

        for state in asyncio.run(gathered()):
            ended(state["x"])

    def _long_application(self) -> Application:
        return self._builder(self._saver, "long").build()

    def long(self) -> None:
        self._long_application().run(halt_after=["end"])

    def resume(self) -> None:
        self._long_application().run(halt_after=["end"])

    def close(self) -> None:
        self._saver.cleanup()
