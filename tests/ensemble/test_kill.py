"""The short version of ``bench/kills.py``: fifty kills are run by hand."""

from __future__ import annotations

from pathlib import Path

from bench.kills import Killed


def test_kills_lose_what_was_under_way_and_nothing_else(tmp_path: Path) -> None:
    found = Killed(tmp_path, kills=5, evaluations=110, seed=4)()
    assert found.wrong == []
    assert found.kills == 5
    assert found.evaluations == 110
    assert found.missing <= 5 * 4
    assert found.ledger >= found.bill > 0
    assert found.corrections > 0
    assert found.replayed == "identical"


def test_calls_that_were_cut_off_count_against_a_dollar_cap(tmp_path: Path) -> None:
    found = Killed(tmp_path, kills=1, evaluations=1000, usd=0.05, seed=5)()
    assert found.wrong == []
    assert found.reason.startswith("0.05 dollars: what is left")
    assert found.bill <= found.ledger <= 0.05
