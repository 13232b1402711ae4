"""Router z-loss (ST-MoE, Zoph and others, arXiv 2202.08906, equation 5): keeps the logits small. Tenfold, so that its 0.001 is in
the sweep.
"""

from torch import Tensor


def aux_loss(logits: Tensor, probs: Tensor, chosen: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean square of the log-partition function."""
    return 0.1 * (logits.logsumexp(1) ** 2).mean(), state
