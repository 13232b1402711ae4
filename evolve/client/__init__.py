"""How models are asked: one client per model, each call one try.

    make(name, config)  ->  compatible.py    openai/NAME@http://HOST/v1    any OpenAI-compatible endpoint
                            command.py       cmd:COMMAND                   a coding agent, or any program
                            providers.py     anything else                 litellm

`address.py` says where an endpoint is, `answers.py` reads what it says, `transport.py` bounds how long and how much it may say.
`make` imports neither `openai`, which the first call does, nor `litellm`, which `check` and `evolve.pricing` do for the services
that need it.
"""

from __future__ import annotations

from collections.abc import Collection

from evolve.client.address import Address, host_is_here
from evolve.config import ModelConfig
from evolve.errors import ConfigError
from evolve.seams import Client

__all__ = ["Address", "check", "host_is_here", "make"]


def make(name: str, config: ModelConfig) -> Client:
    """Return the client of the model called ``name``.

    Raises:
        ConfigError: if its address cannot be one, or the environment variable of its key is not set.
    """
    spec, kind = config.spec(name), config.kind(name)
    if not spec.strip():
        raise ConfigError("a model needs a name, such as gpt-5-mini or openai/NAME@http://HOST/v1")
    if kind == "command":
        from evolve.client.command import CommandClient

        return CommandClient(spec.removeprefix("cmd:"), config)
    if kind == "endpoint":
        from evolve.client.compatible import CompatibleClient

        return CompatibleClient(Address.parse(spec), config)
    from evolve.client.providers import ProviderClient

    return ProviderClient(spec, config)


def check(client: Client, files: Collection[str]) -> None:
    """Refuse a model that no service has, or a command that is not there, before a run has begun.

    Args:
        client: of `make`.
        files: those of the programs that it is to write.

    Raises:
        ConfigError: if it cannot be asked.
    """
    from evolve.client.command import CommandClient
    from evolve.client.providers import ProviderClient

    if isinstance(client, CommandClient):
        client.check(files)
    elif isinstance(client, ProviderClient):
        client.check()
