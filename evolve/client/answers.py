"""Reads what an endpoint answered, whatever it says: a completion becomes a `Reply`, the rest a `CallFailed`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard

from evolve.blocks import END, START
from evolve.lengths import most_tokens
from evolve.records import Finish, Message, Prompt, Reply
from evolve.seams import CallFailed
from evolve.secrets import redact

WORDS = 400
"""The most characters of an endpoint's own words that go into a reason or a note."""

MOST_OUTPUT = 1 << 18
"""The most tokens of a reply that a count is believed for. It may be more than ``max_tokens``: to some services that is a limit
on the answer alone, and what the model thinks before it is charged besides.
"""

TRANSIENT = frozenset({408, 409, 425, 429})
"""The refusals of the 400s after which asking again may help."""

_WITHHELD = ("content_policy_violation", "content_filter", "ResponsibleAIPolicyViolation")
"""The codes, one of which a service gives where it refuses what is in a prompt."""

_MODERATED = re.compile("moderation|flagged|usage guidelines", re.IGNORECASE)
"""What services say that refuse what is in a prompt by the status 403, which else is about the key."""

_TOO_LONG = re.compile(
    r"context.?(?:length|window|size|limit)|prompt is too long|(?:input|prompt) (?:tokens )?exceeds?|"
    r"token count .{0,20}exceeds|too many (?:input )?tokens|max(?:imum)?[ _](?:model|input)[ _]len|request_too_large",
    re.IGNORECASE,
)
"""What a service says, in words or as a code, where a prompt is longer than its model reads."""

_THOUGHT = re.compile(r"(.*?)^[ \t]*</think>[ \t]*$", re.DOTALL | re.MULTILINE)

_FINISH: dict[str, Finish] = {
    "stop": "stop",
    "STOP": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
}


def sent_messages(prompt: Prompt, begun: bool) -> list[dict[str, str]]:
    """Return the messages as they go over the wire; if ``begun``, the last is the beginning of the reply."""
    turns = [*prompt.messages, Message("assistant", prompt.begin)] if begun else prompt.messages
    return [{"role": turn.role, "content": whole(turn.text)} for turn in turns]


def read_body(body: bytes) -> object:
    """Return the JSON of a reply's body.

    Raises:
        CallFailed: if it is not UTF-8 or not JSON, as when it was cut off.
    """
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise CallFailed(f"the reply is not UTF-8: {error.reason} at byte {error.start}", charged=True) from None
    except (ValueError, RecursionError) as error:
        raise CallFailed(
            f"the reply is not JSON, or was cut off: {error} ({words(body.decode('utf-8')) or 'it is empty'})",
            charged=True,
        ) from None


def read_completion(data: object, prompt: Prompt, max_tokens: int, *, begun: bool, seconds: float) -> Reply:
    """Return the reply in a chat completion.

    Raises:
        CallFailed: if it is none, or if a gateway passes an error on in it.
    """
    choices = data.get("choices") if isinstance(data, Mapping) else None
    choice = choices[0] if isinstance(choices, Sequence) and choices else None
    if (passed_on := _passed_on(data, seconds) or _passed_on(choice, seconds)) is not None:
        return passed_on
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(choice, Mapping) or not isinstance(message, Mapping):
        raise CallFailed(f"the reply is no completion: {error_words(data)}", charged=True)
    reasoning, text = _unthink(_joined(message.get("content")))
    reasoning = "\n".join(filter(None, (_reasoning(message), reasoning)))
    finish: Finish = _FINISH.get(str(choice.get("finish_reason")), "other")
    refusal = _joined(message.get("refusal"))
    notes = []
    if refusal or finish == "refusal":
        finish = "refusal"
        notes.append(words(refusal or text) or "the endpoint withheld the reply")
        text = ""
    elif begun and text:
        text = _continued(prompt.begin, text)
    tokens, odd = _usage(data.get("usage"), most_tokens(prompt), max_tokens, spoke=bool(text or reasoning))
    notes += [f"implausible usage: {', '.join(odd)}"] if odd else []
    return Reply(
        text=redact(text),
        finish=finish,
        input_tokens=tokens["input"],
        output_tokens=tokens["output"],
        cached_tokens=tokens["cached"],
        reasoning_tokens=tokens["reasoning"],
        seconds=seconds,
        reasoning=redact(reasoning),
        note=redact("; ".join(notes)),
    )


def refused(status: int | None, error: object, said: str, seconds: float) -> Reply | None:
    """Return the refusal that an error stands for where it is about what is in the prompt, or about its length: the next may be
    answered.

    ``error`` is the body of the error, ``said`` its words.
    """
    codes = []
    while isinstance(error, Mapping):
        codes += [error.get("code"), error.get("type")]
        error = error.get("error", error.get("innererror"))
    withheld = status == 400 and any(code in _WITHHELD for code in codes)
    withheld |= status == 403 and _MODERATED.search(said) is not None
    if not withheld and not (status in (400, 413) and any(map(_TOO_LONG.search, (said, *map(str, codes))))):
        return None
    return unanswered(said, seconds)


def unanswered(said: str, seconds: float) -> Reply:
    """Return the reply that stands for a refused prompt; an error costs nothing."""
    return Reply("", "refusal", input_tokens=0, output_tokens=0, seconds=seconds, note=redact(said))


def failure(status: int, headers: Mapping[str, str], said: str) -> CallFailed:
    """Return what an HTTP status that is no success means for the arm."""
    permanent = status < 500 and status not in TRANSIENT
    reason = f"HTTP {status}" + (f": {said}" if said else "")
    if 300 <= status < 400:
        reason = f"HTTP {status}: it has moved to {headers.get('location', 'another address')}; give that address"
    wait = None if permanent else _retry_after(headers)
    return CallFailed(redact(reason), status=status, permanent=permanent, retry_after=wait)


def _passed_on(part: object, seconds: float) -> Reply | None:
    """Return the refusal in a body, or in its choice, that holds what another service answered to a gateway, None where it
    holds no error.

    An error in place of the choices costs nothing, as if it had come with its own status; one in a choice broke a reply off.

    Raises:
        CallFailed: for any other error in it.
    """
    error = part.get("error") if isinstance(part, Mapping) else None
    status = error.get("code") if isinstance(error, Mapping) else None
    if not isinstance(part, Mapping) or not _is_count(status) or not 400 <= status < 600:
        return None
    said = f"{error_words(error)} (passed on)"
    begun = "message" in part
    if not begun and (reply := refused(status, error, said, seconds)) is not None:
        return reply
    failed = failure(status, {}, said)
    failed.permanent, failed.charged = failed.permanent and not begun, begun or "usage" in part
    raise failed


def error_words(data: object) -> str:
    """Return the endpoint's own words about an error, in a line."""
    while isinstance(data, Mapping):
        data = next((data[key] for key in ("error", "message", "detail", "msg") if data.get(key)), json.dumps(data))
    return words(data if isinstance(data, str) else json.dumps(data, default=str))


def words(text: str) -> str:
    """Return a text in one line, shortened, without secrets."""
    line = " ".join(redact(text).split())
    return line if len(line) <= WORDS else line[: WORDS - 1] + "…"


def whole(text: str) -> str:
    """Return a text that UTF-8 can hold: half a surrogate pair, which JSON can bring, becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the service asks to wait; it says so in milliseconds, in seconds or as a date."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
            return float(value) * unit
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _joined(content: object) -> str:
    """Return a content as text; it may be a list of parts."""
    if isinstance(content, str):
        return whole(content)
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") if isinstance(part, Mapping) else part for part in parts)
    return whole("".join(text for text in texts if isinstance(text, str)))


def _reasoning(message: Mapping[str, Any]) -> str:
    """Return what the model said while it thought, under whichever name the server gives it."""
    return next((text for key in ("reasoning_content", "reasoning") if (text := _joined(message.get(key)))), "")


def _unthink(text: str) -> tuple[str, str]:
    """Return the thoughts that a text begins with, and the rest; thoughts that do not end leave no rest.

    Where the server has put the mark of their beginning into the prompt, as for R1 and QwQ, the text has that of their end
    alone, on a line of its own.
    """
    begun = text.lstrip().startswith("<think>")
    ended = None if begun else _THOUGHT.match(text)
    if ended is not None and "<think>" not in ended[1]:
        return ended[1].strip(), text[ended.end() :].lstrip("\n")
    if not begun:
        return "", text
    thoughts, _, rest = text.lstrip().removeprefix("<think>").partition("</think>")
    return thoughts.strip(), rest.lstrip("\n")


def _continued(begin: str, text: str) -> str:
    """Return the whole reply: the server went on from ``begin``, unless the text shows that it began again.

    It shows that where the first line of ``begin``, or a mark in it, comes once more before anything could have ended what
    ``begin`` opened, a code fence or a block of an edit: one that goes on may open another, but must close the first.
    """
    given = [line.strip() for line in begin.splitlines() if line.strip()]
    opened = {line for at, line in enumerate(given) if at == 0 or START in line or END in line}
    for line in text.splitlines():
        if line.strip() in opened:
            return text
        if line.startswith(">>>>>>>") or (line.strip() and not line.strip().strip("`~")):
            break
    return begin + text


def _usage(usage: object, most_input: int, max_tokens: int, *, spoke: bool) -> tuple[dict[str, int | None], list[str]]:
    """Return the tokens that the endpoint counted, None for what it did not say or cannot be, and what cannot be."""
    told = usage if isinstance(usage, Mapping) else {}
    inside = {
        key: part if isinstance(part := told.get(f"{key}_tokens_details"), Mapping) else {}
        for key in ("prompt", "completion")
    }
    tokens = {
        "input": told.get("prompt_tokens"),
        "output": told.get("completion_tokens"),
        "cached": inside["prompt"].get("cached_tokens"),
        "reasoning": inside["completion"].get("reasoning_tokens"),
    }
    sent, came, total = tokens["input"], tokens["output"], told.get("total_tokens")
    if _is_count(sent) and _is_count(came) and _is_count(total) and total > sent + came:
        tokens["output"] = total - sent  # this service counts thoughts beside the reply, or nowhere else
    least = {"input": 1, "output": int(spoke)}
    most = {"input": most_input, "output": max(max_tokens, MOST_OUTPUT)}
    odd = []
    for key, value in tokens.items():
        whole_of = {"cached": "input", "reasoning": "output"}.get(key)
        bound = most[whole_of or key] if whole_of is None or (total := tokens[whole_of]) is None else total
        odd_one = not _is_count(value) or value < least.get(key, 0) or value > bound
        if value is not None and odd_one:
            odd.append(f"{key} {str(value)[:40]}")
            tokens[key] = None
    return tokens, odd


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
