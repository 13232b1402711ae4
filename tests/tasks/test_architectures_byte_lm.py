from __future__ import annotations

from typing import Any

import pytest

from evolve.records import Evaluation
from tests.tasks.candidates import reference, script
from tests.tasks.networks import here, module, shortened

torch = pytest.importorskip("torch")

from evolve.kit import training  # noqa: E402

TASK = "architectures/byte_lm"
SHORT = {"steps": 5, "tests": 128, "screen_steps": 2}
INIT = "self.e = nn.Embedding(128, 8)\nself.out = nn.Linear(8, 128)"
BUILD = "build_lm(vocab, context)"


def judged(forward: str, init: str = INIT, seed: int = 0, **settings: int) -> Evaluation:
    return here(shortened(TASK, **{**SHORT, **settings}), module(forward, init, BUILD), seed)


def test_networks_are_in_the_order_of_what_they_learn_in_time() -> None:
    task = shortened(TASK, steps=60, tests=128)
    programs = [task.initial[task.entry], reference(TASK, "conv.py")]
    seed, conv = (here(task, text) for text in programs)
    assert conv.score is not None, conv.error
    assert seed.score is not None, seed.error
    assert conv.score < seed.score - 0.2
    assert "138240 of 250000 multiply-accumulates" in conv.feedback
    assert conv.artifacts[0].data.startswith(b"<svg")


@pytest.mark.parametrize("program", ["gru.py", "transformer.py"])
def test_recurrent_and_attending_networks_are_causal_networks(program: str) -> None:
    seen = here(shortened(TASK, **SHORT), reference(TASK, program))
    assert seen.status == "ok", seen.error
    assert seen.metrics["parameters"] <= 150_000


def test_the_same_seed_gives_the_same_score_and_another_seed_another() -> None:
    forward = "return self.out(self.e(x))"
    first, again, other = judged(forward), judged(forward), judged(forward, seed=1)
    assert first.status == "ok", first.error
    assert first.score == again.score
    assert first.score != other.score


def test_hidden_text_is_another_text_and_the_screen_is_asked() -> None:
    task, text = shortened(TASK, **SHORT), module("return self.out(self.e(x))", INIT, BUILD)
    hidden, screened = here(task, text, purpose="validate"), here(task, text, purpose="check")
    assert hidden.score is not None
    assert hidden.score != screened.score
    assert screened.screen is not None


LEAKS = {
    "the next byte": "return self.out(self.e(x.roll(-1, 1)))",
    "the text backwards": "return self.out(self.e(x) + self.e(x.flip(1)))",
    "attention without a mask": "h = self.e(x)\nreturn self.out(F.scaled_dot_product_attention(h, h, h))",
    "a norm over time": "h = self.e(x)\nreturn self.out((h - h.mean(1, keepdim=True)) / h.std(1, keepdim=True))",
    "batch statistics": "h = self.e(x).transpose(1, 2)\nreturn self.out(F.batch_norm(h, None, None, training=True).mT)",
    "the other texts": "return self.out(self.e(x) + self.e(x.roll(1, 0)))",
    "a convolution that is centred": (
        "h = self.e(x).transpose(1, 2)\nreturn self.out(F.avg_pool1d(h, 3, 1, 1).transpose(1, 2))"
    ),
    "in evaluation only": "return self.out(self.e(x if self.training else x.roll(-1, 1)))",
    "at one place": "h = self.e(x)\nreturn self.out(torch.cat([h[:, :9], h[:, 10:11], h[:, 10:]], 1))",
    "scaled down": "h = self.out(self.e(x))\nreturn h + 0.01 * h.roll(-1, 1)",
    "behind a large offset": "return self.out(self.e(x.roll(-1, 1))) + 1e4",
    "chance": "return self.out(F.dropout(self.e(x), 0.3, training=True))",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_an_answer_depends_on_what_came_before_alone(leak: str) -> None:
    seen = judged(LEAKS[leak])
    assert (seen.status, seen.score) == ("invalid", None)
    assert "bytes that follow it" in seen.error


def test_what_is_changed_to_see_that_cannot_be_foreseen() -> None:
    """A network that knew it could answer by the future of all other bytes: seeds are no secret."""
    asked: list[Any] = []

    def network(inputs: Any) -> Any:
        asked.append(inputs)
        return torch.zeros(*inputs.shape, 128)

    with script("architectures/byte_lm") as judge:
        for _ in range(2):
            with training.seeded(0):
                judge.causal(network, torch.arange(8 * 16).view(8, 16) % 128, 8)
    first, second = asked[:4], asked[4:]
    assert torch.equal(first[0], second[0])
    assert not any(torch.equal(one, other) for one, other in zip(first[1:], second[1:], strict=True))


def test_looking_ahead_in_training_gains_nothing() -> None:
    honest = judged("return self.out(self.e(x))", steps=60)
    ahead = judged("return self.out(self.e(x.roll(-1, 1) if self.training else x))", steps=60)
    assert ahead.score is not None
    assert honest.score is not None
    assert ahead.score > honest.score + 0.1


BEYOND = {
    "parameters, buffers": ("return self.out(self.e(x))", f"{INIT}\nself.b = nn.Parameter(torch.randn(400, 400))"),
    "multiply-accumulates": (
        "h = self.e(x)\nfor _ in range(1 if self.training else 60):\n    h = h @ self.w\nreturn self.out(h)",
        f"{INIT}\nself.w = nn.Parameter(torch.eye(8))",
    ),
    "numbers in one tensor": ("h = self.e(x)\nreturn self.out(h.repeat(1, 1, 4000)[..., :8])", INIT),
    "numbers in all": (
        "h = self.e(x)\nfor _ in range(40):\n    h = h.repeat(1, 1, 99).cos()[..., :8]\nreturn self.out(h)",
        INIT,
    ),
}


@pytest.mark.parametrize("says", BEYOND)
def test_what_a_network_takes_is_counted_wherever_it_hides(says: str) -> None:
    forward, init = BEYOND[says]
    seen = judged(forward, init, **({"macs": 4000} if says == "multiply-accumulates" else {}))
    assert (seen.status, seen.score) == ("invalid", None)
    assert says in seen.error


@pytest.mark.parametrize(
    ("forward", "says"),
    [
        ("return self.out(self.e(x)) / 0", "diverged"),
        ("h = self.out(self.e(x))\nreturn h if self.training else h * float('nan')", "not all finite"),
        ("return self.out(self.e(x)).argmax(-1)", "float32 logits (8, 64, 128)"),
        ("return self.e(x).sum() + torch.zeros(8, 64, 256)", "(8, 64, 256)"),
    ],
)
def test_what_is_no_language_model_is_said(forward: str, says: str) -> None:
    seen = judged(forward)
    assert (seen.status, seen.score) == ("invalid", None)
    assert says in seen.error


def test_a_network_can_be_so_wrong_and_no_wronger() -> None:
    seen = judged("h = self.out(self.e(x))\nreturn h if self.training else h * 1e37")
    assert seen.status == "ok", seen.error
    assert 32 < (seen.score or 0) <= 64
