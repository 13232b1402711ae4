"""Trains the network that a program describes on MNIST-1D, and scores how many new curves it classifies correctly.

The program runs in the jail and only says what it computes: a list of operations with tensors whose first values are drawn
here. The judge trains it, with one recipe or the program's own, and evaluates it. What counts as small - parameters, buffers
and other numbers; multiply-accumulates of the dearer of training and evaluation - is measured on what really runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

from evolve import Candidate, Invalid, Result
from evolve.kit import graph, mnist1d, picture, recipe, training
from evolve.kit.budget import Budget

SHAPE = (1, mnist1d.POINTS)
TRAINING, VALIDATION, SCREEN = 42, 1001, 1002
"""Seeds of curves that selection sees."""
HIDDEN_TRAINING, HIDDEN = 7042, 2002
"""Seeds of curves that `validate` alone uses."""
FRESH = tuple(range(1000, 1012))
"""Seeds of networks, likewise."""

LARGEST, OPERATIONS = 40_000, 600
"""The numbers of one tensor per curve, and how many operations there may be."""
COMPANIONS = 2e-3
"""How far a class's log probability may move with the other curves of the batch: rounding moves it by 1e-5."""
CHANGED = 1e-3
"""The share of curves whose class may change with it, however close all logits are to each other."""
VECTORS = 256
"""Numbers in trained vectors, which are not pruned, of a network that is; and as many in buffers, which could keep weights."""


@dataclass(frozen=True)
class Menu:
    """What a program's own recipe may do to each training curve: roll it by up to ``shift`` points, and change its height by up
    to ``scale``, its tilt by up to ``slope`` and its points by noise of the deviation ``noise``.
    """

    shift: float = 0.0
    scale: float = 0.0
    slope: float = 0.0
    noise: float = 0.0


BOUNDS = {"shift": 20.0, "scale": 1.0, "slope": 4.0, "noise": 1.0}


def screen(candidate: Candidate) -> float:
    """Return the accuracy after a short training on few curves."""
    said = candidate.settings
    with training.seeded(0):
        trained = train(candidate, 0, TRAINING, said["screen_samples"], said["screen_steps"])
        inputs, classes = curves(SCREEN, 1000)
        return right(training.answers(trained.network, inputs, said["batch"]), classes)


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Return the accuracy on validation curves after training from ``seed``, with what was confused with what."""
    said = candidate.settings
    with training.seeded(seed):
        trained = train(candidate, seed, TRAINING, said["samples"], said["steps"])
        inputs, classes = curves(VALIDATION, said["tests"])
        logits = steady(trained.network, inputs, said["batch"])
        seen, known = curves(TRAINING, said["samples"])
        fitted = right(training.answers(trained.network, seen[: said["tests"]], said["batch"]), known[: said["tests"]])
    score = right(logits, classes)
    metrics = {"macs": trained.macs, "parameters": trained.size, "training_accuracy": fitted}
    table = confusion(logits, classes)
    drawn = picture.heat(table.tolist(), title=f"{score:.1%} of curves right", x="answer", y="true class")
    return Result(score, metrics, feedback(trained, score, fitted, table, said), {"confusion.svg": drawn})


def validate(candidate: Candidate) -> Result:
    """Return the mean accuracy on hidden curves of networks trained on other curves, from fresh seeds."""
    said = candidate.settings
    inputs, classes = curves(HIDDEN, said["tests"])
    scores = {}
    for seed in FRESH:
        with training.seeded(seed):
            trained = train(candidate, seed, HIDDEN_TRAINING, said["samples"], said["steps"])
            scores[f"part seed {seed}"] = right(steady(trained.network, inputs, said["batch"]), classes)
    return Result(sum(scores.values()) / len(scores), scores)


@dataclass(frozen=True)
class Trained:
    """A trained network, what it takes per curve, and how its training went."""

    network: nn.Module
    size: int
    macs: int
    losses: list[float]


def train(candidate: Candidate, seed: int, data: int, samples: int, steps: int) -> Trained:
    """Have the program's network described, and train it; where the task prunes, prune it and train what is left."""
    said = candidate.settings
    network, macs = described(candidate, seed)
    placed = network if said["device"] == "cpu" else training.Placed(network, said["device"])
    default = recipe.Recipe(lr=said["lr"])
    chosen, menu = recipes(candidate.call("recipe"), default) if said["joint"] else (default, Menu())
    batches = augmented(training.epochs(*curves(data, samples), said["batch"], seed), menu, seed)
    kept = 1.0 - said["sparsity"]
    first = steps if kept == 1.0 else round(0.7 * steps)
    begun = [buffer.clone() for buffer in network.buffers()]
    losses = training.fit(placed, chosen, batches, first, seconds=said["seconds"])
    if first < steps:
        masks = training.largest(placed, kept)
        with torch.no_grad():
            for buffer, fresh in zip(network.buffers(), begun, strict=True):
                buffer.copy_(fresh)  # else they could keep what is pruned
        losses += training.fit(placed, chosen, batches, steps - first, masks=masks, seconds=said["seconds"])
    return Trained(placed, network.size, macs, losses)


def described(candidate: Candidate, seed: int) -> tuple[graph.Network, int]:
    """Return the network that the program describes, with first values of the judge's own, and its multiply-accumulates."""
    said = candidate.settings
    allowed = Budget(said["parameters"], said["macs"], said["elements"], LARGEST, OPERATIONS, "curve")
    data = candidate.call("harness:build", SHAPE, mnist1d.CLASSES, said["batch"])
    network, macs = allowed.network(data, seed, torch.zeros(said["batch"], *SHAPE), (said["batch"], mnist1d.CLASSES))
    if said["sparsity"]:
        prunable(network, 1.0 - said["sparsity"])
    return network, macs


def prunable(network: nn.Module, kept: float) -> None:
    """Refuse a network of which too much is not pruned: vectors, buffers, and what is rounded up in tensors of few numbers."""
    vectors = sum(
        tensor.numel() if tensor.dim() < 2 else math.ceil(kept * tensor.numel()) - kept * tensor.numel()
        for tensor in network.parameters()
    )
    if vectors > VECTORS:
        raise Invalid(
            f"{vectors:.0f} trained numbers are in vectors or tiny tensors, which are not pruned, and {VECTORS} are allowed:"
            " leave out biases"
        )
    buffers = sum(tensor.numel() for tensor in network.buffers())
    if buffers > VECTORS:
        raise Invalid(f"{buffers} numbers are in buffers, which are not pruned, and {VECTORS} are allowed")


def steady(network: nn.Module, inputs: torch.Tensor, batch: int) -> torch.Tensor:
    """Return the logits, which must not depend on chance or on the other curves of a batch."""
    logits = training.answers(network, inputs, batch)
    order = torch.randperm(len(inputs), generator=training.unforeseen())
    again = training.answers(network, inputs[order], batch)
    moved = training.difference(again, logits[order])
    changed = int((again.argmax(1) != logits[order].argmax(1)).sum())
    if moved > COMPANIONS or changed > CHANGED * len(inputs):
        raise Invalid(
            f"in evaluation the answer for a curve changes by {moved:.3g}, and {changed} of {len(inputs)} classes do, with the"
            " other curves of the batch, its place there, or chance: it may depend on the curve alone (use running statistics,"
            " no dropout, and no sums over the batch)"
        )
    return logits


@cache
def curves(seed: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return curves (count, 1, 40) and their classes."""
    points, classes = mnist1d.samples(count, seed)
    return torch.from_numpy(points)[:, None], torch.from_numpy(classes)


def recipes(answer: Any, default: recipe.Recipe) -> tuple[recipe.Recipe, Menu]:
    """Return the program's recipe, checked."""
    if not isinstance(answer, dict):
        raise Invalid(f"recipe() must return a dict, not {type(answer).__name__}")
    chosen = recipe.read({key: value for key, value in answer.items() if key != "augmentation"}, default)
    menu = answer.get("augmentation", {})
    if not isinstance(menu, dict) or set(menu) - set(BOUNDS):
        raise Invalid(f"recipe: augmentation must be a dict with some of {', '.join(BOUNDS)}")
    return chosen, Menu(**{key: recipe.number(key, value, 0.0, BOUNDS[key]) for key, value in menu.items()})


def augmented(batches: Iterator[training.Batch], menu: Menu, seed: int) -> Iterator[training.Batch]:
    """Yield the batches with their curves changed as the menu says; the same chance for every program."""
    generator = torch.Generator().manual_seed(seed)
    tilt = torch.linspace(-0.5, 0.5, mnist1d.POINTS)
    for inputs, classes in batches:
        count = (len(inputs), 1, 1)
        shift, scale, slope = (2 * torch.rand(count, generator=generator) - 1 for _ in range(3))
        noise = torch.randn(inputs.shape, generator=generator)
        if menu != Menu():
            places = (torch.arange(mnist1d.POINTS) - (menu.shift * shift).round().long()) % mnist1d.POINTS
            inputs = (
                inputs.gather(2, places) * (1 + menu.scale * scale) + menu.slope * slope * tilt + menu.noise * noise
            )
        yield inputs, classes


def right(logits: torch.Tensor, classes: torch.Tensor) -> float:
    """Return the share of curves whose class has the largest logit."""
    return int((logits.argmax(1) == classes).sum()) / len(classes)


def confusion(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return how many curves of each class (row) were taken for each class (column)."""
    pairs = classes * mnist1d.CLASSES + logits.argmax(1)
    return torch.bincount(pairs, minlength=mnist1d.CLASSES**2).view(mnist1d.CLASSES, mnist1d.CLASSES)


def feedback(trained: Trained, score: float, fitted: float, table: torch.Tensor, said: Mapping[str, Any]) -> str:
    """Say where the network is weak, and what room is left."""
    wrong = (table - table.diag().diag()).flatten()
    worst = ", ".join(
        f"{int(k) // 10} for {int(k) % 10} ({int(wrong[k])} times)" for k in wrong.argsort(descending=True)[:3]
    )
    last = trained.losses[-50:]
    return (
        f"{score:.1%} of validation curves right, {fitted:.1%} of training curves; the training loss ended at"
        f" {sum(last) / len(last):.3f}. Most often it took a {worst}. It uses {trained.macs} of {said['macs']}"
        f" multiply-accumulates per curve and {trained.size} of {said['parameters']} numbers."
    )
