from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from evolve.cli import main
from evolve.errors import TaskError
from evolve.foreign import detect, harness
from evolve.task import load
from tests.foreign.folders import EVALUATOR, PROGRAM, judged, openevolve, shinka, written

OURS = "def evaluate(candidate):\n    return len(candidate.call('guess', 2))\n"
CONFIG = """\
max_iterations: 9
prompt:
  system_message: Guess well.
  num_top_programs: 3
llm: {api_key: "sk-hidden"}
evaluator: {timeout: 20}
"""


def test_a_task_of_ours_stays_ours(tmp_path: Path) -> None:
    files = {"evaluate.py": OURS, "task.toml": 'brief = "b"\n', "initial.py": PROGRAM, "initial_program.py": ""}
    assert load(openevolve(tmp_path, **files)).foreign == ""
    assert detect(shinka(tmp_path / "other")) == "shinka"


def test_what_a_task_toml_says_wins(tmp_path: Path) -> None:
    toml = 'brief = "mine"\nentry = "start.py"\npackages = []\n[limits]\nseconds = 30\n[score]\nbounds = [0, 10]\n'
    files = {"task.toml": toml, "config.yaml": CONFIG, "start.py": PROGRAM, "initial_program.py": ""}
    task = load(openevolve(tmp_path, **files))
    assert (task.brief, task.entry, task.limits.seconds, task.limits.call_seconds) == ("mine", "start.py", 30.0, 20.0)
    assert task.score.bounds == (0.0, 10.0)
    assert task.limits.processes == 256, "what it does not say stays"


def test_what_is_shipped(tmp_path: Path) -> None:
    aside = (
        "config.yaml",
        "README.md",
        "results/old.txt",
        "results_2/old.txt",
        ".git/x",
        "venv/x.py",
        "tools/pyvenv.cfg",
    )
    wanted = ("data/a.csv", "environment/__init__.py", "environment/play.py", "envs/x.py", "results_seen/__init__.py")
    task = load(openevolve(tmp_path, **dict.fromkeys(aside, CONFIG), **dict.fromkeys(wanted, "1")))
    theirs = {name for name in task.shipped if name.startswith("evaluator/")}
    assert theirs == {f"evaluator/{name}" for name in ("evaluator.py", "initial_program.py", *wanted)}
    assert not any("sk-hidden" in str(data) for data in task.shipped.values())
    assert judged(task).status == "ok"


def test_the_digest_is_of_what_decides(tmp_path: Path) -> None:
    first = load(openevolve(tmp_path)).digest
    (tmp_path / "initial_program.py").write_text(PROGRAM + "\n")
    (tmp_path / "README.md").write_text("words")
    assert load(tmp_path).digest == first
    (tmp_path / "evaluator.py").write_text(EVALUATOR + "\n")
    assert load(tmp_path).digest != first


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"initial_program.py": ""}, "has no initial_program.*"),
        ({"initial_program.c": "int x;\n"}, "initial_program.c and initial_program.py"),
        ({"config.yaml": "a: [\n"}, "cannot be read as YAML"),
        ({"config.yaml": "- a\n"}, "holds no mapping"),
        ({"config.yaml": "evaluator: {timeout: soon}\n"}, "evaluator.timeout: must be a number of seconds, not 'soon'"),
        ({"config.yaml": "evaluator: {timeout: 0}\n"}, "must be a number of seconds, not 0"),
        ({"config.yaml": "evaluator: {cascade_thresholds: 1}\n"}, "cascade_thresholds: must be a list"),
        ({"config.yaml": "evaluator: {cascade_thresholds: []}\n"}, "the threshold of the first stage"),
        ({"evaluator.py": "import cv2, nowhere_x\n" + EVALUATOR}, "pip install opencv-python nowhere_x"),
        ({"helper.py": "import nowhere_y\n", "evaluator.py": "import helper\n" + EVALUATOR}, "pip install nowhere_y"),
        ({"initial_program.py": "# EVOLVE-BLOCK-START\n"}, "initial_program.py:1: EVOLVE-BLOCK-START is never closed"),
        ({"task.toml": "breif = 1\n"}, "task.toml:1: unknown key 'breif'"),
        ({"task.toml": 'entry = "no.py"\n'}, "'no.py' is not there"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, files: dict[str, str], says: str) -> None:
    with pytest.raises(TaskError) as error:
        load(openevolve(tmp_path, **files))
    assert says in str(error.value)


def test_a_folder_that_is_too_large(tmp_path: Path) -> None:
    with (openevolve(tmp_path) / "big.bin").open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(TaskError, match="more than 16 MiB"):
        load(tmp_path)


def test_packages_come_from_imports_and_requirements(tmp_path: Path) -> None:
    body = "import numpy as np\ntry:\n    import nowhere_z\nexcept ImportError:\n    pass\n" + EVALUATOR
    files = {"evaluator.py": body, "requirements.txt": "click>=1  # for it\nopenevolve\nnowhere-q\n-r other.txt\n"}
    task = load(openevolve(tmp_path, **files))
    assert set(task.packages) == {"numpy", "click"}
    assert task.preload == ("numpy",)


def test_check_says_what_was_read_and_what_a_score_is_worth(tmp_path: Path) -> None:
    folder = openevolve(tmp_path, **{"config.yaml": CONFIG})
    text = CliRunner().invoke(main, ["check", str(folder)])
    assert text.exit_code == 0, text.output
    assert "format      OpenEvolve" in text.output
    assert "settings    config.yaml: used prompt.system_message, evaluator.timeout" in text.output
    assert "not used: max_iterations, prompt.num_top_programs, llm" in text.output
    assert "candidate.call" in text.output
    assert "sk-hidden" not in text.output
    plain = json.loads(CliRunner().invoke(main, ["check", str(folder), "--json"]).output)
    assert (plain["score"], plain["foreign"]["format"]) == (3.0, "openevolve")


def test_a_run(tmp_path: Path) -> None:
    folder, db = openevolve(tmp_path / "theirs"), tmp_path / "a.db"
    done = CliRunner().invoke(main, ["run", str(folder), "--evaluations", "6", "--db", str(db), "--seed", "1"])
    assert done.exit_code in (0, 3), done.output
    best = json.loads(CliRunner().invoke(main, ["best", "--json", "--db", str(db)]).output)
    assert best[0]["score"] >= 3.0


def test_a_folder_that_is_no_task(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no evaluator of OpenEvolve or ShinkaEvolve"):
        load(written(tmp_path, **{"evaluator.py": "x = 1\n"}))


VALUES = st.one_of(st.booleans(), st.integers(-5, 5), st.floats(allow_infinity=False), st.text(max_size=3), st.none())


@given(st.dictionaries(st.sampled_from("abcde"), VALUES), st.sets(st.sampled_from("abc")))
def test_the_mean_leaves_out_flags_nan_and_features(metrics: dict[str, object], features: set[str]) -> None:
    numbers = {n: v for n, v in metrics.items() if isinstance(v, int | float) and not isinstance(v, bool) and v == v}
    counted = [v for n, v in numbers.items() if n not in features] or list(numbers.values())
    assert harness.fitness(metrics, features) == (sum(map(float, counted)) / len(counted) if counted else 0.0)
    assert harness.fitness(metrics | {"combined_score": "2.5"}, features) == 2.5


def test_only_folders_of_packages_are_passed_on() -> None:
    library = [path for path in sys.path if path.startswith(sys.base_prefix) and not path.endswith("-packages")]
    assert harness.sites([*library, "/some/site", f"{sys.base_prefix}/lib/python3/site-packages"]) == [
        "/some/site",
        f"{sys.base_prefix}/lib/python3/site-packages",
    ]
