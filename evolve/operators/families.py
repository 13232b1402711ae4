"""Functions and methods that can stand in for one another: same arguments, another shade of the same meaning."""

from __future__ import annotations

_SCALAR = (
    ("sin", "cos", "tanh", "atan", "sinh"),
    ("sqrt", "log1p", "fabs", "exp", "expm1", "cbrt", "erf"),
    ("floor", "ceil", "trunc"),
    ("log", "log2", "log10", "log1p"),
)
_BUILTIN = (
    ("min", "max"),
    ("any", "all"),
    ("min", "max", "sum"),
    ("list", "sorted"),
    ("abs", "float"),
    ("round", "int"),
)
_ARRAY = (
    ("sin", "cos", "tanh", "arctan", "sinh"),
    ("sqrt", "log1p", "abs", "exp", "expm1", "square", "sign"),
    ("min", "max", "mean", "sum", "median", "std", "var", "prod"),
    ("amin", "amax", "mean", "sum"),
    ("minimum", "maximum"),
    ("argmin", "argmax"),
    ("floor", "ceil", "round", "trunc"),
    ("zeros", "ones", "empty"),
    ("zeros_like", "ones_like"),
    ("any", "all"),
    ("argsort", "sort"),
    ("cumsum", "cumprod"),
    ("relu", "gelu", "silu", "elu", "selu", "leaky_relu", "mish", "softplus", "tanh", "sigmoid", "relu6", "hardswish"),
    ("softmax", "log_softmax", "softmin"),
    ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"),
    ("ReLU", "GELU", "SiLU", "ELU", "SELU", "LeakyReLU", "Mish", "Softplus", "Tanh", "Sigmoid", "ReLU6", "Hardswish"),
    ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"),
    ("LayerNorm", "RMSNorm"),
    ("AvgPool2d", "MaxPool2d"),
    ("AvgPool1d", "MaxPool1d"),
    ("AdaptiveAvgPool1d", "AdaptiveMaxPool1d"),
    ("AdaptiveAvgPool2d", "AdaptiveMaxPool2d"),
    ("LSTM", "GRU", "RNN"),
    ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad"),
    ("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_"),
    ("rand", "randn"),
    ("rand_like", "randn_like"),
)
UNARY_SCALAR = ("sin", "cos", "tanh", "atan", "sqrt", "exp", "log1p", "fabs", "floor")
UNARY_ARRAY = ("sin", "cos", "tanh", "sqrt", "exp", "log1p", "abs")
ARRAY_MODULES = ("np", "numpy", "torch", "jnp")


def relatives(base: str | None, name: str) -> tuple[str, ...]:
    """Return the functions that can replace ``name``, called on ``base``: a module's or variable's name, or None for a
    bare call.
    """
    families = _BUILTIN if base is None else _SCALAR if base == "math" else _ARRAY
    return tuple(dict.fromkeys(other for family in families if name in family for other in family if other != name))
