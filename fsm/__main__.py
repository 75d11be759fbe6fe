"""`python -m fsm`: the command line."""

import sys

from fsm.cli import main

sys.exit(main())
