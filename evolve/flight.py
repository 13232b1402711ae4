"""One attempt between ask and tell: the conversation that drafts it, what of it is at the judge, and the inner optimiser
that may yield more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from evolve.arms import Arm
from evolve.errors import ConfigError
from evolve.normal import digest
from evolve.records import Attempt, Background, Draft, Evaluation, Job, Metric, Point, Program, Prompt, Reply, Task
from evolve.seams import Exchange, Operator, Points, Stop, Tuner, Writer


@dataclass(slots=True)
class Flight:
    """An attempt with its operator. ``turn`` is which prompt of its conversation is being answered; ``draft`` is what is
    judged next or now, with its ``digest`` once that is known; ``job`` is it at the judge, and ``future`` holds what the judge
    sees of it.
    """

    attempt: Attempt
    operator: Operator | Writer
    task: Task
    turn: int = -1
    draft: Draft | None = field(init=False)
    digest: str = ""
    job: Job | None = None
    future: Future[Evaluation] | None = None
    points: Points | None = None
    exchange: Exchange | None = None

    def __post_init__(self) -> None:
        self.draft = self.attempt.draft

    @property
    def writes(self) -> bool:
        """Whether its draft comes of a conversation."""
        return isinstance(self.operator, Writer)

    def begin(self, background: Background) -> Prompt | None:
        """Take the first step towards the draft: return the first prompt, or None if the draft is there.

        Raises:
            Stop: if there will be none.
        """
        if not isinstance(self.operator, Writer):
            self.attempt.draft = self.draft = self.operator.draft(self.attempt.proposal, self.task)
            return None
        self.exchange = self.operator.write(self.attempt.proposal, self.task, background)
        return self.answer(None)

    def answer(self, reply: Reply | Stop | None) -> Prompt | None:
        """Go on with the conversation: return the next prompt, or None if the draft is there.

        Raises:
            Stop: if there will be none; also the one given, which stands for a reply that never came.
        """
        if isinstance(reply, Stop):
            raise reply
        if self.exchange is None:
            raise RuntimeError(f"attempt {self.attempt.proposal.number} has no conversation")
        self.turn += 1
        try:
            return next(self.exchange) if reply is None else self.exchange.send(reply)
        except StopIteration as end:
            self.attempt.draft = self.draft = end.value
            return None

    @property
    def landed(self) -> bool:
        """Whether the judge has answered."""
        return self.future is not None and self.future.done()

    @property
    def seen(self) -> Evaluation:
        """What the judge saw of the draft."""
        if self.future is None:
            raise RuntimeError(f"attempt {self.attempt.proposal.number} has nothing at the judge")
        return self.future.result()

    def withdraw(self) -> bool:
        """Take the draft back from the judge; False if that has begun with it."""
        if self.future is not None and not self.future.cancel():
            return False
        self.future, self.job = None, None
        return True

    def aim(self) -> str:
        """Return the digest of what is judged next."""
        attempt = self.attempt
        if self.draft is None or attempt.digest is None:
            raise RuntimeError(f"attempt {attempt.proposal.number} has nothing to judge")
        self.digest = attempt.digest if not attempt.points else digest(self.draft.sources, self.task.language)
        return self.digest

    def land(self, evaluation: Evaluation) -> Job:
        """Add what the judge saw of the draft to the attempt's points, and return the job that it was."""
        attempt, job = self.attempt, self.job
        if self.draft is None or job is None:
            raise RuntimeError(f"attempt {attempt.proposal.number} has nothing at the judge")
        attempt.points.append(Point(self.draft, self.digest, evaluation))
        self.draft, self.future, self.job = None, None, None
        self._screened(attempt.points[0].evaluation)
        return job

    def _screened(self, child: Evaluation) -> None:
        """End an attempt whose child was held back by the screen: it has no score that more could be made of."""
        if child.screened_out:
            self.attempt.stage, self.attempt.reason = "judge", child.error

    def advance(self, evaluation: Evaluation) -> bool:
        """Ask the inner optimiser, if the operator has one, what to judge after ``evaluation``; False at its end."""
        self.draft = None
        if not isinstance(self.operator, Tuner) or self.attempt.draft is None or self.attempt.stage is not None:
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
            self._screened(self.attempt.points[0].evaluation)
            self.advance(point.evaluation)
        return len(self.attempt.points)


def board(attempt: Attempt, arms: Mapping[str, Arm], task: Task) -> Flight:
    """Return an attempt with its operator, ready for its first step.

    Raises:
        ConfigError: if its arm is not configured.
    """
    proposal = attempt.proposal
    arm = arms.get(proposal.arm)
    if arm is None or proposal.operator not in arm.operators:
        raise ConfigError(
            f"attempt {proposal.number} is under way with {proposal.arm} ({proposal.operator}), which is not configured now"
        )
    return Flight(attempt, arm.operators[proposal.operator], task)


def best(attempt: Attempt, score: Metric, held: Callable[[str], bool]) -> Program | None:
    """Return the best of an attempt's points as a program, the child itself where none has a score; None without a point.

    Args:
        attempt: has been judged to its end.
        score: which scores are better.
        held: whether the run has a program of this digest already.
    """
    new = [point for point in attempt.points if not held(point.digest)]
    if not new:
        return None
    proposal = attempt.proposal
    scored = [(score.sign * point.evaluation.score, point) for point in new if point.evaluation.score is not None]
    chosen = max(scored, key=lambda pair: pair[0])[1] if scored else new[0]
    return Program(
        digest=chosen.digest,
        sources=chosen.draft.sources,
        status=chosen.evaluation.status,
        score=chosen.evaluation.score,
        metrics=chosen.evaluation.metrics,
        number=proposal.number,
        parent=proposal.parent.digest,
        arm=proposal.arm,
        operator=proposal.operator,
        island=proposal.island,
        generation=proposal.parent.generation + 1,
        traits=chosen.draft.traits,
    )
