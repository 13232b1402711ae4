"""What a run with a model would cost, from a real prompt of the task and the model's prices, without asking it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evolve import pricing
from evolve.arms import build
from evolve.config import resolve
from evolve.errors import ConfigError, EvolveError
from evolve.lengths import about
from evolve.normal import digest
from evolve.records import Background, Evaluation, Message, Program, Prompt, Proposal, Reply, Sources, Task
from evolve.seams import Writer
from evolve.secrets import redact

PROSE = 150
"""Tokens that a model is taken to say around a program."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one attempt of a model costs: tokens of the prompt and of a reply as long as the program; dollars for that, and
    at the most, None where no price is known. Nobody counts the tokens of a command's replies.
    """

    model: str
    prompt_tokens: int
    reply_tokens: int
    dollars: float | None
    most: float | None
    command: bool = False

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
        reply = "" if self.command else f" and {self.reply_tokens} of reply"
        size = f"model       {self.model}: about {self.prompt_tokens} tokens of prompt{reply}"
        if self.dollars is None or self.most is None:
            keys = "price_request" if self.command else "price_input and price_output"
            return f"{size}; no price is known, so --usd would be refused: set {keys}"
        thought = "" if self.command else "; reasoning, where a model thinks, comes on top"
        return (
            f"{size}: about ${self.dollars:.4g} an attempt (${self.most:.4g} at the most), "
            f"${self.dollars * evaluations:.4g} for {evaluations} attempts{thought}"
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing can be said of a model: a run with it would be refused for the same reason."""

    model: str
    error: str

    def plain(self, evaluations: int) -> dict[str, Any]:
        """Return it as plain values, whatever the number of ``evaluations``."""
        return {"model": self.model, "error": self.error}

    def line(self, evaluations: int) -> str:
        """Return it as a line for people, whatever the number of ``evaluations``."""
        return f"model       {self.model}: {self.error}"


def estimated(task: Task, sources: Sources, seen: Evaluation, name: str) -> Estimate | Refused:
    """Return an estimate for a model, as the settings in force would ask it, with ``sources`` as the parent. No key is
    needed.
    """
    try:
        return _estimated(task, sources, seen, name)
    except EvolveError as error:
        return Refused(redact(name), redact(str(error).removeprefix(f"{name}: ")))


def _estimated(task: Task, sources: Sources, seen: Evaluation, name: str) -> Estimate:
    config = resolve(task.folder, {"search": dict(task.search), "models": dict(task.models)}, models=(name,))
    arm = build(config, task, asking=False).get(name)
    if arm is None:
        raise ConfigError("its weight is 0, so a run would not ask it")
    parent = Program(digest(sources, task.language), sources, seen.status, seen.score, seen.metrics)
    operator, writer = next((way, writer) for way, writer in arm.operators.items() if isinstance(writer, Writer))
    prompt = next(writer.write(Proposal(1, parent, (), 0, name, operator, 0, 0), task, Background(seen)))
    command = arm.model.kind(name) == "command"
    longest = 0 if command else arm.model.max_tokens
    size = about(prompt)
    reply = min(about(Prompt((Message("assistant", parent.code),))) + PROSE, longest)
    price = pricing.known(name, arm.model)
    usual = Reply("", input_tokens=size, output_tokens=reply)
    dollars = None if price is None else price.of(usual, prompt, longest)
    most, _ = pricing.most(prompt, longest, price)
    return Estimate(redact(name), size, reply, dollars, most, command)
