"""Which of the open bins."""


# EVOLVE-BLOCK-START
def prefer(item, left, age):
    """Return how good a bin is for an item that fits: the emptiest is the best."""
    return 0.05 * left + 0.01 * item - 0.001 * age


# EVOLVE-BLOCK-END
