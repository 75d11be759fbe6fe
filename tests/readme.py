"""Reading the README: its blocks, its tables, its sections, its recordings."""

import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FSM = Path(sys.executable).with_name("fsm")
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


class Block(NamedTuple):
    """A fenced block: its language, the words behind it, its text, the line it begins on."""

    language: str
    mark: str
    text: str
    line: int


def blocks() -> Iterator[Block]:
    for found in re.finditer(r"^```(\w+)(?: ([^\n]+))?\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        yield Block(found[1], found[2] or "", found[3], TEXT.count("\n", 0, found.start()) + 2)


BLOCKS = list(blocks())
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)


def marked(language: str, mark: str) -> list[Block]:
    found = [block for block in BLOCKS if block.language == language and block.mark.startswith(mark)]
    assert found
    return found


def named(block: Block) -> str:
    return f"line {block.line}"


def rows(*titles: str) -> list[list[str]]:
    """Return the rows of every table whose head begins with these titles."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", PROSE, re.MULTILINE):
        head, _, *lines = ([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines())
        if head[: len(titles)] == list(titles):
            found += lines
    assert found, f"no table with the head {titles}"
    return found


def codes(cell: str) -> list[str]:
    """Return the pieces of a cell that are set as code."""
    return [found.replace("\\|", "|") for found in re.findall(r"`([^`]+)`", cell)]


def section(title: str) -> str:
    return TEXT.partition(f"# {title}\n")[2].partition("\n#")[0]


def settled(lines: Sequence[str]) -> list[str]:
    """Return output without what differs from run to run; a key stays recognisable."""
    keys: dict[str, str] = {}
    text = "\n".join(" ".join(line.split()) for line in lines)
    text = re.sub(r"\b[0-9A-Z]{26}\b", "RUN", text)
    text = re.sub(r"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"just now|\d+ m?s ago", "AGO", text)
    return re.sub(r"(?<=key )[0-9a-f]{8}", lambda key: keys.setdefault(key[0], f"key {len(keys)}"), text).splitlines()


def recorded(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a recording with what it printed."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, *printed = part.rstrip("\n").split("\n")
        yield command, printed


class Shell:
    """Runs the commands of one recording."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.behind: subprocess.Popen[str] | None = None

    def answer(self, command: str, expected: int) -> list[str]:
        """Return what a command prints; of one in the background as many lines as are expected."""
        if command == "kill -9 %1":
            assert self.behind is not None
            self.behind.kill()
            self.behind.communicate()
            return []
        words = [
            str(FSM) if word == "fsm" else word for word in shlex.split(command.removesuffix(" &").partition(" > ")[0])
        ]
        process = subprocess.Popen(
            words, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        assert process.stdout is not None
        if command.endswith(" &"):
            self.behind = process
            return [line.rstrip("\n") for line in itertools.islice(process.stdout, expected)]
        text, _ = process.communicate()
        if " > " in command:
            (self.folder / command.partition(" > ")[2]).write_text(text)
            return []
        return text.splitlines()
