"""What the demo is made of: a mailbox to deliver into, a program to kill, and what is in the mailbox afterwards."""

import mailbox
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).parent

LINGER_S = 0.04
"""A kill comes up to this long after the mail it waits for: about two mails, so that it may hit anything."""

SETTLE_S = 0.05
"""What the mail server needs at most to deliver what it had already taken when the sender died."""

PATIENCE_S = 120.0
GLANCE_S = 0.001

Say = Callable[[str], None]


class TrialError(Exception):
    """The demo itself went wrong: a program did not start, did not end, or failed."""


@dataclass(frozen=True)
class Kill:
    """One crash to come: `linger_s` after the mailbox holds `mails`, and at least one more than at the start."""

    mails: int
    linger_s: float


def plan(kills: int, mails: int, seed: int) -> list[Kill]:
    """Return crashes at random instants, one in each equal part of the campaign."""
    draw = random.Random(seed)
    part = 0.9 * (mails - 1) / max(kills, 1)  # the last one must not come after the end
    return [Kill(1 + int((n + draw.random()) * part), draw.uniform(0, LINGER_S)) for n in range(kills)]


class Postbox:
    """A mail server in a process of its own, and the Maildir it delivers into."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.maildir = folder / "mail"
        self._server = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, str(HERE / "mailserver.py"), str(self.maildir)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._server.stdout
        port = self._server.stdout.readline().strip()
        if not port:
            self._server.wait()
            raise TrialError("the mail server did not start; its message is above")
        self.smtp = f"127.0.0.1:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def count(self) -> int:
        return sum(1 for _ in (self.maildir / "new").iterdir())

    def recipients(self) -> Counter[str]:
        """Return how many mails each address got."""
        return Counter(message["To"] for message in mailbox.Maildir(self.maildir))


@contextmanager
def started(command: Sequence[str], errors: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program; however this ends, it does not outlive the block."""
    with errors.open("ab") as stderr:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)  # noqa: S603
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def crash(command: Sequence[str], postbox: Postbox, kill: Kill, errors: Path, *, since_start: bool) -> bool:
    """Start a program and kill it at its instant; return False when it was done before that.

    Args:
        since_start: count only the mails that this start of the program sends.
    """
    before = postbox.count()
    goal = before + kill.mails if since_start else max(kill.mails, before + 1)
    give_up_s = time.monotonic() + PATIENCE_S
    with started(command, errors) as program:
        while postbox.count() < goal and program.poll() is None:
            if time.monotonic() > give_up_s:
                raise TrialError(f"nothing to kill: after {PATIENCE_S:.0f} s the mailbox holds {postbox.count()} mails")
            time.sleep(GLANCE_S)
        time.sleep(kill.linger_s)
        program.kill()
        was_killed = program.wait() < 0
    if not was_killed and program.returncode:
        raise _failed(program.returncode, errors)
    time.sleep(SETTLE_S)
    return was_killed


def finish(command: Sequence[str], errors: Path) -> None:
    """Start a program once more and let it come to its end."""
    with started(command, errors) as program:
        try:
            code = program.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise TrialError(f"the last start did not end within {PATIENCE_S:.0f} s") from None
    if code:
        raise _failed(code, errors)


def _failed(code: int, errors: Path) -> TrialError:
    said = errors.read_text(encoding="utf-8", errors="replace").strip()[-2_000:]
    return TrialError(f"a program ended with exit code {code}" + (f":\n{said}" if said else ""))
