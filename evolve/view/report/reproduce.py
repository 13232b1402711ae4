"""The commands that make a run again: what was asked of it, as a command line a person can paste."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import dumps
from pathlib import Path, PurePosixPath
from re import fullmatch
from typing import Any

from evolve.config import BUDGET, Config, ModelConfig
from evolve.phrases import several
from evolve.records import Program
from evolve.task import library
from evolve.view.report.facts import Facts

Keys = tuple[str, ...]
Leaves = dict[Keys, Any]
"""Settings by their keys, from the outermost table inwards."""

FLAGS: dict[Keys, str] = {("budget", name): f"--{name}" for name in BUDGET} | {
    (name,): f"--{name}" for name in ("workers", "slots", "isolation", "executor")
}
"""Settings with a flag of their own; the others are given by ``--set``."""

SEARCH = (
    "search again, in an archive of its own, since evaluations that are known already would lead elsewhere; so do models, "
    "several slots, and the clock where it has a say"
)
"""What the command that begins a search is for."""


@dataclass(frozen=True, slots=True)
class Command:
    """A line for a shell and what it is for."""

    line: str
    what: str


def commands(facts: Facts, db: Path) -> list[Command]:
    """Return the commands that search again as a run did, lead it through again, and judge its best program again.

    What ``evolve.toml`` beside the task says now still holds where no flag says otherwise.
    """
    info, place = facts.run, _place(facts.run.task_path)
    there = ["--run", info.name, "--db", str(db)]
    found = []
    if place:
        started = facts.starts[1:]
        for start in started if _single(facts) else ():
            line = _line(["evolve", "show", start.id, "--code", *there], to=_file(start.id, facts))
            found.append(Command(line, f"what it started from beside the seed: {start.operator}"))
        again = f"{info.name[:74]}-again"
        before: Leaves = _leaves(Config().model_dump(mode="json"))
        for number, sitting in enumerate(facts.sittings):
            now = _leaves(sitting.config)
            if number == 0:
                words = ["evolve", "run", place, "--seed", str(info.seed), "--name", again, *_models(sitting.config)]
                words += [word for start in started for word in ("--from", _origin(start, facts))]
                what = SEARCH
            else:
                words, what = (
                    ["evolve", "resume", again],
                    f"as it was resumed after {several(sitting.told, 'attempt', 'attempts')}",
                )
            found.append(Command(_line([*words, *_flags(now, before), "--db", f"{again}.db"]), what))
            before = now
        line = _line(["evolve", "replay", info.name, "--db", str(db)])
        found.append(Command(line, "lead it through again from what was recorded, judging nothing"))
    if facts.best is None:
        return found
    id = facts.best.program.id
    if _single(facts):
        file = _file(id, facts)
        found.append(Command(_line(["evolve", "show", id, "--code", *there], to=file), "the code of the best program"))
    else:
        file = f"{info.name}-best/1-{id}"
        words = ["evolve", "export", info.name, "-n", "1", "--to", f"{info.name}-best", "--db", str(db)]
        found.append(Command(_line(words), "the files of the best program"))
    if place:
        found.append(Command(_line(["evolve", "check", place, "--program", file]), "judge it again"))
    return found


def _line(words: Sequence[str], to: str = "") -> str:
    """Return a line for a POSIX shell."""
    return shlex.join(words) + (f" > {shlex.quote(to)}" if to else "")


def _place(path: str) -> str:
    """Return how a task is named on a command line: as in the library, or by its folder; nothing where it was a function."""
    folder, variant = path, ""
    if not Path(path).exists() and "@" in path:
        folder, _, variant = path.rpartition("@")
    known = {str(place): name for name, place in library().items()}
    return known.get(folder, folder) + (f"@{variant}" if variant else "")


def _single(facts: Facts) -> bool:
    """Return whether programs of the run are one file."""
    return facts.best is None or len(facts.best.program.sources) == 1


def _file(id: str, facts: Facts) -> str:
    """Return the name of a file for a program."""
    path = "" if facts.best is None else next(iter(facts.best.program.sources), "")
    return id + PurePosixPath(path).suffix


def _origin(start: Program, facts: Facts) -> str:
    """Return what ``--from`` takes for a program: the file just written, or else what it was given then."""
    return _file(start.id, facts) if _single(facts) else start.operator.removesuffix(f"/{start.id}")


def _models(config: Mapping[str, Any]) -> list[str]:
    return [word for name in config.get("models", {}) for word in ("--model", str(name))]


def _flags(now: Leaves, before: Leaves) -> list[str]:
    """Return the flags for settings that are others than before. One that is no longer set cannot be taken back by a flag."""
    words = []
    arms = {path: value for path, value in now.items() if path[0] == "arms"}
    if arms != {path: value for path, value in before.items() if path[0] == "arms"}:
        words += [
            word for (_, name), weight in arms.items() for word in ("--set", f"arms.{_key(name)}={_toml(weight)}")
        ]
    for path, value in now.items():
        if path[0] == "arms" or value is None or value == before.get(path, _default(path)):
            continue
        flag = FLAGS.get(path)
        words += [flag, str(value)] if flag else ["--set", f"{'.'.join(map(_key, path))}={_toml(value)}"]
    return words


def _default(path: Keys) -> Any:
    """Return what a setting is where nobody sets it."""
    return MODEL.get(path[2:]) if path[0] == "models" else None


def _leaves(config: Mapping[str, Any], above: Keys = ()) -> Leaves:
    found: Leaves = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= _leaves(value, (*above, key))
        else:
            found[*above, key] = value
    return found


def _key(part: str) -> str:
    """Return a key of TOML."""
    return part if fullmatch(r"[A-Za-z0-9_-]+", part) else dumps(part)


def _toml(value: Any) -> str:
    """Return a value of TOML; texts, numbers, truths and lists are written as in JSON."""
    return dumps(value)


MODEL = _leaves(ModelConfig().model_dump(mode="json"))
"""The settings of a model of which nothing was set."""
