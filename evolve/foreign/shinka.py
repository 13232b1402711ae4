"""ShinkaEvolve's format: ``evaluate.py --program_path … --results_dir …`` and ``initial.*``.

The task's description is where its users write it: ``evo_config.task_sys_msg`` of a YAML file beside it, or a text called
``task_sys_msg`` in the script that starts a search.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evolve.foreign.reading import Said, functions, look_up, seconds, settings_of, syntax, unused

EVALUATOR = "evaluate.py"
SEEDS = ("initial",)
PROGRAM = "main"
"""What the program is called where it is judged, as it is with them."""
TIMEOUT = 600.0
_ARGUMENTS = {"program_path", "results_dir"}
_KEYS = {
    "evo_config.task_sys_msg": "message",
    "evo_config.init_program_path": "seed",
    "job_config.time": "time",
}


def matches(root: Path) -> bool:
    """Return whether a folder holds an evaluator for ShinkaEvolve: a script with its two arguments, and no ``evaluate``."""
    tree = syntax(root / EVALUATOR)
    if tree is None or "evaluate" in functions(tree):
        return False
    if _ARGUMENTS.issubset(functions(tree).get("main", ())):
        return True
    texts = {
        node.value.lstrip("-")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return texts >= _ARGUMENTS


def read(root: Path) -> Said:
    """Return what the folder says of the task.

    Raises:
        TaskError: if the time limit is none.
    """
    path, data = next(_configs(root), (None, {}))
    used = tuple(key for key in _KEYS if look_up(data, key) is not None)
    given = {_KEYS[key]: look_up(data, key) for key in used}
    message, source = given.get("message"), path.name if path else ""
    if not isinstance(message, str) or not message.strip():
        message, script = next(_messages(root), ("", ""))
        source = ", ".join(filter(None, (source, script)))
        used += ("task_sys_msg",) if script else ()
    seed = Path(str(given.get("seed", ""))).name  # a path from wherever their search is started
    limit = seconds(given.get("time", TIMEOUT), f"{path}: job_config.time")
    return Said(
        table={"limits": {"call_seconds": limit, "seconds": limit}} | ({"brief": message} if message.strip() else {}),
        settings={},
        source=source,
        used=used,
        unused=tuple(unused(data, used)),
        seed=seed,
    )


def _configs(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(root.glob("*.y*ml")):
        data = settings_of(path)
        if isinstance(data.get("evo_config"), dict):
            yield path, data


def _messages(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the texts that scripts of the folder call a task's system message, with the script's name."""
    for path in sorted(root.glob("*.py")):
        for node in ast.walk(syntax(path) or ast.Module([], [])):
            names: list[str] = []
            if isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            elif isinstance(node, ast.keyword):
                names = [node.arg or ""]
            value = getattr(getattr(node, "value", None), "value", None)  # of a constant
            if any(name.endswith("task_sys_msg") for name in names) and isinstance(value, str) and value.strip():
                yield value, path.name
