"""A model's reply becomes a child program here, or a reason that is sent back to the model: never a program cut short,
never a change of what is frozen.
"""

from __future__ import annotations

from evolve.patch.describe import describe
from evolve.patch.edits import apply_edits
from evolve.patch.lines import PatchError
from evolve.patch.rewrite import apply_rewrite

__all__ = ["PatchError", "apply_edits", "apply_rewrite", "describe"]
