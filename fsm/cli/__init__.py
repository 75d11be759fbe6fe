"""The command line. What it prints is data on stdout and everything else on stderr; its exit codes are in `exits`."""

from collections.abc import Sequence

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        words: of the command line, without the program's name; those of this process by default.
    """
    try:
        from fsm.cli.face import answer  # noqa: PLC0415 - Ctrl-C while this loads ends as any other

        return answer(words)
    except KeyboardInterrupt:
        return INTERRUPTED
