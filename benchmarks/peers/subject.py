"""What every engine is asked to do: the same ten steps, each as its documentation tells a user to write them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Literal

STEPS = 10
"""Of the workflow that is measured by itself and in a crowd; each step adds one to a number."""
LONG = 1_000_000
"""Steps of the workflow that is killed on its way: one step again and again."""

Step = Callable[[int], int]
Workflow = Literal["alone", "crowd", "long"]


class Subject(ABC):
    """An engine with its store in one folder, in a process of its own.

    Args:
        folder: for the store.
        step: what each step calls with the number, for the number that is one higher.
    """

    def __init__(self, folder: Path, step: Step) -> None:
        self.folder = folder
        self.step = step

    @abstractmethod
    def open(self, workflow: Workflow) -> None:
        """Do what a program of this one workflow does at its start: declare it, and open the store or make it."""

    @abstractmethod
    def alone(self, runs: int) -> None:
        """Drive so many runs of ten steps, one after another."""

    @abstractmethod
    def crowd(self, runs: int) -> None:
        """Drive so many runs of ten steps at once, in the way that this engine has for it."""

    @abstractmethod
    def long(self) -> None:
        """Drive the long run, which has a known name."""

    @abstractmethod
    def resume(self) -> None:
        """Go on with the long run that a killed process left, after `open` in another one."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the store."""


def ended(number: int) -> None:
    """Hold a run's result against what ten steps make of nought."""
    assert number == STEPS, f"a run of {STEPS} steps from 0 ended with {number}"
