from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.config import ModelConfig
from evolve.errors import ConfigError
from evolve.lengths import about
from evolve.pricing import Price, known, most
from evolve.records import Message, Prompt, Reply
from evolve.testing import tokens

PRICE = Price(2.0, 10.0, cached=0.5, request=0.001)
prompts = st.builds(
    lambda texts, begin: Prompt(tuple(Message("user", text) for text in texts), begin=begin),
    st.lists(st.text(max_size=40), min_size=1, max_size=4),
    st.text(max_size=10),
)
costs = st.floats(0, 100)
prices = st.builds(Price, costs, costs, st.none() | costs, costs)


@given(prompts, st.integers(1, 1000), prices, st.data())
def test_no_reply_costs_more_than_was_reserved(prompt: Prompt, limit: int, price: Price, data: st.DataObject) -> None:
    bound, count = most(prompt, limit, price)
    assert bound is not None
    sent = data.draw(st.none() | st.integers(0, count - limit))
    came = data.draw(st.none() | st.integers(0, limit))
    seen = data.draw(st.none() | st.integers(0, sent or 0))
    reply = Reply("", input_tokens=sent, output_tokens=came, cached_tokens=seen)
    assert 0 <= price.of(reply, prompt, limit) <= bound * (1 + 1e-12)


@given(prompts)
def test_the_bound_holds_for_a_token_per_byte_and_for_the_scripted_server(prompt: Prompt) -> None:
    count = most(prompt, 7, None)[1] - 7
    assert count >= sum(len(m.text.encode()) + 8 for m in prompt.messages) + len(prompt.begin.encode())
    assert count >= tokens.prompt([(m.role, m.text) for m in prompt.messages] + [("assistant", prompt.begin)])


def test_what_a_reply_costs() -> None:
    prompt = Prompt((Message("user", "x" * 100),))
    whole = Reply("", input_tokens=1000, output_tokens=100, cached_tokens=600)
    assert PRICE.of(whole, prompt, 500) == pytest.approx(0.001 + (400 * 2 + 600 * 0.5 + 100 * 10) / 1e6)
    assert Price(2.0, 10.0).of(whole, prompt, 500) == pytest.approx((1000 * 2 + 100 * 10) / 1e6)
    unknown = PRICE.of(Reply("short"), prompt, 500)
    assert unknown == pytest.approx(most(prompt, 500, PRICE)[0])


def test_what_is_not_known_is_none_and_never_zero() -> None:
    prompt = Prompt((Message("user", "x"),))
    assert most(prompt, 10, None) == (None, 10 + 1 + 16 + 32)
    assert most(prompt, 0, None) == (None, 0)
    assert most(prompt, 0, Price(0, 0, request=0.25)) == (0.25, 0)


def test_an_estimate_for_people() -> None:
    assert 950 < about(Prompt((Message("user", "x" * 3600),))) < 1050


def test_prices_as_set() -> None:
    here = "openai/m@http://127.0.0.1:8080/v1"
    assert known(here, ModelConfig()) is None
    assert known(here, ModelConfig(price_input=0, price_output=0)) == Price(0, 0)
    assert known("gpt-4o", ModelConfig(price_input=1, price_output=2, price_request=3)) == Price(1, 2, request=3)
    assert known("cmd:agent", ModelConfig()) is None
    assert known("agent", ModelConfig(model="cmd:agent", price_request=0.5)) == Price(0, 0, request=0.5)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("m", {"price_input": 1.0}),
        ("m", {"price_output": 1.0}),
        ("m", {"price_request": 1.0}),
        ("cmd:agent", {"price_input": 1.0, "price_output": 1.0}),
    ],
)
def test_half_a_price_is_refused(spec: str, parts: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="price"):
        known(spec, ModelConfig.model_validate(parts))


@pytest.mark.parametrize("spec", ["ollama/qwen2.5-coder", "ollama_chat/qwen3:8b"])
def test_what_ollama_runs_on_this_machine_costs_nothing(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLLAMA_API_BASE", raising=False)
    assert known(spec, ModelConfig()) == Price(0, 0)
    assert known("local", ModelConfig(model=spec)) == Price(0, 0)
    assert known(spec, ModelConfig(price_input=1, price_output=2)) == Price(1, 2)
    monkeypatch.setenv("OLLAMA_API_BASE", "http://localhost:11434")
    assert known(spec, ModelConfig()) == Price(0, 0)
