from __future__ import annotations

import pytest

from evolve.records import Evaluation
from evolve.task import load
from tests.tasks.candidates import reference
from tests.tasks.networks import here, jailed, shortened

pytest.importorskip("torch")

TASK = "losses/moe_balance"
SHORT = {"steps": 4, "tests": 2, "sequences": 4, "experts": 4, "coefficients": [0.1], "hidden_seeds": 1}
ROUTE = {**SHORT, "coefficients": [0.0]}
NONE = "return 0.0 * logits.sum(), state"


def loss(body: str, before: str = "") -> str:
    lines = body.strip().replace("\n", "\n    ")
    return f"import torch\n{before}\n\ndef aux_loss(logits, probs, chosen, state):\n    {lines}\n"


def route(body: str, before: str = "") -> str:
    lines = body.strip().replace("\n", "\n    ")
    return f"import torch\n{before}\n\ndef route(logits, state, top, train):\n    {lines}\n"


def judged(body: str, before: str = "", seed: int = 0) -> Evaluation:
    return here(shortened(TASK, **SHORT), loss(body, before), seed)


def routed(body: str, before: str = "") -> Evaluation:
    return here(shortened(f"{TASK}@route", **ROUTE), route(body, before))


def test_a_balanced_mixture_loses_less_where_capacity_is_limited() -> None:
    task = shortened(TASK, steps=100, tests=4, coefficients=[0.1])
    none, switch = here(task, task.initial[task.entry]), here(task, reference(TASK, "switch.py"))
    assert none.status == switch.status == "ok", none.error + switch.error
    assert (switch.score or 9) < (none.score or 0) - 0.02
    assert switch.metrics["dead"] < none.metrics["dead"]
    assert switch.metrics["max_violation"] < none.metrics["max_violation"]
    assert switch.artifacts[0].data.startswith(b"<svg")


@pytest.mark.parametrize(("variant", "settings"), [("", SHORT), ("@route", ROUTE)])
def test_every_reference_is_judged(variant: str, settings: dict[str, object]) -> None:
    task = shortened(TASK + variant, **settings)
    for baseline in load(TASK + variant).baselines:
        if baseline.program is not None:
            seen = here(task, (task.root / baseline.program).read_text())
            assert seen.status == "ok", f"{baseline.name}: {seen.error}"


def test_the_same_seed_gives_the_same_score_and_another_seed_another() -> None:
    first, again, other = judged(NONE), judged(NONE), judged(NONE, seed=1)
    assert first.status == "ok", first.error
    assert first.score == again.score
    assert first.score != other.score


def test_a_factor_is_met_by_the_sweep() -> None:
    task = shortened(TASK, **{**SHORT, "coefficients": [0.01, 0.1, 1.0]})
    text = reference(TASK, "switch.py")
    plain, tenth = here(task, text), here(task, text.replace("return probs", "return 0.1 * probs"))
    assert tenth.score == pytest.approx(plain.score, abs=0.01)


def test_hidden_models_are_judged_and_the_screen_is_asked() -> None:
    task = shortened(TASK, **SHORT)
    hidden, screened = here(task, loss(NONE), purpose="validate"), here(task, loss(NONE), purpose="check")
    assert hidden.status == "ok", hidden.error
    assert list(hidden.metrics) == ["fresh, seed 0", "longer, seed 0", "top2, seed 0"]
    assert screened.screen is not None


ATTACK = """
import gc, sys
from evolve.kit import trace
CALLS = []
torch.isfinite = lambda x: torch.tensor(True)
torch.Tensor.topk = None
for one in gc.get_objects():
    if isinstance(one, torch.optim.Optimizer):
        one.param_groups.clear()
trace.function = lambda f, *inputs, old=trace.function: old(f, *inputs)
"""


def test_what_a_loss_does_to_its_own_process_changes_nothing() -> None:
    attacked = jailed(shortened(TASK, **SHORT), loss("CALLS.append(probs)\n" + NONE, ATTACK))
    assert attacked.status == "ok", attacked.error
    assert attacked.score == judged(NONE).score


LEAKS = {
    "the next token": "return logits + logits.roll(-1, 0), state",
    "the batch's mean": "return logits - logits.mean(0), state",
    "the batch's order": "return logits - logits.sort(0).values, state",
    "hidden by a large offset": "return logits - 9 * logits.mean(0) + 1e4, state",
    "hidden by a large score": "return (logits - logits.mean(0)).index_fill(1, torch.tensor([0]), -1e9), state",
    "by the place": (
        "places = torch.arange(len(logits))[:, None] % 4 == torch.arange(4)\n"
        "return (logits if train else logits + 9 * places), state"
    ),
    "only at inference": "return (logits, state) if train else (logits + logits.flip(0), state)",
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_router_cannot_look_at_other_tokens_at_inference(name: str) -> None:
    seen = routed(LEAKS[name])
    assert seen.status == "invalid"
    assert "other tokens" in seen.error


MASKED = """
COUNT = 4 * 64
STAY = [torch.rand(COUNT, 1, generator=torch.Generator().manual_seed(layer))[:, 0] < 0.5 for layer in (0, 1)]
FREE = [all(not stay[i] or stay[i + 1] for stay in STAY) for i in range(COUNT - 1)] + [False]
WORDS = [sum(bit << place for place, bit in enumerate(FREE[at : at + 16])) for at in range(0, COUNT, 16)]
"""


def test_a_router_cannot_foresee_which_tokens_stay_in_the_test() -> None:
    words = "words = torch.cat([torch.full((1,), word, dtype=torch.int64) for word in WORDS])"
    free = "free = (words[:, None] // 2 ** torch.arange(16) % 2).flatten().bool()[:, None]"
    seen = routed(f"{words}\n{free}\nreturn torch.where(free, logits.roll(-1, 0), logits), state", MASKED)
    assert seen.status == "invalid"
    assert "other tokens" in seen.error


def test_a_router_may_look_at_all_tokens_in_training() -> None:
    assert routed("return (logits - logits.mean(0), state) if train else (logits, state)").status == "ok"


REFUSED = {
    "nan": "return logits.sum() * float('nan'), state",
    "huge": "return (logits * 1e30).exp().sum(), state",
    "one number per token": "return logits.sum(1), state",
    "a state of another shape": "return logits.sum(), state[:2]",
    "a state of another type": "return logits.sum(), state.double()",
    "a state that grows beyond numbers": "return logits.sum(), (state + 1) * 1e38",
    "three results": "return logits.sum(), state, state",
    "nothing": "return None",
    "complex": "return torch.complex(logits, logits).sum(), state",
    "a bomb of operations": "x = logits\nfor _ in range(400):\n    x = x + 1\nreturn x.sum(), state",
    "a bomb of numbers": "return logits.expand(3000, *logits.shape).mul(2).sum(), state",
    "a table": "return (logits[:100, 0] * torch.tensor([0.5] * 100)).sum(), state",
    "values": "return (logits.sum(), state) if float(logits.sum()) > 0 else (probs.sum(), state)",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_balancing_loss_has_no_score(name: str) -> None:
    seen = judged(REFUSED[name])
    assert seen.score is None
    assert seen.status in ("invalid", "crash", "protocol"), (seen.status, seen.error)
