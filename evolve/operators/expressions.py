"""Moves of `builtin/mutate` inside expressions."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from evolve.operators import families
from evolve.operators.kinds import Kinds, called
from evolve.operators.learning.constants import SIZES
from evolve.operators.site import Change, Site
from evolve.operators.syntax import LARGEST_NUMBER, Edit
from evolve.operators.tune import integer_step

LONGEST_TABLE = 32
"""The most entries of a table of constants."""
_BINARY: Sequence[tuple[type[ast.operator], str]] = ((ast.Add, "+"), (ast.Sub, "-"), (ast.Mult, "*"), (ast.Div, "/"))
_INTEGER: Sequence[tuple[type[ast.operator], str]] = ((ast.FloorDiv, "//"), (ast.Mod, "%"))
_ORDER: Mapping[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_WHOLE = SIZES | {
    *("range", "reshape", "view", "zeros", "ones", "randn", "rand", "randint", "randrange", "combinations"),
}
"""What takes whole numbers."""
_EQUAL: Mapping[type[ast.cmpop], str] = {ast.Eq: "==", ast.NotEq: "!="}


def _between(site: Site, left: ast.expr, right: ast.expr, sign: str) -> Edit | None:
    """Return the edit that writes another sign between two operands, or None where a bracket or comment makes its place
    unsure.
    """
    start, stop = site.module.span(left)[1], site.module.span(right)[0]
    gap = site.module.data[start:stop].decode()
    old = gap.strip(" ()")
    if not old or any(c in gap for c in "#\n\r\\"):
        return None
    return Edit(start, stop, gap.replace(old, sign, 1))


def operator(site: Site) -> Change | None:
    """Swap an arithmetic operator for another."""
    found = [n for n in site.expressions if isinstance(n, ast.BinOp)]
    if not found:
        return None
    node = site.rng.choice(found)
    family = next((f for f in (_BINARY, _INTEGER) if type(node.op) in dict(f)), None)
    if family is None or site.kinds.of(node) not in ("number", None):
        return None
    sign = site.rng.choice([sign for kind, sign in family if kind is not type(node.op)])
    edit = _between(site, node.left, node.right, sign)
    return Change((edit,), f"operator {sign} in {site.module.inline(node)[:60]}") if edit else None


def comparison(site: Site) -> Change | None:
    """Swap a comparison for another."""
    found = [n for n in site.expressions if isinstance(n, ast.Compare) and len(n.ops) == 1]
    if not found:
        return None
    node = site.rng.choice(found)
    family = next((f for f in (_ORDER, _EQUAL) if type(node.ops[0]) in f), None)
    if family is None:
        return None
    sign = site.rng.choice([sign for kind, sign in family.items() if kind is not type(node.ops[0])])
    edit = _between(site, node.left, node.comparators[0], sign)
    return Change((edit,), f"comparison {sign} in {site.module.inline(node)[:60]}") if edit else None


def connective(site: Site) -> Change | None:
    """Swap ``and`` with ``or``, or negate a test."""
    tests = site.of_kind("bool")
    if not tests:
        return None
    node = site.rng.choice(tests)
    if isinstance(node, ast.BoolOp) and site.rng.random() < 0.7:
        sign = "or" if isinstance(node.op, ast.And) else "and"
        text = f" {sign} ".join(site.module.operand(value) for value in node.values)
    elif isinstance(node, ast.UnaryOp):
        text = site.module.operand(node.operand)
    else:
        text = f"not {site.module.operand(node)}"
    return Change((site.module.put(node, text),), f"test {text[:60]}")


def call(site: Site) -> Change | None:
    """Swap a function or method for another of its family."""
    choices: list[tuple[ast.expr, str, tuple[str, ...]]] = []
    for node in site.module.nodes:
        match node:
            case ast.Call(func=ast.Name(id=name)):
                choices.append((node.func, name, families.relatives(None, name)))
            case ast.Call(func=ast.Attribute(value=value, attr=name)):
                base = value.id if isinstance(value, ast.Name) else ""
                choices.append((node.func, name, families.relatives(base, name)))
    choices = [choice for choice in choices if choice[2]]
    if not choices:
        return None
    function, name, others = site.rng.choice(choices)
    other = site.rng.choice(others)
    stop = site.module.span(function)[1]
    return Change((Edit(stop - len(name.encode()), stop, other),), f"{name} -> {other}")


def argument(site: Site) -> Change | None:
    """Swap the operands of an operator or two arguments of a call."""
    choices: list[tuple[ast.expr, ast.expr]] = []
    for node in site.module.nodes:
        match node:
            case ast.BinOp(left=left, op=ast.Sub() | ast.Div() | ast.Pow(), right=right):
                choices.append((left, right))
            case ast.Call(args=[first, *rest]) if rest:
                choices.append((first, site.rng.choice(rest)))
            case ast.IfExp(body=body, orelse=orelse):
                choices.append((body, orelse))
    choices = [(a, b) for a, b in choices if not isinstance(a, ast.Starred) and not isinstance(b, ast.Starred)]
    if not choices:
        return None
    a, b = site.rng.choice(choices)
    module = site.module
    return Change(
        (module.put(a, module.inline(b)), module.put(b, module.inline(a))),
        f"swapped {module.inline(a)[:30]} and {module.inline(b)[:30]}",
    )


def term(site: Site) -> Change | None:
    """Add a nearly neutral term to a number, or multiply it by a nearly neutral factor: a constant, or one times a
    variable in sight.
    """
    node = _target(site)
    if node is None:
        return None
    base = site.module.operand(node)
    what = site.rng.random()
    if what < 0.3:
        text = f"{base} + {site.number()}"
    elif what < 0.45:
        text = f"{base} * {site.factor()}"
    else:
        unit = _feature(site, node)
        if unit is None:
            return None
        text = f"{base} + {site.number()} * {unit}" if what < 0.85 else f"{base} * (1 + {site.number()} * {unit})"
    return Change((site.module.put(node, text),), f"inserted {text[:90]}")


def table(site: Site) -> Change | None:
    """Let a number differ from turn to turn of a loop: add an entry of a table of constants, or multiply by one,
    indexed by its counter.
    """
    node = _target(site)
    if node is None:
        return None
    counters = [name for name in site.variables(node) if name in site.kinds.counters]
    if not counters:
        return None
    counter = site.rng.choice(counters)
    turns = _turns(site, node, counter)
    size = turns if turns is not None and site.rng.random() < 0.7 else site.rng.choice((2, 2, 3, 4, 5, 6, 8))
    base = site.module.operand(node)
    if site.rng.random() < 0.5:
        text = f"{base} + ({', '.join(['0.0'] * size)})[{counter} % {size}]"
    else:
        text = f"{base} * ({', '.join(['1.0'] * size)})[{counter} % {size}]"
    return Change((site.module.put(node, text),), f"inserted {text[:90]}")


def _turns(site: Site, node: ast.AST, counter: str) -> int | None:
    """Return how many turns the loop over ``counter`` around ``node`` makes, where the program says so in a literal."""
    at: ast.AST = node
    while at in site.module.above:
        at = site.module.above[at]
        match at:
            case ast.For(
                target=ast.Name(id=name),
                iter=ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(turns))]),
            ) if name == counter:
                return turns if 2 <= turns <= LONGEST_TABLE else None
    return None


def _target(site: Site) -> ast.expr | None:
    """Return a number to be changed: not one that counts or indexes, where only an integer would do."""
    found = [node for node in site.of_kind("number") if not counts(site, node)]
    return site.rng.choice(found) if found else None


def counts(site: Site, node: ast.expr) -> bool:
    """Whether the value of ``node`` must be an integer: it indexes, is the argument of range, or is repeated by."""
    at: ast.AST = node
    while True:
        above = site.module.above.get(at)
        match above:
            case ast.Subscript(slice=index) if index is at:
                return True
            case ast.Slice():
                return True
            case ast.Call() if called(above) in _WHOLE:
                return True
            case ast.Subscript() | ast.Call() | ast.stmt() | ast.Lambda() | ast.comprehension() | None:
                return False
        at = above


def _feature(site: Site, node: ast.expr) -> str | None:
    """Return something that varies where ``node`` stands: a variable, a function of one, or a product of two."""
    names = site.variables(node)
    if not names:
        return None
    rng = site.rng
    name = rng.choice(names)
    what = rng.random()
    if what < 0.4:
        return name
    if what < 0.8:
        function = unary(site)
        inner = (
            name
            if rng.random() < 0.4
            else f"{site.factor()} * {name}"
            if rng.random() < 0.7
            else f"{name} + {site.number()}"
        )
        return f"{function}({inner})" if function else name
    other = rng.choice(names)
    return f"{name} * {other}" if rng.random() < 0.7 else f"({name} - {other})"


def unary(site: Site) -> str | None:
    """Return a function of one number that the file can call, modules it imports included."""
    modules = {a.asname or a.name for n in ast.walk(site.module.tree) if isinstance(n, ast.Import) for a in n.names}
    choices = ["abs"]
    if "math" in modules:
        choices += [f"math.{name}" for name in families.UNARY_SCALAR]
    for base in families.ARRAY_MODULES:
        if base in modules:
            choices += [f"{base}.{name}" for name in families.UNARY_ARRAY]
    return site.rng.choice(choices)


def transplant(site: Site) -> Change | None:
    """Replace an expression by another of its kind from the same file whose names are all in sight."""
    if not site.expressions:
        return None
    node = site.rng.choice(site.expressions)
    text = graft(site, node, site, site.expressions)
    return Change((site.module.put(node, text),), f"{site.module.inline(node)[:40]} -> {text[:60]}") if text else None


def graft(site: Site, node: ast.expr, donor: Site, pool: Sequence[ast.expr]) -> str | None:
    """Return the source of an expression out of ``pool`` that can stand for ``node``: of its kind, its names in sight,
    its text another.
    """
    kinds: Kinds = donor.kinds
    kind = site.kinds.of(node)
    text, sight = site.module.inline(node), site.kinds.visible(node)
    for other in site.rng.sample(pool, min(12, len(pool))):
        if kind is not None and kinds.of(other) == kind and kinds.free(other) <= sight:
            source = donor.module.inline(other)
            if source != text and len(source) < 200:
                return source
    return None


def wrap(site: Site) -> Change | None:
    """Put a number through a function, bound it by a constant or another number, or choose between two forms of it by a
    test.
    """
    node = _target(site)
    if node is None:
        return None
    module, rng = site.module, site.rng
    base, flat = module.operand(node), module.inline(node)
    what = rng.random()
    others = [n for n in site.of_kind("number") if site.kinds.free(n) <= site.kinds.visible(node) and n is not node]
    if what < 0.3:
        text = f"{unary(site)}({flat})"
    elif what < 0.55:
        other = module.inline(rng.choice(others)) if others and rng.random() < 0.7 else site.number()
        text = f"{rng.choice(('min', 'max'))}({flat}, {other})"
    elif what < 0.8 and others:
        sign = rng.choice("+-*/")
        text = f"{base} {sign} {module.operand(rng.choice(others))}"
    else:
        tests = [n for n in site.of_kind("bool") if site.kinds.free(n) <= site.kinds.visible(node)]
        test = module.inline(rng.choice(tests)) if tests and rng.random() < 0.5 else _test(site, node)
        if test is None:
            return None
        text = f"({base} * {site.factor()} if {test} else {flat})"
    return Change((module.put(node, text),), f"{flat[:40]} -> {text[:60]}")


def _test(site: Site, node: ast.expr) -> str | None:
    """Return a new test between a number in sight and another or a constant."""
    names = site.variables(node)
    if not names:
        return None
    name = site.rng.choice(names)
    if name in site.kinds.counters and site.rng.random() < 0.6:
        size = site.rng.choice((2, 2, 3, 4))
        return f"{name} % {size} == {site.rng.randrange(size)}"
    other = site.rng.choice(names) if len(names) > 1 and site.rng.random() < 0.5 else site.number()
    return f"{name} {site.rng.choice(('<', '>'))} {other}" if other != name else None


def unwrap(site: Site) -> Change | None:
    """Put one part of an expression in the place of the whole."""
    node = site.rng.choice(site.expressions) if site.expressions else None
    parts: list[Any] = []
    match node:
        case ast.BinOp(left=left, right=right):
            parts = [left, right]
        case ast.Call(args=args):
            parts = [arg for arg in args if not isinstance(arg, ast.Starred | ast.GeneratorExp)]
        case ast.IfExp(body=body, orelse=orelse):
            parts = [body, orelse]
        case ast.BoolOp(values=values):
            parts = list(values)
        case ast.UnaryOp(operand=operand):
            parts = [operand]
    if node is None or not parts:
        return None
    text = site.module.inline(site.rng.choice(parts))
    return Change((site.module.put(node, text),), f"{site.module.inline(node)[:40]} -> {text[:40]}")


def integers(site: Site) -> Change | None:
    """Change equal integers together."""
    whole = [n for n in site.numbers if n.whole]
    if not whole:
        return None
    number = site.rng.choice(whole)
    depth = site.rng.randrange(len(number.group) + 1)
    value = int(number.value) + integer_step(number.value, site.rng)
    same = [
        n
        for n in whole
        if n.value == number.value and n.group[:depth] == number.group[:depth] and n.index == number.index
    ]
    return Change(tuple(n.at(value) for n in same), f"{number.value} -> {value} in {len(same)} places")


def real(site: Site) -> Change | None:
    """Make a real constant, near its value, of an integer that does not count anything."""
    found = []
    for node in site.expressions:
        if (
            isinstance(node, ast.Constant)
            and type(node.value) is int
            and abs(node.value) < LARGEST_NUMBER
            and not counts(site, node)
        ):
            above = site.module.above[node]
            if isinstance(above, ast.BinOp | ast.Compare | ast.keyword | ast.Assign) and not (
                isinstance(above, ast.BinOp) and isinstance(above.op, ast.Mod | ast.FloorDiv)
            ):
                found.append(node)
    if not found:
        return None
    node = site.rng.choice(found)
    value = float(node.value) * (1 + site.rng.gauss(0, 1) * site.step * 0.5)  # type: ignore[arg-type]
    text = f"{value:.4g}" if "." in f"{value:.4g}" else f"{value:.4g}.0"
    return Change((site.module.put(node, text),), f"{node.value!r} -> {text}")
