"""What the built-in arms reach, and whether they beat other settings: at first, ``builtin/tune`` alone.

    python bench/builtin.py [--evaluations 800] [--seeds 5] [--first 0] [--task math/circle_packing ...]
        [--against 'arms={"builtin/tune" = 1.0}' ...] [--set search.islands=1 ...] [--processes 2]

Each task is searched twice from each run seed, with the settings as they are (and ``--set``) and with ``--against`` on top.
Printed per task: the best score per seed and side, medians, and the mean of the paired differences with its 95 % interval
(Student's t over seeds), positive where the settings as they are did better; and over all pairs how many were won, lost and
equal, with the exact two-sided sign test.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import evolve
from evolve.config import settings
from evolve.racing import lead
from evolve.task import load

TUNE = 'arms={"builtin/tune" = 1.0}'
EQUAL = 1e-12
"""Scores no further apart are equal."""


def best(job: tuple[str, int, int, Mapping[str, Any]]) -> float:
    """Search once and return the best score."""
    task, evaluations, seed, changed = job
    with tempfile.TemporaryDirectory() as folder:
        run = evolve.run(
            task, evaluations=evaluations, seed=seed, slots=1, db=Path(folder) / "evolve.db", settings=changed
        )
        score = run.best.score
    if score is None:
        raise RuntimeError(f"{task}: no program of seed {seed} has a score")
    return score


def sign_test(won: int, lost: int) -> float:
    """Return the chance that fair coins would be at least as uneven."""
    count = won + lost
    tail = sum(math.comb(count, more) for more in range(max(won, lost), count + 1))
    return min(2 * tail / 2**count, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", nargs="+", default=["math/circle_packing"])
    parser.add_argument("--evaluations", type=int, default=800)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first run seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=TOML", help="a setting for both sides")
    parser.add_argument("--against", action="append", metavar="KEY=TOML", help="a setting of the other side")
    given = parser.parse_args()
    sides = {
        "as they are": settings(given.set),
        "against": settings([*given.set, *(given.against or [TUNE])]),
    }
    seeds = range(given.first, given.first + given.seeds)
    jobs = [(task, given.evaluations, seed, side) for task in given.task for seed in seeds for side in sides.values()]
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        scores = pool.map(best, jobs, chunksize=1)

    signs = []
    for place, task in enumerate(given.task):
        own = scores[2 * given.seeds * place : 2 * given.seeds * (place + 1)]
        ours, theirs = own[0::2], own[1::2]
        print(f"{task}, {given.evaluations} evaluations")
        print("| settings |" + "".join(f" seed {seed} |" for seed in seeds) + " median |")
        print("|---|" + "---|" * (given.seeds + 1))
        for name, row in zip(sides, (ours, theirs), strict=True):
            print(f"| {name} |" + "".join(f" {one:.4g} |" for one in [*row, statistics.median(row)]))
        sign = load(task).score.sign
        differences = [sign * (a - b) for a, b in zip(ours, theirs, strict=True)]
        signs += [(one > EQUAL) - (one < -EQUAL) for one in differences]
        ahead = lead(sign, ours, theirs)
        print(f"difference, paired: {ahead.mean:+.4g} (95 % interval {ahead.low:+.4g} to {ahead.high:+.4g})")
    won, lost = signs.count(1), signs.count(-1)
    print(f"pairs: {won} won, {lost} lost, {signs.count(0)} equal; two-sided sign test p = {sign_test(won, lost):.3g}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
