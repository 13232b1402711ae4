"""The loss that ShinkaEvolve found (Lange, Imajuku and Cetin, arXiv 2509.19349): the global-batch loss, and a push for experts
below a floor, stronger the less even the router is. From memory, not checked against the paper; the gradient of the shares,
straight through to the mean probabilities, is ours.
"""

import math

from torch import Tensor
from torch.nn.functional import relu

KEEP, FLOOR, PUSH = 0.9, 0.064, 0.1


def aux_loss(logits: Tensor, probs: Tensor, chosen: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return E sum f P + 10 x 0.1 s(P) sum relu(0.064 / E - f); tenfold since the sweep's coefficient 0.01 to 0.1 meets both."""
    experts = probs.shape[1]
    shares = chosen.mean(0) / chosen.sum(1).mean()
    seen = KEEP * state + (1 - KEEP) * shares
    mean = probs.mean(0)
    balance = experts * (seen / seen.sum() * mean).sum()
    entropy = -(mean * mean.clamp_min(1e-9).log()).sum() / math.log(experts)
    through = shares + mean - mean.detach()
    return balance + 10 * PUSH * (1.5 - entropy) * relu(FLOOR / experts - through).sum(), seen
