"""What is said to a model and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from evolve.records.task import Sources

Purpose = Literal["draft", "correct"]
"""What a reply is for: a child, or the same child again because the first reply could not be used."""

Finish = Literal["stop", "length", "refusal", "other"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an arm is asked.

    ``begin`` is how the reply must begin, and ``stop`` are the texts that end it. Both are given to the model where its
    endpoint takes them; where it went on from ``begin``, the reply's text holds that too. ``template`` is the SHA-256 of
    the templates it was rendered from. ``files`` are the parent's, for arms that are commands and edit files in place.
    """

    messages: tuple[Message, ...]
    purpose: Purpose = "draft"
    begin: str = ""
    stop: tuple[str, ...] = ()
    template: str = ""
    files: Sources = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What an arm answered. ``text`` holds the answer alone; what a model says while it thinks is ``reasoning``.

    Tokens are as the endpoint counted them, None where it did not say; ``output_tokens`` includes ``reasoning_tokens``,
    and ``input_tokens`` includes ``cached_tokens``. ``finish`` is why it ended: ``length`` is cut off, ``refusal`` the
    endpoint's own word.
    ``dollars`` is None where no price is known. ``note`` says what was odd about it, such as a usage that cannot be.
    """

    text: str
    finish: Finish = "stop"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    dollars: float | None = None
    seconds: float = 0.0
    reasoning: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One try at asking an arm, for the attempt ``number``: its ``turn`` of the conversation, from 0, and the ``tries``
    of that turn before this one.

    ``parameters`` are sent beside the messages, without secrets. ``dollars`` and ``tokens`` are the most that the call may
    cost, reserved before it is sent; ``dollars`` is None where no price is known.
    """

    number: int
    turn: int
    tries: int
    arm: str
    prompt: Prompt
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dollars: float | None = None
    tokens: int = 0
