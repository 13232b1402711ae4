"""The champion of a run: the best program, as far as that was shown, and the reviews in which contenders become it.

Whoever scores better than the champion is a contender. It is judged again in a cold process where its score was made in a fork
of a warm one, because a fork inherits what the warm one holds. Where candidates are judged on several seeds, it then meets the
champion on fresh seeds, the same for both, and is promoted if the lower confidence bound of the mean paired difference is above
zero.

The differences on the common seeds take no part in that. A contender is one because it was ahead there, and it is the best of all
candidates so far: its lead there is partly luck however tight its bound, and pooling would carry that luck into the verdict.
On the fresh seeds neither of the two was chosen, so there the difference is unbiased. They are few, and so they are added in
batches while the verdict is open: up to `LOOKS` looks, each with an equal part of the error allowed, which by Bonferroni's
inequality all of them together then keep.

A contender that was judged on every common seed just as one that this champion has beaten is refused without a review: it does
the same in other words. Its review would cost as much as many candidates, and be one more chance to win by luck.

Asks never depend on reviews: a replay, which judges nothing, does without them.
"""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from evolve.archive import Archive, Champion
from evolve.evaluator import has_validate
from evolve.phrases import last_line
from evolve.racing import lead
from evolve.records import Attempt, Evaluation, Job, Program, Task, short_id
from evolve.stages import seeds

LOOKS = 4
"""The most batches of fresh seeds, each as many as a candidate is judged on."""
ERROR = 0.05
"""How likely a program that is no better than the champion may be to be promoted."""
LEVEL = 1.0 - 2.0 * ERROR / LOOKS
"""Of the two-sided interval at each look, of which the lower end counts."""
SPREAD = 3
"""The fewest fresh seeds on which a lead that is the same on all of them, and so leaves no spread to measure, is believed: scores
as coarse as solved or not are apart by one amount on two seeds by chance in one of 16 races (see `evolve.racing`).
"""
FRESH = range(1 << 20, 1 << 31)
"""Fresh seeds: far from common ones, and within what libraries take that hold a seed in 32 bits, NumPy's `RandomState` or 31."""
WAITING = 3
"""How many contenders wait at most, the best of them; each further one would be judged again for little."""
SAME = 1e-9
"""The relative difference up to which a cold score is the warm one."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A program with the evaluation that its score comes from."""

    program: Program
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Again:
    """One job of a review: for which verdict it is, and the program that it judges again."""

    place: int
    digest: str
    job: Job


Likeness = tuple[tuple[float, ...], tuple[tuple[str, float], ...]]
"""What the judge saw of a program, as far as numbers tell: its score on each seed, and its metrics."""

Steps = Generator[Again, Evaluation, None]
"""A review: yields jobs, is sent what the judge saw of each, and ends with a verdict in the archive."""


class Champions:
    """Leads one review at a time. It judges nothing itself: ``next`` is what is to be judged, and `take` what was seen.

    Args:
        archive: where verdicts are kept; ``run`` is the run's name in it.
        task: what is evolved.
        say: told what a person should know.

    Attributes:
        reigning: the champion, None before there is one.
        title: its verdict.
        next: the next job of the review under way.
    """

    def __init__(self, archive: Archive, run: str, task: Task, say: Callable[[str], None]) -> None:
        self._archive, self._run, self._task, self._say = archive, run, task, say
        self._sign, self._repeats, self._seeds = task.score.sign, task.stages.repeats, seeds(task)
        self._validates = has_validate(task)
        self.reigning: Contender | None = None
        self.title: Champion | None = None
        self.next: Again | None = None
        self._steps: Steps | None = None
        self._waiting: list[Contender] = []
        self._beaten: dict[Likeness, str] = {}
        self._place = 0
        self._retired = False

    def begin(self) -> None:
        """Take up where the run is, from its rows: the first program that it started from is champion without a review, and a
        review that was cut off is made anew.
        """
        archive, run = self._archive, self._run
        self._seeds = seeds(self._task, archive.first_seed(run))
        with archive.transaction():
            archive.forget_undecided(run)
            champion = archive.champion(run) or self._first()
            if champion is None:
                return
            program = archive.program(run, champion.digest)
            self._crown(champion, self._contender(program))
            verdicts = archive.champions(run)
            self._place = verdicts[-1].place
            for one in verdicts:
                if one.verdict == "refused" and one.against == program.digest:
                    self._beat(one, self._contender(archive.program(run, one.digest)))
            better = archive.contenders(run, self._sign, _score(program), WAITING)
            self._waiting = [self._contender(other) for other in better]
            if not archive.was_validated(run, champion.place):
                self._steps = self._validate(champion.place)
                self._step(None)

    def _first(self) -> Champion | None:
        """Make the first seed with a score champion, if there is one."""
        found = [program for program, _ in self._archive.seeds(self._run) if program.score is not None]
        if not found:
            return None
        first = Champion(0, found[0].digest, None, "promoted", "the run started from it", score=found[0].score)
        self._archive.decided(self._run, first, time.time())
        return first

    @property
    def rival(self) -> tuple[float, ...]:
        """The champion's scores on the common seeds; none where it was not judged on all of them."""
        if self.reigning is None:
            return ()
        judged = self.reigning.evaluation.repeats
        return tuple(one.score for one in judged) if tuple(one.seed for one in judged) == self._seeds else ()

    def score(self) -> float | None:
        """Return the champion's score, the worse one where a cold process gave another; None before there is one."""
        if self.reigning is None or self.title is None:
            return None
        scores = [_score(self.reigning.program)]
        if self.title.cold_score is not None:
            scores.append(self.title.cold_score)
        return min(scores, key=lambda score: self._sign * score)

    @property
    def idle(self) -> bool:
        """Whether no review is under way and no contender waits."""
        return self.next is None and not self._waiting

    def offer(self, attempt: Attempt) -> None:
        """Let a told attempt's program contend, if it scored better than the champion."""
        program = attempt.program
        if self._retired or program is None or not self._better(program):
            return
        point = next(point for point in attempt.points if point.digest == program.digest)
        insort(
            self._waiting,
            Contender(program, replace(point.evaluation, artifacts=())),
            key=lambda other: -self._sign * _score(other.program),
        )
        del self._waiting[WAITING:]

    def narrow(self) -> None:
        """Let the best contender alone wait on: at the end of a run reviews are all that it still waits for."""
        del self._waiting[1:]

    def retire(self) -> None:
        """Review nobody from here on, where of a search the best score alone is asked: reviews may take as long as the search.
        The champion stays who it is, and the rival in races.
        """
        self._retired, self._waiting, self._steps, self.next = True, [], None, None

    def advance(self) -> None:
        """Begin the next review if none is under way; one that needs no job is decided at once."""
        while self.next is None and self._waiting:
            self._place += 1
            self._steps = self._review(self._place, self._waiting.pop(0))
            self._step(None)

    def take(self, seen: Evaluation) -> None:
        """Store what the judge saw of ``next``, and go on with the review."""
        again = self._asked()
        self._archive.reviewed(self._run, again.place, again.digest, again.job.purpose, again.job.seed, seen)
        self._step(seen)

    def set_aside(self, failure: Evaluation) -> None:
        """End the review under way without a verdict, because ``evaluate.py`` failed on its job: a contender is not the champion,
        and a champion has no score of ``validate``. A resume makes the review anew, of whoever is champion or better then.
        """
        again = self._asked()
        left = "has no validate score" if again.job.purpose == "validate" else "is not the champion for now"
        self._say(
            f"evaluate.py failed when it judged {short_id(again.digest)} again ({again.job.purpose}), which {left}: "
            f"{last_line(failure.error)}"
        )
        self._steps = self.next = None

    # ------------------------------------------------------------------ a review

    def _review(self, place: int, contender: Contender) -> Steps:
        began, program, rival = time.time(), contender.program, self.reigning
        against = None if rival is None else rival.program.digest
        found = Champion(place, program.digest, against, "promoted", "a better score", score=program.score)
        if (like := self._beaten.get(_likeness(contender))) is not None:
            reason = f"judged just as {like}, which was not shown to be better"
            self._archive.decided(self._run, replace(found, verdict="refused", reason=reason), began)
            return
        if contender.evaluation.fresh == "fork":
            cold = yield self._job(place, program, "cold", self._seeds)
            found = replace(found, cold_status=cold.status, cold_score=cold.score)
            found = self._beside(found, contender.evaluation, cold)
        if found.verdict == "promoted" and rival is not None and self._repeats > 1:
            found = yield from self._race(found, program, rival.program)
        self._archive.decided(self._run, found, began)
        self._tell(found)
        self._beat(found, contender)
        if found.verdict == "promoted":
            self._crown(found, contender)
            self._waiting = [other for other in self._waiting if self._better(other.program)]
            yield from self._validate(place)

    def _beside(self, found: Champion, warm: Evaluation, cold: Evaluation) -> Champion:
        """Return the verdict that a cold evaluation leaves open, or brings about; say where it differs from the warm one."""
        if cold.score is None or warm.score is None:
            return replace(
                found, verdict="refused", reason=f"{cold.status} in a cold process: {cold.error}".rstrip(": ")
            )
        if abs(cold.score - warm.score) > SAME * max(abs(cold.score), abs(warm.score)):
            self._say(
                f"{short_id(found.digest)} scores {cold.score!r} in a cold process and {warm.score!r} in a fork of a warm one: "
                "its score depends on chance, and stages.repeats would tell it from merit, or on the state of its process"
            )
        return found

    def _race(self, found: Champion, program: Program, rival: Program) -> Generator[Again, Evaluation, Champion]:
        """Judge contender and champion on fresh seeds, in batches, and return the verdict."""
        scores: dict[str, list[float]] = {rival.digest: [], program.digest: []}
        for look in range(LOOKS):
            first = self._first_fresh(found.place, look)
            for who in (rival, program):
                seen = yield self._job(found.place, who, "fresh", tuple(range(first, first + self._repeats)))
                if seen.score is None:
                    lost, end = who is program, f"{who.id} ends as {seen.status} on fresh seeds"
                    return replace(found, verdict="refused" if lost else "promoted", reason=end)
                scores[who.digest] += [repeat.score for repeat in seen.repeats]
            by = lead(self._sign, scores[program.digest], scores[rival.digest], LEVEL)
            found = replace(found, lead=by.mean, low=by.low, high=by.high, seeds=by.n)
            if by.low > 0.0 and (by.n >= SPREAD or by.low < by.mean):
                return replace(found, reason=f"better by {by.mean:.4g} ({by.low:.4g} at least) on {by.n} fresh seeds")
            if by.mean <= 0.0:
                break
        return replace(found, verdict="refused", reason=f"not shown to be better on {found.seeds} fresh seeds")

    def _validate(self, place: int) -> Steps:
        """Run the task's ``validate`` on the champion, where it has one: by how much its score is better is over-fitting."""
        champion, title = self.reigning, self.title
        if not self._validates or champion is None or title is None:
            return
        program = champion.program
        seen = yield self._job(place, program, "validate", self._seeds[:1])
        gap = None if seen.score is None else self._sign * (_score(program) - seen.score)
        self._archive.validated(self._run, place, seen.score, gap)
        self.title = replace(title, validate_score=seen.score, gap=gap)
        if gap is None:
            self._say(f"validate of {program.id} ends as {seen.status}: {seen.error}")
        else:
            self._say(f"validate gives {program.id} {seen.score!r}, and evaluate {program.score!r}: a gap of {gap:.6g}")

    # ------------------------------------------------------------------ its parts

    def _first_fresh(self, place: int, look: int) -> int:
        """Return the first seed of a batch: not a common one, hardly ever one of another review, and none that a program could
        have been prepared for, since a run's own seed is drawn where nobody gives one.
        """
        name = f"{self._archive.run(self._run).seed}/{place}/{look}"
        drawn = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
        return FRESH.start + drawn % (len(FRESH) - self._repeats)

    def _job(
        self, place: int, program: Program, purpose: Literal["cold", "fresh", "validate"], on: tuple[int, ...]
    ) -> Again:
        seed, *repeats = on
        name = f"{self._run}/review/{place}/{purpose}/{program.id}/{seed}"
        return Again(place, program.digest, Job(name, program.sources, seed, purpose, tuple(repeats)))

    def _asked(self) -> Again:
        """Return the job that the review under way waits for."""
        if self.next is None:
            raise RuntimeError("no review is under way")
        return self.next

    def _step(self, seen: Evaluation | None) -> None:
        """Go on with the review to its next job, or to its end."""
        if self._steps is None:
            raise RuntimeError("no review is under way")
        try:
            self.next = next(self._steps) if seen is None else self._steps.send(seen)
        except StopIteration:
            self.next = self._steps = None

    def _crown(self, title: Champion, champion: Contender) -> None:
        self.title, self.reigning, self._beaten = title, champion, {}

    def _beat(self, found: Champion, contender: Contender) -> None:
        """Remember a contender that the champion has beaten on fresh seeds."""
        if found.verdict == "refused" and found.seeds and len(contender.evaluation.repeats) == len(self._seeds):
            self._beaten[_likeness(contender)] = contender.program.id

    def _tell(self, found: Champion) -> None:
        """Say how a review ended, where that is more than a better score."""
        if found.verdict == "refused":
            self._say(f"{short_id(found.digest)} scores {found.score!r} but is not the champion: {found.reason}")
        elif self._repeats > 1:
            self._say(f"{short_id(found.digest)} is the champion: {found.reason}")

    def _better(self, program: Program) -> bool:
        if program.score is None:
            return False
        if self.reigning is None:
            return True
        return self._sign * program.score > self._sign * _score(self.reigning.program)

    def _contender(self, program: Program) -> Contender:
        return Contender(program, self._archive.evaluation(self._run, program.number, program.digest))


def _score(program: Program) -> float:
    """Return the score of a champion or contender, which has one by definition."""
    if program.score is None:
        raise ValueError(f"program {program.id} has no score, so it cannot contend")
    return program.score


def _likeness(contender: Contender) -> Likeness:
    """Return what a contender has in common with all that do the same."""
    seen = contender.evaluation
    return tuple(one.score for one in seen.repeats), tuple(sorted(seen.metrics.items()))
