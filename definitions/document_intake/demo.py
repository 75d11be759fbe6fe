"""Take in seven documents, die in the middle of an ERP write, resume, and let a person look at the doubtful ones.

    python definitions/document_intake/demo.py

Needs no network: the ERP is a server on this machine. Everything is in a temporary folder.
"""

import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import actions
import erp
import httpx
import make_documents

import fsm
from fsm import operations

HERE = Path(__file__).parent
WORKFLOW = "document-intake"
PATIENCE_S = 15.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--history", action="store_true", help="show every transition of every document at the end")
    parser.add_argument("--take-in", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)  # the process that is killed
    options = parser.parse_args()
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what is wrong with a file, the run says
    try:
        if options.take_in:
            take_in(options.take_in).close()
            return 0
        with tempfile.TemporaryDirectory(prefix="document-intake-") as folder:
            return demonstrate(Path(folder), is_detailed=options.history)
    except KeyboardInterrupt:
        print("\nstopped; the ERP is down, the temporary folder is gone", file=sys.stderr)
        return 130


def demonstrate(folder: Path, *, is_detailed: bool) -> int:
    shutil.copytree(HERE / "documents", folder / "inbox")
    with erp.serving(folder / "erp.db", hangs=1) as (url, _):
        print(f"seven documents, and an ERP at {url}\n")
        os.environ["ERP_URL"] = url
        die_in_mid_write(folder, url)
        with take_in(folder) as engine:
            look_at(engine)
            mend(engine, folder / "inbox")
            show(engine, is_detailed=is_detailed)
        return count(httpx.get(f"{url}/invoices").json())


def count(records: list[dict[str, Any]]) -> int:
    """Show what the ERP has, and return 0 when every document was sent there once."""
    print("\nthe ERP has:")
    for one in records:
        amount = f"{one['total_cents'] / 100:,.2f}"
        who = f"{one['supplier']:16} {one['number']:6}"
        print(f"  record {one['record']}  {who} {amount:>10}  sent: {one['sent']}")
    if [one["sent"] for one in records] != [2, 1, 1, 1]:
        print("an invoice is missing, or was sent again after the crash")
        return 1
    print("1001 was sent once per scan, and not again after the crash: the ERP was asked first")
    return 0


def engine_in(folder: Path) -> fsm.Engine:
    return fsm.Engine(folder / "runs.db", definitions=HERE, actions=[actions])


def take_in(folder: Path) -> fsm.Engine:
    """Resume what a crash interrupted, then run every document of the inbox that has no run yet."""
    engine = engine_in(folder)
    for run in engine.resume():
        print(f"resumed {run.key}: {' → '.join(path(engine, run))}")
    for file in sorted((folder / "inbox").iterdir()):
        engine.run(WORKFLOW, {"path": str(file)}, key=file.name)
    return engine


def die_in_mid_write(folder: Path, url: str) -> None:
    """Take documents in in a process of its own, and kill it when the ERP has written and not yet answered."""
    command = [sys.executable, __file__, "--take-in", str(folder)]
    with subprocess.Popen(command, process_group=0) as child:  # noqa: S603 - itself
        try:
            wait_until(lambda: bool(httpx.get(f"{url}/invoices").json()), child)
        finally:
            child.kill()
    with engine_in(folder) as engine:
        (run,) = engine.runs()
        print(f"process {child.pid} was killed in state {run.state} of {run.key};")
        print("the ERP has written the invoice, the run does not know it\n")


def wait_until(is_so: Callable[[], bool], child: "subprocess.Popen[bytes]") -> None:
    ends_s = time.monotonic() + PATIENCE_S
    while not is_so():
        if child.poll() is not None or time.monotonic() > ends_s:
            sys.exit("the process that was to be killed ended by itself")
        time.sleep(0.01)


ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "KM-77": ("accept", {"by": "ana"}),
    "1002": ("amend", {"by": "ben", "corrections": {"tax_cents": 2520, "total_cents": 15120}}),
}


def look_at(engine: fsm.Engine) -> None:
    """Play the people who look at the doubtful documents."""
    print("\ndocuments that wait for a person:")
    for run in sorted(engine.runs(status="waiting"), key=lambda run: run.id):
        invoice = engine.artifacts(run)["invoice"]
        signal, payload = ANSWERS[invoice["number"]]
        why = f"doubtful: {', '.join(invoice['doubtful'])}" if invoice["doubtful"] else "above the limit"
        print(f"  {run.key}: {invoice['total_cents'] / 100:,.2f}, {why}; {payload['by']} says {signal}")
        engine.signal(run.id, signal, payload, actor=payload["by"])
    engine.resume()


def mend(engine: fsm.Engine, inbox: Path) -> None:
    """Put a whole file in the place of the torn one, and redrive its run from where it failed."""
    print("\ndead letters:")
    for run in sorted(engine.runs(status="dead"), key=lambda run: run.id):
        print(f"  {run.key}: {run.reason}")
        if run.key and "torn" in run.key:
            make_documents.draw(make_documents.TORN, inbox / run.key)
            operations.redrive(engine, run.id, actor="ana", reason="the supplier sent it again")
            print("    the supplier sent it again: redriven")
    engine.resume()


def show(engine: fsm.Engine, *, is_detailed: bool) -> None:
    print("\nall documents:")
    for run in sorted(engine.runs(), key=lambda run: run.id):
        print(f"  {run.key:35} {run.status:10} {' → '.join(path(engine, run))}")
        for crossed, _ in engine.history(run.id) if is_detailed else ():
            print(f"      {crossed.seq:2} {crossed.event:22} → {crossed.target:12} {crossed.actor or ''}")


def path(engine: fsm.Engine, run: fsm.Run) -> list[str]:
    return [crossed.target for crossed, _ in engine.history(run.id) if not crossed.event.startswith("retry:")]


if __name__ == "__main__":
    sys.exit(main())
