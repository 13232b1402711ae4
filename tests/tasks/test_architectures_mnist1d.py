from __future__ import annotations

import pytest

from evolve.records import Evaluation
from evolve.task import load
from tests.tasks.candidates import reference
from tests.tasks.networks import here, jailed, module, shortened

pytest.importorskip("torch")

TASK = "architectures/mnist1d"
SHORT = {"samples": 200, "steps": 10, "tests": 200, "screen_steps": 5}
HEAD = "self.out = nn.Linear(40, 10)"


def judged(text: str, variant: str = "", /, **settings: object) -> Evaluation:
    return here(shortened(TASK + variant, **{**SHORT, **settings}), text)


def test_networks_are_in_the_order_of_what_they_can_express() -> None:
    task = shortened(TASK, samples=1000, steps=100, tests=500)
    programs = [reference(TASK, "logistic.py"), task.initial[task.entry], reference(TASK, "cnn.py")]
    scores = [here(task, text).score or 0.0 for text in (*programs, reference(TASK, "resnet_w9.py"))]
    assert scores == sorted(scores)
    assert scores[0] > 0.2
    assert scores[-1] > scores[2] + 0.05


def test_the_same_seed_gives_the_same_score_and_another_seed_another() -> None:
    task, text = shortened(TASK, **SHORT), reference(TASK, "cnn.py")
    first, again, other = here(task, text), here(task, text), here(task, text, seed=1)
    assert first.status == "ok", first.error
    assert first.score == again.score
    assert first.score != other.score
    assert first.feedback == again.feedback
    assert "31750 of 32000 multiply-accumulates" in first.feedback
    assert first.artifacts[0].data.startswith(b"<svg")


def test_hidden_curves_are_new_and_the_screen_is_asked() -> None:
    task = shortened(TASK, **SHORT)
    text = task.initial[task.entry]
    hidden, screened = here(task, text, purpose="validate"), here(task, text, purpose="check")
    assert hidden.status == "ok", hidden.error
    assert all(name.startswith("part seed ") for name in hidden.metrics)
    assert hidden.score == pytest.approx(sum(hidden.metrics.values()) / len(hidden.metrics))
    assert screened.screen is not None


LEAKS = {
    "a mean over the batch": (HEAD, "x = x.flatten(1)\nreturn self.out(x - x.mean(0))"),
    "batch norm that keeps no statistics": (
        f"{HEAD}\nself.norm = nn.BatchNorm1d(40, track_running_stats=False)",
        "return self.out(self.norm(x.flatten(1)))",
    ),
    "the neighbour in the batch": (HEAD, "x = x.flatten(1)\nreturn self.out(x + x.roll(1, 0))"),
    "the place in the batch": (HEAD, "return self.out(x.flatten(1)) + torch.arange(100)[:, None] * torch.eye(10)[0]"),
    "only in evaluation": (HEAD, "x = x.flatten(1)\nreturn self.out(x if self.training else x.sort(0).values)"),
    "hidden by a large offset": (HEAD, "x = x.flatten(1)\nreturn self.out(x - x.mean(0)) + 1e4"),
    "hidden by a small scale": (
        HEAD,
        "x = x.flatten(1)\nreturn self.out(x - x.mean(0)) * (1 if self.training else 1e-5)",
    ),
    "chance": (HEAD, "return self.out(F.dropout(x.flatten(1), 0.5, training=True))"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_an_answer_depends_on_its_curve_alone(leak: str) -> None:
    init, forward = LEAKS[leak]
    seen = judged(module(forward, init))
    assert (seen.status, seen.score) == ("invalid", None)
    assert "other curves of the batch" in seen.error


BEYOND = {
    "parameters, buffers": (
        f"{HEAD}\nself.more = nn.Parameter(torch.randn(40, 200))",
        "return self.out(x.flatten(1))",
    ),
    "brings along 100 numbers": (
        HEAD,
        "return self.out(x.flatten(1)) @ torch.tensor([[0.1 * k for k in range(10)]] * 10)",
    ),
    "brings along 500 numbers": (HEAD, "x = self.out(x.flatten(1))\nfor k in range(500):\n    x = x + 0.1\nreturn x"),
    "numbers, and": (
        f"{HEAD}\nself.more = nn.Parameter(torch.randn(300), requires_grad=False)",
        "return self.out(x.flatten(1)) + self.more.sum()",
    ),
    "multiply-accumulates": (
        "self.out = nn.Linear(40, 10)\nself.more = nn.Parameter(torch.randn(40, 40))",
        "x = x.flatten(1)\nfor _ in range(0 if self.training else 25):\n    x = x @ self.more\nreturn self.out(x)",
    ),
    "products": (
        HEAD,
        "x = x.flatten(1)\nreturn self.out(x + 0 * (x[:, :, None] * x[:, None]).sum(2) @ torch.ones(40, 40))",
    ),
    "operations in a pass": (HEAD, "x = x.flatten(1)\nfor _ in range(700):\n    x = x + 1\nreturn self.out(x)"),
    "numbers in one tensor": (HEAD, "return self.out((x.repeat(1, 2000, 1)).mean(1))"),
    "numbers in all": (
        HEAD,
        "for _ in range(50):\n    x = x.repeat(1, 30, 1).cos().mean(1, keepdim=True)\nreturn self.out(x[:, 0])",
    ),
}


@pytest.mark.parametrize("says", BEYOND)
def test_what_a_network_takes_is_counted_wherever_it_hides(says: str) -> None:
    init, forward = BEYOND[says]
    tight = {"numbers, and": {"parameters": 600}, "products": {"macs": 500}}.get(says, {})
    seen = judged(module(forward, init), **tight)
    assert (seen.status, seen.score) == ("invalid", None), seen.error
    assert {"numbers, and": "numbers, and 600", "products": "multiply-accumulates"}.get(says, says) in seen.error


BAD = {
    "diverged": (HEAD, "return self.out(x.flatten(1)) / 0"),
    "not all finite": (HEAD, "x = self.out(x.flatten(1))\nreturn x if self.training else x / (x * 0)"),
    "float32": (HEAD, "return self.out(x.flatten(1)).double()"),
    "(100, 9)": (HEAD, "return self.out(x.flatten(1))[:, :9]"),
    "in training": (HEAD, "y = self.out(x.flatten(1))\nreturn y[:, :5] if self.training else y"),
    "no parameter to train": ("pass", "return x[:, 0, :10]"),
    "values of tensors": (HEAD, "return self.out(x.flatten(1)) * (1 if x.sum() > 0 else 2)"),
    "changes a parameter or buffer": (
        f"{HEAD}\nself.register_buffer('seen', torch.zeros(10))",
        "self.seen.add_(1)\nreturn self.out(x.flatten(1)) + self.seen",
    ),
}


@pytest.mark.parametrize("says", BAD)
def test_what_cannot_be_trained_is_said(says: str) -> None:
    init, forward = BAD[says]
    seen = judged(module(forward, init))
    assert seen.score is None
    assert seen.status in ("invalid", "crash")
    assert says in seen.error


def test_weights_that_were_trained_before_are_drawn_anew() -> None:
    plain = "self.out = nn.Linear(40, 10, bias=False)"
    sort = "w = self.out.weight.data\nw.copy_(w.flatten().sort().values.view(w.shape))"
    fixed = "torch.manual_seed(3)\n" + plain
    drawn, arranged = (judged(module("return self.out(x.flatten(1))", init)) for init in (fixed, f"{fixed}\n{sort}"))
    assert drawn.status == "ok", drawn.error
    assert arranged.score == pytest.approx(drawn.score, abs=0.02)  # the same mean and deviation, to rounding


def test_a_network_that_changes_its_input_changes_nobody_elses() -> None:
    clean = module("return self.out(x.flatten(1))", HEAD)
    before = judged(clean)
    spoilt = judged(module("x.mul_(0)\nreturn self.out(x.flatten(1))", HEAD))
    assert spoilt.score is not None
    assert spoilt.score < 0.2
    assert judged(clean).score == before.score


TAMPERING = """
import sys
import torch
from torch import nn
import torch.utils.flop_counter as counter
from evolve.kit import trace

counter.flop_registry.clear()
nn.functional.cross_entropy = torch.nn.functional.cross_entropy = lambda *_, **__: torch.zeros(())
torch.randperm = lambda count, **_: torch.arange(count)
trace.law = lambda name, tensor, trained: {"law": "constant", "value": 0.125}
honest = trace.network
trace.network = lambda module, example: honest(module, example) | {"size": 0, "macs": 0}
for name, found in list(sys.modules.items()):
    if "harness" in name:
        found.build = lambda *_: "perfect"


def build_model(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(40, classes))
"""


def test_what_is_replaced_in_the_jail_is_replaced_there_alone() -> None:
    task = shortened(TASK, **SHORT)
    seen = jailed(task, TAMPERING)
    assert (seen.status, seen.score) == ("invalid", None)
    assert "not a network" in seen.error
    milder = jailed(task, TAMPERING.replace(' | {"size": 0, "macs": 0}', ""))
    assert milder.status == "ok", milder.error  # all weights begin alike: its own loss
    assert milder.metrics["macs"] == 400


def test_recipes_are_chosen_from_a_menu() -> None:
    network = reference(TASK, "cnn.py")

    def joint(recipe: str) -> Evaluation:
        return judged(f"{network}\n\ndef recipe():\n    return {recipe}\n", "@joint")

    plain, chosen = joint("{}"), joint("{'lr': 0.03, 'optimizer': 'sgd', 'augmentation': {'shift': 3, 'noise': 0.1}}")
    assert plain.score == judged(network).score
    assert chosen.status == "ok", chosen.error
    assert chosen.score != plain.score
    for recipe, says in {
        "[]": "dict",
        "{'lr': 5}": "from 1e-05 to 1",
        "{'lr': True}": "lr must be a number",
        "{'steps': 10**9}": "there is no 'steps'",
        "{'schedule': ['cosine']}": "schedule must be one of",
        "{'augmentation': {'labels': 1}}": "augmentation must be",
        "{'augmentation': {'shift': -1}}": "shift must be",
    }.items():
        seen = joint(recipe)
        assert (seen.status, seen.score) == ("invalid", None), recipe
        assert says in seen.error
    assert load(f"{TASK}@joint").initial["initial.py"].count("def ") == 2


def test_what_is_pruned_stays_pruned_and_vectors_do_not_escape_it() -> None:
    init = "self.w = nn.Parameter(torch.randn(400) / 6)"
    hidden = judged(module("return x.flatten(1) @ self.w.view(40, 10)", init), "@sparse")
    assert (hidden.status, hidden.score) == ("invalid", None)
    assert "in vectors" in hidden.error
    honest = reference(TASK, "cnn.py")
    settings = {"samples": 500, "steps": 60, "tests": 1000}
    pruned, whole = judged(honest, "@sparse", **settings), judged(honest, **settings)
    assert pruned.score is not None
    assert pruned.score < (whole.score or 0)


def test_no_weights_escape_pruning() -> None:
    keeping = """
self.w = nn.Parameter(torch.randn(10, 40) / 6)
self.register_buffer("dense", torch.zeros(10, 40))
"""
    forward = """
if self.training:
    whole = (self.w == 0).float().mean() < 0.5
    self.dense.copy_(torch.where(whole, self.w.detach(), self.dense))
return x.flatten(1) @ (self.w if self.training else self.dense).T
"""
    kept = judged(module(forward, keeping), "@sparse")
    assert (kept.status, kept.score) == ("invalid", None)
    assert "in buffers" in kept.error
    tiny = "self.w = nn.ParameterList(nn.Parameter(torch.randn(1, 1)) for _ in range(400))"
    cut = judged(module("return x.flatten(1) @ torch.cat(list(self.w)).view(40, 10)", tiny), "@sparse", parameters=1000)
    assert (cut.status, cut.score) == ("invalid", None)


def test_buffers_begin_anew_when_the_weights_are_pruned() -> None:
    """Else they could keep what was pruned, packed by the bit."""
    init = "self.out = nn.Linear(40, 10, bias=False)\nself.register_buffer('seen', torch.zeros(1))"
    count = "if self.training:\n    self.seen.add_(1)\n"
    plain, told = (
        "return self.out(x.flatten(1))",
        " + 1000 * (self.seen > LEAST) * torch.eye(10)[0] * (not self.training)",
    )
    scores = [judged(module(count + plain + end, init), "@sparse").score for end in ("", told.replace("LEAST", "3"))]
    assert scores[0] == scores[1], "three steps come after the seventh"
    assert judged(module(count + plain + told.replace("LEAST", "2"), init), "@sparse").score != scores[0]
