"""Reads a task folder: ``task.toml``, the seed program and the paths of the judge's script. The only reader of
``tasks/``. A folder in the format of OpenEvolve or ShinkaEvolve is read by `evolve.foreign`, into the same record.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from evolve import blocks, foreign
from evolve.config import Count, ModelConfig, Positive, SearchConfig, Share, Table, merge, parse, read_toml
from evolve.errors import TaskError
from evolve.records import Baseline, Direction, Limits, Metric, Resources, Sources, Stages, Task
from evolve.resources import folder

LANGUAGES = {
    ".py": "python", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".hpp": "cpp", ".cu": "cuda", ".rs": "rust",
    ".go": "go", ".java": "java", ".js": "javascript", ".ts": "typescript", ".jl": "julia", ".r": "r", ".f90": "fortran",
    ".hs": "haskell", ".ml": "ocaml", ".lean": "lean", ".sh": "shell", ".sql": "sql", ".json": "json", ".toml": "toml",
    ".yaml": "yaml", ".md": "markdown", ".txt": "text",
}  # fmt: skip
"""The language of a program by the suffix of its entry file; another suffix is a language of its own name."""

_UNITS = {"": 1, "B": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30}
_UNJUDGED = {"task.toml", "knowledge", "prompts", "references", "README.md", "initial"}


def _size(value: Any) -> Any:
    """Return the bytes that ``"512 MiB"`` stands for; whole numbers are bytes already."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]i?)?B?\s*", value, re.IGNORECASE)
    if match is None:
        raise ValueError('write a size as bytes or with a unit, such as "512 MiB" or "2 GB"')
    return int(float(match[1]) * _UNITS[(match[2] or "").upper()])


Size = Annotated[int, BeforeValidator(_size), Field(ge=1)]


EVERYTHING = (-math.inf, math.inf)
"""What bounds are where none is given."""


class MetricTable(Table):
    """``[metrics.NAME]``: which way is better, if any, in what unit, within what bounds."""

    direction: Direction | None = None
    unit: str = ""
    bounds: tuple[float | None, float | None] = (None, None)
    target: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> MetricTable:
        low, high = (number if number is not None else end for number, end in zip(self.bounds, EVERYTHING, strict=True))
        if not low <= high:  # nor where one of them is no number
            raise ValueError(f"bounds must be [lower, upper], not [{low}, {high}]")
        return self

    def metric(self, name: str) -> Metric:
        """Return the record of the metric called ``name``."""
        return Metric(name, self.direction, self.unit, self.bounds, self.target)


class ScoreTable(MetricTable):
    """``[score]``: a score always has a direction."""

    direction: Direction = "maximize"


class LimitsTable(Table):
    """``[limits]``: what one evaluation may use."""

    seconds: Positive = Limits().seconds
    call_seconds: Positive | None = None
    cpu_seconds: Positive | None = None
    memory: Size = Limits().memory
    processes: Count = Limits().processes
    output: Size = Limits().output
    scratch: Size = Limits().scratch
    gpu_memory: Size | None = None

    def limits(self) -> Limits:
        """Return the record; what is not given follows from ``seconds``."""
        return Limits(
            seconds=self.seconds,
            call_seconds=self.call_seconds or self.seconds,
            cpu_seconds=self.cpu_seconds or self.seconds,
            memory=self.memory,
            processes=self.processes,
            output=self.output,
            scratch=self.scratch,
            gpu_memory=self.gpu_memory,
        )


class ResourcesTable(Table):
    """``[resources]``: what one evaluation holds."""

    cpus: Count = Resources().cpus
    gpus: Annotated[int, Field(ge=0, le=64)] = Resources().gpus
    exclusive: bool = Resources().exclusive


class StagesTable(Table):
    """``[stages]``: on how many seeds a candidate is judged, and what share of candidates passes ``screen``."""

    repeats: Annotated[int, Field(ge=1, le=1000)] = Stages().repeats
    screen_keep: Annotated[float, Field(gt=0, le=1)] = Stages().screen_keep
    screen_audit: Share = Stages().screen_audit


class BaselineTable(Table):
    """``[[baselines]]``: a score that others reached, and where that is written."""

    name: str
    score: float
    source: str


class TaskTable(Table):
    """``task.toml``. Only ``brief`` is required."""

    brief: Annotated[str, Field(min_length=1)]
    name: str | None = None
    entry: str | None = None
    packages: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    allow_nonfinite: bool = False
    score: ScoreTable = ScoreTable()
    metrics: dict[str, MetricTable] = Field(default_factory=dict)
    limits: LimitsTable = LimitsTable()
    resources: ResourcesTable = ResourcesTable()
    stages: StagesTable = StagesTable()
    baselines: tuple[BaselineTable, ...] = ()
    search: SearchConfig | None = None
    models: dict[str, ModelConfig] = Field(default_factory=dict)


def library() -> dict[str, Path]:
    """Return the tasks that come with the package, by name such as ``math/circle_packing``."""
    root = folder("tasks")
    return {path.parent.relative_to(root).as_posix(): path.parent for path in sorted(root.rglob("task.toml"))}


def load(task: str | Path) -> Task:
    """Return the task in the folder ``task``, or the library's task of that name.

    Raises:
        TaskError: naming file, line and remedy for whatever is missing or wrong.
    """
    root = _find(task)
    path = root / "task.toml"
    data, text = read_toml(path, TaskError) if path.is_file() else ({}, "")
    if foreign.detect(root):
        return _foreign(root, data, text)
    table = parse(TaskTable, data, where=str(path), text=text, error=TaskError)
    evaluator = root / "evaluate.py"
    if not evaluator.is_file():
        raise TaskError(f"{evaluator}: is missing; it must define evaluate(candidate) (see `evolve new`)")
    entry, initial = _initial(root, table.entry)
    harness = root / "harness.py"
    built = _task(root, table, entry, initial, evaluator, _digest(root, table))
    return replace(built, harness=_read(harness)) if harness.is_file() else built


def _task(root: Path, table: TaskTable, entry: str, initial: Sources, evaluator: Path, digest: str) -> Task:
    suffix = Path(entry).suffix
    return Task(
        name=table.name or root.name,
        brief=table.brief.strip(),
        root=root,
        entry=entry,
        language=LANGUAGES.get(suffix.lower(), suffix.lstrip(".") or "text"),
        initial=initial,
        evaluator=evaluator,
        harness=None,
        score=table.score.metric("score"),
        metrics={name: metric.metric(name) for name, metric in table.metrics.items()},
        limits=table.limits.limits(),
        packages=table.packages,
        data=table.data,
        baselines=tuple(Baseline(row.name, row.score, row.source) for row in table.baselines),
        search={} if table.search is None else table.search.model_dump(exclude_unset=True),
        allow_nonfinite=table.allow_nonfinite,
        digest=digest,
        models={name: model.model_dump(exclude_unset=True) for name, model in table.models.items()},
        preload=table.preload,
        resources=Resources(**table.resources.model_dump()),
        stages=Stages(**table.stages.model_dump()),
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


def _find(task: str | Path) -> Path:
    path = Path(task).expanduser()
    if (path / "task.toml").is_file() or foreign.detect(path):
        return path.resolve()
    if path.is_dir():
        raise TaskError(
            f"{path}: has no task.toml, and no evaluator of OpenEvolve or ShinkaEvolve, so it is not a task; `evolve new {path}`"
            " makes one"
        )
    tasks = library()
    if str(task) in tasks:
        return tasks[str(task)]
    short = [name for name in tasks if name.rpartition("/")[2] == str(task)]
    if len(short) == 1:
        return tasks[short[0]]
    near = get_close_matches(str(task), [*tasks, *(name.rpartition("/")[2] for name in tasks)], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`evolve tasks` lists the library"
    raise TaskError(f"{task}: neither a folder with a task.toml nor a task of the library; {hint}")


def _initial(root: Path, entry: str | None) -> tuple[str, Sources]:
    """Return the entry file and the seed's files: the folder ``initial/``, or the one file ``initial.*``."""
    many, single = root / "initial", sorted(path for path in root.glob("initial.*") if path.is_file())
    if many.is_dir():
        if single:
            raise TaskError(f"{root}: has both {single[0].name} and initial/; keep one of them")
        sources = {path.relative_to(many).as_posix(): _read(path) for path in _walk(many)}
        if not sources:
            raise TaskError(f"{many}: is empty; put the seed program's files into it")
        if entry is None:
            raise TaskError(
                f'{root / "task.toml"}: a program of several files needs entry = "FILE"; its files are {", ".join(sources)}'
            )
        if entry not in sources:
            raise TaskError(
                f"{root / 'task.toml'}: entry {entry!r} is not among the files of initial/: {', '.join(sources)}"
            )
    else:
        if not single:
            raise TaskError(f"{root}: has no seed program; write initial.py (or another suffix), or a folder initial/")
        if len(single) > 1:
            raise TaskError(
                f"{root}: has {' and '.join(path.name for path in single)}; keep one, or put several files into initial/"
            )
        if entry not in (None, single[0].name):
            raise TaskError(
                f"{root / 'task.toml'}: entry {entry!r} does not exist; leave it out for the single file {single[0].name}"
            )
        entry, sources = single[0].name, {single[0].name: _read(single[0])}
    where = many if many.is_dir() else root
    for path, text in sources.items():
        blocks.split(text, str(where / path))
    return entry, sources


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
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise TaskError(
            f"{path}: is not UTF-8: {problem.reason} at byte {problem.start}; programs are text, data belongs beside evaluate.py"
        ) from None
    except OSError as problem:
        raise TaskError(f"{path}: cannot be read: {problem.strerror}") from None


def _digest(root: Path, table: TaskTable) -> str:
    """Hash all that decides a score: the judging part of task.toml, and every file the judge or the harness may read."""
    total = hashlib.sha256(_decisive(table).encode())
    for path in _walk(root):
        relative = path.relative_to(root)
        if relative.parts[0] in _UNJUDGED or (len(relative.parts) == 1 and relative.stem == "initial"):
            continue
        with path.open("rb") as file:
            total.update(f"\0{relative.as_posix()}\0{hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    return total.hexdigest()


def _decisive(table: TaskTable) -> str:
    """Return the judging part of task.toml as text. What came later than the archive's first runs is part of it only where it is
    set, so that their tasks keep their digests.
    """
    parts = {"entry", "packages", "data", "allow_nonfinite", "score", "limits"}
    said = table.model_dump(mode="json", include=parts)
    if table.limits.gpu_memory is None:
        del said["limits"]["gpu_memory"]
    later = table.model_dump(mode="json", include={"resources", "stages"}, exclude_defaults=True)
    return json.dumps(said | later, sort_keys=True)
