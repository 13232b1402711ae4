"""What a foreign task has in place of an ``evaluate.py``: asks the harness in the jail for the evaluator's own verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from evolve.judge.candidate import Candidate, CandidateFailed, Invalid
from evolve.records import Result

STAGES = 3
SHOWN = 8 << 10
"""How many characters of texts go to the feedback."""
MANY, KEPT = 256, 8 << 20
"""How many metrics and artifacts are kept, and how many characters or bytes of artifacts."""


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Return the score that the evaluator gave, stage after stage, each with the time of a call.

    Whatever comes back was made where the program ran, and so is believed as little as any reply: of its shape, no more than
    the types below.
    """
    for number in range(1, STAGES + 1):
        reply: Any = candidate.call("stage", number, seed)
        match reply:
            case {"failed": str(why)}:
                raise CandidateFailed("crash", why[: 2 * SHOWN])
            case {"next": True}:
                continue
            case {"score": score, "metrics": dict(metrics), "texts": dict(texts), "files": dict(files)}:
                return _result(score, metrics, texts, files, reply)
        break
    raise CandidateFailed("protocol", "the evaluator's verdict has another shape")


def _result(
    score: Any, metrics: Mapping[str, Any], texts: Mapping[str, Any], files: Mapping[str, Any], reply: Mapping[str, Any]
) -> Result:
    words = {name: value for name, value in texts.items() if isinstance(value, str)}
    feedback = _feedback(words)
    if reply.get("correct", True) is not True:
        raise Invalid("\n".join(filter(None, (str(reply.get("error", "not correct"))[:SHOWN], feedback))))
    if not isinstance(score, float) or not math.isfinite(score):
        raise Invalid("; ".join(filter(None, (f"the evaluator gave the score {str(score)[:80]}", feedback))))
    numbers = {name: value for name, value in metrics.items() if isinstance(value, float) and math.isfinite(value)}
    numbers.pop("combined_score", None)
    return Result(score, dict(islice(numbers.items(), MANY)), feedback, dict(_kept(words | dict(files))))


def _kept(artifacts: Mapping[str, Any]) -> Iterator[tuple[str, str | bytes]]:
    """Yield as many artifacts as are worth keeping of every evaluation."""
    room = KEPT
    for name, value in islice(artifacts.items(), MANY):
        if isinstance(value, str | bytes) and len(value) <= room:
            room -= len(value)
            yield name, value


def _feedback(texts: Mapping[str, str]) -> str:
    """Return the evaluator's texts under their names, as many as fit."""
    parts, room = [], SHOWN
    for name, value in texts.items():
        part = value.strip() if name == "text_feedback" else f"{name}: {value.strip()}"
        if value.strip() and len(part) <= room:
            parts.append(part)
            room -= len(part)
    return "\n".join(parts)
