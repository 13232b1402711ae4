"""What every move of `builtin/mutate` and `builtin/recombine` works on and returns."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from evolve.operators.kinds import Kind, Kinds
from evolve.operators.learning.arrays import Arrays
from evolve.operators.learning.constants import structural
from evolve.operators.syntax import Edit, Module, Number, numbers, shown


@dataclass(frozen=True, slots=True)
class Change:
    """Edits of one file, and in a line what they do."""

    edits: tuple[Edit, ...]
    note: str


class Site:
    """One file about to be changed, with the source of chance and the step size for new constants.

    ``brief`` is the task's text, which may say of names what the file does not.
    """

    def __init__(self, module: Module, rng: Random, step: float, brief: str = "") -> None:
        self.module = module
        self.rng = rng
        self.step = step
        self.brief = brief

    @cached_property
    def kinds(self) -> Kinds:
        """The names and kinds of the file."""
        return Kinds(self.module)

    @cached_property
    def arrays(self) -> Arrays:
        """What the file's expressions show of arrays."""
        return Arrays(self.module, self.brief)

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """The constants of the file."""
        return numbers(self.module)

    @cached_property
    def expressions(self) -> tuple[ast.expr, ...]:
        """The expressions whose value may be replaced by another: read, not called, not a part of a call's name."""
        return tuple(n for n in self.module.nodes if isinstance(n, ast.expr) and self._value(n))

    def _value(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Starred | ast.Slice | ast.FormattedValue) or not isinstance(
            getattr(node, "ctx", ast.Load()), ast.Load
        ):
            return False
        above = self.module.above[node]
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and structural(self.module.above, node):
            return False
        if (
            isinstance(above, ast.Attribute | ast.Call)
            and getattr(above, "value", getattr(above, "func", None)) is node
        ):
            return False
        if isinstance(node, ast.GeneratorExp):
            return False
        return not (isinstance(above, ast.Expr) or (isinstance(above, ast.UnaryOp) and isinstance(node, ast.Constant)))

    def of_kind(self, kind: Kind) -> list[ast.expr]:
        """Return the replaceable expressions of a kind."""
        return [node for node in self.expressions if self.kinds.of(node) == kind]

    @cached_property
    def statements(self) -> tuple[tuple[ast.stmt, ...], ...]:
        """The runs of neighbouring statements, each on lines of its own, that may be moved about: no definitions,
        imports or returns.
        """
        found = []
        for node in ast.walk(self.module.tree):
            for name in ("body", "orelse", "finalbody"):
                body = getattr(node, name, None)
                if isinstance(body, list) and not isinstance(node, ast.ClassDef | ast.Module):
                    run = tuple(s for s in body if self.movable(s))
                    if run:
                        found.append(run)
        return tuple(found)

    def movable(self, node: ast.stmt) -> bool:
        """Whether a statement is one that computes, may change, and has its lines to itself."""
        fixed = (
            ast.FunctionDef
            | ast.AsyncFunctionDef
            | ast.ClassDef
            | ast.Import
            | ast.ImportFrom
            | ast.Return
            | ast.Global
            | ast.Nonlocal
        )
        module = self.module
        return (
            not isinstance(node, fixed)
            and module.editable(node)
            and not module.docstring(node)
            and module.lines(node) is not None
        )

    def siblings(self, node: ast.stmt) -> Sequence[ast.stmt]:
        """Return the list of statements that ``node`` is in."""
        above = self.module.above[node]
        for name in ("body", "orelse", "finalbody"):
            body = getattr(above, name, None)
            if isinstance(body, list) and node in body:
                return body
        return (node,)

    def number(self) -> str:
        """Return a new constant of either sign, its size spread evenly over orders of magnitude around the step."""
        size = self.step * 10 ** self.rng.uniform(-1, 0.5)
        return shown(float(f"{self.rng.choice((-1, 1)) * size:.3g}"))

    def factor(self) -> str:
        """Return a new constant near one."""
        return shown(float(f"{1 + self.rng.gauss(0, 1) * self.step:.3g}"))

    def variables(self, node: ast.expr) -> list[str]:
        """Return the names in sight of ``node`` that hold numbers, in a fixed order."""
        kinds = self.kinds
        return sorted(name for name in kinds.visible(node) if kinds.known.get(name) == "number")


Move = Callable[[Site], Change | None]
"""One way to change a file; None where chance led it to a place that has nothing to change."""
