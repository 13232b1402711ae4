"""In the jail: has the program build its network, and hands it over as data. Nothing here is trusted; nothing is trained here."""

from __future__ import annotations

from typing import Any

import program
import torch

from evolve.kit import trace


def build(shape: tuple[int, ...], classes: int, batch: int) -> dict[str, Any]:
    """Return the program's network for batches of so many curves as operations, tensors and the laws of their values."""
    torch.manual_seed(0)  # a jail's own chance differs from account to account, and shows in means and spreads
    return trace.network(program.build_model(shape, classes), torch.zeros(batch, *shape))
