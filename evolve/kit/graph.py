"""In the judge: runs what a candidate's torch code computes, from the graph that `evolve.kit.trace` made of it in the jail.

Only pure ATen operations of a fixed list run, on inputs that the judge chooses, so a candidate's network or loss can be trained
and evaluated here without its code: the recipe, the counts and the labels are out of its reach. What a graph may cost is
measured beforehand, operation by operation, and refused beyond a limit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import torch

from evolve import Invalid
from evolve.kit.description import length
from evolve.kit.step import DTYPES, WHOLE, Step, checked, filled, step
from evolve.kit.work import Meter, Work

NUMBERS = 96
"""Numbers that a candidate's code may bring along, in all and each time that one stands there: elements of its constants and of
buffers with exact values, arguments of its operations (see `evolve.kit.step`), and what the first values of its tensors tell
(see `_Laws`). More would be a place for learnt weights."""
BYTES = 768
"""The most to which a candidate's graphs may be compressed, real numbers left out (see `evolve.kit.description`): the references
of the library take 29 to 242, a transformer of six layers 505, a recurrent layer unrolled over 128 steps 633, and 500 learnt
numbers of six bits, wherever they hide, 800."""
STEPS = 4000
"""Operations that a graph may have."""
TENSORS = 512
"""Parameters and buffers that a network may have."""
ELEMENTS = 20_000_000
"""Their numbers, of all together."""
CROWD = 64
"""A tensor of fewer elements than these may be there for the sake of its deviation, which it tells; so may a uniform one of any
size beyond as many.
"""
CHANCE = 3.0
"""Beyond so many of its standard errors a mean is one that chance does not explain."""

LIMIT = Work(macs=2_000_000_000, elements=100_000_000, largest=4_000_000)
"""What one run of a graph may cost where a task does not say."""


class Function:
    """A candidate's function: tensors in, a tensor or a tuple of them out. Differentiable."""

    def __init__(self, data: Any, limit: Work = LIMIT, steps: int = STEPS) -> None:
        """Check the graph ``data``, of at most so many ``steps``.

        Raises:
            Invalid: if it is no graph, is too long, or uses an operation that is not on the list.
        """
        constants, self.steps, self._result = _parts(data, steps)
        self.constants = [_constant(value) for value in constants]
        self._steps = [step(each, place) for place, each in enumerate(self.steps)]
        described(self)
        self._last = _last_uses(self._steps, self._result)
        self._mutates = any(each.mutates for each in self._steps)
        self._limit = limit
        self._measured: Work | None = None
        self.result: tuple[torch.Size, torch.dtype] | None = None
        """The shape and type of what it returned when it was measured, where that was one tensor."""
        self.varies = False
        """Whether it was seen to select by values, so that each run may cost something else."""

    @property
    def literals(self) -> list[float]:
        """The numbers that its operations compute with, in order."""
        return [value for each in self._steps for value in each.literals]

    @property
    def numbers(self) -> Counter[Any]:
        """The numbers that the graph itself holds, and how often: elements of constants, and what its operations compute with."""
        elements = [
            ("constant", place, at) for place, value in enumerate(self.constants) for at in range(value.numel())
        ]
        held = (value.flatten().tolist() for value in self.constants)
        return Counter([*zip(elements, (one for values in held for one in values), strict=True), *self.literals])

    @property
    def told(self) -> Counter[Any]:
        """The numbers that the graph brings along, each of which could be a learnt one."""
        sizes: set[int] = set().union(*(each.sizes for each in self._steps))
        settings = [("setting", value) for each in self._steps for value in each.settings]
        return self.numbers + Counter(("size", size) for size in sizes) + Counter(settings)

    def __call__(self, *inputs: torch.Tensor) -> Any:
        """Run the graph; the first time measured and within the limits.

        Raises:
            Invalid: if it does not run on these inputs, or costs too much.
        """
        given = [value.clone() for value in inputs] if self._mutates else list(inputs)
        return self.run(given)

    def run(self, inputs: Sequence[torch.Tensor]) -> Any:
        """Run the graph on inputs that it may change."""
        if self._measured is None or self.varies:
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
            found = self._run([value.detach().clone() for value in inputs])
        self.result = (found.shape, found.dtype) if isinstance(found, torch.Tensor) else None
        self.varies |= meter.varies
        return meter.work

    def _run(self, inputs: Sequence[torch.Tensor]) -> Any:
        results: list[Any] = [None] * len(self._steps)
        device = inputs[0].device if inputs else torch.device("cpu")
        constants = [value.to(device, copy=self._mutates) for value in self.constants]
        places = {"input": inputs, "constant": constants, "step": results, "device": [device]}
        outer = torch.is_grad_enabled()
        try:
            for place, each in enumerate(self._steps):
                results[place] = each(places)
                for unused in self._last[place]:
                    results[unused] = None
            return _outcome(filled(self._result, places))
        except (
            RuntimeError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            ArithmeticError,
            AssertionError,
        ) as problem:
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
        laws = _Laws(described(*self._graphs.values()))
        for place, row in enumerate(rows):
            tensor, trained = laws.drawn(row, generator)
            name = f"tensor{place}"
            if trained:
                self.register_parameter(name, torch.nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)
            self._names.append(name)

    @property
    def size(self) -> int:
        """How many numbers the network has: parameters, buffers, constants, and those that its code computes with."""
        graphs = self._graphs["train"].numbers | self._graphs["eval"].numbers
        return graphs.total() + sum(int(getattr(self, name).numel()) for name in self._names)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the graph of the present mode on a batch like the example that it was traced with."""
        tensors = [getattr(self, name) for name in self._names]
        if not self.training:
            tensors = [tensor.clone() for tensor in tensors]  # whatever it does to them is forgotten
        graph = self._graphs["train" if self.training else "eval"]
        before, shapes = [tensor._version for tensor in tensors], [tensor.shape for tensor in tensors]
        result = graph.run([*tensors, x.clone()])
        if shapes != [tensor.shape for tensor in tensors]:
            raise Invalid("the network changes the shape of a parameter or buffer")
        if not self.training and before != [tensor._version for tensor in tensors]:
            raise Invalid("the network changes a parameter or buffer in evaluation: it may do so in training only")
        if graph.varies:
            raise Invalid(
                "sizes in a network may not depend on values: use torch.where and masks instead of selecting by them"
            )
        if not isinstance(result, torch.Tensor):
            raise Invalid("the network must return one tensor")
        return result

    def results(self) -> dict[str, tuple[torch.Size, torch.dtype] | None]:
        """Return the shape and type of what either mode's graph returned when `work` ran it; None where that is no tensor."""
        return {mode: graph.result for mode, graph in self._graphs.items()}

    def work(self, x: torch.Tensor) -> Work:
        """Return what one forward pass costs, the dearer of the two modes."""
        inputs = [*(getattr(self, name) for name in self._names), x]
        train, evaluation = (self._graphs[mode].work(*inputs) for mode in ("train", "eval"))
        return Work(*(max(pair) for pair in zip(astuple(train), astuple(evaluation), strict=True)))


def described(*graphs: Function) -> int:
    """Return how many numbers graphs bring along, those that they share counted once.

    Raises:
        Invalid: if these are too many, or the graphs too long even where they are told in the shortest way.
    """
    held = max(sum(int(value.numel()) for value in graph.constants) for graph in graphs)
    if held <= NUMBERS:  # else there may be millions, which need not be told apart
        told: Counter[Any] = Counter()
        for graph in graphs:
            told |= graph.told
        held = told.total()
    if held > NUMBERS:
        raise Invalid(f"the code brings along {held} numbers, and {NUMBERS} are allowed: compute them instead")
    short(*graphs)
    return held


def short(*graphs: Function) -> None:
    """Refuse graphs that are long even where they are told in the shortest way, all of them together."""
    size = length(*(graph.steps for graph in graphs))
    if size > BYTES:
        raise Invalid(
            f"the operations of the code, told in the shortest way, take {size} bytes, and {BYTES} are allowed: a network or loss"
            " of regular parts takes a few hundred, so leave out what differs from place to place"
        )


def macs(network: Network, x: torch.Tensor) -> int:
    """Return the multiply-accumulates per sample of the batch ``x``, rounded up; see `evolve.kit.work`."""
    return -(-network.work(x).macs // len(x))


def _parts(data: Any, most: int) -> tuple[list[Any], list[Any], Any]:
    if not isinstance(data, Mapping) or set(data) != {"constants", "steps", "result"}:
        raise Invalid("not a graph: use evolve.kit.trace")
    constants, steps = data["constants"], data["steps"]
    if not isinstance(constants, list) or not isinstance(steps, list):
        raise Invalid("not a graph: use evolve.kit.trace")
    if len(steps) > most:
        raise Invalid(f"the code performs {len(steps)} operations, and {most} are allowed")
    return constants, steps, checked(data["result"], len(steps), "the result")


def _constant(value: Any) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise Invalid("a graph's constants are tensors")
    if value.dtype not in DTYPES.values():
        raise Invalid(f"a graph's constants may not be of type {value.dtype}")
    return _single(value)


def _single(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor of numbers as precise as float32 has them, so that none is several in one."""
    if value.is_floating_point():
        return value.float().to(value.dtype)
    if value.numel() and value.dtype != torch.bool and not -WHOLE <= int(value.min()) <= int(value.max()) <= WHOLE:
        raise Invalid(f"a constant is a whole number beyond {WHOLE}")
    return value


def _outcome(value: Any) -> Any:
    """Return the result, a tensor or a tuple of tensors."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, list) and value and all(isinstance(item, torch.Tensor) for item in value):
        return tuple(value)
    raise TypeError("the result must be a tensor, or a tuple of tensors")


def _last_uses(steps: Sequence[Step], result: Any) -> list[list[int]]:
    """Return, for each step, the steps whose results nothing needs after it."""
    last = list(range(len(steps)))
    for place, each in enumerate(steps):
        for used in each.uses:
            last[used] = place
    kept = Step(None, [result], {}).uses
    unused: list[list[int]] = [[] for _ in steps]
    for place, at in enumerate(last):
        if place not in kept:
            unused[at].append(place)
    return unused


class _Laws:
    """Draws a network's tensors from their laws, and keeps count of the numbers that these tell, beside the ``told`` ones of its
    code: exact values; constants but 0, 1 and -1; a mean that chance does not explain; and the deviation of a tensor of fewer
    elements than `CROWD`, or of a uniform one, whose largest element tells it well, after as many: many could stand for as many
    learnt weights.
    """

    def __init__(self, told: int) -> None:
        self._elements = 0
        self._uniform = 0
        self._told = told

    def drawn(self, row: Any, generator: torch.Generator) -> tuple[torch.Tensor, bool]:
        """Return a tensor drawn from its law, and whether it is trained.

        Raises:
            Invalid: if it is described wrongly, or the tensors so far hold too much.
        """
        try:
            shape, dtype, trained = [int(size) for size in row["shape"]], DTYPES[row["dtype"]], row["trained"] is True
            self._elements += math.prod(shape)
            if not all(0 < size <= ELEMENTS for size in shape) or self._elements > ELEMENTS:
                raise Invalid("a parameter or buffer is empty or too large")
            if trained and not dtype.is_floating_point:
                raise Invalid(f"a parameter of type {dtype} cannot be trained")
            tensor = self._by_law(row, shape, dtype, generator)
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError) as problem:
            raise Invalid(f"a parameter or buffer is described wrongly: {problem}") from problem
        if self._told > NUMBERS:
            raise Invalid(
                f"constants in the code, buffers, and the first values of small tensors tell more than {NUMBERS} numbers: compute"
                f" tables in forward, begin with 0 or 1, and give tensors of fewer than {CROWD} random numbers together as one"
            )
        return tensor, trained

    def _by_law(self, row: Any, shape: list[int], dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
        law, count = row["law"], math.prod(shape)
        if law == "constant":
            self._told += row["value"] not in (0, 1, -1)
            return _single(torch.full(shape, row["value"], dtype=dtype))
        if law == "exact":
            self._told += count
            return _single(torch.tensor(row["value"][: NUMBERS + 1], dtype=dtype).reshape(shape))
        mean, spread = float(row["mean"]), float(row["std"])
        if dtype == torch.float64:  # which could hold more of them than one number
            mean, spread = float(np.float32(mean)), float(np.float32(spread))
        self._uniform += law == "uniform"
        crowded = count < CROWD or (law == "uniform" and self._uniform > CROWD)
        self._told += crowded + (abs(mean) > CHANCE * spread / math.sqrt(count))
        if law == "uniform":
            half = spread * math.sqrt(3)
            return torch.empty(shape, dtype=dtype).uniform_(mean - half, mean + half, generator=generator)
        if law == "normal":
            return torch.empty(shape, dtype=dtype).normal_(mean, spread, generator=generator)
        raise Invalid(f"a parameter or buffer has the unknown law {str(law)[:30]}")
