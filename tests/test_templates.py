from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import evolve
from evolve import lint, references
from evolve.cli import main
from evolve.executor import LocalExecutor
from evolve.jail import choose
from evolve.records import Job
from evolve.skeleton import templates
from evolve.survey import Survey
from evolve.task import load
from tests.waiting import answer

NAMES = tuple(templates())
COMPILER = shutil.which("c++")


def surveyed(folder: Path) -> Survey:
    if folder.name == "cpp" and COMPILER is None:
        pytest.skip("no c++ on this machine")
    task = load(folder)
    return references.survey(task, references.programs(task), choose("auto"))


def test_the_map_and_the_folder_agree() -> None:
    text = (templates()["function"].parent / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[(\w+)\]", text, re.MULTILINE)) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_holds_what_it_records_and_lint_finds_no_error(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    done = CliRunner().invoke(main, ["new", str(folder), "--template", name], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert readme.startswith(f"# {name}\n")
    found = surveyed(folder)
    assert all(row.scores for row in found.rows), [row.failed for row in found.rows]
    assert found.reproduced
    lead = found.lead(found.rows[1], found.seed)
    assert lead is not None
    assert lead.mean > 0, "the reference is better than the seed program"
    levels = {finding.level for finding in lint.findings(found, choose("auto"))}
    assert "error" not in levels


@pytest.mark.parametrize("name", NAMES)
def test_each_improves_in_thirty_evaluations(name: str, tmp_path: Path) -> None:
    if name == "cpp" and COMPILER is None:
        pytest.skip("no c++ on this machine")
    task = load(templates()[name])
    # Inline is faster, and what a clock says there is no measure.
    executor = "local" if name in ("cpp", "timing") else "inline"
    with evolve.Archive(tmp_path / "a.db") as archive:
        run = evolve.run(task, evaluations=30, seed=1, db=tmp_path / "a.db", executor=executor)
        first = archive.seeds(run.name)[0][0].score
        assert first is not None
        assert run.best.score is not None
        assert task.score.sign * (run.best.score - first) > 0


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("timing", ("while len(runs) > 1:", "while sorted(runs) and len(runs) > 1:"), "sorted is forbidden"),
        ("cpp", ("double approximate", "#include <cmath>\ndouble approximate"), "include nothing but <cstdio>"),
        ("cpp", ("double approximate", 'extern "C" double erf(double);\ndouble approximate'), "it says 'extern'"),
        ("cpp", ("x / (0.8 + 1.0 * x)", "__builtin_erf(x)"), "it says '__builtin_erf'"),
        ("cpp", ("x / (0.8 + 1.0 * x)", "[] { double erf(double); return erf; }()(x)"), "undefined reference"),
        ("perturb", ("return min(max(x, 0), 1)", "return x + 2"), "from 0 to 1"),
        ("objectives", ("3.0 * (i / count)", "4.0 * (i / count)"), "from 0 to 3"),
        ("learning", ("np.stack([x, y,", "np.stack([x, y, *points.T] * 4 + ["), "1 to 12 columns, not 18"),
        ("function", ("[0.5 * x + 0.0 for x in xs]", "0.0"), "must return a list of 81"),
    ],
)
def test_what_is_no_answer_is_invalid(name: str, change: tuple[str, str], says: str) -> None:
    if name == "cpp" and COMPILER is None:
        pytest.skip("no c++ on this machine")
    task = load(templates()[name])
    sources = {path: text.replace(*change) for path, text in task.initial.items()}
    assert sources != task.initial
    executor = LocalExecutor(task, choose("auto"), 1)
    try:
        seen = answer(executor, Job("x", sources, 0, "fresh"))
    finally:
        executor.close()
    assert (seen.status, says in seen.error) == ("invalid", True), seen.error
