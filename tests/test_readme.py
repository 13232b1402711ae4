from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from evolve.cli import main
from evolve.config import Config
from evolve.tables import TaskTable
from evolve.toml import parse
from tests import readme

ROOT = readme.ROOT
COMMAND = re.compile(r"^evolve (\w[\w-]*)([^#\n]*(?:\\\n[^#\n]*)*)", re.MULTILINE)


def named(path: Path) -> str:
    """Return the name of a test of a document."""
    return str(path.relative_to(ROOT))


def described() -> dict[str, str]:
    """Return what the README's map says: path -> one line."""
    text = readme.README.read_text(encoding="utf-8")
    section = text.split("<!-- map", 1)[1].split("<!-- /map -->")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE))


def on_disk() -> set[str]:
    """Return what the map must name: top-level folders, and the modules and subpackages of the package."""
    folders = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    folders -= {"evolve/", "build/", "dist/"} | {f"{path.name}/" for path in ROOT.glob("*.egg-info")}
    package = ROOT / "evolve"
    modules = {f"evolve/{path.name}" for path in package.glob("*.py")}
    packages = {f"evolve/{path.parent.name}/" for path in package.glob("*/__init__.py")}
    return folders | modules | packages


def test_the_map_and_the_disk_agree() -> None:
    assert set(described()) == on_disk()


@pytest.mark.parametrize("path", sorted((ROOT / "evolve").rglob("__init__.py")), ids=named)
def test_a_package_that_lists_its_modules_lists_all(path: Path) -> None:
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    if ".py" in words:
        modules = {module.stem for module in path.parent.glob("*.py")}
        assert modules - set(re.findall(r"\w+", words)) <= {"__init__", "__main__"}


def test_the_two_commands_are_there() -> None:
    assert "evolve run math/circle_packing" in readme.command("install and run the main job")
    assert "pytest" in readme.command("install and pass the tests")


def runnable(path: Path) -> bool:
    return any(block.runs for block in readme.blocks(path=path))


def spoken(block: readme.Block) -> list[str]:
    """Return the command that runs a block."""
    if block.language == "python":
        return [sys.executable, "-W", "error", "-c", block.text]
    return ["bash", "-euo", "pipefail", "-c", block.text]


@pytest.mark.parametrize("path", [path for path in readme.DOCUMENTS if runnable(path)], ids=named)
def test_blocks_run(path: Path, tmp_path: Path) -> None:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("EVOLVE_", "WANDB_", "MLFLOW_"))
    }
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment |= {"PYTHONPATH": str(ROOT), "PATH": search, "HOME": str(tmp_path / "home")}
    folder = tmp_path / "folder"
    folder.mkdir()
    for block in readme.blocks(path=path):
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text, encoding="utf-8")
        if not block.runs or any(find_spec(module) is None for module in block.needs):
            continue
        done = subprocess.run(
            spoken(block), cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{block.place}: ends with {done.returncode}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("path", readme.DOCUMENTS, ids=named)
def test_python_shown_is_python(path: Path) -> None:
    for block in readme.blocks("python", path):
        ast.parse(block.text, filename=block.place)


@pytest.mark.parametrize("path", readme.DOCUMENTS, ids=named)
def test_settings_shown_are_settings(path: Path) -> None:
    for block in readme.blocks("toml", path):
        table: type[BaseModel] = TaskTable if block.title.endswith("task.toml") else Config
        parse(table, tomllib.loads(block.text), where=block.place, text=block.text)


@pytest.mark.parametrize("path", readme.DOCUMENTS, ids=named)
def test_commands_and_options_shown_exist(path: Path) -> None:
    context = click.Context(main)
    shown = [match for block in readme.blocks("bash", path) for match in COMMAND.findall(block.text)]
    assert shown or path != readme.README
    for verb, words in shown:
        command = main.get_command(context, verb)
        assert command is not None, verb
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)(--[\w-]+)", words)) <= known | {"--help"}, verb


def test_blocks_are_found_with_their_marks() -> None:
    text = '<!-- test: needs a, b -->\n```python\nx = 1\n```\n\n- in a list\n\n  ```toml title="t/task.toml"\n  a = 1\n  ```\n'
    first, second = (match.groupdict("") for match in readme.BLOCK.finditer(text))
    assert (first["mark"], first["language"], first["text"]) == ("needs a, b", "python", "x = 1\n")
    assert (second["title"], second["indent"]) == ("t/task.toml", "  ")
    block = readme.Block("x.md:1", "python", "", first["mark"], first["text"])
    assert block.runs
    assert block.needs == ["a", "b"]


@pytest.mark.parametrize(
    "words", ["--attempt", "is not jailed", "~/.config/evolve/prompts/", "`uncertain`", "[models]"]
)
def test_what_a_user_must_know_of_models_is_said(words: str) -> None:
    assert words in readme.README.read_text(encoding="utf-8").split("## Models")[1].split("\n## ")[0]
