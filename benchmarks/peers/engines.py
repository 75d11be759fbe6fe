"""The engines: what is installed of each, and what a program imports to use it."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Engine:
    """An engine to be measured.

    Attributes:
        key: the name of its module in `subjects`.
        title: what the report calls it.
        requirements: what pip is told.
        distributions: what the requirements bring, to tell the versions of.
        imports: what a program of ten steps imports.
        how: how it is used here: for one run at a time, and for many at once.
    """

    key: str
    title: str
    requirements: tuple[str, ...]
    distributions: tuple[str, ...]
    imports: str
    how: str

    @property
    def version(self) -> str | None:
        """The versions that are installed here, or None where one is missing."""
        try:
            return ", ".join(version(name) for name in self.distributions)
        except PackageNotFoundError:
            return None


OURS = Engine("ours", "ours", (), ("fsm",), "from fsm import Engine, action", "run; run_async under gather")
PEERS = (
    Engine(
        "dbos", "DBOS", ("dbos>=3.0",), ("dbos",), "from dbos import DBOS",
        "decorated functions; start_workflow and get_result",
    ),
    Engine(
        "langgraph", "LangGraph",
        ("langgraph>=1.0", "langgraph-checkpoint-sqlite>=3.0"), ("langgraph", "langgraph-checkpoint-sqlite"),
        "from langgraph.graph import StateGraph; from langgraph.checkpoint.sqlite import SqliteSaver",
        'a graph with durability="sync"; batch, which has threads of its own',
    ),
    Engine(
        "burr", "Burr", ("apache-burr[aiosqlite]>=0.43",), ("apache-burr",),
        "from burr.core import ApplicationBuilder, action; from burr.core.persistence import SQLitePersister",
        "an application per run, all on one graph; arun under gather, on one shared asynchronous persister",
    ),
)  # fmt: skip
ENGINES: Sequence[Engine] = (OURS, *PEERS)
"""Ours first: all others stand beside it."""
