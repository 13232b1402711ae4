"""What a computation costs: multiply-accumulates, and how many numbers it produces.

Contractions are counted by torch's flop counter (`torch.utils.flop_counter`, two operations per multiply-accumulate) on the
operations that really run, not on modules, so a product written by hand counts like a layer. Products of two tensors element by
element count too, one for each element: a contraction can be written as a product and a sum.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import flop_registry

from evolve import Invalid

PRODUCTS = frozenset(
    {
        "mul",
        "multiply",
        "div",
        "divide",
        "true_divide",
        "addcmul",
        "addcdiv",
        "xlogy",
        "special_xlogy",
        "special_xlog1py",
        "mse_loss",
        "_prelu_kernel",
        "scatter_reduce",
        "lerp",
        "dot",
        "vdot",
        "mv",
        "addmv",
        "addr",
        "outer",
    }
)
"""Operations whose results are products of tensors' elements."""
POWERS = frozenset(
    {"pow", "square", "linalg_vector_norm", "norm", "prod", "cumprod", "var", "var_mean", "std", "std_mean"}
)
"""Operations that multiply a tensor's elements with each other or themselves: from squares a product can be had as well."""
POOLS = frozenset({"avg_pool2d", "avg_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices"})
"""Operations that read so many numbers for each result as their first setting says."""
SPLITS = frozenset({"unbind", "split", "unsafe_split"})
"""Operations that may give as many tensors as there are places in one."""
RESULTS = 10_000
"""Tensors that one operation may give."""
OPERATIONS = 50_000
"""Operations that a run may come down to: a recurrent layer is many, and so is a split into many parts."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a run costs: ``macs`` multiply-accumulates, ``elements`` numbers read or produced by the operations that are no
    views (the larger of both), ``largest`` of them in one tensor.
    """

    macs: int = 0
    elements: int = 0
    largest: int = 0


class Meter(TorchDispatchMode):
    """Measures what runs inside, and refuses an operation whose result would be too large before it runs.

    Attention is computed by its formula meanwhile, and recurrent layers step by step, so that their products are seen.
    """

    def __init__(self, limit: Work) -> None:
        super().__init__()
        self.work = Work()
        self.varies = False
        """Whether a size depended on values."""
        self._limit = limit
        self._left = OPERATIONS
        self._plain = ExitStack()

    def __enter__(self) -> Self:
        self._plain.enter_context(sdpa_kernel(SDPBackend.MATH))
        self._plain.callback(torch._C._set_mkldnn_enabled, torch._C._get_mkldnn_enabled())
        # By this name: torch.backends.mkldnn.flags warns of what is for other devices.
        torch._C._set_mkldnn_enabled(False)
        super().__enter__()
        return self

    def __exit__(self, *reason: Any) -> None:
        super().__exit__(*reason)
        self._plain.close()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count the operation ``func`` and run it.

        Raises:
            Invalid: if the run has become too expensive.
        """
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__.rstrip("_")
        self._left -= 1
        if self._left < 0:
            raise Invalid(f"the code comes down to more than {OPERATIONS} operations, with {name}")
        if name in SPLITS and _parts(func, args, kwargs) > RESULTS:  # before they are made: each takes half a kilobyte
            raise Invalid(f"{name} gives more than {RESULTS} tensors")
        given = _sizes((args, kwargs))
        selects = name in ("nonzero", "masked_select") or (name == "index" and any(_masks(args[1])))
        shapes = _selected(func, args) if selects else _shapes(func, args, kwargs)
        macs = self._macs(func, name, args, kwargs, shapes, given)
        self.varies |= selects
        made = _sizes(shapes)
        _sound(name, args, kwargs)
        elements = 0 if func.is_view else max([*given, *made], default=0)
        if name in POOLS:
            kernel = args[1] if isinstance(args[1], (list, tuple)) else [args[1]]
            elements = max(elements, max(made, default=0) * math.prod(kernel))
        self.work = Work(self.work.macs + macs, self.work.elements + elements, max([self.work.largest, *made]))
        self._compare(name)
        return func(*args, **kwargs)

    def _macs(self, func: Any, name: str, args: Any, kwargs: Any, shapes: Any, given: list[int]) -> int:
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            return int(count(*args, **kwargs, out_val=shapes)) // 2
        # A product with a number scales, as it does in normalisation: it contracts nothing.
        product = name in PRODUCTS and sum(isinstance(value, torch.Tensor) for value in args) > 1
        if not (product or name in POWERS):
            return 0
        return max([*given, *_sizes(shapes)], default=0)

    def _compare(self, name: str) -> None:
        for what, of in (("largest", "numbers in one tensor"), ("elements", "numbers in all"), ("macs", "products")):
            if getattr(self.work, what) > getattr(self._limit, what):
                raise Invalid(f"the code needs more than {getattr(self._limit, what):,} {of} in a run, with {name}")


def _parts(func: Any, args: Any, kwargs: Any) -> int:
    """Return how many tensors one of `SPLITS` would give."""
    named = {one.name: value for one, value in zip(func._schema.arguments, args, strict=False)} | kwargs
    size: int = named["self"].shape[named.get("dim", 0)]
    each: int = max(1, named.get("split_size", 1))
    return -(-size // each)


def _masks(indices: Any) -> list[bool]:
    """Return of each index whether it is a mask."""
    return [isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8) for index in indices]


def _selected(func: Any, args: Any) -> Any:
    """Return what an operation that selects by values would give, without these: how many there are is counted."""
    name, tensor = func.overloadpacket.__name__, args[0]
    if name == "nonzero":
        return torch.empty(int(tensor.count_nonzero()), tensor.dim(), device="meta")
    if name == "masked_select":
        tensor, mask = torch.broadcast_tensors(tensor, args[1])
        return torch.empty(int(mask.count_nonzero()), device="meta")
    places: list[Any] = []
    for index, mask in zip(args[1], _masks(args[1]), strict=True):
        count = torch.empty(int(index.count_nonzero()), dtype=torch.int64, device="meta") if mask else None
        places += [count] * index.dim() if mask else [None if index is None else torch.empty_like(index, device="meta")]
    return func(torch.empty_like(tensor, device="meta"), places)


def _shapes(func: Any, args: Any, kwargs: Any) -> Any:
    """Return what the operation would give, without values."""
    if func.overloadpacket.__name__ == "_local_scalar_dense":
        return ()
    meta, named = tree_map_only(torch.Tensor, lambda value: torch.empty_like(value, device="meta"), (args, kwargs))
    if any(argument.name == "device" for argument in func._schema.arguments):
        named["device"] = torch.device("meta")
    return func(*meta, **named)


def _sound(name: str, args: Any, kwargs: Any) -> None:
    """Refuse a division that ends the process where its result does not fit: of whole numbers, cut off towards 0."""
    whole = all(not value.is_floating_point() for value in args if isinstance(value, torch.Tensor))
    if name in ("div", "divide") and kwargs.get("rounding_mode") == "trunc" and whole:
        raise Invalid("whole numbers are divided with rounding_mode='floor' here, not 'trunc'")


def _sizes(values: Any) -> list[int]:
    return [value.numel() for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
