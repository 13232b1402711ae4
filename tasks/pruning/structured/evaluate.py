"""Judges scores of neurons: removes neurons of a language model by them, and measures how much worse it predicts texts.

The candidate sees one block after the other, with statistics of calibration texts, and returns numbers. Which neurons go is
decided here, exactly as many as asked for, and so is what the smaller model is worth, on pieces of text that no candidate has
seen. `evaluate` draws them by its seed, equal for all candidates; `validate` takes others, source code, and a larger share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import torch

from evolve import Candidate, Invalid, Result
from evolve.kit import apportion, calibrate, keep, picture, select, smollm
from evolve.kit.numbers import vector

torch.set_num_threads(1)

TEXTS = ("kjv", "docs")
HIDDEN = (*TEXTS, "python")
MOST = int(0.95 * smollm.INNER)
"""Neurons that one block may lose."""
NEAR = 15
SCREEN = 1_000_003
"""The seed of the screen's pieces."""

Losses = Mapping[str, np.ndarray]
"""By text: nats per token of each piece."""


@dataclass(frozen=True)
class Drawn:
    """Which pieces of which texts."""

    names: tuple[str, ...]
    role: str
    count: int
    length: int
    seed: int

    def shown(self) -> dict[str, torch.Tensor]:
        """Return them, as token ids."""
        return {name: calibrate.pieces(name, self.role, self.count, self.length, self.seed) for name in self.names}


def screen(candidate: Candidate) -> Result:
    """Judge on few pieces, always the same."""
    settings = candidate.settings
    return judged(candidate, Drawn(TEXTS, "score", settings["screen_pieces"], settings["length"], SCREEN))


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Judge on more pieces, which ``seed`` draws."""
    settings = candidate.settings
    return judged(candidate, Drawn(TEXTS, "score", settings["pieces"], settings["length"], seed))


def validate(candidate: Candidate) -> Result:
    """Judge on pieces that nothing else draws from: on source code, and with a larger share of the neurons removed."""
    settings = candidate.settings
    drawn = Drawn(HIDDEN, "hidden", settings["pieces"], settings["length"], SCREEN)
    seen = judged(candidate, drawn)
    more = judged(candidate, drawn, settings["hidden_sparsity"]).score
    score = (seen.metrics["python"] + more) / 2
    return Result(score, {**seen.metrics, "more": more}, seen.feedback, seen.artifacts)


def judged(candidate: Candidate, drawn: Drawn, sparsity: float | None = None) -> Result:
    """Remove what the candidate says and judge on these pieces."""
    settings = candidate.settings
    scores = scored(candidate)
    removed = allocated(candidate, scores, settings["sparsity"] if sparsity is None else sparsity)
    masks = [select.lowest(each, count) for each, count in zip(scores, removed, strict=True)]
    lost = losses(masks, drawn, settings["device"])
    each = {name: float(values.mean()) for name, values in lost.items()}
    every = np.concatenate(list(lost.values()))
    metrics = {
        **each,
        "standard_error": float(every.std(ddof=1)) / len(every) ** 0.5,
        "spread": pstdev(removed),
        "fingerprint": select.mark(masks),
    }
    errors = power_lost(masks, settings["calibration"], settings["length"])
    return Result(fmean(each.values()), metrics, feedback(each, errors, removed), {"blocks.svg": draw(removed, errors)})


def scored(candidate: Candidate) -> np.ndarray:
    """Ask for the scores of all blocks' neurons: (blocks, neurons)."""
    settings = candidate.settings
    weights = smollm.load().weights
    found = []
    for i in range(smollm.BLOCKS):
        stats = statistics(i, settings["calibration"], settings["length"])
        matrices = (weights[f"{i}.{kind}"].numpy() for kind in ("gate", "up", "down"))
        reply = candidate.call("neuron_score", *matrices, stats)
        if not isinstance(reply, np.ndarray) or reply.dtype.kind != "f":
            what = f"an array of {reply.dtype}" if isinstance(reply, np.ndarray) else type(reply).__name__
            raise Invalid(f"neuron_score must return a NumPy array of floats, not {what} (block {i})")
        if reply.shape != (smollm.INNER,):
            raise Invalid(
                f"neuron_score must return an array of shape ({smollm.INNER},), not {reply.shape} (block {i})"
            )
        found.append(reply.astype(np.float64))
    return np.stack(found)


def allocated(candidate: Candidate, scores: np.ndarray, sparsity: float) -> list[int]:
    """Ask how many neurons each block loses, and return it with an exact sum."""
    settings = candidate.settings
    budget = select.count(scores.size, sparsity)
    influence = calibrate.statistics(settings["calibration"], settings["length"])["influence"].astype(np.float64)
    reply = vector(candidate.call("allocate", budget, influence, scores), "counts", smollm.BLOCKS)
    if not all(0 <= each <= MOST for each in reply):
        raise Invalid(f"each block must lose 0 to {MOST} neurons, not {min(reply)!r:.12} to {max(reply)!r:.12}")
    if abs(sum(reply) - budget) > NEAR:
        raise Invalid(f"all blocks together must lose {budget} neurons (within {NEAR}), not {sum(reply):.6g}")
    return apportion.whole(reply, budget, MOST)


@cache
def statistics(block: int, calibration: int, length: int) -> dict[str, Any]:
    """Return what a candidate is told about one block."""
    stats = calibrate.statistics(calibration, length)
    told: dict[str, Any] = {name: stats[f"{block}.down.{name}"] for name in ("norm", "mean")}
    told |= {name: stats[f"{block}.{name}"] for name in ("slope", "fisher")}
    return told | {"inputs": stats[f"{block}.gate.norm"], "block": block}


def losses(masks: Sequence[np.ndarray], drawn: Drawn, device: str) -> dict[str, np.ndarray]:
    """Return how much worse each piece is predicted without the neurons in ``masks``."""
    weights = dict(smollm.load().weights)
    for i, mask in enumerate(masks):
        kept = torch.from_numpy(~mask)
        weights |= {f"{i}.{kind}": weights[f"{i}.{kind}"][kept] for kind in ("gate", "up")}
        weights[f"{i}.down"] = weights[f"{i}.down"][:, kept]
    found, before = calibrate.losses(weights, drawn.shown(), device), whole(drawn, device)
    return {name: found[name] - before[name] for name in drawn.names}


@cache
def whole(drawn: Drawn, device: str) -> Losses:
    """Return the losses of the whole model, kept on disk."""
    hangs_on = {"on": [repr(drawn), device], **calibrate.origin()}
    return keep.kept("smollm-whole", hangs_on, lambda: calibrate.losses(None, drawn.shown(), device))


def power_lost(masks: Sequence[np.ndarray], calibration: int, length: int) -> list[float]:
    """Return for each block the share of the feed-forward layer's output that goes, were its neurons uncorrelated."""
    found = []
    for i, mask in enumerate(masks):
        down = smollm.load().weights[f"{i}.down"].numpy()
        power = np.square(down).sum(0) * np.square(statistics(i, calibration, length)["norm"])
        found.append(float(power[mask].sum() / power.sum()))
    return found


def feedback(lost: Mapping[str, float], errors: Sequence[float], removed: Sequence[int]) -> str:
    """Say where the smaller model is weak."""
    worst = sorted(range(len(errors)), key=lambda i: -errors[i])[:5]
    order = sorted(range(len(removed)), key=lambda i: removed[i])
    return (
        "nats per token lost: "
        + ", ".join(f"{name} {value:.4f}" for name, value in lost.items())
        + ". Share of the feed-forward output's power lost on calibration texts (neurons taken as uncorrelated): "
        + f"{100 * fmean(errors):.1f} % on average, most in blocks "
        + ", ".join(f"{i} ({100 * errors[i]:.1f} %)" for i in worst)
        + f". Fewest neurons go from block {order[0]} ({removed[order[0]]}), most from {order[-1]} ({removed[order[-1]]})."
    )


def draw(removed: Sequence[int], errors: Sequence[float]) -> str:
    """Return curves over the blocks: the share of neurons that goes, and of the power."""
    curves = {
        "neurons removed": [(i, count / smollm.INNER) for i, count in enumerate(removed)],
        "power lost": list(enumerate(errors)),
    }
    return picture.lines(curves, title="what each feed-forward layer loses", x="block", y="share")
