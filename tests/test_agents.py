"""AGENTS.md: what it says of mistakes is what an agent will read when it makes them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from evolve.cli import main
from tests import readme

PAGE = readme.ROOT / "AGENTS.md"
MISTAKES = {
    "is missing; it must define evaluate(candidate)": ("evaluate.py", None, ""),
    "unknown key …; did you mean …": ("task.toml", "brief =", "breif ="),
    "ModuleNotFoundError: No module named 'numpy'": (
        "initial.py",
        "# EVOLVE-BLOCK-START",
        "import numpy\n\n# EVOLVE-BLOCK-START",
    ),
    "which is not plain data": ("initial.py", "return [", "return lambda: ["),
    "which is not finite": ("initial.py", "return [", "return [float('nan')] + ["),
    "evaluate returned a dict without 'score'": (
        "evaluate.py",
        "    shares =",
        "    return {'mean': 1.0}\n    shares =",
    ),
    "which cannot be compared: raise Invalid(...) instead": ("evaluate.py", "score=sum", "score=float('nan') * sum"),
    "has no attribute": ("evaluate.py", '"points"', '"dots"'),
    "the evaluation took longer than": ("initial.py", "    return [", "    while True:\n        n += 1\n    return ["),
    "needs …, not installed here: pip install …": ("task.toml", "[score]", 'packages = ["not-there-at-all"]\n[score]'),
}


@pytest.fixture
def gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's task."""
    monkeypatch.chdir(tmp_path)
    for block in readme.blocks(path=PAGE):
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text, encoding="utf-8")
    toml = Path("gaps/task.toml")
    toml.write_text(toml.read_text().replace("seconds = 5", "seconds = 1"))
    return tmp_path / "gaps"


def check(*words: str) -> tuple[int, dict[str, str]]:
    done = CliRunner().invoke(main, ["check", *words, "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_the_task_is_sound(gaps: Path) -> None:
    assert check("gaps")[0] == 0
    assert CliRunner().invoke(main, ["check", "gaps", "--lint"]).stdout.split("\n")[0].endswith("nothing found")


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_told_as_the_page_says(gaps: Path, message: str) -> None:
    name, old, new = MISTAKES[message]
    path = gaps / name
    text = path.read_text()
    if old is None:
        path.unlink()
    else:
        assert old in text
        path.write_text(text.replace(old, new))
    code, seen = check("gaps")
    assert code == 1
    assert re.search(re.escape(message).replace("…", ".+"), seen["error"]), seen["error"]
    line = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{message}`"))
    status = re.search(r"\(.*?`(\w+)`.*?\) \||\(`(\w+)`", line)
    assert status is None or seen["status"] in status.groups()
