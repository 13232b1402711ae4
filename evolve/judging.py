"""What a run has at the judge: the candidates of its attempts, and whatever a champion's review needs."""

from __future__ import annotations

from concurrent.futures import Future

from evolve.archive import Archive
from evolve.budget import Budget
from evolve.champions import Champions
from evolve.errors import JudgeError
from evolve.flight import Flight
from evolve.records import Evaluation, Job, Task
from evolve.seams import Executor
from evolve.stages import Jobs


class Judging:
    """Hands jobs to the executor, and counts and stores what comes back.

    Args:
        archive: where evaluations are kept; ``run`` is the run's name in it.
        task: what is evolved.
        executor: judges the candidates.
        budget: the ledger.
        jobs: makes the jobs, and knows what need not be judged.
        champions: what wants to be judged again.
    """

    def __init__(
        self,
        archive: Archive,
        run: str,
        task: Task,
        executor: Executor,
        budget: Budget,
        jobs: Jobs,
        champions: Champions,
    ) -> None:
        self._archive, self._run, self._task, self._executor = archive, run, task, executor
        self._budget, self._jobs, self._champions = budget, jobs, champions
        self._reviewed: Future[Evaluation] | None = None

    # ------------------------------------------------------------------ attempts

    def hand(self, flight: Flight) -> Future[Evaluation]:
        """Hand what a flight has drafted to the judge, unless the archive knows what the judge would see."""
        flight.job = self._jobs.attempt(flight, self._champions.rival)
        known = self._jobs.known(flight.aim())
        if known is None:
            flight.future = self._executor.submit(flight.job)
        else:
            flight.future = Future()
            flight.future.set_result(known)
        return flight.future

    def take(self, flight: Flight, seen: Evaluation) -> None:
        """Count and store one evaluation of a flight."""
        job = flight.land(seen)
        if seen.cached:
            self._budget.found()
        else:
            self._budget.charge()
        self._jobs.screen.add(seen.screen)
        point = len(flight.attempt.points) - 1
        self._archive.judged(self._run, flight.attempt, point, "tune" if point else "child", job.seed, job.bar)

    def judge(self, job: Job) -> Evaluation:
        """Judge one candidate and wait for it.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing.
        """
        return self.wait(self._executor.submit(job))

    def wait(self, future: Future[Evaluation]) -> Evaluation:
        """Wait for what was handed to the judge.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing.
        """
        while not future.done():
            self._executor.pump(1.0)
        if future.result().status == "judge_error":
            raise self.error(future.result())
        return future.result()

    def error(self, seen: Evaluation) -> JudgeError:
        """Return what to say when ``evaluate.py`` itself, or what it needs, failed."""
        script = "evaluate.py" if self._task.evaluator.name else "the function"
        again = (
            f", then start anew from the best of this run with --from {self._run}"
            if self._budget.best is not None
            else ""
        )
        return JudgeError(
            f"{script} of task {self._task.name!r} cannot judge; the run stops, and no program pays for it. Mend {script}, or "
            f"what is named below (a value that it cannot use is `raise Invalid`){again}:\n{seen.error}"
        )

    # ------------------------------------------------------------------ reviews

    @property
    def reviewed(self) -> Evaluation | None:
        """What the judge saw for the review under way, if it has answered."""
        return self._reviewed.result() if self._reviewed is not None and self._reviewed.done() else None

    def take_review(self) -> None:
        """Let the review go on with what the judge saw, and the next one begin."""
        seen = self.reviewed
        if seen is not None:
            self._reviewed = None
            if seen.status == "judge_error":
                self._champions.set_aside(seen)
            else:
                self._champions.take(seen)
        self._champions.advance()

    def submit_review(self) -> None:
        """Hand the next job of the review to the judge, if it is not there. There is one at a time, so that no more than one slot
        is kept from the search.
        """
        if self._reviewed is None and self._champions.next is not None:
            self._reviewed = self._executor.submit(self._champions.next.job)

    def review(self) -> None:
        """Judge again whatever wants to be champion, and wait for it.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing; the next call hands the same job to the judge.
        """
        while True:
            with self._archive.transaction():
                self.take_review()
            self.submit_review()
            if self._reviewed is None:
                return
            try:
                self.wait(self._reviewed)
            except JudgeError:
                self._reviewed = None
                raise
