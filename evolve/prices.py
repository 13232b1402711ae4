"""What a unit of each resource is worth, so that attempts of different costs compare: the scarcest costs the most.

A run may be capped in evaluations, dollars, tokens and seconds at once, and which cap ends it shows only on the way. This is
the price side of the primal-dual algorithm for bandits with knapsacks (Badanidiyuru, Kleinberg and Slivkins 2013): a
multiplicative weight for each resource grows with the share of it that is used up, and arms are compared by what they earn for
what they cost at these prices. A resource that runs ahead of the others becomes dear, arms that need little of it
are preferred, and so all caps tend to be reached together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from evolve.records import Cost

SHARPNESS = 10.0
"""How fast a price grows with the share that is used: a tenth more of a cap makes its resource e times as dear."""
NOMINAL = 500.0
"""Evaluations that a run without a cap on them is taken to have, until it has made half as many."""


def prices(used: Cost, caps: Mapping[str, float | None]) -> dict[str, float]:
    """Return what a unit of each capped resource is worth in evaluations; empty where evaluations alone count.

    ``price_j = softmax(SHARPNESS · used_j / cap_j) / cap_j``, over the price of an evaluation. Evaluations always take part,
    so that an arm without any other cost is never free: where they have no cap, with a nominal one.

    Args:
        used: what the run has used so far, reservations included.
        caps: the cap of each resource, by the names of `Cost`; None or left out where there is none.
    """
    capped = {name: float(cap) for name, cap in caps.items() if cap is not None and cap > 0}
    if not capped.keys() - {"evaluations"}:
        return {}
    capped.setdefault("evaluations", max(NOMINAL, 2 * used.evaluations))
    # Beyond its cap nothing gets scarcer: a run may be resumed with a smaller budget than it has used.
    worth = {
        name: math.exp(SHARPNESS * min(getattr(used, name) / cap, 1.0)) / cap for name, cap in sorted(capped.items())
    }
    return {name: price / worth["evaluations"] for name, price in worth.items()}
