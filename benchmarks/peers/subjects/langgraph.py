"""LangGraph: a graph compiled with its SQLite checkpointer; `durability="sync"` saves each step before the next begins.

Many at once go through `batch`, which has threads of its own: faster than `ainvoke` under `gather` with the
asynchronous checkpointer, which was tried, too.
"""

from contextlib import ExitStack
from typing import TypedDict
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

from benchmarks.peers.subject import LONG, STEPS, Subject, Workflow, ended


class Count(TypedDict):
    x: int


def _thread(name: str | None = None) -> RunnableConfig:
    return {"configurable": {"thread_id": name or str(uuid4())}, "recursion_limit": LONG}


class Measured(Subject):
    def open(self, workflow: Workflow) -> None:
        self._path = str(self.folder / "checkpoints.sqlite")
        self._open = ExitStack()
        saver = self._open.enter_context(SqliteSaver.from_conn_string(self._path))
        saver.setup()
        self._graph = (self._loop() if workflow == "long" else self._chain()).compile(checkpointer=saver)

    def _add_one(self, state: Count) -> Count:
        return {"x": self.step(state["x"])}

    def _chain(self) -> "StateGraph[Count]":
        names = [f"s{n}" for n in range(1, STEPS + 1)]
        graph = StateGraph(Count)
        for name in names:
            graph.add_node(name, self._add_one)
        for source, target in zip([START, *names], [*names, END], strict=True):
            graph.add_edge(source, target)
        return graph

    def _loop(self) -> "StateGraph[Count]":
        graph = StateGraph(Count)
        graph.add_node("s1", self._add_one)
        graph.add_edge(START, "s1")
        graph.add_conditional_edges("s1", lambda state: "s1" if state["x"] < LONG else END, ["s1", END])
        return graph

    def alone(self, runs: int) -> None:
        for _ in range(runs):
            ended(self._graph.invoke({"x": 0}, _thread(), durability="sync")["x"])

    def crowd(self, runs: int) -> None:
        threads = [_thread() for _ in range(runs)]
        for state in self._graph.batch([{"x": 0}] * runs, threads, durability="sync"):
            ended(state["x"])

    def long(self) -> None:
        self._graph.invoke({"x": 0}, _thread("long"), durability="sync")

    def resume(self) -> None:
        self._graph.invoke(None, _thread("long"), durability="sync")

    def close(self) -> None:
        self._open.close()
