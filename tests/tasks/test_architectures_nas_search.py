from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random
from statistics import fmean
from types import ModuleType

import pytest

from evolve.executor import InlineExecutor, LocalExecutor
from evolve.jail import choose
from evolve.judge.jails import WARM
from evolve.records import Evaluation, Job
from evolve.task import load
from tests.tasks.candidates import reference, refused, script
from tests.waiting import answer

pytest.importorskip("numpy")
pytest.importorskip("nas_bench_graph")

TASK = "architectures/nas_search"
SEEDS = 16
Judge = Callable[..., Evaluation]

ATTACK = """
import random


def search(query, space, budget, seed):
    rng = random.Random(seed)

    def draw():
        return rng.choice(space["links"]), [rng.randrange(space["operations"]) for _ in range(4)]

    {body}
"""


def attack(body: str) -> str:
    return ATTACK.format(body=body.strip().replace("\n", "\n    "))


def judge_on(name: str) -> Iterator[Judge]:
    executor = InlineExecutor(load(name))

    def judge(text: str, seeds: int = 1, purpose: str = "fresh") -> Evaluation:
        return answer(executor, Job("x", {"initial.py": text}, 0, purpose, tuple(range(1, seeds))))  # type: ignore[arg-type]

    yield judge
    executor.close()


@pytest.fixture(scope="module")
def judged() -> Iterator[Judge]:
    yield from judge_on(TASK)


@pytest.fixture(scope="module")
def judged_front() -> Iterator[Judge]:
    yield from judge_on(f"{TASK}@pareto")


@pytest.fixture(scope="module")
def judge_module() -> Iterator[ModuleType]:
    """The judge's script itself: what an attacker knows who has read it and the tables."""
    with script(TASK) as module:
        yield module


def ok(seen: Evaluation) -> Evaluation:
    assert seen.status == "ok", seen.error
    return seen


def seed_program(name: str = TASK) -> str:
    return load(name).initial["initial.py"]


@pytest.mark.parametrize("name", ["local_search", "evolution", "mcts", "tpe", "predictor"])
def test_references_find_better_architectures_than_random_search(judged: Judge, name: str) -> None:
    random, other = (ok(judged(text, SEEDS)) for text in (seed_program(), reference(TASK, f"{name}.py")))
    assert other.metrics["validation"] < random.metrics["validation"]
    assert other.score is not None
    assert 0.0 < other.score < 0.6


@pytest.mark.parametrize("name", ["nsga2", "pareto_local"])
def test_references_find_better_fronts_than_random_search(judged_front: Judge, name: str) -> None:
    random = ok(judged_front(seed_program(f"{TASK}@pareto"), SEEDS))
    other = ok(judged_front(reference(TASK, f"{name}.py"), SEEDS))
    assert random.score is not None
    assert other.score is not None
    assert random.score < other.score < 1.0


def test_equal_seeds_give_equal_evaluations(judged: Judge) -> None:
    first, again = (ok(judged(reference(TASK, "evolution.py"), 4)) for _ in range(2))
    assert (first.score, first.metrics, first.feedback) == (again.score, again.metrics, again.feedback)
    assert "of 50 queries" in first.feedback
    assert first.artifacts[0].name == "search.svg"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("for _ in range(budget + 1): last = draw(); query(*last)\nreturn last", "more than its budget of 50"),
        ("last = draw()\nfor _ in range(budget + 1): query(*last)\nreturn last", "asking again counts as well"),
        ("query(*draw())\nreturn space['links'][0], [0, 1, 2, 3]", "about which it never asked"),
        ("return draw()", "about which it never asked"),
        ("return None", "must return one architecture"),
        ("query([0, 0, 0, 9], [0, 0, 0, 0])", "not among space['links']"),
        ("query(space['links'][0], [0, 0, 0, 7])", "integers from 0 to 6"),
        ("query(space['links'][0], [0, 0, 0, True])", "plain integers"),
        ("query(space['links'][0], [0, 0, 0])", "must be 4 integers"),
        ("query('abcd', None)", "list of plain integers"),
        (
            "import harness\nharness.Talk.proceed = lambda talk: ('result', draw())\nquery(*draw())",
            "about which it never asked",
        ),
        ("import harness\nharness.Talk.proceed = lambda talk: ('score', 0.0)\nquery(*draw())", "ask a query or return"),
        (
            "import harness, numpy\nharness.Talk.proceed = lambda talk: (numpy.ones(2), [0], [0])\nquery(*draw())",
            "ask a query or return",
        ),
    ],
)
def test_what_breaks_the_rules_is_invalid(judged: Judge, body: str, says: str) -> None:
    assert refused(judged(attack(body)), says)


def test_what_a_search_raises_is_a_crash(judged: Judge) -> None:
    seen = judged(attack("query(*draw())\nraise ValueError('out of ideas')"))
    assert (seen.status, "out of ideas" in seen.error) == ("crash", True)


def test_equal_questions_have_equal_answers_also_for_the_same_network_in_other_words(judged: Judge) -> None:
    ok(judged(attack("""
links = [0, 0, 0, 0]
answers = {query(links, list(order)) for order in ([0, 1, 2, 3], [0, 1, 2, 3], [3, 1, 0, 2], (2, 3, 1, 0))}
assert len(answers) == 1
return links, [0, 1, 2, 3]
""")))  # fmt: skip


def test_architectures_known_by_heart_gain_nothing(judge_module: ModuleType) -> None:
    """The very best of each table, in the tables' own numbers, are worth no more than after any other renumbering: what helps
    about them, if anything, is which links they have.
    """
    from nas_bench_graph import link_list

    known = []
    for name in judge_module.TABLES:
        table = judge_module.table(name)
        best = sorted(table.row, key=lambda key, table=table: -table.test[table.row[key]])[:15]  # type: ignore[misc]
        known += [(link_list[key // 10**4], [key // 10**place % 10 for place in (3, 2, 1, 0)]) for key in best]
    known = [(links, operations) for links, operations in known if max(operations) < judge_module.OPERATIONS]
    assert 30 < len(known) <= judge_module.BUDGET

    def regret(renumbered: bool) -> float:
        found = []
        for seed in range(100):
            search = judge_module.Search(judge_module.TABLES[seed % len(judge_module.TABLES)], seed)
            number = Random(seed).sample(range(judge_module.OPERATIONS), judge_module.OPERATIONS)
            for links, operations in known:
                search.ask(links, [number[one] for one in operations] if renumbered else operations)
            found.append(min(search.valid[search.questions]))
        return fmean(found)

    assert regret(renumbered=False) == pytest.approx(regret(renumbered=True), abs=0.03)


def test_searches_on_one_table_differ_in_all_that_could_name_it(judge_module: ModuleType) -> None:
    searches = [judge_module.Search("cs", seed) for seed in range(30)]
    assert len({tuple(search.kept) for search in searches}) == 30
    assert len({search.seed for search in searches}) == 30
    same = [search.ask([0, 1, 2, 3], [0, 0, 0, 0]) for search in searches]
    assert len({value for value, _ in same}) == len({latency for _, latency in same}) == 30
    spread = [max(search.valid[search.part]) for search in searches]
    assert fmean(spread) > 1  # regrets are of the part that a search sees: its best is 0 and its median 1
    assert all(min(search.valid[search.part]) == 0 for search in searches)


def test_the_tables_are_not_in_the_jail() -> None:
    confinement = choose()
    if confinement.level not in WARM:
        pytest.skip(f"no isolated jail here: {confinement.reason}")
    spec = importlib.util.find_spec("nas_bench_graph")
    assert spec is not None
    body = f"""
import os, sys
walks = [walk for place in (*sys.path, sys.prefix, "/tmp", "/home", "/root") for walk in os.walk(place)]
found = [os.path.join(place, name) for place, _, names in walks for name in names if name.endswith(".bench")]
assert walks and not found and not os.path.exists({spec.origin!r}), found
try:
    import nas_bench_graph
except ImportError:
    last = draw()
    query(*last)
    return last
raise AssertionError("the package is there")
"""
    with closing(LocalExecutor(load(TASK), confinement, 1)) as executor:
        ok(answer(executor, Job("x", {"initial.py": attack(body)}, 0, "fresh")))
