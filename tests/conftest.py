"""For all tests: examples of Hypothesis have no time limit, since the machine's load is nobody's fault."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
