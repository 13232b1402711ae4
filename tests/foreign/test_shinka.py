from __future__ import annotations

from pathlib import Path

import pytest

from evolve.foreign import harness
from evolve.task import load
from tests.foreign.folders import PROGRAM, judged, shinka

SCRIPT = """\
import json, os, sys

results = sys.argv[sys.argv.index("--results_dir") + 1]
program = sys.argv[sys.argv.index("--program_path") + 1]
if __name__ == "__main__":
    for name, value in (("metrics", {"combined_score": len(open(program).read())}), ("correct", {"correct": True})):
        with open(os.path.join(results, name + ".json"), "w") as file:
            json.dump(value, file)
    sys.exit(0)
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_runs(tmp_path: Path, workers: str) -> None:
    task = load(shinka(tmp_path, workers))
    assert (task.foreign, task.entry) == ("shinka", "initial.py")
    seen = judged(task)
    assert (seen.status, seen.score) == ("ok", 1.5), seen
    assert (seen.metrics["runs"], seen.metrics["num_valid_runs"]) == (3.0, 3.0)
    assert "secret" not in seen.metrics
    assert seen.feedback == "steeper is better\nshape: flat", "and not what is private"
    assert {"metrics.json", "correct.json"} <= {artifact.name for artifact in seen.artifacts}


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("program", "says"),
    [
        (PROGRAM.replace("0.5 * i", "9"), "9 is not below 9"),
        (PROGRAM.replace("0.5 * i", "1 / i"), "division by zero"),
        ("other = 1\n", "no function 'guess'"),
    ],
)
def test_what_is_not_correct_is_invalid(tmp_path: Path, workers: str, program: str, says: str) -> None:
    seen = judged(shinka(tmp_path, workers), program)
    assert (seen.status, seen.score) == ("invalid", None)
    assert says in seen.error


def test_a_script(tmp_path: Path) -> None:
    seen = judged(shinka(tmp_path, **{"evaluate.py": SCRIPT}))
    assert (seen.status, seen.score) == ("ok", float(len(PROGRAM))), seen


def test_an_evaluator_that_writes_nothing(tmp_path: Path) -> None:
    seen = judged(shinka(tmp_path, **{"evaluate.py": "def main(program_path, results_dir):\n    pass\n"}))
    assert (seen.status, seen.score) == ("crash", None)
    assert "without writing metrics.json" in seen.error


def test_what_the_folder_says(tmp_path: Path) -> None:
    yaml = "evo_config:\n  task_sys_msg: Guess steeply.\n  init_program_path: first.py\n  num_generations: 5\n"
    files = {"initial.py": "", "first.py": PROGRAM, "shinka.yaml": yaml + "job_config: {time: '00:02:30'}\n"}
    task = load(shinka(tmp_path, **files))
    assert (task.brief, task.entry, task.limits.seconds) == ("Guess steeply.", "first.py", 150.0)


def test_a_description_in_the_script_that_starts_a_search(tmp_path: Path) -> None:
    script = 'search_task_sys_msg = """Guess.\nSteeply."""\nraise SystemExit("never run")\n'
    assert load(shinka(tmp_path, **{"run_evo.py": script})).brief == "Guess.\nSteeply."


@pytest.mark.parametrize(
    ("signature", "called"),
    [
        ("program_path, results_dir", True),
        ("program_path='a', results_dir='b', tolerance=1", True),
        ("*, results_dir, program_path, tolerance=1", True),
        ("program_path, results_dir, tolerance", False),
        ("", False),
    ],
)
def test_when_main_is_called(tmp_path: Path, signature: str, called: bool) -> None:
    path = tmp_path / "evaluate.py"
    path.write_text(f"def main({signature}):\n    pass\n")
    assert harness.has_main(str(path)) is called
