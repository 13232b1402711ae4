"""A network within a task's budget: what may be trained here, and what it takes is measured before it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evolve import Invalid
from evolve.kit.graph import Network
from evolve.kit.work import Work

BEYOND = 10
"""How many times its multiply-accumulates a network may take before it is not even measured."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a network may take per ``place``: a sample, or each item of a sequence.

    Attributes:
        parameters: parameters, buffers, constants and literals of the whole network.
        macs: multiply-accumulates per place.
        elements: numbers that operations read or write per place, in all; this bounds the time that it takes.
        largest: numbers of one tensor per place; this bounds the memory.
        operations: of one pass.
        place: what a place is called.
    """

    parameters: int
    macs: int
    elements: int
    largest: int
    operations: int
    place: str

    def network(self, data: Any, seed: int, example: Tensor, result: tuple[int, ...]) -> tuple[Network, int]:
        """Return the network that a candidate described, with first values drawn from ``seed``, and its macs per place.

        Args:
            data: what `evolve.kit.trace.network` gave.
            seed: of the first values.
            example: a batch of inputs.
            result: the shape of the logits that it must return for them, in float32: places, and the classes of each.

        Raises:
            Invalid: if it is none, takes too much, or returns something else.
        """
        places = math.prod(result[:-1])
        limit = Work(BEYOND * self.macs * places, self.elements * places, self.largest * places)
        network = Network(data, seed, limit)
        self._within(
            "operations in a pass", max(len(data[mode]["steps"]) for mode in ("train", "eval")), self.operations
        )
        self._within("parameters, buffers and other numbers", network.size, self.parameters)
        macs = -(-network.work(example).macs // places)
        self._within(f"multiply-accumulates per {self.place}", macs, self.macs)
        network.eval()
        with torch.no_grad():
            network(example)
        for mode, found in network.results().items():
            if found != (result, torch.float32):
                other = "no tensor" if found is None else f"{found[1]} of the shape {tuple(found[0])}"
                when = "training" if mode == "train" else "evaluation"
                raise Invalid(
                    f"the network must return float32 logits {result} for inputs {tuple(example.shape)}, not {other}, in {when}"
                )
        return network, macs

    @staticmethod
    def _within(what: str, used: int, allowed: int) -> None:
        if used > allowed:
            raise Invalid(f"the network has {used:,} {what}, and {allowed:,} are allowed")
