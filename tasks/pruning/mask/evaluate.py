"""Judges improved pruning masks: how much less of a matrix's output they lose than the masks that were given.

The mask comes back as an array of booleans; its counts are compared row by row and its error is computed here, in float64.
`evaluate` draws layers, rows and sparsities by its seed from the first five layers; `validate` has the whole sixth layer, and
asks whether a smaller error on the calibration texts is one on others, and leaves more of the order of cosines.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

import numpy as np
import torch

from evolve import Candidate, Invalid, Result
from evolve.kit import embedding, minilm, picture, select

torch.set_num_threads(1)

DOMAINS = ("kjv", "docs")
HIDDEN = 5
"""The layer that only `validate` uses."""
SHARES = (0.5, 0.6)
SCREEN = 1_000_003
"""The seed of the screen's cases."""
SCREENED = ("output", "up", "down")
ATTENTION = ("query", "key", "value", "output")


@dataclass(frozen=True, slots=True)
class Case:
    """One problem: some rows of a matrix, and the mask of what Wanda keeps of them."""

    name: str
    weight: np.ndarray
    gram: np.ndarray
    kept: np.ndarray


def screen(candidate: Candidate) -> Result:
    """Judge on three matrices, always the same rows of the same ones."""
    return result(*improved(candidate, cases(SCREEN, SCREENED, candidate.settings)))


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Judge on one matrix of each kind; ``seed`` draws their layers, rows and sparsities."""
    return result(*improved(candidate, cases(seed, tuple(minilm.KINDS), candidate.settings)))


def validate(candidate: Candidate) -> Result:
    """Judge on the whole layer that was not seen, with its error on other texts, and the pruned network's agreement."""
    pairs = candidate.settings["calibration"]
    found = [case(f"{HIDDEN}.{kind}", SHARES[-1], pairs) for kind in minilm.KINDS]
    masks = improved(candidate, found)[1]
    seen = result(found, masks)
    fresh = unseen()
    others = [ratio(one, mask, fresh[one.name].gram.numpy()) for one, mask in zip(found, masks, strict=True)]
    before, after = agreement(found, [one.kept for one in found]), agreement(found, masks)
    metrics = {**seen.metrics, "on_other_texts": fmean(others), "agreement": after, "agreement_gain": after - before}
    return Result(seen.score, metrics, seen.feedback, seen.artifacts)


@cache
def network() -> minilm.MiniLM:
    """Return the dense network."""
    return minilm.load()


@cache
def moments(pairs: int) -> dict[str, embedding.Moments]:
    """Return the moments of all matrices' inputs on calibration texts, so many pairs of each domain."""
    return embedding.moments(network(), texts("calibration", pairs))


@cache
def unseen() -> dict[str, embedding.Moments]:
    """Return the moments of the hidden layer's inputs on texts that were not calibrated on."""
    return embedding.moments(network(), texts("held out", embedding.HELD_OUT), [HIDDEN])


def texts(part: embedding.Part, pairs: int) -> list[list[int]]:
    """Return the first texts of a part of both domains."""
    chosen = [embedding.first(embedding.pool(domain, part), pairs) for domain in DOMAINS]
    return [text for sides in chosen for side in sides for text in side]


@cache
def probes() -> list[embedding.Probe]:
    """Return the texts on which a pruned network is compared with the dense one."""
    return [embedding.Probe(network(), embedding.pool(domain, "held out")) for domain in (*DOMAINS, "python")]


def cases(seed: int, kinds: Sequence[str], settings: Mapping[str, Any]) -> list[Case]:
    """Return one case of each kind."""
    rng = random.Random(seed)
    found = []
    for kind in kinds:
        name, share = f"{rng.randrange(HIDDEN)}.{kind}", rng.choice(SHARES)
        chosen = sorted(rng.sample(range(len(network().weights[name])), settings["rows"]))
        found.append(case(name, share, settings["calibration"], chosen))
    return found


def case(name: str, share: float, pairs: int, rows: Sequence[int] | None = None) -> Case:
    """Return a matrix, or some rows of it, with what Wanda (arXiv 2306.11695) keeps."""
    weight = network().weights[name].numpy()
    weight = weight if rows is None else weight[list(rows)]
    gram = moments(pairs)[name].gram.numpy()
    scores = np.abs(weight) * np.sqrt(gram.diagonal())
    return Case(name, weight, gram, ~select.lowest(scores, select.count(weight.shape[1], share)))


def improved(candidate: Candidate, found: Sequence[Case]) -> tuple[Sequence[Case], list[np.ndarray]]:
    """Ask the candidate for a mask of each case."""
    deadline = float(candidate.settings["deadline"])
    masks = [checked(candidate.call("improve_mask", one.weight, one.gram, one.kept, deadline), one) for one in found]
    return found, masks


def checked(reply: Any, one: Case) -> np.ndarray:
    """Return the mask if it keeps as many entries of each row as the given one."""
    if not isinstance(reply, np.ndarray) or reply.dtype != np.bool_:
        kind = f"an array of {reply.dtype}" if isinstance(reply, np.ndarray) else type(reply).__name__
        raise Invalid(f"improve_mask must return a NumPy array of bool, not {kind}")
    if reply.shape != one.kept.shape:
        raise Invalid(f"improve_mask must return an array of the mask's shape {one.kept.shape}, not {reply.shape}")
    before, after = one.kept.sum(axis=1), reply.sum(axis=1)
    if (wrong := np.flatnonzero(before != after)).size:
        row = int(wrong[0])
        raise Invalid(
            f"row {row} keeps {after[row]} entries instead of {before[row]} ({wrong.size} rows of {len(before)} are wrong): "
            "swap kept and pruned entries one for one"
        )
    return reply


def error(one: Case, kept: np.ndarray, gram: np.ndarray) -> float:
    """Return trace(D G D') of the entries D that go, in float64."""
    gone = np.where(kept, 0.0, one.weight.astype(np.float64))
    return float(((gone @ gram.astype(np.float64)) * gone).sum())


def ratio(one: Case, kept: np.ndarray, gram: np.ndarray) -> float:
    """Return the error of a mask as a share of that of the given one."""
    return max(0.0, error(one, kept, gram)) / error(one, one.kept, gram)


def agreement(found: Sequence[Case], masks: Sequence[np.ndarray]) -> float:
    """Return the agreement of the network in which these matrices alone are pruned, mean of all domains."""
    pruned = {
        one.name: torch.from_numpy(np.where(mask, one.weight, np.float32(0)))
        for one, mask in zip(found, masks, strict=True)
    }
    return fmean(probe.agreement(network().weights | pruned) for probe in probes())


def result(found: Sequence[Case], masks: Sequence[np.ndarray]) -> Result:
    """Return the score of masks with all that is said about them."""
    ratios = {one.name: ratio(one, mask, one.gram) for one, mask in zip(found, masks, strict=True)}
    inner = [value for name, value in ratios.items() if name.partition(".")[2] in ATTENTION]
    outer = [value for name, value in ratios.items() if name.partition(".")[2] not in ATTENTION]
    new = [float((mask & ~one.kept).sum()) / float((~one.kept).sum()) for one, mask in zip(found, masks, strict=True)]
    metrics = {"attention": fmean(inner), "feed_forward": fmean(outer), "changed": fmean(new)}
    rows = [
        f"{one.name.partition('.')[2]} {one.weight.shape[0]} x {one.weight.shape[1]} at {1 - one.kept.mean():.0%}: "
        f"{ratios[one.name]:.4f} ({100 * share:.1f} % of the pruned swapped)"
        for one, share in zip(found, new, strict=True)
    ]
    feedback = f"error left, as a share of the given mask's: {'; '.join(rows)}"
    bars = {name.partition(".")[2]: value for name, value in ratios.items()}
    return Result(
        min(fmean(ratios.values()), 1e6),
        metrics,
        feedback,
        {"errors.svg": picture.bars(bars, title="error left", unit="share of the given mask's")},
    )
