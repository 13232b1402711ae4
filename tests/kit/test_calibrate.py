from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from evolve.errors import TaskError
from evolve.kit import calibrate, smollm
from tests.tasks.smollm import model as installed


@pytest.fixture(scope="module", autouse=True)
def model() -> smollm.Llama:
    return installed()


def rows(*args: Any) -> set[tuple[int, ...]]:
    return {tuple(row) for row in calibrate.pieces(*args).tolist()}


@pytest.mark.parametrize("name", ["kjv", "docs", "python"])
def test_pieces_for_different_ends_are_different(name: str) -> None:
    every = len(range(0, calibrate.WINDOWS, len(calibrate.ROLES))) - 1
    found = [rows(name, role, every, 8) for role in calibrate.ROLES]
    assert all(len(each) > 0.9 * every for each in found)
    long = [rows(name, role, every, 48) for role in calibrate.ROLES]
    for one, other in combinations(long, 2):  # documentation repeats itself where functions are alike
        assert len(one & other) <= (0.015 * every if name == "docs" else 0)


def test_pieces_are_drawn_by_the_seed() -> None:
    first, again, other = (calibrate.pieces("docs", "score", 4, 128, seed) for seed in (0, 0, 1))
    assert first.shape == (4, 128)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_other_matrices_change_the_losses_and_equal_ones_do_not(model: smollm.Llama) -> None:
    shown = {"kjv": calibrate.pieces("kjv", "score", 2, 16, 0)}
    own, same = calibrate.losses(None, shown), calibrate.losses(dict(model.weights), shown)
    without = calibrate.losses({name: weight * 0 for name, weight in model.weights.items()}, shown)
    assert (own["kjv"] == same["kjv"]).all()
    assert (without["kjv"] > own["kjv"] + 1).all()


def test_there_is_no_gpu_where_there_is_none() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(TaskError, match="needs a GPU"):
            smollm.load("cuda")
