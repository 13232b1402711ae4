"""Which installed packages a foreign folder needs, from what its evaluator and its program import."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from evolve.errors import TaskError
from evolve.foreign.reading import syntax
from evolve.jail.packages import OURS

ADAPTED = ("openevolve", "shinka")
"""Modules that adapters stand in for."""
_ADAPTED_DISTRIBUTIONS = {"openevolve", "shinka-evolve", "shinka"}

PRELOADED = ("numpy", "scipy", "pandas", "sklearn", "sympy", "networkx", "torch")
"""Modules that may be imported before a fork: importing them starts no thread and runs nothing that matters later."""

_OTHER_NAMES = {
    "cv2": "opencv-python",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "bs4": "beautifulsoup4",
}
"""Distributions of well-known modules that have another name, for the hint where they are not installed."""


@dataclass(frozen=True, slots=True)
class Needs:
    """``packages`` are distributions, ``preload`` modules. Not installed are ``missing``, modules that are imported
    unconditionally, and ``absent``, the others.
    """

    packages: tuple[str, ...]
    preload: tuple[str, ...]
    missing: tuple[str, ...]
    absent: tuple[str, ...]

    def demand(self, root: Path) -> None:
        """Raise TaskError, naming what to install, if anything is missing."""
        if self.missing:
            names = " ".join(_OTHER_NAMES.get(name, name) for name in self.missing)
            raise TaskError(
                f"{root}: its code imports {', '.join(self.missing)}; install what is missing: pip install {names}"
            )


def needs(root: Path, starts: Iterable[Path]) -> Needs:
    """Return what the Python files ``starts`` and the files of ``root`` that they import need."""
    wanted: dict[str, bool] = {}
    queue, seen = [path for path in starts if path.suffix == ".py"], set[Path]()
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        for name, must in imports(path):
            local = _local(root, name)
            queue += local
            if not local:
                wanted[name] = wanted.get(name, False) or must
    foreign = {n: must for n, must in wanted.items() if n not in sys.stdlib_module_names and n not in ADAPTED}
    installed = _installed()
    found = {d for name in foreign for d in installed.get(name, ()) if canonicalize_name(d) not in OURS}
    return Needs(
        packages=tuple(sorted(found | set(_required(root)), key=str.lower)),
        preload=tuple(name for name in PRELOADED if foreign.get(name) and name in installed),
        missing=tuple(sorted(name for name, must in foreign.items() if must and name not in installed)),
        absent=tuple(sorted(name for name, must in foreign.items() if not must and name not in installed)),
    )


@cache
def _installed() -> dict[str, list[str]]:
    return {name: sorted(set(found)) for name, found in packages_distributions().items()}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the top-level modules that a file imports, and whether it must: not in a function, a condition or a ``try``."""
    tree = syntax(path)
    if tree is not None:
        unconditional = set(map(id, tree.body))
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in names:
                yield name.partition(".")[0], id(node) in unconditional


def _local(root: Path, name: str) -> list[Path]:
    """Return the files of the folder that the module ``name`` stands for."""
    single, package = root / f"{name}.py", root / name
    if single.is_file():
        return [single]
    return sorted(package.rglob("*.py")) if package.is_dir() else []


def _required(root: Path) -> Iterator[str]:
    """Yield those distributions of requirements.txt that are installed; versions are the user's own business."""
    path = root / "requirements.txt"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in lines:
        try:
            wanted = Requirement(line.partition("#")[0].strip())
            distribution(wanted.name)
        except (InvalidRequirement, PackageNotFoundError):
            continue
        if canonicalize_name(wanted.name) not in OURS | _ADAPTED_DISTRIBUTIONS:
            yield wanted.name
