"""Moves of `builtin/mutate` on losses of logits and targets: terms per sample, their weights and bounds.

They fire only in functions where the code shows both: an array of numbers for each class, and one of whole numbers that
says which is right. What such losses are made of: cross-entropy with and without smoothed labels, the generalised
cross-entropy of Zhang and Sabuncu (arXiv 1805.07836), the margin, the entropy and the sharpness of what is predicted.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from evolve.operators.kinds import called
from evolve.operators.learning.calls import LOSSES
from evolve.operators.learning.edits import change
from evolve.operators.learning.grammar import places, sheltered
from evolve.operators.learning.shapes import opaque
from evolve.operators.learning.values import Array
from evolve.operators.site import Change, Site

TERMS: Mapping[str, str] = {
    "cross-entropy": "{ce}",
    "smoothed cross-entropy": '{f}.cross_entropy({l}, {y}, reduction="none", label_smoothing=0.1)',
    "generalised cross-entropy": "(1 - {t}.exp(-0.7 * {ce})) / 0.7",
    "missed probability": "1 - {t}.exp(-{ce})",
    "focal": "(1 - {t}.exp(-{ce})) ** 2.0 * {ce}",
    "margin": "{l}.amax(1) - {l}.gather(1, {y}[:, None]).squeeze(1)",
    "entropy": "-({t}.softmax({l}, 1) * {t}.log_softmax({l}, 1)).sum(1)",
    "sharpness": "{t}.softmax({l}, 1).square().sum(1)",
    "logits' size": "{l}.square().mean(1)",
    "normaliser": "{t}.logsumexp({l}, 1).square()",
}
"""Numbers per sample, from logits ``l`` and targets ``y``."""
_CROSS = '{f}.cross_entropy({l}, {y}, reduction="none")'
_LOSSES = (
    "cross-entropy",
    "smoothed cross-entropy",
    "generalised cross-entropy",
    "missed probability",
    "focal",
)


def _pair(site: Site, node: ast.expr) -> tuple[str, str] | None:
    """Return the names of logits and targets in sight of a place."""
    sight = site.arrays.sight(node, site.kinds.visible(node))
    logits = [name for name, fact in sight.items() if fact.library == "torch" and _classes(name, fact)]
    targets = [
        name
        for name, fact in sight.items()
        if fact.holds == "whole" and fact.shape is not None and len(fact.shape) == 1
    ]
    return (logits[0], targets[0]) if logits and targets else None


def _classes(name: str, fact: Array) -> bool:
    return fact.holds == "real" and "logit" in name and fact.shape is not None and len(fact.shape) == 2


def values(site: Site) -> list[tuple[ast.expr, bool, Mapping[str, str]]]:
    """Return the losses that may be replaced, whether each is one per sample, and the names to write others with."""
    found: list[tuple[ast.expr, bool, Mapping[str, str]]] = []
    for node, fact, way in places(site, site.arrays):
        pair = _pair(site, node)
        functional = site.arrays.prefix("functional")
        if pair is None or functional is None or fact.shape is None or opaque(fact.shape) or len(fact.shape) > 1:
            continue
        if fact.shape and sheltered(site, node, fact) and not (isinstance(node, ast.Call) and called(node) in LOSSES):
            continue
        sample = site.arrays.known((pair[1],), node)
        if fact.shape and (sample is None or fact.shape != sample.shape):
            continue
        names = {"f": functional, "t": way.name, "l": pair[0], "y": pair[1]}
        found.append((node, bool(fact.shape), names | {"ce": _CROSS.format_map(names)}))
    return found


def _written(name: str, names: Mapping[str, str], each: bool) -> str:
    text = TERMS[name].format_map(names)
    return text if each else f"({text}).mean()"


def term(site: Site) -> Change | None:
    """Add a small part of another term to a loss."""
    found = values(site)
    if not found:
        return None
    node, each, names = site.rng.choice(found)
    name = site.rng.choice(sorted(TERMS))
    text = f"{site.module.operand(node)} + {site.number()} * ({_written(name, names, each)})"
    return change(site, (site.module.put(node, text),), f"added {name}: {text[:90]}")


def swap(site: Site) -> Change | None:
    """Put another loss in the place of one, or a mixture of the two."""
    found = [(node, each, names) for node, each, names in values(site) if isinstance(node, ast.Call)]
    if not found:
        return None
    node, each, names = site.rng.choice(found)
    name = site.rng.choice(_LOSSES)
    text = _written(name, names, each)
    if site.rng.random() < 0.4:
        text = f"0.5 * {site.module.operand(node)} + 0.5 * ({text})"
    return change(site, (site.module.put(node, text),), f"{site.module.inline(node)[:40]} -> {name}")


def weight(site: Site) -> Change | None:
    """Let samples count by how probable their targets are, or leave out those that are lost most."""
    found = values(site)
    if not found:
        return None
    node, each, names = site.rng.choice(found)
    rng, t = site.rng, names["t"]
    value = site.module.operand(node) if each else names["ce"]
    what = rng.random()
    if what < 0.4:
        text = f"{value} * {t}.exp({site.number()} * {names['ce']}.detach())"
    elif what < 0.7:
        text = f"{t}.clamp({value}, max={rng.choice(('1.0', '2.0', '3.0', '5.0'))})"
    elif each:
        text = f"{value} * ({value} <= {t}.quantile({value}.detach(), {rng.choice(('0.6', '0.8', '0.9'))})).float()"
    else:
        text = f"{value}.topk(int({rng.choice(('0.6', '0.8', '0.9'))} * {names['y']}.shape[0]), largest=False).values"
    text = text if each else f"({text}).mean()"
    return change(
        site,
        (site.module.put(node, text),),
        f"{site.module.inline(node)[:40]} -> {text[:90]}",
    )
