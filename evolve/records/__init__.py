"""The nouns of a run: frozen dataclasses that need nothing of the rest of the package.

task.py        a task and its parts
evaluation.py  what a judge is asked and saw
attempt.py     programs, and attempts at better ones
message.py     prompts and replies
"""

from __future__ import annotations

from evolve.records.attempt import (
    ID_LENGTH,
    Asked,
    Attempt,
    Background,
    Cost,
    Draft,
    Given,
    Point,
    Program,
    Proposal,
    Stage,
    Tried,
    short_id,
)
from evolve.records.evaluation import Artifact, Evaluation, Fresh, Integrity, Job, Level, Repeat, Result, Status
from evolve.records.message import Call, Finish, Message, Prompt, Purpose, Reply
from evolve.records.task import Baseline, Direction, Limits, Metric, Resources, Sources, Stages, Task, TaskCost

__all__ = [
    "ID_LENGTH",
    "Artifact",
    "Asked",
    "Attempt",
    "Background",
    "Baseline",
    "Call",
    "Cost",
    "Direction",
    "Draft",
    "Evaluation",
    "Finish",
    "Fresh",
    "Given",
    "Integrity",
    "Job",
    "Level",
    "Limits",
    "Message",
    "Metric",
    "Point",
    "Program",
    "Prompt",
    "Proposal",
    "Purpose",
    "Repeat",
    "Reply",
    "Resources",
    "Result",
    "Sources",
    "Stage",
    "Stages",
    "Status",
    "Task",
    "TaskCost",
    "Tried",
    "short_id",
]
