"""The listing verbs, on a small archive: what a person reads, what a script parses, and what either is told when it fails."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from evolve.archive import Archive
from evolve.cli import main
from evolve.records import Attempt, Evaluation, Reply
from tests import archives

Evolve = Callable[..., Result]
LISTINGS = ("runs", "best", "show", "failures", "spend", "search relu", "lineage {id}", "diff {id}")
ID = archives.digest("x = 3\n")[:10]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    with Archive(tmp_path / "evolve.db") as archive:
        archives.fill(archive)
    return tmp_path / "evolve.db"


@pytest.fixture
def evolve(db: Path) -> Evolve:
    def call(*words: str) -> Result:
        result = CliRunner().invoke(main, words, env={"EVOLVE_DB": str(db)})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return call


def parsed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("words", LISTINGS)
def test_every_listing_has_text_and_json(evolve: Evolve, words: str) -> None:
    command = words.format(id=ID).split()
    assert parsed(evolve(*command, "--json"))
    plain = evolve(*command)
    assert plain.exit_code == 0
    assert plain.stdout.strip()
    assert "\x1b" not in plain.stdout


def test_runs(evolve: Evolve) -> None:
    (run,) = parsed(evolve("runs", "--json"))
    assert (run["name"], run["evaluations"], run["best"], run["state"]) == ("sphere-1", 4, 4.0, "running")
    assert run["config"] == {"search": {"islands": 2}}


def test_best_has_what_scripts_rely_on(evolve: Evolve) -> None:
    programs = parsed(evolve("best", "-n", "2", "--json"))
    assert [program["score"] for program in programs] == [4.0, 3.0]
    assert {"id", "score", "metrics", "arm", "operator", "parent", "run"} <= set(programs[0])
    assert programs[0]["metrics"] == {"size": 3.0}
    assert programs[1]["parent"] == programs[0]["id"]


def test_scores_keep_their_precision(evolve: Evolve, db: Path) -> None:
    scores = [2.6359830849176002, 2.6359830849176007]
    with Archive(db) as archive:
        for number, score in enumerate(scores, start=10):
            attempt = archives.judge(
                archives.drafted(number, archives.seed(), f"y = {number}"), Evaluation("ok", score)
            )
            archives.tell(archive, "sphere-1", attempt)
    listed = [program["score"] for program in parsed(evolve("best", "-n", "9", "--json"))]
    assert [score for score in listed if score in scores] == scores[::-1]
    assert all(repr(score) in evolve("best").stdout for score in scores)


def test_show(evolve: Evolve) -> None:
    best = evolve("show").stdout
    for words in (
        "4.0 points (maximize)", "size=3", "arm builtin/tune, operator tune", "tried 2", "(score 2.0, change +2)",
        "2 ancestors, 1 child:",
        "ok in 1.5 s", "memory 3 MiB", "isolation none", "integrity same-process", "much larger", "def leaky_relu(x):",
    ):  # fmt: skip
        assert words in best
    failed = evolve("show", archives.digest("1 / 0\n")[:8]).stdout
    for words in ("none: crash", "ZeroDivisionError: division by zero", "about to divide"):
        assert words in failed


def test_show_code_is_the_program_itself(evolve: Evolve) -> None:
    assert evolve("show", "--code").stdout == "def leaky_relu(x):\n    return max(x, 0.1 * x)\n"


def test_show_prompt_and_replies(evolve: Evolve, db: Path) -> None:
    with Archive(db) as archive:
        archives.converse(archive, "sphere-1")
    assert evolve("show", ID, "--prompt").stdout.splitlines() == [
        "### system", "Improve the program.", "### user", "Make it better.",
        "### the reply begins", "<NAME>", "### the reply ends before", "</CODE>",
    ]  # fmt: skip
    assert evolve("show", ID, "--replies").stdout.splitlines() == [
        "### turn 0 (draft): failed, 0 + 0 tokens, 0.0 dollars, 0.5 s",
        "503 busy",
        "### turn 0, try 2 (draft): done, 30 + 8 tokens, 0.25 dollars, 1.5 s, finish length, odd",
        "reasoning",
        "I wonder.",
        "no edit",
        "### turn 1 (correct): done, 40 + 20 tokens, 0.125 dollars, 2 s, finish stop",
        "<NAME>an edit",
        "### turn 2 (correct): open, 0 + 0 tokens, 0.0 dollars, 0.5 more uncertain, 0 s",
        "no reply yet",
    ]
    assert "4 calls, 70 + 28 tokens, 0.375 dollars, 0.5 more uncertain, 4 s" in evolve("show", ID).stdout
    shown = parsed(evolve("show", ID, "--prompt", "--replies", "--json"))
    assert shown["cost"] == {
        "calls": 4, "replies": 2, "input_tokens": 70, "output_tokens": 28, "tokens": 198, "dollars": 0.375,
        "uncertain_dollars": 0.5, "seconds": 4.0,
    }  # fmt: skip
    assert shown["prompt"]["messages"][1] == {"role": "user", "text": "Make it better."}
    assert [(call["state"], call["reply"] and call["reply"]["text"]) for call in shown["replies"]] == [
        ("failed", None), ("done", "no edit"), ("done", "<NAME>an edit"), ("open", None),
    ]  # fmt: skip
    assert "prompt" not in parsed(evolve("show", ID, "--json"))


def test_show_an_attempt_without_a_program(evolve: Evolve, db: Path) -> None:
    with Archive(db) as archive:
        (program,) = (p for p in archive.best(9) if p.number == 2)
        failed = Attempt(archives.proposal(7, program), stage="draft", reason="no edit: SEARCH was not found")
        archive.asked("sphere-1", failed.proposal)
        archives.converse(archive, "sphere-1", 7)
        archives.tell(archive, "sphere-1", failed)
    assert "SEARCH was not found" in evolve("failures").stdout
    shown = evolve("show", "--attempt", "7").stdout
    for words in (
        "7 of run sphere-1", "arm builtin/mutate, operator mutate", f"{program.id} (score 4.0)",
        "draft: no edit: SEARCH was not found", "4 calls, 70 + 28 tokens", "evolve show --attempt 7 --replies",
    ):  # fmt: skip
        assert words in shown
    assert "I wonder." in evolve("show", "--attempt", "7", "--replies").stdout
    assert "Make it better." in evolve("show", "--attempt", "7", "--prompt").stdout
    known = parsed(evolve("show", "--attempt", "7", "--json", "--replies"))
    assert (known["attempt"], known["program"], known["stage"], known["files"]) == (7, None, "draft", None)
    assert (known["arm"], known["operator"], known["parent"]) == ("builtin/mutate", "mutate", program.id)
    assert (known["cost"]["dollars"], len(known["replies"])) == (0.375, 4)


def test_show_attempts_of_every_end(evolve: Evolve) -> None:
    refused = evolve("show", "--attempt", "4").stdout
    assert "novelty: the same program as attempt 1" in refused
    assert "def relu(x):" in refused
    assert f"{ID}: evolve show {ID}" in evolve("show", "--attempt", "5").stdout
    assert "not yet" in evolve("show", "--attempt", "6").stdout
    assert parsed(evolve("show", "--attempt", "6", "--json"))["files"] == {"program.py": "x = 6\n"}


def test_spend(evolve: Evolve, db: Path) -> None:
    assert "asked no model" in evolve("spend", "--by", "purpose").stdout
    with Archive(db) as archive:
        archives.converse(archive, "sphere-1")
    rows = [line.split() for line in evolve("spend").stdout.splitlines()]
    assert [row[0] for row in rows] == ["arm", "builtin/mutate", "builtin/tune", "seed", "total"]
    assert rows[1][1:] == ["5", "3", "3", "0.5", "4", "70", "28", "0.375", "0.5"]  # nobody measured its cpu seconds
    assert rows[4][1:] == ["7", "5", "4", "2.25", "1.25", "4", "70", "28", "0.375", "0.5"]
    rows = [line.split() for line in evolve("spend", "--by", "purpose").stdout.splitlines()]
    assert rows[1:] == [
        ["builtin/mutate", "draft", "2", "1", "1", "0", "2.0", "30", "8", "0.25", "0.0"],
        ["builtin/mutate", "correct", "2", "1", "0", "1", "2.0", "40", "20", "0.125", "0.5"],
        ["total", "4", "2", "1", "1", "4.0", "70", "28", "0.375", "0.5"],
    ]
    (draft, correct) = parsed(evolve("spend", "--by", "purpose", "--json"))
    assert (draft["purpose"], draft["dollars"], correct["uncertain_dollars"]) == ("draft", 0.25, 0.5)


def test_spend_says_which_arms_cannot_be_asked(evolve: Evolve, db: Path) -> None:
    before = evolve("spend").stdout
    with Archive(db) as archive:
        archive.resume_run("sphere-1", {}, {"builtin/mutate": {}, "builtin/tune": {}, "ready": {}})
        archive.arm_state("sphere-1", "builtin/mutate", "ended", "401: the key was refused")
        archive.arm_state("sphere-1", "builtin/tune", "resting", "503 busy")
    lines = ["builtin/mutate has ended: 401: the key was refused", "builtin/tune rests: 503 busy"]
    assert evolve("spend").stdout.splitlines() == before.splitlines() + lines
    assert evolve("spend", "--by", "purpose").stdout.splitlines()[-2:] == lines
    rows = {row["arm"]: (row["state"], row["reason"]) for row in parsed(evolve("spend", "--json"))}
    assert rows == {
        "builtin/mutate": ("ended", "401: the key was refused"),
        "builtin/tune": ("resting", "503 busy"),
        "seed": (None, ""),
    }


def test_a_price_that_is_unknown_is_said(evolve: Evolve, db: Path) -> None:
    with Archive(db) as archive:
        unpriced = replace(archives.call(5), dollars=None)
        archive.replied("sphere-1", unpriced, Reply("an edit"), 30)
    for verb in (["spend"], ["spend", "--by", "purpose"]):
        assert [
            line.split()[-2:] for line in evolve(*verb).stdout.splitlines() if line.startswith(("total", "builtin/m"))
        ] == [["unknown", "0.0"]] * 2
    assert "unknown dollars" in evolve("show", ID).stdout
    assert parsed(evolve("spend", "--json"))[0]["dollars"] == 0.0
    assert None in [row["dollars"] for row in parsed(evolve("spend", "--json"))]


def test_show_json(evolve: Evolve) -> None:
    shown = parsed(evolve("show", ID, "--json"))
    assert shown["files"] == {"program.py": "x = 3\n"}
    assert shown["lineage"][-1] == archives.seed().id
    assert (shown["unit"], shown["direction"]) == ("points", "maximize")
    (evaluation,) = shown["evaluations"]
    assert (evaluation["status"], evaluation["purpose"], evaluation["integrity"]) == ("ok", "child", "same-process")


def test_diff(evolve: Evolve) -> None:
    against_parent = evolve("diff", ID).stdout.splitlines()
    assert against_parent[1] == f"+++ {ID}/program.py"
    assert {"-def leaky_relu(x):", "+x = 3"} <= set(against_parent)
    reverse = parsed(evolve("diff", ID, archives.seed().id, "--json"))
    assert (reverse["from"], reverse["to"], reverse["scores"]) == (ID, archives.seed().id, [3.0, 1.0])
    assert reverse["files"]["program.py"].endswith("-x = 3\n+x = 0")
    assert "same text" in evolve("diff", ID, ID).stdout


def test_lineage(evolve: Evolve) -> None:
    assert [program["number"] for program in parsed(evolve("lineage", ID, "--json"))] == [5, 2, 1, 0]
    assert [line.split()[2] for line in evolve("lineage", ID).stdout.splitlines()[1:4]] == ["-1.0", "2.0", "1.0"]


def test_search_and_failures(evolve: Evolve) -> None:
    assert [hit["where"] for hit in parsed(evolve("search", "relu", "max", "--json"))] == ["program.py:1"] * 2
    assert "no program matches" in evolve("search", "transformer").stdout
    assert [failure["how"] for failure in parsed(evolve("failures", "--json"))] == ["novelty", "crash"]
    assert "ZeroDivisionError: division by zero" in evolve("failures").stdout


def test_export(evolve: Evolve, tmp_path: Path) -> None:
    assert evolve("export", "--to", str(tmp_path / "best"), "-n", "1").exit_code == 0
    assert len(list((tmp_path / "best").rglob("*.py"))) == 1
    assert evolve("export", "sphere-1", "--to", str(tmp_path / "copy.db")).exit_code == 0
    assert parsed(evolve("best", "--db", str(tmp_path / "copy.db"), "--json")) == parsed(evolve("best", "--json"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("best --db none.db", "there is no archive at none.db; start one with `evolve run TASK`"),
        ("best --run nope", "has no run 'nope'; the latest are sphere-1"),
        ("show ffff", "no program in"),
        ("show ab", "too short"),
        (f"show {ID} --prompt", "no model was asked for attempt 5"),
        ("show --attempt 4 --replies", "no model was asked for attempt 4"),
        ("show --attempt 99", "has no attempt 99"),
        ("diff " + archives.seed().id, "has no parent"),
        ("search !!", "no word"),
        ("export --to .", "not an empty folder"),
    ],
)
def test_what_fails_says_what_to_do(
    evolve: Evolve, words: str, sentence: str, monkeypatch: pytest.MonkeyPatch, db: Path
) -> None:
    monkeypatch.chdir(db.parent)
    result = evolve(*words.split())
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert result.stdout == ""
    assert not Path("none.db").exists()


def test_usage_errors_exit_with_2(evolve: Evolve) -> None:
    for words in ("best -n 0", "show --colour", f"show {ID} --attempt 1", "show --attempt 1 --code", "export", "diff"):
        assert evolve(*words.split()).exit_code == 2


def test_a_run_without_programs(evolve: Evolve, db: Path) -> None:
    with Archive(db) as archive:
        archive.create_run("empty", archives.task(), 1, {})
    assert parsed(evolve("best", "--json")) == []
    for verb in ("best", "failures", "spend"):
        assert "'empty'" in evolve(verb).stdout
    assert "no program with a score yet" in evolve("show").stderr


def test_an_archive_without_runs(evolve: Evolve, tmp_path: Path) -> None:
    Archive(tmp_path / "new.db").close()
    new = ("--db", str(tmp_path / "new.db"))
    assert parsed(evolve("runs", *new, "--json")) == []
    assert "start one with" in evolve("runs", *new).stdout
    for verb in ("best", "show", "failures", "spend"):
        result = evolve(verb, *new)
        assert (result.exit_code, "holds no run yet" in result.stderr) == (1, True)


def test_a_score_that_json_has_no_number_for(evolve: Evolve, db: Path) -> None:
    with Archive(db) as archive:
        seen = Evaluation("ok", float("inf"), {"loss": float("-inf")})
        archives.tell(archive, "sphere-1", archives.judge(archives.drafted(9, archives.seed(), "z"), seen))
    best = parsed(evolve("best", "-n", "1", "--json"))[0]
    assert (best["score"], best["metrics"]) == ("inf", {"loss": "-inf"})


def test_colours_on_a_terminal_only(db: Path) -> None:
    controller, terminal = pty.openpty()
    script = "from evolve.cli import main; main()"
    environment = {**os.environ, "EVOLVE_DB": str(db), "TERM": "xterm-256color", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    for words in (["best"], ["show"], ["diff", ID]):
        subprocess.run([sys.executable, "-c", script, *words], stdout=terminal, env=environment, check=True, timeout=30)
        assert b"\x1b[" in os.read(controller, 65536)
    os.close(terminal)
    os.close(controller)


def test_listings_load_nothing_heavy(db: Path) -> None:
    script = (
        "import sys\nfrom evolve.cli import main\nmain(['best'], standalone_mode=False)\n"
        "print({'rich', 'numpy', 'sqlite_utils', 'pydantic', 'openai', 'litellm', 'torch'} & set(sys.modules))"
    )
    environment = {**os.environ, "EVOLVE_DB": str(db), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr
