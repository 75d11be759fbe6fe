"""The document intake, end to end: real PDFs, a real ERP process, real kills."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import fsm
from definitions.document_intake import actions, erp, make_documents
from fsm import operations
from fsm.clock import Clock

HOME = Path(actions.__file__).parent
DEMO = HOME / "demo.py"
DAY_MS = 86_400_000


class Swift(Clock):
    """The real time, set forward by `ahead_ms`, and no waits between attempts."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now(self) -> int:
        return super().now() + self.ahead_ms

    def draw(self) -> float:
        return 0.0


@dataclass
class Office:
    """A folder with documents, and the ERP beside it."""

    folder: Path
    url: str
    pid: int
    clock: Swift

    def engine(self) -> fsm.Engine:
        return fsm.Engine(self.folder / "runs.db", definitions=HOME, actions=[actions], clock=self.clock)

    def drawn(self, lines: list[str], name: str = "document.pdf") -> dict[str, Any]:
        """Draw a document and return a run's input."""
        make_documents.draw(lines, self.folder / name)
        return {"path": str(self.folder / name)}

    def records(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/invoices").json()
        return found

    def sent(self) -> dict[str, int]:
        return {one["number"]: one["sent"] for one in self.records()}

    def child(self) -> "subprocess.Popen[bytes]":
        """Take in everything of the inbox in a process of its own."""
        environment = {**os.environ, "ERP_URL": self.url}
        return subprocess.Popen([sys.executable, DEMO, "--take-in", self.folder], env=environment)


@pytest.fixture
def hangs() -> int:
    return 0


@pytest.fixture
def office(tmp_path: Path, hangs: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with erp.serving(tmp_path / "erp.db", hangs) as (url, pid):
        monkeypatch.setenv("ERP_URL", url)
        yield Office(tmp_path, url, pid, Swift())


def path(engine: fsm.Engine, run: fsm.Run) -> str:
    return " ".join(crossed.target for crossed, _ in engine.history(run.id))


def invoice(number: str = "7", net: str = "100.00", tax: str = "20.00", total: str = "120.00") -> list[str]:
    return make_documents.invoice("Acme", number, ("1 x anvil", net), (net, tax, total))


def test_the_definition_is_proved_sound_with_its_actions() -> None:
    found = [str(one) for one in fsm.check(HOME, actions=[actions]) if one.severity != fsm.Severity.NOTE]
    assert found == []


def test_the_documents_that_ship_are_those_that_the_script_draws(tmp_path: Path) -> None:
    make_documents.make(tmp_path)
    shipped = {file.name: file for file in (HOME / "documents").iterdir()}
    assert shipped.keys() == make_documents.DOCUMENTS.keys() == {file.name for file in tmp_path.iterdir()}
    for name in set(shipped) - {"06-encrypted-invoice.pdf", "07-torn-invoice.pdf"}:
        assert actions.read(str(shipped[name])) == actions.read(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "status", "ends_in", "reason"),
    [
        ("01-invoice.pdf", "succeeded", "posted", None),
        ("03-large-invoice.pdf", "waiting", "review", None),
        ("04-smudged-invoice.pdf", "waiting", "review", None),
        ("05-letter.pdf", "failed", "rejected", "no invoice: it has no Invoice number, Currency, Net, Tax, Total"),
        ("06-encrypted-invoice.pdf", "dead", "dead_letter", "Encrypted: 06-encrypted-invoice.pdf asks for a password"),
        ("07-torn-invoice.pdf", "dead", "dead_letter", "Damaged: 07-torn-invoice.pdf cannot be read"),
        ("08-nowhere.pdf", "dead", "dead_letter", "FileNotFoundError"),
    ],
)
def test_each_document_comes_to_where_it_belongs(
    office: Office, name: str, status: str, ends_in: str, reason: str | None
) -> None:
    with office.engine() as engine:
        run = engine.run("document-intake", {"path": str(HOME / "documents" / name)})
    assert (run.status, run.state) == (status, ends_in)
    assert (run.reason or "").startswith(reason or "")
    assert len(office.records()) == (status == "succeeded")


def test_what_is_posted_is_what_the_erp_has(office: Office) -> None:
    with office.engine() as engine:
        run = engine.run("document-intake", office.drawn(invoice()))
    assert run.output == {"record": 1, "number": "7", "total_cents": 12000}
    assert office.records() == [
        {"record": 1, "sent": 1, "supplier": "Acme", "number": "7", "date": "2026-03-02", "currency": "EUR",
         "total_cents": 12000}
    ]  # fmt: skip


def test_the_same_invoice_scanned_twice_is_one_record(office: Office) -> None:
    with office.engine() as engine:
        first = engine.run("document-intake", office.drawn(invoice(), "first.pdf"))
        second = engine.run("document-intake", office.drawn(invoice(), "second.pdf"))
    assert first.id != second.id
    assert first.output == second.output
    assert office.sent() == {"7": 2}


def test_another_invoice_under_a_number_that_is_taken_goes_to_a_person(office: Office) -> None:
    with office.engine() as engine:
        engine.run("document-intake", office.drawn(invoice(), "first.pdf"))
        other = engine.run("document-intake", office.drawn(invoice(net="200.00", total="220.00"), "second.pdf"))
        assert (other.status, other.state) == ("waiting", "review")
        engine.signal(other.id, "refuse", {"by": "ana", "why": "number taken"})
        assert engine.get(other.id).reason == "refused by ana: number taken"
    assert [one["total_cents"] for one in office.records()] == [12000]


def test_sums_that_do_not_add_up_are_corrected_by_a_person_and_checked_again(office: Office) -> None:
    with office.engine() as engine:
        run = engine.run("document-intake", office.drawn(invoice(tax="20.00", total="210.00")))
        engine.signal(run.id, "amend", {"by": "ana", "corrections": {"total_cents": 13000}})
        (run,) = engine.resume()
        assert (run.status, run.state) == ("waiting", "review")
        engine.signal(run.id, "amend", {"by": "ana", "corrections": {"total_cents": 12000}})
        (run,) = engine.resume()
        assert path(engine, run) == "read extract check review amend check review amend check post posted"
    assert [one["total_cents"] for one in office.records()] == [12000]


def test_sums_that_a_person_accepts_unlooked_are_stopped_at_the_door(office: Office) -> None:
    with office.engine() as engine:
        run = engine.run("document-intake", office.drawn(invoice(total="210.00")))
        for _ in range(3):
            assert run.state == "review"
            engine.signal(run.id, "accept", {"by": "ana"})
            (run,) = engine.resume()
    assert (run.status, run.state) == ("dead", "dead_letter")
    assert "VisitsExceeded" in str(run.reason)
    assert office.records() == []


@pytest.mark.parametrize("corrections", [{"totl_cents": 1}, {"total_cents": "much"}, {"currency": "euro"}])
def test_corrections_that_make_no_invoice_are_asked_for_again(office: Office, corrections: dict[str, Any]) -> None:
    with office.engine() as engine:
        run = engine.run("document-intake", office.drawn(invoice(total="12O.00")))
        engine.signal(run.id, "amend", {"by": "ana", "corrections": corrections})
        (run,) = engine.resume()
        assert (run.status, run.state) == ("waiting", "review")
        assert engine.artifacts(run)["error"]["state"] == "amend"


def test_a_document_that_nobody_looks_at_ends_in_the_dead_letter(office: Office) -> None:
    with office.engine() as engine:
        run = engine.run("document-intake", office.drawn(invoice(total="12O.00")))
        office.clock.ahead_ms = 5 * DAY_MS
        (run,) = engine.resume()
    assert (run.status, run.state) == ("dead", "dead_letter")
    assert office.records() == []


def test_a_dead_letter_is_redriven_with_a_better_file(office: Office) -> None:
    torn = office.folder / "torn.pdf"
    shutil.copy(HOME / "documents" / "07-torn-invoice.pdf", torn)
    with office.engine() as engine:
        run = engine.run("document-intake", {"path": str(torn)})
        make_documents.draw(make_documents.TORN, torn)
        operations.redrive(engine, run.id, actor="ana")
        (run,) = engine.resume()
    assert run.status == "succeeded"
    assert office.sent() == {"P-3": 1}


def test_an_erp_that_is_down_is_tried_five_times_and_the_run_can_be_redriven(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ERP_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with office.engine() as engine:
            run = engine.run("document-intake", office.drawn(invoice()))
            assert (run.status, run.state) == ("dead", "dead_letter")
            assert path(engine, run).count("post") == 5
            monkeypatch.setenv("ERP_URL", office.url)
            operations.redrive(engine, run.id)
            (run,) = engine.resume()
    assert run.status == "succeeded"
    assert office.sent() == {"7": 1}


def fill(office: Office, numbers: list[str]) -> None:
    (office.folder / "inbox").mkdir()
    for number in numbers:
        make_documents.draw(invoice(number), office.folder / "inbox" / f"{number}.pdf")


def finish(office: Office) -> None:
    with office.child() as child:
        assert child.wait() == 0
    with office.engine() as engine:
        assert {run.status for run in engine.runs()} == {"succeeded"}


@pytest.mark.parametrize("hangs", [3])
def test_a_process_killed_in_every_write_leaves_one_record_per_invoice(office: Office, hangs: int) -> None:
    fill(office, ["1", "2", "3", "4"])
    for killed in range(1, hangs + 1):
        with office.child() as child:
            while len(office.records()) < killed:
                assert child.poll() is None
            child.kill()
    finish(office)
    # The ERP was asked, not told again: nothing was even sent twice.
    assert office.sent() == {"1": 1, "2": 1, "3": 1, "4": 1}


def test_a_write_that_reaches_the_erp_after_its_sender_died_is_still_one_record(office: Office) -> None:
    fill(office, ["1"])
    os.kill(office.pid, signal.SIGSTOP)
    with office.child() as child, office.engine() as engine:
        while not any(run.state == "post" for run in engine.runs()):
            assert child.poll() is None
        child.kill()
    os.kill(office.pid, signal.SIGCONT)
    finish(office)
    assert office.sent().keys() == {"1"}
    assert len(office.records()) == 1


def test_the_demo_dies_resumes_and_ends_with_every_invoice_once(tmp_path: Path) -> None:
    ended = run_demo(tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "was killed in state post of 01-invoice.pdf" in ended.stdout
    assert "resumed 01-invoice.pdf: read → extract → check → post → posted" in ended.stdout
    assert ended.stderr == ""
    assert list(tmp_path.iterdir()) == []


def run_demo(folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONWARNINGS": "error"}
    return subprocess.run([sys.executable, DEMO], env=environment, capture_output=True, text=True, check=False)


def test_the_demo_cleans_up_when_it_is_interrupted(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, DEMO], env=environment, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        url = demo.stdout.readline().split()[-1]
        demo.send_signal(signal.SIGINT)
        assert demo.wait() == 130
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/invoices")
