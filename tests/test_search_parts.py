"""Parents, islands, bandit and budget: the parts of the search that hold no I/O."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.bandit import BANDITS, Thompson, UpperConfidence, gain
from evolve.budget import Budget
from evolve.config import BanditConfig, BudgetConfig, SearchConfig
from evolve.islands import Island, Islands
from evolve.parents import SAMPLERS, Weighted, inspirations
from evolve.records import Metric, Program
from evolve.seams import Bandit

UP, DOWN = Metric("score", "maximize"), Metric("score", "minimize")


def program(score: float | None, number: int = 0) -> Program:
    return Program(f"{number:04d}-{score}", {}, "ok" if score is not None else "crash", score, number=number)


def island(scores: list[float], metric: Metric = UP, capacity: int = 100) -> Island:
    made = Island(0, metric, capacity)
    for number, score in enumerate(scores):
        made.add(program(score, number))
    return made


@pytest.mark.parametrize("kind", list(SAMPLERS))
@given(scores=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_every_sampler_takes_any_scores(kind: str, scores: list[float]) -> None:
    population = island(scores)
    sampler = SAMPLERS[kind](UP, SearchConfig())
    rng = Random(0)
    assert all(sampler.sample(population, rng) in population.elites for _ in range(5))


def test_weighted_follows_its_formula() -> None:
    population = island([0.0, 1.0, 2.0, 3.0, 4.0])
    population.tally(population.elites[0].digest).children = 3  # type: ignore[union-attr]
    weights = Weighted(UP, sharpness=1.0).weights(population)
    assert weights == pytest.approx([0.880797 / 4, 0.731059, 0.5, 0.268941, 0.119203], abs=1e-6)


def test_power_law_with_alpha_0_is_uniform() -> None:
    population = island([float(k) for k in range(4)])
    uniform = SAMPLERS["power"](UP, SearchConfig(alpha=0))
    rng = Random(0)
    counts = Counter(uniform.sample(population, rng).digest for _ in range(4000))
    assert min(counts.values()) > 900


@pytest.mark.parametrize(("metric", "best"), [(UP, 5.0), (DOWN, -5.0)])
def test_elites_are_best_first_in_either_direction(metric: Metric, best: float) -> None:
    made = island([-5.0, 0.0, 5.0, 1.0], metric, capacity=3)
    assert made.elites[0].score == best
    assert len(made.elites) == 3
    made.add(program(None, 9))
    made.add(made.elites[0])
    assert len(made.elites) == 3, "neither a failed program nor one that is there already gets in"


def test_inspirations_are_others_worst_first() -> None:
    population = island([float(k) for k in range(10)])
    parent = population.elites[0]
    for seed in range(20):
        chosen = inspirations(population.elites, parent, 3, Random(seed))
        scores = [p.score or 0.0 for p in chosen]
        assert len({program.digest for program in chosen}) == 3
        assert parent not in chosen
        assert scores == sorted(scores)
    assert inspirations(population.elites[:1], parent, 3, Random(0)) == ()


def test_migration_moves_a_share_and_leaves_the_best() -> None:
    islands = Islands(UP, count=2, capacity=50, migrate_every=10, migrate_share=0.2, seed=1)
    for number in range(1, 11):
        islands.told(program(float(number), number), "none", "arm", 0, gained=False)
    first, second = islands
    assert first.elites[0].score == 10.0
    assert (len(first.elites), len(second.elites)) == (8, 2)


def test_tallies_count_what_was_tried_on_a_parent() -> None:
    islands = Islands(UP, count=1, capacity=5, migrate_every=10, migrate_share=0.0, seed=1)
    parent = program(1.0)
    islands.seeded(parent)
    islands.asked(parent.digest, 0)
    islands.asked(parent.digest, 0)
    islands.told(program(2.0, 1), parent.digest, "builtin/tune", 0, gained=True)
    islands.told(None, parent.digest, "builtin/tune", 0, gained=False)
    tally = islands.turn(7).tally(parent.digest)
    assert tally is not None
    assert (tally.children, tally.tried, tally.gained) == (2, {"builtin/tune": 2}, {"builtin/tune": 1})
    assert islands.turn(1).children(parent) == 2


@pytest.mark.parametrize("metric", [UP, DOWN])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_gain_is_the_share_of_the_runs_progress_whatever_the_scale(metric: Metric, scale: float) -> None:
    sign = metric.sign * scale
    elites = [program(sign * value, number) for number, value in enumerate((4.0, 3.0, 2.0))]
    first, best = sign * 0.0, sign * 4.0

    def earned(child: float | None, parent: float) -> float:
        return gain(
            metric, program(None if child is None else sign * child), program(sign * parent), elites, first, best
        )

    assert earned(5.0, 4.0) == pytest.approx(1 / 5)
    assert earned(4.0, 3.0) == pytest.approx(1 / 4)
    assert earned(3.5, 1.0) == pytest.approx(0.5 / 4), "what only repairs a poor parent earns nothing"
    assert earned(2.9, 1.0) == 0.0
    assert earned(3.0, 3.0) == 0.0
    assert earned(None, 1.0) == 0.0
    assert gain(metric, None, elites[0], elites, first, best) == 0.0
    assert gain(metric, program(sign * 1.0), program(first), [], first, first) == 1.0


def pulls(bandit: Bandit, success: dict[str, float], seed: int, rounds: int) -> list[str]:
    rng, made = Random(seed), []
    for _ in range(rounds):
        arm = bandit.pick(rng)
        bandit.pull(arm)
        bandit.tell(arm, float(rng.random() < success[arm]), 1.0)
        made.append(arm)
    return made


@pytest.mark.parametrize("kind", ["ucb", "thompson"])
def test_the_better_arm_gets_most_pulls(kind: str) -> None:
    for seed in range(10):
        bandit = BANDITS[kind]({"good": 1.0, "bad": 1.0}, BanditConfig())
        made = pulls(bandit, {"good": 0.5, "bad": 0.1}, seed, 1500)
        assert made[100:200].count("good") >= 60
        assert "bad" in made[100:], "an arm is never given up"


def test_fixed_follows_the_weights() -> None:
    made = pulls(BANDITS["fixed"]({"a": 3.0, "b": 1.0, "c": 0.0}, BanditConfig()), {"a": 0.0, "b": 1.0}, 0, 2000)
    assert made.count("a") == pytest.approx(1500, abs=100)
    assert "c" not in made


def test_a_gain_that_took_many_evaluations_counts_less() -> None:
    bandit = UpperConfidence({"cheap": 1.0, "dear": 1.0}, decay=1.0, exploration=0.0)
    for arm, cost in (("cheap", 1.0), ("dear", 30.0)):
        bandit.pull(arm)
        bandit.tell(arm, 1.0, cost)
    assert bandit.pick(Random(0)) == "cheap"


def test_pulls_count_when_asked_so_that_parallel_asks_spread() -> None:
    bandit = UpperConfidence({"a": 1.0, "b": 1.0, "c": 1.0}, decay=1.0, exploration=1.0)
    chosen = []
    for _ in range(3):
        chosen.append(bandit.pick(Random(0)))
        bandit.pull(chosen[-1])
    assert sorted(chosen) == ["a", "b", "c"]


def test_a_bandit_ignores_rows_of_an_arm_that_is_gone() -> None:
    bandit = Thompson({"a": 1.0}, decay=0.9)
    bandit.pull("gone")
    bandit.tell("gone", 1.0, 1.0)
    assert bandit.pick(Random(0)) == "a"


def budget(clock: float = 0.0, **limits: float) -> Budget:
    return Budget(BudgetConfig.model_validate(limits), UP, clock=lambda: clock)


def test_reservations_keep_the_cap() -> None:
    ledger = budget(evaluations=2)
    assert ledger.reserve()
    assert ledger.reserve()
    assert not ledger.reserve()
    assert ledger.spent() == "2 evaluations"
    ledger.release()
    assert ledger.spent() == ""
    ledger.charge()
    assert ledger.reserve()
    assert (ledger.evaluations, ledger.reserved) == (1, 1)


def test_every_way_to_end() -> None:
    assert budget().cap == 500
    assert budget(patience=3).cap is None
    ledger = budget(target=2.0)
    ledger.scored(1.9)
    assert not ledger.spent()
    ledger.scored(2.0)
    assert ledger.spent() == "target 2 reached"
    ledger = budget(patience=2)
    ledger.reserve()
    ledger.charge()
    ledger.scored(1.0)
    for _ in range(2):
        ledger.reserve()
        ledger.charge()
    assert ledger.spent() == "no better program in 2 evaluations"
    assert Budget(BudgetConfig(hours=1), UP, seconds_before=3600.0, clock=lambda: 0.0).spent() == "1 hours"
    ledger = budget(evaluations=9)
    for _ in range(2000):
        ledger.idle()
    assert "no new program" in ledger.spent()


def test_a_minimised_target_is_reached_from_above() -> None:
    ledger = Budget(BudgetConfig(target=1.0), DOWN)
    ledger.scored(1.5)
    assert not ledger.spent()
    ledger.scored(0.9)
    assert ledger.spent()
    assert not ledger.scored(0.95), "not better"
