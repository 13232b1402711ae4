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

TASK = "pruning/structured"
UNIFORM = "\n\ndef allocate(budget, influence, scores):\n    return [budget / 30] * 30\n"


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineExecutor]:
    with executor_of(TASK, tmp_path_factory.mktemp("cache")) as made:
        yield made


@pytest.fixture
def judge(executor: InlineExecutor) -> ModuleType:
    """The judge's script itself."""
    script.load(executor._task)
    return sys.modules[script.MODULE]


def score(seen: Evaluation) -> float:
    assert seen.status == "ok", seen.error
    assert seen.score is not None
    return seen.score


def test_the_order_of_methods_is_that_of_the_papers(executor: InlineExecutor) -> None:
    magnitude = judged(executor, (Path(load(TASK).root) / "initial.py").read_text())
    random, fisher = (judged(executor, reference(TASK, f"{name}.py")) for name in ("random", "fisher"))
    assert score(fisher) + 0.3 < score(random) < score(magnitude)
    assert "Fewest neurons go from block" in fisher.feedback
    (picture,) = fisher.artifacts
    assert picture.data.startswith(b"<svg")


def test_only_the_order_of_scores_counts_and_repeats_to_the_bit(executor: InlineExecutor) -> None:
    squared = reference(TASK, "activation.py").replace(
        'return stats["norm"]', 'return stats["norm"].astype(float) ** 2'
    )
    first, second = judged(executor, reference(TASK, "activation.py")), judged(executor, squared)
    assert score(first) == score(second)
    assert first.metrics == second.metrics


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("np.full(1536, np.nan)", "finite"),
        ("np.full(1536, np.inf)", "finite"),
        ("np.zeros(1535)", "shape"),
        ("np.zeros((1536, 1))", "shape"),
        ("np.zeros(1536, int)", "floats"),
        ("[0.0] * 1536", "NumPy array"),
    ],
)
def test_scores_that_are_none_are_refused(executor: InlineExecutor, expression: str, says: str) -> None:
    text = f"import numpy as np\n\ndef neuron_score(gate, up, down, stats):\n    return {expression}\n{UNIFORM}"
    seen = judged(executor, text)
    assert seen.score is None
    assert seen.status in ("invalid", "protocol")
    assert says in seen.error + seen.feedback


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("[budget / 30 - 1] * 30", "must lose 9216"),
        ("[0.0] * 30", "must lose 9216"),
        ("[-budget] + [2 * budget / 29] * 29", "0 to 1459"),
        ("[1536] * 6 + [0] * 24", "0 to 1459"),
        ("[10**2000] * 30", "must be finite"),
        ("[budget / 29] * 29", "expected 30 counts, got 29"),
        ("np.empty((10**9, 0))", "a list of 30, not an array of shape (1000000000, 0)"),
        ("[float('inf')] * 30", "finite"),
        ("[True] * 30", "must be a number, not bool"),
        ("{'all': budget}", "must be a list of 30, not dict"),
    ],
)
def test_a_budget_that_is_not_kept_is_refused(executor: InlineExecutor, expression: str, says: str) -> None:
    text = "import numpy as np\n\ndef neuron_score(gate, up, down, stats):\n    return stats['norm']\n\n\n"
    seen = judged(executor, f"{text}def allocate(budget, influence, scores):\n    return {expression}\n")
    assert seen.score is None
    assert seen.status in ("invalid", "protocol")
    assert says in seen.error + seen.feedback


def test_the_budget_is_exact_where_scores_tie_and_shares_are_fractions(
    executor: InlineExecutor, judge: ModuleType
) -> None:
    def call(name: str, *args: Any) -> Any:
        return [args[0] / 30 - 0.49] * 29 + [args[0] / 30 + 0.3] if name == "allocate" else np.zeros(1536)

    candidate = SimpleNamespace(settings=executor._task.settings, call=call)
    for sparsity, budget in ((0.2, 9216), (0.3, 13824)):
        removed = judge.allocated(candidate, judge.scored(candidate), sparsity)
        assert sum(removed) == budget
        assert sum(int(judge.select.lowest(np.zeros(1536), count).sum()) for count in removed) == budget


def test_what_is_removed_is_gone(judge: ModuleType) -> None:
    """The smaller model is made of smaller matrices: it cannot use what it lost."""
    seen: dict[str, tuple[int, ...]] = {}

    def measured(weights: Any, shown: Any, device: str) -> dict[str, Any]:
        seen.update({name: tuple(weight.shape) for name, weight in weights.items() if name.startswith("4.")})
        return {name: np.zeros(1) for name in shown}

    patch = pytest.MonkeyPatch()
    patch.setattr(judge.calibrate, "losses", measured)
    patch.setattr(judge, "whole", lambda *args: {"kjv": np.zeros(1)})
    masks = [np.arange(1536) < i for i in range(30)]
    judge.losses(masks, judge.Drawn(("kjv",), "score", 1, 16, 0), "cpu")
    patch.undo()
    assert (seen["4.gate"], seen["4.up"], seen["4.down"]) == ((1532, 576), (1532, 576), (576, 1532))
