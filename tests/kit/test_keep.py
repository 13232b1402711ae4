from __future__ import annotations

import os
import resource
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evolve.kit import keep


class Slow:
    """Something to compute, that knows how often it was."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.times = 0
        self.seconds = seconds

    def __call__(self) -> dict[str, NDArray[Any]]:
        self.times += 1
        time.sleep(self.seconds)
        return {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array([1, 2], np.float16)}


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "evolve"


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix != ".lock"]


def test_what_is_kept_is_not_computed_again(folder: Path) -> None:
    slow = Slow()
    first, second = (keep.kept("x", {"n": 1}, slow) for _ in range(2))
    assert slow.times == 1
    assert first.keys() == second.keys() == {"a", "b"}
    assert all(np.array_equal(first[name], second[name]) and first[name].dtype == second[name].dtype for name in first)
    keep.kept("x", {"n": 2}, slow)
    assert slow.times == 2
    assert len(files(folder)) == 2


def test_what_could_not_be_written_leaves_nothing_behind(folder: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    slow = Slow()
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        found = keep.kept("x", {"n": 1}, slow)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, kept)
    assert np.array_equal(found["b"], [1, 2])
    assert files(folder) == []
    keep.kept("x", {"n": 1}, slow)
    assert (slow.times, len(files(folder))) == (2, 1)


@pytest.mark.parametrize("harm", ["cut", "changed", "empty"])
def test_what_was_harmed_is_computed_anew(folder: Path, harm: str) -> None:
    slow = Slow()
    keep.kept("x", {"n": 1}, slow)
    (path,) = files(folder)
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-3], "changed": data[:-1] + b"\xff", "empty": b""}[harm])
    assert np.array_equal(keep.kept("x", {"n": 1}, slow)["a"], np.arange(6.0).reshape(2, 3).T)
    assert slow.times == 2
    assert path.read_bytes() == data


def test_one_computes_and_the_others_wait() -> None:
    slow = Slow(0.2)
    threads = [threading.Thread(target=keep.kept, args=("x", {"n": 1}, slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert slow.times == 1


def test_what_nobody_asked_for_goes(folder: Path) -> None:
    for n in range(2):
        keep.kept("x", {"n": n}, Slow())
    old = time.time() - 2 * keep.UNUSED
    for path in files(folder):
        os.utime(path, (old, old))
    keep.kept("x", {"n": 0}, Slow())
    keep.kept("x", {"n": 2}, Slow())
    assert len(files(folder)) == 2


def test_without_a_folder_it_is_computed_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    slow = Slow()
    for _ in range(2):
        keep.kept("x", {}, slow)
    assert slow.times == 2


def test_code_is_known_by_its_text(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("a")
    two.write_text("b")
    assert keep.code(str(one), str(two)) == keep.code(str(one), str(two)) != keep.code(str(two), str(one))
