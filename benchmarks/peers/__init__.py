"""Measures the same ten-step workflow on ours and on other engines that keep their runs in SQLite, in one run.

    python -m benchmarks.peers [--quick] [--json]

`make bench-peers` makes the environment for it. Each slice of each engine is a process of its own, so that imports and
threads of one do not weigh on another; the slices take turns, so that a noisy spell of the machine hits all. What a
peer shows is measured here and nowhere written down.
"""
