"""`builtin/tune`: finds the numeric constants of the evolvable text and steps several at once.

The step size is part of the program's traits: a child inherits its parent's, multiplied by a log-normal factor
(self-adaptation, Beyer and Schwefel 2002, "Evolution strategies: a comprehensive introduction", section 4), and it
shrinks while attempts on one parent fail. Where a child beats its parent, an inner CMA-ES (Hansen 2016, "The CMA
evolution strategy: a tutorial") searches on over its constants.
"""

from __future__ import annotations

import math
import re
import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from evolve import blocks, languages, normal
from evolve.operators.syntax import LARGEST_NUMBER, Edit, Number, checked, modules, numbers
from evolve.records import Draft, Evaluation, Proposal, Sources, Task
from evolve.seams import Points, Stop

STEP = 0.2
"""The first step size, relative to a constant's own scale."""
SMALLEST, LARGEST = 0.002, 0.6
_RETRIES = 30

_PREPROCESSED = r"(?m:^[ \t]*\#[^\n]*)"
LONGEST_NUMBER = 300
"""Digits of a number that is one: a longer one is data, and no float."""
_WORDS = r"""|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[A-Za-z_][\w.]*|0[xXbBoO]\w+"""
_BEFORE = r"(?:(?<![\w.)\]])|(?<=\.\.))"
"""Before a number: in ``pair().0`` there is a field, in ``1..10`` the end of a range."""
_NUMBER = r"\d+\.\d+(?:[eE][+-]?\d+)?|\d+\.(?![.\w])|(?<!\.)\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+"
_AFTER = r"(?=(?:[fFdDlLuU]{1,3}|_?[fiu](?:8|16|32|64|128|size))?(?!\w|\.\w))"
"""After it: the letters of a type, and no more digits, as there are in ``1_000``."""
_DATA = (".json", ".yaml", ".yml", ".toml", ".ini", ".csv", ".txt")
"""Files in which parentheses mean nothing."""


@dataclass(frozen=True, slots=True)
class Constants:
    """The tunable numbers of a program, and how to write others in their places."""

    sources: Sources
    numbers: tuple[Number, ...]

    def with_values(self, values: Mapping[int, int | float]) -> Sources | None:
        """Return the sources with the numbers at the given positions replaced, or None where that is no program."""
        if not all(abs(value) < LARGEST_NUMBER for value in values.values()):
            return None
        by_path: dict[str, list[Edit]] = {}
        for position, value in values.items():
            number = self.numbers[position]
            by_path.setdefault(number.path, []).append(number.at(value))
        child: Sources | None = self.sources
        for path, edits in by_path.items():
            child = checked(child, path, _rewritten(child[path], edits)) if child is not None else None
        return child

    def alike(self, position: int, rng: Random) -> list[int]:
        """Return the positions of numbers to change together: this one alone, or those equal to it, as near as chance
        has it.
        """
        number = self.numbers[position]
        depth = rng.randrange(-1, len(number.group) + 1)
        if depth < 0:
            return [position]
        near = (number.path, number.whole, number.index, number.value, number.group[:depth])
        return [i for i, n in enumerate(self.numbers) if (n.path, n.whole, n.index, n.value, n.group[:depth]) == near]

    def floats(self) -> list[int]:
        """Return the positions of the numbers that take any value."""
        return [i for i, number in enumerate(self.numbers) if not number.whole]

    def integers(self) -> list[int]:
        """Return the positions of the whole numbers."""
        return [i for i, number in enumerate(self.numbers) if number.whole]


def constants(sources: Sources, language: str) -> Constants:
    """Find the numbers of a program's evolvable text: from the syntax tree of Python, by their looks in other
    languages.
    """
    parsed = {module.path: module for module in modules(sources)} if language == "python" else {}
    found: list[Number] = []
    for path, segments in sorted(blocks.segments(sources).items()):
        if path in parsed:
            found += numbers(parsed[path])
        elif not path.endswith(".py"):
            found += _literals(path, segments)
    return Constants(sources, tuple(found))


def _literals(path: str, segments: Iterable[blocks.Segment]) -> list[Number]:
    skipped = f"{_PREPROCESSED}|{languages.comments(languages.language(path))}"
    data = path.endswith(_DATA)
    sign = "-?" if data else ""  # in code it stands before a number, or before one in parentheses
    literal = re.compile(f"(?:{skipped}{_WORDS})|{_BEFORE}(?P<number>{sign}(?:{_NUMBER})){_AFTER}", re.DOTALL)
    found: list[Number] = []
    at = 0
    for segment in segments:
        for match in literal.finditer(segment.text) if segment.evolvable else ():
            word = match["number"]
            if word is not None and len(word) <= LONGEST_NUMBER:
                start = at + len(segment.text[: match.start()].encode())
                value = int(word) if word.removeprefix("-").isdecimal() else float(word)
                found.append(Number(path, start, start + len(word), value, tight=not data))
        at += len(segment.text.encode())
    return found


def _rewritten(text: str, edits: Sequence[Edit]) -> str:
    data = text.encode()
    for edit in sorted(edits, key=lambda e: -e.start):
        data = data[: edit.start] + edit.text.encode() + data[edit.stop :]
    return data.decode()


def scale(value: float, rate: bool = False) -> float:
    """Return the size of a step of 1 for a constant: its own size, but at least 0.1, unless it was written small on
    purpose or is a rate.
    """
    size = abs(value)
    if rate:
        return size or 1e-3
    return size if 0 < size < 0.005 else max(size, 0.1)


class Tune:
    """The arm: a draft steps a few constants, and a child that is better than its parent is searched around with
    CMA-ES.
    """

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        """Return the parent with some of its constants stepped.

        Raises:
            Stop: if the parent has no numeric constants where it may change.
        """
        found = constants(proposal.parent.sources, task.language)
        if not found.numbers:
            raise Stop("draft", "no numeric constants to tune")
        rng = Random(proposal.seed)
        step = step_size(proposal, rng)
        before = normal.digest(proposal.parent.sources, task.language)
        for _ in range(_RETRIES):
            values = stepped(found, step, rng)
            sources = found.with_values(values)
            if sources is not None and normal.digest(sources, task.language) != before:
                return Draft(sources, _note(found, values), {**proposal.parent.traits, "step": step})
        raise Stop("draft", "no step of the constants gave another program")

    def points(self, proposal: Proposal, task: Task, child: Draft, evaluation: Evaluation) -> Points:
        """Search on over the child's real constants where it beats its parent."""
        if not promising(proposal, task, evaluation):
            return
        rng = Random(proposal.seed + 1)
        yield from search(child, evaluation, task, rng)


def promising(proposal: Proposal, task: Task, evaluation: Evaluation) -> bool:
    """Return whether the child scored better than its parent."""
    if evaluation.score is None:
        return False
    return proposal.parent.score is None or task.score.sign * (evaluation.score - proposal.parent.score) > 0


def step_size(proposal: Proposal, rng: Random) -> float:
    """Return the step size for one child: the lineage's, smaller with each attempt on this parent that did not gain,
    times a chance factor.
    """
    inherited = float(proposal.parent.traits.get("step", STEP))
    failed = proposal.tried - proposal.gained
    return min(max(inherited * 0.97**failed * math.exp(0.4 * rng.gauss(0, 1)), SMALLEST), LARGEST)


def stepped(found: Constants, step: float, rng: Random) -> dict[int, int | float]:
    """Return new values for some of the constants: several real ones, or one integer or two in exchange."""
    floats, integers = found.floats(), found.integers()
    values: dict[int, int | float] = {}
    if floats and (not integers or rng.random() < 0.7):
        rate = rng.choice((0.0, 0.15, 0.3, 1.0))
        chosen = [i for i in floats if rng.random() < rate] or [rng.choice(floats)]
        for position in chosen:
            if position in values:
                continue
            old, rate = float(found.numbers[position].value), found.numbers[position].rate
            new = old * math.exp(2 * step * rng.gauss(0, 1)) if rate else old + rng.gauss(0, 1) * step * scale(old)
            values.update(dict.fromkeys(found.alike(position, rng), new))
        return values
    position = rng.choice(integers)
    change = integer_step(found.numbers[position].value, rng)
    for i in found.alike(position, rng):
        values[i] = int(found.numbers[i].value) + change
    others = [i for i in integers if found.numbers[i].value != found.numbers[position].value]
    if others and rng.random() < 0.4:
        for i in found.alike(rng.choice(others), rng):
            values[i] = int(found.numbers[i].value) - change
    return values


def integer_step(value: float, rng: Random) -> int:
    """Return by how much to change an integer: by one or two, or by a part of it where it is large."""
    size = (
        rng.choice((1, 1, 1, 2, 3))
        if abs(value) < 12 or rng.random() < 0.5
        else max(1, round(abs(value) * rng.uniform(0, 0.4)))
    )
    return rng.choice((-1, 1)) * size


def search(child: Draft, evaluation: Evaluation, task: Task, rng: Random) -> Points:
    """Yield points of a CMA-ES over the child's real constants; equal ones are one coordinate or several, as chance has
    it.

    Ends when a whole generation failed, or when some generations in a row brought nothing better: neither a best
    point nor, where a lucky early one stands, a better median.
    """
    found = constants(child.sources, task.language)
    groups = _groups(found, rng, rng.random() < 0.5)
    if len(groups) < 2 or evaluation.score is None:
        return
    origin = np.array([float(found.numbers[group[0]].value) for group in groups])
    rates = [found.numbers[group[0]].rate for group in groups]
    scales = np.array([scale(value, rate) for value, rate in zip(origin, rates, strict=True)])
    sigma = float(child.traits.get("step", STEP))
    strategy = _strategy(len(groups), min(max(sigma, 0.01), 0.3), rng)
    start = best = task.score.sign * evaluation.score
    middle, stale = -math.inf, 0
    while stale < PATIENCE and not strategy.stop():
        points = strategy.ask()
        traits = {**child.traits, "step": min(max(float(np.mean(strategy.stds)), SMALLEST), LARGEST)}
        costs: list[float] = []
        before = best
        for point in points:
            values = origin + scales * point
            written = {i: float(value) for group, value in zip(groups, values, strict=True) for i in group}
            sources = found.with_values(written)
            seen = (
                yield Draft(sources, f"CMA-ES over {len(groups)} constants", traits) if sources is not None else child
            )
            score = None if sources is None else seen.score
            costs.append(math.inf if score is None else -task.score.sign * score)
            best = max(best, -costs[-1])
        if all(math.isinf(cost) for cost in costs):
            return
        worst = max(cost for cost in costs if not math.isinf(cost))
        strategy.tell(points, [cost if not math.isinf(cost) else worst + 1.0 for cost in costs])
        typical = -statistics.median(costs)
        enough = WORTH * (best - start)
        stale = 0 if best > before + enough or typical > middle + enough else stale + 1
        middle = max(middle, typical)


WORTH = 0.005
"""What a generation must gain to be worth another, as a share of what the search gained so far."""
PATIENCE = 5
"""How many generations without a better point, or a better typical one, end the inner search."""


def _groups(found: Constants, rng: Random, together: bool) -> list[list[int]]:
    groups: list[list[int]] = []
    seen: set[int] = set()
    for position in found.floats():
        if position not in seen:
            group = [i for i in found.alike(position, rng) if i not in seen] if together else [position]
            seen.update(group)
            groups.append(group)
    return groups


def _strategy(size: int, step: float, rng: Random) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cma
    generator = np.random.default_rng(rng.getrandbits(64))
    options = {"verbose": -9, "seed": float("nan"), "randn": lambda *shape: generator.standard_normal(shape)}
    return cma.CMAEvolutionStrategy([0.0] * size, step, options)


def _note(found: Constants, values: Mapping[int, int | float]) -> str:
    shown = [f"{found.numbers[i].value} -> {value:.4g}" for i, value in list(values.items())[:3]]
    return "stepped " + ", ".join(shown) + (f" and {len(values) - 3} more" if len(values) > 3 else "")
