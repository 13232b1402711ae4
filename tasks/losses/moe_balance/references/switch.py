"""The Switch Transformer's balancing loss (Fedus, Zoph and Shazeer, arXiv 2101.03961, equations 4 to 6); its alpha is swept."""

from torch import Tensor


def aux_loss(logits: Tensor, probs: Tensor, chosen: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return E times the sum over experts of (share of assignments) x (mean probability)."""
    shares = chosen.mean(0) / chosen.sum(1).mean()
    return probs.shape[1] * (shares * probs.mean(0)).sum(), state
