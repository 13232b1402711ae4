"""What replies cost: in dollars per million tokens, from the settings or, for the usual services, from litellm's own list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evolve.config import ModelConfig
from evolve.errors import ConfigError
from evolve.records import Prompt, Reply

MILLION = 1e6
PER_MESSAGE = 16
"""Tokens that a chat template puts around a message, at most."""
PER_PROMPT = 32
"""Tokens that it puts around all of them, at most."""
BYTES_PER_TOKEN = 3.6
"""Of code and English, about."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens of prompt (``input``), of prompt that the service had seen before (``cached``; as much
    as any other where None) and of reply (``output``), and for a call as such (``request``).
    """

    input: float
    output: float
    cached: float | None = None
    request: float = 0.0

    def of(self, reply: Reply, prompt: Prompt, max_tokens: int) -> float:
        """Return the dollars of a reply; what its service did not count is charged at the most it can be."""
        sent = longest(prompt) if reply.input_tokens is None else reply.input_tokens
        came = max_tokens if reply.output_tokens is None else reply.output_tokens
        seen = min(reply.cached_tokens or 0, sent) if self.cached is not None else 0
        tokens = (sent - seen) * self.input + seen * (self.cached or 0.0) + came * self.output
        return self.request + tokens / MILLION


def most(prompt: Prompt, max_tokens: int, price: Price | None) -> tuple[float | None, int]:
    """Return the most dollars (None where no price is known) and the most tokens that one call may cost.

    A token of a byte-level tokenizer holds at least one byte, so the prompt has at most as many tokens as bytes, and what
    the chat template adds. A command (``max_tokens`` 0) has no tokens that anybody counts.
    """
    if max_tokens == 0:
        return (None if price is None else price.request), 0
    sent = longest(prompt)
    if price is None:
        return None, sent + max_tokens
    dearest = max(price.input, price.cached or 0.0)
    return price.request + (sent * dearest + max_tokens * price.output) / MILLION, sent + max_tokens


def about(prompt: Prompt) -> int:
    """Return about how many tokens a prompt has: for people, not for the ledger."""
    return round(_bytes(prompt) / BYTES_PER_TOKEN) + 4 * len(prompt.messages)


def known(name: str, config: ModelConfig) -> Price | None:
    """Return the price of the model called ``name``: as set, else as litellm lists it; None where neither knows.

    Raises:
        ConfigError: for a price of which a part is missing.
    """
    spec = config.model or name
    if spec.startswith("cmd:"):
        if config.price_input is not None or config.price_output is not None:
            raise ConfigError(f"{name}: nobody counts a command's tokens; give its price as price_request alone")
        return None if config.price_request is None else Price(0.0, 0.0, request=config.price_request)
    parts = (config.price_input, config.price_output)
    if config.price_input is not None and config.price_output is not None:
        return Price(config.price_input, config.price_output, request=config.price_request or 0.0)
    if any(part is not None for part in (*parts, config.price_request)):
        raise ConfigError(
            f"{name}: a price has two parts, price_input and price_output (0 where it is free); give both"
        )
    return None if spec.startswith("openai/") and "@" in spec else _listed(spec)


def _listed(spec: str) -> Price | None:
    """Return the price that litellm's list, which comes with it, has for a model."""
    from evolve.client.providers import litellm_module

    listed: Mapping[str, Mapping[str, Any]] = litellm_module().model_cost
    service, _, model = spec.partition("/")
    entry = listed.get(spec)
    if entry is None and model and str(listed.get(model, {}).get("litellm_provider", "")) == service:
        entry = listed[model]
    if entry is None:
        return None
    each = [entry.get(key) for key in ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost")]
    sent, came, seen = (float(value) * MILLION if isinstance(value, int | float) else None for value in each)
    thought = entry.get("output_cost_per_reasoning_token")
    if sent is None or came is None:
        return None
    if isinstance(thought, int | float):
        came = max(came, thought * MILLION)
    return Price(sent, came, seen)


def longest(prompt: Prompt) -> int:
    """Return more tokens than a prompt can have: a service that counts more is not believed."""
    return _bytes(prompt) + PER_MESSAGE * (len(prompt.messages) + bool(prompt.begin)) + PER_PROMPT


def _bytes(prompt: Prompt) -> int:
    return sum(len(text.encode("utf-8", "replace")) for text in (prompt.begin, *(m.text for m in prompt.messages)))
