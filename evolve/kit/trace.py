"""In the jail: turns a candidate's torch code into a graph, a list of ATen operations as plain data.

A harness calls this, and the judge runs the graph with `evolve.kit.graph`. What crosses is what the code computes, and nothing
of how this process computes it: whatever a candidate does to its process, it can only change the graph that it hands in.

The code runs once, on tensors without values (torch's fake tensors), so shapes are fixed and Python's control flow may not
depend on values. A graph holds::

    constants   tensors that the code made of literals or found elsewhere
    steps       [operation, arguments, keyword arguments] each; an argument {"step": i} is what step i gave, {"input": i} and
                {"constant": i} are what their names say
    result      such an argument, or a list of them
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

UNIFORM = 2.4
"""Below this kurtosis (uniform 1.8, normal 3) values are taken for uniformly distributed."""
EXACT = 64
"""Tensors of at most so many elements keep their values where they are not trained."""
WHERE = {"device", "layout", "pin_memory"}
"""Keyword arguments that say where a tensor lies, which is the judge's to say."""


def function(f: Callable[..., Any], *examples: Any) -> dict[str, Any]:
    """Return the graph of ``f`` on arguments of these shapes and types.

    Args:
        f: returns a tensor, or a tuple or list of tensors.
        examples: the tensors are the graph's inputs, in order; all other arguments are taken as they are.

    Raises:
        TypeError: if ``f`` returns something else, or does what a graph cannot hold.
    """
    tensors = [example.detach() for example in examples if isinstance(example, torch.Tensor)]
    # It may ask for their gradients.
    tensors = [tensor.requires_grad_(tensor.is_floating_point()) for tensor in tensors]

    def filled(*inputs: torch.Tensor) -> Any:
        rest = iter(inputs)
        given = [next(rest).clone() if isinstance(example, torch.Tensor) else example for example in examples]
        return f(*given)  # clones, since torch refuses changes in place of what gradients are asked for

    return _traced(filled, tensors)


def network(module: torch.nn.Module, example: torch.Tensor) -> dict[str, Any]:
    """Return a module as data: its tensors, each by the law of its values, and its graphs in training and in evaluation.

    The inputs of both graphs are the tensors, in order, and then the example's like. Parameters that are shared are one.

    Raises:
        TypeError: if it is no module, gives no single tensor, or does what a graph cannot hold.
    """
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(module).__name__}")
    state = dict(module.named_parameters()) | dict(module.named_buffers())
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    for name, buffer in module.named_buffers():
        if buffer.numel() > EXACT and bool((buffer != buffer.flatten()[0]).any()):
            raise TypeError(
                f"{name} is a buffer of {buffer.numel()} values of type {buffer.dtype}, of which {EXACT} may cross: compute"
                " tables, masks and positions in forward, where they are operations; random features, which are drawn anew,"
                " are a parameter without requires_grad"
            )

    def run(*inputs: torch.Tensor) -> Any:
        given = dict(zip(state, inputs, strict=False))
        return torch.func.functional_call(module, given, (inputs[-1],))

    graphs = {}
    for mode in ("train", "eval"):
        module.train(mode == "train")
        graphs[mode] = _traced(run, [*state.values(), example])
        if not isinstance(graphs[mode]["result"], dict):
            raise TypeError("the network must return one tensor")
    tensors = [
        {"name": name, "shape": list(tensor.shape), "dtype": _name(tensor.dtype), "trained": name in trained}
        | law(name, tensor.detach(), name in trained)
        for name, tensor in state.items()
    ]
    return {"tensors": tensors, **graphs}


def law(name: str, tensor: torch.Tensor, trained: bool) -> dict[str, Any]:
    """Return how to draw a tensor like this one: a constant, or a mean and a standard deviation. A few values of what is not
    trained are taken as they are.

    Raises:
        TypeError: if there is no such law.
    """
    values = tensor.double().flatten()
    if not bool(torch.isfinite(values).all()):
        raise TypeError(f"{name} holds a value that is not finite")
    if not len(values) or bool((values == values[0]).all()):
        return {"law": "constant", "value": float(values[0]) if len(values) else 0.0}
    if not trained and len(values) <= EXACT:
        return {"law": "exact", "value": values.tolist()}
    if not tensor.is_floating_point():
        raise TypeError(f"{name} holds {len(values)} values of type {tensor.dtype}, of which {EXACT} may cross")
    mean, spread = float(values.mean()), float(values.std(correction=0))
    kurtosis = float((((values - mean) / spread) ** 4).mean())
    return {"law": "uniform" if kurtosis < UNIFORM else "normal", "mean": mean, "std": spread}


def _traced(f: Callable[..., Any], inputs: Sequence[torch.Tensor]) -> dict[str, Any]:
    """Run ``f`` on tensors like these without values, and return what it did."""
    plain = [tensor.detach().clone().requires_grad_(tensor.requires_grad) for tensor in inputs]
    try:
        with _gradients_of_torch():
            module = make_fx(f, tracing_mode="fake", pre_dispatch=True, _allow_non_fake_inputs=True)(*plain)
    except GuardOnDataDependentSymNode as problem:
        raise TypeError(
            "Python's control flow, sizes and numbers may not depend on the values of tensors: they are traced once; use"
            " torch.where, masks and sums, and no .item(), float() or bool() of a tensor"
        ) from problem
    return _Writer(module).graph()


@contextmanager
def _gradients_of_torch() -> Iterator[None]:
    """Refuse autograd functions of the candidate's own: a graph holds what is computed forward, and torch derives the rest."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise TypeError(
            "a torch.autograd.Function of your own cannot be traced; write y + (x - x.detach()) for a gradient"
        )

    before = torch.autograd.Function.apply
    torch.autograd.Function.apply = refuse
    try:
        yield
    finally:
        torch.autograd.Function.apply = before


class _Writer:
    """Writes the nodes of a traced module as steps."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        self.module = module
        self.places: dict[torch.fx.Node, dict[str, int]] = {}
        self.inputs = 0
        self.constants: list[torch.Tensor] = []
        self.steps: list[list[Any]] = []
        self.result: Any = None

    def graph(self) -> dict[str, Any]:
        for node in self.module.graph.nodes:
            if node.op == "placeholder":
                self.places[node] = {"input": self.inputs}
                self.inputs += 1
            elif node.op == "get_attr":
                self.places[node] = {"constant": len(self.constants)}
                self.constants.append(_known(getattr(self.module, node.target)))
            elif node.op == "output":
                self.result = self.argument(node.args[0])
                if not isinstance(self.result, (dict, list)) or self.result == []:
                    raise TypeError("the function must return a tensor, or a tuple of tensors")
            else:
                self.call(node)
        return {"constants": self.constants, "steps": self.steps, "result": self.result}

    def call(self, node: torch.fx.Node) -> None:
        target = node.target
        if isinstance(target, torch._ops.OpOverload):
            name = str(target)
        elif callable(target) and target.__name__ in ("getitem", "_set_grad_enabled"):
            name = target.__name__
        else:
            raise TypeError(f"{target} cannot be part of a graph")
        if name.startswith("aten.item"):
            raise TypeError(".item(), float() and int() of a tensor cannot be traced; compute with the tensor itself")
        keywords = {key: self.argument(value) for key, value in node.kwargs.items() if key not in WHERE}
        self.places[node] = {"step": len(self.steps)}
        self.steps.append([name, [self.argument(value) for value in node.args], keywords])

    def argument(self, value: Any) -> Any:
        """Return an argument as plain data."""
        if isinstance(value, torch.fx.Node):
            return self.places[value]
        if isinstance(value, (list, tuple)):
            return [self.argument(item) for item in value]
        if isinstance(value, float) and not math.isfinite(value):
            return {"float": str(value)}
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, torch.dtype):
            return {"dtype": _name(value)}
        if isinstance(value, torch.device):
            return {"device": 0}
        if isinstance(value, (torch.memory_format, torch.layout)):
            return None
        if isinstance(value, Mapping):
            raise TypeError("the function must return a tensor, or a tuple of tensors, no dict")
        raise TypeError(f"a value of type {type(value).__name__} cannot be part of a graph")


def _known(tensor: torch.Tensor) -> torch.Tensor:
    """Return a constant's values."""
    if isinstance(tensor, FakeTensor):
        raise TypeError(
            "a tensor's .data leads out of the graph: use .detach(), and torch.no_grad() for changes in place"
        )
    return tensor.detach().clone()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
