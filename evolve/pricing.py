"""What replies cost: in dollars per million tokens, from the settings or, for the usual services, from litellm's own list."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from evolve.client.address import host_is_here
from evolve.config import ModelConfig
from evolve.errors import ConfigError
from evolve.lengths import most_tokens
from evolve.records import Prompt, Reply

MILLION = 1e6
_PARTS = (
    "input_cost_per_token",
    "output_cost_per_token",
    "output_cost_per_reasoning_token",
    "cache_read_input_token_cost",
)
"""What litellm's list calls the price of a token of prompt, of reply, of thought, and of a prompt that was seen before."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens of prompt (``input``), of prompt that the service had seen before (``cached``; as much
    as any other where None) and of reply (``output``), and for a call as such (``request``).
    """

    input: float
    output: float
    cached: float | None = None
    request: float = 0.0

    @property
    def free(self) -> bool:
        """Whether no call costs anything."""
        return not (self.input or self.output or self.cached or self.request)

    def of(self, reply: Reply, prompt: Prompt, max_tokens: int) -> float:
        """Return the dollars of a reply; what its service did not count is charged at the most it can be."""
        sent = most_tokens(prompt) if reply.input_tokens is None else reply.input_tokens
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
    sent = most_tokens(prompt)
    if price is None:
        return None, sent + max_tokens
    dearest = max(price.input, price.cached or 0.0)
    return price.request + (sent * dearest + max_tokens * price.output) / MILLION, sent + max_tokens


def known(name: str, config: ModelConfig, longest: float = math.inf) -> Price | None:
    """Return the price of the model called ``name``: as set, 0 where Ollama runs it here, else as litellm lists it.

    It is None where nobody knows. Prompts have ``longest`` tokens at most: some services ask more for long ones.

    Raises:
        ConfigError: for a price of which a part is missing.
    """
    spec, kind = config.spec(name), config.kind(name)
    if kind == "command":
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
    if kind == "endpoint":
        return None  # a server on this machine, too, may pass requests on to a service that is paid
    return Price(0.0, 0.0) if _local(spec) else _listed(spec, longest)


def _local(spec: str) -> bool:
    """Return whether Ollama runs a model on this machine, as it does all but those of its cloud."""
    base = os.environ.get("OLLAMA_API_BASE", "")
    here = not base or host_is_here(urlsplit(base).hostname or "")
    return spec.startswith(("ollama/", "ollama_chat/")) and "cloud" not in spec.lower() and here


def _listed(spec: str, longest: float) -> Price | None:
    """Return the price that litellm's list, which comes with it, has for a model."""
    from evolve.client.providers import litellm_module

    listed: Mapping[str, Mapping[str, Any]] = litellm_module().model_cost
    service, _, model = spec.partition("/")
    entry = listed.get(spec)
    if entry is None and model and str(listed.get(model, {}).get("litellm_provider", "")) == service:
        entry = listed[model]
    if entry is None:
        return None
    sent, came, thought, seen = (_dearest(entry, part, longest) for part in _PARTS)
    if sent is None or came is None or (sent == came == 0.0 and _otherwise(entry)):
        return None
    return Price(sent, max(came, thought or 0.0), seen, _fee(entry, spec))


def _otherwise(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of the list whose tokens are free asks for something else, such as images."""
    return any("cost" in key and (value if isinstance(value, int | float) else True) for key, value in entry.items())


def _fee(entry: Mapping[str, Any], spec: str) -> float:
    """Return the dollars for a call as such; models that search the web for every prompt, which others do when asked to, have
    one for that.
    """
    fees = [entry.get("input_cost_per_request")]
    if entry.get("litellm_provider") == "perplexity" or "-search" in spec:
        fees += (entry.get("search_context_cost_per_query") or {}).values()
    return max((float(fee) for fee in fees if isinstance(fee, int | float)), default=0.0)


def _dearest(entry: Mapping[str, Any], part: str, longest: float) -> float | None:
    """Return the most that an entry of the list asks for a million tokens, of its tiers that a prompt can reach: so a cap
    holds for every prompt.
    """
    asked = [entry.get(part)]
    asked += [tier.get(part) for tier in entry.get("tiered_pricing") or () if tier.get("range", [0])[0] < longest]
    for key, value in entry.items():
        above = re.fullmatch(rf"{part}_above_(\d+)k_tokens", key)
        if above and int(above[1]) * 1000 < longest:
            asked.append(value)
    numbers = [float(value) for value in asked if isinstance(value, int | float)]
    return max(numbers) * MILLION if numbers else None
