"""The built-in arms on a corpus of small programs: what they change, what they leave, and when they stop."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve import blocks, normal
from evolve.operators import BUILTIN
from evolve.operators.refine import refine
from evolve.operators.site import Change, Site
from evolve.operators.statements import loop, repeat
from evolve.operators.syntax import modules
from evolve.operators.tune import constants
from evolve.records import Draft, Evaluation, Limits, Metric, Program, Proposal, Sources, Task
from evolve.seams import Stop, Tuner

RINGS = '''\
"""Frozen words, and 3.5."""
import math
LIMIT = 7  # frozen too
# EVOLVE-BLOCK-START
def pack(n):
    """Return centres."""
    centres = [(0.5, 0.5)]  # the middle
    for k in range(8):
        angle = 2 * math.pi * k / 8
        centres.append((0.5 + 0.3 * math.cos(angle), 0.5 - 0.3 * math.sin(angle)))
    if n > 1 and len(centres) >= 3:
        centres = [(min(max(x, 0.01), 0.99), y) for x, y in centres]
    return centres
# EVOLVE-BLOCK-END
def check(centres, slack=0.25):
    return f"{len(centres):3d} {1.5}" if slack else None
'''
LOSS = """\
import torch
import torch.nn.functional as F

class Loss(torch.nn.Module):
    margin: float = 0.1

    def __init__(self, scale=2.0, *, bias=-1e-4):
        super().__init__()
        self.scale = scale; self.bias = bias

    @torch.no_grad()
    def forward(self, logits, target):
        é = torch.softmax(logits / self.scale, dim=-1)  # ünïcode before the numbers
        hard = F.relu(é - self.margin)[..., :-1] ** 2
        text = '''two
    lines 0.5'''
        while hard.sum() > 10 and text:
            hard = hard * 0.5
        match target:
            case 0 | 1: weight = 1.0
            case _: weight = (-2.5) ** 2
        return weight * F.mse_loss(é, target) + self.bias * hard.mean()
"""
RULE = """\
def priority(length, due, weight):
\tslack = due - length
\tif slack < 0: return weight * 2
\tfor i, (a, b) in enumerate(zip([1, 2], [3, 4])):
\t\tslack += a * b - i
\treturn weight / max(slack, 1)
"""
CORPUS: Mapping[str, Sources] = {
    "rings": {"initial.py": RINGS},
    "loss": {"initial.py": LOSS},
    "rule": {"initial.py": RULE.replace("\n", "\r\n")},
    "two files": {
        "initial.py": RINGS,
        "notes.txt": "0.5 is frozen\n",
        "lib/rule.py": "# no marks: frozen here\nX = 1\n",
    },
}
TASK = Task(
    *(
        "t",
        "",
        Path(),
        "initial.py",
        "python",
        {},
        Path("evaluate.py"),
        None,
        Metric("score", "maximize"),
        {},
        Limits(),
    ),
    packages=(),
    data=(),
    baselines=(),
    search={},
    allow_nonfinite=False,
    digest="t",
)
C = replace(TASK, language="c")
ARMS = sorted(BUILTIN)


def program(sources: Sources, score: float | None = 1.0, **traits: float) -> Program:
    return Program(normal.digest(sources, "python"), sources, "ok", score, traits=traits)


def proposal(parent: Program, arm: str, seed: int, *inspirations: Program, tried: int = 0) -> Proposal:
    return Proposal(1, parent, inspirations, 0, arm, arm, seed, 0, tried)


def drafted(arm: str, sources: Sources, seed: int, *inspirations: Sources) -> Draft | None:
    """Return the draft, or None where the arm stops."""
    with suppress(Stop):
        return BUILTIN[arm].draft(proposal(program(sources), arm, seed, *map(program, inspirations)), TASK)
    return None


def inspiration(sources: Sources, seed: int) -> Sources:
    for turn in range(4):
        draft = drafted("builtin/mutate", sources, seed + turn) or drafted("builtin/tune", sources, seed + turn)
        sources = draft.sources if draft else sources
    return sources


@settings(max_examples=120)
@given(st.sampled_from(ARMS), st.sampled_from(sorted(CORPUS)), st.integers(0, 2**32))
def test_drafts_parse_differ_and_leave_the_frozen_text_alone(arm: str, name: str, seed: int) -> None:
    sources = CORPUS[name]
    draft = drafted(arm, sources, seed, inspiration(sources, seed))
    if draft is None:
        assert arm == "builtin/recombine"
        return
    assert draft.sources.keys() == sources.keys()
    assert blocks.frozen(draft.sources) == blocks.frozen(sources)
    assert normal.digest(draft.sources, "python") != normal.digest(sources, "python")
    for path, text in draft.sources.items():
        if path.endswith(".py"):
            ast.parse(text)
    assert draft.note
    assert "\n" not in draft.note


@settings(max_examples=30)
@given(st.sampled_from(ARMS), st.sampled_from(sorted(CORPUS)), st.integers(0, 2**32))
def test_the_seed_is_the_only_chance(arm: str, name: str, seed: int) -> None:
    sources = CORPUS[name]
    other = inspiration(sources, seed)
    assert drafted(arm, sources, seed, other) == drafted(arm, sources, seed, other)


def test_long_lineages_stay_sound() -> None:
    sources = CORPUS["rings"]
    for seed in range(60):
        draft = drafted(ARMS[seed % 2], sources, seed)  # mutate and recombine in turn
        if draft is not None:
            sources = draft.sources
    assert normal.compiles(sources["initial.py"])
    assert blocks.frozen(sources) == blocks.frozen(CORPUS["rings"])


def test_comments_elsewhere_survive() -> None:
    kept = sum(
        "# the middle"
        in (drafted("builtin/mutate", CORPUS["rings"], seed) or Draft({"initial.py": ""})).sources["initial.py"]
        for seed in range(60)
    )
    assert kept > 45


def test_mutate_makes_many_programs() -> None:
    drafts = [drafted("builtin/mutate", CORPUS["rings"], seed) for seed in range(100)]
    assert len({normal.digest(draft.sources, "python") for draft in drafts if draft}) > 85


def test_tune_changes_constants_only_and_equal_integers_together() -> None:
    together = False
    for seed in range(80):
        draft = drafted("builtin/tune", CORPUS["rings"], seed)
        assert draft is not None
        tree = ast.parse(draft.sources["initial.py"])
        assert _shape(tree) == _shape(ast.parse(RINGS))
        integers = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is int]
        eights = [i for i, v in enumerate(_integers(RINGS)) if v == 8]
        changed = {integers[i] for i in eights}
        together |= len(changed) == 1 and changed != {8}
    assert together


def _shape(tree: ast.AST) -> list[str]:
    return sorted(type(node).__name__ for node in ast.walk(tree) if not isinstance(node, ast.UnaryOp | ast.USub))


def _integers(text: str) -> list[int]:
    return [n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and type(n.value) is int]


def test_signs_keep_their_parentheses_and_no_more() -> None:
    sources: Sources = {"a.py": "x = 0.1 ** 2 + (-0.1) ** 2 - f(-0.1).y\n"}
    for seed in range(60):
        draft = drafted("builtin/tune", sources, seed)
        assert draft is not None
        sources = draft.sources
        match ast.parse(sources["a.py"]).body[0]:
            case ast.Assign(value=ast.BinOp(left=ast.BinOp(left=left, right=right))):
                assert isinstance(left, ast.BinOp)
                assert isinstance(left.op, ast.Pow)
                assert isinstance(right, ast.BinOp)
                assert isinstance(right.op, ast.Pow)
    assert "((" not in sources["a.py"]


def test_step_sizes_are_inherited_and_shrink_with_failure() -> None:
    tune = BUILTIN["builtin/tune"]
    parent = program(CORPUS["rings"], step=0.1)
    steps = [tune.draft(proposal(parent, "builtin/tune", seed), TASK).traits["step"] for seed in range(40)]
    later = [tune.draft(proposal(parent, "builtin/tune", seed, tried=30), TASK).traits["step"] for seed in range(40)]
    assert 0.05 < sorted(steps)[20] < 0.2
    assert sum(later) < 0.6 * sum(steps)
    assert len(set(steps)) > 30


@pytest.mark.parametrize("arm", ARMS)
def test_operators_stop_where_there_is_nothing(arm: str) -> None:
    bare = {"initial.py": "def f(x):\n    return x\n"} if arm == "builtin/tune" else {"initial.py": ""}
    with pytest.raises(Stop, match=r"constants|evolvable|inspiration") as stopped:
        BUILTIN[arm].draft(proposal(program(bare), arm, 0), TASK)
    assert stopped.value.stage == "draft"
    broken = {"initial.py": "def f(:\n"}
    with pytest.raises(Stop):
        BUILTIN[arm].draft(proposal(program(broken), arm, 0, program(CORPUS["rule"])), TASK)


def test_other_languages_are_tuned_but_not_edited() -> None:
    text = 'int f(int x1) { /* 0.5 */ return 3 * x1 + g(0.25, "7") - 0x1F; } // 9\n'
    seen = set()
    for seed in range(60):
        draft = BUILTIN["builtin/tune"].draft(proposal(program({"f.c": text}), "builtin/tune", seed), C)
        new = draft.sources["f.c"]
        assert all(part in new for part in ("/* 0.5 */", "x1", '"7"', "0x1F", "// 9"))
        seen.add(new)
    assert len(seen) > 30
    for arm in ("builtin/mutate", "builtin/recombine"):
        with pytest.raises(Stop, match="not of c"):
            BUILTIN[arm].draft(proposal(program({"f.c": text}), arm, 0, program({"f.c": text + "\n"})), C)


@pytest.mark.parametrize(
    ("path", "language", "text", "values"),
    [
        (
            "f.rs",
            "rust",
            "for i in 0..n { for j in 1..10 { x += pair().0 * 0.5 + ys[0].1 + 1_000 + 2.5f64 + 3u32 + 1.0; } }",
            [0, 1, 10, 0.5, 0, 2.5, 3, 1.0],
        ),
        (
            "f.cpp",
            "cpp",
            "while (n-- > 0) { x *= 0.5; }\nfor (int i = 9; i > 0; i--) s += 2.5f * i + .25 + 1. + 1e-3 + 7L; // 77",
            [0, 0.5, 9, 0, 2.5, 0.25, 1.0, 0.001, 7],
        ),
        ("f.lua", "lua", "x = 5 -- 7\ny = 2.5 // 3", [5, 2.5, 3]),
        ("f.rb", "ruby", "x = 5 # 7\ny = (0...12).sum / 2.5", [5, 0, 12, 2.5]),
        ("f.json", "json", '{"a": -1.5, "b": [1, -2], "c 7": 1e3}', [-1.5, 1, -2, 1000.0]),
        ("f.json", "json", '{"key": ' + "7" * 5000 + ', "b": 1.5}', [1.5]),
        ("f.txt", "text", "# part 2\nwait 3 times 0.5", [3, 0.5]),
    ],
)
def test_numbers_of_other_languages_are_told_from_ranges_fields_and_comments(
    path: str, language: str, text: str, values: list[float]
) -> None:
    assert [number.value for number in constants({path: text}, language).numbers] == values


def test_data_stays_data_when_it_is_tuned() -> None:
    data = {"f.json": '{"a": -1.5, "b": [0.25, -2], "c": 1}'}
    seen = [drafted("builtin/tune", data, seed) for seed in range(60)]
    read = [json.loads(draft.sources["f.json"]) for draft in seen if draft is not None]
    assert len(read) == 60
    assert any(one["c"] < 0 for one in read)


def test_recombine_brings_code_of_the_inspiration() -> None:
    other = RINGS.replace("0.3 * math.cos(angle)", "0.875 * math.tanh(angle) * 0.1").replace("range(8)", "range(11)")
    other = other.replace(
        "    return centres\n# E",
        "    marker = helper(n)\n    return centres\n\n\ndef helper(n):\n    return n + 0.125\n# E",
    )
    drafts = [drafted("builtin/recombine", CORPUS["rings"], seed, {"initial.py": other}) for seed in range(60)]
    texts = [draft.sources["initial.py"] for draft in drafts if draft]
    assert len(texts) > 50
    assert sum("0.875" in t or "tanh" in t or "range(11)" in t or "marker" in t for t in texts) > len(texts) // 2
    for text in texts:
        if "helper(n)" in text and "function pack" in text:
            assert "def helper" in text


def test_blended_constants_lie_near_the_line_between_the_two() -> None:
    mine, theirs = {"a.py": "def f(x):\n    return 1.0 * x + 5.0\n"}, {"a.py": "def f(x):\n    return 2.0 * x + 5.0\n"}
    values = set()
    for seed in range(40):
        draft = drafted("builtin/recombine", mine, seed, theirs)
        if draft is not None and "blended" in draft.note:
            values.add(float(draft.sources["a.py"].split("return ")[1].split(" *")[0]))
    assert len(values) > 3
    assert all(0.69 < value < 2.31 for value in values)


def search(arm: str, task: Task, parent: Program, child: Draft, first: Evaluation, judge: object) -> tuple[int, float]:
    """Lead an inner search to its end; return how many points it took and the best score it saw."""
    operator = BUILTIN[arm]
    assert isinstance(operator, Tuner)
    points = operator.points(proposal(parent, arm, 3), task, child, first)
    count, best = 0, first.score or 0.0
    try:
        draft = next(points)
        while count < 5000:
            count += 1
            seen = judge(draft) if callable(judge) else Evaluation("crash")
            best = max(best, seen.score or best)
            draft = points.send(seen)
    except StopIteration:
        pass
    return count, best


QUADRATIC = {"initial.py": "def f():\n    return 1.0, 2.0, -3.0\n"}


def bowl(draft: Draft) -> Evaluation:
    scope: dict[str, object] = {}
    exec(draft.sources["initial.py"], scope)
    values = scope["f"]()  # type: ignore[operator]
    return Evaluation("ok", 100 - sum((v - 2.5) ** 2 for v in values))


def test_cma_climbs_ends_and_keeps_still_where_the_child_is_no_better() -> None:
    parent, child = program(QUADRATIC, 0.0), Draft(QUADRATIC, traits={"step": 0.3})
    first = bowl(child)
    count, best = search("builtin/tune", TASK, parent, child, first, bowl)
    assert best > 99
    assert 10 < count < 2000
    assert search("builtin/tune", TASK, program(QUADRATIC, 1000.0), child, first, bowl)[0] == 0
    assert search("builtin/tune", TASK, parent, child, Evaluation("crash"), bowl)[0] == 0


def test_cma_ends_when_all_points_fail_or_none_gains() -> None:
    parent, child = program(QUADRATIC, 0.0), Draft(QUADRATIC, traits={"step": 0.3})
    first = bowl(child)
    assert search("builtin/tune", TASK, parent, child, first, None)[0] <= 20
    flat = Evaluation("ok", first.score)
    assert search("builtin/tune", TASK, parent, child, first, lambda _: flat)[0] <= 100


def test_constants_are_refined_around_an_edit() -> None:
    parent = program({"initial.py": "def f():\n    return 1.0, 2.0\n"}, 50.0)
    child = Draft({"initial.py": "def f():\n    return 1.0, 2.0 + 0.1\n"})
    first = bowl(child)
    count, best = search("builtin/mutate", TASK, parent, child, first, bowl)
    assert 0 < count <= 61
    assert first.score is not None
    assert first.score < best <= 100
    assert search("builtin/mutate", TASK, parent, child, Evaluation("invalid"), bowl)[0] == 0
    assert search("builtin/mutate", TASK, parent, child, Evaluation("ok", 49.0), bowl)[0] == 0  # far below its parent


def test_refining_leaves_all_other_constants_as_they_are_written() -> None:
    text = "R = 0.16666666666666666\nGAP = 0.5\n\n\ndef f():\n    return R, GAP\n"
    before = {"initial.py": text.replace("GAP = 0.5", "GAP = 0.25")}
    points = refine(Draft({"initial.py": text}), Evaluation("ok", 1.0), before, TASK, Random(0))
    drafts = [next(points), *(points.send(Evaluation("ok", 0.0)) for _ in range(5))]
    assert all("R = 0.16666666666666666\n" in draft.sources["initial.py"] for draft in drafts)
    improved = points.send(Evaluation("ok", 2.0)).sources["initial.py"]
    assert "GAP = 0.5\n" not in improved, "what has gained is kept"


def moved(move: Callable[[Site], Change | None], text: str, seeds: int) -> set[str]:
    """Return the programs that a move makes of a text."""
    found = set()
    for seed in range(seeds):
        site = Site(modules({"a.py": text})[0], Random(seed), 0.2)
        change = move(site)
        if change is not None:
            found.add(site.module.apply(change.edits) or "")
    return found


def test_repeating_statements_deletes_nothing_between_them() -> None:
    text = (
        "def f(x):\n    a = 1.0\n\n    def g(y):\n        return y * a\n\n    b = g(a)\n    import math\n\n"
        "    c = b + math.sin(a)\n    return c\n"
    )
    made = moved(repeat, text, 200)
    assert made
    assert all("def g(y)" in child and "import math" in child for child in made)


def test_a_range_keeps_its_step() -> None:
    made = moved(loop, "def f(n):\n    for i in range(n - 1, -1, -1):\n        print(i)\n", 60)
    assert len(made) > 4
    assert all(", -1)" in child or "(-1))" in child for child in made)
    assert all("range" in child and child.count(",") == 2 for child in made)
