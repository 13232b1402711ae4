"""What functions and methods on arrays, by the last part of their name, do to a shape and to a sign."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from evolve.operators.learning.shapes import Shape, axis, opaque

POSITIVE = frozenset(
    {
        "abs",
        "square",
        "exp",
        "sigmoid",
        "softmax",
        "relu",
        "softplus",
        "norm",
        "std",
        "var",
        "sqrt",
    }
)
"""What returns no negative value, whatever it is given."""
KEEPS_SIGN = frozenset(
    {
        "sqrt",
        "float",
        "double",
        "detach",
        "clone",
        "contiguous",
        "clamp",
        "clip",
        "clamp_min",
        "clamp_max",
        "pow",
        "nan_to_num",
    }
) | {"log1p", "tanh", "cumsum", "normalize", "to", "astype", "copy"}
"""What returns no negative value where it is given none."""
SAME = (
    POSITIVE - {"norm", "std", "var"}
    | KEEPS_SIGN
    | {
        *(
            "log",
            "sign",
            "neg",
            "negative",
            "log_softmax",
            "gelu",
            "silu",
            "elu",
            "leaky_relu",
            "logsigmoid",
            "sin",
            "cos",
        ),
        *(
            "rsqrt",
            "reciprocal",
            "erf",
            "expm1",
            "argsort",
            "zeros_like",
            "ones_like",
            "layer_norm",
            "dropout",
            "long",
        ),
    }
)
"""What keeps the shape."""
PAIRS = frozenset(
    {
        "maximum",
        "minimum",
        "mul",
        "multiply",
        "add",
        "sub",
        "subtract",
        "div",
        "divide",
        "where",
        "lerp",
    }
)
"""What broadcasts its arguments."""
REDUCTIONS = frozenset(
    {
        "sum",
        "mean",
        "std",
        "var",
        "amax",
        "amin",
        "max",
        "min",
        "prod",
        "norm",
        "logsumexp",
        "median",
        "any",
        "all",
        "argmax",
        "argmin",
    }
)
LOSSES = frozenset(
    {
        "cross_entropy",
        "nll_loss",
        "mse_loss",
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
        "binary_cross_entropy",
    }
)
INDEX = {
    "cross_entropy": 1,
    "nll_loss": 1,
    "one_hot": 0,
    "gather": 2,
    "take_along_dim": 1,
    "index_select": 2,
}
"""What takes an array of whole numbers, and as which of its arguments."""
METHODS = (SAME | PAIRS | REDUCTIONS | set(INDEX)) - {"copy"} | {
    *(
        "shape",
        "ndim",
        "dtype",
        "device",
        "unsqueeze",
        "squeeze",
        "transpose",
        "diagonal",
        "view",
        "reshape",
        "topk",
        "T",
    ),
    *(
        "scatter",
        "masked_fill",
        "requires_grad",
        "numel",
        "new_zeros",
        "expand",
        "permute",
        "flatten",
        "quantile",
    ),
}
"""Attributes by which an array is known."""
REARRANGED = frozenset({"squeeze", "unsqueeze", "transpose", "diagonal"})
"""What moves dimensions about."""
KNOWN = SAME | PAIRS | REDUCTIONS | LOSSES | set(INDEX) | {"matmul", "einsum", "outer", "sort", "topk", "quantile"}
"""Functions of a library whose first argument is an array."""


def rearranged(name: str, shape: Shape, args: Sequence[ast.expr]) -> Shape:
    """Return the shape after ``squeeze``, ``unsqueeze``, ``transpose`` or ``diagonal`` with literal arguments."""
    if shape is None or opaque(shape):
        return None
    if name == "diagonal":
        return (shape[0],) if len(shape) == 2 and shape[0] == shape[1] else None
    places = [axis((*shape, "1") if name == "unsqueeze" else shape, arg) for arg in args]
    match name, places:
        case "squeeze", [int(at)] if shape[at] == "1":
            return (*shape[:at], *shape[at + 1 :])
        case "unsqueeze", [int(at)]:
            return (*shape[:at], "1", *shape[at:])
        case "transpose", [int(a), int(b)]:
            parts = list(shape)
            parts[a], parts[b] = parts[b], parts[a]
            return tuple(parts)
    return None
