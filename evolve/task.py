"""Reads a task folder: ``task.toml``, the seed program and the paths of the judge's script. The only reader of
``tasks/``. A folder in the format of OpenEvolve or ShinkaEvolve is read by `evolve.foreign`, into the same record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evolve import blocks, foreign, sharing
from evolve.config import merge
from evolve.errors import TaskError
from evolve.languages import language
from evolve.leftovers import left_by_a_run
from evolve.records import Baseline, Resources, Sources, Stages, Task, TaskCost
from evolve.resources import folder
from evolve.tables import TaskTable
from evolve.toml import parse, read_toml

_UNJUDGED = {"task.toml", "knowledge", "prompts", "references", "README.md", "initial", "variants"}


def library() -> dict[str, Path]:
    """Return the tasks that come with the package, by name such as ``math/circle_packing``."""
    root = folder("tasks")
    return {path.parent.relative_to(root).as_posix(): path.parent for path in sorted(root.rglob("task.toml"))}


def load(task: str | Path) -> Task:
    """Return the task in the folder ``task``, or the library's task of that name; ``TASK@NAME`` is a variant of it.

    Raises:
        TaskError: naming file, line and remedy for whatever is missing or wrong.
    """
    root, variant = _find(task)
    path = root / "task.toml"
    data, text = read_toml(path, TaskError) if path.is_file() else ({}, "")
    if foreign.detect(root):
        if variant:
            raise TaskError(f"{root}: is a task of another framework, which has no variants such as {variant!r}")
        return _foreign(root, data, text)
    table = _table(path, data, text, variant)
    evaluator = root / "evaluate.py"
    if not evaluator.is_file():
        raise TaskError(f"{evaluator}: is missing; it must define evaluate(candidate) (see `evolve new`)")
    entry, initial = _initial(root, table)
    harness = root / "harness.py"
    built = _task(root, table, entry, initial, evaluator, _digest(root, table))
    built = replace(built, variant=variant, variants=tuple(sorted(data.get("variants", {}))))
    if variant:
        built = replace(built, name=f"{built.name}@{variant}")
    if not harness.is_file():
        return built
    return replace(built, harness=(source := _read(harness)), shipped=sharing.files([(source, str(harness))]))


def _table(path: Path, data: dict[str, Any], text: str, variant: str) -> TaskTable:
    """Return what task.toml says, with one of its variants over it; all of them are checked."""
    table = parse(TaskTable, data, where=str(path), text=text, error=TaskError)
    base = {key: value for key, value in data.items() if key != "variants"}
    for name, over in table.variants.items():
        if "variants" in over or "@" in name:
            raise TaskError(f"{path}: variant {name!r}: a variant has no variants of its own, and no @ in its name")
        on = {
            key: value for key, value in base.items() if key != "cost" or "resources" not in over
        }  # costs are a machine's
        laid = parse(TaskTable, merge(on, over), where=f"{path} [variants.{name}]", error=TaskError)
        if name == variant:
            return laid
    if variant:
        near = get_close_matches(variant, table.variants, n=1)
        known = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(table.variants)) or 'none'}"
        raise TaskError(f"{path}: has no variant {variant!r}; {known}")
    return table


def _task(root: Path, table: TaskTable, entry: str, initial: Sources, evaluator: Path, digest: str) -> Task:
    return Task(
        name=table.name or root.name,
        brief=table.brief.strip(),
        root=root,
        entry=entry,
        language=language(entry),
        initial=initial,
        evaluator=evaluator,
        harness=None,
        score=table.score.metric("score"),
        metrics={name: metric.metric(name) for name, metric in table.metrics.items()},
        limits=table.limits.limits(),
        packages=table.packages,
        data=table.data,
        baselines=tuple(Baseline(row.name, row.score, row.source, row.program) for row in table.baselines),
        search={} if table.search is None else table.search.model_dump(exclude_unset=True),
        allow_nonfinite=table.allow_nonfinite,
        digest=digest,
        models={name: model.model_dump(exclude_unset=True) for name, model in table.models.items()},
        preload=table.preload,
        resources=Resources(**table.resources.model_dump()),
        stages=Stages(**table.stages.model_dump()),
        settings=table.settings,
        cost=TaskCost(**table.cost.model_dump()),
    )


def _foreign(root: Path, data: Mapping[str, Any], text: str) -> Task:
    """Return the task in a folder of another framework; what a task.toml beside its evaluator says wins."""
    entry = data.get("entry")
    said = foreign.read(root, entry if isinstance(entry, str) else None, strict="packages" not in data)
    table = parse(TaskTable, merge(said.table, data), where=str(root / "task.toml"), text=text, error=TaskError)
    initial = {said.entry: _read(root / said.entry)}
    blocks.split(initial[said.entry], str(root / said.entry))
    files = foreign.shipped(root, said.settings)
    digest = foreign.digest(_decisive(table), files, said.entry)
    built = _task(root, table, said.entry, initial, foreign.SCRIPT, digest)
    return replace(built, shipped=files, foreign=said.format)


def _find(task: str | Path) -> tuple[Path, str]:
    """Return the folder of a task, and the name of its variant or nothing."""
    path = Path(task).expanduser()
    variant = ""
    if not path.exists() and "@" in path.name:
        head, _, variant = str(path).rpartition("@")
        path = Path(head)
    if (path / "task.toml").is_file() or foreign.detect(path):
        return path.resolve(), variant
    if path.is_dir():
        raise TaskError(
            f"{path}: has no task.toml, and no evaluator of OpenEvolve or ShinkaEvolve, so it is not a task; `evolve new {path}`"
            " makes one"
        )
    tasks = library()
    if str(path) in tasks:
        return tasks[str(path)], variant
    short = [name for name in tasks if name.rpartition("/")[2] == str(path)]
    if len(short) == 1:
        return tasks[short[0]], variant
    near = get_close_matches(str(path), [*tasks, *(name.rpartition("/")[2] for name in tasks)], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`evolve tasks` lists the library"
    raise TaskError(f"{path}: neither a folder with a task.toml nor a task of the library; {hint}")


def _initial(root: Path, table: TaskTable) -> tuple[str, Sources]:
    """Return the entry file and the seed's files: those of ``initial``, of the folder ``initial/``, or the file ``initial.*``."""
    place = _seed(root, table.initial)
    entry = table.entry
    if place.is_dir():
        sources = {path.relative_to(place).as_posix(): _read(path) for path in _walk(place)}
        if not sources:
            raise TaskError(f"{place}: is empty; put the seed program's files into it")
        if entry is None:
            raise TaskError(
                f'{root / "task.toml"}: a program of several files needs entry = "FILE"; its files are {", ".join(sources)}'
            )
        if entry not in sources:
            raise TaskError(
                f"{root / 'task.toml'}: entry {entry!r} is not among the files of {place.name}/: {', '.join(sources)}"
            )
    else:
        own = f"initial{place.suffix}"
        if entry not in (None, own):
            raise TaskError(
                f"{root / 'task.toml'}: entry {entry!r} does not exist; leave it out for the single file {own}"
            )
        entry, sources = own, {own: _read(place)}
    for path, text in sources.items():
        blocks.split(text, str(place / path if place.is_dir() else place))
    return entry, sources


def _seed(root: Path, named: str | None) -> Path:
    """Return where the seed program is: a file or a folder."""
    if named is not None:
        if not (root / named).exists():
            raise TaskError(f"{root / 'task.toml'}: initial = {named!r}: no such file or folder in {root}")
        return root / named
    many, single = root / "initial", sorted(path for path in root.glob("initial.*") if path.is_file())
    if many.is_dir() and single:
        raise TaskError(f"{root}: has both {single[0].name} and initial/; keep one of them")
    if not many.is_dir() and len(single) != 1:
        if single:
            raise TaskError(
                f"{root}: has {' and '.join(path.name for path in single)}; keep one, or put several files into initial/"
            )
        raise TaskError(f"{root}: has no seed program; write initial.py (or another suffix), or a folder initial/")
    return many if many.is_dir() else single[0]


def reference(task: Task, baseline: Baseline) -> Sources:
    """Return the program of a baseline that has one.

    Raises:
        TaskError: if it is not there, or the baseline has none.
    """
    if baseline.program is None:
        raise TaskError(f"{task.root / 'task.toml'}: the baseline {baseline.name!r} names no program")
    return read_program(task, task.root / baseline.program)


def read_program(task: Task, place: str | Path) -> Sources:
    """Return a program for ``task`` from a file (its entry) or a folder (all its files).

    Raises:
        TaskError: if it is not there or lacks the entry.
    """
    path = Path(place)
    if path.is_dir():
        sources = {file.relative_to(path).as_posix(): _read(file) for file in _walk(path)}
        if task.entry not in sources:
            raise TaskError(f"{path}: lacks the entry {task.entry!r}; it holds {', '.join(sources) or 'nothing'}")
        return sources
    if not path.is_file():
        raise TaskError(f"{path}: no such file or folder")
    return {**task.initial, task.entry: _read(path)}


def _walk(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts):
            yield path


def _read(path: Path) -> str:
    try:
        # Without the mark that some editors put first, which no parser takes.
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise TaskError(
            f"{path}: is not UTF-8: {problem.reason} at byte {problem.start}; programs are text, data belongs beside evaluate.py"
        ) from None
    except OSError as problem:
        raise TaskError(f"{path}: cannot be read: {problem.strerror}") from None


def _digest(root: Path, table: TaskTable) -> str:
    """Hash all that decides a score: the judging part of task.toml, every file the judge or the harness may read, and the
    modules of `evolve.kit` that these import.
    """
    total = hashlib.sha256(_decisive(table).encode())
    scripts: list[tuple[str, str]] = []
    for path in _walk(root):
        relative = path.relative_to(root)
        top = len(relative.parts) == 1
        if relative.parts[0] in _UNJUDGED or (top and (relative.stem == "initial" or left_by_a_run(path))):
            continue
        with path.open("rb") as file:
            total.update(f"\0{relative.as_posix()}\0{hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
        if path.suffix == ".py":
            scripts.append((_read(path), str(path)))
    for name, source in sharing.files(scripts).items():
        total.update(f"\0{name}\0{source}".encode())
    return total.hexdigest()


def _decisive(table: TaskTable) -> str:
    """Return the judging part of task.toml as text. What came later than the archive's first runs is part of it only where it is
    set, so that their tasks keep their digests.
    """
    parts = {"entry", "packages", "data", "allow_nonfinite", "score", "limits"}
    said = table.model_dump(mode="json", include=parts)
    if table.limits.gpu_memory is None:
        del said["limits"]["gpu_memory"]
    later = table.model_dump(mode="json", include={"resources", "stages", "settings"}, exclude_defaults=True)
    return json.dumps(said | later, sort_keys=True)
