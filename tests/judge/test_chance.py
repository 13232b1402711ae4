"""The numbers that a candidate draws: the same on one seed, and no way back to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evolve.judge import chance
from evolve.judge.chance import veiled

ASK = "from evolve.judge.chance import veiled; print(veiled(7))"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_seeds_are_veiled_by_a_secret_of_this_account(state: Path) -> None:
    first = [veiled(seed) for seed in range(100)]
    assert len(set(first)) == 100
    assert all(0 <= number < 1 << 63 and number > 1 << 32 for number in first)
    assert first == [veiled(seed) for seed in range(100)]
    (kept,) = (state / "evolve").iterdir()
    assert (len(kept.read_bytes()), kept.stat().st_mode & 0o777) == (chance.LENGTH, 0o600)


def test_another_account_has_other_numbers(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = veiled(7)
    monkeypatch.setenv("XDG_STATE_HOME", str(state / "other"))
    assert veiled(7) != mine


def test_processes_that_begin_together_agree(state: Path) -> None:
    asking = [subprocess.Popen([sys.executable, "-c", ASK], stdout=subprocess.PIPE) for _ in range(6)]
    told = {process.communicate(timeout=30)[0] for process in asking}
    assert told == {f"{veiled(7)}\n".encode()}


@pytest.mark.parametrize("damage", ["file", "short"])
def test_where_none_can_be_kept_numbers_are_the_same_all_the_same(state: Path, damage: str) -> None:
    if damage == "file":
        state.write_text("in the way")
    else:
        chance.place().parent.mkdir(parents=True)
        chance.place().write_bytes(b"cut")
    told = [
        subprocess.run([sys.executable, "-c", ASK], capture_output=True, check=True, timeout=30).stdout
        for _ in range(2)
    ]
    assert told[0] == told[1] == f"{veiled(7)}\n".encode()
