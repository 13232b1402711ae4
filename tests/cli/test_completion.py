"""What a shell offers, asked as a shell asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from evolve.archive import Archive
from evolve.cli import VERBS, completion, main
from evolve.task import library
from evolve.testing import ScriptedServer, SimulatedLLM
from tests import archives


def offered(*words: str) -> list[str]:
    """Return what completes the last word."""
    *before, incomplete = words
    found = ShellComplete(main, {}, "evolve", "_EVOLVE_COMPLETE").get_completions(before, incomplete)
    return [item.value for item in found if item.type == "plain"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run in the archive of the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVOLVE_DB", raising=False)
    with Archive("evolve.db") as archive:
        return archives.fill(archive)


def test_verbs_and_options() -> None:
    assert offered("ru") == ["run", "runs"]
    assert "--evaluations" in offered("run", "x", "--ev")
    assert offered("new", "mine", "--template", "c") == ["cpp"]
    assert offered("completion", "") == ["bash", "zsh", "fish"]


class TestTasks:
    def test_the_library_and_its_variants(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert offered("run", "") == list(library())
        assert offered("check", "math/circle_packing") == [
            name for name in library() if name.startswith("math/circle_packing")
        ]
        name = next(name for name, root in library().items() if "[variants." in (root / "task.toml").read_text())
        assert all(found.startswith(f"{name}@") for found in offered("run", f"{name}@"))
        assert offered("run", f"{name}@")

    def test_folders(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder.parent)
        assert offered("run", "su") == ["sum"]
        monkeypatch.chdir("/")
        assert offered("run", f"{folder.parent}/") == [str(folder)]
        with (folder / "task.toml").open("a") as file:
            file.write("[variants.hard]\n[variants.easy]\n")
        assert offered("run", f"{folder}@h") == [f"{folder}@hard"]


class TestArchives:
    def test_runs_of_the_archive_in_use(self, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Archive("other.db") as archive:
            archives.fill(archive, "elsewhere")
        assert offered("resume", "") == offered("best", "--run", "") == offered("replay", run[:3]) == [run]
        assert offered("resume", "--db", "other.db", "") == ["elsewhere"]
        monkeypatch.setenv("EVOLVE_DB", str(tmp_path / "other.db"))
        assert offered("pause", "") == ["elsewhere"]

    def test_programs_best_first(self, run: str) -> None:
        with Archive("evolve.db") as archive:
            best = [program.id for program in archive.best(10)]
        assert offered("show", "") == offered("diff", best[0], "") == offered("lineage", "--run", run, "") == best
        assert offered("show", best[1][:4]) == [best[1]]
        assert offered("show", "--run", "nothing", "") == []

    @pytest.mark.parametrize("text", [None, "no database", ""])
    def test_silent_where_there_is_nothing_to_say(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
    ) -> None:
        monkeypatch.chdir(tmp_path)
        if text is not None:
            Path("odd.db").write_text(text)
        assert offered("show", "--db", "odd.db", "") == offered("resume", "--db", "odd.db", "") == []
        assert [path.name for path in tmp_path.iterdir()] == ([] if text is None else ["odd.db"])

    def test_an_archive_is_not_changed(self, run: str) -> None:
        before = Path("evolve.db").stat().st_mtime_ns
        os.chmod("evolve.db", 0o444)
        assert offered("show", "")
        assert Path("evolve.db").stat().st_mtime_ns == before


def test_settings() -> None:
    assert "search.islands=" in offered("run", "x", "--set", "search.")
    assert offered("run", "x", "--set", "bandit.kind=") == [
        f"bandit.kind={kind}" for kind in ("ucb", "thompson", "fixed")
    ]
    assert offered("run", "x", "--set", "cache=") == ["cache=true", "cache=false"]
    assert offered("run", "x", "--set", "search.islands=") == offered("run", "x", "--set", "search.nothing=") == []
    assert offered("run", "x", "--set", "search.islands.more=") == []


def test_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVOLVE_DB", raising=False)
    Path("evolve.toml").write_text("[models.fast]\nmodel = 'gpt-5-mini'\n")
    with Archive("evolve.db") as archive:
        archive.create_run(
            "a", archives.task(), 1, {}, {"gpt-5": {"max_tokens": 8192}, "builtin/tune": {}, "mine:Halve": {}}
        )
    with ScriptedServer(SimulatedLLM(skill=0.5)) as server:
        monkeypatch.setattr("evolve.discover.PORTS", {int(server.url.split(":")[2].split("/")[0]): "scripted"})
        found = offered("run", "x", "--model", "")
    assert not {"builtin/tune", "mine:Halve"} & set(found)
    assert {"fast", "gpt-5"} <= set(found)
    assert [name for name in found if name.endswith(f"@{server.url}")]
    assert "builtin/tune" not in found
    assert offered("run", "x", "--arm", "builtin/t") == ["builtin/tune"]


def test_what_is_a_run_a_task_or_a_program_completes_in_every_verb() -> None:
    """So that a new verb does not forget it."""
    context = click.Context(main)
    for verb in VERBS:
        command = main.get_command(context, verb)
        assert command is not None
        for parameter in command.params:
            if parameter.name in ("run", "task", "id", "settings", "models") and verb != "completion":
                found = parameter._custom_shell_complete
                assert found is not None, f"{verb} {parameter.name}: give it shell_complete=completion.…"
                assert found.__module__ == completion.__name__


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_EVOLVE_COMPLETE={shell}_complete" in done.stdout


def test_bash_completes(run: str, tmp_path: Path) -> None:
    """The script in a real bash, with the installed command."""
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    binary = tmp_path / "bin"
    binary.mkdir()
    (binary / "evolve").write_text(f'#!/bin/sh\nexec {sys.executable} -m evolve "$@"\n')
    (binary / "evolve").chmod(0o755)
    script = (
        'eval "$(evolve completion bash)"; COMP_WORDS=(evolve resume ""); COMP_CWORD=2; '
        '_evolve_completion evolve; echo "${COMPREPLY[@]}"'
    )
    environment = os.environ | {"PATH": f"{binary}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, timeout=60, check=True
    )
    assert done.stdout.strip() == run, done.stderr


def test_completing_imports_little(run: str) -> None:
    code = (
        "import sys\nfrom click.shell_completion import ShellComplete\nfrom evolve.cli import main\n"
        "found = ShellComplete(main, {}, 'evolve', '_E').get_completions\n"
        "assert found(['resume'], '') and found(['run'], 'math/') and found(['show'], '')\n"
        "print({'pydantic', 'numpy', 'sqlite_utils', 'rich', 'openai', 'litellm', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"
