"""How a process that works is told to stop."""

import asyncio
import signal
import threading
import time

from fsm.engine.worker import Worker

REPEAT_S = 0.2
"""Within this a signal that comes again is the same one: `timeout` and service managers send it to all of a group."""


async def until_told(worker: Worker) -> None:
    """Let a worker work until SIGTERM or Ctrl-C stops it, where the process can be told by signals."""
    loop = asyncio.get_running_loop()
    told_s = float("-inf")

    def tell(_number: int, _frame: object) -> None:
        nonlocal told_s
        before_s, told_s = told_s, time.monotonic()
        if told_s - before_s >= REPEAT_S:
            loop.call_soon_threadsafe(worker.stop)

    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM) if is_main}
    try:
        await worker.work()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
