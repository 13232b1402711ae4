"""Focal loss (Lin and others, arXiv 1708.02002, equation 4), with its gamma of 2; made for rare classes."""

from torch import Tensor
from torch.nn.functional import log_softmax


def loss(logits: Tensor, targets: Tensor, t: float) -> Tensor:
    """Return cross-entropy weighted by (1 - p)^2, which dwells on what is not fitted yet."""
    log_p = log_softmax(logits, 1).gather(1, targets[:, None])
    return -((1 - log_p.exp()) ** 2 * log_p).mean()
