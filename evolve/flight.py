"""One attempt between ask and tell: what of it is at the judge, and the inner optimiser that may yield more."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from evolve.normal import digest
from evolve.records import Attempt, Draft, Evaluation, Job, Point, Task
from evolve.seams import Operator, Points, Tuner


@dataclass(slots=True)
class Flight:
    """An attempt with its operator. ``draft`` is what is judged next or now; ``future`` holds what the judge sees of it."""

    attempt: Attempt
    operator: Operator
    task: Task
    draft: Draft | None = field(init=False)
    future: Future[Evaluation] | None = None
    points: Points | None = None

    def __post_init__(self) -> None:
        self.draft = self.attempt.draft

    @property
    def landed(self) -> bool:
        """Whether the judge has answered."""
        return self.future is not None and self.future.done()

    def job(self, run: str, seed: int) -> Job:
        """Return the draft as a job for the judge."""
        if self.draft is None:
            raise RuntimeError(f"attempt {self.attempt.proposal.number} has nothing to judge")
        point = len(self.attempt.points)
        name = f"{run}/{self.attempt.proposal.number}/{point}"
        return Job(name, self.draft.sources, seed, "tune" if point else "child")

    def land(self, evaluation: Evaluation) -> None:
        """Add what the judge saw of the draft to the attempt's points."""
        attempt = self.attempt
        if self.draft is None or attempt.digest is None:
            raise RuntimeError(f"attempt {attempt.proposal.number} has nothing at the judge")
        known = attempt.digest if not attempt.points else digest(self.draft.sources, self.task.language)
        attempt.points.append(Point(self.draft, known, evaluation))
        self.draft, self.future = None, None

    def advance(self, evaluation: Evaluation) -> bool:
        """Ask the inner optimiser, if the operator has one, what to judge after ``evaluation``; False at its end."""
        self.draft = None
        if not isinstance(self.operator, Tuner) or self.attempt.draft is None:
            return False
        try:
            if self.points is None:
                self.points = self.operator.points(self.attempt.proposal, self.task, self.attempt.draft, evaluation)
                self.draft = next(self.points)
            else:
                self.draft = self.points.send(evaluation)
        except StopIteration:
            return False
        return True

    def retrace(self) -> int:
        """Lead the evaluations that the attempt has already through its inner optimiser again.

        Returns:
            How many of its points came out as they were recorded. Afterwards ``draft`` is what would be judged next,
            None at the end.
        """
        for place, point in enumerate(self.attempt.points):
            if self.draft is None or self.draft.sources != point.draft.sources:
                self.draft = None
                return place
            self.advance(point.evaluation)
        return len(self.attempt.points)
