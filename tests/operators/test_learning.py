"""The moves of machine learning: they fire only where the code shows the types, and most of their children run."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from random import Random
from types import ModuleType

import pytest

from evolve import blocks
from evolve.operators.learning.arrays import Arrays
from evolve.operators.learning.moves import shown
from evolve.operators.mutate import mutated
from evolve.operators.site import Site
from evolve.operators.syntax import checked, modules
from evolve.operators.tune import constants
from tests.operators.test_builtin import RINGS, RULE

BRIEF = """`score(weight, stats)`: `weight` is a float32 array (rows = outputs, columns = inputs). `stats["general"]` and
`stats["domain"]`: statistics, as dicts of arrays: `"inputs"` (columns,): mean of x_j^2; `"fisher"` (rows, columns)."""
SCORE = "import numpy as np\n\n\ndef score(weight, stats):\n    return np.abs(weight)\n"
LOSS = (
    "import torch.nn.functional as F\n\n\ndef loss(logits, targets, t):\n    return F.cross_entropy(logits, targets)\n"
)
MODEL = """from torch import nn


def build_model(shape, classes):
    return nn.Sequential(
        nn.Conv1d(shape[0], 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv1d(8, 8, 3, padding=1),
        nn.BatchNorm1d(8),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(8, classes),
    )
"""


def site(text: str, brief: str = "", seed: int = 0) -> Site:
    return Site(modules({"a.py": text})[0], Random(seed), 0.2, brief)


@pytest.mark.parametrize("text", [RINGS, RULE, "import numpy as np\n\n\ndef f(n):\n    return [n * 2.0]\n"])
def test_code_without_the_types_is_left_to_the_other_moves(text: str) -> None:
    assert shown(site(text)) == {}


def test_entries_and_their_shapes_are_read_from_the_brief() -> None:
    arrays = Arrays(modules({"a.py": SCORE})[0], BRIEF)
    assert arrays.documented.shapes["weight"] == ("rows", "columns")
    assert arrays.documented.inner == {"stats": ["general", "domain"]}
    assert arrays.documented.shapes["inputs"] == ("columns",)


@pytest.mark.parametrize("text", [SCORE, LOSS, MODEL])
def test_children_repeat_by_seed_and_keep_the_frozen_text(text: str) -> None:
    marked = {"a.py": f"LIMIT = 7\n# EVOLVE-BLOCK-START\n{text}# EVOLVE-BLOCK-END\nLIMIT += 1\n"}
    for seed in range(40):
        first, again = (mutated(marked, Random(seed), 0.2, BRIEF) for _ in range(2))
        assert first == again
        assert first is None or blocks.frozen(first[0]) == blocks.frozen(marked)


def test_axes_and_padded_kernels_are_no_constants_to_tune() -> None:
    text = (
        "from torch import nn\n\n\ndef f(x):\n    return nn.Conv1d(2, 9, 3, padding=1)(x).mean(-1) + x.shape[1] * 0.5\n"
    )
    assert sorted(number.value for number in constants({"a.py": text}, "python").numbers) == [0.5, 2, 9]


def children(text: str, brief: str = "") -> Mapping[str, list[ModuleType]]:
    """Return what each typed move makes of a program, run as modules, by the move's name."""
    found: dict[str, list[ModuleType]] = {}
    for move in shown(site(text, brief)):
        for seed in range(6):
            place = site(text, brief, seed)
            change = move(place)
            child = checked({"a.py": text}, "a.py", place.module.apply(change.edits)) if change else None
            if child is not None:
                made = ModuleType("candidate")
                exec(child["a.py"], made.__dict__)
                found.setdefault(move.__name__, []).append(made)
    return found


def test_scores_stay_arrays_of_their_shape() -> None:
    np = pytest.importorskip("numpy")
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((5, 7))
    side = {"inputs": rng.random(7) + 0.1, "fisher": rng.random((5, 7))}
    made = children(SCORE, BRIEF)
    assert {"primitive", "blend", "binary", "power"} <= made.keys()
    for child in chain.from_iterable(made.values()):
        scores = child.score(weight, {"general": side, "domain": side})
        assert scores.shape == weight.shape
        assert np.isfinite(scores).all()


def test_losses_stay_finite_scalars_with_finite_gradients() -> None:
    torch = pytest.importorskip("torch")
    logits = torch.randn(12, 10, requires_grad=True, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(12) % 10
    made = children(LOSS)
    assert {"blend", "term", "swap", "weight"} <= made.keys()
    for child in chain.from_iterable(made.values()):
        value = child.loss(logits, targets, 0.5)
        assert value.shape == ()
        assert all(torch.isfinite(part).all() for part in (value, *torch.autograd.grad(value, logits)))


def test_networks_still_answer_in_shape() -> None:
    torch = pytest.importorskip("torch")
    made = children(MODEL)
    assert {"insert", "delete", "repeat", "skip", "swap", "kernel", "group", "widen", "stride"} <= made.keys()
    for child in chain.from_iterable(made.values()):
        assert child.build_model((1, 40), 10)(torch.zeros(4, 1, 40)).shape == (4, 10)


def test_defaults_of_arguments_by_place_alone_are_no_obstacle() -> None:
    text = MODEL + "\n\ndef clip(x, low=0.0, /, high=1.0):\n    return x\n"
    made = mutated({"a.py": text}, Random(0), 0.2, BRIEF)
    assert made is not None
    assert children(text).keys() >= {"widen"}
