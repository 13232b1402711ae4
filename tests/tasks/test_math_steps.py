"""The three tasks about step functions: what they score is exact, and nothing but a better function scores more."""

from __future__ import annotations

from fractions import Fraction

import pytest

from evolve.kit import steps
from tests.tasks.candidates import judged, reference, refused, returning

FIRST, SECOND, ERDOS = "math/autocorrelation_first", "math/autocorrelation_second", "math/erdos_minimum_overlap"
FUNCTION = {FIRST: "heights", SECOND: "heights", ERDOS: "values"}


def scored(task: str, expression: str) -> float:
    seen = judged(task, returning(FUNCTION[task], expression))
    assert seen.status == "ok", (seen.status, seen.error, seen.feedback)
    assert seen.score is not None
    return seen.score


def test_convolutions_are_exact() -> None:
    first, second = [3, 0, 2**52, 1], [1, 2**53 - 1]
    plain = [0] * 5
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            plain[i + j] += a * b
    assert steps.convolve(first, second) == plain
    assert steps.convolve([0], [0]) == [0]


def test_heights_become_whole_numbers_at_any_scale() -> None:
    for scale in (1.0, 5e-324, 2.0**-1060, 1e-300, 1e300):
        assert steps.whole([scale, 0.0]) in ([2**52, 0], [*steps.whole([scale]), 0])
        assert 2**52 <= steps.whole([scale])[0] < 2**53
    assert steps.whole([1e308, 5e-324]) == [steps.whole([1e308])[0], 0]


@pytest.mark.parametrize(
    ("task", "expression", "exact"),
    [
        (FIRST, "[1.0]", Fraction(2)),
        (FIRST, "np.ones(7)", Fraction(2)),
        (FIRST, "[7] * 50", Fraction(2)),
        (FIRST, "(2, 1)", Fraction(4 * 4, 9)),
        (FIRST, "[1, 0, 0]", Fraction(6)),
        (SECOND, "[1.0]", Fraction(2, 3)),
        (SECOND, "np.full(9, 1e-300)", Fraction(2, 3)),
        (SECOND, "[2, 1]", Fraction(16 + 48 + 21 + 1, 3 * 9 * 4)),  # through 0, 4, 4, 1, 0
        (ERDOS, "[0.5]", Fraction(1, 2)),
        (ERDOS, "[0, 1, 1, 0]", Fraction(1, 2)),
        (ERDOS, "[0.25, 0.75, 0.5]", None),
    ],
)
def test_a_function_scores_exactly_what_its_definition_says(task: str, expression: str, exact: Fraction | None) -> None:
    if exact is None:  # (2 / n) max_k of sum f_i (1 - f_(i+k)), by hand
        f = [Fraction(1, 4), Fraction(3, 4), Fraction(1, 2)]
        sums = [sum(f[i] * (1 - f[i + k]) for i in range(3) if 0 <= i + k < 3) for k in range(-2, 3)]
        exact = Fraction(2, 3) * max(sums)
    assert scored(task, expression) == float(exact)


@pytest.mark.parametrize("task", [FIRST, SECOND, ERDOS])
def test_the_seed_is_weak_and_scores_the_same_twice(task: str) -> None:
    seen, again = judged(task), judged(task)
    assert seen.status == "ok"
    assert seen.score == again.score
    assert seen.score is not None
    weak = {FIRST: (1.6, 2.0), SECOND: (2 / 3, 0.85), ERDOS: (0.385, 0.5)}[task]
    assert weak[0] < seen.score < weak[1]
    (picture,) = seen.artifacts
    assert picture.mime == "image/svg+xml"
    assert b"polyline" in picture.data
    assert "shifts" in seen.feedback


@pytest.mark.parametrize(
    ("task", "program", "bound"),
    [
        (FIRST, "linear_programs.py", 1.58),
        (FIRST, "gradient.py", 1.53),
        (SECOND, "gradient.py", 0.90),
        (ERDOS, "linear_programs.py", 0.3815),
    ],
)
def test_references_are_better_than_the_seed_by_far(task: str, program: str, bound: float) -> None:
    pytest.importorskip("scipy")
    seen = judged(task, reference(task, program).replace("100, 3, 120", "100, 1, 40"))  # fewer linear programs
    assert seen.score is not None
    assert (seen.score > bound) if task == SECOND else (seen.score < bound)


@pytest.mark.parametrize("task", [FIRST, SECOND, ERDOS])
@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("[]", "expected 1 to 30000"),
        ("[0.5] * 30001", "expected 1 to 30000"),
        ("np.full(3_000_000, 0.5)", "expected 1 to 30000"),
        ("None", "must be a list of 1 to 30000, not NoneType"),
        ("0.5", "not float"),
        ("'0.5'", "not str"),
        ("b'1111'", "not bytes"),
        ("{'0': 0.5}", "not dict"),
        ("[[0.5, 0.5]]", "must be a number, not list"),
        ("np.full((4, 4), 0.5)", "not an array of shape (4, 4)"),
        ("np.float64(0.5)", "not float"),
        ("np.array(0.5)", "not an array of shape ()"),
        ("np.zeros((0,))", "expected 1 to 30000"),
        ("np.zeros((10**9, 0))", "not an array of shape (1000000000, 0)"),
        ("[True, False]", "must be a number, not bool"),
        ("np.array([True, False])", "must be a number, not bool"),
        ("[0.5 + 0j]", "must be a number, not"),
        ("np.array([0.5 + 0j])", "must be a number, not complex"),
        ("['0.5']", "must be a number, not str"),
        ("[float('nan'), 0.5]", ""),
        ("np.array([np.inf, 0.5])", ""),
        ("[10**400, 0]", "must be finite"),
        ("[1.5, -0.5]", "is negative"),
        ("[0.5, -5e-324, 1.0]", "is negative"),
        ("np.array([-0.25, 1.0, 0.75], dtype=np.float16)", "is negative"),
    ],
)
def test_what_is_no_such_function_is_refused(task: str, expression: str, says: str) -> None:
    assert refused(judged(task, returning(FUNCTION[task], expression)), says)


@pytest.mark.parametrize("task", [FIRST, SECOND])
@pytest.mark.parametrize("expression", ["[0, 0, 0]", "np.zeros(5)", "[-0.0]"])
def test_a_function_without_an_integral_is_refused(task: str, expression: str) -> None:
    assert refused(judged(task, returning("heights", expression)), "all heights are 0")


@pytest.mark.parametrize("task", [FIRST, SECOND])
def test_scale_gains_nothing_where_floats_end(task: str) -> None:
    shape = "np.random.default_rng(0).integers(1, 2**20, 50).astype(float)"
    plain = scored(task, shape)
    for factor in ("2.0**-1060", "2.0**1000", "2.0**-20"):
        assert scored(task, f"{shape} * {factor}") == plain
    assert scored(task, f"[int(h) for h in {shape}]") == plain


def test_heights_that_vanish_beside_the_largest_count_as_nothing() -> None:
    assert scored(FIRST, "[1e308] * 10 + [5e-324] * 10") == 4.0  # as if they were 0
    assert scored(SECOND, "[1e308] * 10 + [5e-324] * 10") == pytest.approx(2 / 3, abs=1e-15)


def test_many_steps_of_one_function_score_what_few_do() -> None:
    assert scored(FIRST, "np.repeat([3.0, 1.0, 2.0], 2000)") == scored(FIRST, "[3.0, 1.0, 2.0]")
    assert scored(SECOND, "np.repeat([3.0, 1.0, 2.0], 1000)") == scored(SECOND, "[3.0, 1.0, 2.0]")
    assert scored(ERDOS, "np.repeat([0.25, 1.0, 0.25], 2000)") == scored(ERDOS, "[0.25, 1.0, 0.25]")


def test_a_spike_gains_nothing() -> None:
    assert scored(FIRST, "[0] * 9 + [1] + [0] * 20") == 60.0
    assert scored(SECOND, "[0] * 9 + [1] + [0] * 20") == pytest.approx(2 / 3, abs=1e-15)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("[0.5 + 1e-8] * 4", "must have the mean 1/2"),
        ("[0.0] * 4", "must have the mean 1/2"),
        ("[1.0] * 4", "must have the mean 1/2"),
        ("[1.0000000000000002, 0.0]", "between 0 and 1"),
        ("[2.0, 0.0, 0.0, 0.0]", "between 0 and 1"),
        ("[5e-324] * 100", "must have the mean 1/2"),
    ],
)
def test_an_overlap_needs_a_function_from_0_to_1_with_the_integral_1(expression: str, says: str) -> None:
    assert refused(judged(ERDOS, returning("values", expression)), says)


def test_a_mean_that_is_nearly_right_gains_nothing() -> None:
    exact = scored(ERDOS, "np.repeat([0.25, 1.0, 0.25], 20)")
    for off in ("-9e-10", "9e-10"):  # less of f, or of its complement, overlaps less: so the judge puts it back
        near = scored(ERDOS, f"np.clip(np.repeat([0.25, 1.0, 0.25], 20) + ({off}), 0, 1)")
        assert near == pytest.approx(exact, abs=1e-7)
    scores = [scored(ERDOS, f"[0.5 + ({off})] * 50") for off in ("-9e-10", "0", "9e-10")]
    assert min(scores) == pytest.approx(0.5, abs=1e-15)


def test_what_is_balanced_has_the_mean_of_a_half_exactly() -> None:
    import runpy

    from evolve.task import load

    balanced = runpy.run_path(str(load(ERDOS).evaluator))["balanced"]
    for values in ([0.1] * 5 + [0.9] * 5, [1 / 3, 2 / 3, 0.5], [1.0, 0.0, 0.5 + 2e-9, 0.5], [1.0, 5e-324]):
        kept = balanced(values)
        assert 2 * sum(kept) == len(kept) << steps.BITS
        assert all(0 <= value <= 1 << steps.BITS for value in kept)
