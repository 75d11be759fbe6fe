"""Installs the peers into the environment that it runs in, one by one: one that cannot be had keeps no other away."""

import subprocess
import sys

from benchmarks.peers.engines import PEERS


def main() -> int:
    """Return how many could not be installed; pip says why."""
    return sum(not _installed(engine.title, engine.requirements) for engine in PEERS)


def _installed(title: str, requirements: tuple[str, ...]) -> bool:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    done = subprocess.run(command, check=False).returncode == 0
    if not done:
        print(f"{title} could not be installed, and will be missing from the report", file=sys.stderr)
    return done


if __name__ == "__main__":
    sys.exit(main())
