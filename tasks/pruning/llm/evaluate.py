"""Judges scores of weights: prunes a language model by them, and measures how much worse it predicts texts.

The candidate sees one matrix after the other, with statistics of calibration texts, and returns numbers. Which weights go is
decided here, exactly as many as asked for in every row, and so is what the pruned model is worth, on pieces of text that no
candidate has seen. `evaluate` draws them by its seed, equal for all candidates; `validate` takes others, and source code.
"""

from __future__ import annotations

from collections.abc import Sequence
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
STEPS = 64
"""Steps of a block's sparsity: rows of 576 and of 1536 weights both divide by it, so each block's count is exact."""
MOST = int(0.95 * STEPS)
NEAR = 0.001
SCREEN = 1_000_003
"""The seed of the screen's pieces."""

Masks = dict[str, np.ndarray]
"""By matrix: True for what goes."""
Losses = dict[str, np.ndarray]
"""By text: nats per token of each piece."""


def screen(candidate: Candidate) -> Result:
    """Judge on few pieces, always the same."""
    return judged(candidate, TEXTS, "score", candidate.settings["screen_pieces"], SCREEN)


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Judge on more pieces, which ``seed`` draws."""
    return judged(candidate, TEXTS, "score", candidate.settings["pieces"], seed)


def validate(candidate: Candidate) -> Result:
    """Judge on pieces that nothing else draws from, half of them of a kind of text that nothing else has: source code."""
    return judged(candidate, HIDDEN, "hidden", candidate.settings["pieces"], SCREEN)


def judged(candidate: Candidate, names: Sequence[str], role: str, count: int, seed: int) -> Result:
    """Prune as the candidate says and judge on these pieces; hidden ones count by the source code among them."""
    settings = candidate.settings
    shares = allocated(candidate)
    masks, errors = pruned(candidate, shares)
    drawn = (tuple(names), role, count, settings["length"], seed)
    shown = {name: calibrate.pieces(name, role, count, settings["length"], seed) for name in names}
    whole, wanda = references(*drawn, settings["calibration"], settings["sparsity"], settings["device"])
    found = calibrate.losses(weights(masks), shown, settings["device"])
    lost = {name: float((found[name] - whole[name]).mean()) for name in names}
    paired = np.concatenate([found[name] - wanda[name] for name in names])
    metrics = dict(lost)
    metrics |= {"against_wanda": float(paired.mean()), "spread": pstdev(shares) / STEPS}
    metrics["fingerprint"] = select.mark(masks.values())
    metrics["standard_error"] = float(paired.std(ddof=1)) / len(paired) ** 0.5
    score = lost["python"] if role == "hidden" else fmean(lost.values())
    return Result(score, metrics, feedback(lost, metrics, errors, shares), {"blocks.svg": draw(shares, errors)})


def allocated(candidate: Candidate) -> list[int]:
    """Ask for each block's sparsity and return it in steps, whose sum is exact."""
    settings = candidate.settings
    sparsity = settings["sparsity"]
    influence = statistics(settings["calibration"], settings["length"])["influence"].astype(np.float64)
    reply = vector(candidate.call("allocate", influence, sparsity), "sparsities", smollm.BLOCKS)
    if not all(0 <= each <= 0.95 for each in reply):
        raise Invalid(f"each block's sparsity must be in [0, 0.95], not {min(reply)!r:.12} to {max(reply)!r:.12}")
    if abs(fmean(reply) - sparsity) > NEAR:
        raise Invalid(
            f"the blocks' sparsities must have the mean {sparsity} within {NEAR}, not {fmean(reply):.6g}: "
            "shift them by the difference"
        )
    steps = [min(each * STEPS, float(MOST)) for each in reply]
    return apportion.whole(steps, round(sparsity * STEPS * smollm.BLOCKS), MOST)


def pruned(candidate: Candidate, shares: Sequence[int]) -> tuple[Masks, dict[str, float]]:
    """Ask for all scores and select what goes; with each matrix's share of output that is lost, were its inputs uncorrelated."""
    settings = candidate.settings
    stats = statistics(settings["calibration"], settings["length"])
    masks, errors = {}, {}
    for name, weight in smollm.load().weights.items():
        block, _, kind = name.partition(".")
        share = shares[int(block)]
        told = {"kind": kind, "block": int(block), "sparsity": share / STEPS}
        told |= {each: stats[f"{name}.{each}"] for each in ("norm", "mean", "gradient")}
        own = weight.numpy()
        reply = checked(candidate.call("score", own, told), name, own.shape)
        masks[name] = select.lowest(reply, own.shape[1] * share // STEPS)
        power = np.square(own) * np.square(stats[f"{name}.norm"])
        errors[name] = float((power * masks[name]).sum() / power.sum())
    return masks, errors


def checked(reply: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the scores of one matrix; the wire has let only finite numbers pass."""
    if not isinstance(reply, np.ndarray) or reply.dtype.kind != "f":
        what = f"an array of {reply.dtype}" if isinstance(reply, np.ndarray) else type(reply).__name__
        raise Invalid(f"score must return a NumPy array of floats, not {what} (matrix {name})")
    if reply.shape != shape:
        raise Invalid(f"score must return an array of the weight's shape {shape}, not {reply.shape} (matrix {name})")
    return reply


@cache
def statistics(calibration: int, length: int) -> dict[str, np.ndarray]:
    """Return the statistics of the matrices and blocks."""
    return dict(calibrate.statistics(calibration, length))


def weights(masks: Masks) -> dict[str, torch.Tensor]:
    """Return the model's matrices with what goes at zero."""
    return {
        name: weight.masked_fill(torch.from_numpy(masks[name]), 0.0) for name, weight in smollm.load().weights.items()
    }


@cache
def references(
    names: tuple[str, ...],
    role: str,
    count: int,
    length: int,
    seed: int,
    calibration: int,
    sparsity: float,
    device: str,
) -> tuple[Losses, Losses]:
    """Return the losses of the whole model and of the one pruned by Wanda, on drawn pieces; kept on disk."""
    shown = {name: calibrate.pieces(name, role, count, length, seed) for name in names}

    def compute() -> dict[str, np.ndarray]:
        stats, masks = statistics(calibration, length), {}
        for name, weight in smollm.load().weights.items():
            scores = np.abs(weight.numpy()) * stats[f"{name}.norm"]
            masks[name] = select.lowest(scores, select.count(weight.shape[1], sparsity))
        whole, wanda = (calibrate.losses(each, shown, device) for each in (None, weights(masks)))
        return {f"whole.{name}": whole[name] for name in names} | {f"wanda.{name}": wanda[name] for name in names}

    hangs_on = {"on": [names, role, count, length, seed, calibration, sparsity, device]}
    hangs_on |= calibrate.origin() | {"task": keep.code(__file__, select.__file__)}
    found = keep.kept("smollm-wanda", hangs_on, compute)
    return tuple({name: found[f"{who}.{name}"] for name in names} for who in ("whole", "wanda"))


def feedback(lost: dict[str, float], metrics: dict[str, float], errors: dict[str, float], shares: Sequence[int]) -> str:
    """Say where the pruned model is weak."""
    kinds = {kind: fmean(errors[f"{i}.{kind}"] for i in range(smollm.BLOCKS)) for kind in smollm.KINDS}
    worst = sorted(errors, key=lambda name: -errors[name])[:4]
    sparsest = max(range(smollm.BLOCKS), key=lambda i: shares[i])
    return (
        "nats per token lost: "
        + ", ".join(f"{name} {value:.4f}" for name, value in lost.items())
        + f"; against Wanda on the same pieces {metrics['against_wanda']:+.4f} ± {metrics['standard_error']:.4f}. "
        "Share of the output's power lost on calibration texts (inputs taken as uncorrelated): "
        + ", ".join(f"{kind} {100 * value:.1f} %" for kind, value in kinds.items())
        + "; most in "
        + ", ".join(f"{name} ({100 * errors[name]:.1f} %)" for name in worst)
        + f". Sparsest is block {sparsest} at {shares[sparsest] / STEPS:.3f}, densest {min(shares) / STEPS:.3f}."
    )


def draw(shares: Sequence[int], errors: dict[str, float]) -> str:
    """Return curves over the blocks: sparsity, and the power lost in attention and in the feed-forward layer."""
    parts = {"attention": ("query", "key", "value", "output"), "feed-forward": ("gate", "up", "down")}
    curves = {"sparsity": [(i, share / STEPS) for i, share in enumerate(shares)]}
    for part, kinds in parts.items():
        curves[f"power lost, {part}"] = [
            (i, fmean(errors[f"{i}.{kind}"] for kind in kinds)) for i in range(len(shares))
        ]
    return picture.lines(curves, title="what each block loses", x="block", y="share")
