"""Reads README.md's code blocks, for the tests that run them and for ``.ci/run``, which asks for a command by its comment."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    """Return the text of each fenced block of ``language``, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def command(purpose: str) -> str:
    """Return the shell command below the comment ``# purpose``."""
    found = [block for block in blocks("bash") if block.startswith(f"# {purpose}\n")]
    if len(found) != 1:
        raise SystemExit(f"README.md has {len(found)} commands under '# {purpose}', expected one")
    return found[0].split("\n", 1)[1].strip()


if __name__ == "__main__":
    print(command(sys.argv[1]))
