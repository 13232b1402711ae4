from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import evolve
from evolve import references
from evolve.archive import Archive
from evolve.cli import main
from evolve.errors import ArchiveError
from evolve.jail import choose
from evolve.records import Evaluation, Task
from evolve.survey import Measured, Survey, precision
from evolve.task import load

CONFINEMENT = choose("auto")
TOML = """\
brief = "Say where a sample is centred."
[score]
direction = "minimize"
[limits]
seconds = 10
memory = "256 MiB"
[stages]
repeats = 4
[[baselines]]
name = "the first value (the seed)"
score = {seed}
source = "measured"
program = "initial.py"
[[baselines]]
name = "mean"
score = {mean}
source = "measured"
program = "references/mean.py"
[[baselines]]
name = "others"
score = 0.1
source = "theirs"
"""
INITIAL = "def centre(xs):\n    return 0.5 * xs[0]\n"
MEAN = '"""The mean."""\n\n\ndef centre(xs):\n    return sum(xs) / len(xs) + 0.03\n'
EVALUATE = """\
from random import Random

from evolve import Candidate, Invalid


def error(candidate, seed, samples):
    rng, total = Random(seed), 0.0
    for _ in range(samples):
        middle = rng.gauss(0, 5)
        guess = candidate.call("centre", [middle + rng.gauss(0, 1) for _ in range(9)])
        if not isinstance(guess, float):
            raise Invalid("centre must return a float")
        total += abs(guess - middle)
    return total / samples


def screen(candidate: Candidate) -> float:
    return error(candidate, 1001, 3)


def evaluate(candidate: Candidate, seed: int) -> float:
    return error(candidate, seed, 8)


def validate(candidate: Candidate) -> float:
    return error(candidate, 77_213, 8)
"""

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a task folder; what is given replaces what is there."""

    def made(seed: float = 2.1, mean: float = 0.26, **files: str) -> Path:
        root = tmp_path / "centre"
        texts = {"task.toml": TOML.format(seed=seed, mean=mean), "initial.py": INITIAL, "evaluate.py": EVALUATE}
        for name, text in (texts | {"references/mean.py": MEAN} | files).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return root

    return made


def surveyed(root: Path, seeds: int | None = None) -> Survey:
    task = load(root)
    return references.survey(task, references.programs(task), CONFINEMENT, seeds=seeds)


def check(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["check", *words], catch_exceptions=False)
    return done.exit_code, done.output


def test_a_survey_judges_all_programs_on_the_same_seeds_and_says_what_holds(make: Make) -> None:
    found = surveyed(make())
    assert [row.name for row in found.rows] == ["the first value (the seed)", "mean"]
    assert (found.seeds, found.deterministic) == ((0, 1, 2, 3), True)
    first, mean = found.rows
    lead = found.lead(mean, first)
    assert lead is not None
    assert lead.error is not None
    assert lead.mean > 2 * lead.error > 0
    assert first.screened is not None
    assert mean.hidden is not None
    assert first.again
    screen, evaluate = found.cost
    assert screen is not None
    assert evaluate is not None
    assert 0 < screen < 2
    assert not found.reproduced
    root = make(seed=round(found.score(first) or 0, 6), mean=round(found.score(mean) or 0, 4))
    again = surveyed(root)
    assert [again.agrees(row) for row in again.rows] == [True, True]
    assert again.reproduced
    fewer = surveyed(root, seeds=2)
    assert len(fewer.rows[0].scores) == 2
    assert fewer.reproduced


def test_the_command_prints_a_table_and_its_exit_code_says_whether_records_hold(make: Make) -> None:
    root = make(seed=0.001, mean=4.5)
    code, output = check(str(root), "--references", "--json")
    told = json.loads(output)
    assert code == 1
    assert told["reversed"] == [["the first value (the seed)", "mean"]]
    assert [row["agrees"] for row in told["programs"]] == [False, False]
    assert set(told) >= {"seeds", "deterministic", "cost", "programs", "findings"}
    root = make(*(row["score"] for row in told["programs"]))
    code, output = check(str(root), "--references")
    assert code == 0, output
    assert "is recorded as better" not in output
    assert "0.1  others (theirs)" in output
    code, output = check(str(root), "--references", "--program", str(root / "references" / "mean.py"), "--seeds", "2")
    assert code == 0, output
    assert output.count("mean") >= 2


def test_options_that_belong_to_it_are_refused_without_it(make: Make) -> None:
    for words in (["--tune", "3"], ["--lint", "--random", "3"]):
        code, output = check(str(make()), *words)
        assert (code, "go with --references" in output) == (2, True)
    for words in ([], ["--references"]):
        code, output = check(str(make()), *words, "--db", "evolve.db")
        assert (code, "no search to keep" in output) == (2, True)


def test_what_judging_chance_decides_is_judged_more_often(make: Make) -> None:
    text = (
        "import time\n\n\ndef evaluate(candidate):\n    candidate.call('centre', [1.0])\n    return time.time() % 1\n"
    )
    toml = TOML.format(seed=0.5, mean=0.5).replace("repeats = 4", "repeats = 1")
    found = surveyed(make(**{"evaluate.py": text, "task.toml": toml}))
    assert found.deterministic is False
    assert len(found.seeds) == references.NOISY
    assert all(found.agrees(row) is not None for row in found.rows)


def test_a_reference_that_fails_is_said_and_is_not_reproduced(make: Make) -> None:
    found = surveyed(make(**{"references/mean.py": "def centre(xs):\n    return None\n"}))
    failed = found.rows[1].failed
    assert failed is not None
    assert failed.status == "invalid"
    assert found.agrees(found.rows[1]) is False


def test_tuned_references_and_random_search_are_rows_of_their_own(make: Make, tmp_path: Path) -> None:
    (tmp_path / "evolve.toml").write_text("[models.nobody]\nmodel = 'openai/x@http://127.0.0.1:9/v1'\n")
    root = make(seed=2.0)
    (root / "evolve.toml").write_text("[models.nobody]\nmodel = 'openai/x@http://127.0.0.1:9/v1'\n")
    before = surveyed(root, seeds=2)
    found = references.further(before, CONFINEMENT, tune=12, random=6)
    names = [row.name for row in found.rows[len(before.rows) :]]
    assert names == ["the first value (the seed), tuned", "mean, tuned", "random search"]
    assert all(row.scores for row in found.rows)
    tuned = found.lead(found.rows[2], found.rows[0])
    assert tuned is not None
    assert found.rows[2].sources != found.rows[0].sources
    assert tuned.mean > 0


def test_what_has_no_constants_is_not_tuned(make: Make) -> None:
    task = load(make())
    assert references.tuned(task, Measured("none", {"initial.py": "def centre(xs):\n    return xs[i]\n"}), 5) is None


def measured(name: str, *scores: float, recorded: float | None = None) -> Measured:
    return Measured(name, {}, recorded, tuple(Evaluation("ok", score) for score in scores))


def example(task: Task, *rows: Measured, deterministic: bool = True) -> Survey:
    again = (Evaluation("ok", rows[0].scores[0] + (not deterministic)),)
    return Survey(task, tuple(range(len(rows[0].scores))), (replace(rows[0], again=again), *rows[1:]))


def test_orderings_count_as_reversed_only_beyond_two_standard_errors(task: Task) -> None:
    better = measured("a", 1.0, 2.0, 3.0, recorded=2.1)
    worse = measured("b", 1.5, 1.9, 3.5, recorded=2.0)
    assert example(task, better, worse, deterministic=False).reversals() == []
    sure = measured("b", 1.5, 2.5, 3.5, recorded=2.0)
    found = example(task, better, sure, deterministic=False)
    assert [(one.name, other.name) for one, other in found.reversals()] == [("a", "b")]


@pytest.mark.parametrize(
    ("recorded", "own", "agrees"),
    [(0.1234, 0.12344, True), (0.1234, 0.1236, False), (3.0, 3.04, True), (1e-7, 2e-7, False)],
)
def test_a_record_holds_in_the_digits_that_are_written(task: Task, recorded: float, own: float, agrees: bool) -> None:
    found = example(task, measured("a", own, recorded=recorded))
    assert found.agrees(found.seed) is agrees
    assert precision(recorded) < abs(recorded)


def test_an_interrupt_leaves_nothing_behind(make: Make, tmp_path: Path) -> None:
    slow = EVALUATE.replace(
        "    return error(candidate, seed, 8)", "    import time\n    time.sleep(8)\n    return 1.0"
    )
    root, scratch = make(**{"evaluate.py": slow}), tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "evolve", "check", str(root), "--references"]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    end = time.monotonic() + 60
    while not judges(child.pid) and time.monotonic() < end:
        time.sleep(0.1)
    started = judges(child.pid)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert started
    assert child.returncode != 0
    assert not any(Path(f"/proc/{pid}/cmdline").exists() for pid in started)
    assert [
        path.name for path in scratch.iterdir() if path.is_dir() and "evolve-" in path.name and not holds_locks(path)
    ] == []


def judges(pid: int) -> list[int]:
    """Return the children of a process."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def holds_locks(folder: Path) -> bool:
    """Whether a folder is that of the machine's locks, which stays."""
    return any(path.suffix == ".lock" for path in folder.iterdir())


PARTS = """

def validate(candidate: Candidate) -> Result:
    parts = {f"part {place}": error(candidate, 77_213 + place, 8) for place in range(5)}
    return Result(sum(parts.values()) / 5, {**parts, "samples": 40.0})
"""


def test_a_program_of_yours_is_compared_with_all_others_on_seeds_and_on_hidden_parts(
    make: Make, tmp_path: Path
) -> None:
    judge = EVALUATE.replace("import Candidate, Invalid", "import Candidate, Invalid, Result").split(
        "\n\ndef validate"
    )[0]
    root = make(seed=2.1, mean=0.26, **{"evaluate.py": judge + PARTS})
    mine = tmp_path / "mine.py"
    mine.write_text("def centre(xs):\n    return sum(xs) / len(xs)\n")
    words = [str(root), "--references", "--program", str(mine), "--tune", "4", "--json"]
    told = json.loads(CliRunner().invoke(main, ["check", *words]).stdout)
    assert [row["name"] for row in told["programs"]][2:] == [
        str(mine),
        "the first value (the seed), tuned",
        "mean, tuned",
    ]
    first, *others = told["comparisons"]
    assert [one["against"] for one in (first, *others)][:2] == ["the first value (the seed)", "mean"]
    assert {one["program"] for one in (first, *others)} == {str(mine)}
    for name, n in (("seeds", 4), ("hidden", 5)):
        by = first[name]
        assert by["n"] == n
        assert 0 < by["low"] < by["mean"] < by["high"], "less is better here, and it is"
    _, output = check(str(root), "--references", "--program", str(mine))
    assert "beats       the first value (the seed) by +" in output
    assert "on 4 seeds; by +" in output
    assert "on 5 hidden parts" in output
    done = CliRunner().invoke(main, ["check", str(root), "--references", "--json"])
    assert json.loads(done.stdout)["comparisons"] == []


@pytest.mark.parametrize("option", ["--references", "--lint"])
def test_a_program_of_yours_that_fails_is_told_by_the_exit_code(make: Make, tmp_path: Path, option: str) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("def centre(xs):\n    return None\n")
    code, output = check(str(make()), option, "--program", str(mine), "--seeds", "2")
    assert code == 1
    assert f"{mine} ends as invalid: centre must return a float" in output
    assert "a run starts from the seed program" not in output


def test_searches_are_confined_as_asked(make: Make, tmp_path: Path) -> None:
    db = tmp_path / "kept.db"
    _, output = check(
        *(str(make()), "--references", "--random", "2", "--tune", "2", "--isolation", "none", "--db", str(db))
    )
    assert "random search" in output
    with closing(sqlite3.connect(db)) as connection:
        assert set(connection.execute("SELECT isolation FROM evaluations")) == {("none",)}


def test_random_search_follows_no_score(make: Make, tmp_path: Path) -> None:
    db = tmp_path / "kept.db"
    references.random_search(load(make()), 12, db)
    with closing(sqlite3.connect(db)) as connection:
        counts = connection.execute("SELECT purpose, count(*) FROM evaluations WHERE attempt > 0 GROUP BY 1")
        assert counts.fetchall() == [("child", 12)]


def test_searches_are_kept_and_go_on_where_they_ended(make: Make, tmp_path: Path) -> None:
    root, db = str(make()), tmp_path / "kept.db"

    def searched(tune: int) -> dict[str, float]:
        words = [root, "--references", "--json", "--db", str(db), "--tune", str(tune), "--random", "3"]
        told = json.loads(CliRunner().invoke(main, ["check", *words], catch_exceptions=False).stdout)
        return {row["name"]: row["score"] for row in told["programs"]}

    def runs() -> dict[str, tuple[int, int]]:
        """Return each run's evaluations and sittings."""
        with closing(sqlite3.connect(db)) as connection:
            rows = connection.execute(
                "SELECT name, (SELECT count(*) FROM sittings WHERE run = name) FROM runs"
            ).fetchall()
        with Archive(db, create=False) as archive:
            return {name: (archive.run(name).evaluations, sittings) for name, sittings in rows}

    first = searched(2)
    assert sorted(name.rsplit("-", 1)[0] for name in runs()) == ["random-centre", "tuned-centre", "tuned-centre"]
    more = searched(5)
    assert {name: row for name, row in runs().items() if name.startswith("tuned")} == dict.fromkeys(
        (name for name in runs() if name.startswith("tuned")), (5, 2)
    )
    assert [row for name, row in runs().items() if name.startswith("random")] == [(3, 1)]
    before = runs()
    assert searched(5) == more
    assert runs() == before
    assert searched(2) == first, "of a longer search the beginning counts"
    assert runs() == before
    with Archive(db) as archive:
        assert archive.arm_history(load(Path(root)).digest) == [], "runs of the task do not learn from them"
    with pytest.raises(ArchiveError, match="if evolve check --db, give that command again"):
        evolve.resume(next(iter(before)), evaluations=9, db=db)
