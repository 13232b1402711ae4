"""Judges candidates in the driver's own process and thread: fast, and no protection at all. For tests and benchmarks."""

from __future__ import annotations

import select
from collections import deque
from concurrent.futures import Future
from contextlib import redirect_stderr, redirect_stdout

from evolve.executor.here import Here, Tail
from evolve.executor.line import answer
from evolve.executor.waker import Waker
from evolve.jail import Confinement
from evolve.judge import score
from evolve.records import Evaluation, Job, Task

HERE = Confinement("none", "judged inline, in the driver's own process", ())


class InlineExecutor:
    """Judges one candidate at a time, during `pump`, in the calling thread.

    Candidates run unconfined: they can read, change and forge anything that this process can. In all else an evaluation
    equals a jailed one, by the same code: every argument and result crosses `evolve.judge.wire`. Of ``limits`` only the times
    and the sizes of reply and output are kept, and nothing of ``resources``. Time is kept by an alarm, which interrupts Python
    code but not a library that never returns, and only in the main thread: elsewhere a call that took too long is noticed once
    it is over. evaluate.py itself is not bounded. The process's global random generators are seeded anew for each candidate, as
    in a jail.
    """

    slots = 1

    def __init__(self, task: Task) -> None:
        self._task = task
        self._queue: deque[tuple[Job, Future[Evaluation]]] = deque()
        self._waker = Waker()
        self._script: score.Script | None = None
        self._closed = False

    def submit(self, job: Job) -> Future[Evaluation]:
        """Queue ``job``."""
        if self._closed:
            raise RuntimeError("the executor is closed")
        future: Future[Evaluation] = Future()
        self._queue.append((job, future))
        return future

    def pump(self, timeout: float | None) -> None:
        """Judge the next job; where there is none, wait for `wake` or the timeout."""
        while self._queue:
            job, future = self._queue.popleft()
            if not future.cancelled():
                answer(future, self._judge(job))
                return
        if not self._closed:
            select.select([self._waker], [], [], timeout)
            self._waker.clear()

    def wake(self) -> None:
        """Make `pump` return if it waits."""
        self._waker.wake()

    def close(self) -> None:
        """Cancel what is queued."""
        self._closed = True
        while self._queue:
            self._queue.popleft()[1].cancel()
        self._waker.close()

    def _judge(self, job: Job) -> Evaluation:
        log = Tail(self._task.limits.output)
        with redirect_stdout(log), redirect_stderr(log):
            if self._script is None:
                try:
                    self._script = score.load(self._task)
                except (Exception, SystemExit) as error:  # noqa: BLE001 - evaluate.py is its author's: whatever it raises is a judge_error
                    return score.stamped(Evaluation("judge_error", error=score.described(error)), HERE, log.text())
            seen = score.judge(self._task, self._script, job, lambda sources: Here(self._task, sources))
        return score.stamped(seen, HERE, log.text())
