from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tasks.candidates import reference, refused
from tests.tasks.minilm import Judge, judge, lacking

NAME = "pruning/mask"
pytestmark = lacking

PROGRAM = """
import numpy as np

def improve_mask(weight, gram, mask, deadline):
    {body}
    return {mask}
"""


def program(mask: str, body: str = "pass") -> str:
    return PROGRAM.format(mask=mask, body=body)


@pytest.fixture(scope="module")
def judged() -> Iterator[Judge]:
    with judge(NAME, calibration=8, rows=12, deadline=0.2) as run:
        yield run


def test_references_are_ordered_as_in_the_papers(judged: Judge) -> None:
    names = ("wanda", "random_search", "greedy", "icbs")
    given, random, greedy, blocks = (judged(reference(NAME, f"{name}.py")).score for name in names)
    assert given == random == 1.0
    assert blocks is not None
    assert greedy is not None
    assert blocks < greedy < 0.8


def test_a_program_that_ends_before_its_deadline_scores_the_same_again(judged: Judge) -> None:
    first, second = (judged(reference(NAME, "greedy.py")) for _ in range(2))
    assert (first.score, first.metrics, first.feedback) == (second.score, second.metrics, second.feedback)
    assert judged(reference(NAME, "greedy.py"), seed=1).score != first.score


def test_swaps_that_harm_are_an_answer_and_a_bad_one(judged: Judge) -> None:
    smallest = "order = np.argsort(abs(weight), axis=1); worst = np.zeros_like(mask)"
    chosen = "np.put_along_axis(worst, order[:, : mask[0].sum()], True, axis=1)"
    assert (judged(program("worst", f"{smallest}; {chosen}")).score or 0.0) > 1.5


def test_what_the_candidate_does_to_its_arguments_stays_with_it(judged: Judge) -> None:
    seen = judged(program("mask", "weight[:] = 0; gram[:] = 0"))
    assert seen.score == 1.0


def test_the_hidden_layer_is_judged_on_other_texts_too(judged: Judge) -> None:
    seen = judged(reference(NAME, "greedy.py"), purpose="validate")
    assert (seen.score or 9.0) < 1.0
    assert seen.metrics["on_other_texts"] < 1.0
    assert 0.0 < seen.metrics["agreement"] <= 1.0


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        ("np.ones_like(mask)", "one for one"),
        ("mask ^ (np.arange(mask.size).reshape(mask.shape) == 0)", "row 0 keeps"),
        ("mask[:, ::-1].T", "shape"),
        ("mask.astype(np.float32)", "array of float32"),
        ("mask.astype(np.uint8)", "array of uint8"),
        ("mask.tolist()", "not list"),
        ("None", "not NoneType"),
    ],
)
def test_what_is_no_mask_with_the_same_counts_is_refused(judged: Judge, mask: str, says: str) -> None:
    assert refused(judged(program(mask)), says)
