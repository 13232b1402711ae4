"""Export: programs as files, and a run as a database that is as good as the one it came from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.archive import Archive
from evolve.archive.export import OWN, TABLES, write_database, write_folder
from evolve.archive.values import plain
from evolve.errors import ArchiveError
from evolve.records import Artifact, Evaluation
from tests import archives


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "evolve.db") as opened:
        yield opened


def test_a_folder_holds_the_best_programs(archive: Archive, tmp_path: Path) -> None:
    run = archives.fill(archive)
    index = write_folder(archive, None, tmp_path / "out" / "best", 2)
    assert json.loads((tmp_path / "out" / "best" / "index.json").read_text()) == index
    assert [(entry["rank"], entry["score"], entry["run"]) for entry in index] == [(1, 4.0, run), (2, 3.0, run)]
    for entry, program in zip(index, archive.best(2), strict=True):
        folder = tmp_path / "out" / "best" / entry["folder"]
        assert {path: (folder / path).read_text() for path in entry["files"]} == program.sources


def test_files_keep_their_bytes_and_folders(archive: Archive, tmp_path: Path) -> None:
    run = archives.begin(archive)
    sources = {"a/b/c.py": "x = 'ä'\r\ny = 1", "notes.txt": ""}
    archive.seeded(
        run, replace(archives.seed(9.0), digest="f" * 64, number=-1, sources=sources), Evaluation("ok", 9.0), 1
    )
    write_folder(archive, run, tmp_path / "out", 1)
    assert (tmp_path / "out" / "1-ffffffffff" / "a" / "b" / "c.py").read_bytes() == "x = 'ä'\r\ny = 1".encode()


@pytest.mark.parametrize("name", ["../up.py", "/tmp/root.py", "a/../../up.py", "."])
def test_no_file_leaves_the_folder(archive: Archive, tmp_path: Path, name: str) -> None:
    run = archives.begin(archive)
    program = replace(archives.seed(9.0), digest="f" * 64, number=-1, sources={name: "x"})
    archive.seeded(run, program, Evaluation("ok", 9.0), 1)
    with pytest.raises(ArchiveError, match="outside"):
        write_folder(archive, run, tmp_path / "out", 1)
    assert not (tmp_path / "up.py").exists()


def test_whatever_an_artifact_is_called_it_has_a_file(archive: Archive, tmp_path: Path) -> None:
    run = archives.begin(archive)
    names = [
        "plot",
        "plot/a.txt",
        "plot-a.txt",
        "PLOT",
        "../../up.txt",
        "/etc/x",
        "..",
        "nul\0",
        "l" * 300 + ".png",
        "größe",
    ]
    kept = tuple(Artifact(name, "text/plain", name.encode()) for name in names)
    program = replace(archives.seed(9.0), digest="f" * 64, number=-1)
    archive.seeded(run, program, Evaluation("ok", 9.0, artifacts=kept), 1)
    (entry,) = write_folder(archive, run, tmp_path / "deep" / "out", 1)
    folder = tmp_path / "deep" / "out" / f"{entry['folder']}-artifacts"
    assert {name: (folder / file).read_bytes() for name, file in entry["artifacts"].items()} == {
        name: name.encode() for name in names
    }
    assert len(list(folder.iterdir())) == len(names)
    assert (entry["artifacts"]["plot"], entry["artifacts"]["plot/a.txt"]) == ("plot", "plot-a.txt")
    assert entry["artifacts"]["l" * 300 + ".png"] == "l" * 96 + ".png"


def test_a_folder_in_use_is_refused(archive: Archive, tmp_path: Path) -> None:
    archives.fill(archive)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for target in (tmp_path / "full", archive.path):
        with pytest.raises(ArchiveError, match="not an empty folder"):
            write_folder(archive, None, target, 1)


def test_a_run_without_a_score(archive: Archive, tmp_path: Path) -> None:
    archive.create_run("empty", archives.task(), 1, {})
    with pytest.raises(ArchiveError, match="no program with a score"):
        write_folder(archive, None, tmp_path / "out", 1)


def test_a_run_as_a_database(archive: Archive, tmp_path: Path) -> None:
    archives.fill(archive, "other")
    run = archives.fill(archive, "mine")
    kept = Evaluation("ok", 7.0, {"size": 1.0}, "pictured", (Artifact("plot", "image/png", bytes(range(256))),))
    archives.tell(archive, run, archives.judge(archives.drafted(7, archives.seed(), "def seven(): pass\n"), kept))
    archives.converse(archive, run)
    archives.converse(archive, archives.fill(archive, "later"), 1)
    archive.opened("later", archives.call(2, words="worse"))
    assert write_database(archive, run, tmp_path / "one" / "mine.db") == run
    with Archive(tmp_path / "one" / "mine.db", create=False) as copy:
        assert [info.name for info in copy.runs()] == [run]
        assert copy.run() == archive.run(run)
        for table in TABLES:
            columns = [name for (name,) in copy._all("SELECT name FROM pragma_table_info(?)", (table,)) if name != "id"]
            chosen = f"SELECT {', '.join(columns)} FROM {table}"
            whole = f"{chosen} WHERE {OWN.get(table, 'run = :run').replace('whole.', '').replace(':run', repr(run))}"
            assert sorted(copy._all(chosen), key=repr) == sorted(archive._all(whole), key=repr), table
        for number in range(1, 7):
            assert copy.attempt(run, number) == archive.attempt(run, number)
        assert copy.conversation(run, 5) == archive.conversation(run, 5)
        assert (len(copy.conversation(run, 5)), copy._one("SELECT count(*) FROM prompts")) == (4, (1,))
        assert [attempt.proposal.number for attempt in copy.pending(run)] == [6]
        assert [hit.program.number for hit in copy.search("seven")] == [7]
        assert copy.search("pictured") == archive.search("pictured", run)
        assert copy._all("PRAGMA foreign_key_check") == []
        copy._run("INSERT INTO code (code) VALUES ('integrity-check')")
        copy.told(run, copy.pending(run)[0], 8)  # it is an archive like any other


def test_an_export_does_not_lock_the_archive(archive: Archive, tmp_path: Path) -> None:
    run = archives.fill(archive)
    with archive.transaction():  # a driver in the middle of a write
        archive.finish(run, "running", "", 3.0)
        with Archive(archive.path, create=False) as reader:
            write_database(reader, run, tmp_path / "copy.db")


def test_a_database_in_use_is_refused_and_a_failed_one_removed(archive: Archive, tmp_path: Path) -> None:
    run = archives.fill(archive)
    (tmp_path / "there.db").write_text("mine")
    with pytest.raises(ArchiveError, match="exists already"):
        write_database(archive, run, tmp_path / "there.db")
    assert (tmp_path / "there.db").read_text() == "mine"
    archive._run("PRAGMA foreign_keys = OFF")
    archive._run("DELETE FROM sources WHERE hash IN (SELECT source FROM programs WHERE number = 1)")
    with pytest.raises(sqlite3.IntegrityError):
        write_database(archive, run, tmp_path / "broken.db")
    assert sorted(path.name for path in tmp_path.iterdir() if "broken" in path.name) == []


def test_plain_has_only_numbers_that_json_has() -> None:
    value = {"a": [1, 2.5, float("inf")], "b": {"c": float("nan")}, "d": (True, None, "x")}
    assert plain(value) == {"a": [1, 2.5, "inf"], "b": {"c": "nan"}, "d": [True, None, "x"]}
