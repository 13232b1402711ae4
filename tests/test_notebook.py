"""The tutorial notebook runs from top to bottom in a real kernel, and is stored without outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.readme import ROOT

NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(notebook)
NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": "."}}).execute()
nbformat.write(notebook, "done.ipynb")
"""


def cells(path: Path) -> list[dict[str, Any]]:
    """Return the code cells of a notebook."""
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def shown(cell: dict[str, Any], mime: str) -> str:
    """Return what a cell shows as one type."""
    return "".join("".join(output.get("data", {}).get(mime, "")) for output in cell["outputs"])


def test_the_notebook_is_stored_without_outputs() -> None:
    kept = json.loads(NOTEBOOK.read_text("utf-8"))
    assert kept["nbformat"] == 4
    assert set(kept["metadata"]) <= {"kernelspec", "language_info"}
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(NOTEBOOK))


def test_the_notebook_runs(tmp_path: Path) -> None:
    for module in ("nbclient", "ipykernel", "pandas"):
        pytest.importorskip(module)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("EVOLVE_", "JUPYTER"))}
    environment |= {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path / "home"), "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, NOTEBOOK],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    ran = cells(tmp_path / "done.ipynb")
    html = [shown(cell, "text/html") for cell in ran]
    assert sum("<svg" in one for one in html) == 3, "two runs and a plot"
    assert "builtin/tune" in "".join(html)
    printed = "".join(
        "".join(output["text"]) for cell in ran for output in cell["outputs"] if output.get("name") == "stdout"
    )
    assert "+    return" in printed, "the diff"
    assert "isolation" in printed
    assert (tmp_path / "sine.svg").read_text("utf-8").startswith("<svg")
    assert not [output for cell in ran for output in cell["outputs"] if output.get("name") == "stderr"]
