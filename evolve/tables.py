"""What ``task.toml`` may hold: its tables, checked, with the units that people write."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from evolve.config import Count, ModelConfig, Positive, SearchConfig, Share, Table
from evolve.records import Direction, Limits, Metric, Resources, Stages

_UNITS = {"": 1, "B": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30}


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

Bound = Annotated[float | None, Field(allow_inf_nan=True)]


class MetricTable(Table):
    """``[metrics.NAME]``: which way is better, if any, in what unit, within what bounds."""

    direction: Direction | None = None
    unit: str = ""
    bounds: tuple[Bound, Bound] = (None, None)
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
    """``[limits]``: what one evaluation on one seed may use."""

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
    """``[[baselines]]``: a score that others reached, and where that is written.

    With ``program``, a file of the folder or a folder of files, the score is what `evolve check --references` measured of it.
    """

    name: str
    score: float
    source: str
    program: str | None = None


class CostTable(Table):
    """``[cost]``: processor seconds that one screen and one whole evaluation take, judge and candidate together; for people."""

    screen: Positive | None = None
    evaluate: Positive | None = None


class TaskTable(Table):
    """``task.toml``. Only ``brief`` is required.

    ``settings`` are plain values for evaluate.py; ``variants`` are tables by name, each laid over this one by the task's
    name ``TASK@NAME``.
    """

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
    initial: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    cost: CostTable = CostTable()
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    search: SearchConfig | None = None
    models: dict[str, ModelConfig] = Field(default_factory=dict)
