"""What the built-in arms reach on circle packing (26 circles, sum of radii), and whether all of them beat
``builtin/tune`` alone.

    python bench/builtin.py [--evaluations 800] [--seeds 5] [--task math/circle_packing]
        [--processes 2] [--set search.islands=1 ...]

Each run seed is searched twice with the inline executor, once with all arms and once with ``builtin/tune`` alone.
Printed: the best score per seed and arm set, medians, and the mean of the paired differences with its 95 % interval
(Student's t over seeds).
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import tempfile
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import evolve

SETS: Mapping[str, Mapping[str, Any]] = {
    "all arms": {},
    "builtin/tune": {"arms": {"builtin/tune": 1.0}},
}
# The 97.5 % quantiles of Student's t by degrees of freedom (any table); beyond the last the normal one is near enough.
T975 = (
    math.nan,
    12.71,
    4.303,
    3.182,
    2.776,
    2.571,
    2.447,
    2.365,
    2.306,
    2.262,
    2.228,
    2.201,
    2.179,
    2.160,
    2.145,
    2.131,
)


def best(job: tuple[str, int, int, Mapping[str, Any]]) -> float:
    """Search once and return the best score."""
    task, evaluations, seed, settings = job
    with tempfile.TemporaryDirectory() as folder:
        run = evolve.run(
            task,
            evaluations=evaluations,
            seed=seed,
            db=Path(folder) / "evolve.db",
            executor="inline",
            isolation="none",
            settings=settings,
        )
        score = run.best.score
    if score is None:
        raise RuntimeError(f"no program of seed {seed} has a score")
    return score


def interval(differences: list[float]) -> tuple[float, float, float]:
    """Return the mean of paired differences and the ends of its 95 % interval."""
    mean, count = statistics.fmean(differences), len(differences)
    if count < 2:
        return mean, math.nan, math.nan
    quantile = T975[count - 1] if count <= len(T975) else 1.96
    half = quantile * statistics.stdev(differences) / math.sqrt(count)
    return mean, mean - half, mean + half


def nested(assignments: list[str]) -> dict[str, Any]:
    """Return settings given as ``a.b=value``, the value in TOML."""
    return tomllib.loads("\n".join(assignments))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="math/circle_packing")
    parser.add_argument("--evaluations", type=int, default=800)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=TOML", help="a setting for both arm sets")
    given = parser.parse_args()
    common = nested(given.set)
    seeds = range(given.seeds)
    jobs = [
        (given.task, given.evaluations, seed, {**common, **settings}) for settings in SETS.values() for seed in seeds
    ]
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        scores = pool.map(best, jobs, chunksize=1)
    results = {name: scores[i * given.seeds : (i + 1) * given.seeds] for i, name in enumerate(SETS)}

    print(f"{given.task}, {given.evaluations} evaluations, {time.perf_counter() - start:.0f} s")
    print("| arms |" + "".join(f" seed {seed} |" for seed in seeds) + " median |")
    print("|---|" + "---|" * (given.seeds + 1))
    for name, row in results.items():
        print(f"| {name} |" + "".join(f" {score:.3f} |" for score in row) + f" {statistics.median(row):.3f} |")
    mean, low, high = interval([a - b for a, b in zip(*results.values(), strict=True)])
    print(f"all arms minus builtin/tune, paired: {mean:+.3f} (95 % interval {low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    main()
