"""What the bandits make of arms whose worth is known: who gets the pulls, and what is lost against the best arm alone.

    python bench/bandit.py [--seeds 30]

No model and no judge: each attempt succeeds with its operator's probability. ``even``: a success is a gain of 1.
``fading``: it raises the best score by an exponential amount, 15 % smaller each time, and its gain is its share of the progress
so far, as in a run. Four attempts are in flight at any time.

Printed per world, reward and bandit: the mean share of the better arm in pulls 31 to 60 and the share of seeds in which that is
at least 60 %, its share over the whole run, and the regret: 1 − successes over those expected of the best single arm under the
same caps (below 0 where a mix does better than any single one).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from evolve.bandit import BANDITS
from evolve.config import BanditConfig
from evolve.prices import prices
from evolve.records import Attempt, Cost, Draft, Evaluation, Point, Program, Proposal

FLYING = 4
REWARDS = ("even", "fading")


@dataclass(frozen=True)
class Arm:
    """Success by operator, what an attempt costs, and how often each operator's replies apply."""

    success: Mapping[str, float]
    dollars: float = 0.0
    evaluations: int = 1
    applies: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """Arms, which arm or operator is the better one, and the caps of a run."""

    name: str
    better: str
    arms: Mapping[str, Arm]
    evaluations: int
    dollars: float | None = None

    def expected(self) -> float:
        """Successes of the best arm alone, by its best operator."""

        def alone(arm: Arm) -> float:
            calls = self.evaluations / arm.evaluations
            if self.dollars is not None and arm.dollars:
                calls = min(calls, self.dollars / arm.dollars)
            return calls * max(arm.success.values())

        return max(map(alone, self.arms.values()))


def three(success: float) -> dict[str, float]:
    """Three operators that succeed alike."""
    return dict.fromkeys(("diff", "full", "cross"), success)


WORLDS = (
    World("0.5 against 0.1", "good", {"good": Arm({"full": 0.5}), "bad": Arm({"full": 0.1})}, 150),
    World("the same, three operators", "good", {"good": Arm(three(0.5)), "bad": Arm(three(0.1))}, 150),
    World("0.2 against 0.04", "good", {"good": Arm({"full": 0.2}), "bad": Arm({"full": 0.04})}, 300),
    World(
        "three of 0.1, one of 0.4",
        "good",
        {"good": Arm(three(0.4)), "b": Arm(three(0.1)), "c": Arm(three(0.1)), "d": Arm(three(0.1))},
        200,
    ),
    World(
        "free of no use, priced 0.3",
        "good",
        {"good": Arm(three(0.3), dollars=0.01), "builtin/free": Arm({"free": 0.0})},
        500,
        1.0,
    ),
    World(
        "free of no use, priced 0.05",
        "good",
        {"good": Arm({"full": 0.05}, dollars=0.01), "builtin/free": Arm({"free": 0.0})},
        500,
        1.0,
    ),
    World(
        "free 0.05, priced 0.5, dollars bind",
        "good",
        {"good": Arm({"full": 0.5}, dollars=0.01), "builtin/free": Arm({"free": 0.05})},
        500,
        1.0,
    ),
    World(
        "free 0.05, priced 0.5, evaluations bind",
        "good",
        {"good": Arm({"full": 0.5}, dollars=0.01), "builtin/free": Arm({"free": 0.05})},
        150,
        10.0,
    ),
    World(
        "0.2, as good at 50 times the price",
        "cheap",
        {"cheap": Arm({"full": 0.2}, dollars=0.002), "dear": Arm({"full": 0.2}, dollars=0.1)},
        1000,
        2.0,
    ),
    World(
        "0.2, of no use at 50 times the price",
        "cheap",
        {"cheap": Arm({"full": 0.2}, dollars=0.002), "dear": Arm({"full": 0.0}, dollars=0.1)},
        1000,
        2.0,
    ),
    World(
        "0.05, three times as good at twice the price",
        "dear",
        {"cheap": Arm({"full": 0.05}, dollars=0.01), "dear": Arm({"full": 0.15}, dollars=0.02)},
        500,
        3.0,
    ),
    World(
        "one model: diff applies 1 in 20, full 4 in 5",
        "full",
        {
            "weak": Arm(
                {"diff": 0.005, "full": 0.08, "cross": 0.005}, applies={"diff": 0.05, "full": 0.8, "cross": 0.05}
            )
        },
        150,
    ),
)


def told(arm: str, operator: str, gain: float, cost: Cost, ok: bool) -> Attempt:
    """Return an attempt as a run tells it."""
    seed = Program("seed", {}, "ok", 0.0)
    point = Point(Draft({}), "", Evaluation("ok" if ok else "crash", gain if ok else None))
    return Attempt(
        Proposal(1, seed, (), 0, arm, operator, 0, 0),
        points=[point] * int(cost.evaluations),
        gain=gain,
        dollars=cost.dollars,
    )


@dataclass
class Progress:
    """The score of a run, as its successes raise it."""

    reward: str
    best: float = 0.0
    size: float = 1.0
    successes: int = 0

    def gain(self, rng: Random) -> float:
        """Return the gain of one more success."""
        self.successes += 1
        if self.reward == "even":
            return 1.0
        step = rng.expovariate(1.0) * self.size
        self.size *= 0.85
        self.best += step
        return step / self.best


def simulate(world: World, kind: str, reward: str, seed: int) -> tuple[list[tuple[str, str]], int]:
    """Return the arms and operators that were pulled, in order, and how many attempts succeeded."""
    rng, chance = Random(f"pick/{seed}"), Random(f"world/{seed}")
    bandit = BANDITS[kind](dict.fromkeys(world.arms, 1.0), BanditConfig(), {})
    offers = {name: list(arm.success) for name, arm in world.arms.items()}
    caps = {"evaluations": float(world.evaluations), "dollars": world.dollars}
    progress = Progress(reward)
    pulled: list[tuple[str, str]] = []
    flying: list[tuple[str, str]] = []
    evaluations, dollars = 0, 0.0
    while True:
        name, operator = bandit.pick(offers, prices(Cost(evaluations, dollars), caps), rng)
        arm = world.arms[name]
        evaluations, dollars = evaluations + arm.evaluations, dollars + arm.dollars
        if evaluations > world.evaluations or (world.dollars is not None and dollars > world.dollars + 1e-9):
            return pulled, progress.successes
        bandit.pull(name, operator)
        pulled.append((name, operator))
        flying.append((name, operator))
        if len(flying) < FLYING:
            continue
        name, operator = flying.pop(0)
        arm = world.arms[name]
        won = chance.random() < arm.success[operator]
        ok = won or chance.random() < arm.applies.get(operator, 1.0)
        gained = progress.gain(chance) if won else 0.0
        bandit.tell(told(name, operator, gained, Cost(arm.evaluations, arm.dollars), ok))


def share(pulls: list[tuple[str, str]], name: str) -> float:
    """Return the share of an arm or operator in pulls; 0 where a run ended before them."""
    return sum(name in pull for pull in pulls) / max(len(pulls), 1)


def row(world: World, reward: str, kind: str, seeds: int) -> str:
    """Return one line of the table."""
    runs = [simulate(world, kind, reward, seed) for seed in range(seeds)]
    middle = [share(pulls[30:60], world.better) for pulls, _ in runs]
    whole = [share(pulls, world.better) for pulls, _ in runs]
    regret = 1 - statistics.fmean(successes for _, successes in runs) / world.expected()
    clear = sum(part >= 0.6 for part in middle) / seeds
    return (
        f"| {world.name} | {reward} | {kind} | {statistics.fmean(middle):.2f} | {clear:.2f} "
        f"| {statistics.fmean(whole):.2f} | {regret:+.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    given = parser.parse_args()
    start = time.perf_counter()
    print("| arms | reward | bandit | pulls 31 to 60 | seeds at 60 % | whole run | regret |")
    print("|---|---|---|---|---|---|---|")
    for world in WORLDS:
        for kind in BANDITS:
            for reward in REWARDS if kind != "fixed" else REWARDS[:1]:
                print(row(world, reward, kind, given.seeds), flush=True)
    print(f"{given.seeds} seeds, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
