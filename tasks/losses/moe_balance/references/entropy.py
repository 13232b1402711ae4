"""The negative entropy of the mean probabilities, the oldest way to ask for balance; the importance loss of Shazeer and others
(arXiv 1701.06538) is its relative.
"""

from torch import Tensor


def aux_loss(logits: Tensor, probs: Tensor, chosen: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of P log P."""
    mean = probs.mean(0)
    return (mean * mean.clamp_min(1e-9).log()).sum(), state
