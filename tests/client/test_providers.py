"""The only tests that import litellm: seconds, once."""

from __future__ import annotations

import time

import pytest

from evolve.client import make
from evolve.config import ModelConfig
from evolve.errors import ConfigError
from evolve.pricing import known
from evolve.records import Message, Prompt
from evolve.seams import CallFailed, Client
from evolve.testing.faults import THOUGHT, Fault
from evolve.testing.replies import Answer
from evolve.testing.server import ScriptedServer

PROMPT = Prompt((Message("user", "Larger, please."),))
BEGUN = Prompt((Message("user", "Write it."),), begin="```python\n", stop=("```",))
KEY = "sk-canary-0123456789abcdef0123"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Client:
    monkeypatch.setenv("OPENAI_API_BASE", server.url)
    return make("openai/scripted", ModelConfig.model_validate({"timeout": 1.0, **settings}))


def test_a_reply_and_the_parameters_that_were_sent(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(Answer("fine", reasoning="Hm.", cached=2)) as server:
        client = ask(server, monkeypatch, temperature=0.35, max_tokens=77)
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


@pytest.mark.parametrize(
    ("fault", "permanent", "charged", "waits"),
    [
        *((fault, True, False, False) for fault in ("400", "401", "403", "404", "422", "echo")),
        *((fault, False, False, False) for fault in ("429", "500", "503")),
        *((fault, False, False, True) for fault in ("429-after", "429-date", "503-after")),
        *((fault, False, True, False) for fault in ("hang", "drip", "close", "drop", "truncated", "bytes")),
    ],
)
def test_each_fault_ends_as_it_must(
    fault: Fault, permanent: bool, charged: bool, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer("fine", faults=[fault], patience=2) as server:
        began = time.monotonic()
        with pytest.raises(CallFailed) as caught:
            ask(server, monkeypatch).send(PROMPT)
        assert time.monotonic() - began < 1.8
        assert len(server.requests) == 1, "one try, whatever comes"
    error = caught.value
    assert (error.permanent, error.charged, error.retry_after is not None) == (permanent, charged, waits)
    assert KEY not in error.reason
    assert "litellm" not in error.reason


@pytest.mark.parametrize("fault", ["empty", "null", "reasoning", "refusal", "absurd", "no_usage"])
def test_an_odd_reply_is_a_reply(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer("fine", faults=[fault]) as server:
        reply = ask(server, monkeypatch).send(PROMPT)
    assert reply.text == ("fine" if fault in {"absurd", "no_usage"} else "")
    assert reply.reasoning == (THOUGHT if fault == "reasoning" else "")
    if fault in {"absurd", "no_usage"}:
        assert (reply.input_tokens, reply.output_tokens) == (None, None)


def test_a_service_that_cannot_be_reached_charges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:1/v1")
    with pytest.raises(CallFailed) as caught:
        make("openai/m", ModelConfig(timeout=5)).send(PROMPT)
    assert (caught.value.permanent, caught.value.charged) == (False, False)


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
