"""Which moves of machine learning a file's code allows, and how often each is tried."""

from __future__ import annotations

from collections.abc import Mapping

from evolve.operators.learning import grammar, layers, losses, morphisms, skips, widths
from evolve.operators.site import Move, Site

ARRAYS: Mapping[Move, float] = {
    grammar.primitive: 3.0,
    grammar.blend: 9.0,
    grammar.binary: 3.0,
    grammar.weigh: 2.0,
    grammar.power: 2.0,
    grammar.stat: 3.0,
    grammar.reduction: 1.0,
    grammar.axis: 0.5,
}
"""Moves where the code shows arrays."""
LOSSES: Mapping[Move, float] = {losses.term: 6.0, losses.swap: 3.0, losses.weight: 3.0}
"""Moves where it shows logits and targets."""
LAYERS: Mapping[Move, float] = {
    morphisms.insert: 6.0,
    morphisms.delete: 2.0,
    morphisms.repeat: 3.0,
    skips.skip: 4.0,
    skips.stem: 3.0,
    morphisms.swap: 4.0,
    morphisms.kernel: 3.0,
    morphisms.group: 1.5,
    morphisms.activate: 3.0,
    widths.widen: 8.0,
    widths.deepen: 3.0,
    widths.stride: 1.5,
}
"""Moves where it shows layers of torch."""
SHARE = 0.25
"""How often moves on arrays are tried, relative to elsewhere, where layers are shown: there they are the forward pass's."""


def shown(site: Site) -> Mapping[Move, float]:
    """Return the moves that a file's code allows; none where it shows neither arrays nor layers."""
    if site.arrays.library is None:
        return {}
    found: dict[Move, float] = {}
    network = site.arrays.prefix("nn") is not None and bool(layers.layers(site))
    if network:
        found |= LAYERS
    if grammar.places(site, site.arrays) and not (network and layers.causal(site)):
        found |= {move: weight * (SHARE if network else 1) for move, weight in ARRAYS.items()}
        if losses.values(site):
            found |= LOSSES
    return found
