"""In the judge: runs what a candidate's torch code computes, from the graph that `evolve.kit.trace` made of it in the jail.

Only pure ATen operations of a fixed list run, on inputs that the judge chooses, so a candidate's network or loss can be trained
and evaluated here without its code: the recipe, the counts and the labels are out of its reach. What a graph may cost is
measured beforehand, operation by operation, and refused beyond a limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import torch

from evolve import Invalid
from evolve.kit.aten import OPERATIONS, VALUED
from evolve.kit.work import Meter, Work

CONSTANTS = 64
"""Elements of constants and of tensors with exact values that a graph may hold: more would be a place for learnt weights."""
LITERALS = 128
"""Different numbers that a graph may hold as arguments of its operations, for the same reason."""
STEPS = 4000
"""Operations that a graph may have."""
TENSORS = 2000
"""Parameters and buffers that a network may have."""


LIMIT = Work(macs=2_000_000_000, elements=100_000_000, largest=4_000_000)
"""What one run of a graph may cost where a task does not say."""


class Function:
    """A candidate's function: tensors in, a tensor or a tuple of them out. Differentiable."""

    def __init__(self, data: Any, limit: Work = LIMIT) -> None:
        """Check the graph ``data``.

        Raises:
            Invalid: if it is no graph, or uses an operation that is not on the list.
        """
        constants, steps, self._result = _parts(data)
        self.constants = [_constant(value) for value in constants]
        if sum(value.numel() for value in self.constants) > CONSTANTS:
            raise Invalid(f"the code holds tensors of more than {CONSTANTS} numbers in all: compute them instead")
        self._steps = [_step(step, place) for place, step in enumerate(steps)]
        if len({value for step in self._steps for value in step.literals}) > LITERALS:
            raise Invalid(f"the code computes with more than {LITERALS} different numbers")
        self._last = _last_uses(self._steps, self._result)
        self._mutates = any(step.mutates for step in self._steps)
        self._limit = limit
        self._measured: Work | None = None

    @property
    def numbers(self) -> int:
        """How many numbers the graph itself holds: elements of constants, and what its operations compute with."""
        return sum(int(value.numel()) for value in self.constants) + sum(len(step.literals) for step in self._steps)

    def __call__(self, *inputs: torch.Tensor) -> Any:
        """Run the graph; the first time measured and within the limits.

        Raises:
            Invalid: if it does not run on these inputs, or costs too much.
        """
        given = [value.clone() for value in inputs] if self._mutates else list(inputs)
        return self.run(given)

    def run(self, inputs: Sequence[torch.Tensor]) -> Any:
        """Run the graph on inputs that it may change."""
        if self._measured is None:
            self._measured = self._measure(inputs)
        return self._run(inputs)

    def work(self, *inputs: torch.Tensor) -> Work:
        """Return what one run costs.

        Raises:
            Invalid: if it does not run on these inputs, or costs too much.
        """
        if self._measured is None:
            self._measured = self._measure(inputs)
        return self._measured

    def _measure(self, inputs: Sequence[torch.Tensor]) -> Work:
        """Run the graph on copies, with the limits kept; chance goes on as if it had not run."""
        with torch.no_grad(), torch.random.fork_rng(devices=[]), Meter(self._limit) as meter:
            self._run([value.detach().clone() for value in inputs])
        return meter.work

    def _run(self, inputs: Sequence[torch.Tensor]) -> Any:
        results: list[Any] = [None] * len(self._steps)
        constants = [value.clone() for value in self.constants] if self._mutates else self.constants
        outer = torch.is_grad_enabled()
        try:
            for place, step in enumerate(self._steps):
                results[place] = step(inputs, constants, results)
                for unused in self._last[place]:
                    results[unused] = None
            return _outcome(_filled(self._result, inputs, constants, results))
        except (RuntimeError, IndexError, TypeError, ValueError, AttributeError, NotImplementedError) as problem:
            if isinstance(problem, torch.OutOfMemoryError):
                raise
            raise Invalid(f"the traced code does not run: {str(problem)[:500]}") from problem
        finally:
            torch.set_grad_enabled(outer)


class Network(torch.nn.Module):
    """A candidate's network, with parameters and buffers that the judge has drawn.

    Each tensor is drawn anew with ``seed`` from its law, so weights trained in the jail do not cross, and all candidates
    start from the same chance. ``train()`` and ``eval()`` choose between the two graphs; evaluation may change no tensor.
    """

    def __init__(self, data: Any, seed: int, limit: Work = LIMIT) -> None:
        """Check the description ``data`` and draw the tensors.

        Raises:
            Invalid: if it is none.
        """
        super().__init__()
        if not isinstance(data, Mapping) or set(data) != {"tensors", "train", "eval"}:
            raise Invalid("not a network: use evolve.kit.trace.network")
        rows = data["tensors"]
        if not isinstance(rows, list) or len(rows) > TENSORS:
            raise Invalid(f"a network may have {TENSORS} parameters and buffers")
        self._graphs = {mode: Function(data[mode], limit) for mode in ("train", "eval")}
        generator = torch.Generator().manual_seed(seed)
        self._names: list[str] = []
        exact = 0
        for place, row in enumerate(rows):
            tensor, kept = _drawn(row, generator)
            exact += kept
            name = f"tensor{place}"
            if row["trained"] is True:
                self.register_parameter(name, torch.nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)
            self._names.append(name)
        if exact > CONSTANTS:
            raise Invalid(f"buffers hold more than {CONSTANTS} exact values in all: compute them in forward")

    @property
    def size(self) -> int:
        """How many numbers the network has: parameters, buffers, constants, and those that its code computes with."""
        graphs = max(graph.numbers for graph in self._graphs.values())
        return graphs + sum(int(getattr(self, name).numel()) for name in self._names)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the graph of the present mode on a batch like the example that it was traced with."""
        tensors = [getattr(self, name) for name in self._names]
        graph = self._graphs["train" if self.training else "eval"]
        before = [tensor._version for tensor in tensors]
        result = graph.run([*tensors, x.clone()])
        if not self.training and before != [tensor._version for tensor in tensors]:
            raise Invalid("the network changes a parameter or buffer in evaluation: it may do so in training only")
        if not isinstance(result, torch.Tensor):
            raise Invalid("the network must return one tensor")
        return result

    def work(self, x: torch.Tensor) -> Work:
        """Return what one forward pass costs, the dearer of the two modes."""
        inputs = [*(getattr(self, name) for name in self._names), x]
        train, evaluation = (self._graphs[mode].work(*inputs) for mode in ("train", "eval"))
        return Work(*(max(pair) for pair in zip(astuple(train), astuple(evaluation), strict=True)))


def macs(network: Network, x: torch.Tensor) -> int:
    """Return the multiply-accumulates per sample of the batch ``x``, rounded up; see `evolve.kit.work`."""
    return -(-network.work(x).macs // len(x))


class _Step:
    """One operation, ready to run. ``literals`` are the numbers that it computes with, but for 0, 1 and -1."""

    def __init__(self, operation: Any, arguments: list[Any], keywords: dict[str, Any], valued: bool = False) -> None:
        self.operation = operation
        self.arguments = arguments
        self.keywords = keywords
        self.uses: set[int] = set()
        self.literals: list[float] = []
        self._valued = valued
        for value in (*arguments, *keywords.values()):
            self._look(value)
        self.mutates = bool(getattr(operation, "_schema", None) and operation._schema.is_mutable)

    def _look(self, value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                self._look(item)
        elif isinstance(value, dict) and "step" in value:
            self.uses.add(value["step"])
        elif self._valued and type(value) in (int, float) and math.isfinite(value) and value not in (0, 1, -1):
            self.literals.append(value)

    def __call__(self, inputs: Sequence[Any], constants: Sequence[Any], results: Sequence[Any]) -> Any:
        arguments = [_filled(value, inputs, constants, results) for value in self.arguments]
        keywords = {key: _filled(value, inputs, constants, results) for key, value in self.keywords.items()}
        return self.operation(*arguments, **keywords)


def _parts(data: Any) -> tuple[list[Any], list[Any], Any]:
    if not isinstance(data, Mapping) or set(data) != {"constants", "steps", "result"}:
        raise Invalid("not a graph: use evolve.kit.trace")
    constants, steps = data["constants"], data["steps"]
    if not isinstance(constants, list) or not isinstance(steps, list):
        raise Invalid("not a graph: use evolve.kit.trace")
    if len(steps) > STEPS:
        raise Invalid(f"the code performs {len(steps)} operations, and {STEPS} are allowed")
    return constants, steps, _checked(data["result"], len(steps), "the result")


def _constant(value: Any) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise Invalid("a graph's constants are tensors")
    return value


def _step(step: Any, place: int) -> _Step:
    """Return a step, checked: an operation of the list, and arguments that are there by then."""
    if not (isinstance(step, list) and len(step) == 3 and isinstance(step[0], str)):
        raise Invalid(f"step {place} of the graph is none")
    name, arguments, keywords = step
    if not isinstance(arguments, list) or not isinstance(keywords, dict):
        raise Invalid(f"step {place} of the graph is none")
    where = f"step {place} ({name[:60]})"
    arguments = [_checked(value, place, where) for value in arguments]
    keywords = {key: _checked(value, place, where) for key, value in keywords.items()}
    base = name.split(".")[1].rstrip("_") if name.count(".") else name
    return _Step(_operation(name), arguments, keywords, base in VALUED)


def _operation(name: str) -> Any:
    """Return the operation of that name, if it is on the list."""
    if name == "getitem":
        return _item
    if name == "_set_grad_enabled":
        return torch.set_grad_enabled
    library, _, rest = name.partition(".")
    base, _, overload = rest.partition(".")
    known = base in OPERATIONS or (base.endswith("_") and base[:-1] in OPERATIONS)
    if library != "aten" or not known or "out" in overload.split("_"):
        raise Invalid(f"the operation {name[:60]} is not allowed in a graph")
    packet = getattr(torch.ops.aten, base, None)
    operation = getattr(packet, overload or "default", None)
    if not isinstance(operation, torch._ops.OpOverload):
        raise Invalid(f"there is no operation {name[:60]}")
    return operation


def _item(value: Any, place: Any) -> Any:
    if not isinstance(value, (list, tuple)) or type(place) is not int:
        raise TypeError("only an operation with several results has items")
    return value[place]


def _checked(value: Any, steps: int, where: str) -> Any:
    """Return an argument as it is, if it is one, and what it refers to comes before."""
    if isinstance(value, list):
        return [_checked(item, steps, where) for item in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        kind, of = next(iter(value.items()))
        if kind in ("step", "input", "constant") and type(of) is int and of >= 0 and (kind != "step" or of < steps):
            return value
        if kind == "float" and of in ("inf", "-inf", "nan"):
            return float(of)
        if kind == "dtype" and isinstance(of, str) and isinstance(getattr(torch, of, None), torch.dtype):
            return getattr(torch, of)
        if kind == "device":
            return torch.device("cpu")
    raise Invalid(f"{where}: an argument of the graph is none")


def _filled(value: Any, inputs: Sequence[Any], constants: Sequence[Any], results: Sequence[Any]) -> Any:
    """Return an argument with what it refers to in its place."""
    if type(value) is list:
        return [_filled(item, inputs, constants, results) for item in value]
    if type(value) is dict:
        kind, place = next(iter(value.items()))
        return {"input": inputs, "constant": constants, "step": results}[kind][place]
    return value


def _outcome(value: Any) -> Any:
    """Return the result, a tensor or a tuple of tensors."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, list) and value and all(isinstance(item, torch.Tensor) for item in value):
        return tuple(value)
    raise TypeError("the result must be a tensor, or a tuple of tensors")


def _last_uses(steps: Sequence[_Step], result: Any) -> list[list[int]]:
    """Return, for each step, the steps whose results nothing needs after it."""
    last = list(range(len(steps)))
    for place, step in enumerate(steps):
        for used in step.uses:
            last[used] = place
    kept = _Step(None, [result], {}).uses
    unused: list[list[int]] = [[] for _ in steps]
    for place, at in enumerate(last):
        if place not in kept:
            unused[at].append(place)
    return unused


def _drawn(row: Any, generator: torch.Generator) -> tuple[torch.Tensor, int]:
    """Return a tensor drawn from its law, and how many exact values that law gave."""
    try:
        shape, dtype, law = [int(size) for size in row["shape"]], getattr(torch, row["dtype"]), row["law"]
        if not isinstance(dtype, torch.dtype) or any(size < 0 for size in shape) or math.prod(shape) > LIMIT.largest:
            raise Invalid("a parameter or buffer is too large, or of no known type")
        if law == "constant":
            return torch.full(shape, row["value"], dtype=dtype), 0
        if law == "exact":
            return torch.tensor(row["value"][: CONSTANTS + 1], dtype=dtype).reshape(shape), math.prod(shape)
        mean, spread = float(row["mean"]), float(row["std"])
        if law == "uniform":
            half = spread * math.sqrt(3)
            return torch.empty(shape, dtype=dtype).uniform_(mean - half, mean + half, generator=generator), 0
        if law == "normal":
            return torch.empty(shape, dtype=dtype).normal_(mean, spread, generator=generator), 0
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as problem:
        raise Invalid(f"a parameter or buffer is described wrongly: {problem}") from problem
    raise Invalid(f"a parameter or buffer has the unknown law {str(law)[:30]}")
