"""The scripted server's tokens: so simple that a test can work them out, and never more than the bytes of the text."""

from __future__ import annotations

from collections.abc import Iterable

BYTES = 4
"""Bytes of UTF-8 to a token, the last one rounded up."""
OVERHEAD = 4
"""Tokens of a message beside those of its text."""


def count(text: str) -> int:
    """Return how many tokens ``text`` has."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES)


def prompt(messages: Iterable[tuple[str, str]]) -> int:
    """Return how many tokens a conversation has, given as (role, text)."""
    return sum(count(text) + OVERHEAD for _, text in messages)


def first(text: str, limit: int) -> str:
    """Return the longest beginning of ``text`` that has no more than ``limit`` tokens."""
    if count(text) <= limit:
        return text
    return text.encode("utf-8", "surrogatepass")[: max(limit, 0) * BYTES].decode("utf-8", "ignore")
