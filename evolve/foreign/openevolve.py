"""OpenEvolve's format: ``evaluator.py``, ``initial_program.*`` and ``config.yaml``.

What is missing in config.yaml has OpenEvolve's own default: five minutes a stage, and a cascade wherever the evaluator has
stages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evolve.errors import TaskError
from evolve.foreign.reading import Said, functions, look_up, seconds, settings_of, syntax, unused

EVALUATOR = "evaluator.py"
SEEDS = ("initial_program", "initial")
PROGRAM = "candidate"
"""What the program is called where it is judged: nothing that the evaluator's folder may hold, as it is not with them."""
TIMEOUT = 300.0
THRESHOLDS = (0.5, 0.75, 0.9)
FEATURES = ("complexity", "diversity")

_MESSAGE, _TIMEOUT = "prompt.system_message", "evaluator.timeout"
_CASCADE, _THRESHOLDS = "evaluator.cascade_evaluation", "evaluator.cascade_thresholds"
_FEATURES = "database.feature_dimensions"
_KEYS = (_MESSAGE, _TIMEOUT, _CASCADE, _THRESHOLDS, _FEATURES)


def matches(root: Path) -> bool:
    """Return whether a folder holds an evaluator for OpenEvolve."""
    tree = syntax(root / EVALUATOR)
    return tree is not None and "evaluate" in functions(tree)


def read(root: Path) -> Said:
    """Return what ``config.yaml``, or else the first ``config*.yaml`` by name, says of the task.

    Raises:
        TaskError: naming the key that is wrong.
    """
    path = next((p for p in (root / "config.yaml", *sorted(root.glob("config*.y*ml"))) if p.is_file()), None)
    data = {} if path is None else settings_of(path)
    used = tuple(key for key in _KEYS if look_up(data, key) is not None)
    where = f"{path}: " if path else ""
    given = look_up(data, _TIMEOUT)
    timeout = seconds(TIMEOUT if given is None else given, where + _TIMEOUT)
    thresholds = _listed(look_up(data, _THRESHOLDS), THRESHOLDS, (int, float), where + _THRESHOLDS)
    if not thresholds:
        raise TaskError(f"{where}{_THRESHOLDS}: must hold the threshold of the first stage")
    cascade = look_up(data, _CASCADE) is not False
    defined = functions(tree) if (tree := syntax(root / EVALUATOR)) else {}
    stages = sum(f"evaluate_stage{number}" in defined for number in (1, 2, 3)) if cascade else 1
    message = look_up(data, _MESSAGE)
    return Said(
        table={"limits": {"call_seconds": timeout, "seconds": timeout * max(1, stages)}}
        | ({"brief": message} if isinstance(message, str) and message.strip() else {}),
        settings={
            "cascade": cascade,
            "thresholds": thresholds,
            "features": _listed(look_up(data, _FEATURES), FEATURES, (str,), where + _FEATURES),
        },
        source=path.name if path else "",
        used=used,
        unused=tuple(unused(data, used)),
    )


def _listed(value: Any, default: tuple[Any, ...], kinds: tuple[type, ...], where: str) -> list[Any]:
    if value is None:
        return [*default]
    if not isinstance(value, list) or not all(isinstance(item, kinds) for item in value):
        raise TaskError(f"{where}: must be a list of {' or '.join(kind.__name__ for kind in kinds)}, not {value!r}")
    return value
