"""Parents, islands and budget: the parts of the search that hold no I/O."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.arms import Arm
from evolve.budget import Budget
from evolve.config import BudgetConfig, Config, SearchConfig
from evolve.islands import Island, Islands
from evolve.operators import BUILTIN
from evolve.parents import SAMPLERS, Weighted, inspirations
from evolve.records import Asked, Attempt, Metric, Program, Proposal
from evolve.state import State

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


@pytest.mark.parametrize("islands", [4, 2])
def test_a_repaired_program_is_not_offered_again_though_a_resume_has_fewer_islands(islands: int) -> None:
    arm = Arm("m", dict.fromkeys(("diff", "fix"), BUILTIN["builtin/tune"]))
    state = State(UP, Config(search=SearchConfig(islands=islands)), {"m": arm}, seed=0)
    seed = Program("seed", {}, "ok", 0.0)
    state.count_seed(seed)
    state.count_ask(Asked(4, 0, "seed", "m", 3, "diff"))
    crashed = Program("bad", {}, "crash", None, number=4, parent="seed", arm="m", operator="diff", island=3)
    state.count_tell(Attempt(Proposal(4, seed, (), 3, "m", "diff", 1, 0), program=crashed, gain=0.0))
    assert [program.digest for program in state.broken[3 % islands]] == ["bad"]
    state.count_ask(Asked(8, 1, "bad", "m", 3, "fix"))
    assert state.broken == {3 % islands: []}
