"""Judges scores of weights: prunes MiniLM by them, and asks how much of the dense network's order of cosines is left.

The candidate sees one matrix after the other, with statistics of calibration texts, and returns numbers. Which entries go is
decided here, exactly as many as asked for, and so is what the pruned network is worth, on texts that no candidate has seen.
`screen` draws few of the texts, `evaluate` more of them by its seed, `validate` takes those held out and a third domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from statistics import fmean
from typing import Any

import numpy as np
import torch

from evolve import Candidate, Invalid, Result
from evolve.kit import embedding, minilm, picture, select

torch.set_num_threads(1)

DOMAINS = {"general": "kjv", "domain": "docs"}
HIDDEN = {**DOMAINS, "third": "python"}
SHARES = {"half": 0.5, "sixty": 0.6}
BATCH = 8
"""Pairs of a batch when gradients are taken: 6 batches of 48 pairs."""
SCREEN = 1_000_003
"""The seed of the screen's texts."""
GROUPS = 4
"""Groups of held-out pairs of each domain that are also judged by themselves: by how much they differ says what chance does."""
REMEMBERED = 1000

Masks = dict[str, dict[str, np.ndarray]]
"""For each share, by matrix: True for what goes."""


def screen(candidate: Candidate) -> Result:
    """Judge on few texts, always the same."""
    settings = candidate.settings
    return judged(candidate, probes(settings["device"], settings["screen_pairs"], SCREEN))


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Judge on more texts, which ``seed`` draws."""
    settings = candidate.settings
    return judged(candidate, probes(settings["device"], settings["pairs"], seed))


def validate(candidate: Candidate) -> Result:
    """Judge on texts that nothing else draws from: others of both domains, and a third domain."""
    probes, masks = held_out(candidate.settings["device"]), pruned(candidate)
    found = remembered(masks, probes, candidate.settings["calibration"])
    parts: dict[str, list[float]] = {}
    for share in SHARES:
        weights = kept(masks[share])
        for name, probe in probes.items():
            for group, value in enumerate(probe.agreements(weights, GROUPS)):
                parts.setdefault(f"part {name}, group {group}", []).append(value)
    return replace(found, metrics={**found.metrics, **{part: fmean(values) for part, values in parts.items()}})


@cache
def network() -> minilm.MiniLM:
    """Return the dense network."""
    return minilm.load()


@cache
def placed(device: str) -> minilm.MiniLM:
    """Return it where it is to run; on the CPU the same tensors."""
    return network().to(device)


@cache
def probes(device: str, pairs: int, seed: int) -> Mapping[str, embedding.Probe]:
    """Return the texts of each domain that a seed draws."""
    return {
        name: embedding.Probe(placed(device), embedding.draw(embedding.pool(text, "judging"), pairs, seed))
        for name, text in DOMAINS.items()
    }


@cache
def held_out(device: str) -> Mapping[str, embedding.Probe]:
    """Return the held-out texts of each domain."""
    return {name: embedding.Probe(placed(device), embedding.pool(text, "held out")) for name, text in HIDDEN.items()}


@cache
def statistics(pairs: int) -> dict[str, dict[str, Any]]:
    """Return what a candidate is told about each matrix, from so many pairs of texts of each domain."""
    dense = network()
    stats: dict[str, dict[str, Any]] = {}
    for name in dense.weights:
        layer, _, kind = name.partition(".")
        stats[name] = {"layer": int(layer), "kind": kind}
    for side, text in DOMAINS.items():
        moments = moments_of(side, pairs)
        inverses = {id(each): each.inverse().numpy() for each in moments.values()}
        gradients = embedding.gradients(dense, embedding.first(embedding.pool(text, "calibration"), pairs), BATCH)
        for name, weight in dense.weights.items():
            gram = moments[name].gram
            stats[name][side] = {
                "inputs": gram.diagonal().numpy(),
                "means": moments[name].mean.numpy(),
                "inverse": inverses[id(moments[name])],
                "outputs": ((weight @ gram) * weight).sum(1).numpy(),
                "gradient": gradients[name].mean.numpy(),
                "fisher": gradients[name].square.numpy(),
            }
    return stats


@cache
def moments_of(side: str, pairs: int) -> dict[str, embedding.Moments]:
    """Return the moments of all matrices' inputs on the calibration texts of one domain."""
    queries, targets = embedding.first(embedding.pool(DOMAINS[side], "calibration"), pairs)
    return embedding.moments(network(), [*queries, *targets])


def judged(candidate: Candidate, on: Mapping[str, embedding.Probe]) -> Result:
    """Prune as the candidate says and judge on ``on``; what gives the same masks as before is not judged again."""
    return remembered(pruned(candidate), on, candidate.settings["calibration"])


def remembered(masks: Masks, on: Mapping[str, embedding.Probe], calibration: int) -> Result:
    """Return what masks score on ``on``, from memory where they are known."""
    key = (
        select.fingerprint(entries(masks)),
        tuple(id(probe) for probe in on.values()),
    )  # probes live as long as this process
    if key not in _known:
        if len(_known) >= REMEMBERED:
            _known.clear()
        _known[key] = result(masks, on, calibration)
    return _known[key]


_known: dict[Any, Result] = {}


def pruned(candidate: Candidate) -> Masks:
    """Ask the candidate for its scope and all scores, and select what goes."""
    scope = candidate.call("scope")
    if not isinstance(scope, str) or scope not in select.SCOPES:
        raise Invalid(f"scope() must return one of {', '.join(select.SCOPES)}, not {scope!r:.60}")
    stats, scores = statistics(candidate.settings["calibration"]), {}
    for name, weight in network().weights.items():
        scores[name] = checked(candidate.call("score", weight.numpy(), stats[name]), name, tuple(weight.shape))
    return {share: select.pruned(scores, sparsity, scope) for share, sparsity in SHARES.items()}


def checked(reply: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the scores of one matrix; the wire has let only finite numbers pass."""
    if not isinstance(reply, np.ndarray):
        raise Invalid(f"score must return a NumPy array, not {type(reply).__name__} (matrix {name})")
    if reply.dtype.kind != "f":
        raise Invalid(f"score must return floats, not {reply.dtype} (matrix {name}): use .astype(numpy.float32)")
    if reply.shape != shape:
        raise Invalid(f"score must return an array of the weight's shape {shape}, not {reply.shape} (matrix {name})")
    return reply


def entries(masks: Masks) -> Iterator[np.ndarray]:
    """Yield the masks of all shares and matrices."""
    return (mask for share in masks.values() for mask in share.values())


def result(masks: Masks, on: Mapping[str, embedding.Probe], calibration: int) -> Result:
    """Return the score of masks with all that is said about them."""
    table = {share: agreements(masks[share], on) for share in SHARES}
    score = fmean(value for row in table.values() for value in row.values())
    lost = damage(masks["half"], calibration)
    like = similarity(masks["half"])
    mark = select.mark(entries(masks))
    metrics = {name: fmean(row[name] for row in table.values()) for name in on}
    metrics |= {share: fmean(row.values()) for share, row in table.items()}
    metrics |= {"like_magnitude": like, "fingerprint": mark}
    return Result(score, metrics, feedback(table, lost, like, f"{mark:012x}"), {"damage.svg": draw(lost)})


def agreements(masks: Mapping[str, np.ndarray], on: Mapping[str, embedding.Probe]) -> dict[str, float]:
    """Return the agreement of the network pruned by ``masks`` on each domain."""
    weights = kept(masks)
    return {name: probe.agreement(weights) for name, probe in on.items()}


def kept(masks: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Return the weights of the network pruned by ``masks``."""
    return {name: weight.masked_fill(torch.from_numpy(masks[name]), 0.0) for name, weight in network().weights.items()}


def damage(masks: Mapping[str, np.ndarray], calibration: int) -> dict[str, float]:
    """Return for each matrix W the share of its output that is lost on the calibration texts, mean of both domains:
    tr(D G D') / tr(W G W') with D the entries that go and G the mean of x x'.
    """
    lost = {}
    for name, weight in network().weights.items():
        gone = weight * torch.from_numpy(masks[name])
        lost[name] = fmean(
            power(gone, moments_of(side, calibration)[name].gram) / whole(side, calibration)[name] for side in DOMAINS
        )
    return lost


@cache
def whole(side: str, calibration: int) -> dict[str, float]:
    """Return the power of all outputs of each matrix on one domain's calibration texts."""
    moments = moments_of(side, calibration)
    return {name: power(weight, moments[name].gram) for name, weight in network().weights.items()}


def power(weight: torch.Tensor, gram: torch.Tensor) -> float:
    """Return the mean square of weight @ x, summed over rows."""
    return float(((weight @ gram) * weight).sum())


def similarity(masks: Mapping[str, np.ndarray]) -> float:
    """Return the share of what is pruned that magnitude, row by row, prunes as well; chance gives about one half."""
    same = sum(int((masks[name] & by_magnitude()[name]).sum()) for name in masks)
    return same / max(1, sum(int(mask.sum()) for mask in masks.values()))


@cache
def by_magnitude() -> dict[str, np.ndarray]:
    """Return what magnitude prunes at one half."""
    return select.pruned({name: weight.abs().numpy() for name, weight in network().weights.items()}, 0.5, "row")


def feedback(table: Mapping[str, Mapping[str, float]], lost: Mapping[str, float], like: float, mark: str) -> str:
    """Say where the pruned network is weak."""
    parts = [
        f"{100 * SHARES[share]:.0f} % pruned: "
        + ", ".join(f"{name} {value:.4f}" for name, value in sorted(row.items(), key=lambda item: item[1]))
        for share, row in table.items()
    ]
    kinds = {kind: fmean(lost[f"{i}.{kind}"] for i in range(minilm.LAYERS)) for kind in minilm.KINDS}
    worst = max(lost, key=lambda name: lost[name])
    return (
        f"agreement with the dense network: {'; '.join(parts)}. Output lost at 50 % on the calibration texts: "
        + ", ".join(f"{kind} {100 * value:.1f} %" for kind, value in kinds.items())
        + f"; most in {worst}, {100 * lost[worst]:.1f} %. {100 * like:.1f} % of what goes at 50 % goes by magnitude too. "
        f"Masks {mark}: programs with the same masks are the same pruner, however they are written."
    )


def draw(lost: Mapping[str, float]) -> str:
    """Return a map of the damage: layers from top to bottom, kinds of matrices from left to right."""
    rows = [[lost[f"{i}.{kind}"] for kind in minilm.KINDS] for i in range(minilm.LAYERS)]
    return picture.heat(rows, title="share of the output lost at 50 %", x=", ".join(minilm.KINDS), y="layer")
