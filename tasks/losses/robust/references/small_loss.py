"""Small-loss selection as in Co-teaching (Han and others, arXiv 1804.06872), with one network: the share that is forgotten grows
over the first epochs to the rate of the noise, which the paper takes as known (here 0.35).
"""

from torch import Tensor
from torch.nn.functional import cross_entropy

RATE, WARMUP = 0.35, 0.25


def loss(logits: Tensor, targets: Tensor, t: float) -> Tensor:
    """Return the mean over the samples with the smallest cross-entropy."""
    each = cross_entropy(logits, targets, reduction="none")
    kept = int(len(each) * (1 - RATE * min(1.0, t / WARMUP)))
    return each.topk(kept, largest=False).values.mean()
