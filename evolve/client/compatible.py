"""Any OpenAI-compatible endpoint: OpenAI itself, vLLM, llama.cpp, Ollama, LM Studio, and the many services like them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from inspect import signature
from threading import Lock
from typing import TYPE_CHECKING, Any

from evolve.client.address import Address
from evolve.client.answers import error_words, failure, read_body, read_completion, refused, sent_messages, words
from evolve.config import ModelConfig
from evolve.records import Prompt, Reply
from evolve.seams import CallFailed

if TYPE_CHECKING:
    import openai

GO_ON: Mapping[str, bool] = {"continue_final_message": True, "add_generation_prompt": False}
"""What makes a server go on from a last assistant message. vLLM, SGLang and TGI need it; llama.cpp, which goes on by itself,
knows it too; Ollama and LM Studio, which also do, ignore keys that they do not know."""

_NO_BEGINNING = ("prefill", "continue_final_message", "add_generation_prompt", "assistant")
"""Words by which a server complains that it was given the beginning of the reply."""


class CompatibleClient:
    """Asks one model behind an OpenAI-compatible endpoint.

    The beginning of a reply, and the texts that end it, are given where ``prefill`` says so: by default to servers on this
    machine alone. One of those that refuses a beginning, as llama.cpp does for models that think, is not given one again.
    """

    def __init__(self, address: Address, config: ModelConfig) -> None:
        self._address, self._config = address, config
        self._key = address.key(config.key)
        self._prefill = address.here if config.prefill is None else config.prefill
        self._service: openai.OpenAI | None = None
        self._lock = Lock()

    @property
    def max_tokens(self) -> int:
        """The most tokens that one reply may have."""
        return self._config.max_tokens

    def parameters(self, prompt: Prompt) -> dict[str, Any]:
        """Return what is sent beside the messages; ``begin``, where there is one, is sent as the last of them."""
        config = self._config
        most = "max_completion_tokens" if self._address.official else "max_tokens"
        sent: dict[str, Any] = {"model": self._address.model, most: config.max_tokens}
        if config.temperature is not None:
            sent["temperature"] = config.temperature
        if config.effort is not None:
            sent["reasoning_effort"] = config.effort
        if self._prefill and prompt.begin:
            sent.update(GO_ON, begin=prompt.begin)
        if self._prefill and prompt.stop:
            sent["stop"] = list(prompt.stop)
        return sent

    def send(self, prompt: Prompt) -> Reply:
        """Ask once.

        Raises:
            CallFailed: if no reply came.
        """
        import openai

        sent = self.parameters(prompt)
        begun = sent.pop("begin", None) is not None
        began = time.monotonic()
        refusal: Reply | CallFailed | None = None
        try:
            response = self._connect().chat.completions.with_raw_response.create(
                model=sent.pop("model"),
                messages=sent_messages(prompt, begun),  # type: ignore[arg-type]
                extra_body=sent,
            )
        except openai.APIStatusError as error:
            refusal = self._refused(error, begun, time.monotonic() - began)
        except openai.APIConnectionError as error:
            raise self._broken(error.__cause__ or error, time.monotonic() - began) from None
        if isinstance(refusal, CallFailed):
            raise refusal  # out here, since the library's own error, which a traceback would show, may repeat the key
        if refusal is not None:
            return refusal
        data = read_body(response.http_response.content)
        seconds = time.monotonic() - began
        return read_completion(data, prompt, self._config.max_tokens, begun=begun, seconds=seconds)

    def _connect(self) -> openai.OpenAI:
        """Return the library's client, made at the first call."""
        with self._lock:
            if self._service is None:
                self._service = _service(self._address.url, self._key, self._config.timeout, self._address.official)
            return self._service

    def _refused(self, error: openai.APIStatusError, begun: bool, seconds: float) -> Reply | CallFailed:
        """Return what a status that is an error means: a reply where the prompt's content is refused, else a failure; where it
        is the beginning that is refused, there will be none from now on.
        """
        said = error_words(error.body) if error.body else words(error.response.text)
        if reply := refused(error.status_code, error.body, said, seconds):
            return reply
        failed = failure(error.status_code, error.response.headers, said)
        if begun and failed.status in {400, 422, 500} and any(word in said.lower() for word in _NO_BEGINNING):
            if self._config.prefill:
                failed.reason += "; it does not take the beginning of a reply: set `prefill = false` for this model"
            else:
                self._prefill = False
                failed.reason += "; asked without the beginning of the reply from now on"
                failed.permanent, failed.retry_after = False, 0.0
        return failed

    def _broken(self, cause: BaseException, seconds: float) -> CallFailed:
        """Return what a connection that failed means: once the request is out, the service may charge for it."""
        import httpx

        from evolve.client.transport import TooLarge

        if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError | httpx.UnsupportedProtocol):
            return CallFailed(f"{self._address.url} cannot be reached: {words(str(cause))}")
        if isinstance(cause, httpx.TimeoutException) or seconds >= self._config.timeout:
            return CallFailed(f"no whole reply within {self._config.timeout:g} s", charged=True)
        if isinstance(cause, TooLarge | httpx.DecodingError):
            return CallFailed(f"the reply cannot be used: {cause}", charged=True)
        return CallFailed(f"the connection broke: {words(str(cause)) or type(cause).__name__}", charged=True)


def _service(url: str, key: str, timeout: float, official: bool) -> openai.OpenAI:
    """Return the library's client: no second try, no redirect, and nothing of the environment that is meant for OpenAI."""
    import httpx
    import openai

    from evolve.client.transport import CONNECT_SECONDS, BoundedTransport

    times = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
    transport = BoundedTransport(url, timeout)
    own = [line.partition(":")[0].strip() for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")]
    private = (
        {} if official else dict.fromkeys(["OpenAI-Organization", "OpenAI-Project", *filter(None, own)], openai.Omit())
    )
    # The library's older versions know no key for administration, which newer ones look for in the environment.
    admin: dict[str, Any] = {"admin_api_key": ""} if "admin_api_key" in signature(openai.OpenAI).parameters else {}
    return openai.OpenAI(
        base_url=url,
        api_key=key,
        **admin,
        max_retries=0,
        timeout=times,
        default_headers={"Accept-Encoding": "identity", **private},  # type: ignore[dict-item]
        http_client=httpx.Client(transport=transport, timeout=times, trust_env=False, follow_redirects=False),
    )
