"""Shapes as far as they are known: a tuple of names of dimensions, outermost first, or None.

``("*x",)`` is the shape of ``x``, whatever that is: it fits itself and numbers, and nothing else is known of it.
"""

from __future__ import annotations

import ast

Shape = tuple[str, ...] | None


def opaque(shape: Shape) -> bool:
    """Whether not even the number of dimensions is known."""
    return shape is None or any(part.startswith("*") for part in shape)


def broadcast(a: Shape, b: Shape) -> Shape:
    """Return the shape of what two arrays make element by element, None where it is not known."""
    if a == b or b == ():
        return a
    if a == ():
        return b
    if a is None or b is None or opaque(a) or opaque(b):
        return None
    size = max(len(a), len(b))
    a, b = ("1",) * (size - len(a)) + a, ("1",) * (size - len(b)) + b
    if any(x != y and "1" not in (x, y) for x, y in zip(a, b, strict=True)):
        return None
    return tuple(y if x == "1" else x for x, y in zip(a, b, strict=True))


def fits(small: Shape, large: Shape) -> bool:
    """Whether it is certain that combining the two leaves the larger's shape."""
    return large is not None and small is not None and broadcast(small, large) == large


def dropped(shape: Shape) -> Shape:
    """Return a shape without its last dimension."""
    return None if shape is None or opaque(shape) or not shape else shape[:-1]


def axis(shape: Shape, along: ast.expr | None) -> int | None:
    """Return the position of a literal axis in a shape."""
    match along:
        case ast.Constant(value=int(at)):
            pass
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(size))):
            at = -size
        case _:
            return None
    if shape is None or opaque(shape) or not -len(shape) <= at < len(shape):
        return None
    return at % len(shape)


def reduced(shape: Shape, along: ast.expr | None, keep: bool) -> Shape:
    """Return what a reduction leaves of a shape."""
    if along is None or (isinstance(along, ast.Constant) and along.value is None):
        if keep:
            return None if shape is None or opaque(shape) else ("1",) * len(shape)
        return ()
    at = axis(shape, along)
    if at is None or shape is None:
        return None
    return (*shape[:at], *(("1",) if keep else ()), *shape[at + 1 :])


def subscripted(shape: Shape, index: ast.expr) -> Shape:
    """Return the shape of ``x[index]``: whole slices keep a dimension, None adds one, an integer takes one away."""
    if shape is None or opaque(shape):
        return None
    left, found = list(shape), []
    for part in index.elts if isinstance(index, ast.Tuple) else [index]:
        match part:
            case ast.Constant(value=None):
                found.append("1")
            case ast.Slice(lower=None, upper=None) if left:
                found.append(left.pop(0))
            case ast.Constant(value=int()) if left:
                left.pop(0)
            case _:
                return None
    return (*found, *left)
