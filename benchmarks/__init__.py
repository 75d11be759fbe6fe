"""Measures the engine against a raw loop of the same statements, in the same run, on the same disk.

    python -m benchmarks [row ...] [--quick] [--json]

Trust the ratios, not the rates: ours and the raw loop take turns in short slices, so that a noisy spell of the machine
hits both. Nothing here is a test, and no test asserts what is printed here.
"""
