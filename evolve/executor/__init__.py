"""Where candidates are judged: each executor fits `evolve.seams.Executor`.

    local.py     judge processes on this machine, candidates jailed: the default;  slot.py  one of them
    holding.py   what slots hold of the machine: processors, leased GPUs, the right to be the only one
    line.py      jobs that wait, and how futures are answered;  waker.py  what wakes an executor
    threads.py   a function of the caller's on its own threads, candidates jailed
    inline.py    everything in the driver's process, for tests and benchmarks;  here.py  a candidate there

All of them turn what `evaluate` does into an `evolve.records.Evaluation` by the same code, `evolve.judge.score`.
"""

from evolve.executor.inline import InlineExecutor
from evolve.executor.local import LocalExecutor, evaluate_once
from evolve.executor.threads import ThreadExecutor

__all__ = ["InlineExecutor", "LocalExecutor", "ThreadExecutor", "evaluate_once"]
