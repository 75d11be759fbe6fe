"""Actions in a process of their own, one for each thing that such a process may do. The tests call them by name."""

import asyncio
import ctypes
import dataclasses
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any, Literal, NoReturn

import pydantic

import fsm


class Invoice(pydantic.BaseModel):
    number: str
    cents: int


@dataclasses.dataclass
class Point:
    x: int
    y: int


@fsm.action("deed.add", isolation="process")
def add(n: int) -> int:
    return n + 1


@fsm.action("deed.echo", isolation="process")
def echo(value: Any) -> Any:
    return value


@fsm.action("deed.pid", isolation="process")
def pid(value: Any = None) -> int:
    return os.getpid()


@fsm.action("deed.double", isolation="process")
def double(value: Invoice) -> Invoice:
    assert isinstance(value, Invoice)
    return Invoice(number=value.number * 2, cents=value.cents * 2)


@fsm.action("deed.point", isolation="process")
def point(value: Point) -> Point | fsm.Outcome[Literal["origin"], None]:
    assert isinstance(value, Point)
    return Point(value.y, value.x) if value.x else fsm.Outcome("origin")


@fsm.action("deed.wrong", isolation="process")
def wrong(value: Any) -> int:
    return value  # type: ignore[no-any-return]


@fsm.action("deed.unstorable", isolation="process")
def unstorable(value: Any) -> Any:
    return float("nan")


@fsm.action("deed.outcome", isolation="process")
def outcome(value: Any) -> fsm.Outcome[str, Any]:
    return fsm.Outcome("other", value)


@fsm.action("deed.soon", isolation="process")
async def soon(value: Any, ctx: fsm.AsyncContext) -> Any:
    async def later() -> Any:
        await asyncio.sleep(0)
        return value

    ctx.heartbeat(["half", value])
    return [await ctx.once("later", later), await ctx.once("at once", lambda: value), ctx.last_heartbeat]


@fsm.action("deed.cancelled", isolation="process")
async def cancelled(value: Any) -> None:
    raise asyncio.CancelledError


@fsm.action("deed.tells", isolation="process")
def tells(value: Any, ctx: fsm.Context) -> dict[str, Any]:
    names = ("key", "run_id", "workflow", "state", "visit", "attempt", "interrupted", "last_heartbeat")
    return {name: getattr(ctx, name) for name in names}


@fsm.action("deed.saves", isolation="process")
def saves(value: str, ctx: fsm.Context) -> Any:
    """Ask for a result once, and the first time die before it can be used."""

    def ask() -> str:
        with Path(value).open("a") as file:
            file.write("asked\n")
        return "ünïque"

    saved = ctx.once("ask", ask)
    ctx.heartbeat({"at": ctx.attempt})
    if ctx.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return [saved, ctx.last_heartbeat, ctx.interrupted]


@fsm.action("deed.saves_twice", isolation="process")
def saves_twice(value: Any, ctx: fsm.Context) -> Any:
    return [ctx.once("a", lambda: 1), ctx.once("a", lambda: 2)]


@fsm.action("deed.saves_from_threads", isolation="process")
def saves_from_threads(value: int, ctx: fsm.Context) -> list[int]:
    found: dict[int, int] = {}

    def save(n: int) -> None:
        found[n] = ctx.once(f"n{n}", lambda: n * n)
        ctx.heartbeat(n)
        print("thread", n)

    threads = [threading.Thread(target=save, args=(n,)) for n in range(value)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[n] for n in range(value)]


left_behind: list[fsm.Context] = []


@fsm.action("deed.keeps_its_context", isolation="process")
def keeps_its_context(value: Any, ctx: fsm.Context) -> str | None:
    """Use the context of the call before."""
    left_behind.append(ctx)
    if len(left_behind) == 1:
        return None
    try:
        left_behind[0].heartbeat(1)
    except fsm.LeaseLost as error:
        return str(error)
    return "it was taken"


class Refused(fsm.BadRequest):
    pass


class Odd(Exception):
    """Nothing about it works, and it carries what no JSON holds."""

    status_code = 503
    value = object()

    def __str__(self) -> NoReturn:
        raise RuntimeError("no text")

    @property
    def response(self) -> NoReturn:
        raise RuntimeError("no response")


@fsm.action("deed.raises", isolation="process")
def raises(value: str) -> None:
    match value:
        case "refused":
            raise Refused("no", value={"why": "not ours", "é": ["\u2028", 1]})
        case "limited":
            raise fsm.RateLimited("slow down", retry_after_s=1.5)
        case "odd":
            raise Odd
        case "lost":
            raise ConnectionResetError("gone")
        case "group":
            raise ExceptionGroup("two", [ValueError("a"), KeyError("b")])
        case "surrogate":
            raise OSError(os.fsdecode(b"caf\xe9"))
        case "exit":
            sys.exit(7)
        case "interrupt":
            raise KeyboardInterrupt
        case "own":
            raise Abandoned("halfway")
        case "engine":
            raise fsm.StoreBusy("some other store")
        case "deep":
            raises("deep")


class Abandoned(BaseException):
    pass


@fsm.action("deed.ends", isolation="process")
def ends(value: Any) -> None:
    """End the process in one of many ways: by an exit code, by a signal, or by a segmentation fault."""
    if value == "segfault":
        ctypes.string_at(0)
    elif isinstance(value, int) and value < 0:
        os.kill(os.getpid(), -value)
        signal.pause()
    elif value == "closes everything":
        os.closerange(3, 256)
        signal.pause()
    else:
        print("last words", end="", flush=True)
        os._exit(value)


@fsm.action("deed.ends_or_adds", isolation="process")
def ends_or_adds(value: int) -> int:
    if value < 0:
        os._exit(1)
    return value + 1


@fsm.action("deed.spins", isolation="process")
def spins(value: str) -> None:
    """Leave the pids of the process and of a child of its own, and compute for ever."""
    child = subprocess.Popen(["sleep", "1000"])
    _leave(Path(value), os.getpid(), child.pid)
    while True:
        pass


@fsm.action("deed.holds", isolation="process")
def holds(value: str) -> None:
    """Leave the pid, and never give Python's other threads a turn."""
    _leave(Path(value), os.getpid())
    ctypes.PyDLL(None).sleep(1_000)


@fsm.action("deed.hides", isolation="process")
def hides(value: str) -> None:
    """Die beside a forked child that has all descriptors, and lives on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        signal.pause()
    _leave(Path(value), os.getpid(), child)
    os._exit(3)


def _leave(place: Path, *pids: int) -> None:
    beside = place.with_suffix(".new")
    beside.write_text(" ".join(map(str, pids)))
    beside.rename(place)


@fsm.action("deed.beats", isolation="process")
def beats(value: int, ctx: fsm.Context) -> None:
    """Give that many signs of life, then none."""
    for n in range(value):
        ctx.heartbeat(n)
        time.sleep(0.01)
    signal.pause()


@fsm.action("deed.beats_on", isolation="process")
def beats_on(value: str, ctx: fsm.Context) -> None:
    _leave(Path(value), os.getpid())
    while True:
        ctx.heartbeat()
        time.sleep(0.005)


@fsm.action("deed.waits", isolation="process")
def waits(value: Any) -> None:
    signal.pause()


@fsm.action("deed.waits_unless", isolation="process")
def waits_unless(value: str) -> int:
    if value == "wait":
        signal.pause()
    return os.getpid()


@fsm.action("deed.grows", isolation="process")
def grows(value: Any) -> str:
    return "x" * (16 * 1024 * 1024 + 1)


@fsm.action("deed.chatters", isolation="process")
def chatters(value: Any) -> None:
    while True:
        print("still here")


@fsm.action("deed.speaks", isolation="process")
def speaks(value: Any, ctx: fsm.Context) -> str:
    print("printed ünïcode", os.fsdecode(b"caf\xe9"))
    print("to stderr", file=sys.stderr)
    sys.stdout.buffer.write(b"bytes\n")
    subprocess.run(["echo", "from a program"], check=True)
    ctx.log.info("info about %s", value)
    ctx.log.debug("nobody wants to know")
    logging.getLogger("some.library").warning("warned", extra={"place": Path("/tmp"), "n": 1})
    try:
        raise ValueError("in the library")
    except ValueError:
        logging.getLogger("some.library").exception("failed")
    print("no newline at the end", end="")
    return sys.stdin.read()


@fsm.action("deed.forks", isolation="process")
def forks(value: Any, ctx: fsm.Context) -> Any:
    """Let forked processes print, log and use the context; then end one of them by SIGTERM."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = multiprocessing.get_context("fork")
        said = context.SimpleQueue()

        def work() -> None:
            print("from a forked process")
            ctx.log.warning("warned in a forked process")
            try:
                ctx.heartbeat()
            except fsm.LeaseLost as error:
                said.put(str(error))
            signal.pause()

        process = context.Process(target=work)
        process.start()
        words = said.get()
        process.terminate()
        process.join()
    return [words, process.exitcode, ctx.once("a", lambda: "the line is whole")]


@fsm.action("deed.terminates", isolation="process")
def terminates(value: Any) -> int:
    program = subprocess.Popen(["sleep", "1000"])
    program.terminate()
    return program.wait()


@fsm.action("deed.looks", isolation="process")
def looks(value: Any) -> dict[str, Any]:
    return {"argv": sys.argv, "path": sys.path, "cwd": str(Path.cwd()), "main": sys.modules["__main__"].__name__}


@fsm.action("deed.probe", isolation="process")
def probe(value: Any) -> fsm.Outcome[str, Any] | None:
    return None if value == "not done" else fsm.Outcome("success", "probed")


@fsm.action("deed.bad_probe", isolation="process")
def bad_probe(value: Any) -> str:
    return "done"
