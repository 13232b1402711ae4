from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.kit import select


@given(st.lists(st.lists(st.integers(-3, 3), min_size=6, max_size=6), min_size=1, max_size=5), st.integers(0, 6))
def test_what_goes_is_what_a_stable_sort_puts_first(values: list[list[int]], k: int) -> None:
    scores = np.array(values, dtype=np.float32)
    expected = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(expected, np.argsort(scores, axis=-1, kind="stable")[:, :k], True, axis=-1)
    assert (select.lowest(scores, k) == expected).all()


@pytest.mark.parametrize("scope", select.SCOPES)
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.6, 1.0])
def test_the_count_is_exact_where_all_scores_tie(scope: str, sparsity: float) -> None:
    scores = {"a": np.ones((4, 10), dtype=np.float32), "b": np.ones((6, 5), dtype=np.float32)}
    masks = select.pruned(scores, sparsity, scope)
    assert {name: mask.shape for name, mask in masks.items()} == {"a": (4, 10), "b": (6, 5)}
    if scope == "global":
        assert sum(int(mask.sum()) for mask in masks.values()) == select.count(70, sparsity)
    elif scope == "layer":
        assert masks["a"].sum() == select.count(40, sparsity)
    else:
        assert (masks["b"].sum(axis=1) == select.count(5, sparsity)).all()


def test_scopes_differ_in_who_competes() -> None:
    scores = {"small": np.array([[1.0, 2.0], [3.0, 4.0]]), "large": np.array([[10.0, 20.0], [30.0, 40.0]])}
    assert select.pruned(scores, 0.5, "row")["small"].tolist() == [[True, False], [True, False]]
    assert select.pruned(scores, 0.5, "layer")["small"].tolist() == [[True, True], [False, False]]
    together = select.pruned(scores, 0.5, "global")
    assert together["small"].all()
    assert not together["large"].any()


def test_infinities_are_ordered_and_nan_is_refused() -> None:
    assert select.lowest(np.array([np.inf, -np.inf, 0.0]), 2).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="NaN"):
        select.lowest(np.array([np.nan, 1.0]), 1)


def test_what_cannot_be_selected_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot select 3 of 2"):
        select.lowest(np.zeros((1, 2)), 3)
    with pytest.raises(ValueError, match="sparsity"):
        select.count(10, 1.5)
    with pytest.raises(ValueError, match="one of row, layer, global"):
        select.pruned({"a": np.zeros((1, 2))}, 0.5, "column")


def test_equal_masks_alone_share_a_fingerprint() -> None:
    mask = np.arange(40).reshape(4, 10) % 3 == 0
    other = mask.copy()
    other[2, 7] ^= True
    assert select.mark([mask, mask]) == select.mark([mask.copy(), mask]) < 1 << 48
    assert len({select.mark([mask, mask]), select.mark([mask, other]), select.mark([other, mask])}) == 3
