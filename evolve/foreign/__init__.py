"""Reads folders written for OpenEvolve and ShinkaEvolve as tasks, and runs their evaluators unchanged.

    folder.py        what a folder of theirs says, in the words of a task.toml;  openevolve.py  shinka.py  the two formats
    packages.py      which installed packages its imports need;  reading.py  its code as syntax, and its numbers
    about.py         what a user should know of such a task
    shipping.py      the files that every jail gets: the evaluator's folder, the harness, the adapters
    judge_script.py  what the judge runs;  harness.py  what it talks to inside the jail
    adapters/        stand-ins for what their evaluators import

Such an evaluator imports the program, so both run inside the jail and a program can forge its score: the integrity of these
evaluations is ``same-process``.
"""

from evolve.foreign.about import About, about
from evolve.foreign.folder import Foreign, detect, read
from evolve.foreign.shipping import SCRIPT, digest, shipped

__all__ = ["SCRIPT", "About", "Foreign", "about", "detect", "digest", "read", "shipped"]
