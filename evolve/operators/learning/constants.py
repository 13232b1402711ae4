"""Which constants of array code are not numbers to be tuned as others are: axes, a convolution's geometry, rates."""

from __future__ import annotations

import ast
from collections.abc import Mapping

_WORDS = frozenset({"dim", "axis", "dim0", "dim1", "start_dim", "end_dim"})
_AXES = frozenset(
    {
        *(
            "softmax",
            "log_softmax",
            "softmin",
            "logsumexp",
            "sum",
            "mean",
            "std",
            "var",
            "amax",
            "amin",
            "max",
            "min",
            "prod",
        ),
        *(
            "cumsum",
            "gather",
            "squeeze",
            "unsqueeze",
            "transpose",
            "swapaxes",
            "permute",
            "flatten",
            "argmax",
            "argmin",
        ),
        *("argsort", "sort", "size", "stack", "cat", "concatenate", "Flatten", "Softmax", "LogSoftmax", "median"),
    }
)
_GEOMETRY = frozenset({"kernel_size", "padding", "dilation", "groups"})
_RATES = frozenset({"lr", "learning_rate", "weight_decay", "label_smoothing", "dropout", "momentum"})
_PLACES = {2: "kernel_size", 4: "padding", 5: "dilation", 6: "groups"}
SIZES = frozenset(
    {
        *("Linear", "Conv1d", "Conv2d", "Embedding", "GRU", "LSTM", "BatchNorm1d", "BatchNorm2d", "InstanceNorm1d"),
        *("GroupNorm", "LayerNorm", "RMSNorm", "MaxPool1d", "MaxPool2d", "AvgPool1d", "AvgPool2d", "AdaptiveAvgPool1d"),
        *(
            "AdaptiveAvgPool2d",
            "AdaptiveMaxPool1d",
            "AdaptiveMaxPool2d",
            "TransformerEncoderLayer",
            "MultiheadAttention",
        ),
        *("one_hot", "topk", "arange", "eye", "empty", "full", "Unflatten", "ConstantPad1d", "pad", "roll"),
    }
)
"""What takes whole numbers, as sizes."""


def structural(above: Mapping[ast.AST, ast.AST], node: ast.expr) -> bool:
    """Whether an integer names an axis, or is a part of a convolution's geometry, where one step seldom makes sense."""
    at: ast.AST = node
    if isinstance(above.get(at), ast.UnaryOp):
        at = above[at]
    around = above.get(at)
    match around:
        case ast.keyword(arg=name):
            return name in _WORDS or (name in _GEOMETRY and _padded(above[around]))
        case ast.Subscript(value=ast.Attribute(attr="shape") | ast.Name(id="shape" | "input_shape"), slice=index):
            return index is at
        case ast.Call(func=ast.Attribute(attr=name), args=args) if at in args:
            return name in _AXES or (_PLACES.get(args.index(at)) is not None and _padded(around))
    return False


def _padded(node: ast.AST) -> bool:
    """Whether a call makes a convolution whose padding goes with its kernel."""
    if (
        not isinstance(node, ast.Call)
        or not isinstance(node.func, ast.Attribute)
        or not node.func.attr.startswith("Conv")
    ):
        return False
    return len(node.args) > 4 or any(word.arg == "padding" for word in node.keywords)


def rate(above: Mapping[ast.AST, ast.AST], node: ast.expr) -> bool:
    """Whether a constant is named as one of those that are steps of training by a factor: a learning rate, say."""
    match above.get(node):
        case ast.keyword(arg=str(name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name.lower() in _RATES
        case ast.Dict(keys=keys, values=values):
            key = keys[values.index(node)] if node in values else None
            return isinstance(key, ast.Constant) and str(key.value) in _RATES
    return False
