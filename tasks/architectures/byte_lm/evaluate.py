"""Trains the language model that a program describes on bytes of text, and scores how many bits it takes per byte of new text.

The program runs in the jail and only says what it computes: a list of operations with tensors whose first values are drawn
here. The judge trains it with one recipe, examines it and evaluates it. That a model does not see what it is to predict is
examined where it counts: on the very texts that are scored, by changing what comes after a byte.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from evolve import Candidate, Invalid, Result
from evolve.kit import graph, picture, recipe, texts, training
from evolve.kit.budget import Budget

VOCAB = 128
"""Bytes of ASCII."""
SEEN = ("kjv", "docs")
"""Texts that selection sees."""
HIDDEN = ("python",)
"""What `validate` trains and scores on."""
FRESH = (1000, 1001, 1002)
"""Seeds of networks, likewise."""
SPLIT = 0.9
"""The share of a text that is trained on; the rest is new."""

LARGEST, OPERATIONS = 20_000, 2000
"""The numbers of one tensor per byte, and how many operations there may be."""
WORST = 64.0
"""Bits that a byte takes at most, however wrong a network is."""
ROUNDS = 3
"""How often the future of each text is changed."""
FUTURE = 2e-3
"""How far a byte's log probability may move with what comes after it: rounding moves it by 1e-5."""
KINDS = {"lower-case letters": str.islower, "capitals": str.isupper, "white space": str.isspace, "digits": str.isdigit}
"""By which feedback tells bytes apart; the others are other signs."""


def screen(candidate: Candidate) -> float:
    """Return the bits per byte after a short training."""
    said = candidate.settings
    with training.seeded(0):
        trained = train(candidate, 0, SEEN, said["screen_steps"])
        inputs, targets = held_out(SEEN, said["context"], 128)
        return float(bits(training.answers(trained.network, inputs, said["batch"]), targets).mean())


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Return the bits per byte of new text after training from ``seed``, and where they are spent."""
    said = candidate.settings
    with training.seeded(seed):
        trained = train(candidate, seed, SEEN, said["steps"])
        inputs, targets = held_out(SEEN, said["context"], said["tests"])
        spent = bits(causal(trained.network, inputs, said["batch"]), targets)
    parts = dict(zip(SEEN, spent.chunk(len(SEEN)), strict=True))
    metrics = {"macs": trained.macs, "parameters": trained.size, "training_bits": trained.last}
    metrics |= {f"bits_{name}": float(part.mean()) for name, part in parts.items()}
    curves = {name: list(enumerate(part.mean(0).tolist())) for name, part in parts.items()}
    drawn = picture.lines(curves, title="Bits per byte", x="bytes seen before", y="bits")
    return Result(float(spent.mean()), metrics, feedback(trained, spent, targets, metrics, said), {"bits.svg": drawn})


def validate(candidate: Candidate) -> Result:
    """Return the mean bits per byte on another text, of networks trained on that text from fresh seeds."""
    said = candidate.settings
    inputs, targets = held_out(HIDDEN, said["context"], said["tests"])
    scores = []
    for seed in FRESH:
        with training.seeded(seed):
            trained = train(candidate, seed, HIDDEN, said["steps"])
            scores.append(float(bits(causal(trained.network, inputs, said["batch"]), targets).mean()))
    return Result(sum(scores) / len(scores), {"worst": max(scores), "best": min(scores)})


@dataclass(frozen=True)
class Trained:
    """A trained network, what it takes per byte, and the bits per byte in the last tenth of its training."""

    network: nn.Module
    size: int
    macs: int
    last: float


def train(candidate: Candidate, seed: int, names: Sequence[str], steps: int) -> Trained:
    """Have the program's network described, and train it on the first part of some texts."""
    said = candidate.settings
    network, macs = described(candidate, seed)
    placed = network if said["device"] == "cpu" else training.Placed(network, said["device"])
    chosen = recipe.Recipe(lr=said["lr"], warmup=0.1, clip=1.0)
    batches = extracts(names, said["context"], said["batch"], seed)
    losses = training.fit(placed, chosen, batches, steps, seconds=said["seconds"])
    last = losses[-max(1, steps // 10) :]
    return Trained(placed, network.size, macs, sum(last) / len(last) / math.log(2))


def described(candidate: Candidate, seed: int) -> tuple[graph.Network, int]:
    """Return the network that the program describes, with first values of the judge's own, and its multiply-accumulates."""
    said = candidate.settings
    allowed = Budget(said["parameters"], said["macs"], said["elements"], LARGEST, OPERATIONS, "byte")
    data = candidate.call("harness:build", VOCAB, said["context"], said["batch"])
    example = torch.zeros(said["batch"], said["context"], dtype=torch.int64)
    return allowed.network(data, seed, example, (*example.shape, VOCAB))


def causal(network: nn.Module, inputs: torch.Tensor, batch: int) -> torch.Tensor:
    """Return the logits, which may depend neither on later bytes, nor on the other texts of a batch, nor on chance.

    Several times over, each text is cut somewhere, goes on as another text does there, and comes to lie among other ones:
    up to the cut the answers must be the same. Every place is a cut equally often. Which text is cut where is known to nobody
    beforehand, or a network could answer by the future wherever it is not looked at.
    """
    chance = training.unforeseen()
    logits = training.answers(network, inputs, batch)
    count, context = inputs.shape
    place = torch.arange(context)
    for _ in range(ROUNDS):
        cuts, others, order = (torch.randperm(count, generator=chance) for _ in range(3))
        cuts = (cuts % context)[:, None]
        changed = torch.where(place <= cuts, inputs, inputs[others])
        again = torch.empty_like(logits)
        again[order] = training.answers(network, changed[order], batch)
        past = place <= cuts
        moved = training.difference(again[past], logits[past])
        if moved > FUTURE:
            raise Invalid(
                f"the answer after a byte changes by {moved:.3g} with the bytes that follow it, the other texts of the batch, or"
                " chance: it may depend on this byte and those before it alone (mask attention, pad convolutions on the left, no"
                " mean, norm or softmax over the context, no dropout in evaluation)"
            )
    return logits


@cache
def text(name: str) -> torch.Tensor:
    """Return the bytes of a text as whole numbers."""
    return torch.tensor(list(texts.load(name)), dtype=torch.int64)


def extracts(names: Sequence[str], context: int, batch: int, seed: int) -> Iterator[training.Batch]:
    """Yield batches of extracts from the first part of each text, from random places, as many from each text."""
    generator = torch.Generator().manual_seed(seed)
    span = torch.arange(context + 1)
    while True:
        parts = []
        for name in names:
            begins = torch.randint(
                int(SPLIT * len(text(name))) - context, (batch // len(names), 1), generator=generator
            )
            parts.append(text(name)[begins + span])
        pieces = torch.cat(parts)
        yield pieces[:, :-1], pieces[:, 1:]


@cache
def held_out(names: Sequence[str], context: int, count: int) -> training.Batch:
    """Return ``count`` extracts from the rest of the texts, evenly spread, as many from each text, text after text."""
    parts = []
    for name in names:
        begin, end = int(SPLIT * len(text(name))), len(text(name)) - context - 1
        begins = torch.linspace(begin, end, count // len(names)).long()[:, None]
        parts.append(text(name)[begins + torch.arange(context + 1)])
    pieces = torch.cat(parts)
    return pieces[:, :-1], pieces[:, 1:]


def bits(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the bits that each byte takes, at most `WORST`."""
    loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return (loss.view_as(targets) / math.log(2)).clamp_max(WORST)


def feedback(
    trained: Trained, spent: torch.Tensor, targets: torch.Tensor, metrics: Mapping[str, float], said: Mapping[str, Any]
) -> str:
    """Say where the bits are spent, and what room is left."""
    table = {kind: torch.tensor([holds(chr(byte)) for byte in range(VOCAB)]) for kind, holds in KINDS.items()}
    table["other signs"] = ~torch.stack(list(table.values())).any(0)
    by_kind = ", ".join(
        f"{kind} {float(spent[row[targets]].mean()):.2f}" for kind, row in table.items() if row[targets].any()
    )
    context = spent.shape[1]
    ends = [0, context // 8, context // 2, context]
    by_place = ", ".join(f"{a}-{b - 1}: {float(spent[:, a:b].mean()):.3f}" for a, b in pairwise(ends))
    by_text = ", ".join(f"{name} {metrics[f'bits_{name}']:.3f}" for name in SEEN)
    return (
        f"Bits per byte by text: {by_text}; by how many bytes were seen before: {by_place}; by the byte to predict: {by_kind}."
        f" The training ended at {trained.last:.3f}. It uses {trained.macs} of {said['macs']} multiply-accumulates per byte and"
        f" {trained.size} of {said['parameters']} numbers."
    )
