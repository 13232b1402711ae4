"""What is known of a value, and of what operators and functions make of it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from evolve.operators.learning import calls
from evolve.operators.learning.shapes import Shape, broadcast, dropped, reduced

Library = Literal["numpy", "torch", "plain"]
Holds = Literal["real", "whole", "truth"]


@dataclass(frozen=True, slots=True)
class Array:
    """What is known of a value: a number of Python is ``plain`` and has no dimensions; ``positive`` means never negative."""

    library: Library
    shape: Shape
    holds: Holds = "real"
    positive: bool = False


def joined(before: Array, after: Array) -> Array:
    """Return what two values have in common."""
    library = after.library if before.library == "plain" else before.library
    shape = before.shape if before.shape == after.shape else None
    holds: Holds = before.holds if before.holds == after.holds else "real"
    return Array(library, shape, holds, before.positive and after.positive)


def combined(
    left: Array | None, op: ast.operator, right: Array | None, exponent: ast.AST | None = None
) -> Array | None:
    """Return what an operator makes of two values."""
    if isinstance(op, ast.MatMult):
        return _matrix(left, right)
    known = left or right
    if known is None:
        return None
    if left is None or right is None:
        return replace(known, shape=None, positive=False) if known.library != "plain" else None
    positive = left.positive and right.positive and not isinstance(op, ast.Sub)
    if isinstance(op, ast.Pow):
        positive = left.positive or (isinstance(exponent, ast.Constant) and exponent.value == 2)
    whole = left.holds == right.holds == "whole" and not isinstance(op, ast.Div)
    library = left.library if left.library != "plain" else right.library
    return Array(library, broadcast(left.shape, right.shape), "whole" if whole else "real", positive)


def called(
    name: str, base: Array, args: Sequence[ast.expr], last: Array | None, words: Mapping[str, ast.expr]
) -> Array | None:
    """Return what a function of ``base`` and more arguments returns; ``last`` is the value of the last of them."""
    if name in calls.SAME:
        holds: Holds = "whole" if name in ("argsort", "long") else "real" if base.holds == "truth" else base.holds
        positive = name in calls.POSITIVE or (base.positive and name in calls.KEEPS_SIGN)
        return replace(base, holds="real" if name == "float" else holds, positive=positive)
    if name in calls.PAIRS:
        both = combined(base, ast.Add(), last)
        return replace(both, holds="real") if both and last else None
    if name in calls.REDUCTIONS:
        return reduction(base, name, args, words)
    if name in calls.LOSSES:
        kept = words.get("reduction")
        each = isinstance(kept, ast.Constant) and kept.value == "none"
        whole = dropped(base.shape) if name in calls.INDEX else base.shape
        return Array(base.library, whole if each else (), "real", positive=True)
    if name == "gather":
        return replace(base, shape=last.shape if last else None)
    if name in calls.REARRANGED:
        return replace(base, shape=calls.rearranged(name, base.shape, args))
    return replace(base, shape=None, positive=False) if name in calls.METHODS else None


def reduction(base: Array, name: str, args: Sequence[ast.expr], words: Mapping[str, ast.expr]) -> Array | None:
    """Return what a reduction leaves: torch gives a pair where it looks for the largest along a dimension."""
    along = words.get("dim", words.get("axis", args[0] if args else None))
    kept = words.get("keepdim", words.get("keepdims"))
    if base.library == "torch" and name in ("max", "min", "median") and along is not None:
        return None
    keep = isinstance(kept, ast.Constant) and kept.value is True
    holds: Holds = "truth" if name in ("any", "all") else "whole" if name.startswith("arg") else "real"
    return Array(base.library, reduced(base.shape, along, keep), holds, base.positive or name in calls.POSITIVE)


def turned(shape: Shape) -> Shape:
    """Return the shape of a transposed matrix."""
    return shape[::-1] if shape is not None and len(shape) == 2 else None


def _matrix(left: Array | None, right: Array | None) -> Array | None:
    if left is None or right is None:
        known = left or right
        return replace(known, shape=None, positive=False) if known else None
    a, b = left.shape, right.shape
    shape = (a[0], b[1]) if a is not None and b is not None and len(a) == len(b) == 2 else None
    return Array(left.library, shape, "real", left.positive and right.positive)
