"""What the scripted server makes of an answer: cut where the request says, counted, spoilt by a fault, and encoded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from evolve.testing import tokens
from evolve.testing.faults import HUGE, REFUSAL, THOUGHT, Fault
from evolve.testing.listener import Request

Price = tuple[float, float]
"""Dollars for a million tokens of prompt, and of reply."""

_BAD = "\udcff\udcfe"  # what "surrogateescape" encodes as two bytes that are not UTF-8


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says. ``latency`` (seconds) and ``price`` are the server's where not given; ``cached`` says how many
    tokens of the prompt it had seen before, and changes no bill; ``thought`` how many more tokens than ``max_tokens`` allows it
    thinks unseen, as some services let it, and charge for.
    """

    text: str
    reasoning: str = ""
    finish: Literal["stop", "length", "content_filter"] = "stop"
    cached: int = 0
    thought: int = 0
    latency: float | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it goes out. The tokens are those that are charged, ``usage`` those that are told."""

    text: str | None
    reasoning: str
    refusal: str | None
    finish: str
    usage: Mapping[str, Any] | None
    input_tokens: int
    output_tokens: int


def made_of(answer: Answer, request: Request, *, prefill: bool, fault: Fault | None) -> Reply:
    """Return the reply to ``request`` that says ``answer``, or what ``fault`` leaves of it."""
    limit = _limit(request.body)
    said = _spoilt(replace(answer, text=_ended(answer.text, request, prefill)), fault)
    if limit is not None and fault != "huge":
        said = _cut(said, limit)
    if fault == "bytes":
        said = replace(said, text=said.text[:1] + _BAD + said.text[1:])
    refusal = REFUSAL if fault == "refusal" else None
    took = tokens.prompt(request.messages)
    thought = tokens.count(said.reasoning)
    made = thought + tokens.count(said.text + (refusal or ""))
    made = (made if limit is None else min(made, limit)) + said.thought
    thought += said.thought
    usage: Mapping[str, Any] | None = {
        "prompt_tokens": took,
        "completion_tokens": made,
        "total_tokens": took + made,
        "prompt_tokens_details": {"cached_tokens": min(said.cached, took)},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    if fault in ("absurd", "negative"):
        odd = 10**12 if fault == "absurd" else -1
        usage = {"prompt_tokens": odd, "completion_tokens": odd, "total_tokens": 2 * odd}
    elif fault == "no_usage":
        usage = None
    text = None if fault in ("null", "refusal", "reasoning") else said.text
    return Reply(text, said.reasoning, refusal, said.finish, usage, took, made)


def completion(request: Request, reply: Reply) -> bytes:
    """Return the JSON of a whole reply."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.refusal is not None:
        message["refusal"] = reply.refusal
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    choice = {"index": 0, "message": message, "finish_reason": reply.finish}
    whole: dict[str, Any] = {**_head(request, "chat.completion"), "choices": [choice]}
    if reply.usage is not None:
        whole["usage"] = reply.usage
    return _encoded(json.dumps(whole, ensure_ascii=False))


def events(request: Request, reply: Reply) -> bytes:
    """Return a reply as server-sent events: reasoning, the text in pieces, the end, and the usage if it was asked for."""
    pieces: list[dict[str, Any]] = [{"role": "assistant"}]
    if reply.reasoning:
        pieces.append({"reasoning_content": reply.reasoning})
    if reply.refusal is not None:
        pieces.append({"refusal": reply.refusal})
    text = reply.text or ""
    pieces += [{"content": text[at : at + 64]} for at in range(0, len(text), 64)]
    choices: list[list[dict[str, Any]]] = [[{"index": 0, "delta": piece, "finish_reason": None}] for piece in pieces]
    choices.append([{"index": 0, "delta": {}, "finish_reason": reply.finish}])
    head = _head(request, "chat.completion.chunk")
    chunks: list[dict[str, Any]] = [{**head, "choices": choice} for choice in choices]
    wanted = (request.body.get("stream_options") or {}).get("include_usage")
    if wanted and reply.usage is not None:
        chunks.append({**head, "choices": [], "usage": reply.usage})
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    return _encoded("".join([*lines, "data: [DONE]\n\n"]))


def _head(request: Request, kind: str) -> dict[str, Any]:
    return {"id": "scripted", "object": kind, "created": int(request.at), "model": request.model}


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _limit(body: Mapping[str, Any]) -> int | None:
    given = [body[key] for key in ("max_completion_tokens", "max_tokens") if body.get(key) is not None]
    return int(given[0]) if given else None


def _ended(text: str, request: Request, prefill: bool) -> str:
    """Return ``text`` after the beginning that was given and before the first text that ends it."""
    role, begin = request.messages[-1]
    if prefill and role == "assistant" and begin in text:
        text = text.partition(begin)[2]
    stops = request.body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0]
    return text


def _spoilt(answer: Answer, fault: Fault | None) -> Answer:
    if fault == "huge":
        return replace(answer, text=(answer.text + "\n").ljust(HUGE, "#")[:HUGE])
    if fault in ("empty", "null", "refusal"):
        return replace(answer, text="", reasoning="")
    if fault == "reasoning":
        return replace(answer, text="", reasoning=THOUGHT, finish="length")
    return answer


def _cut(answer: Answer, limit: int) -> Answer:
    """Return as much of ``answer`` as ``limit`` tokens hold: what it thinks comes first."""
    reasoning = tokens.first(answer.reasoning, limit)
    text = tokens.first(answer.text, limit - tokens.count(reasoning))
    if (reasoning, text) == (answer.reasoning, answer.text):
        return answer
    return replace(answer, reasoning=reasoning, text=text, finish="length")
