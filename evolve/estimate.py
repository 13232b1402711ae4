"""What a run with a model would cost, from a real prompt of the task and the model's prices, without asking it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from evolve.arms import build
from evolve.config import resolve
from evolve.normal import digest
from evolve.pricing import about, most
from evolve.records import Background, Evaluation, Message, Program, Prompt, Proposal, Reply, Sources, Task
from evolve.seams import Writer

PROSE = 150
"""Tokens that a model is taken to say around a program."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one attempt of a model costs: tokens of the prompt and of a reply as long as the program; dollars for that, and
    at the most, None where no price is known.
    """

    model: str
    prompt_tokens: int
    reply_tokens: int
    dollars: float | None
    most: float | None

    def plain(self, evaluations: int) -> dict[str, Any]:
        """Return it as plain values, with the cost of as many attempts as ``evaluations``."""
        total = None if self.dollars is None else self.dollars * evaluations
        return {
            "model": self.model,
            "prompt_tokens": self.prompt_tokens,
            "reply_tokens": self.reply_tokens,
            "dollars": self.dollars,
            "most": self.most,
            "evaluations": evaluations,
            "total": total,
        }

    def line(self, evaluations: int) -> str:
        """Return it as a line for people."""
        size = f"model       {self.model}: about {self.prompt_tokens} tokens of prompt and {self.reply_tokens} of reply"
        if self.dollars is None or self.most is None:
            return f"{size}; no price is known, so --usd would be refused: set price_input and price_output"
        total = self.dollars * evaluations
        return (
            f"{size}: about ${self.dollars:.4g} an attempt (${self.most:.4g} at the most), ${total:.4g} for "
            f"{evaluations} attempts; reasoning, where a model thinks, comes on top"
        )


def estimated(task: Task, sources: Sources, seen: Evaluation, models: Iterable[str]) -> list[Estimate]:
    """Return an estimate for each model, as the settings in force would ask it, with ``sources`` as the parent.

    Raises:
        ConfigError: for a model that cannot be asked.
    """
    root = None if task.root.name == "" else task.root
    config = resolve(root, {"search": dict(task.search), "models": dict(task.models)}, models=tuple(models))
    parent = Program(digest(sources, task.language), sources, seen.status, seen.score, seen.metrics)
    found: list[Estimate] = []
    for name, arm in build(config, task).items():
        if arm.client is None:
            continue
        operator, writer = next(iter(arm.operators.items()))
        if not isinstance(writer, Writer):
            continue
        prompt = next(writer.write(Proposal(1, parent, (), 0, name, operator, 0, 0), task, Background(seen)))
        size = about(prompt)
        reply = min(about(Prompt((Message("assistant", parent.code),))) + PROSE, arm.client.max_tokens)
        dollars = (
            None
            if arm.price is None
            else arm.price.of(Reply("", input_tokens=size, output_tokens=reply), prompt, reply)
        )
        dearest, _ = most(prompt, arm.client.max_tokens, arm.price)
        found.append(Estimate(name, size, reply, dollars, dearest))
    return found
