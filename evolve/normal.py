"""The normal form behind novelty: two programs with the same digest are the same program, written differently.

Comments, formatting, docstrings and the names of locals do not make a Python program new. Numbers, and every name
that something else could see (functions, classes, attributes, globals, imports, parameters, keyword arguments), do.
Where renaming could change what a program does (it looks at its own locals, say) nothing is renamed. Files of other
languages, and Python that does not parse, are compared line by line.
"""

from __future__ import annotations

import ast
import hashlib
import re
import threading
import warnings
from collections.abc import Iterator
from functools import lru_cache

from evolve import languages
from evolve.records import Sources

_PARSING = threading.Lock()
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_REFLECTION = frozenset(
    {"locals", "vars", "dir", "eval", "exec", "inspect", "sys", "_getframe", "__code__", "co_varnames", "f_locals"}
)
_UNWRITTEN = frozenset({"ctx", "kind", "type_comment"})
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LEAVES = (ast.Name, ast.Constant)
_BINDERS = (
    *(ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping, ast.alias),
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal),
)
_DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_TOKEN = re.compile(r"[^\W\d]\w*|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w*|[^\s\w]")
_QUOTED = r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""


def parse(text: str) -> ast.Module | None:
    """Return the syntax tree of Python source, or None where it has none. Warnings about the text are not ours to give."""
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def compiles(text: str) -> bool:
    """Return whether ``text`` is a Python module that could be imported as far as the compiler can tell."""
    return not fault(text)


def fault(text: str) -> str:
    """Return why Python source does not compile, with the line; an empty string where it does."""
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "program", "exec", dont_inherit=True)
        except SyntaxError as problem:
            line = f"line {problem.lineno}: " if problem.lineno else ""
            told = (problem.text or "").strip()
            return f"{line}{problem.msg}" + (f" in `{told if len(told) <= 80 else told[:79] + '…'}`" if told else "")
        except (ValueError, RecursionError, MemoryError) as problem:
            return str(problem) or type(problem).__name__
    return ""


def digest(sources: Sources, language: str) -> str:
    """Return the SHA-256 (hex) over the normal forms of all files, their paths included."""
    total = hashlib.sha256()
    for path in sorted(sources):
        form = normal_form(sources[path], language if path.endswith(".py") or language != "python" else "text")
        for part in (path, form):
            data = part.encode("utf-8", "surrogatepass")
            total.update(b"%d:" % len(data))
            total.update(data)
    return total.hexdigest()


@lru_cache(maxsize=256)
def normal_form(text: str, language: str) -> str:
    """Return a text that is equal for two files exactly when they count as the same.

    The latest are remembered: an attempt asks for its parent's and its child's more than once.
    """
    if language == "python":
        tree = parse(text)
        if tree is not None:
            try:
                return _Form(tree).text()
            except RecursionError:
                pass
    return "\n".join(stripped for line in text.splitlines() if (stripped := line.rstrip()))


def tokens(text: str, language: str) -> list[str]:
    """Return the words, numbers and signs of ``text`` without its comments."""
    comment = re.compile(f"{_QUOTED}|{languages.comments(language)}", re.DOTALL)
    return _TOKEN.findall(comment.sub(lambda match: match.group(1) or " ", text))


def shingles(sources: Sources, k: int = 5) -> frozenset[str]:
    """Return the runs of ``k`` neighbouring tokens of all files, numbers kept. A file shorter than ``k`` is one run."""
    return frozenset[str]().union(*(_runs(text, languages.language(path), k) for path, text in sources.items()))


@lru_cache(maxsize=256)
def _runs(text: str, language: str, k: int) -> frozenset[str]:
    """Return the shingles of one file. The latest are remembered: each child is compared with the same elites."""
    words = tokens(text, language)
    return frozenset(" ".join(words[i : i + k]) for i in range(max(len(words) - k + 1, min(len(words), 1))))


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the Jaccard index of two sets of shingles: 1 for equal sets, 0 for disjoint ones."""
    return len(a & b) / len(a | b) if a or b else 1.0


class _Scope:
    """One scope while it is written out: which of its names are its own affair, and the numbers they were given."""

    __slots__ = ("above", "kept", "klass", "locals")

    def __init__(self, above: _Scope | None, private: set[str], kept: set[str], klass: bool = False) -> None:
        self.above = above
        self.locals: dict[str, int | None] = dict.fromkeys(private)
        self.kept = kept
        self.klass = klass

    def find(self, name: str) -> _Scope | None:
        """Return the scope that ``name`` means from here if it is private to it. Only code right in a class sees the
        class's names.
        """
        at: _Scope | None = self
        while at is not None:
            if name in at.locals:
                return at
            if name in at.kept:
                return None
            at = at.above
            while at is not None and at.klass:
                at = at.above
        return None


class _Form:
    """Writes a tree as text. Locals are numbered in the order in which they are met, which no renaming changes."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.count = 0
        self.out: list[str] = []
        words: set[str] = set()
        self.keywords: set[str | None] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                words.add(node.id)
            elif isinstance(node, ast.Attribute):
                words.add(node.attr)
            elif isinstance(node, ast.keyword):
                self.keywords.add(node.arg)
            elif isinstance(node, ast.alias):
                words.update(node.name.split("."))
        self.renames = _REFLECTION.isdisjoint(words)
        self.strips = "__doc__" not in words
        self.spread = None in self.keywords

    def text(self) -> str:
        self.node(self.tree, _Scope(None, set(), set()))
        return "".join(self.out)

    def name(self, name: str, scope: _Scope) -> str:
        owner = scope.find(name)
        if owner is None:
            return name
        number = owner.locals[name]
        if number is None:
            self.count += 1
            number = owner.locals[name] = self.count
        return f"${number}"

    def value(self, value: object, scope: _Scope) -> None:
        if isinstance(value, ast.AST):
            self.node(value, scope)
        elif isinstance(value, list):
            for item in value:
                self.value(item, scope)
                self.out.append(",")
        else:
            self.out.append(repr(value))

    def node(self, node: ast.AST, scope: _Scope) -> None:
        kind = type(node)
        if kind is ast.Name:
            self.out.append(self.name(node.id, scope))  # type: ignore[attr-defined]
            return
        if kind is ast.Constant:
            value = node.value  # type: ignore[attr-defined]
            self.out.append(f"{type(value).__name__}:{value!r}")
            return
        self.out.append(kind.__name__ + "(")
        if isinstance(node, _FUNCTIONS):
            self.function(node, scope)
        elif isinstance(node, _COMPREHENSIONS):
            self.comprehension(node, scope)
        elif isinstance(node, ast.ClassDef):
            self.klass(node, scope)
        elif isinstance(node, ast.Nonlocal):
            self.out.extend(self.name(name, scope) + "," for name in node.names)
        else:
            self.fields(node, scope)
        self.out.append(")")

    def fields(self, node: ast.AST, scope: _Scope, but: tuple[str, ...] = ()) -> None:
        """Write the fields that are set: unset ones differ between Python versions."""
        for field in node._fields:
            if field in _UNWRITTEN or field in but:
                continue
            value = getattr(node, field, None)
            if value is None or value == []:
                continue
            self.out.append(field + "=")
            if field == "body" and isinstance(node, _DOCUMENTED):
                self.body(node, scope)
            elif isinstance(value, str) and _binds(node, field):
                self.out.append(self.name(value, scope))
            else:
                self.value(value, scope)
            self.out.append(";")

    def body(self, node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: _Scope) -> None:
        documented = self.strips and ast.get_docstring(node, clean=False) is not None
        self.value(node.body[1:] if documented else node.body, scope)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope) -> None:
        """Write decorators, defaults and annotations in the scope around it, the rest in a scope of its own."""
        inner = self.own(node, scope)
        if not isinstance(node, ast.Lambda):
            self.fields(node, scope, but=("args", "body"))
        args = node.args
        for given in (args.defaults, args.kw_defaults):
            self.value(given, scope)
        for group in (args.posonlyargs, args.args, [args.vararg], args.kwonlyargs, [args.kwarg]):
            self.out.append("|")
            for arg in group:
                if arg is not None:
                    self.out.append(self.name(arg.arg, inner) + ":")
                    self.value(arg.annotation, scope)
        if isinstance(node, ast.Lambda):
            self.node(node.body, inner)
        else:
            self.body(node, inner)

    def own(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope) -> _Scope:
        """Return the scope of a function: its locals, less what others can address by name."""
        names = _Names(node.body)
        private, kept = names.private, names.kept
        args = node.args
        hidden = isinstance(node, ast.Lambda) or (
            scope.above is not None and not scope.klass and not node.decorator_list
        )
        for arg in (*args.args, *args.kwonlyargs):
            free = hidden and not self.spread and arg.arg not in self.keywords
            (private if free else kept).add(arg.arg)
        private.update(arg.arg for arg in (*args.posonlyargs, args.vararg, args.kwarg) if arg is not None)
        return self.scope(scope, private, kept, names.elsewhere)

    def scope(self, above: _Scope, private: set[str], kept: set[str], elsewhere: dict[str, str]) -> _Scope:
        """Return a scope in which ``global`` names, and all names where the program reflects, keep their spelling."""
        outer = {name for name, word in elsewhere.items() if word == "nonlocal"}
        kept = (kept | {name for name, word in elsewhere.items() if word == "global"}) - outer
        private = private - outer - kept
        dunder = private if not self.renames else {name for name in private if name.startswith("__")}
        return _Scope(above, private - dunder, kept | dunder)

    def comprehension(self, node: ast.AST, scope: _Scope) -> None:
        """Write a comprehension; its first iterable belongs to the scope around it."""
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        targets = {n.id for g in generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        inner = self.scope(scope, targets, set(), {})
        for index, generator in enumerate(generators):
            self.value(generator.iter, scope if index == 0 else inner)
            self.out.append(f" for{generator.is_async} ")
            self.node(generator.target, inner)
            self.value(generator.ifs, inner)
        self.fields(node, inner, but=("generators",))

    def klass(self, node: ast.ClassDef, scope: _Scope) -> None:
        """Write a class. Its own names are attributes, and functions inside it do not see them."""
        self.fields(node, scope, but=("body",))
        names = _Names(node.body)
        own = (names.private | names.kept) - names.elsewhere.keys()
        self.body(node, _Scope(scope, set(), own, klass=True))


def _binds(node: ast.AST, field: str) -> bool:
    """Whether the text in ``field`` is the name of a variable that may be a local."""
    match node:
        case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
            return field == "name"
        case ast.MatchMapping():
            return field == "rest"
        case ast.alias():
            return field == "asname"
        case _:
            return False


def _own_nodes(body: list[ast.stmt] | ast.expr) -> Iterator[ast.AST]:
    """Yield the nodes of a scope's body that belong to the scope itself: not those of functions and classes inside."""
    stack: list[ast.AST] = list(body) if isinstance(body, list) else [body]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, ast.Lambda):
            stack.extend(_defaults(node.args))
        elif isinstance(node, _DEFINITIONS):
            stack.extend((*node.decorator_list, *_defaults(node.args)))
        elif isinstance(node, ast.ClassDef):
            stack.extend((*node.decorator_list, *node.bases, *node.keywords))
        elif isinstance(node, _COMPREHENSIONS):
            stack.extend(_walrus(node))
        elif not isinstance(node, _LEAVES):
            stack.extend(ast.iter_child_nodes(node))


def _defaults(args: ast.arguments) -> Iterator[ast.expr]:
    yield from args.defaults
    yield from (default for default in args.kw_defaults if default is not None)


def _walrus(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a comprehension binds in the scope around it: the targets of its assignment expressions."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.NamedExpr):
            yield inner.target
        if not isinstance(inner, ast.Lambda):
            yield from _walrus(inner)


class _Names:
    """The names that a scope's body binds, those among them that others can see, and those it declares to live
    elsewhere.
    """

    __slots__ = ("elsewhere", "kept", "private")

    def __init__(self, body: list[ast.stmt] | ast.expr) -> None:
        self.private: set[str] = set()
        self.kept: set[str] = set()
        self.elsewhere: dict[str, str] = {}
        for node in _own_nodes(body):
            if isinstance(node, ast.Name):
                if not isinstance(node.ctx, ast.Load):
                    self.private.add(node.id)
            elif isinstance(node, _BINDERS):
                self._bind(node)

    def _bind(self, node: ast.AST) -> None:
        match node:
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                self.private.add(name)
            case ast.MatchMapping(rest=str(name)) | ast.alias(asname=str(name)):
                self.private.add(name)
            case ast.alias(name=name):
                self.kept.add(name.split(".")[0])
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self.kept.add(name)
            case ast.Global(names=names):
                self.elsewhere.update(dict.fromkeys(names, "global"))
            case ast.Nonlocal(names=names):
                self.elsewhere.update(dict.fromkeys(names, "nonlocal"))
