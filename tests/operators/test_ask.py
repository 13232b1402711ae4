"""The operators that ask: what they make of every kind of reply. The replies here are made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.operators import ask, forms
from evolve.operators.fix import LONG
from evolve.prompt import Prompts
from evolve.records import Draft, Program, Prompt, Reply, Task
from evolve.seams import Exchange, Stop, Writer
from tests import prompts
from tests.prompts import FILES, MARKED, PLAIN

BETTER = "    return [0.2] * n\n"
EDIT = f"Idea: larger circles\n\n<<<<<<< SEARCH\n    return [0.1] * n\n=======\n{BETTER}>>>>>>> REPLACE\n"
STRANGE = "<<<<<<< SEARCH\n    return [0.7] * n\n=======\n    return []\n>>>>>>> REPLACE\n"
BLOCK = f"# EVOLVE-BLOCK-START\ndef pack(n):\n{BETTER}"
REWRITE = f"Idea: larger circles\n\n```python\n{BLOCK}# EVOLVE-BLOCK-END\n```\n"
CHILD = {
    "diff": MARKED.replace("0.1", "0.2"),
    "full": MARKED.replace("0.1", "0.2").replace('    """Return n radii."""\n', ""),
}


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No template of whoever runs the tests takes part."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return prompts.task(tmp_path / "task", {"initial.py": MARKED})


def write(task: Task, name: str, parent: Program | None = None, *others: Program) -> Exchange:
    """Begin the exchange of the operator ``name``."""
    parent = parent or prompts.program(task)
    return ask.writers(task, 12000)[name].write(prompts.proposal(parent, *others), task, prompts.background(parent))


def command(task: Task) -> Exchange:
    """Begin the exchange of a command."""
    parent = prompts.program(task)
    return ask.command_writers(task, 12000)["full"].write(prompts.proposal(parent), task, prompts.background(parent))


def follow(exchange: Exchange, *replies: Reply | str) -> tuple[list[Prompt], Draft]:
    """Return the prompts that an exchange yields when it is answered with ``replies``, and its draft."""
    asked = [next(exchange)]
    for at, reply in enumerate(replies):
        try:
            asked.append(exchange.send(Reply(reply) if isinstance(reply, str) else reply))
        except StopIteration as end:
            assert at == len(replies) - 1, "it ended before all replies were read"
            return asked, end.value
    raise AssertionError("it asks for another reply")


def stopped(exchange: Exchange, *replies: Reply | str) -> str:
    """Return why an exchange ended early when it was answered with ``replies``, at the last of them."""
    next(exchange)
    *first, last = (Reply(reply) if isinstance(reply, str) else reply for reply in replies)
    for reply in first:
        exchange.send(reply)
    with pytest.raises(Stop) as caught:
        exchange.send(last)
    assert caught.value.stage == "draft"
    assert len(caught.value.reason) <= 350
    return caught.value.reason


def test_all_are_writers_by_the_names_of_operators(task: Task) -> None:
    assert list(ask.writers(task, 12000)) == ["diff", "full", "cross", "fix"]
    assert list(ask.command_writers(task, 12000)) == ["full", "fix"]
    every = [*ask.writers(task, 12000).values(), *ask.command_writers(task, 12000).values()]
    assert all(isinstance(writer, Writer) for writer in every)


@pytest.mark.parametrize(("name", "text"), [("diff", EDIT), ("full", REWRITE)])
def test_a_good_reply_is_the_child(task: Task, name: str, text: str) -> None:
    asked, draft = follow(write(task, name), text)
    assert [prompt.purpose for prompt in asked] == ["draft"]
    assert draft.sources == {"initial.py": CHILD[name]}
    assert "larger circles" in draft.note


def test_a_rewrite_that_a_stop_sequence_ended_is_whole(task: Task) -> None:
    exchange = write(task, "full")
    prompt = next(exchange)
    assert (prompt.begin, prompt.stop) == ("```python\n# EVOLVE-BLOCK-START\n", ("# EVOLVE-BLOCK-END",))
    with pytest.raises(StopIteration) as end:
        exchange.send(Reply(f"```python\n{BLOCK}"))
    assert end.value.value.sources == {"initial.py": CHILD["full"]}


def test_an_edit_is_begun_with_a_whole_function(task: Task) -> None:
    exchange = write(task, "diff")
    prompt = next(exchange)
    search = 'def pack(n):\n    """Return n radii."""\n    return [0.1] * n\n'
    assert prompt.begin == f"<<<<<<< SEARCH\n{search}=======\ndef pack(n):\n"
    assert prompt.stop == ("\n>>>>>>> REPLACE",)
    assert "in `pack` or where it helps more" in prompt.messages[1].text
    with pytest.raises(StopIteration) as end:
        exchange.send(Reply(f"{prompt.begin}{BETTER.rstrip()}"))
    assert end.value.value.sources == {"initial.py": CHILD["full"]}


def test_an_edit_that_was_stopped_at_its_end_is_whole_though_it_began_otherwise(task: Task) -> None:
    for text in (EDIT, f"```\n{EDIT}", f"{EDIT}\n{EDIT.replace('Idea', 'Then')}".replace("0.2", "0.3", 1)):
        cut = text.removesuffix("\n>>>>>>> REPLACE\n")
        if text.count("SEARCH") == 1:
            _, draft = follow(write(task, "diff"), cut)
            assert draft.sources == {"initial.py": CHILD["diff"]}
        else:
            assert "same lines" in stopped(write(task, "diff"), cut, cut)
    for text in (
        STRANGE.partition("=======")[0],
        f"{EDIT.removesuffix('>>>>>>> REPLACE' + chr(10))}```\nIt is larger.\n",
    ):
        assert stopped(write(task, "diff"), text, text)


def test_a_begun_edit_that_was_closed_as_code_is_whole(task: Task) -> None:
    begin = next(write(task, "diff")).begin
    _, draft = follow(write(task, "diff"), f"{begin}{BETTER}```\n\nThe circles are larger now.")
    assert draft.sources == {"initial.py": CHILD["full"]}
    again = f'{begin}    """Return n radii."""\n    return [0.1] * n\n'
    assert "nothing changed" in stopped(write(task, "diff"), again, f"{again}```\n")


def test_a_begun_edit_that_was_cut_off_is_no_child(task: Task) -> None:
    begin = next(write(task, "diff")).begin
    assert "cut off" in stopped(write(task, "diff"), *[Reply(f"{begin}{BETTER}", "length")] * 2)


def test_every_function_that_may_change_and_stands_there_once_can_begin_an_edit(tmp_path: Path) -> None:
    twice = "def g():\n    return 1\n"
    methods = "class A:\n    @property\n    def a(self) -> int:\n        return 1\n\n    def b(self): return 2\n"
    text = (
        f"def frozen():\n    pass\n# EVOLVE-BLOCK-START\n{methods}{twice}if 1:\n    x = 1\n{twice}# EVOLVE-BLOCK-END\n"
    )
    task = prompts.task(tmp_path / "many", {"initial.py": text})
    parent = prompts.program(task)
    found = {forms.edits(task, parent, seed).focus: forms.edits(task, parent, seed) for seed in range(20)}
    assert set(found) == {"a"}
    head = "    @property\n    def a(self) -> int:\n"
    assert found["a"].begin == f"<<<<<<< SEARCH\n{head}        return 1\n=======\n{head}"


def test_an_edit_without_a_function_to_change_is_begun_with_its_mark_alone(tmp_path: Path) -> None:
    task = prompts.task(tmp_path / "none", {"initial.py": "X = 1\n"})
    for other in (task, replace(task, language="c")):
        assert forms.edits(other, prompts.program(task), 1) == forms.EDITS


def test_the_idea_may_come_first_where_no_beginning_was_taken(task: Task) -> None:
    _, draft = follow(write(task, "full"), f"Idea: larger\n\n```python\n{BLOCK}")
    assert draft.sources == {"initial.py": CHILD["full"]}


def test_code_closed_without_its_last_mark_is_whole(task: Task) -> None:
    for more in ("", "\nIt is better.\n"):
        _, draft = follow(write(task, "full"), f"```python\n{BLOCK}```\n{more}")
        assert draft.sources == {"initial.py": CHILD["full"]}


def test_a_file_without_marks_is_rewritten_whole(tmp_path: Path) -> None:
    task = prompts.task(tmp_path / "plain", {"initial.py": PLAIN}, minimize=True)
    asked, draft = follow(write(task, "full"), "```python\ndef predict(x):\n    return x\n")
    assert draft.sources == {"initial.py": "def predict(x):\n    return x\n"}
    assert (asked[0].begin, asked[0].stop) == ("```python\n", ("\n```\n",))


def test_a_fence_in_the_code_makes_a_longer_one(tmp_path: Path) -> None:
    task = prompts.task(tmp_path / "plain", {"initial.py": f"TEXT = '''\n```\nx\n```\n'''\n{PLAIN}"})
    text = f"TEXT = '''\n```\ny\n```\n'''\n{PLAIN}"
    asked, draft = follow(write(task, "full"), f"````python\n{text}")
    assert (asked[0].begin, asked[0].stop) == ("````python\n", ("\n````\n",))
    assert draft.sources == {"initial.py": text}
    assert "opens with ````python and closes with ````." in asked[0].messages[0].text


def test_no_stop_where_the_fence_could_stand_in_the_code(tmp_path: Path) -> None:
    root = tmp_path / "notes"
    task = prompts.task(root, {"initial.py": PLAIN})
    assert next(write(replace(task, language="markdown"), "full")).stop == ()


def test_one_of_several_files_is_rewritten(tmp_path: Path) -> None:
    task = prompts.task(tmp_path / "files", FILES)
    _, draft = follow(write(task, "full"), "```python\n# EVOLVE-BLOCK-START\ndef first(n):\n    return 7\n")
    assert draft.sources == {**FILES, "rule.py": FILES["rule.py"].replace("return n", "return 7")}


def test_each_of_several_files_stands_under_its_path(tmp_path: Path) -> None:
    sources = {"main.py": "import rule\n", "rule.py": "X = 1\n"}
    task = prompts.task(tmp_path / "files", sources)
    exchange = write(task, "full")
    asked, draft = follow(exchange, "Idea: two\n\n### FILE rule.py\n```python\nX = 2\n```\n")
    assert draft.sources == {"main.py": "import rule\n", "rule.py": "X = 2\n"}
    assert "### FILE and its path" in asked[0].messages[0].text


@pytest.mark.parametrize(("name", "bad", "good"), [("diff", STRANGE, EDIT), ("full", "I would rather talk.", REWRITE)])
def test_a_reply_that_cannot_be_used_is_answered_once_with_the_reason(
    task: Task, name: str, bad: str, good: str
) -> None:
    asked, draft = follow(write(task, name), bad, good)
    assert [prompt.purpose for prompt in asked] == ["draft", "correct"]
    first, second = asked
    assert second.messages[:2] == first.messages
    assert [message.role for message in second.messages[2:]] == ["assistant", "user"]
    assert second.messages[2].text == bad
    assert (second.begin, second.stop) == (first.begin, first.stop)
    assert draft.sources == {"initial.py": CHILD[name]}


@pytest.mark.parametrize(("name", "bad"), [("diff", STRANGE), ("full", "I would rather talk.")])
def test_a_second_one_ends_the_attempt(task: Task, name: str, bad: str) -> None:
    assert stopped(write(task, name), bad, bad)


def test_a_refusal_is_not_asked_again(task: Task) -> None:
    assert stopped(write(task, "diff"), Reply("I cannot help.", "refusal")) == "refused: I cannot help."
    assert stopped(write(task, "diff"), Reply("", "refusal", note="filtered")) == "refused: filtered"
    assert stopped(write(task, "diff"), Reply("", "refusal")) == "refused: without a word"
    assert stopped(write(task, "diff"), STRANGE, Reply("No.", "refusal")) == "refused: No."


def test_an_empty_reply_is_not_repeated_but_asked_again(task: Task) -> None:
    asked, draft = follow(write(task, "diff"), " \n", EDIT)
    assert [message.role for message in asked[1].messages] == ["system", "user", "user"]
    assert draft.sources == {"initial.py": CHILD["diff"]}
    assert stopped(write(task, "diff"), "", "") == "it was empty"


def test_thinking_that_takes_all_tokens_is_not_asked_again(task: Task) -> None:
    reason = stopped(write(task, "full"), Reply("", "length", reasoning="Hmm. " * 100, reasoning_tokens=8192))
    assert reason == "all tokens of the reply went into thinking; raise max_tokens or lower effort"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("diff", EDIT),
        ("diff", EDIT[:-20]),
        ("full", REWRITE[:-25]),
        ("full", f"```python\n{BLOCK}"),
        ("full", f"Idea: none yet\n\n```python\n{BLOCK}"),
    ],
)
def test_a_reply_that_was_cut_off_is_never_a_child(task: Task, name: str, text: str) -> None:
    asked, draft = follow(write(task, name), Reply(text, "length"), EDIT if name == "diff" else REWRITE)
    assert "cut" in asked[1].messages[-1].text
    assert draft.sources == {"initial.py": CHILD[name]}
    assert "cut" in stopped(write(task, name), Reply(text, "length"), Reply(text, "length"))


def test_a_rewrite_cut_off_after_its_end_is_whole(task: Task) -> None:
    _, draft = follow(write(task, "full"), Reply(REWRITE + "\nThis program is better beca", "length"))
    assert draft.sources == {"initial.py": CHILD["full"]}


@pytest.mark.parametrize("form", ["marked", "plain"])
def test_where_the_service_does_not_say_how_it_ended_code_must_be_closed(tmp_path: Path, form: str) -> None:
    source = {"marked": MARKED, "plain": PLAIN}[form]
    code = {"marked": BLOCK + "# EVOLVE-BLOCK-END\n", "plain": "def predict(x):\n    return x\n"}[form]
    task = prompts.task(tmp_path / form, {"initial.py": source}, minimize=form == "plain")
    whole = f"Idea: other\n\n```python\n{code}```\n"
    open_one = Reply(whole.removesuffix("```\n"), "other")
    asked, draft = follow(write(task, "full"), open_one, Reply(whole, "other"))
    assert "does not show where its code ends" in asked[1].messages[-1].text
    assert draft.sources["initial.py"] != source
    _, draft = follow(write(task, "full"), Reply(f"{whole}\nThat is all.", "other"))
    assert draft.sources["initial.py"] != source


def test_edits_are_closed_in_themselves(task: Task) -> None:
    _, draft = follow(write(task, "diff"), Reply(EDIT, "other"))
    assert draft.sources == {"initial.py": CHILD["diff"]}
    cut = Reply(EDIT.partition(">>>>>>>")[0], "other")
    assert stopped(write(task, "diff"), cut, cut)


def test_an_open_fence_without_all_of_the_program_is_no_child(tmp_path: Path) -> None:
    task = prompts.task(tmp_path / "two", {"initial.py": "def a():\n    return 1\n\n\ndef b():\n    return 2\n"})
    text = "```python\ndef a(): return 3"
    reason = stopped(write(task, "full"), text, text)
    assert "b is missing" in reason
    assert "cut off" in stopped(write(task, "full"), *[Reply(text, "other")] * 2)
    _, draft = follow(write(task, "full"), f"{text}\n```")
    assert draft.sources == {"initial.py": "def a(): return 3\n"}


def test_cross_shows_a_second_program(task: Task) -> None:
    parent, other = prompts.program(task), prompts.program(task, "o", 2.5, changed={"0.1": "0.15"})
    asked, draft = follow(write(task, "cross", parent, parent, other), REWRITE)
    assert "[0.15] * n" in asked[0].messages[1].text
    assert draft.sources == {"initial.py": CHILD["full"]}
    for others in ((), (parent,)):
        with pytest.raises(Stop, match="no inspiration"):
            next(write(task, "cross", parent, *others))


def test_a_repair_of_a_long_program_is_asked_for_as_edits(tmp_path: Path) -> None:
    short = prompts.task(tmp_path / "short", {"initial.py": MARKED})
    asked, draft = follow(write(short, "fix", prompts.program(short, score=None)), REWRITE)
    assert asked[0].begin.startswith("```python")
    assert draft.sources == {"initial.py": CHILD["full"]}
    more = "".join(f"    x{number} = {number}\n" for number in range(LONG // 10))
    long = prompts.task(tmp_path / "long", {"initial.py": MARKED.replace("    return", more + "    return")})
    asked, draft = follow(write(long, "fix", prompts.program(long, score=None)), EDIT)
    assert "<<<<<<< SEARCH" in asked[0].messages[0].text
    assert BETTER in draft.sources["initial.py"]


def test_a_prompt_too_long_ends_the_attempt(task: Task) -> None:
    parent = prompts.program(task)
    for name, writer in ask.writers(task, 100).items():
        exchange = writer.write(prompts.proposal(parent, prompts.program(task, "o")), task, prompts.background(parent))
        with pytest.raises(Stop, match=r"the parent alone needs about \d+ tokens, llm.prompt_tokens is 100"):
            next(exchange)
        assert name


def test_a_command_hands_back_its_files(task: Task) -> None:
    exchange = command(task)
    asked, draft = follow(exchange, json.dumps({"initial.py": CHILD["diff"]}))
    assert asked[0].files == task.initial
    assert draft.sources == {"initial.py": CHILD["diff"]}
    assert draft.note


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be a JSON object"),
        ("{", "must be a JSON object"),
        ("[1]", "must be a JSON object"),
        ('{"initial.py": 1}', "must be a JSON object"),
        ("{}", "must consist of the files initial.py"),
        (json.dumps({"initial.py": MARKED, "more.py": ""}), "must consist of the files initial.py"),
        (json.dumps({"initial.py": MARKED.replace("Packs", "Pack")}), "differs outside its evolve blocks"),
        (json.dumps({"initial.py": MARKED.replace("# EVOLVE-BLOCK-END\n", "")}), "never closed"),
        (json.dumps({"initial.py": MARKED}), "changed nothing"),
        (r'{"initial.py": "\ud800"}', "is no text"),
    ],
)
def test_what_a_command_may_not_leave(task: Task, text: str, reason: str) -> None:
    assert reason in stopped(command(task), text)


def test_the_same_replies_make_the_same_prompts_and_child(task: Task) -> None:
    def twice(make: Callable[[], Exchange]) -> bool:
        return follow(make(), STRANGE, EDIT) == follow(make(), STRANGE, EDIT)

    assert twice(lambda: write(task, "diff"))
    assert Prompts(task, 12000).task == task
