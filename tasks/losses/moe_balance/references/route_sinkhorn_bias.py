"""Sinkhorn routing whose column potentials are remembered, so that inference is balanced as well without looking at other tokens:
the running mean of what Sinkhorn subtracts from each expert. Ours, after selective Sinkhorn routing's aim (from the abstract).
"""

from torch import Tensor

ROUNDS, KEEP = 8, 0.9


def route(logits: Tensor, state: Tensor, top: int, train: bool) -> tuple[Tensor, Tensor]:
    """Return log-probabilities less each expert's remembered potential."""
    scores = logits.log_softmax(1)
    if not train:
        return scores - state, state
    rows, columns = scores, state * 0
    for _ in range(ROUNDS):
        shift = (rows - columns).log_softmax(1).logsumexp(0)
        columns = columns + shift - shift.mean()
    return scores - columns, KEEP * state + (1 - KEEP) * columns
