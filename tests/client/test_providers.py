"""The only tests that import litellm: seconds, once."""

from __future__ import annotations

import gc
import json
import math
import warnings
from collections.abc import Iterator

import pytest

from evolve.client import make
from evolve.client.providers import litellm_module
from evolve.config import ModelConfig
from evolve.errors import ConfigError
from evolve.pricing import known
from evolve.records import Message, Prompt
from evolve.seams import CallFailed, Client
from evolve.testing.clients import ClientConformance
from evolve.testing.replies import Answer
from evolve.testing.server import ScriptedServer
from tests.client.test_compatible import Raw

PROMPT = Prompt((Message("user", "Larger, please."),))
BEGUN = Prompt((Message("user", "Write it."),), begin="```python\n", stop=("```",))
TIMEOUT = 1.0
KEY = "sk-canary-0123456789abcdef0123"


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True, scope="module")
def connections() -> Iterator[None]:
    """Threads that ask litellm at once make clients that it drops without closing them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Client:
    monkeypatch.setenv("OPENAI_API_BASE", server.url)
    return make("openai/scripted", ModelConfig.model_validate({"timeout": TIMEOUT, **settings}))


def test_a_reply_and_the_parameters_that_were_sent(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(Answer("fine", reasoning="Hm.", cached=2)) as server:
        client = ask(server, monkeypatch, temperature=0.35, max_tokens=77, timeout=30)  # the first call imports more
        reply = client.send(BEGUN)
        received = dict(server.requests[0].body)
    assert (reply.text, reply.reasoning, reply.cached_tokens, reply.reasoning_tokens) == ("fine", "Hm.", 2, 1)
    assert received.pop("messages") == [{"role": "user", "content": "Write it."}]
    assert {**received, "model": "openai/scripted"} == client.parameters(BEGUN)
    assert client.parameters(BEGUN)["temperature"] == 0.35
    assert capfd.readouterr() == ("", ""), "it prints nothing"


def test_the_beginning_is_given_where_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer("```python\nx = 1\n```", prefill=True) as server:
        monkeypatch.setenv("HOSTED_VLLM_API_BASE", server.url)
        client = make("hosted_vllm/scripted", ModelConfig(prefill=True, timeout=2))
        assert client.send(BEGUN).text == "```python\nx = 1\n"
        body = server.requests[0].body
    assert body["messages"][-1] == {"role": "assistant", "content": "```python\n"}
    assert (body["continue_final_message"], body["add_generation_prompt"], body["stop"]) == (True, False, ["```"])


class TestConformance(ClientConformance):
    timeout = TIMEOUT
    slack = 0.5
    key = KEY

    @pytest.fixture(autouse=True)
    def _patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._environment = monkeypatch

    def client(self, url: str) -> Client:
        self._environment.setenv("OPENAI_API_BASE", url)
        return make("openai/scripted", ModelConfig(timeout=TIMEOUT, max_tokens=1000, prefill=True))


def test_a_reason_is_in_the_services_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer("fine", faults=["echo"]) as server, pytest.raises(CallFailed) as caught:
        ask(server, monkeypatch).send(PROMPT)
    assert caught.value.reason == "HTTP 401: Incorrect API key provided: Bearer ***"


@pytest.mark.parametrize("code", ["content_policy_violation", "content_filter"])
def test_a_prompt_whose_content_is_refused_does_not_end_the_arm(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = {"code": code, "type": "invalid_request_error", "message": "Not this."}
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Raw([(400, {}, json.dumps({"error": error}).encode())]) as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        reply = make("openai/m", ModelConfig(timeout=TIMEOUT)).send(PROMPT)
    assert (reply.text, reply.finish) == ("", "refusal")
    assert "Not this." in reply.note


def test_a_model_of_no_service_and_a_parameter_that_is_not_taken_end_the_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    for spec, settings in (("no-such-model-anywhere", {}), ("gpt-5-mini", {"temperature": 0.5})):
        monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:1/v1")
        with pytest.raises(CallFailed) as caught:
            make(spec, ModelConfig.model_validate({"timeout": 5, **settings})).send(PROMPT)
        assert caught.value.permanent, caught.value.reason


def test_a_key_that_is_not_there_is_told_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="GEMINI_API_KEY"):
        make("gemini/gemini-2.5-flash", ModelConfig())
    monkeypatch.setenv("GOOGLE_API_KEY", "gemini-key-of-a-test")
    make("gemini/gemini-2.5-flash", ModelConfig())


def test_listed_prices_are_known() -> None:
    price = known("gpt-4o", ModelConfig())
    assert price is not None
    assert known("fast", ModelConfig(model="openai/gpt-4o")) == price
    assert (price.input, price.output, price.cached, price.request) == pytest.approx((2.5, 10.0, 1.25, 0.0))
    assert known("no-such-model-anywhere", ModelConfig()) is None
    assert known("hosted_vllm/gpt-4o", ModelConfig()) is None, "another service has other prices"
    for searching in ("perplexity/sonar", "gpt-4o-search-preview"):
        price = known(searching, ModelConfig())
        assert price is not None
        assert price.request > 0.01, "it searches for every prompt, which costs more than the tokens"
    assert (known("gemini/gemini-2.5-flash", ModelConfig()) or price).request == 0.0, "it searches when asked to"
    assert known("gemini/lyria-3-pro-preview", ModelConfig()) is None, "tokens are free, what they say is not"


def test_a_mistake_of_the_librarys_own_after_the_reply_counts_as_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stumbles over a reply of this service that lacks what it expects, and calls that a status of 500."""
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    with ScriptedServer("fine") as server:
        monkeypatch.setenv("GROQ_API_BASE", server.url)
        client = make("groq/scripted", ModelConfig(timeout=TIMEOUT))
        try:
            assert client.send(PROMPT).text == "fine"
        except CallFailed as failed:
            assert (failed.charged, failed.permanent, failed.status) == (True, False, None)  # noqa: PT017 - either will do
        assert server.served == 1


@pytest.mark.parametrize("spec", ["ollama/new:cloud", "ollama_chat/new:480b-cloud"])
def test_what_ollama_runs_elsewhere_has_no_known_price(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known(spec, ModelConfig()) is None
    monkeypatch.setenv("OLLAMA_API_BASE", "https://elsewhere.example")
    assert known("ollama/qwen2.5-coder", ModelConfig()) is None


def test_the_dearest_tier_that_a_prompt_can_reach_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {
        "input_cost_per_token": 1e-6,
        "input_cost_per_token_above_200k_tokens": 2e-6,
        "input_cost_per_token_above_200k_tokens_batches": 9e-6,
        "output_cost_per_token": 4e-6,
        "output_cost_per_token_above_200k_tokens": 6e-6,
        "cache_read_input_token_cost": 1e-7,
        "cache_read_input_token_cost_above_200k_tokens": 2e-7,
    }
    steps = [
        {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "range": [0, 1000]},
        {"input_cost_per_token": 3e-6, "output_cost_per_token": 4e-6, "range": [1000, 9000]},
    ]
    listed = litellm_module().model_cost
    monkeypatch.setitem(listed, "toy/tiers", entry)
    monkeypatch.setitem(listed, "toy/steps", {"tiered_pricing": steps})
    for spec, longest, asked in (
        ("toy/tiers", math.inf, (2, 6, 0.2)),
        ("toy/tiers", 200_000, (1, 4, 0.1)),
        ("toy/steps", math.inf, (3, 4)),
        ("toy/steps", 1000, (1, 2)),
    ):
        price = known(spec, ModelConfig(), longest)
        assert price is not None
        assert [part for part in (price.input, price.output, price.cached) if part is not None] == pytest.approx(asked)
