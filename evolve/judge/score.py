"""From a candidate to an evaluation: runs the script's functions on it and turns what they returned or raised into a record."""

from __future__ import annotations

import inspect
import math
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import module_from_spec, spec_from_file_location
from numbers import Real
from types import ModuleType
from typing import Any, Literal, cast

from evolve.errors import EvolveError
from evolve.jail import Confinement
from evolve.judge import stages
from evolve.judge.candidate import Candidate, CandidateFailed, Invalid, Open
from evolve.records import Artifact, Evaluation, Job, Metric, Result, Task

MODULE = "evolve_evaluate"
"""The name that a task's evaluate.py is imported under: ``evaluate`` is a well-known package."""

Evaluate = Callable[[Candidate, int], Any]
"""A task's judgement: candidate and seed in; what counts as a result, or an exception, out."""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that do something, but for line feed and tab."""

Step = Literal["screen", "evaluate", "validate"]
"""The script's functions, by name; also the stage of an evaluation that ends in one."""

Run = Callable[[Step, int], Evaluation]
"""Runs one of them, with a seed, on a candidate made for it."""


@dataclass(frozen=True, slots=True)
class Script:
    """The functions of a task's ``evaluate.py``; only ``evaluate`` must be there."""

    evaluate: Evaluate
    screen: Callable[[Candidate], Any] | None = None
    validate: Callable[[Candidate], Any] | None = None


def load(task: Task) -> Script:
    """Import a task's ``evaluate.py``, whose folder joins the end of the module path, and return its functions.

    Whatever the script raises passes through.

    Raises:
        AttributeError: if the script has no function ``evaluate``.
        TypeError: if its ``screen`` or ``validate`` is no function.
    """
    folder = os.fspath(task.evaluator.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    spec = spec_from_file_location(MODULE, task.evaluator)
    if spec is None or spec.loader is None:
        raise ImportError(f"{task.evaluator} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    function = getattr(module, "evaluate", None)
    if not callable(function):
        raise AttributeError(f"{task.evaluator} has no function evaluate(candidate)")
    return Script(seeded(function), _stage(module, "screen"), _stage(module, "validate"))


def _stage(module: ModuleType, name: str) -> Callable[[Candidate], Any] | None:
    """Return a function that a script may have."""
    function = getattr(module, name, None)
    if function is None or callable(function):
        return function
    raise TypeError(
        f"{name} of {module.__file__} is of type {type(function).__name__}: make it a function of candidate, or rename it"
    )


def seeded(function: Callable[..., Any]) -> Evaluate:
    """Return ``function`` as one of candidate and seed, passing the seed on only where it is declared."""
    parameters = inspect.signature(function).parameters
    if "seed" in parameters:
        return lambda candidate, seed: function(candidate, seed=seed)
    return lambda candidate, seed: function(candidate)


def judge(task: Task, script: Script, job: Job, open: Open) -> Evaluation:
    """Judge one candidate: ``screen``, then ``evaluate`` on each seed until a race is lost, or ``validate`` alone.

    Each of these has a channel of its own, closed at its end: nothing is carried from one to the next. The log and the isolation
    are not filled in: the caller knows them.

    Raises:
        RuntimeError: if the job asks for a ``validate`` that the script does not have.
    """
    begin = time.monotonic()
    parts: list[Evaluation] = []

    def run(step: Step, seed: int) -> Evaluation:
        parts.append(_run(task, script, step, Candidate(task, job.sources, seed, open), seed))
        return parts[-1]

    if job.purpose == "validate" and script.validate is None:
        raise RuntimeError(f"{task.evaluator} has no function validate(candidate)")
    screening = script.screen is not None and job.purpose in stages.SCREENED
    seen = run("validate", job.seed) if job.purpose == "validate" else _staged(task, job, screening, run)
    return replace(stages.together(task, seen, parts), seconds=time.monotonic() - begin)


def _staged(task: Task, job: Job, screening: bool, run: Run) -> Evaluation:
    """Screen, and evaluate on the seeds what passes."""
    screen: float | None = None
    if screening:
        first = run("screen", job.seed)
        if first.status != "ok":
            return first
        if reason := stages.held_back(task, job, first.screen):
            return replace(first, error=reason)
        screen = first.screen
    seen: list[Evaluation] = []
    for seed in job.seeds:
        seen.append(run("evaluate", seed))
        if seen[-1].status != "ok" or stages.over(task, job, seen):
            break
    return replace(stages.repeated(task, job, seen), screen=screen)


def _run(task: Task, script: Script, step: Step, candidate: Candidate, seed: int) -> Evaluation:
    """Run one function of the script on a candidate of its own, which is closed at the end."""
    begin = time.monotonic()
    try:
        seen = _verdict(task, script, step, candidate, seed)
    finally:
        usage = candidate.close()
    seen = replace(seen, error=_storable(seen.error), feedback=_storable(seen.feedback), output=_storable(usage.output))
    seconds = time.monotonic() - begin
    return replace(seen, stage=step, seconds=seconds, cpu_seconds=usage.cpu_seconds, memory=usage.memory)


def _storable(text: str) -> str:
    """Return ``text`` without halves of surrogate pairs, which neither a database nor a prompt takes, and with what a terminal
    obeys told instead: it could clear the screen and write another score there.
    """
    return CONTROL.sub(
        lambda found: f"\\x{ord(found[0]):02x}", text.replace("\r\n", "\n").encode(errors="replace").decode()
    )


def stamped(seen: Evaluation, confinement: Confinement, log: str) -> Evaluation:
    """Add what the judge printed, and how the candidate was confined."""
    return replace(
        seen, log=log, isolation=confinement.level, isolation_reason=confinement.reason, integrity=confinement.integrity
    )


def _verdict(task: Task, script: Script, step: Step, candidate: Candidate, seed: int) -> Evaluation:
    try:
        if step == "screen" and script.screen is not None:
            return screened(task, script.screen(candidate))
        if step == "validate" and script.validate is not None:
            return scored(task, script.validate(candidate), step)
        return scored(task, script.evaluate(candidate, seed))
    except Invalid as verdict:
        return Evaluation("invalid", error=str(verdict))
    except CandidateFailed as failure:
        return Evaluation(failure.status, error=failure.message)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - evaluate.py is its author's: whatever else it raises is a judge_error
        return Evaluation("judge_error", error=described(error))


def described(error: BaseException) -> str:
    """Return an exception of evaluate.py with its traceback, without the frames that led there; what a user can mend, as text."""
    if isinstance(error, EvolveError):
        return str(error)
    here = os.path.dirname(__file__)
    trace = traceback.TracebackException.from_exception(error)
    trace.stack = traceback.StackSummary.from_list(
        [frame for frame in trace.stack if not frame.filename.startswith((here, "<frozen importlib"))]
    )
    return "".join(trace.format()).strip()


def screened(task: Task, returned: Any) -> Evaluation:
    """Turn what ``screen`` returned into an evaluation without a score: None passes, all else is a result in a unit of its own.

    Raises:
        TypeError, ValueError: as `scored`.
    """
    if returned is None:
        return Evaluation("ok")
    unbounded = replace(task, score=replace(task.score, bounds=(None, None)))
    seen = scored(unbounded, returned, "screen")
    return Evaluation("ok", screen=seen.score, feedback=seen.feedback)


def scored(task: Task, returned: Any, step: Step = "evaluate") -> Evaluation:
    """Turn what ``evaluate``, or another ``step``, returned into an evaluation.

    A number is the score; a dict holds ``score`` and may hold ``feedback``, ``artifacts``, ``metrics``, and further metrics
    beside them.

    Raises:
        TypeError: for anything else, and for what should be a number and is none.
        ValueError: for a number that is not finite or out of its metric's bounds.
    """
    result = returned if isinstance(returned, Result) else _result(returned, step)
    if isinstance(result.score, bool):
        raise TypeError(f"{step} returned a score of type bool: return a number")
    metrics = {
        name: _number(task.metrics.get(name, Metric(name)), value, step) for name, value in result.metrics.items()
    }
    if not isinstance(result.feedback, str):
        raise TypeError(f"{step} returned feedback of type {type(result.feedback).__name__}: return a str")
    artifacts = tuple(_artifact(name, data, step) for name, data in result.artifacts.items())
    score = _number(replace(task.score, name="score"), result.score, step)
    return Evaluation("ok", score=score, metrics=metrics, feedback=result.feedback, artifacts=artifacts)


def _result(returned: Any, step: Step) -> Result:
    if isinstance(returned, Real):
        return Result(cast(float, returned))
    if not isinstance(returned, Mapping):
        raise TypeError(f"{step} returned {type(returned).__name__}: return a number, a dict with 'score', or a Result")
    if "score" not in returned:
        raise TypeError(f"{step} returned a dict without 'score': its keys are {sorted(map(str, returned))}")
    rest = dict(returned)
    score, feedback, artifacts = rest.pop("score"), rest.pop("feedback", ""), rest.pop("artifacts", {})
    metrics = rest.pop("metrics", {}) | rest
    return Result(score, metrics=metrics, feedback=feedback, artifacts=artifacts)


def _number(metric: Metric, value: Any, step: Step) -> float:
    if not isinstance(value, Real):
        raise TypeError(f"{step} returned {metric.name!r} of type {type(value).__name__}: return a real number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(
            f"{step} returned {metric.name!r} = {number}, which cannot be compared: raise Invalid(...) instead"
        )
    low, high = metric.bounds
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{step} returned {metric.name!r} = {number}, outside the bounds [{low}, {high}] of task.toml")
    return number


def _artifact(name: str, data: str | bytes, step: Step) -> Artifact:
    from mimetypes import MimeTypes

    if not isinstance(data, str | bytes):
        raise TypeError(f"{step} returned the artifact {name!r} of type {type(data).__name__}: return str or bytes")
    known, _ = MimeTypes().guess_type(name)  # the built-in table alone, so that machines agree
    if isinstance(data, str):
        return Artifact(name, known or "text/plain", data.encode())
    return Artifact(name, known or "application/octet-stream", data)
