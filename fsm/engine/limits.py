"""The limits of a call that an event loop waits for."""

import asyncio
from collections.abc import Callable
from typing import Any

from fsm.engine.call import Call, Raised
from fsm.engine.inline import Watch


async def limited(call: Call, ended: "asyncio.Future[Any]", give_up: Callable[[], None]) -> Any:
    """Return how a call ended; past its limits, that it was given up.

    Args:
        ended: gets the call's result from whoever makes it.
        give_up: called when a limit is over, or the wait is cancelled, before the call has ended.
    """
    timer: asyncio.TimerHandle | None = None
    watch = Watch(call)
    loop = ended.get_loop()

    def look() -> None:
        nonlocal timer
        if ended.done():
            return
        if failure := watch.spent():
            give_up()
            ended.set_result(Raised(failure))
        else:
            timer = loop.call_later(watch.left_s() or 0, look)

    if (left_s := watch.left_s()) is not None:
        timer = loop.call_later(left_s, look)
    try:
        return await ended
    except asyncio.CancelledError:
        watch.revoke()
        give_up()
        raise
    finally:
        if timer:
            timer.cancel()
