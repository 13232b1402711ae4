"""Moves of `builtin/mutate` on how wide and deep a network is, in all places that must agree."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from evolve.operators.learning.edits import change
from evolve.operators.learning.layers import (
    ACTIVATIONS,
    DROPOUTS,
    INPUT,
    NORMS,
    OUTPUT,
    POOLS,
    WIDTH,
    Layer,
    layer,
    layers,
    runs,
)
from evolve.operators.site import Change, Site
from evolve.operators.syntax import Edit

FACTORS = (0.5, 0.67, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0)
_PLACES = {*INPUT.values(), *OUTPUT.values(), *WIDTH.values(), "hidden_size"}


def _new(site: Site, old: int) -> int:
    """Return another width: a multiple of what divides the old one, so that heads and groups still fit."""
    step = next((size for size in (8, 4, 2) if old % size == 0 and old > size), 1)
    factor = site.rng.choice(FACTORS)
    value = max(step, round(old * factor / step) * step)
    return value if value != old else old + step


def widen(site: Site) -> Change | None:
    """Change a width in all places that must agree: a variable, or the literals between one layer and the next."""
    groups = [*_variables(site), *_chains(site)]
    if not groups:
        return None
    nodes = site.rng.choice(groups)
    old = nodes[0].value
    if not isinstance(old, int):
        return None
    new = _new(site, old)
    return change(
        site,
        tuple(site.module.put(node, str(new)) for node in nodes),
        f"width {old} -> {new} in {len(nodes)} places",
    )


def _names(site: Site) -> set[str]:
    """Return the variables that are widths of layers."""
    found = set()
    for each in layers(site):
        for name, node in each.arguments.items():
            if name in _PLACES:
                found |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return found


def _variables(site: Site) -> Iterator[list[ast.Constant]]:
    """Yield the constants that variables which are widths are set to, by assignment, by default or by argument."""
    names = _names(site)
    for node in ast.walk(site.module.tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int()) as value) if name in names:
                yield from ([value] for _ in (0,) if _wide(site, value))
            case ast.keyword(arg=str(name), value=ast.Constant(value=int()) as value) if name in names:
                yield from ([value] for _ in (0,) if _wide(site, value))
            case ast.FunctionDef(args=args):
                positional = [*args.posonlyargs, *args.args]
                given = zip(
                    positional[len(positional) - len(args.defaults) :],
                    args.defaults,
                    strict=True,
                )
                for parameter, default in (
                    *given,
                    *zip(args.kwonlyargs, args.kw_defaults, strict=True),
                ):
                    if parameter.arg in names and isinstance(default, ast.Constant) and _wide(site, default):
                        yield [default]


def _wide(site: Site, node: ast.Constant) -> bool:
    return type(node.value) is int and node.value > 1 and site.module.editable(node)


def _chains(site: Site) -> Iterator[list[ast.Constant]]:
    """Yield the equal literals that make one width in a run: a producer's, the norms' after it, the next consumer's."""
    for run in runs(site):
        for at, node in enumerate(run):
            each = layer(site, node)
            if each is not None and each.name in OUTPUT:
                chain = _chain(site, each, run[at + 1 :])
                if chain is not None and all(_wide(site, node) for node in chain):
                    yield chain


def _chain(site: Site, each: Layer, rest: list[ast.expr]) -> list[ast.Constant] | None:
    """Return the literals of one width from its producer to its consumer, None where the code does not show them all."""
    found = [each.arguments.get(OUTPUT[each.name])]
    for node in rest:
        other = layer(site, node)
        if other is None or (other.name == "Flatten" and not _pooled(site, rest, node)):
            return None
        if other.name in INPUT:
            found.append(other.arguments.get(INPUT[other.name]))
            break
        if other.name in NORMS:
            found.append(other.arguments.get(WIDTH[other.name]))
        elif other.name not in (
            *ACTIVATIONS,
            *DROPOUTS,
            *POOLS,
            "Flatten",
        ) and not other.name.startswith("Adaptive"):
            return None
    else:
        return None
    values = [node for node in found if isinstance(node, ast.Constant)]
    return values if len(values) == len(found) and len({node.value for node in values}) == 1 else None


def _pooled(site: Site, rest: list[ast.expr], node: ast.expr) -> bool:
    """Whether one position is left before a flattening, so that widths stay as they are."""
    before = rest[: rest.index(node)]
    other = layer(site, before[-1]) if before else None
    if other is None or not other.name.startswith("Adaptive"):
        return False
    return [ast.unparse(arg) for arg in other.node.args] == ["1"]


def deepen(site: Site) -> Change | None:
    """Change how often a loop, or a list's, makes layers."""
    found: list[ast.Constant] = []
    for node in ast.walk(site.module.tree):
        match node:
            case ast.For(iter=ast.Call(func=ast.Name(id="range"), args=[count]), body=body) if _makes(site, *body):
                found += _counts(site, count)
            case ast.ListComp(elt=made, generators=[inner]) | ast.GeneratorExp(elt=made, generators=[inner]):
                if (
                    isinstance(inner.iter, ast.Call)
                    and ast.unparse(inner.iter.func) == "range"
                    and len(inner.iter.args) == 1
                ):
                    found += _counts(site, inner.iter.args[0]) if _makes(site, made) else []
    if not found:
        return None
    node = site.rng.choice(found)
    old = int(str(node.value))
    new = max(1, old + site.rng.choice((-1, 1, 1, 2)))
    new = old + 1 if new == old else new
    return change(site, (site.module.put(node, str(new)),), f"depth {old} -> {new}")


def _makes(site: Site, *nodes: ast.AST) -> bool:
    """Whether code makes layers, or objects of the file's classes."""
    classes = {node.name for node in ast.walk(site.module.tree) if isinstance(node, ast.ClassDef)}
    calls = [inner for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Call)]
    return any(layer(site, c) or (isinstance(c.func, ast.Name) and c.func.id in classes) for c in calls)


def _counts(site: Site, count: ast.expr) -> list[ast.Constant]:
    """Return the constants that a count is: itself, or what the file sets its variable to."""
    if isinstance(count, ast.Constant):
        return [count] if type(count.value) is int and site.module.editable(count) else []
    if not isinstance(count, ast.Name):
        return []
    found: list[ast.Constant] = []
    for node in ast.walk(site.module.tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int()) as value) if name == count.id:
                found.append(value)
            case ast.FunctionDef(args=args):
                every = [arg.arg for arg in (*args.posonlyargs, *args.args)]
                names = every[len(every) - len(args.defaults) :]
                found += [
                    v
                    for n, v in zip(names, args.defaults, strict=True)
                    if n == count.id and isinstance(v, ast.Constant)
                ]
    return [node for node in found if type(node.value) is int and site.module.editable(node)]


def stride(site: Site) -> Change | None:
    """Change a stride or a pooling's size where what follows takes any number of positions."""
    found: list[tuple[Edit, str]] = []
    for run in runs(site):
        for at, node in enumerate(run):
            each = layer(site, node)
            if each is None or not any(_any_length(site, other) for other in run[at + 1 :]):
                continue
            value = (
                each.arguments.get("stride")
                if each.name.startswith("Conv")
                else each.node.args[0]
                if each.name in POOLS and each.node.args
                else None
            )
            if isinstance(value, ast.Constant) and type(value.value) is int:
                new = 2 if value.value == 1 else site.rng.choice((1, value.value + 1))
                found.append(
                    (
                        site.module.put(value, str(new)),
                        f"{each.name}: {value.value} -> {new}",
                    )
                )
    if not found:
        return None
    edit, note = site.rng.choice(found)
    return change(site, (edit,), f"stride {note}")


def _any_length(site: Site, node: ast.expr) -> bool:
    each = layer(site, node)
    return each is not None and each.name.startswith("Adaptive")
