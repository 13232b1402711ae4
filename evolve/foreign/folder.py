"""What a foreign folder says, in the words of a task.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from evolve.errors import TaskError
from evolve.foreign import openevolve, shinka
from evolve.foreign.packages import needs
from evolve.foreign.reading import PROGRAM_SUFFIXES, functions, syntax

_FORMATS: dict[str, ModuleType] = {"openevolve": openevolve, "shinka": shinka}

MEMORY, PROCESSES, SCRATCH = 4 << 30, 256, 256 << 20
"""Generous, because their evaluators were written without any limit: bytes, number, bytes."""
CPU = 8
"""Seconds of CPU time for each second of the clock, for evaluators that start processes."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A folder in the format of another framework.

    ``table`` is what its task.toml would say, and what a real one beside it says wins. ``settings`` go to the harness. ``used``
    and ``unused`` are keys of ``source``, the file with the framework's own settings, if there is one.
    """

    format: str
    entry: str
    table: Mapping[str, Any]
    settings: Mapping[str, Any]
    source: str
    used: tuple[str, ...]
    unused: tuple[str, ...]
    absent: tuple[str, ...]


def detect(root: Path) -> str:
    """Return the format of a folder, empty where it is none that is known, or a task of ours."""
    ours = syntax(root / "evaluate.py")
    if ours is not None and "evaluate" in functions(ours) and (root / "task.toml").is_file():
        return ""
    return next((name for name, module in _FORMATS.items() if module.matches(root)), "")


def read(root: Path, entry: str | None = None, strict: bool = True) -> Foreign:
    """Return what the folder says.

    Args:
        root: a folder in which `detect` sees a format.
        entry: the seed program's file, where it is not called as that format's usually is.
        strict: whether all that its code imports must be installed.

    Raises:
        TaskError: naming what is missing or wrong.
    """
    kind = detect(root)
    module = _FORMATS[kind]
    said = module.read(root)
    program = _program(root, module.SEEDS, entry or said.seed)
    evaluator: str = module.EVALUATOR
    name = module.PROGRAM + program.suffix
    found = needs(root, (root / evaluator, program))
    if strict:
        found.demand(root)
    limits = dict(said.table["limits"])
    limits |= {"cpu_seconds": CPU * limits["seconds"], "memory": MEMORY, "processes": PROCESSES, "scratch": SCRATCH}
    brief = f"Improve the program of {root.name}: its evaluator's score is to be as high as possible."
    return Foreign(
        format=kind,
        entry=program.name,
        table={"brief": brief, "packages": found.packages, "preload": found.preload, "allow_nonfinite": True}
        | {**said.table, "limits": limits},
        settings={**said.settings, "format": kind, "evaluator": evaluator, "program": program.name, "name": name},
        source=said.source,
        used=said.used,
        unused=said.unused,
        absent=found.absent,
    )


def _program(root: Path, stems: tuple[str, ...], entry: str) -> Path:
    """Return the seed program's file."""
    if entry:
        if not (root / entry).is_file() or (root / entry).parent != root:
            raise TaskError(f"{root}: the seed program {entry!r} is not there")
        return root / entry
    for stem in stems:
        found = sorted(path for path in root.glob(f"{stem}.*") if path.suffix in PROGRAM_SUFFIXES)
        if len(found) == 1:
            return found[0]
        if found:
            names = " and ".join(path.name for path in found)
            raise TaskError(f'{root}: has {names}; write entry = "FILE" into a task.toml beside them')
    raise TaskError(
        f'{root}: has no {stems[0]}.*; if its seed has another name, write entry = "FILE" into a task.toml beside it'
    )
