"""Imports, or reads where it is installed, the package that holds evaluators and references, and packages that nobody named."""

import importlib
import os
import sys

import targets
from kit import attempt, got, honest as solve, read  # noqa: F401

sys.path += targets.SITES
for name in ("evolve", "evolve.judge.score", "evolve._data", "pytest", "click"):
    attempt("read_outside", f"imported {name}", importlib.import_module, name)
for path in (f"{targets.EVOLVE}/errors.py", f"{targets.EVOLVE}/judge/score.py", f"{targets.EVOLVE}/../tasks/math"):
    attempt("read_outside", "the package's files", lambda: path if os.path.isdir(path) and os.listdir(path) else read(path, 10))
for folder in sys.path:
    for base, folders, files in os.walk(folder):
        if any("evolve" in name for name in (*folders, *files)):
            got("read_outside", f"something called evolve in {base}")
        if base.count("/") > folder.count("/") + 1:
            folders.clear()
