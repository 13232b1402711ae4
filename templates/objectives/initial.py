"""Knots in equal steps."""


# EVOLVE-BLOCK-START
def knots():
    """Return where the knots are."""
    count = 40
    return [0.0 + 3.0 * (i / count) for i in range(count + 1)]


# EVOLVE-BLOCK-END
