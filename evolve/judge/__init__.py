"""The judge: runs a task's ``evaluate.py`` outside the jail, and reaches the candidate inside it through plain data only.

    wire.py        values to bytes and back
    runner.py      answers calls inside the jail
    candidate.py   the handle that evaluate.py works with
    score.py       what evaluate() returned or raised, as an evaluation
    stages.py      a candidate's way through screen, seeds and races;  timing.py  calls timed beside a reference's
    jails.py       where its jails come from, warm or cold;  chance.py  the seed that a jail sees, veiled
    process.py     the long-lived judge process

Only candidate.py is for the authors of tasks.
"""

from evolve.judge.candidate import Candidate, CandidateFailed, Completed, Invalid

__all__ = ["Candidate", "CandidateFailed", "Completed", "Invalid"]
