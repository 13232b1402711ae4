"""The short version of ``bench/edits.py``: a million edits are run by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from evolve import resources


def test_no_spoilt_reply_becomes_a_wrong_program() -> None:
    path = Path(resources.__file__).resolve().parent.parent / "bench" / "edits.py"
    spec = importlib.util.spec_from_file_location("bench_edits", path)
    assert spec
    assert spec.loader
    edits = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(edits)
    tally, findings = edits.search(seed=3, first=0, count=3000)
    assert findings == []
    assert tally["edits, clean: exact"] > 300
    assert tally["rewrite, clean: exact"] > 300
    assert tally["edits, clean: refused"] + tally["rewrite, clean: refused"] < 30
