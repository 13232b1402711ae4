"""The primitives that scores and losses are written in, as source for NumPy or torch.

The set is Pruner-Zero's (Dong et al. 2024, arXiv 2406.02924; its unary ones by its published code, lib/gptree.py: sqr
neg abs log exp sqrt tanh pow mms zsn, its binary ones add sub mul div), with means along an axis and ranks. What is
undefined somewhere is guarded with a small constant, so that values, and gradients in a loss, stay finite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evolve.operators.learning.shapes import Shape, fits, opaque
from evolve.operators.learning.values import Array

Write = Callable[["Dialect", str], str]
LONGEST = 60
"""The longest source that a primitive may mention more than once."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a library is written: the name it was imported as, and the words in which the two differ."""

    name: str
    torch: bool

    def call(self, function: str, *args: str) -> str:
        """Return a call of a function of the library."""
        return f"{self.name}.{function}({', '.join(args)})"

    def reduce(self, function: str, value: str, axis: int | None = None) -> str:
        """Return a reduction along an axis, which stays with size one, or of everything."""
        if axis is None:
            return self.call(function, value)
        along = f"{axis}, keepdim=True" if self.torch else f"axis={axis}, keepdims=True"
        return self.call(function, value, along)

    def above(self, value: str, bound: str) -> str:
        """Return a value with an upper bound."""
        return self.call("clamp", value, f"max={bound}") if self.torch else self.call("minimum", value, bound)


SIMPLE: Mapping[str, Write] = {
    "abs": lambda d, x: d.call("abs", x),
    "sqr": lambda d, x: d.call("square", x),
    "sqrt": lambda d, x: d.call("sqrt", f"{d.call('abs', x)} + 1e-8"),
    "log": lambda d, x: d.call("log", f"{d.call('abs', x)} + 1e-3"),
    "log1p": lambda d, x: d.call("log1p", d.call("abs", x)),
    "exp": lambda d, x: d.call("exp", d.above(x, "10.0")),
    "tanh": lambda d, x: d.call("tanh", x),
    "pow": lambda d, x: f"({d.call('abs', x)} + 1e-8) ** 0.5",
}
"""Those that mention their argument once."""
REPEATED: Mapping[str, Write] = {
    "zsn": lambda d, x: f"({x} - {d.call('mean', x)}) / ({d.call('std', x)} + 1e-6)",
    "mms": lambda d, x: f"({x} - {d.call('min', x)}) / ({d.call('max', x)} - {d.call('min', x)} + 1e-6)",
    "share": lambda d, x: f"{x} / ({d.call('mean', d.call('abs', x))} + 1e-8)",
}
"""Those that mention it more than once: scaled to mean 0 and deviation 1, to between 0 and 1, to its mean size."""

SIGNED = frozenset({"neg", "log", "zsn", "mms"})
"""Those that make values negative, or zero, where none was."""


def rowwise(d: Dialect, x: str, axis: int) -> str:
    """Return a value relative to its mean size along an axis."""
    return f"{x} / ({d.reduce('mean', d.call('abs', x), axis)} + 1e-8)"


def rank(d: Dialect, x: str) -> str:
    """Return the rank of each value along the last axis, from 0. It passes no gradient on."""
    inner = d.call("argsort", x, "-1")
    return d.call("argsort", inner, "-1")


def unary(d: Dialect, x: str, shape: Shape, gradient: bool) -> dict[str, str]:
    """Return the primitives of a value that keep its shape, by name. ``x`` can be an operand of anything."""
    texts = {name: write(d, x) for name, write in SIMPLE.items()} | {"neg": f"-{x}"}
    known = shape is not None and not opaque(shape)
    if len(x) <= LONGEST and shape != ():
        texts |= {name: write(d, x) for name, write in REPEATED.items()}
        for axis in range(-len(shape), 0) if known and shape is not None else ():
            texts[f"share {axis}"] = rowwise(d, x, axis)
    if known and shape and not gradient:
        texts["rank"] = f"{rank(d, x)} / {x}.shape[-1]" if len(x) <= LONGEST else rank(d, x)
    return texts


def aligned(d: Dialect, x: str, shape: Shape, wanted: Shape) -> list[str]:
    """Return how a value can be brought to fit an array of the shape ``wanted`` element by element."""
    found = [x] if fits(shape, wanted) else []
    if shape is None or opaque(shape):
        return [*found, d.call("mean", x)]
    if len(shape) == 2 and shape[0] == shape[1]:
        diagonal = f"{x}.diagonal()"
        return [
            *found,
            *([diagonal] if fits(shape[:1], wanted) else []),
            *aligned(d, d.reduce("mean", x, 0), ("1", shape[1]), wanted),
        ]
    if len(shape) == 1 and wanted is not None and len(wanted) == 2 and shape[0] == wanted[0] != wanted[1]:
        found.append(f"{x}[:, None]")
    for axis in range(len(shape)) if len(shape) > 1 else ():
        left = (*shape[:axis], "1", *shape[axis + 1 :])
        if fits(left, wanted):
            found.append(d.reduce("mean", x, axis))
    return found or [d.call("mean", x)]


def dialect(name: str | None, array: Array) -> Dialect | None:
    """Return how the library of an array is written, None where the file has no name for it."""
    return Dialect(name, array.library == "torch") if name and array.library != "plain" else None
