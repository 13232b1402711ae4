"""Finds models that can be asked: servers on this machine, and services whose key is at hand."""

from __future__ import annotations

import http.client
import json
import os
import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

PORTS: Mapping[int, str] = {11434: "Ollama", 8080: "llama.cpp", 8000: "vLLM", 1234: "LM Studio"}
"""Where servers of models usually listen, and which."""

SECONDS = 2.0
MOST_BYTES = 4 << 20

_OWNERS = {"library": "Ollama", "llamacpp": "llama.cpp", "vllm": "vLLM", "organization_owner": "LM Studio"}
"""What servers write under ``owned_by``, which tells them apart wherever they listen."""


@dataclass(frozen=True, slots=True)
class Found:
    """A model on this machine: what to give to ``--model``, and the server it seems to be behind."""

    model: str
    server: str


def on_this_machine(ports: Iterable[int] = (), seconds: float = SECONDS) -> list[Found]:
    """Return the models of the servers that answer, within ``seconds`` each, on the usual ports and on ``ports``."""
    asked = list(dict.fromkeys([*PORTS, *ports]))
    with ThreadPoolExecutor(max_workers=16) as pool:
        return [found for each in pool.map(partial(_models, seconds=seconds), asked) for found in each]


def with_keys() -> list[tuple[str, str]]:
    """Return each usual service whose key is set, with the name of the variable that holds it."""
    from evolve.client.providers import KEYS

    held = (
        (service, next((name for name in names if os.environ.get(name, "").strip()), ""))
        for service, names in KEYS.items()
    )
    return [(service, name) for service, name in held if name]


def _models(port: int, seconds: float) -> list[Found]:
    """Return the models of one server; none where nothing, or something else, listens."""
    url = f"http://127.0.0.1:{port}/v1"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/models", timeout=seconds) as answer:
            data = json.loads(answer.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        return []
    listed = data.get("data") if isinstance(data, dict) else None
    models = [each for each in listed or () if isinstance(each, dict) and isinstance(each.get("id"), str)]
    return [Found(f"openai/{each['id']}@{url}", _server(each, port)) for each in models]


def _server(model: Mapping[str, object], port: int) -> str:
    return _OWNERS.get(str(model.get("owned_by")), PORTS.get(port, "an OpenAI-compatible server"))
