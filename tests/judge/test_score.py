import math
import sys
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from evolve.executor.here import Here
from evolve.judge.candidate import Candidate
from evolve.judge.score import described, load, scored, seeded
from evolve.records import Metric, Result
from tests.archives import task

TASK = replace(
    task(metrics=(Metric("loss", "minimize", bounds=(0.0, None)),)),
    score=Metric("accuracy", "maximize", bounds=(0.0, 2.0)),
)
CANDIDATE = Candidate(TASK, {}, 0, lambda sources: Here(TASK, sources))


@pytest.mark.parametrize(
    "score", [1, 1.0, np.float32(1), np.int64(1), Fraction(1), {"score": 1}, Result(1), Result(np.float64(1))]
)
def test_numbers_that_are_scores(score: object) -> None:
    seen = scored(TASK, score)
    assert (seen.status, type(seen.score), seen.score) == ("ok", float, 1.0)


@pytest.mark.parametrize(
    ("returned", "error", "says"),
    [
        (True, TypeError, "bool"),
        (np.bool_(True), TypeError, "bool"),
        (None, TypeError, "NoneType"),
        ("1", TypeError, "str"),
        (1j, TypeError, "complex"),
        (Decimal(1), TypeError, "Decimal"),
        (np.ones(1), TypeError, "ndarray"),
        ([1.0], TypeError, "list"),
        (math.nan, ValueError, "nan"),
        (-math.inf, ValueError, "inf"),
        (2.5, ValueError, r"outside the bounds \[0.0, 2.0\]"),
        (-1e-9, ValueError, "outside the bounds"),
        ({}, TypeError, "without 'score'"),
        ({"score": "1"}, TypeError, "str"),
        ({"score": 1, "note": "x"}, TypeError, "'note' of type str"),
        ({"score": 1, "loss": -1}, ValueError, "'loss' = -1.0, outside"),
        ({"score": 1, "loss": math.nan}, ValueError, "'loss' = nan"),
        (Result(1, feedback=None), TypeError, "feedback"),  # type: ignore[arg-type]
        (Result(1, artifacts={"a": 1}), TypeError, "artifact 'a' of type int"),  # type: ignore[dict-item]
    ],
)
def test_what_is_no_score(returned: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        scored(TASK, returned)


def test_a_dict_may_hold_everything() -> None:
    seen = scored(
        TASK,
        {
            "score": 1,
            "loss": 0,
            "metrics": {"time": 2},
            "feedback": "ok",
            "artifacts": {"log.txt": "é", "x": b"\0"},
            "valid": True,
        },
    )
    assert seen.metrics == {"loss": 0.0, "time": 2.0, "valid": 1.0}
    assert seen.feedback == "ok"
    assert [(a.name, a.mime, a.data) for a in seen.artifacts] == [
        ("log.txt", "text/plain", "é".encode()),
        ("x", "application/octet-stream", b"\0"),
    ]


def test_seed_is_passed_where_it_is_declared() -> None:
    assert seeded(lambda candidate: candidate)(CANDIDATE, 3) is CANDIDATE
    assert seeded(lambda candidate, seed: seed)(CANDIDATE, 3) == 3
    assert seeded(lambda candidate, *, seed=0: seed)(CANDIDATE, 3) == 3
    assert seeded(lambda candidate, depth=0: depth)(CANDIDATE, 3) == 0


def test_helpers_beside_the_script_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "helper_of_this_task.py").write_text("N = 4")
    (tmp_path / "evaluate.py").write_text("import helper_of_this_task as h\ndef evaluate(c):\n    return h.N\n")
    assert load(replace(TASK, evaluator=tmp_path / "evaluate.py")).evaluate(CANDIDATE, 0) == 4


@pytest.mark.parametrize("name", ["screen", "validate"])
def test_what_only_has_the_name_of_a_stage_is_refused_by_it(tmp_path: Path, name: str) -> None:
    script = tmp_path / "evaluate.py"
    script.write_text(f"{name} = 0.5\ndef evaluate(candidate):\n    return 1\n")
    with pytest.raises(TypeError, match=rf"^{name} of .*evaluate.py is of type float: make it a function"):
        load(replace(TASK, evaluator=script))


def test_a_traceback_shows_the_script_alone(tmp_path: Path) -> None:
    script = tmp_path / "evaluate.py"
    script.write_text("def evaluate(candidate):\n    return candidate.sources['x']\n")
    with pytest.raises(KeyError) as caught:
        load(replace(TASK, evaluator=script)).evaluate(CANDIDATE, 0)
    text = described(caught.value)
    assert text.endswith("return candidate.sources['x']\n           ~~~~~~~~~~~~~~~~~^^^^^\nKeyError: 'x'")
    assert "/score.py" not in text
