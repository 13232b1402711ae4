"""How long prompts are, in tokens that nobody has counted yet: about, for people and rates, and at the most, for the ledger."""

from __future__ import annotations

from evolve.records import Prompt

BYTES_PER_TOKEN = 3.6
"""Of code and English, about."""
PER_MESSAGE = 16
"""Tokens that a chat template puts around a message, at most."""
PER_PROMPT = 32
"""Tokens that it puts around all of them, at most."""


def tokens(text: str) -> int:
    """Return about how many tokens ``text`` has."""
    return int(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN) + 1


def about(prompt: Prompt) -> int:
    """Return about how many tokens a prompt has."""
    return sum(tokens(text) for text in _texts(prompt)) + 4 * len(prompt.messages)


def most_tokens(prompt: Prompt) -> int:
    """Return more tokens than a prompt can have: a service that counts more is not believed."""
    size = sum(len(text.encode("utf-8", "replace")) for text in _texts(prompt))
    return size + PER_MESSAGE * (len(prompt.messages) + bool(prompt.begin)) + PER_PROMPT


def _texts(prompt: Prompt) -> list[str]:
    return [prompt.begin, *(message.text for message in prompt.messages)]
