import math
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.racing import CANDIDATES, RACING, contest, race
from evolve.racing import ERROR, FEWEST, hopeless, lead, projected, quantile

numbers = st.floats(allow_nan=False, allow_infinity=False)
modest = st.floats(-1e6, 1e6)
signs = st.sampled_from([1.0, -1.0])
pairs = st.lists(st.tuples(modest, modest), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("level", "freedom", "value"),
    [
        (0.9, 1, 3.0776835),
        (0.975, 1, 12.7062047),
        (0.9995, 1, 636.6192488),
        (0.95, 2, 2.9199856),
        (0.975, 2, 4.3026527),
        (0.9995, 3, 12.9239786),
        (0.95, 4, 2.1318468),
        (0.95, 5, 2.0150484),
        (0.99, 9, 2.8214379),
        (0.995, 10, 3.1692727),
        (0.975, 30, 2.0422725),
        (0.975, 120, 1.9799304),
        (0.025, 120, -1.9799304),
        (0.5, 7, 0.0),
    ],
)
def test_quantiles_of_students_t_are_those_of_the_tables(level: float, freedom: int, value: float) -> None:
    assert quantile(level, freedom) == pytest.approx(value, abs=1e-6)


def test_a_lead_is_that_of_pairs_and_what_the_seeds_do_to_both_cancels() -> None:
    seen = lead(1.0, [11.0, 22.0, 33.0], [10.0, 20.0, 30.0])
    reach = quantile(0.975, 2) * 1.0 / math.sqrt(3)
    assert [seen.mean, seen.low, seen.high] == pytest.approx([2.0, 2.0 - reach, 2.0 + reach])
    assert seen.n == 3
    less = lead(-1.0, [11.0, 22.0, 33.0], [10.0, 20.0, 30.0])
    assert (less.mean, less.low, less.high) == (-seen.mean, -seen.high, -seen.low)


def test_one_difference_says_nothing_and_none_cannot_be_asked() -> None:
    seen = lead(1.0, [3.0, 9.0], [1.0])
    assert (seen.mean, seen.low, seen.high, seen.n) == (2.0, -math.inf, math.inf, 1)
    with pytest.raises(ValueError, match="no score"):
        lead(1.0, [1.0], [])


@given(signs, pairs)
def test_swapping_the_two_or_the_direction_swaps_the_lead(sign: float, both: list[tuple[float, float]]) -> None:
    own, rival = [a for a, _ in both], [b for _, b in both]
    one, other = lead(sign, own, rival), lead(sign, rival, own)
    assert (other.mean, other.low, other.high) == (-one.mean, -one.high, -one.low)
    assert lead(-sign, own, rival) == other
    assert one.low <= one.mean <= one.high


@given(signs, st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8), st.integers(1, 10))
def test_no_size_of_score_breaks_anything(sign: float, both: list[tuple[float, float]], total: int) -> None:
    own, rival = [a for a, _ in both], [b for _, b in both]
    seen = lead(sign, own, rival)
    assert math.isfinite(seen.mean)
    assert math.isfinite(projected(own, rival))
    assert not (hopeless(sign, own, rival, total) and seen.mean > 0.0)


def test_a_race_waits_for_three_pairs_and_ends_before_the_last_seed() -> None:
    own, rival = [0.01, 0.02, 0.03, 0.04], [1.0, 1.1, 1.2, 1.3]
    assert [hopeless(1.0, own[:n], rival, 4) for n in range(1, 5)] == [False, False, True, False]
    assert not hopeless(1.0, own, rival[:2], 10)
    assert not hopeless(1.0, own, rival[:3], 10), "nothing new was compared"
    assert not hopeless(-1.0, own[:3], rival, 10)


def test_differences_that_are_all_the_same() -> None:
    varied, coarse = [0.5, 0.25, 1.0], [1.0, 1.0, 0.0]
    assert hopeless(1.0, [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 5)
    assert hopeless(1.0, [score - 0.125 for score in varied], [*varied, 1.0, 2.0], 5)
    assert hopeless(1.0, varied, [*varied, 1.0, 2.0], 5), "it behaves as its rival"
    assert not hopeless(1.0, coarse, [*coarse, 1.0, 0.0], 5), "solved or not, as the rival did by chance"
    assert not hopeless(1.0, [score + 0.125 for score in varied], [*varied, 1.0, 2.0], 5)


@pytest.mark.parametrize("total", [4, 5, 10, 20, 100, 10_000])
def test_all_looks_together_spend_the_error_and_no_more(total: int) -> None:
    """Found from outside: differences with a given t statistic are just stopped, or just not, at the part of their look."""

    def stops(n: int, t: float) -> bool:
        spread = [1.0, -1.0] * (n // 2) + [0.0] * (n % 2)
        error = math.sqrt(sum(x * x for x in spread) / (n * (n - 1)))
        return hopeless(1.0, [x - t * error for x in spread], [0.0] * total, total)

    spent = 0.0
    looks = range(FEWEST, min(total, 30))
    for n in looks:
        low, high = 0.5, 1.0 - 1e-7
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (low, middle) if stops(n, quantile(middle, n - 1)) else (middle, high)
        spent += 1.0 - high
    assert spent <= ERROR + 1e-6
    assert spent >= 0.9 * ERROR


def test_what_an_ended_race_leaves_is_what_the_rivals_seeds_would_have_given() -> None:
    rival = [1.0, 2.0, 3.0, 10.0]
    assert projected([0.5, 1.5, 2.5], rival) == 3.5
    assert projected(rival[:3], rival) == 4.0
    assert projected([sys.float_info.max], [-1e308, 1.5e308]) == sys.float_info.max


def test_racing_on_paired_seeds_finds_the_best_of_twenty_at_half_the_cost() -> None:
    """The second part is through real judges, in ``tests/judge/test_stages.py``; more settings are in ``bench/racing.py``."""
    rng, trials, repeats, noise = Random(7), 300, 20, 0.5
    seen = [contest(RACING, repeats, noise, rng) for _ in range(trials)]
    share = sum(outcome.right for outcome in seen) / trials
    assert share - 2.0 * math.sqrt(share * (1.0 - share) / trials) >= 0.9
    assert sum(outcome.evaluations for outcome in seen) <= 0.5 * trials * CANDIDATES * repeats


@pytest.mark.parametrize("repeats", [4, 5, 10, 20])
def test_a_race_stops_what_is_as_good_no_more_often_than_it_may(repeats: int) -> None:
    trials = 1500
    stopped = sum(race(repeats, 0.0, Random(s))[1] for s in range(trials)) / trials
    assert 0.02 < stopped <= ERROR + 2.0 * math.sqrt(ERROR * (1.0 - ERROR) / trials)


def test_a_good_candidate_is_seldom_stopped_for_a_bad_start() -> None:
    seen = sorted(race(20, 1.0, Random(s)) for s in range(2000))
    assert sum(stopped for _, stopped in seen) / 2000 < 0.01
    assert sum(stopped for _, stopped in seen[:200]) / 200 < 0.1
