"""A loss for labels of which many are wrong: plain cross-entropy, which in time learns every one of them by heart."""

# EVOLVE-BLOCK-START
from torch.nn.functional import cross_entropy


def loss(logits, targets, t):
    """Return the loss of one batch, a scalar tensor.

    Args:
        logits: (100, 10) float32, the network's outputs before any softmax.
        targets: (100,) int64, the given labels, of which an unknown part is wrong.
        t: progress of the training, a float from 0.0 in the first epoch to 1.0 in the last.
    """
    losses = cross_entropy(logits, targets, reduction="none")
    return losses.mean()


# EVOLVE-BLOCK-END
