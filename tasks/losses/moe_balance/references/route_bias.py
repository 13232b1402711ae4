"""Loss-free balancing (Wang and others, arXiv 2408.15664, algorithm 1): a bias for each expert, raised by a fixed step where it
had too few tokens and lowered where too many. The paper's step is 0.001, in long trainings.
"""

import torch
from torch import Tensor

STEP = 0.01


def route(logits: Tensor, state: Tensor, top: int, train: bool) -> tuple[Tensor, Tensor]:
    """Return sigmoid scores plus the bias, which moves after each training step."""
    scores = logits.sigmoid() + state
    if not train:
        return scores, state
    load = torch.zeros_like(scores).scatter(1, scores.topk(top, 1).indices, 1.0).mean(0)
    return scores, state + STEP * torch.sign(load.mean() - load)
