"""Which arm and operator make the next attempt, and at what prices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.bandit import BANDITS, Arms, Past, gain, scaled
from evolve.config import BanditConfig
from evolve.prices import prices
from evolve.records import Attempt, Cost, Draft, Evaluation, Metric, Point, Program, Proposal, Status
from evolve.seams import Bandit

UP, DOWN = Metric("score", "maximize"), Metric("score", "minimize")
SEED = Program("seed", {}, "ok", 0.0)
THREE = ("diff", "full", "cross")


def program(score: float | None, number: int = 0, arm: str = "seed", operator: str = "seed") -> Program:
    status: Status = "ok" if score is not None else "crash"
    return Program(f"{number:04d}-{score}", {}, status, score, number=number, arm=arm, operator=operator)


def told(
    arm: str,
    operator: str,
    gain: float,
    *,
    evaluations: int = 1,
    dollars: float = 0.0,
    parent: Program = SEED,
    status: Status = "ok",
) -> Attempt:
    point = Point(Draft({}), "", Evaluation(status))
    proposal = Proposal(1, parent, (), 0, arm, operator, 0, 0)
    return Attempt(proposal, points=[point] * evaluations, gain=gain, dollars=dollars)


def made(kind: str, *arms: str, priors: Mapping[tuple[str, str], Past] | None = None, **config: Any) -> Arms:
    bandit = BANDITS[kind](dict.fromkeys(arms, 1.0), BanditConfig(**config), priors or {})
    assert isinstance(bandit, Arms)
    return bandit


# ------------------------------------------------------------------ the reward


@pytest.mark.parametrize("metric", [UP, DOWN])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_gain_is_the_share_of_the_runs_progress_whatever_the_scale(metric: Metric, scale: float) -> None:
    sign = metric.sign * scale
    elites = [program(sign * value, number) for number, value in enumerate((4.0, 3.0, 2.0))]
    first, best = sign * 0.0, sign * 4.0

    def earned(child: float | None, parent: float | None) -> float:
        scores = [None if value is None else sign * value for value in (child, parent)]
        return gain(metric, program(scores[0]), program(scores[1]), elites, first, best)

    assert earned(5.0, 4.0) == pytest.approx(1 / 5)
    assert earned(4.0, 3.0) == pytest.approx(1 / 4)
    assert earned(3.5, 1.0) == pytest.approx(0.5 / 4), "what only repairs a poor parent earns nothing"
    assert earned(2.9, 1.0) == 0.0
    assert earned(3.0, 3.0) == 0.0
    assert earned(None, 1.0) == 0.0
    assert earned(3.5, None) == pytest.approx(0.5 / 4), "a repaired crash is compared with the median elite"
    assert earned(2.9, None) == 0.0
    assert gain(metric, None, elites[0], elites, first, best) == 0.0
    assert gain(metric, program(sign * 1.0), program(first), [], first, first) == 1.0
    assert gain(metric, program(sign * 1.0), program(None), [], first, first) == 1.0


# ------------------------------------------------------------------ built-in arms alone


class Before:
    """What the bandits chose when built-in arms were all there was: the measured figures hold for these choices."""

    def __init__(self, kind: str, weights: Mapping[str, float], decay: float) -> None:
        self.kind, self.decay, self.weights = kind, decay, dict(sorted(weights.items()))
        self.open = dict.fromkeys(self.weights, 0)
        self.pulls, self.cost, self.reward = (dict.fromkeys(self.weights, 0.0) for _ in range(3))

    def spent(self, arm: str) -> float:
        each = self.cost[arm] / self.pulls[arm] if self.pulls[arm] > 0 else 1.0
        return self.cost[arm] + self.open[arm] * each

    def tell(self, arm: str, gain: float, cost: float) -> None:
        kept = self.decay**cost
        for table in (self.pulls, self.cost, self.reward):
            for name in table:
                table[name] *= kept
        self.open[arm] -= 1
        self.pulls[arm] += 1
        self.cost[arm] += cost
        self.reward[arm] += gain

    def pick(self, rng: Random) -> str:
        arms = list(self.weights)
        if self.kind == "fixed":
            return rng.choices(arms, list(self.weights.values()))[0]
        if self.kind == "thompson":

            def drawn(arm: str) -> float:
                return rng.betavariate(1 + self.reward[arm], 1 + max(self.spent(arm) - self.reward[arm], 0.0))

            return max(arms, key=drawn)
        fresh = [arm for arm in arms if self.spent(arm) == 0]
        if fresh:
            return rng.choice(fresh)
        rate = {arm: self.reward[arm] / self.cost[arm] if self.cost[arm] > 0 else 0.0 for arm in arms}
        total = math.log(1 + sum(self.spent(arm) for arm in arms))
        top, mean = max(rate.values()), sum(self.weights.values()) / len(arms)

        def bound(arm: str) -> float:
            exploit = rate[arm] / top if top > 0 else 0.0
            return exploit + 1.0 * self.weights[arm] / mean * math.sqrt(2 * total / max(self.spent(arm), 1.0))

        return max(arms, key=lambda arm: (bound(arm), rng.random()))


@pytest.mark.parametrize("kind", list(BANDITS))
@settings(max_examples=25)
@given(
    seed=st.integers(0, 1 << 32),
    flying=st.integers(1, 6),
    weights=st.lists(st.sampled_from([0.5, 0.35, 0.15, 1.0]), min_size=1, max_size=4),
    given_prices=st.sampled_from([{}, {"evaluations": 1.0}, {"evaluations": 0.3}]),
)
def test_built_in_arms_alone_are_chosen_as_they_were_measured(
    kind: str, seed: int, flying: int, weights: list[float], given_prices: dict[str, float]
) -> None:
    names = [f"builtin/{letter}" for letter in "dacb"[: len(weights)]]
    arms = dict(zip(names, weights, strict=True))
    offers = {arm: [arm.rpartition("/")[2]] for arm in arms}
    new: Bandit = BANDITS[kind](arms, BanditConfig(), {})
    old = Before(kind, arms, BanditConfig().decay)
    world, ours, theirs = Random(seed), Random(seed), Random(seed)
    open_: list[str] = []
    for _ in range(120):
        arm, operator = new.pick(offers, given_prices, ours)
        assert (arm, [operator]) == (old.pick(theirs), offers[arm])
        assert ours.getstate() == theirs.getstate(), "no other random number is drawn"
        new.pull(arm, operator)
        old.open[arm] += 1
        open_.append(arm)
        if len(open_) == flying:
            arm = open_.pop(world.randrange(flying))
            evaluations, earned = world.choice([0, 1, 1, 30]), world.choice([0.0, 0.0, world.random()])
            parent = program(1.0, 1, *world.choice([(name, name.rpartition("/")[2]) for name in names]))
            new.tell(told(arm, offers[arm][0], earned, evaluations=evaluations, parent=parent))
            old.tell(arm, earned, max(float(evaluations), 1.0))


# ------------------------------------------------------------------ simulated runs


class World:
    """Arms whose worth is known: success by arm and operator, dollars by arm. ``fading`` is None for a gain of 1 for each
    success; else each raises the best score by a random amount that much smaller than before, and its gain is its share of
    all progress, as in a run.
    """

    def __init__(
        self,
        success: Mapping[str, Mapping[str, float]],
        fading: float | None = None,
        dollars: Mapping[str, float] | None = None,
        applies: Mapping[str, float] | None = None,
    ) -> None:
        self.success, self.fading, self.dollars, self.applies = success, fading, dollars or {}, applies or {}

    def run(
        self, kind: str, seed: int, *, pulls: int, usd: float | None = None, flying: int = 4
    ) -> list[tuple[str, str]]:
        """Return what was pulled until ``pulls`` evaluations or ``usd`` dollars were reached."""
        bandit = BANDITS[kind](dict.fromkeys(self.success, 1.0), BanditConfig(), {})
        offers = {arm: tuple(operators) for arm, operators in self.success.items()}
        rng, world = Random(f"pick/{seed}"), Random(f"world/{seed}")
        pulled: list[tuple[str, str]] = []
        best, size, paid = 0.0, 1.0, 0.0
        for told_ in range(1 - flying, pulls + 1 - flying):
            used = Cost(float(len(pulled)), paid)
            arm, operator = bandit.pick(offers, prices(used, {"evaluations": pulls, "dollars": usd}), rng)
            paid += self.dollars.get(arm, 0.0)
            if usd is not None and paid > usd:
                break
            bandit.pull(arm, operator)
            pulled.append((arm, operator))
            if told_ < 0:
                continue
            arm, operator = pulled[told_]
            won = world.random() < self.success[arm][operator]
            ok = won or world.random() < self.applies.get(operator, 1.0)
            step = world.expovariate(1.0) * size if won else 0.0
            best, size = best + step, size * ((self.fading or 1.0) if won else 1.0)
            earned = 0.0 if not won else 1.0 if self.fading is None else step / best
            bandit.tell(
                told(arm, operator, earned, dollars=self.dollars.get(arm, 0.0), status="ok" if ok else "invalid")
            )
        return pulled


def share(pulled: list[tuple[str, str]], name: str) -> float:
    return sum(name in pull for pull in pulled) / len(pulled)


def alike(success: float, operators: tuple[str, ...] = ("full",)) -> dict[str, float]:
    return dict.fromkeys(operators, success)


@pytest.mark.parametrize("kind", ["ucb", "thompson"])
@pytest.mark.parametrize("fading", [None, 1.0, 0.85], ids=["even", "steps", "fading"])
@pytest.mark.parametrize("operators", [("full",), THREE], ids=["one", "three"])
def test_the_better_model_gets_most_pulls(kind: str, fading: float | None, operators: tuple[str, ...]) -> None:
    world = World({"good": alike(0.5, operators), "bad": alike(0.1, operators)}, fading)
    shares = [share(world.run(kind, seed, pulls=60)[30:], "good") for seed in range(100)]
    assert sum(part >= 0.6 for part in shares) >= 90
    assert sum(part >= 0.6 for part in shares[:10]) >= 9


@pytest.mark.parametrize("kind", ["ucb", "thompson"])
def test_an_arm_is_never_given_up(kind: str) -> None:
    world = World({"good": alike(0.5), "bad": alike(0.1)})
    for seed in range(5):
        assert 0 < share(world.run(kind, seed, pulls=1500)[100:], "bad") < 0.4


@pytest.mark.parametrize("kind", ["ucb", "thompson"])
@pytest.mark.parametrize("fading", [None, 0.85], ids=["even", "fading"])
def test_a_free_arm_of_no_use_does_not_starve_a_good_one(kind: str, fading: float | None) -> None:
    world = World({"good": alike(0.3, THREE), "builtin/free": {"free": 0.0}}, fading, {"good": 0.01})
    runs = [world.run(kind, seed, pulls=500, usd=1.0) for seed in range(20)]
    assert sum(share(run, "good") > 0.5 for run in runs) >= 18
    assert sum(share(run, "good") * len(run) >= 95 for run in runs) >= 18, "the dollars are spent on what is good"


@pytest.mark.parametrize("kind", ["ucb", "thompson"])
def test_what_binds_decides_between_a_free_arm_of_small_use_and_a_dear_one_of_large(kind: str) -> None:
    world = World({"good": alike(0.5), "builtin/free": {"free": 0.05}}, None, {"good": 0.01})
    ample = [world.run(kind, seed, pulls=150, usd=10.0) for seed in range(20)]
    scarce = [world.run(kind, seed, pulls=500, usd=1.0) for seed in range(20)]
    assert sum(share(run, "good") > 0.8 for run in ample) >= 18, "evaluations bind: dollars do not matter"
    calls = [round(share(run, "good") * len(run)) for run in scarce]
    assert sum(made >= 90 for made in calls) >= 18, "dollars bind: all of them are spent"
    assert sum(len(run) - made for run, made in zip(scarce, calls, strict=True)) > 20 * 20, "beside what is free"


@pytest.mark.parametrize("kind", ["ucb", "thompson"])
def test_a_very_dear_arm_is_not_explored_to_death(kind: str) -> None:
    world = World({"cheap": alike(0.2), "dear": alike(0.0)}, None, {"cheap": 0.002, "dear": 0.1})
    for seed in range(20):
        run = world.run(kind, seed, pulls=1000, usd=2.0)
        paid = 0.1 * share(run, "dear") * len(run)
        assert 0 < paid <= 1.0


@pytest.mark.parametrize("kind", ["ucb", "thompson"])
def test_a_model_is_asked_for_what_it_gets_right(kind: str) -> None:
    world = World({"weak": {"diff": 0.01, "full": 0.1, "cross": 0.01}}, 1.0, None, {"diff": 0.05, "cross": 0.05})
    shares = [share(world.run(kind, seed, pulls=60)[20:], "full") for seed in range(20)]
    assert sum(part > 0.6 for part in shares) >= 18


# ------------------------------------------------------------------ one rule each


def test_fixed_follows_the_weights() -> None:
    bandit = BANDITS["fixed"]({"a": 3.0, "b": 1.0, "c": 0.0}, BanditConfig(), {})
    rng = Random(0)
    offers = {"a": ("full",), "b": ("diff", "full"), "c": ("full",)}
    chosen = [bandit.pick(offers, {}, rng) for _ in range(4000)]
    assert share(chosen, "a") == pytest.approx(0.75, abs=0.03)
    assert share(chosen, "diff") == pytest.approx(0.25 * 0.5 / 0.85, abs=0.03)
    assert share(chosen, "c") == 0.0


def test_a_gain_that_cost_more_counts_less() -> None:
    free = {"cheap": ("full",), "dear": ("full",)}
    bandit = made("ucb", "cheap", "dear", exploration=0.0)
    for arm, evaluations in (("cheap", 1), ("dear", 30)):
        bandit.pull(arm, "full")
        bandit.tell(told(arm, "full", 1.0, evaluations=evaluations))
    assert bandit.pick(free, {}, Random(0)) == ("cheap", "full")
    bandit = made("ucb", "cheap", "dear", exploration=0.0, decay=1.0)
    for arm, dollars, earned in (("cheap", 0.01, 0.5), ("dear", 0.1, 1.0)):
        bandit.pull(arm, "full")
        bandit.tell(told(arm, "full", earned, dollars=dollars))
    assert bandit.pick(free, {}, Random(0)) == ("dear", "full"), "dollars that are not capped do not count"
    assert bandit.pick(free, {"evaluations": 1.0, "dollars": 100.0}, Random(0)) == ("cheap", "full")


def test_pulls_count_when_asked_so_that_parallel_asks_spread() -> None:
    bandit = made("ucb", "a", "b", "c")
    offers = dict.fromkeys("abc", ("diff", "full"))
    chosen = []
    for _ in range(6):
        chosen.append(bandit.pick(offers, {}, Random(0)))
        bandit.pull(*chosen[-1])
    assert len(set(chosen)) == 6


def test_a_barred_arm_is_passed_over_and_remembered() -> None:
    bandit = made("ucb", "a", "b", exploration=0.0)
    for arm, earned in (("a", 1.0), ("b", 0.0)):
        bandit.pull(arm, "full")
        bandit.tell(told(arm, "full", earned))
    assert bandit.pick({"b": ["full"]}, {}, Random(0)) == ("b", "full")
    assert bandit.pick({"a": [], "b": ["full"]}, {}, Random(0)) == ("b", "full"), "it has nothing to offer now"
    assert bandit.pick({"a": ["full"], "b": ["full"]}, {}, Random(0)) == ("a", "full")


def test_rows_of_an_arm_that_is_gone_are_left_out() -> None:
    bandit = made("thompson", "a", decay=0.9)
    bandit.pull("gone", "full")
    bandit.tell(told("gone", "full", 1.0, parent=program(1.0, 1, "gone", "diff")))
    assert bandit.pick({"a": ["full"], "gone": ["full"]}, {}, Random(0)) == ("a", "full")
    assert list(bandit.records) == ["a"]


@pytest.mark.parametrize(
    ("child", "parent", "credited"),
    [
        (("a", "diff"), ("b", "full"), True),
        (("a", "diff"), ("a", "full"), True),
        (("a", "diff"), ("a", "diff"), False),
        (("a", "diff"), ("seed", "seed"), False),
        (("builtin/tune", "tune"), ("b", "full"), True),
        (("b", "full"), ("builtin/tune", "tune"), True),
        (("builtin/tune", "tune"), ("builtin/mutate", "mutate"), False),
    ],
)
def test_a_stepping_stone_earns_later(child: tuple[str, str], parent: tuple[str, str], credited: bool) -> None:
    bandit = made("ucb", "a", "b", "builtin/tune", "builtin/mutate", decay=1.0, credit=0.25)
    for arm, operator in {child, parent}:
        bandit.pull(arm, operator)
        bandit.tell(told(arm, operator, 0.0))
    before = bandit.records.get(parent[0], {}).get(parent[1])
    cost = before.evaluations if before else 0.0
    bandit.pull(*child)
    bandit.tell(told(*child, 1.0, parent=program(1.0, 1, *parent)))
    rewards = {(arm, way): record.reward for arm, ways in bandit.records.items() for way, record in ways.items()}
    assert rewards[child] == 1.0
    assert sum(rewards.values()) == (1.25 if credited else 1.0)
    if credited:
        assert rewards[parent] == 0.25
        assert bandit.records[parent[0]][parent[1]].evaluations == cost, "at no cost"


def test_what_earlier_runs_know_counts_at_most_what_it_is_to_be_worth() -> None:
    history = {
        ("a", "diff"): Past(100, 1.0, Cost(60.0, 2.0, 1000.0, 50.0), ok=10, gained=5),
        ("a", "full"): Past(100, 9.0, Cost(140.0, 2.0, 1000.0, 50.0), ok=90, gained=40),
        ("b", "full"): Past(5, 0.0, Cost(5.0)),
        ("b", "diff"): Past(0, 0.0, Cost()),
    }
    assert scaled(history, 0.0) == {}
    priors = scaled(history, 24.0)
    assert sum(past.spent for (arm, _), past in priors.items() if arm == "a") == pytest.approx(24.0)
    assert priors["a", "full"].cost.dollars == pytest.approx(0.2)
    assert priors["b", "full"] == history["b", "full"], "never more than there was"
    assert ("b", "diff") not in priors
    for kind in ("ucb", "thompson"):
        rng, bandit = Random(0), made(kind, "a", "b", priors=priors)
        chosen = [bandit.pick({"a": ("diff", "full"), "b": ("full",)}, {}, rng) for _ in range(200)]
        assert chosen.count(("a", "full")) > 100
    assert made("ucb", "other", priors=priors).records == {"other": {}}


# ------------------------------------------------------------------ prices

CAPS = st.dictionaries(
    st.sampled_from(["evaluations", "dollars", "tokens", "seconds"]), st.none() | st.floats(1e-3, 1e9), max_size=4
)
COSTS = st.builds(Cost, *[st.floats(0, 1e12)] * 4)


@given(used=COSTS, caps=CAPS)
def test_prices_are_positive_and_in_evaluations(used: Cost, caps: dict[str, float | None]) -> None:
    worth = prices(used, caps)
    capped = {name for name, cap in caps.items() if cap is not None}
    assert worth.keys() == (capped | {"evaluations"} if capped - {"evaluations"} else set())
    assert all(0 < price < math.inf for price in worth.values())
    assert worth.get("evaluations", 1.0) == 1.0


def test_the_scarcest_resource_is_the_dearest() -> None:
    caps = {"evaluations": 100.0, "dollars": 5.0, "tokens": None}
    assert prices(Cost(), caps) == {"dollars": 20.0, "evaluations": 1.0}, "at first a whole cap is worth a whole cap"
    dollars = [prices(Cost(50.0, paid), caps)["dollars"] for paid in (0.0, 2.0, 2.5, 3.0, 5.0)]
    assert dollars == sorted(dollars)
    assert dollars[2] == pytest.approx(20.0)
    assert dollars[0] < 1 < 1000 < dollars[-1]
    assert prices(Cost(7.0), {"evaluations": 10.0}) == {}
    assert prices(Cost(7.0), {}) == {}


def test_evaluations_without_a_cap_are_never_free() -> None:
    assert prices(Cost(), {"dollars": 5.0})["dollars"] == pytest.approx(100.0)
    assert prices(Cost(1e6, 2.5), {"dollars": 5.0})["dollars"] == pytest.approx(2e6 / 5.0)
