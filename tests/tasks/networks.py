"""Judges programs that describe networks, with a training much shorter than the task's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evolve.executor import InlineExecutor, LocalExecutor
from evolve.jail import choose
from evolve.records import Evaluation, Job, Task
from evolve.task import load
from tests.waiting import answer


def shortened(name: str, **settings: Any) -> Task:
    """Return a task with other settings, that judges on one seed."""
    task = load(name)
    return replace(task, settings={**task.settings, **settings}, stages=replace(task.stages, repeats=1))


def here(task: Task, text: str, seed: int = 0, purpose: Any = "fresh") -> Evaluation:
    """Judge a program in this process."""
    return _judged(InlineExecutor(task), task, text, seed, purpose)


def jailed(task: Task, text: str, seed: int = 0) -> Evaluation:
    """Judge a program in a judge's process, and let it run in one of its own."""
    return _judged(LocalExecutor(task, choose("none"), 1), task, text, seed, "fresh")


def module(forward: str, init: str = "pass", build: str = "build_model(shape, classes)") -> str:
    """Return a program whose network has these lines in __init__ and forward, indented by 8."""
    return MODULE.format(forward=_indented(forward), init=_indented(init), build=build)


MODULE = """
import torch
from torch import nn
from torch.nn import functional as F

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        {init}

    def forward(self, x):
        {forward}

def {build}:
    return Model()
"""


def _indented(lines: str) -> str:
    return lines.strip().replace("\n", "\n        ")


def _judged(executor: InlineExecutor | LocalExecutor, task: Task, text: str, seed: int, purpose: Any) -> Evaluation:
    try:
        return answer(executor, Job("x", {task.entry: text}, seed, purpose))
    finally:
        executor.close()
