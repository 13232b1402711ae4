"""What a task imports of `evolve.kit`: those modules alone are shipped into its jail, and decide its scores."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from importlib.resources import files as resources

from evolve.errors import TaskError

KIT = "evolve.kit"


def files(scripts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the modules of the kit that Python sources import, and what these import of it in turn: path -> source.

    Args:
        scripts: source and name of each; what does not parse is left for its own import to complain about.

    Raises:
        TaskError: if one imports a module that the kit does not have.
    """
    found: dict[str, str] = {}
    queue = list(scripts)
    while queue:
        source, where = queue.pop()
        for name in _imported(source):
            path = f"evolve/kit/{name}.py"
            if path not in found:
                found[path] = _read(name, where)
                queue.append((found[path], path))
    return dict(sorted(found.items()))


def _imported(source: str) -> Iterator[str]:
    """Yield the names of the kit's modules that a source imports, wherever it does."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == KIT:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{KIT}."):
            yield node.module.split(".")[2]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[2] for alias in node.names if alias.name.startswith(f"{KIT}."))


def _read(name: str, where: str) -> str:
    module = resources(KIT) / f"{name}.py"
    if not module.is_file():
        raise TaskError(f"{where}: imports {KIT}.{name}, and there is no such module")
    return module.read_text(encoding="utf-8")
