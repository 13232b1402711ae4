from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.kit import apportion


@given(st.lists(st.floats(0, 20), min_size=1, max_size=30), st.data())
def test_the_sum_is_exact_and_each_within_its_range(shares: list[float], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, 20 * len(shares)))
    found = apportion.whole(shares, total, 20)
    assert sum(found) == total
    assert all(0 <= each <= 20 for each in found)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_whole_shares_stay(shares: list[int]) -> None:
    assert apportion.whole(shares, sum(shares), 20) == shares


def test_the_largest_fraction_gets_what_is_left() -> None:
    assert apportion.whole([1.2, 1.7, 1.1], 4, 9) == [1, 2, 1]
    assert apportion.whole([1.5, 1.5, 1.0], 4, 9) == [2, 1, 1]


@pytest.mark.parametrize(("shares", "total"), [([-0.1, 1], 1), ([float("nan"), 1], 1), ([1, 3], 2), ([1, 1], 5)])
def test_what_cannot_be_is_refused(shares: list[float], total: int) -> None:
    with pytest.raises(ValueError, match="cannot be shared out"):
        apportion.whole(shares, total, 2)
