from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from evolve.cli import main
from evolve.config import Config, parse
from tests import readme

ROOT = readme.README.parent


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


def test_the_two_commands_are_there() -> None:
    assert "evolve run math/circle_packing" in readme.command("install and run the main job")
    assert "pytest" in readme.command("install and pass the tests")


@pytest.mark.parametrize("number", range(len(readme.blocks("python"))))
def test_python_blocks_run(number: int, tmp_path: Path) -> None:
    block = readme.blocks("python")[number]
    ast.parse(block)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("EVOLVE_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_settings_shown_are_settings() -> None:
    for block in readme.blocks("toml"):
        parse(Config, tomllib.loads(block), where="README.md", text=block)


def test_every_command_shown_exists() -> None:
    from evolve.cli import VERBS

    shown = {match for block in readme.blocks("bash") for match in re.findall(r"^evolve (\w+)", block, re.MULTILINE)}
    assert shown
    assert shown <= set(VERBS)


def test_every_option_shown_exists() -> None:
    context = click.Context(main)
    for block in readme.blocks("bash"):
        for verb, words in re.findall(r"^evolve (\w+)([^#\n]*)", block, re.MULTILINE):
            command = main.get_command(context, verb)
            assert command is not None
            known = {option for parameter in command.params for option in parameter.opts}
            assert set(re.findall(r"(--[\w-]+)", words)) <= known, verb


@pytest.mark.parametrize(
    "words", ["--attempt", "is not jailed", "~/.config/evolve/prompts/", "`uncertain`", "[models]"]
)
def test_what_a_user_must_know_of_models_is_said(words: str) -> None:
    assert words in readme.README.read_text(encoding="utf-8").split("## Models")[1].split("\n## ")[0]
