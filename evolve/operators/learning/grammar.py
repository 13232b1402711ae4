"""Moves of `builtin/mutate` on expressions that hold arrays: a grammar of scores and losses.

They fire only where the code shows arrays of NumPy or torch (arrays.py). Operands are brought to the shape that the
place has, as far as shapes are known; most of what is inserted is nearly neutral.
"""

from __future__ import annotations

import ast

from evolve.operators.learning.arrays import Arrays, entry, source
from evolve.operators.learning.edits import change
from evolve.operators.learning.primitives import (
    SIGNED,
    Dialect,
    aligned,
    dialect,
    unary,
)
from evolve.operators.learning.shapes import fits, opaque, reduced
from evolve.operators.learning.values import Array
from evolve.operators.site import Change, Site

_ROOTS = ("log", "sqrt", "rsqrt", "log2", "log10")
Place = tuple[ast.expr, Array, Dialect]


def places(site: Site, arrays: Arrays) -> list[Place]:
    """Return the real-valued arrays that may be replaced."""
    found = []
    for node in site.expressions:
        fact = arrays.of(node) if not _index(site, node) else None
        if fact is not None and fact.library != "plain" and fact.holds == "real":
            way = dialect(arrays.prefix(fact.library), fact)
            if way is not None:
                found.append((node, fact, way))
    return found


def _index(site: Site, node: ast.expr) -> bool:
    """Whether a value stands in an index, or where nothing is computed with it."""
    at: ast.AST = node
    while not isinstance(at, ast.stmt):
        above = site.module.above[at]
        if isinstance(above, ast.Subscript) and above.slice is at:
            return True
        at = above
    return isinstance(at, ast.Assert | ast.Raise)


def _place(site: Site) -> tuple[Arrays, Place] | None:
    arrays = site.arrays
    found = places(site, arrays)
    return (arrays, site.rng.choice(found)) if found else None


def trained(site: Site, node: ast.expr) -> bool:
    """Whether gradients flow through what is computed here: in a function named for a loss, or one given logits."""
    around = site.arrays.scope(node)
    words = {arg.arg for arg in around.args.args} | {around.name} if isinstance(around, ast.FunctionDef) else set()
    return any(part in word for word in words for part in ("loss", "logit", "aux"))


def sheltered(site: Site, node: ast.expr, fact: Array) -> bool:
    """Whether a value that is never negative should stay so: something of the file may take its root or logarithm."""
    above = site.module.above[node]
    if isinstance(above, ast.Call) and isinstance(above.func, ast.Attribute) and above.func.attr in _ROOTS:
        return True
    if not fact.positive:
        return False
    for other in site.module.nodes:
        match other:
            case ast.BinOp(op=ast.Pow(), right=exponent):
                if not (isinstance(exponent, ast.Constant) and exponent.value in (1, 2, 4)):
                    return True
            case ast.Call(func=ast.Attribute(attr=name)) if name in _ROOTS:
                return True
    return False


def primitive(site: Site) -> Change | None:
    """Put an array through a unary primitive."""
    chosen = _place(site)
    if chosen is None:
        return None
    _, (node, fact, way) = chosen
    base = site.module.operand(node)
    texts = unary(way, base, fact.shape, trained(site, node))
    if sheltered(site, node, fact):
        texts = {name: text for name, text in texts.items() if name not in SIGNED}
    name = site.rng.choice(sorted(texts))
    return change(site, (site.module.put(node, texts[name]),), f"{name} of {base[:60]}")


def _operands(site: Site, arrays: Arrays, node: ast.expr, fact: Array, way: Dialect) -> list[str]:
    """Return the sources of arrays in sight of a place that fit its shape, or can be made to."""
    found: list[str] = []
    own = site.module.inline(node)
    for name, other in arrays.sight(node, site.kinds.visible(node)).items():
        if other.library == fact.library and other.holds == "real":
            found += [text for text in aligned(way, name, other.shape, fact.shape) if text != own]
    for other_node, other, _ in places(site, arrays):
        text = site.module.operand(other_node)
        if other_node is node or len(text) > 80 or text in found or arrays.scope(other_node) is not arrays.scope(node):
            continue
        if other.library == fact.library and site.kinds.free(other_node) <= site.kinds.visible(node) and text != own:
            found += [new for new in aligned(way, text, other.shape, fact.shape) if new not in found]
    return found


def blend(site: Site) -> Change | None:
    """Add a small part of another array to one, or multiply it by nearly one: a sum, a factor or a power."""
    chosen = _place(site)
    if chosen is None:
        return None
    arrays, (node, fact, way) = chosen
    rng, base = site.rng, site.module.operand(node)
    plain = [name for name in sorted(site.kinds.visible(node)) if _number(arrays.known((name,), node))]
    operands = _operands(site, arrays, node, fact, way)
    if plain and rng.random() < 0.2:
        text = f"{base} * (1 + {site.number()} * {rng.choice(plain)})"
    elif not operands:
        return None
    else:
        other = rng.choice(operands)
        what = rng.random()
        texts = unary(way, other, (), gradient=True) | {
            "itself": other,
            "relative": f"{other} / ({way.call('mean', way.call('abs', other))} + 1e-6)",
        }
        part = texts[rng.choice(sorted(texts))]
        if what < 0.35:
            text = f"{base} * ({way.call('abs', other)} + 1e-6) ** {site.number()}"
        elif sheltered(site, node, fact):
            bounded = way.call("tanh", part)
            text = f"{base} * {way.call('exp', f'{site.number()} * {bounded}')}"
        elif what < 0.65:
            text = f"{base} + {site.number()} * ({part})"
        else:
            text = f"{base} * (1 + {site.number()} * ({part}))"
    return change(site, (site.module.put(node, text),), f"{base[:40]} -> {text[:90]}")


def _number(fact: Array | None) -> bool:
    return fact is not None and fact.library == "plain"


def binary(site: Site) -> Change | None:
    """Combine an array with another that fits."""
    chosen = _place(site)
    if chosen is None:
        return None
    arrays, (node, fact, way) = chosen
    operands = _operands(site, arrays, node, fact, way)
    if not operands:
        return None
    base, other = site.module.operand(node), site.rng.choice(operands)
    size = way.call("abs", other)
    if sheltered(site, node, fact):
        pairs = [f"{base} + {size}", f"{base} * {size}", f"{base} / ({size} + 1e-6)"]
    else:
        pairs = [
            f"{base} + {other}",
            f"{base} - {other}",
            f"{base} * {other}",
            f"{base} / ({size} + 1e-6)",
        ]
    if not other.startswith(way.call("mean", "")[:-1]):
        pairs += [way.call(name, site.module.inline(node), other) for name in ("maximum", "minimum")][
            : 2 - sheltered(site, node, fact)
        ]
    text = site.rng.choice(pairs)
    return change(site, (site.module.put(node, text),), f"{base[:40]} -> {text[:90]}")


def weigh(site: Site) -> Change | None:
    """Multiply one term of a sum by a factor near one, or by a small one."""
    terms = [
        (node, fact)
        for node, fact, _ in places(site, site.arrays)
        if isinstance(above := site.module.above[node], ast.BinOp) and isinstance(above.op, ast.Add | ast.Sub)
    ]
    if not terms:
        return None
    node, _ = site.rng.choice(terms)
    factor = site.factor() if site.rng.random() < 0.6 else site.number().lstrip("-")
    text = f"{factor} * {site.module.operand(node)}"
    return change(site, (site.module.put(node, text),), f"weighed {text[:80]}")


def power(site: Site) -> Change | None:
    """Raise an array that is nowhere negative to a power."""
    found = [place for place in places(site, site.arrays) if place[1].positive]
    if not found:
        return None
    node, _, _ = site.rng.choice(found)
    exponent = site.factor() if site.rng.random() < 0.5 else site.rng.choice(("0.25", "0.5", "0.75", "1.5", "2.0"))
    text = f"({site.module.inline(node)} + 1e-8) ** {exponent}"
    return change(site, (site.module.put(node, text),), f"{text[:90]}")


def stat(site: Site) -> Change | None:
    """Replace an entry of a mapping by another of it, under any key that the file or the brief shows."""
    arrays = site.arrays
    found = [(node, fact, way) for node, fact, way in places(site, arrays) if entry(node)]
    for part in site.module.nodes:
        fact = arrays.of(part) if isinstance(part, ast.Subscript) and entry(part) else None
        way = dialect(arrays.prefix(fact.library), fact) if fact else None
        if not isinstance(part, ast.Subscript) or fact is None or way is None:
            continue
        if all(part is not other for other, _, _ in found) and not isinstance(site.module.above[part], ast.Subscript):
            found.append((part, fact, way))
    if not found:
        return None
    node, fact, way = site.rng.choice(found)
    key = entry(node)
    choices: list[str] = []
    loose = isinstance(site.module.above[node], ast.BinOp)
    for name, other in arrays.sight(node, site.kinds.visible(node)).items():
        if key is None or not name.startswith(f'{key[0]}["') or name == source(key) or other.holds != "real":
            continue
        if other.shape == fact.shape or (opaque(fact.shape) and opaque(other.shape)):
            texts = [name]
        else:
            texts = aligned(way, name, other.shape, fact.shape) if loose else []
        bare = other.positive or not sheltered(site, node, fact)
        choices += [text if bare else way.call("abs", text) for text in texts]
    if not choices:
        return None
    text = site.rng.choice(choices)
    return change(site, (site.module.put(node, text),), f"{site.module.inline(node)} -> {text}")


def reduction(site: Site) -> Change | None:
    """Take the mean, largest or deviation of an operand along an axis, where the other operand keeps the shape."""
    found: list[tuple[ast.expr, list[int], Dialect]] = []
    for node, fact, way in places(site, site.arrays):
        above = site.module.above[node]
        if not isinstance(above, ast.BinOp) or fact.shape is None or opaque(fact.shape) or len(fact.shape) < 1:
            continue
        other = site.arrays.of(above.left if above.right is node else above.right)
        axes = [a for a in range(len(fact.shape)) if fact.shape[a] != "1"]
        axes = [a for a in axes if other and fits(reduced(fact.shape, ast.Constant(a), keep=True), other.shape)]
        if axes and other is not None and fits(fact.shape, other.shape):
            found.append((node, axes, way))
    if not found:
        return None
    node, axes, way = site.rng.choice(found)
    names = ("mean", "amax", "sum") if way.torch else ("mean", "max", "sum")
    text = way.reduce(site.rng.choice(names), site.module.inline(node), site.rng.choice(axes))
    return change(
        site,
        (site.module.put(node, text),),
        f"{site.module.inline(node)[:40]} -> {text[:80]}",
    )


def axis(site: Site) -> Change | None:
    """Let a reduction that keeps its dimensions go along another axis."""
    found: list[tuple[ast.expr, list[int]]] = []
    for node in site.module.nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=value), args=args, keywords=words) if any(
                w.arg in ("keepdim", "keepdims") for w in words
            ):
                along = next(
                    (w.value for w in words if w.arg in ("dim", "axis")),
                    args[-1] if args else None,
                )
                inner = args[0] if isinstance(value, ast.Name) and value.id in site.arrays.aliases and args else value
                fact = site.arrays.of(inner)
                if (
                    isinstance(along, ast.Constant)
                    and isinstance(along.value, int)
                    and fact
                    and fact.shape
                    and not opaque(fact.shape)
                ):
                    found.append((along, [a for a in range(len(fact.shape)) if a != along.value]))
    found = [(node, axes) for node, axes in found if axes]
    if not found:
        return None
    node, axes = site.rng.choice(found)
    text = str(site.rng.choice(axes))
    return change(site, (site.module.put(node, text),), f"axis {site.module.inline(node)} -> {text}")
