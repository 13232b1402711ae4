"""The inner search of `builtin/mutate`: the constants that an edit brought in are tried a few times before the edit is
judged by its score.

An edit is worth what it can become, not what its first constants make of it (Kommenda et al. 2013, "Effects of
constant optimization by nonlinear least squares minimization in symbolic regression"). Here a (1+1) evolution
strategy with mirrored steps (Brockhoff et al. 2010) does it: a step that fails is tried in the other direction, and
the step size follows success.
"""

from __future__ import annotations

from random import Random

from evolve.operators.syntax import shown
from evolve.operators.tune import Constants, constants, scale
from evolve.records import Draft, Evaluation, Sources, Task
from evolve.seams import Points

PAIRS = 2
"""How many mirrored pairs in a row may fail before the search ends."""
MOST = 16
"""The most points of one search."""


def fresh(found: Constants, before: Sources) -> list[int]:
    """Return the positions of the real constants in the part of each file that differs from what it was."""
    positions: list[int] = []
    for path, text in found.sources.items():
        old, new = before.get(path, "").encode(), text.encode()
        if old == new:
            continue
        head = _common(old, new)
        tail = min(_common(old[::-1], new[::-1]), len(old) - head, len(new) - head)
        positions += [
            i
            for i in found.floats()
            if found.numbers[i].path == path
            and found.numbers[i].stop >= head
            and found.numbers[i].start <= len(new) - tail
        ]
    return positions


def _common(a: bytes, b: bytes) -> int:
    size = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        size += 1
    return size


def refine(
    child: Draft, evaluation: Evaluation, before: Sources, task: Task, rng: Random, pairs: int = PAIRS, most: int = MOST
) -> Points:
    """Yield points around the child that differ from it in its fresh constants."""
    found = constants(child.sources, task.language)
    positions = fresh(found, before) or found.floats()
    if evaluation.score is None or not positions:
        return
    values = {i: float(found.numbers[i].value) for i in positions}
    best = task.score.sign * evaluation.score
    size, failed, count = 0.5, 0, 0
    while failed < pairs and count < most:
        chosen = positions if len(positions) <= 2 else rng.sample(positions, rng.randint(1, min(len(positions), 6)))
        step = {i: rng.gauss(0, 1) * size * scale(values[i]) for i in chosen}
        failed += 1
        for sign in (1, -1):
            point = values | {i: values[i] + sign * step[i] for i in chosen}
            sources = found.with_values({i: float(shown(v)) for i, v in point.items()})
            if sources is None:
                continue
            count += 1
            seen = yield Draft(sources, child.note, child.traits)
            if seen.score is not None and task.score.sign * seen.score > best:
                values, best, failed, size = point, task.score.sign * seen.score, 0, min(size * 1.6, 2.0)
                break
        else:
            size *= 0.6
