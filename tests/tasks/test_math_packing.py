"""Circle packing for any number of circles; what both packing tasks share is tested with `math/circle_packing` as well."""

from __future__ import annotations

import runpy

import pytest

from evolve import Invalid
from evolve.kit import packing
from evolve.task import load
from tests.tasks.candidates import judged, reference, refused

TASK = "math/circle_packing_general"
GRID = """
import numpy as np

def pack(n, seed, deadline):
    side = next(k for k in range(1, 9) if k * k >= n)
    centres = [((k % side + 0.5) / side, (k // side + 0.5) / side) for k in range(n)]
    radii = [0.5 / side - 1e-12] * n
    {change}
    return centres, radii
"""


def test_the_seed_scores_the_same_twice_and_another_seed_is_another_packing() -> None:
    seen, again, other = judged(TASK), judged(TASK), judged(TASK, seed=1)
    assert seen.status == "ok"
    assert seen.score == again.score
    assert seen.score is not None
    assert 0.8 < seen.score < 0.95
    assert other.score != seen.score
    assert set(seen.metrics) == {"share_20", "share_24", "share_28"}
    assert "Weakest, n =" in seen.feedback


def test_a_grid_scores_its_share_of_the_best_known_sums() -> None:
    best = runpy.run_path(str(load(TASK).evaluator))["BEST"]
    expected = sum(n * (0.5 / side - 1e-12) / best[n] for n, side in ((20, 5), (24, 5), (28, 6))) / 3
    assert judged(TASK, GRID.replace("{change}", "")).score == pytest.approx(expected, abs=1e-14)


def test_no_best_known_sum_is_beyond_what_areas_allow() -> None:
    evaluate = runpy.run_path(str(load(TASK).evaluator))
    for n in (*evaluate["SHOWN"], *evaluate["HIDDEN"]):
        assert 0.88 < evaluate["BEST"][n] / (n / 3.141592653589793) ** 0.5 < 1
    assert not set(evaluate["SHOWN"]) & set(evaluate["HIDDEN"])


def test_the_reference_comes_close_to_the_best_known() -> None:
    pytest.importorskip("scipy")
    program = runpy.run_path(str(load(TASK).root / "references" / "slp.py"))
    circles, _ = packing.certify(packing.read(program["pack"](20, 0, 1.0), 20))
    assert packing.total(circles) > 2.28
    assert "EVOLVE-BLOCK" not in reference(TASK, "slp.py")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("radii = [r + 1e-7 for r in radii]", "n = 20: not a packing"),
        ("radii[0] += 2e-9", "not a packing"),
        ("radii = [r * 2 for r in radii]", "not a packing"),
        ("radii = [-r for r in radii]", "negative radius"),
        ("centres = [centres[0]] * n", "not a packing"),
        ("centres = [(x + 1, y) for x, y in centres]", "not a packing"),
        ("radii = radii[:-1]", "n = 20: expected 20 radii, got 19"),
        ("radii = radii + [0.0]", "expected 20 radii, got 21"),
        ("centres = np.zeros((10**9, 0))", "centres must have the shape (20, 2)"),
        ("radii = np.zeros((10**9, 0))", "not an array of shape"),
        ("centres = [(10**400, 0.5)] * n", "must be finite"),
        ("radii = [float('nan')] * n", ""),
        ("radii = [True] * n", "must be a number, not bool"),
        ("return centres", "must return two things"),
        ("return centres, radii, sum(radii)", "must return two things"),
        ("return (centres, radii) if n != 28 else (centres, [1.0] * n)", "n = 28: not a packing"),
    ],
)
def test_what_is_no_packing_is_refused(change: str, says: str) -> None:
    assert refused(judged(TASK, GRID.replace("{change}", change)), says)


def test_a_packing_at_the_end_of_floats_is_judged_all_the_same() -> None:
    tiny = judged(TASK, GRID.replace("{change}", "radii = [5e-324] * n")).score
    assert tiny is not None
    assert 0 < tiny < 1e-300
    big = judged(TASK, GRID.replace("{change}", "centres = [(1e308, 1e308)] * n"))
    assert refused(big, "not a packing")


def test_shrinking_is_bounded_and_never_gains() -> None:
    touching = [(0.25, 0.5, 0.25), (0.75, 0.5, 0.25)]
    assert packing.certify(touching) == (touching, 0.0)
    circles, step = packing.certify([(0.25, 0.5, 0.25 + 1e-10), (0.75, 0.5, 0.25)])
    assert 0 < step <= packing.WORST
    assert packing.valid(circles)
    assert packing.total(circles) <= 0.5
    with pytest.raises(Invalid, match="not a packing"):
        packing.certify([(0.25, 0.5, 0.25 + 1e-8), (0.75, 0.5, 0.25)])


def test_a_call_that_takes_too_long_ends() -> None:
    text = "def pack(n, seed, deadline):\n    while True:\n        pass\n"
    assert judged(TASK, text, seconds=0.3).status == "timeout"
