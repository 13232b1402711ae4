from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.kit import statistics

SERIES = st.lists(st.integers(-4, 4), min_size=2, max_size=12)


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    assert statistics.ranks([30, 10, 20, 10]).tolist() == [4.0, 1.5, 3.0, 1.5]


@given(SERIES)
def test_a_series_orders_like_itself_and_against_its_opposite(values: list[int]) -> None:
    same = 1.0 if len(set(values)) > 1 else 0.0
    for measure in (statistics.spearman, statistics.kendall):
        assert measure(values, values) == pytest.approx(same)
        assert measure(values, [-value for value in values]) == pytest.approx(-same)


@given(SERIES, st.randoms(use_true_random=False))
def test_only_the_order_counts(values: list[int], rng: object) -> None:
    other = np.random.default_rng(len(values)).permutation(values)
    for measure in (statistics.spearman, statistics.kendall):
        assert measure(np.exp(values), other) == pytest.approx(measure(values, other))


def test_known_values() -> None:
    """Of the textbook example of Kendall, "Rank Correlation Methods", and of ties by hand."""
    assert statistics.kendall([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)
    assert statistics.spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert statistics.kendall([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / np.sqrt(2 * 3))


def test_scipy_agrees() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 40), rng.integers(0, 6, 40)
    assert statistics.spearman(a, b) == pytest.approx(stats.spearmanr(a, b)[0])
    assert statistics.kendall(a, b) == pytest.approx(stats.kendalltau(a, b)[0])


def test_the_interval_of_a_paired_difference() -> None:
    """Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), and t with two degrees of freedom at 97.5 % is 4.3027."""
    found = statistics.lead(1.0, [2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert (found.mean, found.n) == (2.0, 3)
    assert found.high - found.mean == pytest.approx(4.302653 / np.sqrt(3), rel=1e-5)


def test_what_has_no_order_is_refused() -> None:
    with pytest.raises(ValueError, match="equal length"):
        statistics.spearman([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="finite"):
        statistics.kendall([1.0, float("nan")], [1.0, 2.0])
