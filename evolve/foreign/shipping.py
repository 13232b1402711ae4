"""The files that every jail of a foreign task gets beside the program."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from evolve.errors import TaskError
from evolve.judge.candidate import HARNESS
from evolve.leftovers import left_by_a_run

SCRIPT = Path(__file__).parent / "judge_script.py"
"""What a foreign task has in place of an evaluate.py of its own."""

MOST = 16 << 20
"""Bytes of an evaluator's folder: every candidate gets its own copy."""
_OUTPUT = re.compile(r"(?:results|openevolve_output|shinka_output|checkpoints|logs)(?:[_-].*)?|node_modules|venv|env")
"""The names of folders that runs and tools leave behind; one that can be imported is the evaluator's all the same."""
_FILES = ("README", "LICENSE", "requirements.txt", "task.toml")


def shipped(root: Path, settings: Mapping[str, Any]) -> dict[str, str | bytes]:
    """Return the evaluator's folder, our harness with its settings, and the adapters.

    Raises:
        TaskError: if the folder is too large to be given to every candidate.
    """
    files: dict[str, str | bytes] = {"settings.json": json.dumps(dict(settings), sort_keys=True)}
    total = 0
    for path in evaluator_files(root):
        total += path.stat().st_size
        if total > MOST:
            raise TaskError(
                f"{root}: holds more than {MOST >> 20} MiB, all of which every candidate would get; keep only what the"
                " evaluator reads"
            )
        files[f"evaluator/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    return files | _ours()


def evaluator_files(root: Path) -> Iterator[Path]:
    """Yield the files that an evaluator may want of its folder, which leaves out what is hidden, for people, or the results of
    earlier runs.
    """
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        output = any(_left_behind(folder) for folder in path.parents[: len(parts) - 1])
        aside = len(parts) == 1 and (
            path.name.startswith(_FILES)
            or left_by_a_run(path)
            or path.match("config*.y*ml")
            or path.match("shinka*.y*ml")
        )
        if path.is_file() and not (hidden or output or aside):
            yield path


def _left_behind(folder: Path) -> bool:
    """Return whether a folder holds results of earlier runs or installed packages."""
    if (folder / "pyvenv.cfg").exists():
        return True
    return _OUTPUT.fullmatch(folder.name) is not None and not (folder / "__init__.py").exists()


@cache
def _ours() -> dict[str, str | bytes]:
    here = Path(__file__).parent
    files: dict[str, str | bytes] = {HARNESS: (here / "harness.py").read_text(encoding="utf-8")}
    for path in sorted((here / "adapters").rglob("*.py")):
        if path.parent != here / "adapters":
            files[path.relative_to(here).as_posix()] = path.read_text(encoding="utf-8")
    return files


def digest(decisive: str, files: Mapping[str, str | bytes], seed: str) -> str:
    """Hash all that decides a score: ``decisive``, and every shipped file but the ``seed`` program, which is one of many."""
    total = hashlib.sha256(decisive.encode())
    for name, data in sorted(files.items()):
        if name != f"evaluator/{seed}":
            raw = data.encode() if isinstance(data, str) else data
            total.update(f"\0{name}\0{hashlib.sha256(raw).hexdigest()}".encode())
    return total.hexdigest()
