"""The simulated models, on prompts in the style of three frameworks, written for these tests."""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.executor.inline import InlineExecutor
from evolve.operators.cross import Cross
from evolve.operators.diff import Diff
from evolve.operators.fix import Fix
from evolve.operators.full import Full
from evolve.prompt import Prompts
from evolve.records import Job, Reply
from evolve.task import load
from evolve.testing import Answer, NullModel, Request, ScriptedServer, SimulatedLLM, Staircase, edits
from evolve.testing.edits import Toward
from evolve.testing.reading import understand
from tests import prompts
from tests.waiting import answer

PARENT = """\
import math

# EVOLVE-BLOCK-START
def area(n):
    r = 0.25  # of 1
    return n * r * r
# EVOLVE-BLOCK-END

SCALE = 3
"""
OTHER = "# EVOLVE-BLOCK-START\ndef area(n):\n    return 0.125 * n\n# EVOLVE-BLOCK-END\n"

OURS_SYSTEM = "You improve programs.\n\n# Task\n\nMake it large.\n\n# Score\n\nMaximize the score.\n\n# Your reply\n\n"
OURS_EDITS = (
    'Begin with one line that starts with "Idea:".\nA change has five parts: a line <<<<<<< SEARCH, then lines of the '
    "program, then a line =======, then the new lines, then a line >>>>>>> REPLACE.\n"
)
OURS_REWRITE = (
    'Begin with one line that starts with "Idea:".\nThe code is one code block, which opens with ````python and closes with '
    "````. Its first line is the line with EVOLVE-BLOCK-START, its last the line with EVOLVE-BLOCK-END.\n"
)
OURS = f"""# Where it stands

The program below scores 0.5 (maximize).

# What the judge says about it

```
the radius is too small
```

# Other programs, the best last: the parts that may change

## Score 0.25

```python
{OTHER}```

# The program to change

### FILE initial.py
```python
{PARENT}```

Make one change, in the form described.
"""

EXAMPLE = """<<<<<<< SEARCH
for i in range(m):
    total += A[i]
=======
total = sum(A)
>>>>>>> REPLACE
"""
OPENEVOLVE = f"""# Current Program Information
- Fitness: 0.5
- Focus areas: none

## Last Execution Output
### stderr
```
the radius is too small
```

# Program Evolution History
## Previous Attempts

### Attempt 1
- Changes: Unknown changes

## Top Performing Programs

### Program 1 (Score: 0.2500)
```python
{OTHER}```
Key features: small

# Current Program
```python
{PARENT}```

# Task
"""
OPENEVOLVE_DIFF = f"{OPENEVOLVE}You MUST use the exact SEARCH/REPLACE diff format shown below:\n\n{EXAMPLE}"
OPENEVOLVE_FULL = (
    f"{OPENEVOLVE}Rewrite the program. Provide the complete new code.\n\n```python\n# Your program here\n```\n"
)

TAGS = "<NAME>\nA short name.\n</NAME>\n\n<DESCRIPTION>\nWhy.\n</DESCRIPTION>\n\n"
SHINKA_DIFF = f"You are an expert.\nUse the exact SEARCH/REPLACE diff format:\n\n{TAGS}<DIFF>\n{EXAMPLE}\n</DIFF>\n"
SHINKA_FULL = (
    f"You are an expert.\nRewrite the program.\n\n{TAGS}<CODE>\n```python\n# The new program here.\n```\n</CODE>\n"
)
SHINKA_HISTORY = (
    f"Here are previous programs:\n\n# Prior programs\n\n```python\n{OTHER}\n```\n\nPerformance metrics:\n0.25\n\n"
)
SHINKA = f"""# Current program

Here is the current program:

```python
{PARENT}
```

Its metrics:

0.50

Here is additional text feedback about the current program:

the radius is too small

# Task

Improve.
"""
SHINKA_CROSS = f"{SHINKA}\n\n# Crossover Inspiration Programs\n```python\n{OTHER}\n```\n\n"
SHINKA_FIX = f"""# Incorrect Program to Fix

```python
{PARENT}
```

## Error Information

### Standard Error (stderr):

```
the radius is too small
```
"""

STYLES: Mapping[str, tuple[str, str, str, bool]] = {
    "ours, edits": (OURS_SYSTEM + OURS_EDITS, OURS, "edits", True),
    "ours, rewrite": (OURS_SYSTEM + OURS_REWRITE, OURS, "rewrite", True),
    "openevolve, diff": ("You are an expert.", OPENEVOLVE_DIFF, "edits", True),
    "openevolve, full": ("You are an expert.", OPENEVOLVE_FULL, "rewrite", True),
    "shinka, diff": (SHINKA_DIFF, SHINKA_HISTORY + SHINKA, "edits", True),
    "shinka, full": (SHINKA_FULL, SHINKA_HISTORY + SHINKA, "rewrite", True),
    "shinka, cross": (SHINKA_FULL, SHINKA_CROSS, "rewrite", True),
    "shinka, fix": (SHINKA_FULL, SHINKA_FIX, "rewrite", False),
}


def request(*texts: str, model: str = "m", roles: str = "system user assistant user") -> Request:
    messages = [{"role": role, "content": text} for role, text in zip(roles.split(), texts, strict=False)]
    return Request("POST", "/v1/chat/completions", {}, {"model": model, "messages": messages})


def applied(form: str, parent: str, reply: str) -> str:
    """Return the child, read as strictly as the strictest framework does."""
    if form == "rewrite":
        found = re.search(r"^(`{3,})python\n(.*?)^\1$", reply, re.DOTALL | re.MULTILINE)
        assert found
        return found[2]
    blocks = re.findall(r"^<{7} SEARCH\n(.*?)\n={7}\n(.*?)\n>{7} REPLACE$", reply, re.DOTALL | re.MULTILINE)
    assert blocks
    for old, new in blocks:
        assert parent.count(old) == 1
        assert "EVOLVE-BLOCK" not in old + new
        parent = parent.replace(old, new)
    return parent


def to_half(text: str, rng: random.Random) -> str | None:
    return text.replace("0.25", "0.5") if "0.25" in text else None


@pytest.mark.parametrize("style", STYLES)
def test_the_parent_is_found_and_edited_in_the_form_asked_for(style: str) -> None:
    system, user, form, others = STYLES[style]
    asked = understand(request(system, user))
    assert asked.form == form
    assert [text.strip() for text in asked.files.values()] == [PARENT.strip()]
    assert [text.strip() for text in asked.inspirations] == ([OTHER.strip()] if others else [])
    reply = SimulatedLLM(1.0, improve=to_half)(request(system, user)).text
    child = applied(form, PARENT, reply)
    wanted = PARENT.replace("0.25", "0.5")
    assert child.strip() == (edits.between_marks(wanted) if style == "ours, rewrite" else wanted).strip()
    assert ("<NAME>" in reply) == style.startswith("shinka")


@pytest.mark.parametrize("style", STYLES)
def test_feedback_is_found(style: str) -> None:
    system, user, *_ = STYLES[style]
    assert understand(request(system, user)).feedback.startswith("the radius")


@pytest.mark.parametrize("files", ["one", "several"])
@pytest.mark.parametrize("kind", [Diff, Full, Cross, Fix])
def test_our_own_operators_take_the_replies(kind: type[Diff | Full | Cross | Fix], files: str, tmp_path: Path) -> None:
    toy = prompts.task(tmp_path, {"initial.py": prompts.MARKED} if files == "one" else prompts.FILES)
    parent = prompts.program(toy, score=None if kind is Fix else 0.5)
    other = prompts.program(toy, "q", changed={"0.1": "0.2", "return n": "return n + 1"})
    exchange = kind(Prompts(toy, 12000)).write(prompts.proposal(parent, other), toy, prompts.background(parent))
    turns = [{"role": turn.role, "content": turn.text} for turn in next(exchange).messages]
    asked = Request("POST", "/", {}, {"model": "m", "messages": turns})
    text = SimulatedLLM(1.0, improve=lambda part, _: f"{part}MORE = 1\n")(asked).text
    with pytest.raises(StopIteration) as ended:
        exchange.send(Reply(text))
    changed = "initial.py" if files == "one" else "rule.py"
    end = "# EVOLVE-BLOCK-END"
    assert ended.value.value.sources == {
        **parent.sources,
        changed: parent.sources[changed].replace(end, f"MORE = 1\n{end}"),
    }


def test_a_reply_goes_on_from_a_given_beginning() -> None:
    begin, end = "````python\n# EVOLVE-BLOCK-START\n", "# EVOLVE-BLOCK-END"
    asked = request(OURS_SYSTEM + OURS_REWRITE, OURS, begin)
    with ScriptedServer(SimulatedLLM(1.0, improve=to_half), prefill=True) as server:
        body = json.dumps({**asked.body, "stop": [end]}).encode()
        with urlopen(f"{server.url}/chat/completions", body, timeout=5) as page:
            text = json.load(page)["choices"][0]["message"]["content"]
    assert text == PARENT.replace("0.25", "0.5").partition("START\n")[2].partition(end)[0]


def test_a_correction_is_of_the_first_program() -> None:
    again = (
        "That reply cannot be used:\n\n```\nit has no code\n```\n\nGive the whole reply again, in the form described.\n"
    )
    wrong = f"# The program to change\n```python\n{OTHER}```\n"
    reply = SimulatedLLM(1.0, improve=to_half)(request(OURS_SYSTEM + OURS_EDITS, OURS, wrong, again)).text
    assert applied("edits", PARENT, reply) == PARENT.replace("0.25", "0.5")


def test_programs_of_several_files() -> None:
    user = (
        "# The program to change\n\n### FILE a.py\n```python\nX = 1\n```\n\n"
        "### FILE pkg/b.py\n```python\n# EVOLVE-BLOCK-START\nY = 0.25\n# EVOLVE-BLOCK-END\n```\n\nChange it.\n"
    )
    asked = request(OURS_SYSTEM + OURS_EDITS, user)
    assert list(understand(asked).files) == ["a.py", "pkg/b.py"]
    reply = SimulatedLLM(0.0)(asked).text
    assert "### FILE pkg/b.py\n<<<<<<< SEARCH\nY = 0.25\n=======" in reply


def test_other_questions() -> None:
    verdict = "Respond with NOVEL or NOT_NOVEL.\n\n**EXISTING CODE:**\n```python\nx = 1\n```\n"
    assert SimulatedLLM()(request("", verdict)).text.startswith("NOVEL")
    assert "```" not in SimulatedLLM()(request("", "How are you?")).text


def test_the_same_conversation_in_any_order() -> None:
    asked = [request(OURS_SYSTEM + OURS_EDITS, OURS.replace("0.25", f"0.{n}")) for n in range(1, 9)] * 3
    first, second, other = (
        SimulatedLLM(seed=1, latency=(1, 2)),
        SimulatedLLM(seed=1, latency=(1, 2)),
        SimulatedLLM(seed=2),
    )
    replies = [first(one) for one in asked]
    shuffled = list(range(len(asked)))
    random.Random(0).shuffle(shuffled)
    later: dict[int, list[Answer]] = {}
    for at in shuffled:
        later.setdefault(at % 8, []).append(second(asked[at]))
    assert {at: replies[at::8] for at in range(8)} == later
    assert len({reply.text for reply in replies}) > 20
    assert all(reply.latency is not None and 1 <= reply.latency <= 2 for reply in replies)
    assert [other(one).text for one in asked] != [reply.text for reply in replies]


def levels(model: SimulatedLLM, count: int = 1000) -> list[int | None]:
    """Return the levels that a model makes of level 7, None for a reply that cannot be used."""
    program = Staircase.PROGRAM.replace("LEVEL = 0", "LEVEL = 7")
    user = f"# The program to change\n\n### FILE initial.py\n```python\n{program}```\n"
    made: list[int | None] = []
    for turn in range(count):
        text = model(request(OURS_SYSTEM + OURS_EDITS, f"{user}\nThis is request {turn}.\n")).text
        blocks = re.findall(r"<{7} SEARCH\n(.*?)\n={7}\n(.*?)\n>{7} REPLACE", text, re.DOTALL)
        if not blocks or blocks[0][0] not in program:
            made.append(None)
            continue
        found = re.search(r"LEVEL = (\d+)", program.replace(*blocks[0]))
        made.append(int(found[1]) if found else None)
    return made


def test_skill_is_the_probability_of_success() -> None:
    assert levels(Staircase.model(0.5, seed=3)).count(8) == 506
    assert levels(Staircase.model(0.1, seed=3)).count(8) == 113
    assert set(levels(Staircase.model(0.5, seed=3))) == {7, 8}
    assert set(levels(Staircase.model(1.0), 50)) == {8}


def test_errors_cannot_be_used() -> None:
    made = levels(Staircase.model(0.5, error_rate=0.3, seed=3))
    assert made.count(None) == 291
    assert set(levels(Staircase.model(1.0, error_rate=1.0), 50)) == {None}


@pytest.mark.parametrize("style", ["ours, rewrite", "openevolve, full", "shinka, full"])
def test_errors_of_rewrites(style: str) -> None:
    system, user, *_ = STYLES[style]
    model = SimulatedLLM(error_rate=1.0)
    for _ in range(30):
        answer = model(request(system, user))
        found = re.search(r"^(`{3,})python\n(.*?)^\1$", answer.text, re.DOTALL | re.MULTILINE)
        if found:
            with pytest.raises(SyntaxError):
                ast.parse(found[2])
        elif "```python" in answer.text:
            assert answer.finish == "length"


def test_repetition_repeats_verbatim_whatever_else_is_said() -> None:
    asked = [request(OURS_SYSTEM + OURS_EDITS, f"{OURS}\nThis is request {n}.\n") for n in range(400)]
    texts = [SimulatedLLM(repetition=0.25, seed=1)(one).text for one in asked]
    most = max(set(texts), key=texts.count)
    assert texts.count(most) == 88
    assert {SimulatedLLM(repetition=1.0, seed=1)(one).text for one in asked[:20]} == {most}


def test_without_an_improvement_of_ones_own_a_constant_is_nudged() -> None:
    for turn in range(20):
        asked = request("", f"{OPENEVOLVE_FULL}{turn}")
        child = applied("rewrite", PARENT, SimulatedLLM(1.0, seed=turn)(asked).text)
        found = re.search(r"r = (.*)  # of 1", child)
        assert found
        assert float(found[1]) != 0.25
        assert 0.224 < float(found[1]) < 0.276
        assert child.replace(found[1], "0.25") == PARENT


@pytest.mark.parametrize(("text", "optimum"), [("a = 0.5\nb = 3\n", (2.0, 40)), ("a = 7\nb = 1e3  # 5\n", (1, 0.001))])
def test_toward_arrives(text: str, optimum: tuple[float, ...]) -> None:
    toward, rng = Toward(*optimum), random.Random(0)
    for _ in range(100):
        values = [float(found[0]) for found in edits.numbers(text)]
        better = toward(text, rng)
        if better is None:
            break
        after = [float(found[0]) for found in edits.numbers(better)]
        assert [abs(a - o) < abs(b - o) for a, b, o in zip(after, values, optimum, strict=True)].count(True) == 1
        text = better
    assert [float(found[0]) for found in edits.numbers(text)] == list(optimum)


LINE = st.sampled_from(["a = 1", "    b = 2", "", "a = 11", "# EVOLVE-BLOCK", "c"])


@given(st.lists(LINE, min_size=1), st.lists(LINE, min_size=1))
def test_blocks_apply(before: list[str], after: list[str]) -> None:
    old, new = "\n".join(before) + "\n", "\n".join(after) + "\n"
    found = re.fullmatch(r"<{7} SEARCH\n(.*?)\n?={7}\n(.*?)\n?>{7} REPLACE", edits.block(old, new), re.DOTALL)
    assert found
    if old != new and old.strip():
        assert "\n".join(before).find(found[1]) == "\n".join(before).rfind(found[1])
        assert "\n".join(before).replace(found[1], found[2]).split() == "\n".join(after).split()


def test_the_null_model_ignores_its_prompt() -> None:
    with ScriptedServer(NullModel("one", "two")) as server:
        assert server.models == ("scripted",)
    model = NullModel("one", "two")
    assert [model(request("", text)).text for text in "abc"] == ["one", "two", "one"]


def test_the_staircase_is_a_task(tmp_path: Path) -> None:
    task = load(Staircase.write(tmp_path / "stairs"))
    assert task.initial == {"initial.py": Staircase.PROGRAM}
    better = edits.change(Staircase.PROGRAM, Staircase.better, random.Random(0))
    assert better is not None
    executor = InlineExecutor(task)
    assert answer(executor, Job("1", {"initial.py": better}, 0)).score == 1.0
    executor.close()
