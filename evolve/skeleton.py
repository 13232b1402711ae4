"""What `evolve new` writes: a folder of ``templates/``, of which it is the only reader, each a model of how to write a task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evolve.errors import TaskError
from evolve.resources import folder

DEFAULT = "function"
NAME = "mytask"
"""What a template's README calls the task."""


def templates() -> dict[str, Path]:
    """Return the folder of each template by name, the default one first."""
    found = {path.parent.name: path.parent for path in sorted(folder("templates").glob("*/task.toml"))}
    return {DEFAULT: found.pop(DEFAULT), **found}


def write(place: Path, template: str = DEFAULT) -> list[Path]:
    """Write a template into the folder ``place``, which may be new, and return the paths.

    Raises:
        TaskError: if there is no such template.
    """
    known = templates()
    if template not in known:
        raise TaskError(f"{template!r} is no template; there are {', '.join(known)}")
    paths = []
    for source in _files(known[template]):
        path = place / source.relative_to(known[template])
        path.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        path.write_text(text.replace(NAME, place.name) if path.name == "README.md" else text, encoding="utf-8")
        paths.append(path)
    return paths


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
