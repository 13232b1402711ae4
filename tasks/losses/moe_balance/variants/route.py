"""A router for a mixture of experts: each token goes where its logits are largest, however full it is there."""

# EVOLVE-BLOCK-START
from torch import Tensor


def route(logits: Tensor, state: Tensor, top: int, train: bool) -> tuple[Tensor, Tensor]:
    """Return scores, of which each token's largest ones choose its experts, and the state for the next step.

    Args:
        logits: (tokens, experts) float32, of the router.
        state: (experts,) float32, what was returned at the training step before; zeros at first.
        top: how many experts a token goes to.
        train: True in training; False at inference, where a token's scores may not depend on other tokens.
    """
    scores = logits
    return scores, state


# EVOLVE-BLOCK-END
