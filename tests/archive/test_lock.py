"""What is seen of a run whose process was killed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from evolve.archive import Archive
from evolve.archive.lock import left_over
from evolve.cli import main
from evolve.errors import ArchiveError
from evolve.view.report.facts import gather
from evolve.view.report.standing import spent
from tests.archives import fill

RUN = "sphere-1"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "e.db"
    with Archive(path) as archive:
        fill(archive)
    return path


@contextmanager
def driver(db: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the run's lock, as its driver does."""
    code = (
        f"from evolve.archive import Archive\n"
        f"with Archive({str(db)!r}) as archive, archive.lock({RUN!r}):\n"
        f"    archive.finish({RUN!r}, 'running', '', 1.0)\n"
        f"    print('held', flush=True)\n"
        f"    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_run_is_cut_off_once_its_process_was_killed(db: Path) -> None:
    with Archive(db) as archive:
        with driver(db):
            assert [info.state for info in archive.runs()] == ["running"]
            archive.command(RUN, "pause")
        assert archive.run(RUN).state == "cut off"
        with pytest.raises(ArchiveError, match=rf"run {RUN} was cut off, so there is nothing to stop; `evolve resume"):
            archive.command(RUN, "stop")
        with archive.lock(RUN):
            assert archive.run(RUN).state == "running", "somebody goes on with it"
        archive.finish(RUN, "stopped", "", 2.0)
        assert archive.run(RUN).state == "stopped"


def test_everything_that_shows_a_run_says_so(db: Path) -> None:
    with driver(db):
        pass
    listed = CliRunner().invoke(main, ["runs", "--db", str(db)])
    assert "cut off" in listed.stdout
    assert json.loads(CliRunner().invoke(main, ["runs", "--db", str(db), "--json"]).stdout)[0]["state"] == "cut off"
    with Archive(db) as archive:
        assert "it was cut off: no process runs it any more." in spent(gather(archive, RUN))


def test_its_page_says_so_and_asks_no_more(db: Path) -> None:
    pytest.importorskip("starlette")
    pytest.importorskip("httpx2")
    from tests.view.test_app import client

    with driver(db):
        page = client(db).get(f"/runs/{RUN}").text
        assert "every 3s" in page
    page = client(db).get(f"/runs/{RUN}").text
    assert '<span class="state cut off">cut off</span>' in page
    assert f"<code>evolve resume {RUN}</code>" in page
    assert "every 3s" not in page, "nothing more comes of it"


def test_looking_keeps_nobody_from_driving(db: Path) -> None:
    """A reader holds the lock of a run that was cut off for a moment; a driver that begins in that moment tries again."""
    with driver(db):
        pass
    lock = db.with_name(f"{db.name}.{RUN}.lock")
    looking = True

    def look() -> None:
        while looking:
            left_over(lock)
            time.sleep(0.002)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        with Archive(db) as archive:
            for _ in range(50):
                with archive.lock(RUN):
                    pass
                lock.touch()
    finally:
        looking = False
        for watcher in watchers:
            watcher.join()


def test_a_copy_of_an_archive_keeps_what_it_says(db: Path, tmp_path: Path) -> None:
    """Its locks are elsewhere: nobody can know from here."""
    with Archive(db) as archive:
        archive.finish(RUN, "running", "", 1.0)
        assert archive.run(RUN).state == "running"
