"""How models are asked: one client per model, each call one try.

    make(name, config)  ->  compatible.py    openai/NAME@http://HOST/v1    any OpenAI-compatible endpoint
                            command.py       cmd:COMMAND                   a coding agent, or any program
                            providers.py     anything else                 litellm

`answers.py` reads what an endpoint says, `transport.py` bounds how long and how much it may say. `openai` is not
imported before the first call, nor is `litellm`, unless its list of prices is asked for (`evolve.pricing`).
"""

from __future__ import annotations

from evolve.client.address import Address, host_is_here
from evolve.config import ModelConfig
from evolve.seams import Client

__all__ = ["Address", "host_is_here", "make"]


def make(name: str, config: ModelConfig) -> Client:
    """Return the client of the model called ``name``.

    Raises:
        ConfigError: if its address cannot be one, or the environment variable of its key is not set.
    """
    spec = config.model or name
    if spec.startswith("cmd:"):
        from evolve.client.command import CommandClient

        return CommandClient(spec.removeprefix("cmd:"), config)
    if spec.startswith("openai/") and "@" in spec:
        from evolve.client.compatible import CompatibleClient

        return CompatibleClient(Address.parse(spec), config)
    from evolve.client.providers import ProviderClient

    return ProviderClient(spec, config)
