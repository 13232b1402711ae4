"""Plays a search algorithm against the tables of NAS-Bench-Graph, one question at a time, and scores what it returns by the
test accuracy.

The tables stay here. A search sees a part of a table under other names: which seven of the nine operations it has, in which
order they are numbered, and the unit and zero of the values are drawn for each search, from the seed and from the table's own
bytes, which no candidate has.
"""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from evolve import Candidate, Invalid, Result
from evolve.kit import picture

TABLES = ("citeseer", "pubmed", "cs", "arxiv")
HELD_OUT = ("physics", "computers", "photo")
OPERATIONS = 7
"""Of the nine, so that the best architecture is another one from search to search."""
BUDGET = 50
SECONDS = 5.0
"""For one search, by the judge's clock: a hundred times what simple ones take."""
FRONT = 10
"""Architectures that a search for a front may return."""
SCREEN = 40
VALIDATE = 150
Point = tuple[tuple[int, ...], tuple[int, ...]]
"""An architecture: the input of each node (0 is the data, k the k-th node), and the number of its operation."""


@dataclass(frozen=True)
class Table:
    """What was measured on one data set, an entry per architecture. Latencies are in seconds."""

    digest: bytes
    row: dict[int, int]
    used: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    latency: np.ndarray


@cache
def table(name: str) -> Table:
    """Load the table of a data set."""
    from nas_bench_graph import gnn_list, light_read

    spec = find_spec("nas_bench_graph")
    data = (Path(spec.origin).parent / "light" / f"{name}.bench").read_bytes()
    found = light_read(name)
    rows = found.values()
    digits = np.array([[key // 10**place % 10 for place in range(4)] for key in found])
    used = (digits[:, :, None] == np.arange(len(gnn_list))).any(axis=1)
    valid, test, latency = (np.array([row[key] for row in rows], float) for key in ("valid_perf", "perf", "latency"))
    return Table(hashlib.sha256(data).digest(), {key: i for i, key in enumerate(found)}, used, valid, test, latency)


class Search:
    """One search: a part of a table under names of its own, and what was asked of it."""

    def __init__(self, name: str, seed: int) -> None:
        from nas_bench_graph import link_list

        self.table = table(name)
        rng = random.Random(self.table.digest + f"{seed}".encode())
        self.kept = rng.sample(range(self.table.used.shape[1]), OPERATIONS)
        self.scale, self.zero, self.slow = 2.0 ** rng.uniform(-1, 1), rng.uniform(-1, 1), 2.0 ** rng.uniform(-4, 4)
        self.seed = rng.randrange(1 << 62)
        self.links = [tuple(links) for links in link_list]
        self.asked: dict[Point, int] = {}
        self.questions: list[int] = []
        left = np.delete(np.arange(self.table.used.shape[1]), self.kept)
        self.part = np.flatnonzero(~self.table.used[:, left].any(axis=1))
        self.valid, self.test = self.regrets(self.table.valid), self.regrets(self.table.test)

    def regrets(self, values: np.ndarray) -> np.ndarray:
        """Return how far each architecture is from the best of this part: that has 0, the median 1."""
        best, median = values[self.part].max(), np.median(values[self.part])
        return (best - values) / (best - median)

    def space(self) -> dict[str, Any]:
        """Return what the candidate is told."""
        return {"links": [list(links) for links in self.links], "operations": OPERATIONS}

    def read(self, links: Any, operations: Any) -> Point:
        """Return an architecture of the candidate's, checked."""
        for name, part in (("links", links), ("operations", operations)):
            if not isinstance(part, (list, tuple)) or any(type(number) is not int for number in part):
                raise Invalid(f"{name} must be a list of plain integers, not {part!r:.80}")
        if tuple(links) not in self.links:
            raise Invalid(f"the links {links!r:.80} are not among space['links']")
        if len(operations) != len(links) or not all(0 <= number < OPERATIONS for number in operations):
            raise Invalid(
                f"operations must be {len(links)} integers from 0 to {OPERATIONS - 1}, not {operations!r:.80}"
            )
        return tuple(links), tuple(operations)

    def ask(self, links: Any, operations: Any) -> tuple[float, float]:
        """Answer a question: accuracy and latency, in this search's units."""
        point = self.read(links, operations)
        if len(self.questions) == BUDGET:
            raise Invalid(f"search asked more than its budget of {BUDGET} queries; asking again counts as well")
        row = self.asked[point] = self.lookup(point)
        self.questions.append(row)
        return self.zero + self.scale * float(self.table.valid[row]), self.slow * float(self.table.latency[row])

    def lookup(self, point: Point) -> int:
        """Return an architecture's row. The only one that has none, with nothing but skips, is as good as the worst."""
        from nas_bench_graph import Arch, gnn_list

        links, operations = point
        key = Arch(list(links), [gnn_list[self.kept[number]] for number in operations]).valid_hash()
        worst = self.part[self.table.valid[self.part].argmin()]
        return self.table.row.get(key, int(worst))

    def result(self, value: Any) -> int:
        """Return the row of an architecture that the search returned."""
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise Invalid("search must return one architecture as (links, operations)")
        point = self.read(*value)
        if point not in self.asked:
            raise Invalid(f"search returned {point}, about which it never asked: return the best of those that it did")
        return self.asked[point]


def play(candidate: Candidate, search: Search) -> Any:
    """Lead one search to its end and return what it returned."""
    pareto = candidate.settings["objective"] == "pareto"
    deadline = time.monotonic() + SECONDS
    reply = candidate.call("harness:begin", search.space(), BUDGET, search.seed, timeout=SECONDS)
    while True:
        match reply:
            case (str("query"), links, operations):
                value, latency = search.ask(links, operations)
                left = max(0.0, deadline - time.monotonic())
                reply = candidate.call("harness:tell", (value, latency) if pareto else value, timeout=left)
            case (str("result"), value):
                return value
            case _:
                raise Invalid("the harness must ask a query or return a result")


def judge(candidate: Candidate, name: str, seed: int) -> Result:
    """Run one search on one data set and score it."""
    search = Search(name, seed)
    value = play(candidate, search)
    if candidate.settings["objective"] == "pareto":
        return judge_front(search, value)
    row = search.result(value)
    seen = search.valid[search.questions].tolist()
    metrics = {"validation": float(search.valid[row])}
    return Result(float(search.test[row]), metrics, progress(seen), {"search.svg": draw(seen)})


def judge_front(search: Search, value: Any) -> Result:
    """Score a set of architectures by the area that it dominates, as a share of what the whole part dominates."""
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= FRONT:
        raise Invalid(f"search must return a list of 1 to {FRONT} architectures, each (links, operations)")
    rows = np.array([search.result(one) for one in value])
    latency = np.log(search.table.latency)
    low, high = latency[search.part].min(), latency[search.part].max()
    cost = (latency - low) / (high - low)
    share = dominated(search.test[rows], cost[rows]) / dominated(search.test[search.part], cost[search.part])
    good = cost[rows][search.test[rows] < 1]
    metrics = {
        "regret": float(search.test[rows].min()),
        "latency": float(good.min()) if good.size else 1.0,
        "validation": float(search.valid[rows].min()),
    }
    seen = search.valid[search.questions].tolist()
    feedback = f"{len(rows)} architectures returned, {good.size} of them better than the median; {progress(seen)}"
    return Result(share, metrics, feedback, {"search.svg": draw(seen)})


def dominated(loss: np.ndarray, cost: np.ndarray) -> float:
    """Return the area between the points and (1, 1): the hypervolume of two objectives that are to be small."""
    area, edge = 0.0, 1.0
    for x, y in sorted(zip(cost.tolist(), loss.tolist(), strict=True)):
        if x < 1.0 and y < edge:
            area += (1.0 - x) * (edge - y)
            edge = y
    return area


def progress(seen: Sequence[float]) -> str:
    """Say how a search went: the best validation regret after a quarter, a half and all of its questions."""
    if not seen:
        return "it asked nothing"
    marks = [max(1, math.ceil(BUDGET * share)) for share in (0.1, 0.25, 0.5, 1.0)]
    best = ", ".join(f"{min(seen[:mark]):.3f} after {min(mark, len(seen))}" for mark in marks)
    last = min(range(len(seen)), key=seen.__getitem__) + 1
    return f"validation regret (0 best, 1 median) of the best so far: {best} of {BUDGET} queries; last gain at query {last}"


def draw(seen: Sequence[float]) -> str:
    """Return each question's regret, those beyond 2 left out, and the best so far."""
    asked = [(float(i), regret) for i, regret in enumerate(seen, 1) if regret <= 2.0]
    best = [(float(i), min(seen[:i])) for i in range(1, len(seen) + 1)]
    return picture.lines({"asked": asked, "best so far": best}, title="one search", x="query", y="validation regret")


def screen(candidate: Candidate) -> float:
    """Return a few searches' mean score; the validation accuracy stands for the test's, which is that of the noisier half."""
    pareto = candidate.settings["objective"] == "pareto"
    found = [judge(candidate, TABLES[number % len(TABLES)], -1 - number) for number in range(SCREEN)]
    return fmean(one.score if pareto else one.metrics["validation"] for one in found)


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Judge one search: each seed is one data set, one part of its table, and one process, which knows no other search."""
    return judge(candidate, TABLES[seed % len(TABLES)], seed)


def validate(candidate: Candidate) -> Result:
    """Return the mean score on the tables that no score was ever made of."""
    found = [judge(candidate, HELD_OUT[number % len(HELD_OUT)], number) for number in range(VALIDATE)]
    return Result(
        fmean(one.score for one in found),
        {name: fmean(one.metrics[name] for one in found) for name in found[0].metrics},
    )
