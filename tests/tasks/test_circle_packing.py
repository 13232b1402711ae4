from __future__ import annotations

from collections.abc import Iterator

import pytest

from evolve.executor import InlineExecutor
from evolve.records import Evaluation, Job
from evolve.task import load
from tests.waiting import answer

GRID = [(0.1 + 0.2 * (k % 5), 0.1 + 0.2 * (k // 5)) for k in range(25)] + [(0.2, 0.2)]
RADII = [0.1 - 1e-12] * 25 + [0.0414213562]


@pytest.fixture
def judge() -> Iterator[InlineExecutor]:
    executor = InlineExecutor(load("math/circle_packing"))
    yield executor
    executor.close()


def judged(executor: InlineExecutor, centres: object, radii: object) -> Evaluation:
    text = f"from math import inf, nan\n\ndef pack(n):\n    return {centres!r}, {radii!r}\n"
    return answer(executor, Job("x", {"initial.py": text}, 0))


def test_the_seed_has_the_score_that_its_task_says(judge: InlineExecutor) -> None:
    task = load("math/circle_packing")
    future = judge.submit(Job("seed", task.initial, 0))
    judge.pump(None)
    assert future.result().score == task.baselines[0].score


def test_a_valid_packing_scores_its_exact_sum(judge: InlineExecutor) -> None:
    seen = judged(judge, GRID, RADII)
    assert seen.status == "ok"
    assert seen.score == pytest.approx(2.5 + 0.0414213562, abs=1e-10)
    assert seen.metrics["shrunk"] == 0.0
    assert "64 constraints bind" in seen.feedback
    assert "the smallest is circle 25 with radius 0.0414214" in seen.feedback
    (picture,) = seen.artifacts
    assert (picture.name, picture.mime, picture.data.count(b"<circle")) == ("packing.svg", "image/svg+xml", 26)


def test_rounding_noise_is_certified_away(judge: InlineExecutor) -> None:
    seen = judged(judge, GRID, [0.1] * 25 + [0.04142135623730951])
    assert seen.status == "ok"
    assert 0 < seen.metrics["shrunk"] < 1e-14
    assert seen.score == pytest.approx(2.5 + 0.04142135623730951, abs=1e-12)


@pytest.mark.parametrize(
    ("centres", "radii", "says"),
    [
        (GRID, [r + 1e-7 for r in RADII], "not a packing: circles"),
        (GRID, [0.1] * 25 + [0.05], "circles 0 and 25 by 0.008578"),
        (GRID, [-r for r in RADII], "negative radius"),
        (GRID, [float("nan")] * 26, "finite"),
        ([(float("inf"), 0.5)] * 26, RADII, "finite"),
        (GRID[:25], RADII[:25], "expected 26 centres, got 25"),
        (GRID, RADII[:25], "expected 26 radii, got 25"),
        ([(0.5,)] * 26, RADII, "expected 2 centres[0], got 1"),
        ([(True, 0.5)] * 26, RADII, "centres[0][0] must be a number, not bool"),
        ("twenty-six circles in a row!", RADII, "centres must be a list of 26, not str"),
        (GRID, None, "radii must be a list of 26, not NoneType"),
        ([(10**400, 0.5)] * 26, RADII, "centres[0][0] must be finite"),
        ([(x + 0.05, y) for x, y in GRID], RADII, "the right side"),
    ],
)
def test_what_is_no_packing_is_invalid(judge: InlineExecutor, centres: object, radii: object, says: str) -> None:
    seen = judged(judge, centres, radii)
    assert seen.score is None
    assert seen.status in ("invalid", "protocol")
    assert says in seen.error + seen.feedback or seen.status == "protocol"
