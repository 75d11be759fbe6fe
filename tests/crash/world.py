"""A world that dies on command: a workflow is run, killed at a chosen point, resumed, until it has ended.

Every statement that the store executes, and every moment before, inside and after an action, is a point. A death is
a BaseException after which the store answers nothing more, as for a killed process: no release, no rollback but
SQLite's own. The next life opens the file anew.
"""

import json
import os
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from fsm.model.definition import ActionState, SignalState
from fsm.model.run import PERSON, Run, Transition
from fsm.model.workflow import Workflow
from tests.store.chain import breaks

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where to live and die: what a killed process loses does not depend on the disk, only the time of a sync does."""


SEQ_MAX = 40
"""A cycle that turns by signals has no bound of its own: the outside loses patience here."""


class Died(BaseException):
    """The process was killed."""


@cache
def _empty_store() -> Path:
    """Return a store that was just made: making one anew for every death would be most of the time."""
    path = Path(tempfile.mkdtemp(prefix="fsm-empty-")) / "runs.db"
    Engine(path).close()
    return path


def die() -> None:
    raise Died


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Fuse:
    """Burns at the n-th point of a life, and stays burnt; `end` is how that life ends."""

    def __init__(self, length: int | None, end: Callable[[], None] = die) -> None:
        self.left = length
        self.end = end
        self.points = 0
        self.burnt = False

    def point(self) -> None:
        self.points += 1
        if self.left is not None and not self.burnt:
            self.left -= 1
            self.burnt = self.left < 0
        if self.burnt:
            self.end()


class Mortal:
    """A connection of SQLite each of whose statements is two points: before it and after it."""

    def __init__(self, sql: sqlite3.Connection, fuse: Fuse) -> None:
        self._sql = sql
        self._fuse = fuse

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._fuse.point()
        cursor = self._sql.execute(*arguments)
        self._fuse.point()
        return cursor

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._fuse.point()
        cursor = self._sql.executemany(*arguments)
        self._fuse.point()
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sql, name)


class Still:
    """A clock that moves only when somebody sleeps; ids and chance are always the same."""

    def __init__(self, instant: int = 1_700_000_000_000) -> None:
        self.instant = instant

    def now(self) -> int:
        return self.instant

    def draw(self) -> float:
        return 0.5

    def new_id(self) -> str:
        return "01CRASH0000000000000000000"

    def sleep(self, delay_ms: int) -> None:
        self.instant += delay_ms


@dataclass(frozen=True)
class Execution:
    """One call of an action, as the outside world saw it; `life` counts the deaths before it."""

    state: str
    key: str
    attempt: int
    interrupted: bool
    life: int


@dataclass
class World:
    """The outside of one run: the script of outcomes, the effects, and the file.

    Args:
        script: numbers that decide, with state, visit and attempt, what each attempt does.
        with_once: whether actions save their result by `ctx.once` before they end.
    """

    flow_yaml: str
    flow: Workflow
    inputs: dict[str, Any]
    script: Sequence[int]
    folder: Path
    with_once: bool = False
    life: int = 0
    fuse: Fuse = field(default_factory=lambda: Fuse(None))
    clock: Still = field(default_factory=Still)

    def __post_init__(self) -> None:
        self.store = self.folder / "runs.db"
        shutil.copy(_empty_store(), self.store)
        self.log = self.folder / "outside.log"

    # -- what the outside saw; in a file, since it outlives whoever wrote it

    def _note(self, kind: str, *facts: Any) -> None:
        fd = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, (json.dumps([kind, *facts]) + "\n").encode())
        os.close(fd)

    def _noted(self, kind: str) -> list[list[Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [facts for found, *facts in map(json.loads, lines) if found == kind]

    @property
    def executions(self) -> list[Execution]:
        """Every call of an action, in order."""
        return [Execution(*facts) for facts in self._noted("call")]

    @property
    def effects(self) -> dict[str, str]:
        """The outcome of every key that took effect."""
        return {str(key): str(outcome) for key, outcome in self._noted("effect")}

    def asked_effects(self) -> Counter[str]:
        """Return how often each key took effect, of the states that ask a probe: never more for a death."""
        asking = {
            name for name, state in self.flow.states.items() if getattr(state, "interrupted", "repeat") != "repeat"
        }
        keys = {call.key for call in self.executions if call.state in asking}
        return Counter(key for key, _ in self._noted("effect") if key in keys)

    @property
    def acknowledged(self) -> int:
        """The seq of the last edge that a caller learned of."""
        return max((seq for (seq,) in self._noted("heard")), default=0)

    # -- the user's side

    def actions(self) -> list[Callable[..., Any]]:
        made = []
        for name, states in self.flow.actions().items():
            kind = self._probe if name.startswith("probe.") else self._act
            made.append(fsm.action(name)(kind(states[0])))
        return made

    def _act(self, state: str) -> Callable[..., Any]:
        def act(ctx: fsm.Context, **_: Any) -> Any:
            self.fuse.point()
            self._note("call", state, ctx.key, ctx.attempt, ctx.interrupted, self.life)
            outcome = self._outcome(state, ctx.visit, ctx.attempt)
            if isinstance(outcome, Exception):
                raise outcome
            if self.with_once:
                ctx.once("work", lambda: state)
            self._note("effect", ctx.key, outcome.name)
            self.fuse.point()
            return outcome

        return act

    def _probe(self, state: str) -> Callable[..., Any]:
        def probe(ctx: fsm.Context, **_: Any) -> Any:
            self.fuse.point()
            done = self.effects.get(ctx.key)
            return fsm.Outcome(done, state) if done else None

        return probe

    def _outcome(self, state: str, visit: int, attempt: int) -> Any:
        """Return what an attempt does: an outcome, declared or not, or an error; the same in every life."""
        declared = self.flow.states[state]
        assert isinstance(declared, ActionState)
        place = crc32(f"{state}/{visit}/{attempt}".encode()) % len(self.script)
        names = list(declared.success or {})
        choices: list[Any] = [fsm.Outcome(name, state) for name in names] * 3
        choices += [
            fsm.RateLimited("slow down", retry_after_s=0.004), ConnectionRefusedError("no"), fsm.NotReady("soon"),
            type("NotAnInvoice", (ValueError,), {})("no invoice"), fsm.Outcome("unheard", 1), fsm.BadRequest("no"),
        ]  # fmt: skip
        return choices[self.script[place] % len(choices)]

    # -- the engine's side

    def open(self, fuse: Fuse) -> Engine:
        self.fuse = fuse
        engine = Engine(self.store, actions=self.actions(), clock=self.clock, watch=self._hear)  # type: ignore[arg-type]
        # The definition was read and checked once; reading it in every life would be most of the time.
        library = engine.library
        library._by_digest[self.flow.digest] = library._named[self.flow.name, self.flow.version] = self.flow
        library._texts[self.flow.digest] = self.flow_yaml
        connection = engine.store._connection  # type: ignore[attr-defined]
        connection.sql = Mortal(connection.sql, fuse)
        return engine

    def _hear(self, run: Run, transition: Transition) -> None:
        assert run.seq == transition.seq
        self._note("heard", transition.seq)

    def live(self, length: int | None, end: Callable[[], None] = die) -> bool:
        """Run until the end or until the fuse burns; return whether the run has ended."""
        engine = self.open(Fuse(length, end))
        try:
            return self._drive(engine)
        except Died:
            self.life += 1
            return False
        finally:
            bury(engine)

    def live_in_a_process(self, length: int | None) -> bool:
        """Live in a process of its own, which is killed at the point; return whether the run has ended."""
        child = os.fork()
        if child == 0:
            ended = False
            try:
                ended = self.live(length, be_killed)
            finally:
                os._exit(0 if ended else 1)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            self.life += 1
            return False
        assert os.WEXITSTATUS(status) == 0, "the life ended by a fault of its own"
        return True

    def _drive(self, engine: Engine) -> bool:
        run = engine.run("random", self.inputs, key="one")
        while not run.is_final:
            if run.seq > SEQ_MAX:
                run = engine.cancel(run.id, actor="ana")
                break
            self._answer(engine, run)
            engine.resume()
            run = engine.get(run.id)
        return True

    def _answer(self, engine: Engine, run: Run) -> None:
        """Do what the outside does with a run that rests: send its signal, answer its question, let time pass."""
        if run.awaits == PERSON:
            done = next((e for e in reversed(self.executions) if e.state == run.state), None)
            effect = self.effects.get(done.key) if done else None
            if effect:
                operations.complete(engine, run.id, run.state, outcome=effect, actor="ana")
            else:
                operations.redrive(engine, run.id, actor="ana")
        elif run.awaits:
            self._signal(engine, run)
        elif run.due_at is not None:
            self.clock.instant = max(self.clock.instant, run.due_at)

    def _signal(self, engine: Engine, run: Run) -> None:
        choice = self.script[crc32(f"{run.state}/{run.visit}".encode()) % len(self.script)]
        state = self.flow.states[run.state]
        assert isinstance(state, SignalState)
        names = sorted(state.signal)
        if choice % 4 == 0 and run.due_at is not None:
            self.clock.instant = max(self.clock.instant, run.due_at)
            return
        name = names[choice % len(names)]
        payload = {"by": "ana"} if state.signal[name].payload else None
        engine.signal(run.id, name, payload, actor="ana", message_id=f"{run.visit}")


def bury(engine: Engine) -> None:
    """Take from a dead engine what a process loses: its connection, uncommitted work and sign of life."""
    store: Any = engine.store
    connection = store._connection
    sql = connection.sql._sql if isinstance(connection.sql, Mortal) else connection.sql
    connection.sql = sql
    store.close()


def chain(path: Path, flow: Workflow) -> list[dict[str, Any]]:
    """Return the ledger as stored, after proving that run, chain, artifacts and edges agree."""
    sql = sqlite3.connect(path)
    sql.row_factory = sqlite3.Row
    runs = sql.execute("SELECT * FROM runs").fetchall()
    if not runs:
        sql.close()
        return []
    (run,) = runs
    rows = [dict(row) for row in sql.execute("SELECT * FROM transitions WHERE run_id = ? ORDER BY seq", (run["id"],))]
    written = _artifacts(sql, run["id"])
    assert sql.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    sql.close()
    assert breaks(path, run["uid"], {flow.digest: flow}.get) == []
    return [
        row | {"written": [(name, json.loads(value)) for name, value in written.get(row["seq"], [])]} for row in rows
    ]


def _artifacts(sql: sqlite3.Connection, run: int) -> dict[int, list[tuple[str, str]]]:
    written: dict[int, list[tuple[str, str]]] = {}
    for seq, name, value in sql.execute("SELECT seq, name, value FROM artifacts WHERE run_id = ? ORDER BY id", (run,)):
        written.setdefault(seq, []).append((name, value))
    return written


def told(rows: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """Yield what an undisturbed run and a crashed one have in common: all but time, epoch and hash."""
    for row in rows:
        detail = json.loads(row["detail"] or "{}")
        detail.pop("traceback", None)
        yield (row["source"], row["event"], row["target"], row["status"], row["visit"], row["attempt"], row["tries"],
               row["visits"], row["actor"], detail, row["written"])  # fmt: skip


def no_committed_work_was_repeated(world: World) -> int:
    """Prove that each attempt ran once, and again only after a death in mid-flight, told so; return how many did."""
    attempts = defaultdict(list)
    for execution in world.executions:
        attempts[execution.key, execution.attempt].append(execution)
    for (_, attempt), calls in attempts.items():
        lives = [call.life for call in calls]
        assert lives == sorted(set(lives)), "an attempt ran twice in one life"
        state = world.flow.states[calls[0].state]
        assert isinstance(state, ActionState)
        if state.interrupted == "repeat":
            assert all(call.interrupted for call in calls[1:]), "a repeated attempt was not told"
        if attempt == 1:
            assert not calls[0].interrupted or calls[0].life > 0
    return len(world.executions) - len(attempts)
