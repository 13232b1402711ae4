from __future__ import annotations

from pathlib import Path

import pytest

from evolve.foreign import harness
from evolve.jail.levels import missing
from evolve.records import Level
from evolve.task import load
from tests.foreign.folders import EVALUATOR, PROGRAM, judged, openevolve

RESULT = "from openevolve.evaluation_result import EvaluationResult\n"

STAGES = (
    RESULT
    + """
def evaluate_stage1(path):
    return EvaluationResult(metrics={"combined_score": FIRST, "quick": True, "error": 0.0}, artifacts={"first": "seen"})

def evaluate_stage2(path):
    return {"combined_score": 0.8, "slow": 2, "words": "kept"}

def evaluate_stage3(path):
    return EvaluationResult({"combined_score": 7.5}, {"picture": b"\\x00\\x01"})

def evaluate(path):
    return {"combined_score": -1}
"""
)


def test_a_score_and_metrics(tmp_path: Path) -> None:
    task = load(openevolve(tmp_path))
    assert (task.foreign, task.entry, task.language) == ("openevolve", "initial_program.py", "python")
    seen = judged(task)
    assert (seen.status, seen.score, dict(seen.metrics)) == ("ok", 3.0, {"length": 4.0}), seen
    better = judged(task, PROGRAM.replace("0.5", "0.75"))
    assert better.score == 4.5


@pytest.mark.parametrize(
    ("first", "config", "score", "metrics"),
    [
        ("0.4", "", 0.4, {"quick": 1.0, "error": 0.0}),
        ("0.5", "", 7.5, {"quick": 1.0, "slow": 2.0}),
        ("0.5", "evaluator: {cascade_thresholds: [0.5]}", 0.8, {"quick": 1.0, "slow": 2.0}),
        ("0.5", "evaluator: {cascade_thresholds: [0.5, 0.9]}", 0.8, {"quick": 1.0, "slow": 2.0}),
        ("0.4", "evaluator: {cascade_evaluation: false}", -1.0, {}),
    ],
)
def test_stages(tmp_path: Path, first: str, config: str, score: float, metrics: dict[str, float]) -> None:
    folder = openevolve(tmp_path, **{"evaluator.py": STAGES.replace("FIRST", first), "config.yaml": config})
    seen = judged(folder)
    assert (seen.status, seen.score, dict(seen.metrics)) == ("ok", score, metrics), seen
    if score == 7.5:
        assert {artifact.name: artifact.data for artifact in seen.artifacts} == {
            "first": b"seen",
            "picture": b"\x00\x01",
        }
        assert seen.feedback == "first: seen"


def test_without_a_combined_score_the_mean_counts(tmp_path: Path) -> None:
    body = (
        'def evaluate(path):\n    return {"a": 1, "b": 2.0, "size": 90, "flag": True, "bad": float("nan"), "t": "x"}\n'
    )
    config = "database: {feature_dimensions: [size]}\n"
    seen = judged(openevolve(tmp_path, **{"evaluator.py": body, "config.yaml": config}))
    assert (seen.status, seen.score) == ("ok", 1.5), seen
    assert dict(seen.metrics) == {"a": 1.0, "b": 2.0, "size": 90.0, "flag": 1.0}
    assert seen.feedback == "t: x"


@pytest.mark.parametrize("level", ["namespaces", "landlock"])
def test_an_evaluator_finds_what_it_is_used_to(tmp_path: Path, level: Level) -> None:
    if missing(level):
        pytest.skip(missing(level))
    body = """
import os, subprocess, sys, tempfile
import numpy
from initial_program import guess as seed
from beside.table import rows

def run(words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

def evaluate(path):
    here = os.path.dirname(os.path.abspath(__file__))
    assert os.path.samefile(here, os.getcwd())
    with open("scribble.txt", "w") as file:
        file.write(open(os.path.join(here, "data", "numbers.csv")).read())
    code = "import numpy, openevolve.evaluation_result as r; print(len(r.EvaluationResult({'a': 1}).to_dict()))"
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(code)
        script.flush()
        counts = [int(run([program, script.name])) for program in (sys.executable, "python")]
    space = {}
    exec(open(path).read(), space)
    return {"combined_score": sum(counts) + len(open("scribble.txt").read()) + len(seed(2)) + len(space["guess"](5)) + rows}
"""
    files = {
        "evaluator.py": body,
        "data/numbers.csv": "1,2\n",
        "beside/__init__.py": "",
        "beside/table.py": "rows = 100\n",
    }
    seen = judged(openevolve(tmp_path, **files), PROGRAM.replace("0.5", "2"), level)
    assert (seen.status, seen.score) == ("ok", 2 + 4 + 2 + 5 + 100), seen


def test_processes_that_are_spawned_do_not_look_for_the_runner(tmp_path: Path) -> None:
    body = """
import multiprocessing

def evaluate(path):
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=theirs.send, args=(5,))
    process.start()
    process.join()
    return {"combined_score": ours.recv()}
"""
    seen = judged(openevolve(tmp_path, **{"evaluator.py": body, "config.yaml": "evaluator: {timeout: 20}"}))
    assert (seen.status, seen.score) == ("ok", 5.0), seen


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ("def evaluate(path):\n    return 1 / 0\n", "crash", "ZeroDivisionError"),
        ("import sys\ndef evaluate(path):\n    sys.exit(3)\n", "crash", "SystemExit: 3"),
        ("def evaluate(path):\n    return [1]\n", "crash", "want a dict of metrics or an EvaluationResult"),
        ("def evaluate(path):\n    raise MemoryError\n", "memory", "MemoryError"),
        ("def evaluate(path):\n    return {'combined_score': float('inf')}\n", "invalid", "inf"),
        ("import time\ndef evaluate(path):\n    time.sleep(60)\n", "timeout", "longer than 1 s"),
        ("import os\ndef evaluate(path):\n    os._exit(0)\n", "crash", "exited with code 0"),
    ],
)
def test_what_goes_wrong_is_no_score(tmp_path: Path, body: str, status: str, says: str) -> None:
    seen = judged(openevolve(tmp_path, **{"evaluator.py": body, "config.yaml": "evaluator: {timeout: 1}"}))
    assert (seen.status, seen.score) == (status, None)
    assert says in seen.error
    assert str(tmp_path) not in seen.error


def test_a_program_in_another_language(tmp_path: Path) -> None:
    body = 'def evaluate(path):\n    assert path.endswith(".html")\n    return {"combined_score": len(open(path).read())}\n'
    files = {"evaluator.py": body, "initial_program.py": "", "initial_program.html": "<p>hi"}
    task = load(openevolve(tmp_path, **files))
    assert (task.entry, task.language) == ("initial_program.html", "html")
    assert judged(task).score == 5.0


def test_results_are_of_the_seed(tmp_path: Path) -> None:
    body = "import random\ndef evaluate(path):\n    return {'combined_score': random.random()}\n"
    task = load(openevolve(tmp_path, **{"evaluator.py": body}))
    assert judged(task).score == judged(task).score


def test_the_score_of_an_evaluator_that_cannot_be_imported(tmp_path: Path) -> None:
    seen = judged(openevolve(tmp_path, **{"evaluator.py": EVALUATOR + "\nraise RuntimeError('not today')\n"}))
    assert (seen.status, seen.score) == ("crash", None)
    assert "not today" in seen.error


@pytest.mark.parametrize(
    ("lie", "status"),
    [
        ('"fitness"] = lambda *a: 10**400', "invalid"),
        ('"fitness"] = lambda *a: float("nan")', "invalid"),
        ('"fitness"] = lambda *a: "high"', "invalid"),
        ('"number_of"] = lambda *a: 10**400', "ok"),
        ('"text"] = lambda *a: 5', "ok"),
        ('"capped"] = lambda *a: {str(i): b"x" * 10000 for i in range(1000)}', "ok"),
        ('"capped"] = lambda *a: []', "protocol"),
        ('"fitness"] = lambda *a: object()', "protocol"),
    ],
)
def test_a_verdict_that_was_tampered_with_is_never_the_judges_error(tmp_path: Path, lie: str, status: str) -> None:
    body = f"import sys\ndef evaluate(path):\n    sys._getframe(1).f_globals[{lie}\n    return {{'a': 1.0, 'b': 'c'}}\n"
    seen = judged(openevolve(tmp_path, **{"evaluator.py": body}))
    assert seen.status == status, seen
    assert len(seen.artifacts) <= 256
    assert "a" not in seen.metrics or seen.metrics["a"] == 1.0


def test_a_number_outlives_what_a_later_stage_calls_by_its_name() -> None:
    assert harness.merged({"a": 1, "b": 2.5}) | harness.merged({"a": "x", "b": True, "error": 3}) == {
        "a": 1.0,
        "b": 1.0,
    }
