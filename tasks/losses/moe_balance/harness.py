"""Runs in the jail: describes what is evolved as graphs. It sees no text and no model."""

import program
import torch

from evolve.kit import trace


def graphs(what: str, tokens: int, experts: int, top: int) -> list:
    """Return the graph of `aux_loss`, or the two of `route` (training, inference), for a layer's shapes."""
    logits, state = torch.zeros(tokens, experts), torch.zeros(experts)
    if what == "route":
        return [trace.function(program.route, logits, state, top, train) for train in (True, False)]
    chosen = torch.zeros(tokens, experts)
    chosen[:, :top] = 1.0
    return [trace.function(program.aux_loss, logits, logits.softmax(1), chosen, state)]
