"""Tables of the archive in pandas and Polars, with the real packages."""

import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evolve.archive import Archive
from evolve.archive.frames import COLUMNS, What
from evolve.errors import ArchiveError
from evolve.records import Evaluation
from tests import archives

ALL: tuple[What, ...] = ("programs", "evaluations", "attempts", "replies")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "evolve.db") as opened:
        archives.converse(opened, archives.fill(opened))
        yield opened


@pytest.fixture(params=["pandas", "polars"])
def library(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip(request.param)
    return request.param


def rows(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of either kind of frame, what is missing as None."""
    if type(frame).__module__.startswith("polars"):
        return list(frame.to_dicts())
    clean = frame.astype(object).where(frame.notna(), None)
    return list(clean.to_dict("records"))


def test_programs(archive: Archive, library: Any) -> None:
    found = rows(archive.frame(library=library))
    assert [row["score"] for row in found] == [1.0, 2.0, 4.0, None, 3.0]
    assert [row["number"] for row in found] == [0, 1, 2, 3, 5]
    assert [row["metrics.size"] for row in found] == [1.0, 2.0, 3.0, None, 1.0]
    assert [row["parent_score"] for row in found] == [None, 1.0, 2.0, 2.0, 4.0]
    assert found[0]["parent"] is None
    assert found[1]["parent"] == found[0]["id"] == archives.digest("seed")[:10]
    assert found[2]["arm"] == "builtin/tune"
    assert found[2]["note"] == "tried 2"
    assert abs(found[0]["created"] - datetime.now(UTC)) < timedelta(minutes=5)


def test_evaluations(archive: Archive, library: Any) -> None:
    found = rows(archive.frame(what="evaluations", library=library))
    assert [row["purpose"] for row in found] == ["seed", "child", "child", "child", "child"]
    assert [row["status"] for row in found] == ["ok", "ok", "ok", "crash", "ok"]
    assert found[2]["memory"] == 3 << 20
    assert found[1]["memory"] is None
    assert found[2]["cached"] is False or found[2]["cached"] == False  # noqa: E712
    assert "ZeroDivisionError" in found[3]["error"]


def test_attempts(archive: Archive, library: Any) -> None:
    found = rows(archive.frame(what="attempts", library=library))
    assert [row["state"] for row in found] == ["told"] * 5 + ["drafted"]
    assert [row["told"] for row in found] == [1, 2, 3, 4, 5, None]
    assert [row["stage"] for row in found] == [None, None, None, "novelty", None, None]
    assert [row["evaluations"] for row in found] == [1, 1, 1, 0, 1, 0]
    assert [row["replies"] for row in found] == [0, 0, 0, 0, 4, 0]
    assert [row["dollars"] for row in found][:4] == [0.0] * 4
    assert found[5]["ended"] is None
    assert found[4]["ended"] >= found[4]["asked"]


def test_replies(archive: Archive, library: Any) -> None:
    found = rows(archive.frame(what="replies", library=library))
    assert [(row["turn"], row["tries"], row["state"]) for row in found] == [
        (0, 0, "failed"), (0, 1, "done"), (1, 0, "done"), (2, 0, "open"),
    ]  # fmt: skip
    assert found[0]["http"] == 503
    assert found[1]["output_tokens"] == 8
    assert found[2]["text"] == "<NAME>an edit"
    assert found[3]["closed"] is None


@pytest.mark.parametrize("what", ALL)
def test_columns_have_their_kind_even_where_all_is_missing(archive: Archive, library: Any, what: What) -> None:
    archive.create_run("empty", archives.task(), 5, {})
    full, empty = (archive.frame(run, what, library=library) for run in ("sphere-1", "empty"))
    named = [name for name in full.columns if not name.startswith("metrics.")]
    assert named == list(empty.columns) == list(COLUMNS[what])
    for name, (_, kind) in COLUMNS[what].items():
        if kind != "text":
            assert str(full[name].dtype) == str(empty[name].dtype), name


def test_numbers_that_json_has_not_come_through(archive: Archive, library: Any) -> None:
    parent = archives.seed()
    seen = Evaluation("ok", 1.5, {"<b>odd</b>": math.inf, "size": 2.0})
    archives.tell(archive, "sphere-1", archives.judge(archives.drafted(7, parent, "y = 7\n"), seen))
    frame = archive.frame(library=library)
    assert frame["metrics.<b>odd</b>"].max() == math.inf
    assert frame["metrics.size"].sum() == 9.0


def test_what_is_imported_already_is_taken(archive: Archive) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    assert isinstance(archive.frame(library="polars"), polars.DataFrame)
    assert isinstance(archive.frame(library="pandas"), pandas.DataFrame)
    assert isinstance(archive.frame(), pandas.DataFrame)
    program = (
        "import sys, polars; from evolve.archive import Archive\n"
        "with Archive(sys.argv[1]) as archive: print(type(archive.frame()).__module__)\n"
        "assert 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program, archive.path], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("polars"), done.stderr


def test_without_either_the_remedy_is_named(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ArchiveError, match=r"needs polars, not installed here: pip install polars"):
        archive.frame(library="polars")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ArchiveError, match=r"needs pandas or polars, not installed here: pip install pandas"):
        archive.frame()


def test_one_is_enough(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    polars = pytest.importorskip("polars")
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert isinstance(archive.frame(), polars.DataFrame)


def test_mistakes_are_named(archive: Archive) -> None:
    with pytest.raises(
        ArchiveError, match=r"no frame of 'islands'; there are programs, evaluations, attempts, replies"
    ):
        archive.frame(what="islands")  # type: ignore[arg-type]
    with pytest.raises(ArchiveError, match="library 'numpy': give 'pandas' or 'polars'"):
        archive.frame(library="numpy")  # type: ignore[arg-type]
    pytest.importorskip("pandas")
    with pytest.raises(ArchiveError, match="no run 'other'"):
        archive.frame("other")
