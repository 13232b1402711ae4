"""In the judge: one operation of a candidate's graph, checked by its name, its schema and what its arguments are.

What a schema takes as a number is a number in the graph, never a tensor's value: sizes do not depend on data, and what a graph
costs once it costs each time. How many numbers it may hold is limited, wherever they stand: each could be a learnt weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from evolve import Invalid
from evolve.kit.aten import OPERATIONS, VALUED

WIDTH = 64
"""Numbers in a list, as many as a tensor has dimensions."""
SMALL = 256
"""Whole numbers up to here are sizes, axes and places; beyond, and where an operation computes with them, they are numbers."""
END = 2**63 - 1
"""What a slice without an end ends with."""
WHOLE = 2**24
"""Whole numbers up to here are numbers: one beyond could be several in one."""
DEFAULTS = (1e-5, 0.1)
"""What torch's layers are set to where nobody says: such settings tell nothing."""
UNMARKED = {"batch_norm", "instance_norm"}
"""Operations that change arguments, running statistics, though their schemas do not say so."""
BY_VALUE = {"aten.tensor_split.tensor_indices_or_sections", *(f"aten.{name}.data" for name in ("gru", "lstm"))}
BY_VALUE |= {"aten.rnn_relu.data", "aten.rnn_tanh.data"}
"""Overloads that read sizes from tensors."""
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16)
} | {"float32": torch.float32, "float64": torch.float64}  # fmt: skip
"""What tensors may be of. No complex numbers: their products would count as one each."""

CODED = ("ScalarType", "Layout", "MemoryFormat")
"""What torch takes by name, or by a number of its own: one that it does not know ends the process."""

Places = Mapping[str, Sequence[Any]]
"""What arguments refer to: inputs, constants, results of earlier steps, and the device."""


class Step:
    """One operation, ready to run.

    Attributes:
        literals: the numbers that it computes with, but for 0, 1 and -1; real ones as precise as float32 has them.
        settings: the other real numbers that it is given, `DEFAULTS` left out.
        sizes: whole numbers beyond `SMALL` that it is given as sizes, axes and places.
        uses: the steps whose results it takes.
        mutates: whether it changes an argument.
    """

    def __init__(self, operation: Any, arguments: list[Any], keywords: dict[str, Any], base: str = "") -> None:
        self.operation = operation
        self._valued = base in VALUED
        self.arguments = [_precise(value) for value in arguments] if self._valued else arguments
        self.keywords = {key: _precise(value) for key, value in keywords.items()} if self._valued else keywords
        self.uses: set[int] = set()
        self.literals: list[float] = []
        self.settings: list[float] = []
        self.sizes: set[int] = set()
        for value in (*arguments, *keywords.values()):
            self._look(value)
        schema = getattr(operation, "_schema", None)
        self.mutates = base in UNMARKED or bool(schema and schema.is_mutable)
        takes = schema.arguments if schema else []
        self._made = any(each.name == "device" for each in takes) and "Tensor" not in str(takes[0].type)

    def _look(self, value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                self._look(item)
        elif isinstance(value, dict) and "step" in value:
            self.uses.add(value["step"])
        elif type(value) in (int, float) and math.isfinite(value) and value not in (0, 1, -1, END):
            if self._valued:
                self.literals.append(value)
            elif type(value) is int and abs(value) > SMALL:
                self.sizes.add(value)
            elif type(value) is float and value not in DEFAULTS:
                self.settings.append(value)

    def __call__(self, places: Places) -> Any:
        """Run it."""
        arguments = [filled(value, places) for value in self.arguments]
        keywords = {key: filled(value, places) for key, value in self.keywords.items()}
        if self._made:
            keywords["device"] = places["device"][0]
        return self.operation(*arguments, **keywords)


def step(data: Any, place: int) -> Step:
    """Return a step, checked: an operation of the list, and arguments that are there by then.

    Raises:
        Invalid: if it is none.
    """
    if not (isinstance(data, list) and len(data) == 3 and isinstance(data[0], str)):
        raise Invalid(f"step {place} of the graph is none")
    name, arguments, keywords = data
    if not isinstance(arguments, list) or not isinstance(keywords, dict):
        raise Invalid(f"step {place} of the graph is none")
    where = f"step {place} ({name[:60]})"
    arguments = [checked(value, place, where) for value in arguments]
    keywords = {key: checked(value, place, where) for key, value in keywords.items()}
    base = name.split(".")[1] if name.count(".") else name
    base = base if base in OPERATIONS else base.removesuffix("_")
    operation = _operation(name)
    _fitting(operation, arguments, keywords, where)
    if base == "one_hot" and (len(arguments) < 2 or type(arguments[1]) is not int or arguments[1] < 1):
        raise Invalid(f"{where}: say how many classes one_hot has")
    return Step(operation, arguments, keywords, base)


def _operation(name: str) -> Any:
    """Return the operation of that name, if it is on the list."""
    if name == "getitem":
        return _item
    if name == "_set_grad_enabled":
        return torch.set_grad_enabled
    library, _, rest = name.partition(".")
    base, _, overload = rest.partition(".")
    known = base in OPERATIONS or (base.endswith("_") and base[:-1] in OPERATIONS)
    if library != "aten" or not known or name in BY_VALUE:
        raise Invalid(f"the operation {name[:60]} is not allowed in a graph")
    packet = getattr(torch.ops.aten, base, None)
    operation = getattr(packet, overload or "default", None)
    if not isinstance(operation, torch._ops.OpOverload):
        raise Invalid(f"there is no operation {name[:60]}")
    if not all("Tensor" in str(returned.type) for returned in operation._schema.returns):
        raise Invalid(f"the operation {name[:60]} is not allowed in a graph: it computes with no tensors")
    reshapes = torch.Tag.inplace_view in operation.tags and base != "detach_"
    if reshapes or any(argument.is_out for argument in operation._schema.arguments):
        raise Invalid(f"the operation {name[:60]} is not allowed in a graph: it gives a tensor another shape in place")
    return operation


def _fitting(operation: Any, arguments: list[Any], keywords: dict[str, Any], where: str) -> None:
    """Refuse tensors where the operation takes numbers: it would read their values."""
    if operation is torch.set_grad_enabled and [*map(type, arguments)] != [bool]:
        raise Invalid(f"{where}: an argument of the graph is none")
    if not isinstance(operation, torch._ops.OpOverload):
        return
    takes = operation._schema.arguments
    named = {argument.name: argument for argument in takes}
    pairs = [*zip(takes, arguments, strict=False), *((named[key], keywords[key]) for key in keywords if key in named)]
    for argument, value in pairs:
        if "Tensor" not in str(argument.type) and _refers(value):
            raise Invalid(f"{where}: {argument.name} must be a number, which no tensor's value can be")
        if type(value) is int and any(kind in str(argument.real_type) for kind in CODED):
            raise Invalid(f"{where}: {argument.name} must be told by its name")
        if argument.name == "sparse" and value is True:
            raise Invalid(f"{where}: gradients may not be sparse; leave out sparse=True")


def _refers(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_refers, value))
    return isinstance(value, dict) and "device" not in value


def _item(value: Any, place: Any) -> Any:
    if not isinstance(value, (list, tuple)) or type(place) is not int:
        raise TypeError("only an operation with several results has items")
    return value[place]


def checked(value: Any, steps: int, where: str) -> Any:
    """Return an argument as it is, if it is one, and what it refers to comes before.

    Raises:
        Invalid: if it is none.
    """
    if isinstance(value, list):
        if len(value) > WIDTH and not all(isinstance(item, dict) for item in value):
            raise Invalid(f"{where}: a list of more than {WIDTH} numbers")
        return [checked(item, steps, where) for item in value]
    if type(value) is int and abs(value) > WHOLE and value not in (END, -END - 1):
        raise Invalid(f"{where}: a whole number beyond {WHOLE}")
    if value is None or type(value) in (bool, int, float) or (type(value) is str and len(value) <= WIDTH):
        return value
    if isinstance(value, dict) and len(value) == 1:
        kind, of = next(iter(value.items()))
        if kind in ("step", "input", "constant") and type(of) is int and of >= 0 and (kind != "step" or of < steps):
            return value
        if kind == "float" and isinstance(of, str) and of in ("inf", "-inf", "nan"):
            return float(of)
        if kind == "dtype" and isinstance(of, str) and of in DTYPES:
            return DTYPES[of]
        if kind == "device" and type(of) is int and of == 0:
            return value
    raise Invalid(f"{where}: an argument of the graph is none")


def _precise(value: Any) -> Any:
    """Return a real number as precise as float32 has it, so that none is several in one; anything else as it is."""
    if isinstance(value, list):
        return [_precise(item) for item in value]
    return float(np.float32(value)) if type(value) is float else value


def filled(value: Any, places: Places) -> Any:
    """Return an argument with what it refers to in its place."""
    if type(value) is list:
        return [filled(item, places) for item in value]
    if type(value) is dict:
        kind, place = next(iter(value.items()))
        return places[kind][place]
    return value
