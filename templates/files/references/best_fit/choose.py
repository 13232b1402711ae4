"""A reference: best fit, the fullest bin with enough space (Johnson 1974, "Fast algorithms for bin packing"; from memory)."""


def prefer(item, left, age):
    """Return how good a bin is for an item that fits."""
    return -(left - item)
