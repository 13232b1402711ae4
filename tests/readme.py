"""Reads the code blocks of README.md, AGENTS.md and docs/, for the tests that run them and for ``.ci/run``, which asks for a
command by its comment.

A reader goes through a document from top to bottom, and so does the test: in one empty folder, block by block.

    ```python                          is run
    ```bash                            is looked at only: whether its verbs and options exist
    ```toml                            must be settings, or a `task.toml` where its title ends so
    ```LANGUAGE title="PATH"           is written to the file PATH of the folder, and not run
    <!-- test: run -->                 on the line above a bash block: it is run, too
    <!-- test: needs mlflow, torch --> on the line above: left out where one of the modules is missing
    <!-- test: skip WHY -->            on the line above: left out, as where a GPU or a key is needed
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DOCUMENTS = [path for path in (README, ROOT / "AGENTS.md", *sorted((ROOT / "docs").rglob("*.md"))) if path.is_file()]
BLOCK = re.compile(
    r"""^(?:<!--\ test:\ (?P<mark>.+?)\ -->\n)?
    (?P<indent>[ ]*)```(?P<language>\w+)(?:\ title="(?P<title>[^"]+)")?[^\n]*\n
    (?P<text>.*?)^(?P=indent)```""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its place, what is written beside the fence, and its text."""

    place: str
    language: str
    title: str
    mark: str
    text: str

    @property
    def needs(self) -> list[str]:
        """The modules without which it cannot run."""
        return re.split(r",\s*", self.mark.removeprefix("needs ")) if self.mark.startswith("needs ") else []

    @property
    def runs(self) -> bool:
        """Whether the test is to run it."""
        if self.title or self.mark.startswith("skip"):
            return False
        return self.language == "python" or self.mark == "run"


def blocks(language: str = "", path: Path = README) -> list[Block]:
    """Return the fenced blocks of ``language``, or all, in order."""
    text = path.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        place = f"{path.relative_to(ROOT)}:{text[: match.start('text')].count(chr(10))}"
        inner = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        found.append(Block(place, match["language"], match["title"] or "", match["mark"] or "", inner))
    return [block for block in found if language in ("", block.language)]


def command(purpose: str) -> str:
    """Return the shell command below the comment ``# purpose``."""
    found = [block.text for block in blocks("bash") if block.text.startswith(f"# {purpose}\n")]
    if len(found) != 1:
        raise SystemExit(f"README.md has {len(found)} commands under '# {purpose}', expected one")
    return found[0].split("\n", 1)[1].strip()


if __name__ == "__main__":
    print(command(sys.argv[1]))
