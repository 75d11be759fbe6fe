"""A cell's keeper: the parent of the process in which actions are performed, and the leader of its process group.

Run as a script, with nothing but the standard library. It stays until that process has ended, or the engine wants it
ended, or the engine is gone, however it went, and then kills the group: also what the action has started, also where
the action's code never lets Python's own threads have a turn. Its end tells that the process has ended before.

    python keeper.py KEPT WIRE COMMAND...

KEPT are descriptors that stay with the keeper, separated by commas, its lifeline first; WIRE is one that the process
gets instead.
"""

import contextlib
import os
import select
import signal
import socket
import sys


def keep(lifeline: socket.socket, wire: int, command: list[str]) -> None:
    """Start a process, and see to it that it ends before this one.

    Args:
        lifeline: the engine sends nothing on it; it ends it. The exit code is sent to it, negative for a signal.
        wire: a descriptor for the process.
        command: an executable's path and its arguments; this process's pid is added to them.
    """
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _heed)
    signal.signal(signal.SIGINT, _heed)
    # What stops a service signals all of its processes at once. The engine decides what that means for an attempt.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pid = os.posix_spawn(command[0], [*command, str(os.getpid())], os.environ)
    os.close(wire)
    status = None
    while status is None:
        ready, _, _ = select.select([lifeline, woken], [], [])
        if lifeline in ready:
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
        else:
            woken.recv(64)
            ended, found = os.waitpid(pid, os.WNOHANG)
            status = found if ended else None
    with contextlib.suppress(OSError):
        lifeline.send(b"%d" % os.waitstatus_to_exitcode(status))
    os.killpg(0, signal.SIGKILL)


def _heed(number: int, frame: object) -> None:
    """Let a signal wake the keeper, and do nothing else."""


if __name__ == "__main__":
    _, kept, wire, *command = sys.argv
    lines = [int(fd) for fd in kept.split(",")]
    for fd in lines:
        os.set_inheritable(fd, False)
    keep(socket.socket(fileno=lines[0]), int(wire), command)
