"""What kind of value an expression has, and which names can be used at a place: simple local inference, right often
enough to aim edits.

Nothing here is relied on for correctness: a wrong guess costs one evaluation.
"""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal

from evolve.operators.syntax import Module

Kind = Literal["number", "sequence", "bool", "text"]

NUMERIC = frozenset(
    {
        *("abs", "len", "min", "max", "sum", "round", "int", "float", "pow", "divmod", "hash", "ord"),
        *(
            "sqrt",
            "cbrt",
            "exp",
            "exp2",
            "expm1",
            "log",
            "log2",
            "log10",
            "log1p",
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "atan2",
        ),
        *(
            "sinh",
            "cosh",
            "tanh",
            "floor",
            "ceil",
            "trunc",
            "hypot",
            "dist",
            "fabs",
            "square",
            "sign",
            "clip",
            "clamp",
            "mean",
            "median",
        ),
        *(
            "std",
            "var",
            "prod",
            "norm",
            "relu",
            "gelu",
            "silu",
            "sigmoid",
            "softplus",
            "softmax",
            "log_softmax",
            "logsumexp",
            "minimum",
        ),
        *(
            "maximum",
            "where",
            "matmul",
            "dot",
            "einsum",
            "cumsum",
            "outer",
            "random",
            "uniform",
            "gauss",
            "randint",
            "count",
            "amax",
            "amin",
        ),
    }
)
"""Functions and methods, by the last part of their name, that return a number or an array of them."""
SEQUENCES = frozenset(
    {
        "list",
        "tuple",
        "sorted",
        "range",
        "zip",
        "enumerate",
        "map",
        "filter",
        "reversed",
        "set",
        "split",
        "items",
        "keys",
        "values",
    }
)
TESTS = frozenset(
    {
        "bool",
        "any",
        "all",
        "isinstance",
        "hasattr",
        "isfinite",
        "isnan",
        "isinf",
        "startswith",
        "endswith",
        "isclose",
        "callable",
    }
)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_RESULTS: Mapping[str, Kind] = {
    **dict.fromkeys(TESTS, "bool"),
    **dict.fromkeys(SEQUENCES, "sequence"),
    **dict.fromkeys(NUMERIC, "number"),
}
_LITERALS: Mapping[type, Kind] = {bool: "bool", int: "number", float: "number", str: "text"}
_DISPLAYS: Mapping[type, Kind] = {
    ast.Compare: "bool",
    ast.JoinedStr: "text",
    **dict.fromkeys((ast.List, ast.Tuple, ast.Set, *_COMPREHENSIONS), "sequence"),
}
_TAKE_SEQUENCES = frozenset(
    {"len", "sum", "sorted", "list", "tuple", "enumerate", "zip", "reversed", "any", "all", "map", "filter"}
)
_TAKE_ANY = frozenset({"dist", "norm", "mean", "where"})
_ARITHMETIC = (ast.Sub, ast.Div, ast.Pow, ast.FloorDiv, ast.Mod)
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Module)
BUILTINS = frozenset(dir(builtins))


def called(node: ast.Call) -> str:
    """Return the last part of the name of what is called, or nothing where it has none."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _argument(call: ast.Call) -> Kind | None:
    """Return the kind of a call's arguments, by the name of what is called."""
    name = called(call)
    if name in _TAKE_SEQUENCES or (name in ("min", "max") and len(call.args) == 1):
        return "sequence"
    return "number" if name in NUMERIC - _TAKE_ANY else None


class Kinds:
    """The names of one module and the kinds of its expressions."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.known: dict[str, Kind] = {}
        self.counters: set[str] = set()
        for _ in range(2):
            for node in ast.walk(module.tree):
                self._learn(node)

    def _learn(self, node: ast.AST) -> None:
        """Take from one node what it says about names: an assignment, a loop over a range, or a use that only a number
        allows.
        """
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AugAssign(target=ast.Name(id=name), value=value)
            ):
                self._note(name, self.of(value))
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                self._note(name, self.of(value))
            case ast.For(target=target, iter=iterable) | ast.comprehension(target=target, iter=iterable):
                self._loop(target, iterable)
            case ast.Name(id=name, ctx=ast.Load()) if name not in self.known:
                self._note(name, self.expected(node))

    def _loop(self, target: ast.expr, iterable: ast.expr) -> None:
        if not isinstance(iterable, ast.Call) or not isinstance(iterable.func, ast.Name):
            return
        if iterable.func.id == "enumerate" and isinstance(target, ast.Tuple):
            target = target.elts[0]
        elif iterable.func.id != "range":
            return
        if isinstance(target, ast.Name):
            self._note(target.id, "number")
            self.counters.add(target.id)

    def _note(self, name: str, kind: Kind | None) -> None:
        if kind is not None:
            self.known.setdefault(name, kind)

    def of(self, node: ast.expr) -> Kind | None:
        """Return the kind of an expression by what it is, else by what is done with it."""
        return self._inherent(node) or self.expected(node)

    def _inherent(self, node: ast.expr) -> Kind | None:
        match node:
            case ast.Constant(value=value):
                return _LITERALS.get(type(value))
            case ast.UnaryOp(op=op):
                return "bool" if isinstance(op, ast.Not) else "number"
            case ast.Name(id=name):
                return self.known.get(name)
            case ast.BinOp(left=left, op=op, right=right):
                return self._arithmetic(self._inherent(left), op, self._inherent(right))
            case ast.IfExp(body=body, orelse=orelse):
                return self._inherent(body) or self._inherent(orelse)
            case ast.BoolOp(values=[first, *_]) | ast.NamedExpr(value=first):
                return self._inherent(first)
            case ast.Subscript(value=value, slice=ast.Slice()):
                return self._inherent(value)
            case ast.Call():
                return _RESULTS.get(called(node))
        return _DISPLAYS.get(type(node))

    def _arithmetic(self, left: Kind | None, op: ast.operator, right: Kind | None) -> Kind | None:
        for kind in ("text", "sequence"):
            if kind in (left, right) and isinstance(op, ast.Add | ast.Mult | ast.Mod):
                return "text" if kind == "text" else "sequence"
        return "number" if "number" in (left, right) or isinstance(op, _ARITHMETIC) else None

    def expected(self, node: ast.expr) -> Kind | None:
        """Return the kind that the place of an expression asks for."""
        match self.module.above.get(node):
            case ast.BinOp(left=left, op=op, right=right):
                other = right if left is node else left
                return "number" if isinstance(op, _ARITHMETIC) or self._inherent(other) == "number" else None
            case ast.Compare(ops=ops) if any(isinstance(op, _ORDER) for op in ops):
                return "number"
            case ast.UnaryOp(op=ast.USub()):
                return "number"
            case ast.UnaryOp() | ast.BoolOp():
                return "bool"
            case ast.Call(func=func) as call if func is not node:
                return _argument(call)
            case around:
                return self._place(around, node)

    def _place(self, around: ast.AST | None, node: ast.expr) -> Kind | None:
        match around:
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if test is node:
                return "bool"
            case ast.For(iter=iterable) | ast.comprehension(iter=iterable) if iterable is node:
                return "sequence"
            case ast.AugAssign(op=op, value=value) if value is node and not isinstance(op, ast.Add | ast.Mult):
                return "number"
            case ast.Subscript(slice=index) if index is node:
                return "number"
        return None

    @cached_property
    def _bindings(self) -> dict[ast.AST, list[tuple[int, str]]]:
        """Each scope's names with the place where they are first bound; parameters stand at the start."""
        found: dict[ast.AST, dict[str, int]] = defaultdict(dict)
        for node in ast.walk(self.module.tree):
            for name, at in self._bound(node):
                places = found[self._scope(node)]
                places[name] = min(at, places.get(name, at))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                args = node.args
                for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs):
                    found[node][arg.arg] = 0
        return {scope: sorted((at, name) for name, at in places.items()) for scope, places in found.items()}

    def _bound(self, node: ast.AST) -> Iterator[tuple[str, int]]:
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                around = self.module.above[node]
                while isinstance(around, ast.Tuple | ast.List):
                    around = self.module.above[around]
                late = isinstance(around, ast.Assign | ast.AnnAssign | ast.AugAssign)
                yield name, self.module.span(around if late else node)[1]  # type: ignore[arg-type]
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, 0
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for alias in names:
                    yield (alias.asname or alias.name).split(".")[0], 0

    def _scope(self, node: ast.AST) -> ast.AST:
        at = self.module.above[node]
        while not isinstance(at, _SCOPES):
            if isinstance(at, _COMPREHENSIONS) and not isinstance(node, ast.NamedExpr):
                return at
            at = self.module.above[at]
        return at

    def visible(self, node: ast.AST) -> set[str]:
        """Return the names that have a value where ``node`` stands, as far as the order of the text tells. Builtins are
        not among them.
        """
        place = self.module.span(node)[0] if isinstance(node, ast.expr | ast.stmt) else 0
        found: set[str] = set()
        at: ast.AST | None = node
        inside = False
        while at is not None:
            around = self.module.above.get(at)
            if isinstance(around, _COMPREHENSIONS):
                head = isinstance(at, ast.comprehension)
                if not head or (self.module.above[at] is around and at is not around.generators[0]):
                    found.update(name for _, name in self._bindings.get(around, ()))
            elif isinstance(around, _SCOPES):
                late = inside and not isinstance(around, ast.ClassDef)
                if not (inside and isinstance(around, ast.ClassDef)):
                    found.update(name for bound, name in self._bindings.get(around, ()) if late or bound <= place)
                inside = True
            at = around
        return found

    def free(self, node: ast.AST) -> set[str]:
        """Return the names that ``node`` takes from around it, builtins left out."""
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        own = {n.id for n in names if not isinstance(n.ctx, ast.Load) and isinstance(node, ast.expr)}
        own |= {arg.arg for n in ast.walk(node) if isinstance(n, ast.Lambda) for arg in n.args.args}
        return {n.id for n in names if isinstance(n.ctx, ast.Load)} - own - BUILTINS
