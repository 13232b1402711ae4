"""Where an OpenAI-compatible endpoint is, and which key it may see."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from evolve.errors import ConfigError
from evolve.secrets import remember

SHAPE = "openai/NAME@http://HOST:PORT/v1"
NO_KEY = "none"
"""Sent where no key is needed: the library insists on one, and servers that ask for none ignore it."""


@dataclass(frozen=True, slots=True)
class Address:
    """A model behind an endpoint: what it is called there, and the URL of its API."""

    model: str
    url: str
    host: str

    @classmethod
    def parse(cls, spec: str) -> Address:
        """Return the address that ``openai/NAME@URL`` stands for; NAME may itself hold ``@`` and ``/``.

        Raises:
            ConfigError: saying what of it is wrong.
        """
        model, _, url = spec.removeprefix("openai/").rpartition("@")
        if "://" in model:
            raise ConfigError(
                f"the URL of the model {model.split('@', 1)[0]!r} holds '@'; a key or password has no place in it: put it "
                "into an environment variable and name that with `key`"
            )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(f"{url!r} is no URL: {error}; write {SHAPE}") from None
        if parts.scheme not in {"http", "https"} or not host or port == 0:
            raise ConfigError(f"{spec!r}: write it as {SHAPE}")
        if parts.query or parts.fragment:
            raise ConfigError(
                f"the URL of the model {model!r} ends with its path, without ? and #; a key has no place in it; write {SHAPE}"
            )
        if not model.strip():
            raise ConfigError(f"{spec!r} names no model; write {SHAPE} (`evolve models` lists those of this machine)")
        return cls(model, url.rstrip("/"), host.lower())

    @property
    def here(self) -> bool:
        """Whether it is this machine."""
        return host_is_here(self.host)

    @property
    def official(self) -> bool:
        """Whether it is OpenAI itself."""
        return self.host == "api.openai.com"

    def key(self, variable: str | None) -> str:
        """Return the key to send: from ``variable`` if given; the user's OpenAI key goes to OpenAI alone.

        Raises:
            ConfigError: naming the variable that is not set.
        """
        if variable is None and not self.official:
            return NO_KEY
        return key_from(variable or "OPENAI_API_KEY", self.model)


def key_from(variable: str, model: str) -> str:
    """Return the key in an environment variable, and have it kept out of all texts from now on.

    Raises:
        ConfigError: if it is not set, or cannot be sent.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigError(
            f"the model {model!r} needs a key: set the environment variable {variable}, or put a line {variable}=… into .env"
        )
    remember(value)
    if not value.isascii() or not value.isprintable():
        raise ConfigError(f"the key in {variable} holds characters that no key has; copy it again")
    return value


def host_is_here(host: str) -> bool:
    """Return whether a host name or IP address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
