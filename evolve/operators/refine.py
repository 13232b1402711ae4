"""The inner search of `builtin/mutate`: constants are tried around an edit before the edit is judged by its score.

An edit is worth what it can become, not what its first constants make of it (Kommenda et al. 2013, "Effects of
constant optimization by nonlinear least squares minimization in symbolic regression"). Here a (1+1) evolution strategy
does it, which steps one to three constants at a time and whose step size follows success. Sparse steps go on where
CMA-ES, which moves all constants at once, has come to rest: on scores with many kinks one constant at a time may still
gain what all together cannot.
"""

from __future__ import annotations

from random import Random

from evolve.operators.tune import Constants, constants, scale
from evolve.records import Draft, Evaluation, Sources, Task
from evolve.seams import Points

START, NARROWEST, WIDEST = 0.05, 0.002, 0.3
"""The step size at first, at least and at most, relative to a constant's own scale."""
PATIENCE, LONGEST = 8, 48
"""How many points in a row may fail before the search ends: at first, and at most; each success allows as many more."""
PERIOD, WORTH = 30, 0.1
"""The search ends when so many points gained less than this share of what it gained in all."""
MOST = 60
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


def refine(child: Draft, evaluation: Evaluation, before: Sources, task: Task, rng: Random) -> Points:
    """Yield points around the child: one to three of its real constants stepped; until one gains, and every second time
    after, constants that the edit brought in.
    """
    found = constants(child.sources, task.language)
    everywhere, new = found.floats(), fresh(found, before)
    if evaluation.score is None or not everywhere:
        return
    values = {i: float(found.numbers[i].value) for i in everywhere}
    moved: dict[int, float] = {}  # the others stay as they are written, with all of their digits
    best = task.score.sign * evaluation.score
    size, failed, count, patience = START, 0, 0, PATIENCE
    start = checked = best
    while failed < patience and count < MOST:
        if count and count % PERIOD == 0:
            if best - checked < WORTH * (best - start):
                return
            checked = best
        pool = new if new and (patience == PATIENCE or rng.random() < 0.5) else everywhere
        chosen = rng.sample(pool, min(rng.choice((1, 1, 2, 3)), len(pool)))
        point = moved | {
            i: values[i] + rng.gauss(0, 1) * size * scale(values[i], found.numbers[i].rate) for i in chosen
        }
        sources = found.with_values(point)
        if sources is None:
            failed += 1
            continue
        count += 1
        seen = yield Draft(sources, child.note, {**child.traits, "step": size})
        if seen.score is not None and task.score.sign * seen.score > best:
            values, moved = values | point, point
            best, failed, size = task.score.sign * seen.score, 0, min(size * 1.5, WIDEST)
            patience = min(patience + PATIENCE, LONGEST)
        else:
            failed, size = failed + 1, max(size * 0.96, NARROWEST)
