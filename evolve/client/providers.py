"""All other services, through litellm, which takes seconds to import: before a run begins, to see that the service is known, or
by `evolve.pricing` where no price is set.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from threading import Lock, Thread
from types import ModuleType
from typing import Any

from evolve.client.address import key_from
from evolve.client.answers import failure, read_completion, refused, sent_messages, unanswered, words
from evolve.client.compatible import GO_ON
from evolve.config import ModelConfig
from evolve.errors import ConfigError
from evolve.records import Prompt, Reply
from evolve.seams import CallFailed

KEYS: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openrouter": ("OPENROUTER_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY"),
    "fireworks_ai": ("FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY"),
    "cerebras": ("CEREBRAS_API_KEY",),
    "azure": ("AZURE_API_KEY",),
}
"""The usual services by litellm's names for them, and the environment variables in which it looks for their keys."""

_FAMILIES = {
    "gpt-": "openai",
    "chatgpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "claude-": "anthropic",
}
"""How the names of models begin that are known without their service."""

_WRAPPING = re.compile(r"(?:(?:litellm\.)?\w*(?:Error|Exception|Timeout)(?::| -) )+")
"""The names of exceptions that litellm puts before a service's own words."""

_lock = Lock()


def litellm_module() -> ModuleType:
    """Return litellm, imported without asking the network or reading ``.env``, and made quiet."""
    with _lock:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
        import litellm

        litellm.suppress_debug_info = True
        litellm.telemetry = False
        litellm.drop_params = False  # a parameter that is silently dropped would be recorded and not sent
        for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return litellm


class ProviderClient:
    """Asks one model of a service that litellm knows, such as ``gpt-5-mini`` or ``anthropic/NAME``.

    What the configuration names is sent, and nothing else: a service that does not take a parameter refuses the call, and
    the reason says so. The beginning of a reply is given only where ``prefill`` is set.
    """

    def __init__(self, spec: str, config: ModelConfig) -> None:
        self._spec, self._config = spec, config
        if config.key is not None:
            self._key: str | None = key_from(config.key, spec)
        else:
            self._key = None
            _check_usual_key(spec)

    @property
    def max_tokens(self) -> int:
        """The most tokens that one reply may have."""
        return self._config.max_tokens

    def check(self) -> None:
        """Refuse a model of a service that nobody knows.

        Raises:
            ConfigError: if it is one.
        """
        litellm = litellm_module()
        try:
            litellm.get_llm_provider(self._spec)
        except litellm.BadRequestError:
            raise ConfigError(
                f"the model {self._spec!r} is of no service that is known, and no table [models] has that name; write "
                "SERVICE/NAME, such as anthropic/claude-sonnet-4-5, or openai/NAME@http://HOST/v1 for a server of yours"
            ) from None

    def parameters(self, prompt: Prompt) -> dict[str, Any]:
        """Return what litellm is given beside the messages; ``begin``, where there is one, is sent as the last of them."""
        config = self._config
        sent: dict[str, Any] = {"model": self._spec, "max_tokens": config.max_tokens}
        if config.temperature is not None:
            sent["temperature"] = config.temperature
        if config.effort is not None:
            sent["reasoning_effort"] = config.effort
        if config.prefill and prompt.begin:
            sent["begin"] = prompt.begin
            if self._spec.startswith("hosted_vllm/"):
                sent["extra_body"] = dict(GO_ON)
        if config.prefill and prompt.stop:
            sent["stop"] = list(prompt.stop)
        return sent

    def send(self, prompt: Prompt) -> Reply:
        """Ask once. A service that drips past the time limit is left to a thread that nobody waits for.

        Raises:
            CallFailed: if no reply came.
        """
        litellm = litellm_module()
        sent = self.parameters(prompt)
        begun = sent.pop("begin", None) is not None
        sent["messages"] = sent_messages(prompt, begun)
        limits = {"timeout": self._config.timeout, "num_retries": 0, "max_retries": 0, "api_key": self._key}
        began = time.monotonic()
        future = _apart(litellm, {**sent, **limits})
        try:
            response = future.result(timeout=self._config.timeout)
        except (litellm.ContentPolicyViolationError, litellm.ContextWindowExceededError) as error:
            return unanswered(_said(error), time.monotonic() - began)
        except TimeoutError:
            raise self._late() from None
        except Exception as error:  # noqa: BLE001 - litellm passes on whatever its providers' libraries raise
            withheld = _withheld(error, time.monotonic() - began)
            if withheld is None:
                raise self._failed(error) from None
            return withheld
        data = _completion(response)
        seconds = time.monotonic() - began
        return read_completion(data, prompt, self._config.max_tokens, begun=begun, seconds=seconds)

    def _late(self) -> CallFailed:
        return CallFailed(f"no whole reply within {self._config.timeout:g} s", charged=True)

    def _failed(self, error: Exception) -> CallFailed:
        """Return what an exception of litellm's means: its causes say whether the request was ever out."""
        import httpx
        import openai

        said = _said(error)
        causes = list(_causes(error))
        if isinstance(error, openai.APITimeoutError):
            unreached = any(isinstance(cause, httpx.ConnectTimeout) for cause in causes)
            return CallFailed(f"{self._spec} cannot be reached: {said}") if unreached else self._late()
        if any(isinstance(cause, httpx.ConnectError) for cause in causes):
            return CallFailed(f"{self._spec} cannot be reached: {said}")
        status = getattr(error, "status_code", None)
        # litellm says 500 of its own mistakes.
        refused = any(isinstance(cause, httpx.HTTPStatusError) for cause in causes)
        broke = any(isinstance(cause, httpx.TransportError | ValueError) for cause in causes)
        if not isinstance(status, int) or broke or (status >= 500 and not refused):
            return CallFailed(f"the reply cannot be used: {said}", charged=True)
        return failure(status, _headers(error), said)


def _check_usual_key(spec: str) -> None:
    """Refuse a model of a usual service whose key is not there, before a run has begun; the others say so when asked."""
    service = spec.split("/", 1)[0]
    if "/" not in spec:
        service = next((name for start, name in _FAMILIES.items() if spec.startswith(start)), "")
    variables = KEYS.get(service, ())
    elsewhere = any(os.environ.get(f"{service.upper()}_{name}") for name in ("API_BASE", "BASE_URL"))
    if not variables or elsewhere:
        return
    for variable in variables:
        if os.environ.get(variable, "").strip():
            key_from(variable, spec)
            return
    key_from(variables[0], spec)


def _apart(litellm: ModuleType, arguments: Mapping[str, Any]) -> Future[Any]:
    """Ask on a thread of its own, which can be left alone: litellm cannot be interrupted."""
    future: Future[Any] = Future()

    def ask() -> None:
        try:
            future.set_result(litellm.completion(**arguments))
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            future.set_exception(error)

    Thread(target=ask, name="litellm", daemon=True).start()
    return future


def _completion(response: Any) -> dict[str, Any]:
    """Return litellm's response as the completion that it was made of."""
    data: dict[str, Any] = response.model_dump(warnings=False)
    for choice in data.get("choices") or ():
        message = choice.get("message") or {}
        message.setdefault("refusal", (message.get("provider_specific_fields") or {}).get("refusal"))
    usage = data.get("usage") or {}
    if not usage.get("prompt_tokens") and not usage.get("completion_tokens"):
        data["usage"] = None  # where a service tells none, litellm writes zeros
    return data


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the errors that led to ``error``, the latest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _withheld(error: Exception, seconds: float) -> Reply | None:
    """Return the refusal that litellm knows only as a bad request."""
    return refused(getattr(error, "status_code", None), getattr(error, "body", None), _said(error), seconds)


def _said(error: Exception) -> str:
    """Return a service's own words."""
    return words(_WRAPPING.sub("", str(error), count=1))


def _headers(error: Exception) -> Mapping[str, str]:
    """Return the headers that came with a refusal; litellm keeps them in one of two places."""
    headers = getattr(error, "litellm_response_headers", None) or getattr(
        getattr(error, "response", None), "headers", None
    )
    return {str(name).lower(): str(value) for name, value in (headers or {}).items()}
