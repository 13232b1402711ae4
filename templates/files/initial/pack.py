"""Leads through the packing. What may change here is nothing: its block is empty, and the rules are in the other files."""

from choose import prefer
from open_new import opens


def pack(items):
    """Return the number of the bin of each item, in their order."""
    left, opened, bins = [], [], []
    for number, item in enumerate(items):
        fits = [place for place, space in enumerate(left) if space >= item]
        best = max(fits, key=lambda place: prefer(item, left[place], number - opened[place]), default=None)
        if best is None or opens(item, left[best]):
            best = len(left)
            left.append(1.0)
            opened.append(number)
        left[best] -= item
        bins.append(best)
    return bins


# EVOLVE-BLOCK-START
# EVOLVE-BLOCK-END
