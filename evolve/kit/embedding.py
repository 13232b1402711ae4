"""How well a pruned MiniLM still embeds, and what its dense original can tell about its weights.

Data are the pairs of texts of `evolve.kit.texts`, cut into parts that share none: one to calibrate on, one to judge with, and
one held out. A pruned network is judged by *agreement*: Spearman's correlation of the cosines between all queries and all
targets with those of the dense network. Retrieval ranks by cosine, so that is what pruning must keep; it separates criteria
that the mean reciprocal rank of a few hundred queries cannot.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from evolve.kit import minilm, texts
from evolve.kit.minilm import MiniLM
from evolve.kit.statistics import spearman

LONGEST = 48
"""Tokens of a text, at most: longer ones cost more and hardly change an order."""
CALIBRATION, HELD_OUT = 48, 64
"""Pairs of each domain for calibration, and held out."""
TEMPERATURE = 0.05
"""Of the contrastive loss, as sentence-transformers scales cosines by 20."""
DAMPING = 0.01
"""Of a Gram matrix before it is inverted, as a share of its mean diagonal (as SparseGPT, arXiv 2301.00774, does)."""

Part = Literal["calibration", "judging", "held out"]
Pairs = tuple[tuple[list[int], ...], tuple[list[int], ...]]
"""Tokens of queries and of their targets, in the same order."""


@cache
def pool(domain: str, part: Part) -> Pairs:
    """Return all pairs of a part of a domain (a name of `texts.SUMS`), in an order that is random and always the same."""
    found = texts.pairs(domain)
    random.Random(domain).shuffle(found)
    parts = {
        "calibration": found[:CALIBRATION],
        "held out": found[CALIBRATION : CALIBRATION + HELD_OUT],
        "judging": found[CALIBRATION + HELD_OUT :],
    }
    queries, targets = zip(*parts[part], strict=True)
    return tuple(minilm.encode(queries, LONGEST)), tuple(minilm.encode(targets, LONGEST))


def first(pairs: Pairs, n: int) -> Pairs:
    """Return the first ``n`` of the pairs."""
    return pairs[0][:n], pairs[1][:n]


def draw(pairs: Pairs, n: int, seed: int) -> Pairs:
    """Return ``n`` of the pairs, drawn by ``seed``."""
    chosen = random.Random(seed).sample(range(len(pairs[0])), n)
    return tuple(pairs[0][i] for i in chosen), tuple(pairs[1][i] for i in chosen)


class Probe:
    """Pairs to judge with, and what the dense network makes of them."""

    def __init__(self, network: MiniLM, pairs: Pairs) -> None:
        self._network, self._texts, self._n = network, [*pairs[0], *pairs[1]], len(pairs[0])
        self.dense = self.cosines(network.weights)

    def cosines(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the cosines (queries, targets) that a network of these weights gives."""
        device = self._network.weights["0.query"].device
        found = minilm.embed(self._network, self._texts, {name: weight.to(device) for name, weight in weights.items()})
        return found[: self._n] @ found[self._n :].T

    def agreement(self, weights: Mapping[str, Tensor]) -> float:
        """Return Spearman's correlation with the dense network's cosines; 0 where all of the pruned one's are equal."""
        return self.agreements(weights, 1)[0]

    def agreements(self, weights: Mapping[str, Tensor], groups: int) -> list[float]:
        """Return the agreement on each of so many groups of pairs, which share none."""
        found, size = self.cosines(weights), self._n // groups
        cuts = [slice(size * group, size * (group + 1) if group + 1 < groups else None) for group in range(groups)]
        return [spearman(found[cut, cut].numpy().ravel(), self.dense[cut, cut].numpy().ravel()) for cut in cuts]


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the inputs x of one matrix, over all tokens of the calibration texts.

    Attributes:
        gram: the mean of x xᵀ, (columns, columns).
        mean: the mean of x, (columns,).
    """

    gram: Tensor
    mean: Tensor

    def inverse(self) -> Tensor:
        """Return the diagonal of the damped Gram matrix's inverse."""
        damping = DAMPING * self.gram.diagonal().mean() * torch.eye(len(self.gram))
        return torch.cholesky_inverse(torch.linalg.cholesky(self.gram + damping)).diagonal()


def moments(
    network: MiniLM, encoded: Sequence[Sequence[int]], layers: Collection[int] = range(minilm.LAYERS)
) -> dict[str, Moments]:
    """Return the inputs' moments of the matrices of ``layers`` by name; query, key and value have the same object."""
    grams: dict[str, Tensor] = {}
    sums: dict[str, Tensor] = {}
    real = torch.empty(0)

    def watch(name: str, x: Tensor) -> None:
        if name.endswith((".key", ".value")) or int(name.partition(".")[0]) not in layers:
            return  # a query's inputs are those of key and value
        rows = x[real]
        grams[name] = grams.get(name, 0.0) + rows.T @ rows
        sums[name] = sums.get(name, 0.0) + rows.sum(0)

    with torch.inference_mode():
        for _, tokens in minilm.batches(encoded, 16):
            real = tokens != 0
            network(tokens, watch=watch)
    count = sum(map(len, encoded))
    found = {name: Moments(grams[name] / count, sums[name] / count) for name in grams}
    same = {f"{i}.{kind}": found[f"{i}.query"] for i in layers for kind in ("key", "value")}
    return {name: (found | same)[name] for name in network.weights if name in found or name in same}


@dataclass(frozen=True, slots=True)
class Gradients:
    """Of the contrastive loss by one matrix, (rows, columns): the mean over batches, and the mean of its squares."""

    mean: Tensor
    square: Tensor


def gradients(network: MiniLM, pairs: Pairs, size: int) -> dict[str, Gradients]:
    """Return the gradients by all 36 matrices of the loss InfoNCE (van den Oord et al., arXiv 1807.03748, equation 4).

    Args:
        network: the dense one.
        pairs: whose number ``size`` divides; each query is to find its target among those of its batch.
        size: of a batch.
    """
    weights = {name: weight.clone().requires_grad_() for name, weight in network.weights.items()}
    means = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    squares = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    starts = range(0, len(pairs[0]), size)
    for start in starts:
        queries, targets = (network(minilm.pad(side[start : start + size]), weights) for side in pairs)
        loss = cross_entropy(queries @ targets.T / TEMPERATURE, torch.arange(size))
        found = torch.autograd.grad(loss, list(weights.values()))
        for name, gradient in zip(weights, found, strict=True):
            means[name] += gradient / len(starts)
            squares[name] += gradient.square() / len(starts)
    return {name: Gradients(means[name], squares[name]) for name in weights}
