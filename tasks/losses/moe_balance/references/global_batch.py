"""Global-batch balancing loss (Qiu and others, "Demons in the detail", arXiv 2501.11873): Switch's, with shares counted over many
batches. There they come from other devices, here from the steps before, as a running mean (ours).
"""

from torch import Tensor

KEEP = 0.9


def aux_loss(logits: Tensor, probs: Tensor, chosen: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return Switch's loss with a running mean of the shares."""
    shares = chosen.mean(0) / chosen.sum(1).mean()
    seen = KEEP * state + (1 - KEEP) * shares
    return probs.shape[1] * (seen / seen.sum() * probs.mean(0)).sum(), seen
