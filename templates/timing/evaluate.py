"""The judge: times the candidate beside the reference, by a clock that the candidate cannot reach."""

from __future__ import annotations

import ast
from random import Random

from evolve import Candidate, Invalid, Result

FORBIDDEN = {
    "sorted",
    "sort",
    "heapq",
    "bisect",
    "__import__",
    "eval",
    "exec",
    "getattr",
    "vars",
    "globals",
    "__builtins__",
}


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Time a list that no process of the candidate's has seen before; check every value that came back."""
    refuse(candidate.sources["initial.py"])
    rng = Random(seed)
    values = rng.sample(range(1_000_000), 3000)
    timing = candidate.time("sort", values, warmup=(rng.sample(range(1000), 50),), repeats=5)
    if any(value != sorted(values) for value in timing.values):
        raise Invalid("sort must return the values in ascending order")
    return Result(timing.ratio, {"noise": timing.noise}, timing.feedback())


def refuse(text: str) -> None:
    """Refuse what would leave the work to a library."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise Invalid(f"it is no Python: {error}") from None
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            raise Invalid("imports are forbidden")
        own = isinstance(node, ast.Name) and node.id == "sort"  # the candidate's function may call itself
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name in FORBIDDEN and not own:
            raise Invalid(f"{name} is forbidden")
