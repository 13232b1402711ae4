from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from evolve.cli import VERBS, main
from evolve.cli.listing import Cell, text
from evolve.cli.task import _fitting
from evolve.task import load


def evolve(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    return done.exit_code, done.output


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom evolve.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'litellm', 'openai', 'torch', 'numpy', 'pydantic', 'sqlite_utils', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help_and_every_option_too(verb: str) -> None:
    import click

    command = main.get_command(click.Context(main), verb)
    assert command is not None
    assert command.name == verb
    assert command.help
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options), [option.name for option in options if not option.help]


def test_an_unknown_verb_names_the_nearest() -> None:
    code, output = evolve("lineag")
    assert code == 2
    assert "did you mean 'lineage'?" in output


def test_new_makes_a_task_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = evolve("new", "mine")
    assert code == 0
    assert "evolve check mine" in output
    code, output = evolve("check", "mine", "--json")
    seen = json.loads(output)
    assert (code, seen["status"], seen["integrity"]) == (0, "ok", "isolated")
    assert seen["score"] == pytest.approx(load("mine").baselines[0].score), "the task says what its seed scores"
    assert set(seen) >= {"status", "score", "metrics", "seconds", "isolation", "integrity", "feedback"}
    code, output = evolve("run", "mine", "--evaluations", "40", "--seed", "1", "--executor", "inline")
    assert code == 0
    assert "evolve report" in output
    code, output = evolve("new", "mine")
    assert code == 2
    assert "is not empty" in output


def test_check_with_a_model_keeps_what_the_judge_saw(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_THE_FILE", "")  # put back at the end
    monkeypatch.delenv("FROM_THE_FILE")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("FROM_THE_FILE=1\n")
    (tmp_path / "evolve.toml").write_text("[models.half]\nmodel = 'openai/m@http://h/v1'\nprice_input = 1\n")
    words = ("check", str(folder), "--model", "half", "--model", "cmd:agent")
    code, output = evolve(*words, "--json")
    seen = json.loads(output)
    assert (code, seen["status"]) == (0, "ok")
    half, agent = seen["models"]
    assert "price_output" in half["error"]
    assert (agent["dollars"], agent["reply_tokens"]) == (None, 0)
    assert os.environ["FROM_THE_FILE"] == "1"
    code, output = evolve(*words)
    assert code == 0
    assert "status      ok" in output
    assert "model       half: a price has two parts" in output
    assert "set price_request" in output


def test_repeats_that_evaluate_cannot_tell_apart_are_said_to_be(folder: Path, tmp_path: Path) -> None:
    (folder / "task.toml").write_text('brief = "b"\n[stages]\nrepeats = 2\n')
    script = (folder / "evaluate.py").read_text()
    runs = [
        "run",
        str(folder),
        "--db",
        str(tmp_path / "a.db"),
        "--evaluations",
        "1",
        "--seed",
        "0",
        "--executor",
        "inline",
    ]
    for parameters, said in (("candidate", True), ("candidate, seed", False), ("candidate, *, seed=0", False)):
        (folder / "evaluate.py").write_text(re.sub(r"def evaluate\(.*\):", f"def evaluate({parameters}):", script))
        for arguments in (["check", str(folder)], runs):
            code, output = evolve(*arguments)
            assert code in (0, 3), output
            assert ("evaluate has no parameter `seed`" in output) == said, output


def test_check_prints_one_object_also_when_all_fails(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def total(n):\n    raise ValueError('no')\n")
    code, output = evolve("check", str(folder), "--program", str(broken), "--json")
    seen = json.loads(output)
    assert (code, seen["status"], seen["score"]) == (1, "crash", None)
    assert "ValueError: no" in seen["error"]
    code, output = evolve("check", str(tmp_path / "broken.py"), "--json")
    seen = json.loads(output)
    assert (code, seen["status"]) == (1, "judge_error")
    (folder / "evaluate.py").write_text("def evaluate(candidate):\n    return 1 / 0\n")
    code, output = evolve("check", str(folder))
    assert code == 1
    assert "judge_error" in output
    assert "ZeroDivisionError" in output


def test_run_errors_are_sentences(folder: Path, tmp_path: Path) -> None:
    code, output = evolve("run", "math/circle_packin", "--db", str(tmp_path / "a.db"))
    assert (code, "did you mean 'math/circle_packing'?" in output) == (2, True)
    code, output = evolve("run", str(folder), "--set", "search.island=2", "--db", str(tmp_path / "a.db"))
    assert (code, "did you mean 'islands'?" in output) == (2, True)
    code, output = evolve("run", str(folder), "--arm", "builtin/tune=much", "--db", str(tmp_path / "a.db"))
    assert (code, "the weight is no number" in output) == (2, True)
    assert "Traceback" not in output


def test_exit_code_3_when_nothing_beats_the_seed(folder: Path, tmp_path: Path) -> None:
    (folder / "evaluate.py").write_text("def evaluate(candidate):\n    candidate.call('total', 1)\n    return 1.0\n")
    db = str(tmp_path / "a.db")
    code, output = evolve("run", str(folder), "--evaluations", "5", "--executor", "inline", "--db", db)
    assert code == 3, output


def test_run_resume_replay_and_best_on_one_archive(folder: Path, tmp_path: Path) -> None:
    db = str(tmp_path / "a.db")
    common = ["--executor", "inline", "--db", db]
    code, output = evolve("run", str(folder), "--evaluations", "20", "--seed", "3", "--name", "r", *common)
    assert code == 0, output
    code, output = evolve("resume", "r", "--evaluations", "30", "--db", db)
    assert code == 0, output
    assert "30 evaluations" in output
    code, output = evolve("resume", "r", "--evaluations", "10", "--db", db)
    assert (code, "run r has come to 30 already, and a budget counts all sittings together" in output) == (2, True)
    code, output = evolve("replay", "r", "--json", "--db", db)
    assert code == 0
    assert json.loads(output)["evaluations"] == 30
    code, output = evolve("best", "-n", "3", "--json", "--db", db)
    rows = json.loads(output)
    assert code == 0
    assert set(rows[0]) >= {"id", "score", "metrics", "arm", "operator", "parent", "run"}
    code, output = evolve("show", rows[0]["id"], "--db", db)
    assert code == 0
    assert "def total" in output


def test_config_and_tasks_list(folder: Path) -> None:
    code, output = evolve("config", "--json")
    assert (code, json.loads(output)[0]["name"]) == (0, "arms")
    code, output = evolve("tasks", "--json")
    rows = {row["name"]: row for row in json.loads(output)}
    assert rows["math/circle_packing"]["best_known"]["score"] == 2.63598308491754


def test_a_run_that_the_machine_cannot_serve_does_not_stay_there_as_running(folder: Path, tmp_path: Path) -> None:
    (folder / "task.toml").write_text((folder / "task.toml").read_text() + "\n[resources]\ngpus = 64\n")
    db = str(tmp_path / "a.db")
    code, output = evolve("run", str(folder), "--evaluations", "3", "--db", db)
    assert code == 2
    assert "needs 64 GPUs for an evaluation" in output
    code, output = evolve("runs", "--json", "--db", db)
    (row,) = json.loads(output)
    assert (row["state"], row["evaluations"]) == ("stopped", 0)
    assert "needs 64 GPUs" in row["reason"]


def test_a_run_that_finds_nothing_new_says_what_else_to_try(folder: Path, tmp_path: Path) -> None:
    (folder / "initial.py").write_text("def total(n):\n    return n\n")
    common = ["--executor", "inline", "--db", str(tmp_path / "a.db"), "--arm", "builtin/recombine"]
    code, output = evolve("run", str(folder), "--evaluations", "3", *common)
    assert code == 3
    assert "no new program in 2000 attempts" in output
    assert "to find more: ask a model (--model NAME), or start from another program as well (--from PROGRAM)" in output


@pytest.mark.parametrize(("width", "briefs"), [(100, False), (170, True)])
def test_the_list_of_tasks_fits_the_terminal(width: int, briefs: bool) -> None:
    row: list[Cell] = [
        "pruning/some",
        "gpu (GPU), sparse",
        2.0,
        5.0,
        "0.6 ↓",
        "a-model (missing), torch" * 2,
        "Say which weights go. " * 9,
    ]
    (fitted,) = _fitting([list(row)], width)
    assert len(fitted) == len(row) - (not briefs)
    assert sum(len(text(cell)) + 2 for cell in fitted) <= width + 2 or not briefs
