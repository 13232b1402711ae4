"""One evaluation from several: what a candidate's screen and its seeds gave, each with a jail of its own, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

from evolve import racing
from evolve.records import Evaluation, Job, Repeat, Task

SCREENED = frozenset({"seed", "child", "tune", "check"})
"""The purposes of jobs that are screened and that race; the others judge a champion again, in full."""


def held_back(task: Task, job: Job, screen: float | None) -> str:
    """Return why a screen's score is the end: it is worse than the bar, and nobody wants to know whether the screen is right.
    An empty string where it is not.
    """
    if screen is None or job.bar is None or job.audit or task.score.sign * screen >= task.score.sign * job.bar:
        return ""
    return f"held back by the screen: {screen!r} does not reach {job.bar!r}"


def over(task: Task, job: Job, seen: Sequence[Evaluation]) -> bool:
    """Whether a race against the job's rival ends after what these seeds gave."""
    if job.purpose not in SCREENED:
        return False
    return racing.hopeless(task.score.sign, _scores(seen), _rival(job), len(job.seeds))


def repeated(task: Task, job: Job, seen: Sequence[Evaluation]) -> Evaluation:
    """Return what the seeds of a job gave, in their order, as one evaluation; the last alone may have failed.

    The score is the mean. Where a race ended early it is what the candidate would have had on the rival's seeds, so that
    it can be compared with those that saw them all. Metrics are means over the seeds that were seen; artifacts are the first
    seed's, feedback the worst one's, from which there is most to learn.
    """
    if len(job.seeds) == 1:
        return seen[0]
    last, done = seen[-1], [one for one in seen if one.status == "ok"]
    scores = _scores(done)
    pairs = zip(job.seeds, scores, done, strict=False)
    repeats = tuple(Repeat(seed, score, one.seconds) for seed, score, one in pairs)
    if last.status != "ok":
        where = f"on seed {job.seeds[len(done)]}, number {len(seen)} of {len(job.seeds)}"
        return replace(last, error=f"{where}: {last.error}", repeats=repeats)
    names = [name for name in done[0].metrics if all(name in one.metrics for one in done)]
    return Evaluation(
        "ok",
        score=mean(scores) if len(scores) == len(job.seeds) else _standing(task, job, scores),
        metrics={name: mean(one.metrics[name] for one in done) for name in names},
        feedback=_worst(task, repeats, done),
        artifacts=done[0].artifacts,
        repeats=repeats,
    )


def together(task: Task, seen: Evaluation, parts: Sequence[Evaluation]) -> Evaluation:
    """Return ``seen`` with what all the candidates of its ``parts`` used and printed."""
    printed = "\n".join(part.output for part in parts if part.output)
    cpu = [part.cpu_seconds for part in parts if part.cpu_seconds is not None]
    memory = [part.memory for part in parts if part.memory is not None]
    return replace(
        seen,
        output=printed.encode()[-task.limits.output :].decode(errors="ignore"),
        cpu_seconds=sum(cpu) if cpu else None,
        memory=max(memory, default=None),
    )


def _scores(seen: Sequence[Evaluation]) -> list[float]:
    return [one.score for one in seen if one.score is not None]


def _rival(job: Job) -> Sequence[float]:
    return job.rival[: len(job.seeds)]


def _standing(task: Task, job: Job, scores: Sequence[float]) -> float:
    low, high = task.score.bounds
    score = racing.projected(scores, _rival(job))
    score = score if low is None else max(low, score)
    return score if high is None else min(high, score)


def _worst(task: Task, repeats: Sequence[Repeat], done: Sequence[Evaluation]) -> str:
    worst = min(range(len(done)), key=lambda index: task.score.sign * repeats[index].score)
    text = done[worst].feedback
    return f"On seed {repeats[worst].seed}, the worst of {len(done)}: {text}" if text else ""
