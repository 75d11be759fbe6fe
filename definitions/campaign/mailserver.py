"""A small mail server for the demo: real SMTP on the loopback interface, delivering into a Maildir.

It behaves as mail servers do: it takes a while over each mail, is busy now and then (421), has no mailbox for some
addresses (550), and once it has the whole of a mail it delivers it, whether the sender is still there or not.

    python mailserver.py MAILDIR        prints its port, serves until its standard input is closed
"""

import asyncio
import mailbox
import signal
import sys

from aiosmtpd.smtp import SMTP, Envelope, Session

CLOSED = "@closed.example"
BUSY_EVERY = 45
PAUSE_S = 0.0015


class Delivery:
    """The handler that aiosmtpd calls at each command."""

    def __init__(self, maildir: str) -> None:
        self._maildir = mailbox.Maildir(maildir)
        self._asked = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd names it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        await asyncio.sleep(PAUSE_S)
        if address.endswith(CLOSED):
            return "550 5.1.1 no such mailbox"
        self._asked += 1
        if self._asked % BUSY_EVERY == 0:
            return "421 4.3.2 busy, try again in a moment"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.shield(asyncio.ensure_future(self._deliver(envelope)))
        return "250 2.0.0 delivered"

    async def _deliver(self, envelope: Envelope) -> None:
        await asyncio.sleep(PAUSE_S)
        assert envelope.content
        self._maildir.add(envelope.content)
        await asyncio.sleep(PAUSE_S)


async def serve(maildir: str) -> None:
    """Serve until standard input is closed, which the death of the parent does, too."""
    loop = asyncio.get_running_loop()
    delivery = Delivery(maildir)
    server = await loop.create_server(lambda: SMTP(delivery, loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the demo; it closes our standard input when it is done
    asyncio.run(serve(sys.argv[1]))
