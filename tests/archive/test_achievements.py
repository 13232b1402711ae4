"""What arms achieved, as the archive counts it: against the view that people query, and against what was told."""

from itertools import pairwise
from pathlib import Path

import pytest

from evolve.archive import Archive
from evolve.archive.achievements import Achieved, ArmPoint
from evolve.records import Direction, Evaluation, Proposal
from evolve.testing import archive_of
from tests import archives

VIEW = """
SELECT arm, operator, attempts, told, stopped, scored, improved, best, mean_gain FROM arm_stats WHERE run = ?
ORDER BY attempts DESC, arm, operator
"""


def counted(row: Achieved) -> tuple[object, ...]:
    return row.arm, row.operator, row.attempts, row.told, row.stopped, row.scored, row.improved, row.best


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_each_arm_is_counted(tmp_path: Path, direction: Direction) -> None:
    with Archive(tmp_path / "evolve.db") as archive:
        run = archives.begin(archive, direction=direction)
        told = [("builtin/tune", 2.0), ("builtin/mutate", 0.5), ("builtin/mutate", None), ("builtin/mutate", 3.0)]
        for number, (arm, score) in enumerate(told, 1):
            drafted = archives.drafted(number, archives.seed(), f"x = {number}\n", arm=arm)
            seen = Evaluation("crash") if score is None else Evaluation("ok", score)
            archives.tell(archive, run, archives.judge(drafted, seen))
        archive.asked(run, Proposal(5, archives.seed(), (), 0, "builtin/tune", "tune", 5, 4))
        rows, points = archive.achieved(run, points=2)
    up = direction == "maximize"
    assert [counted(row) for row in rows] == [
        ("builtin/mutate", "mutate", 3, 3, 0, 2, 1, 3.0 if up else 0.5),
        ("builtin/tune", "tune", 2, 1, 0, 1, 1 if up else 0, 2.0),
    ]
    assert [(point.arm, point.told, point.pulls, point.evaluations) for point in points] == [
        ("builtin/mutate", 2, 1, 1),
        ("builtin/mutate", 4, 3, 3),
        ("builtin/tune", 2, 1, 1),
    ]


def test_views_and_sums_agree_on_a_whole_run(tmp_path: Path) -> None:
    """Two runs, so that neither counts what is the other's."""
    run = archive_of(tmp_path / "evolve.db", programs=400, seed=1)
    archive_of(tmp_path / "evolve.db", programs=60, seed=2, name="other")
    with Archive(tmp_path / "evolve.db") as archive:
        rows, points = archive.achieved(run)
        view = archive._all(VIEW, (run,))
        counts = {spent.arm: spent.counted for spent in archive.spend(run)}
        paid = {spent.arm: (spent.dollars or 0.0) + (spent.uncertain_dollars or 0.0) for spent in archive.spend(run)}
    assert [counted(row) for row in rows] == [tuple(row[:-1]) for row in view]
    assert [row.mean_gain for row in rows] == pytest.approx([row[-1] for row in view])
    last: dict[str, ArmPoint] = {point.arm: point for point in points}
    for arm, point in last.items():
        ours = [row for row in rows if row.arm == arm]
        assert point.pulls == sum(row.told for row in ours)
        assert point.gain == pytest.approx(sum(row.gain for row in ours))
        assert point.evaluations == counts[arm]
        assert point.dollars == pytest.approx(paid[arm])
    assert any(point.dollars for point in points)
    assert any(row.stopped for row in rows)
    assert any(row.improved for row in rows)
    assert len(points) <= 60 * len(last)
    assert all(before.told < after.told for before, after in pairwise(points) if before.arm == after.arm)


def test_a_run_without_attempts_has_no_achievements(tmp_path: Path) -> None:
    with Archive(tmp_path / "evolve.db") as archive:
        assert archive.achieved(archives.begin(archive)) == ([], [])
