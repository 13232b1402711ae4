"""The Pareto front: by comparing pairs, and by the archive's own view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.archive import Archive
from evolve.records import Direction, Evaluation, Metric
from evolve.view.front import front, stairs
from tests import archives

WAYS: dict[str, Direction] = {"score": "maximize", "size": "minimize", "speed": "maximize", "heat": "minimize"}
few = st.one_of(st.none(), st.integers(0, 4).map(float), st.just(float("inf")))
rows = st.lists(st.fixed_dictionaries(dict.fromkeys(WAYS, few)), max_size=30).map(
    lambda found: [{name: value for name, value in row.items() if value is not None} for row in found]
)


def by_pairs(numbers: Sequence[Mapping[str, float]], wanted: Mapping[str, Direction]) -> list[int]:
    """Return the front as its definition says it."""

    def better(one: Mapping[str, float], other: Mapping[str, float], name: str) -> bool:
        if name not in one or name not in other:
            return name in one and name not in other
        return one[name] < other[name] if wanted[name] == "minimize" else one[name] > other[name]

    def beats(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
        return any(better(one, other, name) for name in wanted) and not any(better(other, one, name) for name in wanted)

    return [place for place, row in enumerate(numbers) if not any(beats(other, row) for other in numbers)]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@given(numbers=rows)
def test_is_what_nothing_beats(numbers: list[dict[str, float]], count: int) -> None:
    wanted = dict(list(WAYS.items())[:count])
    assert front(numbers, wanted) == by_pairs(numbers, wanted)


def test_not_a_number_is_none() -> None:
    wanted = {"score": "maximize", "size": "minimize"}
    numbers = [{"score": 1.0, "size": float("nan")}, {"score": 1.0, "size": 9.0}, {"score": 2.0, "size": float("nan")}]
    assert front(numbers, wanted) == [1, 2]
    assert front([], wanted) == []
    assert front(numbers, {}) == []


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_agrees_with_the_view(tmp_path: Path, direction: Direction) -> None:
    metrics = (Metric("size", "minimize"), Metric("speed", "maximize"), Metric("note"))
    rng = Random(direction)
    with Archive(tmp_path / "evolve.db") as archive:
        run = archive.create_run("r", archives.task(direction=direction, metrics=metrics), 1, {}).name
        for number in range(120):
            values = {"size": float(rng.randint(0, 9)), "speed": float(rng.randint(0, 9)), "note": rng.random()}
            for name in [name for name in values if rng.random() < 0.1]:
                del values[name]
            score = float(rng.randint(0, 9))
            program = replace(archives.seed(score), digest=archives.digest(number), number=-number, metrics=values)
            archive.seeded(run, program, Evaluation("ok", score, values), 1)
        scored = archive.scored(run)
        on = front([{**found, "score": score} for _, _, score, found in scored], archive.objectives(run))
        assert 3 < len(on) < 100
        assert {scored[place][0] for place in on} == {id for (id,) in archive._all("SELECT id FROM pareto")}


def test_many_rows() -> None:
    rng = Random(0)
    numbers = [{name: rng.random() for name in WAYS} for _ in range(20_000)]
    for count in (2, 4):
        wanted = dict(list(WAYS.items())[:count])
        on = front(numbers, wanted)
        assert by_pairs([numbers[place] for place in on], wanted) == list(range(len(on)))  # none of them beats another
        assert front([numbers[place] for place in [*on, *range(100)]], wanted)[: len(on)] == list(range(len(on)))


@pytest.mark.parametrize(("x", "y", "steps"), [
    ("maximize", "maximize", [(1, 3), (1, 2), (2, 2), (2, 1), (3, 1)]),
    ("minimize", "minimize", [(1, 3), (2, 3), (2, 2), (3, 2), (3, 1)]),
])  # fmt: skip
def test_stairs_down(x: Direction, y: Direction, steps: list[tuple[float, float]]) -> None:
    assert stairs([(2, 2), (3, 1), (1, 3), (2, 2)], x, y) == steps


@pytest.mark.parametrize(("x", "y", "steps"), [
    ("minimize", "maximize", [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]),
    ("maximize", "minimize", [(1, 1), (1, 2), (2, 2), (2, 3), (3, 3)]),
])  # fmt: skip
def test_stairs_up(x: Direction, y: Direction, steps: list[tuple[float, float]]) -> None:
    assert stairs([(3, 3), (1, 1), (2, 2)], x, y) == steps
    assert stairs([], x, y) == []
