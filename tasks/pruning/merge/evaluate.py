"""Fine-tunes one network on several views of the digits, has the candidate merge what that changed, and tests the result
on all of them.

The candidate sees weights and no image. Of what it returns only the direction counts: the judge scales it to a few lengths,
takes the one that is best on validation images, and scores that one on others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evolve import Candidate, Invalid, Result
from evolve.kit import picture

Weights = dict[str, np.ndarray]
Transform = Callable[[Tensor], Tensor]

EXPERTS = 6
"""How many are merged, each of a view of the digits that the seed draws."""
HIDDEN: dict[str, Transform] = {
    "upside down": lambda x: x.flip(1),
    "three quarter turns": lambda x: x.rot90(3, (1, 2)),
    "rolled by four": lambda x: x.roll(4, 1),
    "half inverted": lambda x: torch.cat([x[:, :, :4], -x[:, :, 4:]], 2),
    "rows interleaved": lambda x: x[:, [0, 4, 1, 5, 2, 6, 3, 7]],
    "columns interleaved": lambda x: x[:, :, [0, 4, 1, 5, 2, 6, 3, 7]],
    "inverted and mirrored": lambda x: -x.flip(2),
    "other diagonal": lambda x: x.transpose(1, 2).rot90(2, (1, 2)),
}
"""The views of `validate`, of another kind than those that seeds draw."""
FRESH = range(1000, 1004)
"""The seeds of `validate`, far from those of `evaluate`."""
WIDTHS = (64, 256, 256, 10)
HIDDEN_WIDTHS = (64, 192, 192, 192, 10)
LENGTHS = tuple(2.0 ** (step / 3 - 3) for step in range(16))
"""How long a merged delta is made, in lengths of the experts' own (their mean): 1/8 to 4, three steps to each doubling."""


@dataclass(frozen=True)
class Family:
    """A base network, and what fine-tuning it on each of some transforms changed."""

    base: Weights
    deltas: tuple[Weights, ...]
    transforms: tuple[str, ...]
    experts: tuple[float, ...]
    """Each expert's test accuracy on its own transform."""


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return all 1797 images, in [-1, 1], and their labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return torch.from_numpy((found.images / 8 - 1).astype(np.float32)), torch.from_numpy(found.target).long()


def views(seed: int) -> dict[str, Transform]:
    """Return how the experts of a seed see the digits: rows and columns in another order, about half of the rows inverted. No two
    seeds have a view in common, so a network that was brought along knows none of them.
    """
    generator = torch.Generator().manual_seed(seed)

    def view(rows: Tensor, columns: Tensor, signs: Tensor) -> Transform:
        return lambda x: x[:, rows][:, :, columns] * signs[:, None]

    return {
        f"view {number}": view(
            torch.randperm(8, generator=generator),
            torch.randperm(8, generator=generator),
            2.0 * torch.randint(2, (8,), generator=generator) - 1,
        )
        for number in range(1, EXPERTS + 1)
    }


def split(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return which images are for training (900), for the choice of a length (300), and for the score (597)."""
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(seed))
    return order[:900], order[900:1200], order[1200:]


def network(widths: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """Return an untrained perceptron."""
    layers: list[nn.Module] = [nn.Flatten()]
    for wide, narrow in pairwise(widths):
        layer = nn.Linear(wide, narrow)
        with torch.no_grad():
            layer.weight.normal_(0.0, math.sqrt(1.0 / wide), generator=generator)
            layer.bias.zero_()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def fit(net: nn.Sequential, x: Tensor, y: Tensor, epochs: int, rate: float, generator: torch.Generator) -> None:
    """Train a network in place."""
    optimiser = torch.optim.AdamW(net.parameters(), rate)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=generator).split(64):
            optimiser.zero_grad()
            functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimiser.step()


def plain(net: nn.Sequential) -> Weights:
    """Return a network's weights as the candidate sees them."""
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    found = {}
    for number, layer in enumerate(linear, 1):
        found[f"layer{number}.weight"] = layer.weight.detach().numpy().copy()
        found[f"layer{number}.bias"] = layer.bias.detach().numpy().copy()
    return found


def accuracy(weights: Mapping[str, np.ndarray], x: Tensor, y: Tensor) -> float:
    """Return how many of these images a network with these weights gets right."""
    layers = len(weights) // 2
    x = x.flatten(1)
    for number in range(1, layers + 1):
        x = functional.linear(
            x, torch.from_numpy(weights[f"layer{number}.weight"]), torch.from_numpy(weights[f"layer{number}.bias"])
        )
        x = x.relu() if number < layers else x
    return float((x.argmax(1) == y).float().mean())


@cache
def family(seed: int, hidden: bool = False) -> Family:
    """Train a base network and its experts: a few CPU seconds, once in a judge's life for each seed."""
    generator = torch.Generator().manual_seed(seed)
    x, y = digits()
    train, _, test = split(seed)
    transforms, widths = (HIDDEN, HIDDEN_WIDTHS) if hidden else (views(seed), WIDTHS)
    net = network(widths, generator)
    few = train[:100]  # of each transform: a base that knows a little of everything, as a pretrained network does
    every = torch.cat([x[train], *(change(x[few]) for change in transforms.values())])
    fit(net, every, torch.cat([y[train], *([y[few]] * len(transforms))]), 8, 1e-3, generator)
    base, deltas, experts = plain(net), [], []
    for change in transforms.values():
        expert = network(widths, generator)
        expert.load_state_dict(net.state_dict())
        fit(expert, change(x[train]), y[train], 12, 5e-4, generator)
        own = plain(expert)
        deltas.append({name: own[name] - base[name] for name in base})
        experts.append(accuracy(own, change(x[test]), y[test]))
    return Family(base, tuple(deltas), tuple(transforms), tuple(experts))


def read(value: Any, base: Weights) -> Weights:
    """Return the candidate's delta, checked, in float32."""
    if not isinstance(value, dict) or set(value) != set(base):
        names = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise Invalid(f"merge must return a dict with the arrays {sorted(base)}, not {names!s:.200}")
    found = {}
    for name, own in base.items():
        part = value[name]
        if not isinstance(part, np.ndarray) or part.dtype not in (np.float32, np.float64) or part.shape != own.shape:
            kind = f"{part.dtype} of shape {part.shape}" if isinstance(part, np.ndarray) else type(part).__name__
            raise Invalid(f"merge must return {name} as a float array of shape {own.shape}, not {kind}")
        if not np.isfinite(part).all() or np.abs(part).max() > 1e6:
            raise Invalid(f"{name} holds numbers that are not finite, or beyond 1e6")
        found[name] = part.astype(np.float32)
    return found


def length(delta: Weights) -> float:
    """Return the Euclidean length of all of a delta's numbers together."""
    return math.sqrt(sum(float(np.square(part, dtype=np.float64).sum()) for part in delta.values()))


@dataclass(frozen=True)
class Merged:
    """How a merged network did: test accuracy on each transform, at the length that was best on validation images."""

    accuracies: dict[str, float]
    experts: tuple[float, ...]
    scale: float
    curve: tuple[tuple[float, float], ...]

    @property
    def mean(self) -> float:
        """The accuracy over all transforms."""
        return fmean(self.accuracies.values())

    def says(self) -> str:
        """Say where it is weak."""
        worst = sorted(self.accuracies.items(), key=lambda one: one[1])
        each = ", ".join(f"{name} {value:.3f}" for name, value in worst)
        alone = f"{len(worst)} experts: {self.mean:.4f} where each expert on its own has {fmean(self.experts):.4f}"
        return f"{alone}, at {self.scale:.2f} times their length; {each}"


def judge(candidate: Candidate, seed: int, chosen: Sequence[int], hidden: bool = False) -> Merged:
    """Have the candidate merge some experts of a family, and test the result on their transforms."""
    found = family(seed, hidden)
    changes = list((HIDDEN if hidden else views(seed)).items())
    deltas = [found.deltas[index] for index in chosen]
    merged = read(candidate.call("merge", found.base, deltas), found.base)
    own = length(merged)
    unit = fmean(map(length, deltas)) / own if own > 0 else 0.0
    x, y = digits()
    _, validation, test = split(seed)

    def tested(scale: float, images: Tensor) -> dict[str, float]:
        weights = {name: found.base[name] + np.float32(scale * unit) * merged[name] for name in merged}
        return {changes[k][0]: accuracy(weights, changes[k][1](x[images]), y[images]) for k in chosen}

    curve = tuple((scale, fmean(tested(scale, validation).values())) for scale in LENGTHS)
    scale = max(curve, key=lambda point: point[1])[0]
    return Merged(tested(scale, test), tuple(found.experts[k] for k in chosen), scale, curve)


def screen(candidate: Candidate) -> float:
    """Return the accuracy of three merged experts."""
    return judge(candidate, 0, three(0)).mean


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Merge all experts of a family and three of them; the score is the mean of both accuracies."""
    every, some = judge(candidate, seed, range(EXPERTS)), judge(candidate, seed, three(seed))
    curves = {f"{len(one.accuracies)} experts": one.curve for one in (every, some)}
    chart = picture.lines(
        curves, title="merged experts", x="length, in lengths of an expert's delta", y="validation accuracy"
    )
    metrics = {
        "all": every.mean,
        "three": some.mean,
        "worst": min(every.accuracies.values()),
        "kept": every.mean / fmean(every.experts),
        "length": every.scale,
    }
    return Result((every.mean + some.mean) / 2, metrics, f"{every.says()}. {some.says()}", {"lengths.svg": chart})


def validate(candidate: Candidate) -> Result:
    """Merge two, five and eight experts of deeper networks on transforms that no score was ever made of."""
    found = []
    for seed in FRESH:
        count = len(HIDDEN)
        found += [
            judge(candidate, seed, [(seed + k) % count for k in range(size)], hidden=True) for size in (2, 5, count)
        ]
    return Result(
        fmean(one.mean for one in found), {"all": fmean(one.mean for one in found if len(one.experts) == len(HIDDEN))}
    )


def three(seed: int) -> tuple[int, ...]:
    """Return which three experts are merged as well: others from seed to seed."""
    every = list(combinations(range(EXPERTS), 3))
    return every[7 * seed % len(every)]
