"""A balancing loss for a mixture of experts: none, so experts that are ahead stay ahead, and others die."""

# EVOLVE-BLOCK-START


def aux_loss(logits, probs, chosen, state):
    """Return one layer's balancing loss, a scalar tensor, and the state for the next step.

    Args:
        logits: (tokens, experts) float32, of the router.
        probs: their softmax.
        chosen: (tokens, experts), 1.0 where a token goes to an expert, 0.0 elsewhere; without gradient.
        state: (experts,) float32, what was returned at the step before; zeros at first. Without gradient.
    """
    return 0.0 * logits.sum(), state


# EVOLVE-BLOCK-END
