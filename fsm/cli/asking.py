"""Asking a person before something that cannot be taken back."""

import sys

import click

from fsm.errors import UsageError

yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
dry_run = click.option("--dry-run", is_flag=True, help="Only print what would be done.")


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal, unless the command line has said yes already.

    Raises:
        UsageError: the answer is no, or there is nobody to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask on: --yes says so beforehand; nothing was done")
    if not click.confirm(question, err=True):
        raise UsageError("nothing was done")
