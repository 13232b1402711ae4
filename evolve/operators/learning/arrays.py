"""Which expressions of a file hold arrays of NumPy or torch, and what is known of their shape and values.

Local inference from what the code shows: imports, calls, methods, annotations, and shapes written next to a name in a
docstring, a comment or the task's brief, as in ``weight [out, in]``. A wrong guess costs one evaluation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from evolve.operators.learning import calls
from evolve.operators.learning.documented import Documented
from evolve.operators.learning.shapes import axis, subscripted
from evolve.operators.learning.values import Array, Holds, Library, called, combined, joined, turned
from evolve.operators.syntax import Module

Key = tuple[str, ...]
"""A name, or a name and the text keys it is subscripted with."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_WHOLE_NAMES = frozenset(
    {
        "target",
        "targets",
        "label",
        "labels",
        "y",
        "idx",
        "index",
        "indices",
        "tokens",
        "ids",
    }
)
_USUAL: Mapping[str, tuple[str, ...]] = {
    "logits": ("batch", "classes"),
    "targets": ("batch",),
    "labels": ("batch",),
}
"""The shapes that go with names where nothing else is said of them."""
_PLAIN_ANNOTATIONS = frozenset({"float", "int"})


class Arrays:
    """The arrays of one file. ``brief`` is the task's text, where shapes and keys may be written too."""

    def __init__(self, module: Module, brief: str = "") -> None:
        self.module = module
        self.aliases = dict(_imports(module.tree))
        names = {node.arg for node in ast.walk(module.tree) if isinstance(node, ast.arg)}
        self.documented = Documented(module.data.decode(), brief, names)
        self._facts: dict[tuple[ast.AST, Key], Array | None] = {}
        self._mappings: dict[tuple[ast.AST, str], Key] = {}
        if self.library is not None:
            for _ in range(3):
                for node in ast.walk(module.tree):
                    self._learn(node)

    @property
    def library(self) -> Library | None:
        """The library of arrays that the file imports: torch where it imports both."""
        found = set(self.aliases.values())
        return "torch" if found & {"torch", "functional", "nn"} else "numpy" if "numpy" in found else None

    def prefix(self, library: str) -> str | None:
        """Return the name under which the file can know a library, or ``functional`` or ``nn`` of torch.

        A file that knows a part of torch only may have to import ``torch`` for it: see edits.py.
        """
        named = [name for name, value in self.aliases.items() if value == library]
        if named or self.library != "torch" or library == "numpy":
            return named[0] if named else None
        nn = next((name for name, value in self.aliases.items() if value == "nn"), None)
        torch = next((name for name, value in self.aliases.items() if value == "torch"), "torch")
        if library == "functional":
            return f"{nn or f'{torch}.nn'}.functional"
        return f"{torch}.nn" if library == "nn" else torch

    def scope(self, node: ast.AST) -> ast.AST:
        """Return the function around ``node``, or the module."""
        at = self.module.above.get(node, self.module.tree)
        while not isinstance(at, (*_FUNCTIONS, ast.Module)):
            at = self.module.above[at]
        return at

    def known(self, key: Key, node: ast.AST) -> Array | None:
        """Return what is known of a name, or of an entry of a mapping, where ``node`` stands."""
        at: ast.AST | None = self.scope(node)
        while at is not None:
            key = (*self._mappings[at, key[0]], *key[1:]) if (at, key[0]) in self._mappings else key
            if (at, key) in self._facts:
                return self._facts[at, key]
            at = self.scope(at) if at in self.module.above else None
        return None

    def sight(self, node: ast.AST, visible: set[str]) -> dict[str, Array]:
        """Return the arrays that can be named where ``node`` stands: names, and entries of mappings under any key that
        the file or the brief shows, by their source.
        """
        found: dict[str, Array] = {}
        for _, key in sorted(self._facts, key=lambda fact: fact[1]):
            fact = self.known(key, node)
            if fact is not None and fact.library != "plain" and key[0] in visible:
                found[source(key)] = fact
        return found

    def _learn(self, node: ast.AST) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._parameters(node)
            case ast.Assign(targets=[ast.Name() as only], value=value):
                self._assigned(node, only, value)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)) if len(names) == len(values):
                for name, given in zip(names, values, strict=True):
                    self._assigned(node, name, given)
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                self._note(node, (name,), combined(self.of(target), op, self.of(value)))
            case ast.Name(id=name, ctx=ast.Store()) if (
                self.scope(node),
                (name,),
            ) not in self._facts:
                self._loop(node, name)

    def _assigned(self, node: ast.AST, target: ast.expr, value: ast.expr) -> None:
        if not isinstance(target, ast.Name):
            return
        key = entry(value)
        if key is not None and key[1] in self.documented.inner.get(key[0], ()) and len(key) == 2:
            self._mappings[self.scope(node), target.id] = key
        else:
            self._note(node, (target.id,), self.of(value))

    def _loop(self, node: ast.Name, name: str) -> None:
        """Take a name that is bound otherwise than by a plain assignment for unknown."""
        if not isinstance(self.module.above[node], ast.Assign | ast.AugAssign | ast.Tuple):
            self._facts[self.scope(node), (name,)] = None

    def _note(self, node: ast.AST, key: Key, fact: Array | None) -> None:
        """Join a fact with what another assignment to the same name said."""
        where = self.scope(node), key
        before = self._facts.get(where)
        if before is not None and fact is not None and before != fact:
            fact = joined(before, fact)
        self._facts[where] = fact or before

    def _parameters(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        used = self._used(function)
        args = function.args
        for argument in (*args.posonlyargs, *args.args, *args.kwonlyargs):
            name = argument.arg
            if name == "self":
                continue
            words = ast.unparse(argument.annotation) if argument.annotation else ""
            keys = self._keys(function, name)
            if words in _PLAIN_ANNOTATIONS or (not words and name in self.documented.plain):
                self._facts[function, (name,)] = Array("plain", ())
            elif not keys and (name in used or self._called_array(name, words)):
                whole = name in self.documented.whole or name in _WHOLE_NAMES or used.get(name) == "whole"
                self._facts[function, (name,)] = self._fresh((name,), "whole" if whole else "real")
            for key in sorted(keys):
                self._facts[function, key] = self._fresh(key, "whole" if key[-1] in self.documented.whole else "real")

    def _called_array(self, name: str, words: str) -> bool:
        """Whether a parameter's annotation, or what is written of it where it has none, says that it is an array."""
        named = re.fullmatch(r"[\w.]*(Tensor|ndarray|NDArray)\b.*", words) is not None
        return named or (not words and name in self.documented.shapes)

    def _fresh(self, key: Key, holds: Holds) -> Array:
        library = self.library or "numpy"
        usual = _USUAL.get(key[-1]) if len(key) == 1 else None
        shape = self.documented.shapes.get(key[-1], usual)
        positive = key[-1] in self.documented.positive
        return Array(library, (f"*{source(key)}",) if shape is None else shape, holds, positive)

    def _keys(self, function: ast.AST, name: str) -> set[Key]:
        """Return the entries of a parameter that is a mapping: those used, and those only written about."""
        used = {key for node in ast.walk(function) if (key := entry(node)) is not None and key[0] == name}
        parts = {key[:-1] for key in used} | {(name, part) for part in self.documented.inner.get(name, ())}
        longest = max((len(part) for part in parts), default=0)
        if not longest and name not in self.documented.inner:
            return set()
        outer = {part for part in parts if len(part) == longest} or {(name,)}
        told = {(*part, key) for part in outer for key in self.documented.keys if key not in part}
        return {key for key in used if key[:-1] in outer} | told

    def _used(self, function: ast.AST) -> dict[str, Holds]:
        """Return the names that a function calls methods of arrays on, or gives to functions on arrays."""
        found: dict[str, Holds] = {}
        for node in ast.walk(function):
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in calls.METHODS:
                    if name not in self.aliases:
                        found.setdefault(name, "real")
                case ast.Call(func=ast.Attribute(value=value, attr=called), args=args):
                    args = args if self._module(value) is not None else [value, *args]
                    place = calls.INDEX.get(called, len(args))
                    if place < len(args) and (name := _base(args[place])):
                        found[name] = "whole"
                    if self._module(value) is not None and called in calls.KNOWN and args and place != 0:
                        found.setdefault(_base(args[0]), "real")
        return found

    def _module(self, node: ast.expr) -> str | None:
        """Return the library that an expression names, such as ``F`` or ``torch.nn.functional``."""
        match node:
            case ast.Name(id=name):
                return self.aliases.get(name)
            case ast.Attribute(value=value, attr=attribute):
                base = self._module(value)
                return (
                    {
                        "functional": "functional",
                        "nn": "nn",
                        "special": base,
                        "linalg": base,
                    }.get(attribute)
                    if base
                    else None
                )
        return None

    def of(self, node: ast.expr) -> Array | None:
        """Return what is known of an expression, None where it may be anything."""
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                return Array("plain", (), "real", value >= 0)
            case ast.Name(id=name):
                return self.known((name,), node)
            case ast.Subscript() | ast.Attribute():
                return self._part(node)
            case ast.BinOp(left=left, op=op, right=right):
                return combined(self.of(left), op, self.of(right), right)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                base = self.of(operand)
                return replace(base, positive=False) if base else None
            case ast.Compare(left=left, comparators=[right]):
                both = combined(self.of(left), ast.Add(), self.of(right))
                return replace(both, holds="truth", positive=True) if both else None
            case ast.Call():
                return self._call(node)
        return None

    def _part(self, node: ast.Subscript | ast.Attribute) -> Array | None:
        """Return what is known of an entry, an index or a transpose."""
        match node:
            case ast.Subscript(value=ast.Attribute(attr="shape")):
                return Array("plain", (), "real", True)
            case ast.Attribute(attr="T" | "mT"):
                base = self.of(node.value)
                return replace(base, shape=turned(base.shape)) if base else None
            case ast.Subscript(value=value, slice=index):
                key = entry(node)
                base = self.of(value) if key is None else None
                if key is not None:
                    return self.known(key, node)
                return replace(base, shape=subscripted(base.shape, index)) if base else None
        return None

    def _size(self, node: ast.expr) -> str:
        """Return the name of a dimension's size, as that of ``logits.shape[1]``."""
        match node:
            case ast.Subscript(value=ast.Attribute(value=value, attr="shape"), slice=index):
                base = self.of(value)
                at = axis(base.shape, index) if base else None
                if base is not None and base.shape is not None and at is not None:
                    return base.shape[at]
        return ast.unparse(node)

    def _call(self, node: ast.Call) -> Array | None:
        name, args = _last(node.func), list(node.args)
        if isinstance(node.func, ast.Name):
            return Array("plain", (), "real", name == "len") if name in ("float", "int", "len") else None
        if not isinstance(node.func, ast.Attribute):
            return None
        if self._module(node.func.value) is None:
            args = [node.func.value, *args]
        base = self.of(args[0]) if args else None
        if base is None or base.library == "plain":
            return None
        words = {word.arg: word.value for word in node.keywords if word.arg}
        last = self.of(args[-1]) if len(args) > 1 else None
        if name == "one_hot":
            shape = (*base.shape, self._size(args[1])) if base.shape and len(args) == 2 else None
            return replace(base, shape=shape, positive=True)
        return called(name, base, args[1:], last, words)


def entry(node: ast.AST) -> Key | None:
    """Return the name and keys of an expression such as ``stats["domain"]["gram"]``."""
    match node:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
            return (name, key)
        case ast.Subscript(value=ast.Subscript() as inner, slice=ast.Constant(value=str(key))):
            outer = entry(inner)
            return (*outer, key) if outer else None
    return None


def source(key: Key) -> str:
    """Return a name, or an entry of a mapping, as source."""
    return key[0] + "".join(f'["{part}"]' for part in key[1:])


def _base(node: ast.expr) -> str:
    """Return the name that an expression, or one it is an index of, is, or nothing."""
    node = node.value if isinstance(node, ast.Subscript) else node
    return node.id if isinstance(node, ast.Name) else ""


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names that stand for the libraries of arrays and their parts."""
    parts = {
        "numpy": "numpy",
        "torch": "torch",
        "torch.nn": "nn",
        "torch.nn.functional": "functional",
    }
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if alias.name in parts and alias.asname:
                        yield alias.asname, parts[alias.name]
                    elif alias.name.split(".")[0] in ("numpy", "torch") and not alias.asname:
                        yield alias.name.split(".")[0], alias.name.split(".")[0]
            case ast.ImportFrom(module=module, names=names):
                for alias in names:
                    full = f"{module}.{alias.name}"
                    if full in parts:
                        yield alias.asname or alias.name, parts[full]
