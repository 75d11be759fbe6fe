"""For all tests: Hypothesis sets no time limit on an example, since the machine's load is nobody's fault.

In CI it draws the same examples every time, so that a change is judged by what it changes; elsewhere it keeps looking.
"""

import os

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "unhurried")
