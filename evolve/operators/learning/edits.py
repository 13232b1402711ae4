"""Changes whose new text may need an import that the file lacks."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from evolve.operators.site import Change, Site
from evolve.operators.syntax import Edit

_TORCH = re.compile(r"(?<![\w.])torch\.")


def change(site: Site, edits: Sequence[Edit], note: str) -> Change | None:
    """Return a change, with an import of torch where its text names it and the file does not; None where none can stand."""
    known = "torch" in site.arrays.aliases or not any(_TORCH.search(edit.text) for edit in edits)
    if known:
        return Change(tuple(edits), note)
    for node in site.module.tree.body:
        place = site.module.lines(node) if isinstance(node, ast.Import | ast.ImportFrom) else None
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if place is not None and not future and site.module.opens(place[0]):
            return Change((Edit(place[0], place[0], "import torch\n"), *edits), note)
    return None
