"""The campaign under fire: killed with SIGKILL again and again, resumed each time, and counted in the mailbox.

Beside it, with crashes at the same points, the two plain scripts of `plain.py`. Everything happens on the loopback
interface and in a temporary folder that is gone afterwards.
"""

import argparse
import csv
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from trial import HERE, Kill, Postbox, Say, TrialError, crash, finish, plan

import fsm

CAMPAIGN = "renewals-2031"
TEMPLATE = HERE / "mail.txt"
CLOSED = "@closed.example"


@dataclass(frozen=True)
class Expected:
    """Who is to get a mail, and who is not, read from the list alone."""

    path: Path
    mailed: frozenset[str]
    incomplete: frozenset[str]
    closed: frozenset[str]

    @classmethod
    def of(cls, path: Path) -> "Expected":
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        incomplete = {row["email"] for row in rows if not all(row.values())}
        closed = {row["email"] for row in rows if row["email"].endswith(CLOSED)} - incomplete
        mailed = {row["email"] for row in rows} - incomplete - closed
        return cls(path, frozenset(mailed), frozenset(incomplete), frozenset(closed))


@dataclass
class Score:
    """What the mailbox shows; the last four only where an engine keeps a ledger."""

    delivered: int
    duplicates: int
    missing: int
    wrong: int
    skipped: int
    refused: int
    crashes: int
    seconds: float
    edges: int | None = None
    sent_edges: int | None = None
    cut_off: int | None = None
    cut_off_gone: int | None = None

    @property
    def is_right(self) -> bool:
        return not (self.duplicates or self.missing or self.wrong)


def score(postbox: Postbox, expected: Expected, crashes: int, began_s: float) -> Score:
    got = postbox.recipients()
    return Score(
        delivered=got.total(),
        duplicates=got.total() - len(got),
        missing=len(expected.mailed - got.keys()),
        wrong=len(got.keys() - expected.mailed),
        skipped=len(expected.incomplete - got.keys()),
        refused=len(expected.closed - got.keys()),
        crashes=crashes,
        seconds=round(time.monotonic() - began_s, 1),
    )


class Campaign:
    """The campaign as the command line runs it: `fsm run` for its first life, `fsm resume` for every other."""

    def __init__(self, folder: Path, customers: Path, postbox: Postbox) -> None:
        self._store = folder / "runs.db"
        self._inputs = {"campaign": CAMPAIGN, "customers_csv": customers, "template": TEMPLATE,
                        "smtp": postbox.smtp, "mail_log": postbox.maildir}  # fmt: skip

    def command(self) -> list[str]:
        """Return what to start now."""
        inputs = [word for name, value in self._inputs.items() for word in ("-i", f"{name}={value}")]
        run = self.run() if self._store.exists() else None
        verb = ["resume", run.id] if run else ["run", str(HERE / "campaign.yaml"), "--key", CAMPAIGN, *inputs]
        actions = str(HERE / "actions.py")
        return [sys.executable, "-m", "fsm", *verb, "--store", str(self._store), "--import", actions, "--quiet"]

    def run(self) -> fsm.Run | None:
        with fsm.Engine(self._store) as engine:
            return engine.find("campaign", CAMPAIGN)

    def ledger(self) -> list[fsm.Transition]:
        run = self.run()
        assert run
        with fsm.Engine(self._store) as engine:
            return [row for row, _ in engine.history(run.id)]

    def complete(self, result: Score) -> None:
        """Add what the ledger says, once its rows are seen to be one unbroken chain from the start to a success.

        Raises:
            TrialError: it is broken, or the run's own report differs from the mailbox.
        """
        run, rows = self.run(), self.ledger()
        sources = ["", *(row.target for row in rows[:-1])]
        is_joined = [(row.seq, row.source) for row in rows] == list(enumerate(sources, 1))
        if not run or not is_joined or (run.status, run.seq) != ("succeeded", len(rows)):
            raise TrialError(f"the ledger is no unbroken chain to a success; the run is {run and run.status}")
        result.edges, result.sent_edges = run.seq, sent(rows)
        if run.output != {
            "customers": result.sent_edges + result.skipped + result.refused,
            "sent": result.sent_edges, "skipped": result.skipped, "refused": result.refused,
        }:  # fmt: skip
            raise TrialError(f"the run reports {run.output}, its ledger and the mailbox say {result}")


def sent(rows: Sequence[fsm.Transition]) -> int:
    """Return how many mails a ledger has committed as sent."""
    return sum((row.source, row.event) == ("send", "success") for row in rows)


def campaign(folder: Path, expected: Expected, kills: Sequence[Kill], say: Say) -> Score:
    """Run the campaign through all its crashes."""
    errors = folder / "errors"
    with Postbox(folder) as postbox:
        flow = Campaign(folder, expected.path, postbox)
        began_s, crashes, cut_off, gone = time.monotonic(), 0, 0, 0
        for kill in kills:
            crashes += crash(flow.command(), postbox, kill, errors, since_start=False)
            rows = flow.ledger()
            in_doubt = postbox.count() - sent(rows)
            cut_off += rows[-1].target == "send"
            gone += in_doubt
            say(f"  killed in {rows[-1].target}, {sent(rows)} mails committed" + (" and one more gone out" * in_doubt))
        finish(flow.command(), errors)
        result = score(postbox, expected, crashes, began_s)
    flow.complete(result)
    result.cut_off, result.cut_off_gone = cut_off, gone
    return result


def plain(folder: Path, expected: Expected, kills: Sequence[Kill], say: Say, *, keeps_position: bool) -> Score:
    """Run the plain script through as many crashes, at the same points of the list."""
    errors = folder / "errors"
    with Postbox(folder) as postbox:
        command = [sys.executable, str(HERE / "plain.py"), str(expected.path), str(TEMPLATE), postbox.smtp]
        command += [str(folder / "position")] if keeps_position else []
        began_s, crashes = time.monotonic(), 0
        for kill in kills:
            crashes += crash(command, postbox, kill, errors, since_start=not keeps_position)
            say(f"  killed; {postbox.count()} mails delivered so far")
        finish(command, errors)
        return score(postbox, expected, crashes, began_s)


ROWS: Sequence[tuple[str, Callable[[Score], object]]] = (
    ("mails delivered", lambda one: one.delivered),
    ("  duplicates", lambda one: one.duplicates),
    ("  missing", lambda one: one.missing),
    ("skipped, placeholder unfilled", lambda one: one.skipped),
    ("refused by the server (550)", lambda one: one.refused),
    ("crashes survived (SIGKILL)", lambda one: one.crashes),
    ("  in the middle of a send", lambda one: one.cut_off),
    ("    with the mail gone out (1)", lambda one: one.cut_off_gone),
    ("edges committed", lambda one: one.edges),
    ("  success edges out of send", lambda one: one.sent_edges),
    ("seconds", lambda one: f"{one.seconds:.1f}"),
)
COLUMNS = ("fsm", "plain script (2)", "position file (3)")
NOTES = """\
(1) The crash came after the server had taken the mail and before the edge was committed: the probe looked it up.
(2) A loop without an engine, started again from the beginning. Each of its lives was cut off at the same point of the
    list as that of the campaign.
(3) The same loop, which notes in a file after each customer where it is; cut off at the same points."""


def table(scores: Sequence[Score]) -> str:
    """Return the scores side by side."""
    lines = ["".join([f"{'':32}", *(f"{name:>19}" for name in COLUMNS)])]
    for title, of in ROWS:
        cells = ("-" if of(one) is None else str(of(one)) for one in scores)
        lines.append("".join([f"{title:32}", *(f"{cell:>19}" for cell in cells)]))
    return "\n".join(lines)


def demonstrate(folder: Path, customers: int, kills: int, seed: int, say: Say) -> list[Score]:
    expected = Expected.of(_first(customers, folder / "customers.csv"))
    crashes = plan(kills, len(expected.mailed), seed)
    say(f"campaign to {customers} customers, {kills} kills, seed {seed}")
    scores = [campaign(folder / "fsm", expected, crashes, say)]
    say("the same as a plain script, started again from the beginning")
    scores.append(plain(folder / "plain", expected, crashes, say, keeps_position=False))
    say("the same as a plain script that notes its position in a file")
    scores.append(plain(folder / "position", expected, crashes, say, keeps_position=True))
    return scores


def _first(customers: int, path: Path) -> Path:
    """Write the first customers of the list into a file of their own."""
    lines = (HERE / "customers.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: customers + 1]), encoding="utf-8")
    return path


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=7, metavar="N", help="how often to kill the campaign (default 7)")
    parser.add_argument("--customers", type=int, default=200, metavar="N", help="how many of the 200 (default all)")
    parser.add_argument(
        "--seed", type=int, metavar="S", help="of the instants of the kills (default: another each time)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of a table")
    asked = parser.parse_args(given)
    if not 1 <= asked.customers <= 200:  # noqa: PLR2004 - as many as the list holds
        parser.error(f"--customers {asked.customers}: from 1 to 200")
    if not 0 <= asked.kills <= asked.customers // 2:
        parser.error(f"--kills {asked.kills}: from 0 to half of the customers, {asked.customers // 2}")
    if asked.seed is None:
        asked.seed = random.SystemRandom().randrange(10_000)
    return asked


def stop(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def main(given: Sequence[str] | None = None) -> int:
    asked = arguments(given)
    if find_spec("aiosmtpd") is None:
        print("demo: aiosmtpd is not installed; it comes with the extra [demo] of this package", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, stop)
    try:
        with tempfile.TemporaryDirectory(prefix="fsm-campaign-") as folder:
            scores = demonstrate(Path(folder), asked.customers, asked.kills, asked.seed, say)
    except (TrialError, fsm.FSMError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped", file=sys.stderr)
        return 130
    if asked.json:
        figures = {name: asdict(one) for name, one in zip(("fsm", "plain", "position"), scores, strict=True)}
        print(json.dumps({"customers": asked.customers, "kills": asked.kills, "seed": asked.seed, **figures}, indent=2))
    else:
        print(f"{asked.customers} customers, {asked.kills} kills, seed {asked.seed}\n")
        print(f"{table(scores)}\n\n{NOTES}\n\n{verdict(scores)}")
    return 0 if scores[0].is_right else 1


def verdict(scores: Sequence[Score]) -> str:
    durable = scores[0]
    if durable.is_right:
        return "Every customer who was to get the mail got it once."
    found = (
        f"{durable.duplicates} duplicates, {durable.missing} missing, {durable.wrong} to people who were to get none"
    )
    return f"NOT exactly once: {found}."


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
