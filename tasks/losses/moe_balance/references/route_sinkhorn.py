"""Sinkhorn routing in training (as in BASE layers' successors; S-BASE, Clark and others, arXiv 2202.01169), softmax at inference,
where a token may not know of others; from memory.
"""

from torch import Tensor

ROUNDS = 8


def route(logits: Tensor, state: Tensor, top: int, train: bool) -> tuple[Tensor, Tensor]:
    """Return the logits less what makes all experts' columns, and all tokens' rows, sum to the same."""
    if not train:
        return logits, state
    for _ in range(ROUNDS):
        logits = logits - logits.logsumexp(0, keepdim=True)
        logits = logits - logits.logsumexp(1, keepdim=True)
    return logits, state
