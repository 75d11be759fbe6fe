"""Run the research agent against a model that fails at random, approve its report, and let the model judge the caller.

    python definitions/research_agent/demo.py

Needs no network and no key: the model is `llmock` on this machine. Everything is in a temporary folder.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import actions
import model_server

import fsm

HERE = Path(__file__).parent
TOPIC = "How does a workflow survive the death of its process?"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--failures", type=float, default=0.2, metavar="RATE", help="share of requests that fail (0.2)")
    parser.add_argument("--refuse", action="store_true", help="let the person refuse the report")
    options = parser.parse_args()
    if not 0 <= options.failures <= 0.5:  # noqa: PLR2004 - beyond that six attempts will not do
        parser.error("--failures is between 0 and 0.5")
    try:
        with tempfile.TemporaryDirectory(prefix="research-agent-") as folder:
            return demonstrate(Path(folder), options.failures, is_refused=options.refuse)
    except KeyboardInterrupt:
        print("\nstopped; the server is down, the temporary folder is gone", file=sys.stderr)
        return 130


def demonstrate(folder: Path, failures: float, *, is_refused: bool) -> int:
    with model_server.serving(failures, folder / "llmock.log") as url:
        print(f"a model at {url} that fails {failures:.0%} of the time with 429 and 503,")
        print("and a small planner that cannot write JSON\n")
        os.environ |= {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "not-needed-here"}
        account = Account()
        with fsm.Engine(folder / "runs.db", definitions=HERE, actions=[actions], watch=account.tell) as engine:
            run = engine.run("research-agent", {"topic": TOPIC, "outlet": str(folder / "outlet")}, key="demo")
            if run.status == "waiting":
                run = answer(engine, run, is_refused=is_refused)
            conclude(run, account)
        paid = model_server.served(url)
        failed = f"{paid.count(429)} refused with 429, {paid.count(503)} with 503"
        print(f"{len(paid)} requests: {failed}, {paid.count(200)} answers paid for")
        code, report = model_server.verdict(url)
    print(f"\n{report}\n(exit code {code})")
    return code or (run.status != ("failed" if is_refused else "succeeded"))


def answer(engine: fsm.Engine, run: fsm.Run, *, is_refused: bool) -> fsm.Run:
    """Play the person who reads the report, and let the run go on."""
    report = engine.artifacts(run)["report"]
    print(f'\n  the run waits for a person; the report {report["id"]} says:\n    "{report["text"]}"\n')
    if is_refused:
        engine.signal(run.id, "refuse", {"report": report["id"], "by": "ana", "why": "too short"}, actor="ana")
    else:
        engine.signal(run.id, "approve", {"report": report["id"], "by": "ana"}, actor="ana")
    (run,) = engine.resume(run.id)
    return run


def conclude(run: fsm.Run, account: "Account") -> None:
    print(f"\n{run.status} in {run.state}: {run.reason or Path(str(run.output)).name}")
    print(f"path: {' → '.join(account.path)}")
    print(f"{account.retries} retries, {account.path.count('replan')} reprompt")


class Account:
    """Prints every transition as it is committed, and remembers the path."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self.path: list[str] = []
        self.retries = 0

    def tell(self, _: fsm.Run, crossed: fsm.Transition) -> None:
        if crossed.event.startswith("retry:"):
            self.retries += 1
        else:
            self.path.append(crossed.target)
        who = f"  by {crossed.actor}" if crossed.actor else ""
        at_s = time.monotonic() - self._began_s
        print(f"  {at_s:5.1f} s  {crossed.source:9} {crossed.event:22} → {crossed.target}{who}{_why(crossed)}")


def _why(crossed: fsm.Transition) -> str:
    """Return what went wrong, and how long the engine waits before it tries again."""
    if not crossed.detail or "class" not in crossed.detail:
        return ""
    wait = f"; again in {(crossed.due_at - crossed.at) / 1_000:.1f} s" if crossed.due_at else ""
    message = str(crossed.detail["message"]).partition("\n")[0].partition(" for url")[0]
    return f"  ({message[:70]}{wait})"


if __name__ == "__main__":
    sys.exit(main())
