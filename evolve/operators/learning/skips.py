"""Moves of `builtin/mutate` that add connections around layers, or layers before a network that has none of their kind."""

from __future__ import annotations

import ast
import re

from evolve.operators.learning.edits import change
from evolve.operators.learning.layers import attribute, keeps_shape, layer, layers, mixes, runs, touched
from evolve.operators.site import Change, Site
from evolve.operators.syntax import Edit

RESIDUAL = '''class Residual({nn}.Module):
    """Adds what a layer makes of its input to the input."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return x + self.layer(x)


'''


def skip(site: Site) -> Change | None:
    """Add a connection around layers that keep the shape."""
    choices: list[list[ast.expr]] = []
    for run in runs(site):
        for size in (1, 2, 3, 4):
            parts = [run[i : i + size] for i in range(len(run) - size + 1)]
            choices += [
                part for part in parts if all(keeps_shape(site, n) for n in part) and any(_plain(site, n) for n in part)
            ]
    choices += [
        [each.node]
        for each in layers(site)
        if attribute(site, each.node)
        and keeps_shape(site, each.node)
        and _plain(site, each.node)
        and not touched(site, each)
    ]
    if not choices:
        return None
    part = site.rng.choice(choices)
    inner = ", ".join(site.module.inline(node) for node in part)
    nn = site.arrays.prefix("nn") or "nn"
    helper = _helper(site, part[0], nn)
    if helper is None:
        return None
    body = inner if len(part) == 1 else f"{nn}.Sequential({inner})"
    edit = Edit(site.module.span(part[0])[0], site.module.span(part[-1])[1], f"Residual({body})")
    return change(site, (edit, *helper), f"skip connection around {inner[:80]}")


def _plain(site: Site, node: ast.expr) -> bool:
    """Whether a layer has weights that mix, and no connection around it yet."""
    return layer(site, node) is not None and mixes(site, node)


def _helper(site: Site, node: ast.expr, nn: str) -> tuple[Edit, ...] | None:
    """Return the edit that defines ``Residual`` before the statement around ``node``; none where the file has it."""
    text = RESIDUAL.format(nn=nn)
    if text.strip() in site.module.data.decode():
        return ()
    at: ast.AST = node
    while not isinstance(site.module.above[at], ast.Module):
        at = site.module.above[at]
    place = site.module.lines(at) if isinstance(at, ast.stmt) else None
    if (
        place is None
        or not isinstance(at, ast.stmt)
        or not site.module.opens(place[0])
        or "Residual" in site.module.data.decode()
    ):
        return None
    return (Edit(place[0], place[0], text),)


def stem(site: Site) -> Change | None:
    """Put a convolution and a pooling before a flattening that is a network's first layer."""
    found: list[tuple[ast.expr, ast.expr, str]] = []
    for run in runs(site):
        first, second = (layer(site, node) for node in run[:2]) if len(run) > 1 else (None, None)
        if first is not None and second is not None and first.name == "Flatten" and second.name == "Linear":
            around = site.arrays.scope(run[0])
            names = [arg.arg for arg in around.args.args] if isinstance(around, ast.FunctionDef) else []
            given = next((name for name in names if "shape" in name), None)
            if given is not None and "in_features" in second.arguments:
                found.append((run[0], second.arguments["in_features"], given))
    if not found:
        return None
    node, into, given = site.rng.choice(found)
    nn = site.arrays.prefix("nn") or "nn"
    rank = _rank(site, given)
    wide, left, size = site.rng.choice((4, 6, 8, 12)), site.rng.choice((1, 2, 4)), site.rng.choice((3, 5, 7))
    stride = site.rng.choice(("", ", stride=2"))
    text = (
        f"{nn}.Conv{rank}d({given}[0], {wide}, {size}{stride}, padding={size // 2}), {nn}.ReLU(), "
        f"{nn}.AdaptiveAvgPool{rank}d({left}), "
    )
    start = site.module.span(node)[0]
    places = f" * {left**rank}" if left > 1 else ""
    return change(
        site, (Edit(start, start, text), site.module.put(into, f"{wide}{places}")), f"convolution before {nn}.Flatten"
    )


def _rank(site: Site, given: str) -> int:
    """Return the number of dimensions that a network's inputs have besides their channels."""
    known = site.arrays.documented.shapes.get(given)
    if known is not None:
        return max(1, min(2, len(known) - 1))
    return 2 if re.search(rf"\b{given}\[2\]", site.module.data.decode()) else 1
