"""What pruning of the language model goes by: statistics of its matrices, neurons and blocks on texts, and the texts themselves.

A text is cut into `WINDOWS` windows, and a piece is the first tokens of a window. Windows of calibration, of the score and of the
hidden test are never the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evolve.kit import keep, smollm, texts

WINDOWS = 1024
ROLES = ("calibration", "score", "hidden")
"""What every third window is for."""
CHARACTERS = 8
"""Per token, at most, of what is cut off before it is turned into tokens."""


def pieces(name: str, role: str, count: int, length: int, seed: int | None = None) -> Tensor:
    """Return pieces of a text as token ids (count, length): spread evenly over it, or drawn by ``seed``."""
    places = np.arange(ROLES.index(role), WINDOWS, len(ROLES))
    drawn = np.linspace(0, len(places) - 1, count).round().astype(int)
    if seed is not None:
        drawn = np.random.default_rng([seed, ROLES.index(role)]).choice(len(places), count, replace=False)
    return torch.cat([_piece(name, int(place), length) for place in places[drawn]])


@cache
def _piece(name: str, window: int, length: int) -> Tensor:
    data = texts.load(name)
    start = len(data) * window // WINDOWS
    start = data.find(b"\n", start) + 1
    cut = smollm.tokens(data[start : start + CHARACTERS * length].decode("ascii"), length)
    return cut[:1]


@cache
def statistics(count: int, length: int) -> Mapping[str, NDArray[Any]]:
    """Return, computed once and kept, the statistics on ``count`` pieces each of "kjv" and "docs":

    - ``"3.query.norm"``, ``".mean"`` (columns): root mean square and mean of a matrix's inputs over all tokens;
    - ``"3.query.gradient"`` (rows, columns), float16: root mean square over pieces of the loss's gradient by each weight, in
      units of its mean over the matrix;
    - ``"3.slope"``, ``"3.fisher"`` (neurons): mean and mean square over pieces of the loss's gradient by a factor at the
      neuron's output, at 1 (the diagonal of the masks' Fisher information, arXiv 2204.09656);
    - ``"influence"`` (blocks): 1 - cosine of what goes into a block and what comes out, mean over tokens (arXiv 2403.03853).
    """
    return keep.kept("smollm", {"pieces": [count, length], **origin()}, lambda: _statistics(count, length))


def origin() -> dict[str, Any]:
    """Return what everything here hangs on, for `keep.kept`: model, texts, code and versions."""
    return {
        "model": smollm.FILE.sha256,
        "texts": texts.SUMS,
        "code": keep.code(__file__, smollm.__file__, texts.__file__),
        "versions": [torch.__version__, np.__version__],
    }


def _statistics(count: int, length: int) -> dict[str, NDArray[Any]]:
    model = smollm.load()
    weights = {name: weight.detach().requires_grad_() for name, weight in model.weights.items()}
    shown = torch.cat([pieces(name, "calibration", count, length) for name in ("kjv", "docs")])
    sums = _Sums(weights)
    for piece in shown.split(1):
        inner: dict[str, Tensor] = {}
        blocks: list[Tensor] = []

        def watch(name: str, x: Tensor, inner: dict[str, Tensor] = inner, blocks: list[Tensor] = blocks) -> None:
            if name not in weights:
                blocks.append(x.detach())
                return
            sums.inputs(name, x.detach())
            if name.endswith("down"):
                x.retain_grad()
                inner[name.removesuffix(".down")] = x

        smollm.nll(model(piece, weights, watch), piece).mean().backward()
        sums.gradients(inner)
        sums.blocks(blocks)
    return sums.means(shown.numel(), len(shown))


class _Sums:
    """Adds up, piece by piece."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights
        self.square = {name: torch.zeros(weight.shape[1]) for name, weight in weights.items()}
        self.plain = {name: torch.zeros(weight.shape[1]) for name, weight in weights.items()}
        self.gradient = {name: torch.zeros(weight.shape) for name, weight in weights.items()}
        self.slope = torch.zeros(smollm.BLOCKS, smollm.INNER)
        self.fisher = torch.zeros(smollm.BLOCKS, smollm.INNER)
        self.influence = torch.zeros(smollm.BLOCKS)

    def inputs(self, name: str, x: Tensor) -> None:
        """Add what goes into a matrix."""
        self.square[name] += x.square().sum((0, 1))
        self.plain[name] += x.sum((0, 1))

    def gradients(self, inner: Mapping[str, Tensor]) -> None:
        """Add the squares of the gradients by weights and by factors at neurons, and clear them."""
        for name, weight in self.weights.items():
            assert weight.grad is not None
            self.gradient[name] += weight.grad.square()
            weight.grad = None
        for block, x in inner.items():
            assert x.grad is not None
            each = (x.detach() * x.grad).sum((0, 1))
            self.slope[int(block)] += each
            self.fisher[int(block)] += each.square()

    def blocks(self, passed: Sequence[Tensor]) -> None:
        """Add how much each block turns what passes it."""
        for i, (before, after) in enumerate(pairwise(passed)):
            self.influence[i] += (1 - torch.cosine_similarity(before, after, dim=-1)).sum()

    def means(self, tokens: int, shown: int) -> dict[str, NDArray[Any]]:
        """Return the statistics."""
        found = {"influence": (self.influence / tokens).numpy()}
        for name in self.weights:
            gradient = (self.gradient[name] / shown).sqrt()
            found[f"{name}.gradient"] = (gradient / gradient.mean()).half().numpy()
            found[f"{name}.norm"] = (self.square[name] / tokens).sqrt().numpy()
            found[f"{name}.mean"] = (self.plain[name] / tokens).numpy()
        for i in range(smollm.BLOCKS):
            found[f"{i}.slope"] = (self.slope[i] / shown).numpy()
            found[f"{i}.fisher"] = (self.fisher[i] / shown).numpy()
        return found


def losses(
    weights: Mapping[str, Tensor] | None, shown: Mapping[str, Tensor], device: str = "cpu", batch: int = 4
) -> dict[str, NDArray[Any]]:
    """Return the model's loss on each piece, in nats per token, by text: with other matrices than its own, if they are given."""
    model = smollm.load(device)
    used = None if weights is None else {name: weight.to(device) for name, weight in weights.items()}
    with torch.inference_mode():
        return {
            name: torch.cat([smollm.nll(model(part, used), part) for part in tokens.to(device).split(batch)])
            .double()
            .cpu()
            .numpy()
            for name, tokens in shown.items()
        }
