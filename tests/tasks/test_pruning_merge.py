from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from evolve.executor import InlineExecutor
from evolve.records import Evaluation, Job
from evolve.task import load
from tests.tasks.candidates import reference, refused, returning, script
from tests.waiting import answer

pytest.importorskip("torch")
pytest.importorskip("sklearn")

TASK = "pruning/merge"
Judge = Callable[[str], Evaluation]


@pytest.fixture(scope="module")
def judged() -> Iterator[Judge]:
    """Judges programs on one seed, in one judge: it trains the experts only once."""
    executor = InlineExecutor(load(TASK))

    def judge(text: str) -> Evaluation:
        return answer(executor, Job("x", {"initial.py": text}, 0))

    yield judge
    executor.close()


@pytest.fixture(scope="module")
def judge_module() -> Iterator[ModuleType]:
    """The judge's script itself, for what an attacker could have prepared with data of his own."""
    with script(TASK) as module:
        yield module


def seed_program() -> str:
    return load(TASK).initial["initial.py"]


def score(seen: Evaluation) -> float:
    assert seen.status == "ok", seen.error
    assert seen.score is not None
    return seen.score


def test_references_stand_in_their_order(judged: Judge) -> None:
    average = score(judged(seed_program()))
    none = score(judged(returning("merge", "{name: np.zeros_like(part) for name, part in args[0].items()}")))
    isotropic, least = (score(judged(reference(TASK, name))) for name in ("isotropic.py", "interference.py"))
    assert none < average < isotropic < least < 0.98


@pytest.mark.parametrize("name", ["ties.py", "breadcrumbs.py", "dare.py", "magmax.py", "lines.py", "singular.py"])
def test_other_references_merge(judged: Judge, name: str) -> None:
    assert 0.78 < score(judged(reference(TASK, name))) < 0.93


def test_equal_seeds_give_equal_evaluations(judged: Judge) -> None:
    first, again = judged(seed_program()), judged(seed_program())
    assert (first.score, first.metrics, first.feedback) == (again.score, again.metrics, again.feedback)
    assert [picture.data for picture in first.artifacts] == [picture.data for picture in again.artifacts]


def test_feedback_names_the_worst_tasks_first(judged: Judge) -> None:
    seen = judged(seed_program())
    assert seen.feedback.startswith("6 experts: 0.8")
    assert "3 experts: 0.8" in seen.feedback
    assert seen.artifacts[0].name == "lengths.svg"


def test_one_common_factor_changes_nothing(judged: Judge) -> None:
    larger = seed_program().replace("/ len(deltas)", "* 1000.0")
    assert score(judged(larger)) == pytest.approx(score(judged(seed_program())), abs=1e-3)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("args[0]['layer1.weight']", "must return a dict"),
        ("{}", "must return a dict with the arrays"),
        ("dict(args[1][0], more=args[0]['layer1.bias'])", "must return a dict with the arrays"),
        ("{name: part.tolist() for name, part in args[0].items()}", "as a float array of shape"),
        ("{name: part.astype(int) for name, part in args[0].items()}", "not int64"),
        ("{name: part.T for name, part in args[0].items()}", "as a float array of shape (256, 64)"),
        ("{name: part * np.nan for name, part in args[0].items()}", "finite"),
        ("{name: part.astype(float) * 1e300 for name, part in args[0].items()}", "beyond 1e6"),
    ],
)
def test_what_is_no_delta_is_invalid(judged: Judge, expression: str, says: str) -> None:
    assert refused(judged(returning("merge", expression)), says)


def test_a_network_trained_elsewhere_gains_nothing(judged: Judge, judge_module: ModuleType) -> None:
    """A program that holds a network and returns the way there: the views that it knows are no other seed's."""
    import torch

    generator = torch.Generator().manual_seed(7)
    x, y = judge_module.digits()
    mine, theirs = judge_module.views(1), judge_module.views(0)
    every = torch.cat([change(x) for change in mine.values()])
    labels = torch.cat([y] * len(mine))
    network = judge_module.network(judge_module.WIDTHS, generator)
    judge_module.fit(network, every, labels, 4, 1e-3, generator)
    stored = judge_module.plain(network)
    assert judge_module.accuracy(stored, every, labels) > 0.95
    assert max(judge_module.accuracy(stored, change(x), y) for change in theirs.values()) < 0.5
    text = "import base64\n\nimport numpy as np\n\nSTORED = {\n"
    for name, part in stored.items():
        held = base64.b64encode(part.astype("float16").tobytes()).decode()
        text += f"    {name!r}: np.frombuffer(base64.b64decode('{held}'), 'float16').reshape({part.shape}),\n"
    text += "}\n\n\ndef merge(base, deltas):\n    return {name: STORED[name] - base[name] for name in base}\n"
    assert score(judged(text)) < score(judged(seed_program()))


def test_the_arguments_are_copies(judged: Judge) -> None:
    spoilt = seed_program().replace("    return", "    for part in base.values():\n        part[:] = 0\n    return")
    before = score(judged(seed_program()))
    assert score(judged(spoilt)) == before
    assert score(judged(seed_program())) == before
