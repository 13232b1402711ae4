"""Trains a small language model of bytes, a mixture of experts, with the candidate's balancing loss or router, and scores its
loss on new text where each expert takes no more than its share of the tokens (capacity factor 1.0).

What is evolved crosses from the jail as a graph. Text, model, optimiser, capacity and the sweep of the loss's coefficient are
here, and the same for all candidates on the same seed. Without the sweep a search would only find a better coefficient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from time import process_time
from typing import Any

import numpy as np
import torch
from moe_lm import MoeLM, Routing, cross_entropy

from evolve import Candidate, Invalid, Result
from evolve.kit import graph, picture, texts, training
from evolve.kit.work import Work

RATE, WARMUP, DECAY, CLIP = 4e-3, 20, 0.01, 1.0
"""AdamW: step size (half a cosine after a linear start), steps of that start, weight decay, largest norm of the gradient."""
STEPS = 300
"""Operations that one layer's call may take."""
LIMIT = Work(macs=200_000_000, elements=20_000_000, largest=2_000_000)
CONTEXT = 64
DEAD = 0.1
"""An expert with less than this part of an equal share of the tokens counts as dead."""
HIDDEN = 10_000
"""The first seed of `validate`, beyond those of any search."""

torch.set_num_threads(1)  # so that sums, and scores, do not depend on how many processors there are


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of one training: cross-entropies in nats per byte with experts limited to their capacity and without a limit, the
    share of assignments dropped by that limit, and each layer's shares of the tokens per expert (1: an equal share).
    """

    coefficient: float
    limited: float
    free: float
    dropped: float
    loads: torch.Tensor

    @property
    def metrics(self) -> dict[str, float]:
        """As the archive stores them."""
        violation = float(self.loads.max(1).values.mean()) - 1
        return {
            "cross_entropy": self.free,
            "coefficient": self.coefficient,
            "dropped": self.dropped,
            "max_violation": violation,
            "min_share": float(self.loads.min(1).values.mean()),
            "dead": float((self.loads < DEAD).sum()),
        }


def screen(candidate: Candidate) -> float:
    """Return the score of a short training with the middle coefficient alone."""
    settings = dict(candidate.settings)
    settings["steps"] = max(2, settings["steps"] // 2)
    middle = settings["coefficients"][len(settings["coefficients"]) // 2]
    return train(read(candidate, settings), settings, 0, middle).limited


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Return the limited cross-entropy with the best of the coefficients."""
    settings = candidate.settings
    evolved = read(candidate, settings)
    runs = [train(evolved, settings, seed, coefficient) for coefficient in settings["coefficients"]]
    best = min(runs, key=lambda run: run.limited)
    names = {
        f"{layer}.{expert}": float(load) for layer, row in enumerate(best.loads, 1) for expert, load in enumerate(row)
    }
    drawing = picture.bars(names, title="Tokens per expert (layer.expert)", unit="equal shares")
    return Result(best.limited, best.metrics, told(runs, best), {"loads.svg": drawing})


def validate(candidate: Candidate) -> Result:
    """Return the mean over fresh seeds: of the model in view, trained for longer, and with half the experts, two per token."""
    base = dict(candidate.settings)
    longer = base | {"steps": base["steps"] * 2}
    fewer = base | {"experts": base["experts"] // 2, "top": 2}
    scores: dict[str, float] = {}
    for name, settings in (("fresh", base), ("longer", longer), ("top2", fewer)):
        evolved = read(candidate, settings)
        for seed in range(HIDDEN, HIDDEN + base["hidden_seeds"]):
            runs = [train(evolved, settings, seed, coefficient) for coefficient in settings["coefficients"]]
            scores[f"{name}, seed {seed - HIDDEN}"] = min(run.limited for run in runs)
    return Result(sum(scores.values()) / len(scores), scores)


# What is evolved


@dataclass(slots=True)
class Evolved(Routing):
    """The candidate's part in a model: its graphs, a state for each layer, and the chance by which tokens are exchanged and
    change their places, to see whether choices depend on others: a graph that knew it could look at those that stay.
    """

    loss: graph.Function | None = None
    routes: tuple[graph.Function, ...] = ()
    states: dict[int, torch.Tensor] = field(default_factory=dict)
    chance: torch.Generator = field(default_factory=training.unforeseen)

    def fresh(self, layers: int, experts: int) -> Evolved:
        """Return the same for a new training."""
        return Evolved(self.loss, self.routes, {layer: torch.zeros(experts) for layer in range(layers)})

    def scores(self, layer: int, logits: torch.Tensor, top: int, train: bool) -> torch.Tensor:
        """Return what the experts are chosen by."""
        if not self.routes:
            return logits
        given = logits.detach().cpu()
        if train:
            scores, self.states[layer] = outcome(self.routes[0](given, self.states[layer]), given, self.states[layer])
            return scores.to(logits.device)
        scores, _ = outcome(self.routes[1](given, self.states[layer]), given, self.states[layer])
        kept = torch.rand(len(given), 1, generator=self.chance) < 0.5
        others, order = (torch.randperm(len(given), generator=self.chance) for _ in range(2))
        other = torch.where(kept, given, given[others])[order]
        moved, _ = outcome(self.routes[1](other, self.states[layer]), given, self.states[layer])
        again = torch.empty_like(moved).index_copy_(0, order, moved)
        # Of choices: no offset or scale hides a difference.
        same = scores.topk(top, 1).indices == again.topk(top, 1).indices
        if not bool((same | ~kept).all()):
            raise Invalid(
                "route(..., train=False) lets a token's choice depend on its place or on other tokens, later ones too, which"
                " would tell the model what comes next: use its own logits and the state alone"
            )
        return scores.to(logits.device)

    def auxiliary(self, layer: int, logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor | None:
        """Return a layer's balancing loss."""
        if self.loss is None:
            return None
        given, state = logits.cpu(), self.states[layer]
        value = self.loss(given, given.softmax(1), chosen.detach().cpu(), state)
        loss, self.states[layer] = outcome(value, torch.zeros(()), state)
        return loss


def outcome(value: Any, like: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a graph gave, checked, and the new state; the old one where it gave none."""
    first, new = (value, state) if isinstance(value, torch.Tensor) else value if len(value) == 2 else (None, None)
    if first is None or first.shape not in (like.shape, (*like.shape, 1)) or not first.is_floating_point():
        raise Invalid(f"expected a float tensor of shape {tuple(like.shape)}, and a state")
    if new.shape != state.shape or new.dtype != state.dtype:
        raise Invalid(f"the state must stay float32 of shape {tuple(state.shape)}, not {new.dtype} {tuple(new.shape)}")
    if not bool(torch.isfinite(first).all() & torch.isfinite(new).all()):
        raise Invalid("the result or the state is not finite: keep logarithms, divisions and exponentials in bounds")
    return first.reshape(like.shape), new.detach()


def read(candidate: Candidate, settings: Mapping[str, Any]) -> Evolved:
    """Return what is evolved, for a model of these settings."""
    what = settings["evolves"]
    tokens = settings["sequences"] * CONTEXT
    data = candidate.call("harness:graphs", what, tokens, settings["experts"], settings["top"])
    if not isinstance(data, list) or len(data) != (2 if what == "route" else 1):
        raise Invalid(f"expected the graphs of {what}")
    functions = tuple(graph.Function(one, LIMIT, STEPS) for one in data)
    graph.described(*functions)
    return Evolved(routes=functions) if what == "route" else Evolved(loss=functions[0])


# Training


def train(evolved: Evolved, settings: Mapping[str, Any], seed: int, coefficient: float) -> Trained:
    """Train a model and test it."""
    torch.manual_seed(seed)
    device, steps = settings["device"], settings["steps"]
    model = MoeLM(
        settings["width"], settings["hidden"], settings["layers"], settings["experts"], settings["top"], CONTEXT
    )
    model = model.to(device)
    part = evolved.fresh(settings["layers"], settings["experts"])
    optimiser = torch.optim.AdamW(model.parameters(), RATE, (0.9, 0.98), weight_decay=DECAY, fused=True)
    rng = np.random.default_rng([seed, 1])
    latest = process_time() + settings["seconds"]
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = (
            RATE * min(1, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        )
        x, y = (one.to(device) for one in batch(rng, settings["sequences"], "train"))
        logits, auxiliary = model(x, part, train=True)
        value = cross_entropy(logits, y) + coefficient * auxiliary.to(device)
        optimiser.zero_grad()
        training.backward(value)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        if not bool(torch.isfinite(norm)):
            raise Invalid(f"the gradient is not finite at step {step} with coefficient {coefficient:g}")
        optimiser.step()
        if process_time() > latest:
            raise Invalid(f"too slow: {settings['seconds']:g} CPU seconds were over after {step + 1} of {steps} steps")
    return tested(model, part, settings, coefficient)


@torch.no_grad()
def tested(model: MoeLM, part: Evolved, settings: Mapping[str, Any], coefficient: float) -> Trained:
    """Measure a trained model on text that is not in its training; the same one for all seeds."""
    rng = np.random.default_rng(12345)
    free, limited, loads, dropped = [], [], [], []
    for _ in range(settings["tests"]):
        x, y = (one.to(settings["device"]) for one in batch(rng, settings["sequences"], "test"))
        free.append(float(cross_entropy(model(x, part)[0], y)))
        loads.append(torch.stack(model.loads))
        limited.append(float(cross_entropy(model(x, part, capacity=1.0)[0], y)))
        dropped.append(model.dropped)
    mean = [sum(values) / len(values) for values in (limited, free, dropped)]
    if not all(map(math.isfinite, mean)):
        raise Invalid(f"training diverged with coefficient {coefficient:g}")
    return Trained(coefficient, *mean, torch.stack(loads).mean(0).cpu())


def batch(rng: np.random.Generator, sequences: int, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw sequences of bytes, each from one of three texts, and the bytes that follow."""
    data = corpus(part)
    starts = rng.integers(0, data.shape[1] - CONTEXT - 1, sequences)
    rows = data[rng.integers(0, len(data), sequences)[:, None], starts[:, None] + np.arange(CONTEXT + 1)]
    tokens = torch.from_numpy(rows.astype(np.int64))
    return tokens[:, :-1], tokens[:, 1:]


@cache
def corpus(part: str) -> np.ndarray:
    """Return the first nine tenths of three texts, or the rest, (3, bytes)."""
    whole = [np.frombuffer(texts.load(name), np.uint8) for name in ("kjv", "docs", "python")]
    length = min(map(len, whole))
    cut = length * 9 // 10
    return np.stack([one[:cut] if part == "train" else one[cut:length] for one in whole])


# Words


def told(runs: list[Trained], best: Trained) -> str:
    """Say what each coefficient gave, and how the experts are used with the best one."""
    swept = ", ".join(f"{run.coefficient:g}: {run.limited:.4f} ({run.free:.4f} without a limit)" for run in runs)
    found = best.metrics
    said = (
        f"Nats per byte at capacity 1.0 by coefficient: {swept}. "
        if len(runs) > 1
        else f"{best.limited:.4f} nats per byte. "
    )
    said += (
        f"The best drops {found['dropped']:.1%} of the tokens; the fullest expert takes {1 + found['max_violation']:.2f} and the"
        f" emptiest {found['min_share']:.2f} equal shares; {found['dead']:.0f} of {best.loads.numel()} experts are dead."
    )
    if len(runs) > 1 and best in (runs[0], runs[-1]):
        said += " The best coefficient is at an end of the sweep: the loss may want another scale."
    return said
