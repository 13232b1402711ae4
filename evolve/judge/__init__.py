"""The judge: runs a task's ``evaluate.py`` outside the jail, and reaches the candidate inside it through plain data only.

    wire.py        values to bytes and back
    runner.py      answers calls inside the jail
    candidate.py   the handle that evaluate.py works with
    score.py       what evaluate() returned or raised, as an evaluation
    process.py     the long-lived judge process

Only candidate.py is for the authors of tasks.
"""

from evolve.judge.candidate import Candidate, CandidateFailed, Completed, Invalid

__all__ = ["Candidate", "CandidateFailed", "Completed", "Invalid"]
