"""Trains small networks on labels of which many are wrong, with the candidate's loss, and scores them on clean ones.

The loss crosses from the jail as a graph, one for each epoch; data, labels, networks, optimiser and the count of right
answers are here. All candidates meet the same splits, wrong labels, initial weights and batches on the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import fmean
from time import process_time
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from evolve import Candidate, Invalid, Result
from evolve.kit import graph, mnist1d, picture, training
from evolve.kit.work import Work

CLASSES = 10
POOL = 1397
"""Digits that candidates are trained and tested on; the other 400 are for `validate` alone."""
CURVES = 2000
"""MNIST-1D's test samples."""
RATE, DECAY = 4e-3, 1e-3
"""AdamW's step size, which falls to 0 along half a cosine, and its weight decay."""
STEPS = 300
"""Operations that one batch's loss may take: thousands of batches go through it here."""
EACH = 4
"""Numbers that all epochs' losses together may hold for each of them, beside those that one may: with more of them the wrong
labels of a seed could be learnt by heart."""
LIMIT = Work(macs=20_000_000, elements=3_000_000, largest=200_000)
HIDDEN = 10_000
"""The first seed of `validate`, beyond those of any search."""

torch.set_num_threads(1)  # so that sums, and scores, do not depend on how many processors there are

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Case:
    """Data, and what is done to its training labels: a kind of noise, and how many of them it makes wrong."""

    data: str
    noise: str
    rate: float

    def __str__(self) -> str:
        return f"{self.data} {self.noise} {100 * self.rate:.0f} %"


@dataclass(frozen=True, slots=True)
class Split:
    """Inputs with their true labels, for training and for the test, and the labels that are given in training."""

    x: torch.Tensor
    y: torch.Tensor
    given: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of one training: accuracy on clean test data after each epoch, and what the network made of its training
    labels in the end: which part of the wrong ones it repeats, which part of the right ones, and each class's test accuracy.
    """

    curve: list[float]
    memorised: float
    fitted: float
    recalls: list[float]

    @property
    def accuracy(self) -> float:
        """After the last epoch."""
        return self.curve[-1]


def screen(candidate: Candidate) -> float:
    """Return the accuracy of one training under pair noise, which tells losses apart best. All epochs: a loss that changes with t
    must not be asked about a shorter training.
    """
    settings = candidate.settings
    return train(seen(settings)[1], read(candidate, settings), 0, settings).accuracy


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Return the mean accuracy on clean test data over the kinds of noise that are no secret."""
    settings = candidate.settings
    losses = read(candidate, settings)
    runs = {case: train(case, losses, seed, settings) for case in seen(settings)}
    metrics = {case.noise: run.accuracy for case, run in runs.items()}
    metrics |= {f"{case.noise}_memorised": run.memorised for case, run in runs.items()}
    metrics |= {f"{case.noise}_fitted": run.fitted for case, run in runs.items()}
    feedback = " ".join(told(case, run) for case, run in runs.items())
    curves = {str(case): list(enumerate(run.curve, 1)) for case, run in runs.items()}
    drawing = picture.lines(curves, title="Right on clean test data", x="epoch", y="share")
    return Result(fmean(run.accuracy for run in runs.values()), metrics, feedback, {"accuracy.svg": drawing})


def validate(candidate: Candidate) -> Result:
    """Return the mean over hidden kinds and rates of noise, and the other data; each case's runs are its metrics."""
    settings = candidate.settings
    losses = read(candidate, settings)
    seeds = range(HIDDEN, HIDDEN + settings["hidden_seeds"])
    found = {
        (case, seed): train(case, losses, seed, settings, hidden=True).accuracy
        for case in hidden(settings)
        for seed in seeds
    }
    metrics = {f"part {case}, seed {seed - HIDDEN}": accuracy for (case, seed), accuracy in found.items()}
    return Result(fmean(found.values()), metrics)


def seen(settings: Mapping[str, Any]) -> tuple[Case, ...]:
    """Return the cases that the score is made of; the brief names them."""
    return Case(settings["data"], "symmetric", 0.4), Case(settings["data"], "pair", 0.35)


def hidden(settings: Mapping[str, Any]) -> tuple[Case, ...]:
    """Return the cases of `validate`: other noise on the same data, and the same noise on other data."""
    known = settings["data"]
    other = "mnist1d" if known == "digits" else "digits"
    noises = (
        ("none", 0.0),
        ("symmetric", 0.2),
        ("symmetric", 0.6),
        ("pair", 0.2),
        ("similar", 0.35),
        ("ambiguous", 0.3),
    )
    return *(Case(known, *noise) for noise in noises), Case(other, "symmetric", 0.4), Case(other, "pair", 0.35)


# The candidate's loss


def read(candidate: Candidate, settings: Mapping[str, Any]) -> list[Loss]:
    """Return the loss of each epoch."""
    epochs, batch = settings["epochs"], settings["batch"]
    graphs = candidate.call("harness:losses", batch, CLASSES, [epoch / (epochs - 1) for epoch in range(epochs)])
    if not isinstance(graphs, list) or len(graphs) != epochs:
        raise Invalid(f"expected the loss of {epochs} epochs")
    known: dict[str, graph.Function] = {}
    losses = []
    for one in graphs:
        key = repr(one)
        if key not in known:
            known[key] = function(one, batch)
        losses.append(known[key])
    graph.short(*known.values())
    told, allowed = brought(tuple(known.values())), graph.NUMBERS + EACH * len(known)
    if told > allowed:
        raise Invalid(
            f"the losses of all epochs hold {told} numbers, those that are the same in all of them counted once, and {allowed}"
            " are allowed: let fewer of them depend on t"
        )
    return losses


def brought(losses: Sequence[graph.Function]) -> int:
    """Return how many numbers the losses bring along together. Where all do the same but for their numbers, one that stands at
    the same place in all and is the same there counts once.
    """
    told = sum(one.told.total() for one in losses)
    literals = [one.literals for one in losses]
    if len({len(row) for row in literals}) == 1:
        told -= (len(losses) - 1) * sum(len(set(column)) == 1 for column in zip(*literals, strict=True))
    return told


def function(data: Any, batch: int) -> graph.Function:
    """Return one epoch's loss, which has been tried on a batch of zeros.

    Raises:
        Invalid: if it costs too much or does not return one real number.
    """
    made = graph.Function(data, LIMIT, STEPS)
    value = made(torch.zeros(batch, CLASSES), torch.zeros(batch, dtype=torch.int64))
    if not isinstance(value, torch.Tensor) or value.numel() != 1 or not value.is_floating_point():
        raise Invalid(f"loss must return a tensor with one real number, such as values.mean(), not {shape(value)}")
    return made


def shape(value: Any) -> str:
    """Describe what is no loss."""
    if isinstance(value, torch.Tensor):
        return f"one of shape {tuple(value.shape)} and type {value.dtype}"
    return f"a {type(value).__name__}"


# Training


def train(case: Case, losses: Sequence[Loss], seed: int, settings: Mapping[str, Any], hidden: bool = False) -> Trained:
    """Train a network with one loss for each epoch."""
    split = prepared(case, seed, settings["samples"][case.data], hidden)
    device, batch = settings["device"], settings["batch"]
    x, test_x = split.x.to(device), split.test_x.to(device)
    torch.manual_seed(seed)  # the network's, and that of random operations in the loss
    network = drawn(case.data, settings["width"]).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY, fused=True)
    rng = np.random.default_rng([seed, 2])
    steps = len(x) // batch
    curve: list[float] = []
    learnt = False
    latest = process_time() + settings["seconds"]
    for epoch, loss in enumerate(losses):
        order = torch.from_numpy(rng.permutation(len(x)))
        for step, rows in enumerate(order[: steps * batch].split(batch)):
            part = (epoch * steps + step) / (len(losses) * steps)
            optimiser.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * part))
            value = loss(network(x[rows]).cpu(), split.given[rows])
            if value.numel() != 1:
                raise Invalid(
                    f"the loss became a tensor, {shape(value)}, in epoch {epoch + 1}: sizes may not depend on values"
                )
            if not bool(torch.isfinite(value)):
                raise Invalid(
                    f"the loss became {value.item()} in epoch {epoch + 1} of {len(losses)} ({case}): keep logs and roots from 0"
                )
            if value.requires_grad:  # otherwise this epoch has nothing to learn
                optimiser.zero_grad()
                training.backward(value)
                optimiser.step()
                learnt = True
            if process_time() > latest:
                raise Invalid(f"too slow: {settings['seconds']:g} CPU seconds were over in epoch {epoch + 1} ({case})")
        curve.append(float((answers(network, test_x, case) == split.test_y).float().mean()))
    if not learnt:
        raise Invalid("the loss depends on the logits in no epoch, so nothing is learnt")
    return judged(split, curve, answers(network, test_x, case), answers(network, x, case))


def judged(split: Split, curve: list[float], test: torch.Tensor, own: torch.Tensor) -> Trained:
    """Compare a trained network's answers, on the test and on its training data, with the labels."""
    wrong = split.given != split.y
    repeated = own == split.given
    recalls = [float((test == one)[split.test_y == one].float().mean()) for one in range(CLASSES)]
    memorised = float(repeated[wrong].float().mean()) if bool(wrong.any()) else 0.0
    return Trained(curve, memorised, float(repeated[~wrong].float().mean()), recalls)


@torch.no_grad()
def answers(network: nn.Module, x: torch.Tensor, case: Case) -> torch.Tensor:
    """Return the class that a network gives each input.

    Raises:
        Invalid: if its weights are no numbers any more.
    """
    logits = network(x)
    if not bool(torch.isfinite(logits).all()):
        raise Invalid(
            f"training diverged ({case}): the loss has a gradient that is not finite, such as that of a root at 0"
        )
    return logits.argmax(1).cpu()


def drawn(data: str, width: int) -> nn.Module:
    """Return an untrained network: two convolutions for 8 x 8 digits, three for curves of 40 points, and two layers. Its weights
    are He's normal ones (arXiv 1502.01852), large enough that wrong labels can be learnt by heart.
    """
    if data == "digits":
        convolutions = [nn.Conv2d(1, 16 * width, 3, 2, 1), nn.Conv2d(16 * width, 32 * width, 3, 1, 1)]
    else:
        sizes = (1, 24 * width, 32 * width, 32 * width)
        convolutions = [nn.Conv1d(before, after, 5, 2, 2) for before, after in pairwise(sizes)]
    flat = (512 if data == "digits" else 160) * width
    body = [layer for one in convolutions for layer in (one, nn.ReLU())]
    network = nn.Sequential(*body, nn.Flatten(), nn.Linear(flat, 64 * width), nn.ReLU(), nn.Linear(64 * width, CLASSES))
    for name, parameter in network.named_parameters():
        if name.endswith("weight"):
            nn.init.kaiming_normal_(parameter)
        else:
            nn.init.zeros_(parameter)
    return network


# Data and noise


@cache
def prepared(case: Case, seed: int, samples: int, hidden: bool) -> Split:
    """Return the data of a case with its wrong labels: everything about it that is random comes from the seed."""
    rng = np.random.default_rng([seed, 1])
    if case.data == "digits":
        images, labels = digits()
        pool = rng.permutation(POOL)
        own, test = pool[:samples], np.arange(POOL, len(labels)) if hidden else pool[samples:]
        x, y, test_x, test_y = images[own], labels[own], images[test], labels[test]
    else:
        x, y = mnist1d.samples(samples, 2 * seed)
        test_x, test_y = mnist1d.samples(CURVES, 2 * seed + 1)
        x, test_x = x[:, None], test_x[:, None]
    given = corrupted(x.reshape(len(x), -1), y, case, rng)
    return Split(*(torch.from_numpy(part) for part in (x, y, given, test_x, test_y)))


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits in a fixed order, of which the last 400 are hidden."""
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    return (found.images[order, None] / 8 - 1).astype(np.float32), found.target[order].astype(np.int64)


def corrupted(x: np.ndarray, y: np.ndarray, case: Case, rng: np.random.Generator) -> np.ndarray:
    """Return the labels with this share of each class's replaced, exactly: a share left to chance would only add noise.

    Symmetric: by any other class. Pair: by the next class (both as in arXiv 1804.06872). Similar: by the class whose mean is
    nearest to that of the right one. Ambiguous: the less clear an input is, the more often, by the class whose mean is nearest.
    """
    means = np.stack([x[y == one].mean(0) for one in range(CLASSES)])
    inputs = means[y] if case.noise == "similar" else x
    distances = np.linalg.norm(inputs[:, None] - means, axis=2)
    own = distances[np.arange(len(y)), y].copy()
    distances[np.arange(len(y)), y] = np.inf
    if case.noise in ("similar", "ambiguous"):
        other = distances.argmin(1)
    else:
        other = (y + (rng.integers(1, CLASSES, len(y)) if case.noise == "symmetric" else 1)) % CLASSES
    unclear = own - distances.min(1)
    given = y.copy()
    for one in range(CLASSES):
        rows = np.flatnonzero(y == one)
        weight = np.argsort(np.argsort(unclear[rows])) + 1.0 if case.noise == "ambiguous" else np.ones(len(rows))
        replaced = rng.choice(rows, round(case.rate * len(rows)), replace=False, p=weight / weight.sum())
        given[replaced] = other[replaced]
    return given


# Words


def told(case: Case, run: Trained) -> str:
    """Say how a training went, and what is wrong with it."""
    best = max(run.curve)
    when = run.curve.index(best) + 1
    said = (
        f"{case}: {run.accuracy:.1%} right on clean test data at the end, {best:.1%} at best (epoch {when} of {len(run.curve)});"
        f" the network repeats {run.memorised:.0%} of the wrong training labels and {run.fitted:.0%} of the right ones."
    )
    missed = [str(one) for one, recall in enumerate(run.recalls) if recall < 0.5]
    if missed:
        said += f" Classes that it mostly misses: {', '.join(missed)}."
    if best - run.accuracy > 0.03:
        said += " It forgets what it knew: wrong labels are learnt by heart late."
    elif run.fitted < 0.85 and run.memorised < 0.2:
        said += " It learns too little: even right labels are not fitted."
    return said
