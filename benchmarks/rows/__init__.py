"""The rows of the report, each a generator of figures over a scale."""

from collections.abc import Callable, Iterator, Mapping

from benchmarks.figures import Figure, Scale
from benchmarks.rows import crowd, inline, own, process, resume, size, startup, worker, writers

ROWS: Mapping[str, Callable[[Scale], Iterator[Figure]]] = {
    "inline": inline.measure,
    "own": own.measure,
    "worker": worker.measure,
    "resume": resume.measure,
    "size": size.measure,
    "crowd": crowd.measure,
    "process": process.measure,
    "startup": startup.measure,
    "writers": writers.measure,
}
"""By the name that the command line takes."""
