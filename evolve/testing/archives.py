"""Archives of any size for tests and measurements: what a search leaves behind, made up from a seed and never judged."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from evolve.archive import Archive, Champion
from evolve.islands import Islands
from evolve.records import (
    Artifact,
    Attempt,
    Call,
    Draft,
    Evaluation,
    Limits,
    Message,
    Metric,
    Point,
    Program,
    Prompt,
    Proposal,
    Reply,
    Status,
    Task,
)

ARMS = {
    "gpt-5-mini": 0.3,
    "ollama/qwen2.5-coder": 0.2,
    "builtin/tune": 0.25,
    "builtin/mutate": 0.15,
    "builtin/recombine": 0.1,
}
"""The arms of these runs, with how often each is chosen."""

OPERATORS = ("diff", "full", "cross", "fix")
FAILURES: tuple[tuple[Status, str], ...] = (
    ("crash", "Traceback (most recent call last):\n  File \"program.py\", line 9, in step\nZeroDivisionError: division by zero"),
    ("timeout", "the candidate took more than 60 s"),
    ("invalid", "weights must sum to one"),
    ("memory", "the candidate needed more than 2 GiB"),
)  # fmt: skip
CODE = '''\
"""A schedule for the rate of learning, attempt {number}."""

import math

WARMUP = {warmup:.6f}
DECAY = {decay:.6f}


def rate(step, total):
    """Return the rate at a step: it rises, then falls as a cosine."""
    if step < WARMUP * total:
        return step / (WARMUP * total)
    done = (step - WARMUP * total) / ((1 - WARMUP) * total)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done))) ** DECAY


def momentum_{number}(step, total):
    return 0.9 + {momentum:.6f} * rate(step, total)
'''
AT_ONCE = 2000
"""Attempts in one commit."""


@dataclass(slots=True)
class _Made:
    """A run in the making: its archive and chance, its islands, and its best program so far with the verdicts on it."""

    archive: Archive
    run: str
    rng: Random
    islands: Islands
    best: Program
    seed: int
    replies: bool
    verdicts: int = 1
    told: int = 0


def archive_of(
    path: str | Path, *, programs: int, seed: int = 0, name: str = "made", islands: int = 4, replies: bool = True
) -> str:
    """Add a run to the archive at ``path`` and return its name.

    It has arms with and without models, islands with migration, ever smaller gains, failures, attempts that ended early,
    feedback, artifacts, objectives beside the score (``size`` and ``speed``), champions and a hint. The same arguments make the
    same programs. A hundred thousand take about two minutes.

    Args:
        path: the file; made where there is none.
        programs: judged programs, failed ones too, beside the seed program.
        seed: of all that is random about it.
        name: of the run.
        islands: how many.
        replies: keep prompts and replies of the arms that are models.
    """
    rng = Random(seed)
    task = _task()
    first = Program(_digest(name, seed, 0), task.initial, "ok", 1.0, {"size": 60.0, "speed": 1.0})
    config = {
        "search": {"islands": islands},
        "budget": {"evaluations": programs, "usd": 50.0},
        "models": {arm: {} for arm in ARMS if not arm.startswith("builtin/")},
        "slots": 4,
    }
    with Archive(path) as archive:
        run = archive.create_run(name, task, seed, config, {arm: {} for arm in ARMS}).name
        search = Islands(task.score, count=islands, capacity=12, migrate_every=100, migrate_share=0.1, seed=seed)
        search.seeded(first)
        archive.seeded(run, first, Evaluation("ok", 1.0, first.metrics, "the schedule as it was"), 0)
        archive.decided(run, Champion(0, first.digest, None, "promoted", "the run starts from it"), 0.0)
        archive.command(run, "hint", "the last layers like a slower start", "python")
        made = _Made(archive, run, rng, search, first, seed, replies)
        stored = 0
        while stored < programs:
            with archive.transaction():
                for _ in range(AT_ONCE):
                    stored += _attempt(made)
                    if stored == programs:
                        break
        archive.finish(run, "done", f"{programs} evaluations", programs * 0.5)
    return run


def _attempt(made: _Made) -> bool:
    """Store one attempt and return whether a program came of it."""
    rng, number = made.rng, made.told + 1
    island = number % len(made.islands.islands)
    elites = made.islands.turn(island).elites
    parent = elites[min(int(rng.expovariate(0.5)), len(elites) - 1)]
    arm = rng.choices(list(ARMS), list(ARMS.values()))[0]
    model = not arm.startswith("builtin/")
    operator = rng.choice(OPERATORS) if model else arm.split("/")[-1]
    others = tuple(other for other in (elites[0],) if other.digest != parent.digest)
    proposal = Proposal(number, parent, others, island, arm, operator, number, made.told, best=made.best.score)
    draft = Draft(
        _sources(rng, number),
        f"{rng.choice(('longer', 'shorter', 'steeper', 'smoother'))} warm-up, decay by {operator}",
    )
    attempt = Attempt(proposal, draft, _digest(made.run, made.seed, number), drafted=made.told)
    early = rng.random()
    if early < 0.02:
        attempt.stage, attempt.reason, attempt.draft, attempt.digest = (
            "draft",
            "the reply has no edit in it",
            None,
            None,
        )
    elif early < 0.05:
        attempt.stage, attempt.reason = "novelty", f"the same program as attempt {rng.randint(0, made.told)}"
    else:
        _judged(made, attempt, _seen(rng, parent, number))
    made.told = number
    made.archive.asked(made.run, proposal)
    if model and made.replies:
        _asked(made, attempt)
    for point in range(len(attempt.points)):
        made.archive.judged(made.run, attempt, point, "tune" if point else "child", 0)
    made.archive.told(made.run, attempt, number)
    made.islands.told(attempt.program, parent.digest, arm, island, bool(attempt.gain))
    if attempt.program is not None:
        _contends(made, attempt.program)
    return attempt.program is not None


def _seen(rng: Random, parent: Program, number: int) -> Evaluation:
    """Return what a judge might have seen: most children are worse than their parent, and gains grow rare."""
    if rng.random() < 0.07:
        status, error = rng.choice(FAILURES)
        return Evaluation(
            status, error=error, feedback="no score", seconds=rng.expovariate(2.0), isolation="namespaces"
        )
    score = (parent.score or 0.0) + rng.gauss(-0.05, 0.2 / math.sqrt(1 + number / 50))
    metrics = {
        "size": max(1.0, float(round(parent.metrics["size"] + rng.gauss(0.3, 4)))),
        "speed": parent.metrics["speed"] * math.exp(rng.gauss(-0.02, 0.1)),
        "loss": math.exp(-score),
    }
    kept = (Artifact("curve.txt", "text/plain", b"0.1 0.2 0.4 0.3\n" * 8),) if number % 50 == 0 else ()
    return Evaluation(
        "ok", score, metrics, f"the loss fell to {metrics['loss']:.4f}; the first {rng.randint(1, 90)} steps were the worst",
        kept, seconds=rng.expovariate(2.0), cpu_seconds=0.4, memory=96 << 20, isolation="namespaces", integrity="isolated",
    )  # fmt: skip


def _judged(made: _Made, attempt: Attempt, seen: Evaluation) -> None:
    """Give an attempt what the judge saw and the program that came of it; tuning judges a second point now and then."""
    assert attempt.draft is not None
    assert attempt.digest is not None
    asked, parent = attempt.proposal, attempt.proposal.parent
    attempt.points.append(Point(attempt.draft, attempt.digest, seen))
    if asked.arm == "builtin/tune" and asked.number % 4 == 0:
        tuned = replace(attempt.draft, sources=_sources(made.rng, asked.number))
        attempt.points.append(Point(tuned, _digest(attempt.digest, 1), Evaluation("crash", error="not finite")))
    attempt.gain = 0.0 if seen.score is None else max(0.0, min(1.0, seen.score - (parent.score or 0.0)))
    attempt.program = Program(
        attempt.digest, attempt.draft.sources, seen.status, seen.score, seen.metrics, asked.number, parent.digest,
        asked.arm, asked.operator, asked.island, parent.generation + 1,
    )  # fmt: skip


def _asked(made: _Made, attempt: Attempt) -> None:
    """Store what a model was asked and answered; one call in fifty fails first."""
    asked, rng = attempt.proposal, made.rng
    words = f"Here is the program.\n\n{asked.parent.code}\nMake the loss smaller. Attempt {asked.number}."
    prompt = Prompt((Message("system", "You improve programs."), Message("user", words)), template="e" * 64)
    price = 0.002 if asked.arm.startswith("gpt") else 0.0
    call = Call(asked.number, 0, 0, asked.arm, prompt, {"temperature": 0.8}, price * 4, 4000)
    if rng.random() < 0.02:
        made.archive.failed(made.run, call, "503 busy", status=503, uncertain=False, seconds=1.0)
        call = replace(call, tries=1)
    reply = Reply(
        "Change DECAY." if attempt.draft is None else attempt.draft.note, "stop", 900, 300, dollars=price, seconds=4.0
    )
    made.archive.replied(made.run, call, reply, 1200)


def _contends(made: _Made, program: Program) -> None:
    """Let a program contend with the best so far; every seventh contender is refused."""
    if program.score is None or program.score <= (made.best.score or 0.0):
        return
    promoted = made.verdicts % 7 != 6
    verdict = Champion(
        made.verdicts, program.digest, made.best.digest, "promoted" if promoted else "refused",
        "scored better" if promoted else "failed when it was judged again", cold_status="ok", cold_score=program.score,
    )  # fmt: skip
    made.archive.decided(made.run, verdict, 0.0)
    made.verdicts += 1
    if promoted:
        made.best = program


def _sources(rng: Random, number: int) -> dict[str, str]:
    """Return the files of a program."""
    code = CODE.format(number=number, warmup=rng.random(), decay=rng.random() * 3, momentum=rng.random() / 10)
    return {"program.py": code}


def _digest(*parts: object) -> str:
    """Return a digest that looks like a real one."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def _task() -> Task:
    """Return the task that these runs are said to be of."""
    return Task(
        name="losses/schedule", brief="Make the loss smaller.", root=Path(), entry="program.py", language="python",
        initial={"program.py": CODE.format(number=0, warmup=0.1, decay=1.0, momentum=0.05)}, evaluator=Path("evaluate.py"),
        harness=None, score=Metric("score", "maximize"), metrics={
            "size": Metric("size", "minimize"), "speed": Metric("speed", "maximize"), "loss": Metric("loss"),
        },
        limits=Limits(), packages=(), data=(), baselines=(), search={}, allow_nonfinite=False, digest="5" * 64,
    )  # fmt: skip
