"""An ERP in small: keeps invoices in SQLite and answers a key that it has seen with what it answered first.

    python erp.py --database erp.db

Prints its address when it listens. POST /invoices with an Idempotency-Key; GET /invoices; GET /invoices/KEY.
"""

import argparse
import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS invoices (
    record  INTEGER PRIMARY KEY,
    key     TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL,
    sent    INTEGER NOT NULL DEFAULT 1
) STRICT
"""
ENTER = """
INSERT INTO invoices (key, content) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET sent = sent + 1
RETURNING record, content, sent
"""
HANGING_S = 60


class Entry(NamedTuple):
    """A record, its content as JSON, and how often it was sent."""

    record: int
    content: str
    sent: int

    def shown(self) -> dict[str, Any]:
        return {"record": self.record, "sent": self.sent, **json.loads(self.content)}


class Books:
    """The invoices, one per key."""

    def __init__(self, database: str) -> None:
        self._database = database
        with self._open() as db:
            db.execute(SCHEMA)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._database, timeout=10)) as db, db:
            yield db

    def enter(self, key: str, content: str) -> Entry:
        """Write an invoice, or find what is written under its key."""
        with self._open() as db:
            return Entry(*db.execute(ENTER, (key, content)).fetchone())

    def find(self, key: str) -> Entry | None:
        with self._open() as db:
            found = db.execute("SELECT record, content, sent FROM invoices WHERE key = ?", (key,)).fetchone()
            return Entry(*found) if found else None

    def everything(self) -> list[Entry]:
        with self._open() as db:
            return [Entry(*row) for row in db.execute("SELECT record, content, sent FROM invoices ORDER BY record")]


class ERP(ThreadingHTTPServer):
    """The server; the first `hangs` new records are written, and then nobody gets an answer."""

    daemon_threads = True

    def __init__(self, database: str, hangs: int) -> None:
        super().__init__(("127.0.0.1", 0), Desk)
        self.books = Books(database)
        self.hangs = hangs


class Desk(BaseHTTPRequestHandler):
    server: ERP

    def do_POST(self) -> None:
        key = self.headers.get("Idempotency-Key")
        content = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path != "/invoices" or not key:
            return self._answer(HTTPStatus.BAD_REQUEST, {"error": "POST /invoices needs an Idempotency-Key"})
        entry = self.server.books.enter(key, content)
        if json.loads(entry.content) != json.loads(content):
            said = f"record {entry.record} has this key and says something else"
            return self._answer(HTTPStatus.CONFLICT, {"error": said})
        if entry.sent == 1 and self.server.hangs:
            self.server.hangs -= 1
            threading.Event().wait(HANGING_S)
        return self._answer(HTTPStatus.CREATED if entry.sent == 1 else HTTPStatus.OK, entry.shown())

    def do_GET(self) -> None:
        key = self.path.removeprefix("/invoices").strip("/")
        if not key:
            return self._answer(HTTPStatus.OK, [entry.shown() for entry in self.server.books.everything()])
        found = self.server.books.find(key)
        if found is None:
            return self._answer(HTTPStatus.NOT_FOUND, {"error": "no invoice has this key"})
        return self._answer(HTTPStatus.OK, found.shown())

    def _answer(self, status: HTTPStatus, content: Any) -> None:
        body = json.dumps(content).encode()
        with contextlib.suppress(ConnectionError):  # the caller may be dead by now
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        pass


@contextlib.contextmanager
def serving(database: Path, hangs: int = 0) -> Iterator[tuple[str, int]]:
    """Run the ERP as a process of its own; yield its address and its process id."""
    command = [sys.executable, __file__, "--database", str(database), "--hangs", str(hangs)]
    # A group of its own: Ctrl-C reaches whoever runs this, who then ends the server.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as server:  # noqa: S603 - itself
        try:
            assert server.stdout
            url = server.stdout.readline().strip()
            if not url:
                raise OSError("the ERP did not start")
            yield url, server.pid
        finally:
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--database", required=True, metavar="FILE")
    parser.add_argument("--hangs", type=int, default=0, metavar="N", help="write the first N, and never answer")
    options = parser.parse_args()
    with ERP(options.database, options.hangs) as server, contextlib.suppress(KeyboardInterrupt):
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
