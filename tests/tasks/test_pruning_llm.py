from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from evolve.executor import InlineExecutor
from evolve.judge import score as script
from evolve.records import Evaluation
from evolve.task import load
from tests.tasks.candidates import reference
from tests.tasks.smollm import executor_of, judged

UNIFORM = "\n\ndef allocate(influence, sparsity):\n    return [sparsity] * 30\n"


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineExecutor]:
    with executor_of("pruning/llm", tmp_path_factory.mktemp("cache")) as made:
        yield made


@pytest.fixture
def judge(executor: InlineExecutor) -> ModuleType:
    """The judge's script itself."""
    script.load(executor._task)
    return sys.modules[script.MODULE]


@pytest.fixture(scope="module")
def wanda(executor: InlineExecutor) -> Evaluation:
    return judged(executor, reference("pruning/llm", "wanda.py"))


def test_the_order_of_methods_is_that_of_the_papers(executor: InlineExecutor, wanda: Evaluation) -> None:
    seed = (Path(load("pruning/llm").root) / "initial.py").read_text()
    magnitude = judged(executor, seed)
    assert (magnitude.status, wanda.status) == ("ok", "ok"), (magnitude.error, wanda.error)
    assert magnitude.score is not None
    assert wanda.score is not None
    assert wanda.score + 0.5 < magnitude.score
    assert wanda.metrics["against_wanda"] == 0.0
    assert wanda.metrics["spread"] == 0.0
    assert "most in" in wanda.feedback
    (picture,) = wanda.artifacts
    assert picture.data.startswith(b"<svg")


def test_what_a_row_has_in_common_changes_nothing_not_one_bit(executor: InlineExecutor, wanda: Evaluation) -> None:
    scaled = "import numpy as np\n\ndef score(weight, stats):\n"
    scaled += "    rows = 2.0 ** (np.arange(len(weight)) % 7)\n"
    scaled += "    return (np.abs(weight) * stats['norm']) * rows[:, None].astype(np.float32)\n" + UNIFORM
    again = judged(executor, scaled)
    assert again.score == wanda.score
    assert again.metrics["fingerprint"] == wanda.metrics["fingerprint"]


@pytest.mark.parametrize(
    ("score", "says"),
    [
        ("np.abs(weight) * np.nan", "finite"),
        ("np.abs(weight)[:, :-1]", "shape"),
        ("np.abs(weight).T.copy()[:1]", "shape"),
        ("(weight > 0)", "floats"),
        ("1.0", "NumPy array"),
        ("[1.0] * weight.size", "NumPy array"),
    ],
)
def test_scores_that_are_none_are_refused(executor: InlineExecutor, score: str, says: str) -> None:
    seen = judged(executor, f"import numpy as np\n\ndef score(weight, stats):\n    return {score}\n" + UNIFORM)
    assert seen.score is None
    assert seen.status in ("invalid", "protocol")
    assert says in seen.error + seen.feedback


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ("[0.49] * 30", "mean"),
        ("[0.0] * 30", "mean"),
        ("[-0.1, 1.1] * 15", "in [0, 0.95]"),
        ("[1.5] + [0.4655] * 29", "in [0, 0.95]"),
        ("[10**2000] * 30", "must be finite"),
        ("[0.5] * 29", "expected 30 sparsities, got 29"),
        ("[0.5] * 60", "expected 30 sparsities, got 60"),
        ("__import__('numpy').empty((10**9, 0))", "a list of 30, not an array of shape (1000000000, 0)"),
        ("[float('nan')] * 30", "finite"),
        ("[True, False] * 15", "must be a number, not bool"),
        ("None", "must be a list of 30, not NoneType"),
    ],
)
def test_a_budget_that_is_not_kept_is_refused(executor: InlineExecutor, shares: str, says: str) -> None:
    text = (
        f"def score(weight, stats):\n    return weight\n\n\ndef allocate(influence, sparsity):\n    return {shares}\n"
    )
    seen = judged(executor, text)
    assert seen.score is None
    assert seen.status in ("invalid", "protocol")
    assert says in seen.error + seen.feedback


def test_ties_and_shares_at_the_edge_prune_exactly_half(executor: InlineExecutor, judge: ModuleType) -> None:
    answers = {"allocate": [0.5 - 0.00099] * 15 + [0.3, 0.7] * 7 + [0.5]}

    def call(name: str, *args: Any) -> Any:
        return answers[name] if name == "allocate" else np.zeros(args[0].shape)

    candidate = SimpleNamespace(settings=executor._task.settings, call=call)
    shares = judge.allocated(candidate)
    masks, _ = judge.pruned(candidate, shares)
    assert sum(int(mask.sum()) for mask in masks.values()) * 2 == sum(mask.size for mask in masks.values())
    for name, mask in masks.items():
        assert set(mask.sum(1)) == {mask.shape[1] * shares[int(name.split(".")[0])] // judge.STEPS}


def test_changing_what_it_is_given_gains_nothing(executor: InlineExecutor, wanda: Evaluation) -> None:
    """Arrays that a candidate writes into are its own copies."""
    spoiling = "def score(weight, stats):\n    weight[:] = 0\n    stats['norm'][:] = 0\n    return weight\n" + UNIFORM
    judged(executor, spoiling)
    assert judged(executor, reference("pruning/llm", "wanda.py")).score == wanda.score
