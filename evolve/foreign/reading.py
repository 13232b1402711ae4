"""Reads the files of a foreign folder: YAML settings, and Python as syntax, never run."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evolve.errors import TaskError

PROGRAM_SUFFIXES = {
    *(".py", ".c", ".cc", ".cpp", ".cu", ".rs", ".go", ".java", ".js", ".ts", ".jl", ".r", ".R", ".f90", ".hs", ".ml"),
    *(".lean", ".sh", ".sql", ".json", ".txt", ".md", ".html", ".v", ".sv", ".metal", ".swift", ".m", ".wl", ".wls"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What a format's own files say of a task.

    ``table`` is in the words of a task.toml; ``settings`` go to `evolve.foreign.harness`. ``used`` and ``unused`` are the keys
    of the settings file, ``source`` its name or empty. ``seed`` is the seed program's file, where they name one.
    """

    table: Mapping[str, Any]
    settings: Mapping[str, Any]
    source: str = ""
    used: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    seed: str = ""


def syntax(path: Path) -> ast.Module | None:
    """Return a Python file's syntax tree, or None where it is none."""
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def functions(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """Return the functions at the top of a module, each with the names of its parameters."""
    return {
        node.name: tuple(argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def settings_of(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        TaskError: if it holds none.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise TaskError(f"{path}: cannot be read as YAML: {' '.join(str(problem).split())}") from None
    if data is not None and not isinstance(data, dict):
        raise TaskError(f"{path}: holds no mapping")
    return {str(name): value for name, value in (data or {}).items()}


def look_up(data: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key, None where there is none."""
    value: Any = data
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def unused(data: Mapping[str, Any], used: Collection[str], before: str = "") -> Iterator[str]:
    """Yield the keys of ``data`` that are not among ``used``; a section of which nothing is used is one of them."""
    for name, value in data.items():
        key = f"{before}{name}"
        if key in used:
            continue
        if isinstance(value, Mapping) and any(other.startswith(f"{key}.") for other in used):
            yield from unused(value, used, f"{key}.")
        else:
            yield key


def seconds(value: Any, where: str) -> float:
    """Return a time limit, in seconds or as ``HH:MM:SS``.

    Raises:
        TaskError: if it is none.
    """
    if isinstance(value, str) and value.replace(":", "").isdigit():
        total = 0.0
        for part in value.split(":"):
            total = 60 * total + int(part)
        value = total
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise TaskError(f"{where}: must be a number of seconds, not {value!r}")
    return float(value)
