"""The two tasks about points: distances and triangles in exact fractions."""

from __future__ import annotations

import pytest

from tests.tasks.candidates import judged, reference, refused, returning

FLAT, SPACE, TRIANGLE = "math/min_max_distance", "math/min_max_distance@space", "math/heilbronn_triangle"
SHAPES = {FLAT: (16, 2), SPACE: (14, 3), TRIANGLE: (11, 2)}


def scored(task: str, expression: str) -> float:
    seen = judged(task, returning("points", expression))
    assert seen.status == "ok", (seen.status, seen.error, seen.feedback)
    assert seen.score is not None
    return seen.score


def some(task: str) -> str:
    """Return an expression for points of the task with small whole coordinates, no three of them on a line."""
    count, width = SHAPES[task]
    return f"np.array([[k**(d + 1) % 101 + 7 * d * k for d in range({width})] for k in range(1, {count} + 1)], dtype=float)"


@pytest.mark.parametrize(("task", "score"), [(FLAT, 18.0), (SPACE, 6.0)])
def test_grids_score_what_they_must(task: str, score: float) -> None:
    seen = judged(task)
    assert (seen.status, seen.score) == ("ok", score)
    assert seen.artifacts[0].data.count(b"<circle") == SHAPES[task][0]


def test_the_seed_of_heilbronn_is_weak_and_scores_the_same_twice() -> None:
    seen, again = judged(TRIANGLE), judged(TRIANGLE)
    assert seen.status == "ok"
    assert seen.score == again.score
    assert seen.score is not None
    assert 0 < seen.score < 0.01
    assert seen.artifacts[0].data.count(b"<circle") == 11


@pytest.mark.parametrize(
    ("task", "program", "bound"),
    [(FLAT, "slsqp.py", 12.8893), (SPACE, "slsqp.py", 4.1659), (TRIANGLE, "hopping.py", 0.02)],
)
def test_references_come_close_to_the_best_known(task: str, program: str, bound: float) -> None:
    pytest.importorskip("scipy")
    text = reference(task, program).replace("HOPS, PATIENCE = 70", "HOPS, PATIENCE = 15")
    score = judged(task, text).score
    assert score is not None
    assert score > bound if task == TRIANGLE else score < bound


@pytest.mark.parametrize("task", [FLAT, SPACE, TRIANGLE])
def test_position_and_scale_gain_nothing(task: str) -> None:
    plain = scored(task, some(task))
    assert plain > 0
    for change in ("* 2.0**-1000", "* 2.0**900", "- 4096.0", "/ 1024 + 3"):
        assert scored(task, f"{some(task)} {change}") == plain
    assert scored(task, f"[list(map(int, row)) for row in {some(task)}]") == plain
    assert scored(task, f"list({some(task)}.astype(np.float32))") == plain


@pytest.mark.parametrize("task", [FLAT, SPACE, TRIANGLE])
@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("None", "points must be a list of"),
        ("[]", "got 0"),
        ("{'points': {given}}", "not dict"),
        ("{given}[:-1]", "must have the shape"),
        ("list({given}) + [{given}[0]]", "got"),
        ("{given}.ravel()", "must have the shape"),
        ("{given}[None]", "must have the shape"),
        ("np.zeros((10**9, 0))", "must have the shape"),
        ("np.zeros((len({given}), 10**9, 0))", "must have the shape"),
        ("[np.zeros((2, 10**9, 0))] * len({given})", "not an array of shape"),
        ("[tuple(row) + (0.0,) for row in {given}]", "got"),
        ("{given} + 0j", "must be a number, not complex"),
        ("{given} > 3", "must be a number, not bool"),
        ("[[True] * len(row) for row in {given}]", "must be a number, not bool"),
        ("[[str(v) for v in row] for row in {given}]", "must be a number, not str"),
        ("{given} * np.nan", ""),
        ("[[float('inf')] * len(row) for row in {given}]", ""),
        ("[[10**400] * len(row) for row in {given}]", "must be finite"),
        ("[[1] * len(row) for row in {given}]", ""),
    ],
)
def test_what_are_no_such_points_is_refused(task: str, expression: str, says: str) -> None:
    assert refused(judged(task, returning("points", expression.replace("{given}", some(task)))), says)


@pytest.mark.parametrize("task", [FLAT, SPACE])
def test_points_that_coincide_are_refused(task: str) -> None:
    for same in ("p[1] = p[0]", "p[1] = p[0] + 5e-324", "p[1] = p[0] * (1 + 2**-52)", "p[:2] = 0; p[2:] += 1e308"):
        text = f"import numpy as np\n\n\ndef points(n, d):\n    p = {some(task)}\n    {same}\n    return p\n"
        assert refused(judged(task, text), "coincide")


def test_points_in_a_row_have_no_triangle() -> None:
    assert scored(TRIANGLE, "[(k, k) for k in range(11)]") == 0.0
    assert scored(TRIANGLE, "[(k, 0.0) for k in range(11)]") == 0.0
    assert scored(TRIANGLE, "[(k * k, k) for k in range(10)] + [(0, 0)]") == 0.0


def test_points_outside_the_triangle_make_the_triangle_larger() -> None:
    inside = f"{some(TRIANGLE)} / 512"
    alone = scored(TRIANGLE, inside)
    for outlier in ("(-1000.0, 0.0)", "(1000.0, 3.0)", "(-5.0, -5.0)", "(1e200, 1e200)"):
        text = f"import numpy as np\n\n\ndef points(n):\n    p = {inside}\n    p[0] = {outlier}\n    return p\n"
        score = judged(TRIANGLE, text).score
        assert score is not None
        assert score < alone


def test_a_triangle_of_rounding_noise_has_its_exact_area() -> None:
    in_floats = "[(0.1 * k, 0.3 * k) for k in range(1, 12)]"  # on a line but for the last bits
    assert 0.0 <= scored(TRIANGLE, in_floats) < 1e-15
