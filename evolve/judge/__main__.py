"""``python -m evolve.judge``: the judge process, started by an executor."""

import sys

from evolve.judge.process import main

main(sys.argv)
