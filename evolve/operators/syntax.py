"""Working on the evolvable text of a Python program: nodes with their place in the source, and edits of just that
place.

An edit replaces the text of one expression or of whole lines of statements, so comments and formatting elsewhere
survive and a diff shows what was changed. All places are byte offsets into the UTF-8 text, as the syntax tree has
them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from evolve import blocks, normal
from evolve.errors import TaskError
from evolve.operators.learning.constants import rate, structural
from evolve.records import Sources

_LINE_END = re.compile(rb"\r\n|\r|\n")
_ATOMS = (
    ast.Name,
    ast.Call,
    ast.Attribute,
    ast.Subscript,
    ast.List,
    ast.ListComp,
    ast.Dict,
    ast.DictComp,
    ast.Set,
    ast.SetComp,
)
LARGEST_NUMBER = 2.0**53
"""Constants from here on are left alone: not every integer of this size is a float, and infinity is no literal."""
DEEPEST = 200
_UNTOUCHED = (ast.JoinedStr, ast.expr_context, ast.pattern, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the bytes from ``start`` to ``stop`` by ``text``."""

    start: int
    stop: int
    text: str


class Module:
    """One Python file of a program: its tree, who contains whom, and which places may change."""

    def __init__(self, path: str, text: str, tree: ast.Module, segments: Sequence[blocks.Segment]) -> None:
        self.path = path
        self.data = text.encode()
        self.tree = tree
        self._lines = [0, *(match.end() for match in _LINE_END.finditer(self.data))]
        self._open: list[tuple[int, int]] = []
        at = 0
        for segment in segments:
            size = len(segment.text.encode())
            if segment.evolvable:
                self._open.append((at, at + size))
            at += size

    @cached_property
    def above(self) -> dict[ast.AST, ast.AST]:
        """Each node's parent."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """The expressions and statements that may change, in the order of the text. Annotations, decorators, patterns
        and what stands in f-strings are left out: their places are not reliable, or their text is not a value's.
        """
        return tuple(self._walk(self.tree))

    def _walk(self, node: ast.AST) -> Iterator[ast.AST]:
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            for child in value if isinstance(value, list) else (value,):
                if not isinstance(child, ast.AST) or isinstance(child, _UNTOUCHED):
                    continue
                if isinstance(child, ast.expr | ast.stmt) and self.editable(child) and not self.docstring(child):
                    yield child
                yield from self._walk(child)

    def docstring(self, node: ast.AST) -> bool:
        """Whether ``node`` is a text standing alone, as documentation does."""
        return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)

    def offset(self, line: int, column: int) -> int:
        """Return the place of a line (from 1) and column."""
        return self._lines[line - 1] + column

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return where ``node`` starts and stops."""
        stop = self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        return self.offset(node.lineno, node.col_offset), stop

    def editable(self, node: ast.expr | ast.stmt) -> bool:
        """Whether the whole of ``node`` may change."""
        start, stop = self.span(node)
        return any(first <= start and stop <= last for first, last in self._open)

    def opens(self, place: int) -> bool:
        """Whether text may be inserted at a place."""
        return any(first <= place <= last for first, last in self._open)

    def text(self, node: ast.expr | ast.stmt) -> str:
        """Return the source of ``node``."""
        start, stop = self.span(node)
        return self.data[start:stop].decode()

    def inline(self, node: ast.expr) -> str:
        """Return the source of an expression on one line."""
        text = self.text(node)
        return text if "\n" not in text and "\r" not in text else ast.unparse(node)

    def enclosed(self, node: ast.expr) -> bool:
        """Whether any expression can stand in the place of ``node`` without parentheses."""
        match self.above.get(node):
            case ast.Assign() | ast.AugAssign() | ast.Return() | ast.If() | ast.While() | ast.Expr() | ast.keyword():
                return True
            case ast.For(iter=iterable) if iterable is node:
                return True
            case ast.Subscript(slice=index) if index is node:
                return True
            case ast.Call(func=function) if function is not node:
                return True
        start, stop = self.span(node)
        before, after = self.data[:start].rstrip(b" "), self.data[stop:].lstrip(b" ")
        return before[-1:] in [b"(", b"[", b"{"] and after[:1] in [b")", b"]", b"}"]

    def put(self, node: ast.expr, text: str) -> Edit:
        """Replace an expression by the source of another, in parentheses where it needs them."""
        start, stop = self.span(node)
        bare = self.enclosed(node) or isinstance(_expression(text), _ATOMS) or _plain(text)
        return Edit(start, stop, text if bare else f"({text})")

    def operand(self, node: ast.expr) -> str:
        """Return the source of an expression such that it can be an operand of anything."""
        text = self.inline(node)
        if (
            isinstance(node, _ATOMS)
            or _plain(text)
            or (isinstance(node, ast.GeneratorExp | ast.Tuple) and text.startswith("("))
        ):
            return text
        return f"({text})"

    def lines(self, node: ast.stmt) -> tuple[int, int] | None:
        """Return the whole lines of a statement, decorators included, or None where it shares them with another."""
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(d.lineno for d in decorators)])
        last = node.end_lineno or node.lineno
        start = self._lines[first - 1]
        stop = self._lines[last] if last < len(self._lines) else len(self.data)
        before = self.data[start : self.offset(node.lineno, node.col_offset)] if first == node.lineno else b""
        after = self.data[self.span(node)[1] : stop].strip()
        return (start, stop) if not before.strip() and (not after or after.startswith(b"#")) else None

    def indent(self, node: ast.stmt) -> str:
        """Return the white space before a statement that starts its line."""
        return self.data[self._lines[node.lineno - 1] : self.offset(node.lineno, node.col_offset)].decode()

    def block(self, node: ast.stmt, indent: str) -> str | None:
        """Return the lines of a statement indented by ``indent``, or None where a text over several lines forbids to
        shift them.
        """
        place = self.lines(node)
        if place is None:
            return None
        own = self.indent(node)
        text = self.data[place[0] : place[1]].decode()
        if own != indent:
            if any(isinstance(n, ast.Constant | ast.JoinedStr) and n.end_lineno != n.lineno for n in ast.walk(node)):
                return None
            text = "".join(indent + line.removeprefix(own) for line in text.splitlines(keepends=True))
        return text if text.endswith("\n") else text + "\n"

    def apply(self, edits: Iterable[Edit]) -> str | None:
        """Return the file's text with the edits made, or None where two of them overlap."""
        parts: list[bytes] = []
        at = 0
        for edit in sorted(edits, key=lambda e: (e.start, e.stop)):
            if edit.start < at:
                return None
            parts += [self.data[at : edit.start], edit.text.encode()]
            at = edit.stop
        return b"".join([*parts, self.data[at:]]).decode()


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric constant in the text: where it stands and what it is. ``tight`` means that a sign needs parentheses
    there, ``rate`` that it is stepped by factors.

    ``group`` names the loop or other statement around it, outermost first, so that equal numbers can be changed
    together near and far.
    """

    path: str
    start: int
    stop: int
    value: int | float
    tight: bool = False
    index: bool = False
    group: tuple[int, ...] = ()
    rate: bool = False

    @property
    def whole(self) -> bool:
        """Whether it is an integer."""
        return isinstance(self.value, int)

    def at(self, value: int | float) -> Edit:
        """Return the edit that writes ``value`` in this place, an integer only where there was one."""
        text = str(int(value)) if self.whole and isinstance(value, int) else shown(float(value))
        return Edit(self.start, self.stop, f"({text})" if self.tight and text.startswith("-") else text)

    def moved(self, value: int | float) -> Number:
        """Return the same place with another value."""
        return replace(self, value=value)


def shown(value: float) -> str:
    """Return a float as source with as many digits as a tuned constant deserves: seven."""
    return repr(float(f"{value:.7g}"))


def _expression(text: str) -> ast.expr | None:
    tree = normal.parse(f"({text})")
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    return statement.value if isinstance(statement, ast.Expr) else None


def _plain(text: str) -> bool:
    return re.fullmatch(r"[\w.]+", text) is not None


def modules(sources: Sources) -> tuple[Module, ...]:
    """Return the Python files of a program that parse and may change, by path."""
    found = []
    for path, segments in sorted(blocks.segments(sources).items()):
        if not path.endswith(".py") or not any(segment.evolvable for segment in segments):
            continue
        text = blocks.join(segments)
        tree = normal.parse(text)
        if tree is not None and not text.startswith("\ufeff") and not _deep(tree):
            found.append(Module(path, text, tree, segments))
    return tuple(found)


def _deep(tree: ast.AST) -> bool:
    """Whether a tree is nested so deep that walking it by recursion could fail."""
    stack = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > DEEPEST:
            return True
        stack.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    return False


def numbers(module: Module) -> tuple[Number, ...]:
    """Return the numeric constants that may change, in the order of the text. A minus sign before one is part of it."""
    found: list[Number] = []
    for node in module.nodes:
        value = node.value if isinstance(node, ast.Constant) else None
        if not isinstance(node, ast.Constant) or not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if not abs(value) < LARGEST_NUMBER or (isinstance(value, int) and structural(module.above, node)):
            continue
        factor = rate(module.above, node)
        parent = module.above[node]
        place: ast.expr = node
        if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.USub):
            place, value, parent = parent, -value, module.above[parent]
        if not module.editable(place):
            continue
        power = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow) and parent.left is place
        tight = (power or isinstance(parent, ast.Attribute)) and not module.enclosed(place)
        index = isinstance(parent, ast.Subscript | ast.Slice)
        found.append(Number(module.path, *module.span(place), value, tight, index, _statements(module, node), factor))
    return tuple(sorted(found, key=lambda number: number.start))


def _statements(module: Module, node: ast.AST) -> tuple[int, ...]:
    around: list[int] = []
    at: ast.AST | None = node
    while at is not None:
        if isinstance(at, ast.stmt):
            around.append(module.span(at)[0])
        at = module.above.get(at)
    return tuple(reversed(around))


def checked(parent: Sources, path: str, text: str | None) -> Sources | None:
    """Return the parent's sources with the file at ``path`` replaced, or None where that is no program of the same
    frozen text.
    """
    if text is None:
        return None
    child = {**parent, path: text}
    try:
        if blocks.frozen(child) != blocks.frozen(parent):
            return None
    except TaskError:
        return None
    return child if not path.endswith(".py") or normal.compiles(text) else None
