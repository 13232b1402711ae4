"""The layers of torch that a file builds: what each is, what follows what, and what can stand after it.

A layer is a call of a class of ``torch.nn`` in the text. Widths are kept as source, such as ``2 * width``, since that is
what can be written again beside them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evolve.operators.site import Site

_CONVOLUTION = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "bias",
)
_SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "Linear": ("in_features", "out_features", "bias"),
    "Conv1d": _CONVOLUTION,
    "Conv2d": _CONVOLUTION,
    "Embedding": ("num_embeddings", "embedding_dim"),
    "GRU": ("input_size", "hidden_size", "num_layers"),
    "LSTM": ("input_size", "hidden_size", "num_layers"),
    "BatchNorm1d": ("num_features",),
    "BatchNorm2d": ("num_features",),
    "InstanceNorm1d": ("num_features",),
    "InstanceNorm2d": ("num_features",),
    "GroupNorm": ("num_groups", "num_channels"),
    "LayerNorm": ("normalized_shape",),
    "RMSNorm": ("normalized_shape",),
}
ACTIVATIONS = (
    "ReLU",
    "GELU",
    "SiLU",
    "ELU",
    "Mish",
    "Hardswish",
    "LeakyReLU",
    "Tanh",
    "Softplus",
    "ReLU6",
    "PReLU",
    "Sigmoid",
)
NORMS = (
    "BatchNorm1d",
    "BatchNorm2d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "GroupNorm",
    "LayerNorm",
    "RMSNorm",
)
DROPOUTS = ("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout")
POOLS = ("MaxPool1d", "AvgPool1d", "MaxPool2d", "AvgPool2d")
INPUT = {
    "Linear": "in_features",
    "Conv1d": "in_channels",
    "Conv2d": "in_channels",
    "GRU": "input_size",
    "LSTM": "input_size",
}
OUTPUT = {
    "Linear": "out_features",
    "Conv1d": "out_channels",
    "Conv2d": "out_channels",
    "Embedding": "embedding_dim",
}
WIDTH = {name: signature[-1] for name, signature in _SIGNATURES.items() if name in NORMS}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its call, its class, what stands before the class's name, and its arguments."""

    node: ast.Call
    name: str
    prefix: str
    arguments: Mapping[str, ast.expr]

    def text(self, site: Site, argument: str, default: str = "") -> str:
        """Return an argument's source."""
        node = self.arguments.get(argument)
        return default if node is None else site.module.inline(node)

    def number(self, argument: str, default: int) -> int | None:
        """Return an argument that is a literal integer, None where it is something else."""
        node = self.arguments.get(argument)
        if node is None:
            return default
        return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None

    def into(self, site: Site) -> str:
        """Return the width of what it takes, where that shows."""
        return self.text(site, INPUT.get(self.name, WIDTH.get(self.name, "")))

    def out(self, site: Site) -> str:
        """Return the width of what it gives, where that shows."""
        return self.text(site, OUTPUT.get(self.name, WIDTH.get(self.name, "")))


def layer(site: Site, node: ast.AST) -> Layer | None:
    """Return the layer that an expression builds."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    prefix = ast.unparse(node.func.value)
    known = site.arrays.aliases.get(prefix) == "nn" or prefix == "torch.nn"
    if not known or not node.func.attr[:1].isupper() or any(isinstance(arg, ast.Starred) for arg in node.args):
        return None
    signature = _SIGNATURES.get(node.func.attr, ())
    arguments = dict(zip(signature, node.args, strict=False)) | {w.arg: w.value for w in node.keywords if w.arg}
    return Layer(node, node.func.attr, prefix, arguments)


CONTAINERS = (
    "Sequential",
    "ModuleList",
    "ModuleDict",
    "Module",
    "Parameter",
    "ParameterList",
)


def layers(site: Site) -> list[Layer]:
    """Return the layers that may change, containers left out."""
    found = [layer(site, node) for node in site.module.nodes]
    return [each for each in found if each is not None and each.name not in CONTAINERS]


def runs(site: Site) -> list[list[ast.expr]]:
    """Return the layers that follow one another: arguments of ``nn.Sequential``, and lists that are spread into one."""
    spread = set()
    found: list[list[ast.expr]] = []
    for node in ast.walk(site.module.tree):
        if isinstance(node, ast.Call) and site.module.inline(node.func).endswith("Sequential"):
            spread |= {
                arg.value.id for arg in node.args if isinstance(arg, ast.Starred) and isinstance(arg.value, ast.Name)
            }
            found.append(list(node.args))
            found += [
                list(arg.value.elts)
                for arg in node.args
                if isinstance(arg, ast.Starred) and isinstance(arg.value, ast.List)
            ]
    for node in ast.walk(site.module.tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.List(elts=entries)) if name in spread:
                found.append(list(entries))
            case ast.AugAssign(target=ast.Name(id=name), value=ast.List(elts=entries)) if name in spread:
                found.append(list(entries))
    return [run for run in found if run and all(site.module.editable(node) for node in run)]


def keeps_length(site: Site, each: Layer) -> bool:
    """Whether a convolution gives as many positions as it takes."""
    if each.text(site, "padding") in ('"same"', "'same'"):
        return True
    if each.number("stride", 1) != 1:
        return False
    size, padding = each.number("kernel_size", 0), each.number("padding", 0)
    dilation = each.number("dilation", 1)
    if size is not None and padding is not None and dilation is not None:
        return 2 * padding == dilation * (size - 1)
    same = each.text(site, "padding") == each.text(site, "dilation", "1")
    return (size == 3 and same) or size == 1


def keeps_shape(site: Site, node: ast.expr) -> bool:
    """Whether what a layer gives has the shape of what it takes."""
    each = layer(site, node)
    if each is None:
        return _residual(site, node)
    if each.name in (*ACTIVATIONS, *NORMS, *DROPOUTS, "Identity"):
        return True
    if each.name == "Sequential":
        return bool(each.node.args) and all(keeps_shape(site, arg) for arg in each.node.args)
    same = each.into(site) != "" and each.into(site) == each.out(site)
    return same and (each.name == "Linear" or (each.name.startswith("Conv") and keeps_length(site, each)))


def _residual(site: Site, node: ast.expr) -> bool:
    """Whether a class of the file, that an expression makes an object of, adds something to what it is given."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    for made in ast.walk(site.module.tree):
        if isinstance(made, ast.ClassDef) and made.name == node.func.id:
            return any(_adds(method) for method in made.body if isinstance(method, ast.FunctionDef))
    return False


def _adds(method: ast.FunctionDef) -> bool:
    if method.name != "forward" or len(method.args.args) < 2:
        return False
    given = method.args.args[1].arg
    ends = [node.value for node in ast.walk(method) if isinstance(node, ast.Return)]
    sums = [end for end in ends if isinstance(end, ast.BinOp) and isinstance(end.op, ast.Add)]
    return len(ends) == len(sums) == 1 and any(
        isinstance(side, ast.Name) and side.id == given for side in (sums[0].left, sums[0].right)
    )


def width(site: Site, run: list[ast.expr], at: int) -> tuple[str, str] | None:
    """Return the kind of what stands after the entry ``at`` of a run, ``Linear`` or a convolution's, and its width."""
    for node in reversed(run[: at + 1]):
        each = layer(site, node)
        if each is None and not keeps_shape(site, node):
            return None
        if each is not None and each.name in OUTPUT and each.out(site):
            return each.name.replace("Embedding", "Linear"), each.out(site)
        if each is not None and each.name not in (
            *ACTIVATIONS,
            *NORMS,
            *DROPOUTS,
            *POOLS,
        ):
            return None
    return None


def causal(site: Site) -> bool:
    """Whether the file or the brief speaks of causality, so that nothing may mix positions that did not before."""
    return re.search(r"\bcausal", site.module.data.decode() + site.brief, re.IGNORECASE) is not None


def attribute(site: Site, node: ast.expr) -> str | None:
    """Return the name of the attribute that a layer is assigned to: ``conv`` of ``self.conv = nn.Conv1d(...)``."""
    match site.module.above.get(node):
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(), attr=name)]):
            return name
    return None


def uses(site: Site, name: str) -> Iterator[ast.Call]:
    """Yield the calls of an attribute, as ``self.conv(x)``."""
    for node in site.module.nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(), attr=attr), args=[_]) if attr == name:
                yield node


def touched(site: Site, each: Layer) -> bool:
    """Whether something reads a layer's own attributes, such as its weight, so that it cannot be wrapped."""
    name = attribute(site, each.node)
    inside = (f".{name}.weight", f".{name}.bias", f".{name}[")
    return name is not None and any(part in site.module.data.decode() for part in inside)


def mixes(site: Site, node: ast.expr) -> bool:
    """Whether a layer has weights that mix."""
    each = layer(site, node)
    return each is None or each.name.startswith(("Conv", "Linear", "Sequential"))
