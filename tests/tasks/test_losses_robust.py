from __future__ import annotations

from random import Random

import pytest

from evolve.operators.mutate import mutated
from evolve.records import Evaluation
from evolve.task import load
from tests.tasks.candidates import reference
from tests.tasks.networks import here, jailed, shortened

pytest.importorskip("torch")
pytest.importorskip("sklearn")

TASK = "losses/robust"
SHORT = {"epochs": 3, "hidden_seeds": 1, "samples": {"digits": 300, "mnist1d": 300}}
CE = "return F.cross_entropy(logits, targets)"


def program(body: str, before: str = "") -> str:
    lines = body.strip().replace("\n", "\n    ")
    return f"import torch\nimport torch.nn.functional as F\n{before}\n\ndef loss(logits, targets, t):\n    {lines}\n"


def judged(body: str, before: str = "", seed: int = 0) -> Evaluation:
    return here(shortened(TASK, **SHORT), program(body, before), seed)


def test_losses_made_for_wrong_labels_beat_cross_entropy() -> None:
    task = shortened(TASK, samples={"digits": 1000, "mnist1d": 0})
    plain, robust = here(task, task.initial[task.entry]), here(task, reference(TASK, "gce.py"))
    assert plain.status == robust.status == "ok", plain.error + robust.error
    assert (robust.score or 0) > (plain.score or 1) + 0.05
    assert robust.metrics["pair_memorised"] < plain.metrics["pair_memorised"]
    assert "the network repeats" in plain.feedback
    assert plain.artifacts[0].data.startswith(b"<svg")


def test_every_reference_is_judged() -> None:
    task = shortened(TASK, **SHORT)
    for baseline in load(TASK).baselines:
        if baseline.program is not None:
            seen = here(task, (load(TASK).root / baseline.program).read_text())
            assert seen.status == "ok", f"{baseline.name}: {seen.error}"


def test_the_same_seed_gives_the_same_score_and_another_seed_another() -> None:
    first, again, other = judged(CE), judged(CE), judged(CE, seed=1)
    assert first.status == "ok", first.error
    assert first.score == again.score
    assert first.score != other.score


def test_chance_in_a_loss_is_the_judges() -> None:
    noisy = "return F.cross_entropy(logits + torch.randn_like(logits), targets)"
    first, again = judged(noisy), judged("torch.manual_seed(7)\n" + noisy, before="torch.manual_seed(5)")
    assert first.status == "ok", first.error
    assert first.score == again.score


def test_hidden_noise_and_data_are_judged_and_the_screen_is_asked() -> None:
    task = shortened(TASK, **SHORT)
    hidden, screened = here(task, program(CE), purpose="validate"), here(task, program(CE), purpose="check")
    assert hidden.status == "ok", hidden.error
    assert len(hidden.metrics) == 8
    assert screened.screen is not None


def test_a_constant_factor_changes_next_to_nothing() -> None:
    plain, larger = judged(CE), judged("return 1024 * F.cross_entropy(logits, targets)")
    assert larger.score == pytest.approx(plain.score, abs=0.02)


ATTACK = """
import gc, sys
from evolve.kit import trace
SEEN = []
torch.isfinite = lambda x: torch.tensor(True)
torch.Tensor.argmax = lambda *a, **k: 0
F.softmax = None
sys.modules["evolve"] = None
for one in gc.get_objects():
    if isinstance(one, torch.optim.Optimizer):
        one.param_groups.clear()
trace.function = lambda f, *inputs, old=trace.function: old(f, *inputs)
"""


def test_what_a_loss_does_to_its_own_process_changes_nothing() -> None:
    task = shortened(TASK, **SHORT)
    attacked = jailed(task, program("SEEN.append(targets)\n" + CE, ATTACK))
    assert attacked.status == "ok", attacked.error
    assert attacked.score == here(task, program(CE)).score


def test_labels_are_never_in_the_jail() -> None:
    seen = judged("if bool((targets == 3).any()):\n    return logits.sum()\n" + CE)
    assert seen.status in ("crash", "invalid")
    assert "control flow" in seen.error


REFUSED = {
    "nan": ("return F.cross_entropy(logits, targets) * float('nan')", "nan"),
    "a gradient that is no number": ("return (logits - logits.detach()).abs().sqrt().sum()", "nan"),
    "one number per sample": ("return F.cross_entropy(logits, targets, reduction='none')", "one real number"),
    "complex": ("return torch.complex(logits, logits).sum()", ""),
    "whole numbers": ("return logits.argmax()", "one real number"),
    "a Python number": ("return 0.5", ""),
    "nothing": ("return None", ""),
    "a pair": ("return logits.sum(), logits.sum()", "one real number"),
    "no logits": ("return targets.float().mean()", "in no epoch"),
    "detached": ("return F.cross_entropy(logits.detach(), targets)", "in no epoch"),
    "a bomb of operations": ("x = logits\nfor _ in range(400):\n    x = x + 1\nreturn x.sum()", "operations"),
    "a bomb of numbers": ("return logits[:, None, None, :].expand(100, 100, 100, 10).mul(2).sum()", "numbers"),
    "a table": (
        "return F.cross_entropy(logits * torch.tensor([[1.0, 2.0]] * 50).view(100, 1), targets)",
        "96 are allowed",
    ),
    "weights changed in place": (
        "each = F.cross_entropy(logits, targets, reduction='none')\nweight = torch.exp(-each)\nweight /= weight.sum()\n"
        "return (weight * each).sum()",
        "no gradients",
    ),
    "a size that labels decide": (
        "each = F.cross_entropy(logits, targets, reduction='none')\n"
        "return each[(targets > 0) | (torch.arange(len(targets)) == 0)]",
        "sizes may not depend on values",
    ),
    "a gradient of its own": (
        "class Mine(torch.autograd.Function):\n    pass\nreturn Mine.apply(logits)",
        "",
    ),
}


def test_wrong_labels_are_not_learnt_by_heart_with_numbers_of_each_epoch() -> None:
    marks = "known = torch.stack([torch.full((), round(t * 29) * 50 + k) for k in range(2, {})])"
    few, many = (
        judged(f"{marks.format(2 + n)}\nreturn F.cross_entropy(logits, targets) + 0 * known.sum()") for n in (3, 90)
    )
    assert few.status == "ok", few.error
    assert many.status == "invalid"
    assert "the losses of all epochs hold" in many.error


def test_numbers_that_stay_the_same_in_all_epochs_count_once() -> None:
    seen = judged(
        "p = logits.softmax(1).gather(1, targets[:, None])[:, 0].clamp(1e-4, 0.999)\n"
        "gce, rce, ce = (1 - p ** 0.7) / 0.7, 4.5 * (1.5 - 1.5 * p), -(p + 1e-3).log() / 2.5\n"
        "return (0.3 * (1 - 0.9 * t) * ce + 0.55 * gce + (0.2 + 0.8 * t) * rce).mean()"
    )
    assert seen.status == "ok", seen.error


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_loss_has_no_score(name: str) -> None:
    body, says = REFUSED[name]
    seen = judged(body)
    assert seen.score is None
    assert seen.status in ("invalid", "crash", "protocol"), (seen.status, seen.error)
    assert says in seen.error


def test_the_seed_leaves_the_arms_without_models_something_to_change() -> None:
    task = load(TASK)
    children = [mutated(task.initial, Random(seed), 0.3, task.brief) for seed in range(100)]
    assert len({child[0][task.entry] for child in children if child}) >= 8
