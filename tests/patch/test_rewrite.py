from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.blocks import breach
from evolve.patch import PatchError, apply_rewrite

HEAD = '"""Packs."""\n\nimport math\n\n'
TAIL = "\n\ndef judge(n):\n    return math.sqrt(n)\n"
OLD = "def pack(n):\n    return n\n\n\ndef shrink(n):\n    return n + 1\n"
NEW = "def pack(n):\n    return 2 * n\n\n\ndef shrink(n):\n    return n + 2\n"


def marks(code: str) -> str:
    return f"{HEAD}# EVOLVE-BLOCK-START\n{code}# EVOLVE-BLOCK-END\n{TAIL}"


FREE, MARKED = {"a.py": OLD}, {"a.py": marks(OLD)}


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{NEW}```",
        f"Here:\n\n```python\n{NEW}```\nDone; `pack` is doubled.",
        f"~~~\n{NEW}~~~\n",
        f"````py\n{NEW}````",
        f"   ```python\n{NEW}   ```",
        f"```python\n{NEW}```".replace("\n", "\r\n"),
        f"### FILE a.py\n```python\n{NEW}```",
        f"```python\n### FILE a.py\n{NEW}```",
        f"```python:a.py\n{NEW}```",
        f"```python\n{NEW}",
        f"Idea: double.\n```python\n{NEW}",
        NEW,
        f"### FILE a.py\n{NEW}",
        f"````markdown\n### FILE a.py\n```python\n{NEW}```\n````",
        f"```python\n{NEW}```\nRun it:\n```bash\npython a.py\n```",
        f"The old one:\n```python\ndef pack(n):\n    return n\n```\nThe new one:\n```python\n{NEW}```",
        f"```text\nplan\n```\n```python\n{NEW}```",
    ],
)
def test_the_same_rewrite_in_the_ways_in_which_models_write_it(text: str) -> None:
    assert apply_rewrite(FREE, text, "python") == {"a.py": NEW}


@pytest.mark.parametrize(
    "code",
    [
        marks(NEW),
        marks(NEW).replace("import math", "import  math  "),
        marks(NEW).replace(HEAD, "# ... as before\n"),
        marks(NEW).replace(TAIL, ""),
        NEW,
        HEAD + NEW,
        HEAD + NEW + TAIL,
        NEW + TAIL,
    ],
)
@pytest.mark.parametrize("around", ["{}", "```python\n{}```\nBye.", "```python\n{}"])
def test_with_marks_or_without_them_only_the_block_changes(code: str, around: str) -> None:
    child = apply_rewrite(MARKED, around.format(code), "python")
    assert child == {"a.py": marks(NEW)}
    assert breach(MARKED, child) == ""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (marks(NEW).replace("return math", "return 2 * math"), "outside the evolve block"),
        (marks(NEW).replace("import math", "import math\nimport os"), "outside the evolve block"),
        (marks(NEW).replace("# EVOLVE-BLOCK-END\n", ""), "END is missing"),
        (marks(NEW).replace("# EVOLVE-BLOCK-START\n", ""), "no counterpart"),
        (marks(NEW) + marks(NEW), "1 evolve block"),
        (marks(""), "would be empty"),
        ("import math\n" + NEW, "only a part of the frozen lines"),
        (NEW + "\ndef judge(n):\n    return 3\n", "only a part of the frozen|judge of the frozen part"),
        ("def judge(n):\n    return 3\n" + NEW, "judge of the frozen part"),
        (marks(OLD), "nothing changed"),
    ],
)
def test_what_is_frozen_stays(code: str, reason: str) -> None:
    with pytest.raises(PatchError, match=reason):
        apply_rewrite(MARKED, f"```python\n{code}```", "python")


@pytest.mark.parametrize(
    "inner",
    [
        'DOC = """\n```\nexample\n```\n"""\n',
        'DOC = """\n```python\npack(1)\n```\n"""\n',
        "DOC = f'''\n```\n{1 + 1}\n'''\n",
        'DOC = """\n~~~\n````\n"""\n',
        'DOC = """\nEVOLVE\n```\n```\n```\n```\n"""\n',
    ],
)
@pytest.mark.parametrize("fence", ["```", "````", "~~~", "`````"])
@pytest.mark.parametrize("closed", [True, False])
def test_a_program_that_contains_fences_is_never_cut(inner: str, fence: str, closed: bool) -> None:
    code = NEW + inner + "LAST = 1\n"
    text = f"Idea: fences.\n{fence}python\n{code}" + (f"{fence}\nBye." if closed else "")
    assert apply_rewrite(FREE, text, "python") == {"a.py": code}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I cannot do that.", "no code"),
        ("", "no code"),
        ("pack", "no code"),
        ("```python\n```", "defines none"),
        (f"```python\n{OLD}```", "nothing changed"),
        ("```python\ndef other():\n    pass\n```", "defines none of pack, shrink"),
        (f"```python\n{NEW}```\n```python\n{NEW.replace('2', '3')}```", "2 fences could be the program"),
        ("```python\ndef pack(n):\n    return 1\n```\n```python\ndef shrink(n):\n    return 1\n```", "2 fences"),
        (f"```python\n{NEW}    oops oops\n```", "would not compile: line 7"),
        (f"```python\n{NEW}```\nshrink = pack\n", "outside of the code fence"),
        (f"```python\n{NEW}# EVOLVE-BLOCK-END\n```", "add none"),
        (f"### FILE b.py\n```python\n{NEW}```", "there is no file b.py"),
        ("```\n" * 500, "500 lines with code fences"),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(PatchError, match=reason):
        apply_rewrite(FREE, text, "python")


@pytest.mark.parametrize("parent", [FREE, MARKED])
def test_a_reply_cut_at_the_token_limit_counts_only_where_the_code_had_ended(parent: dict[str, str]) -> None:
    code = NEW if parent is FREE else marks(NEW)
    for text in (code, f"```python\n{code}", f"```python\n{code[:-20]}", "Let me think"):
        with pytest.raises(PatchError, match="cut off"):
            apply_rewrite(parent, text, "python", cut=True)
    child = apply_rewrite(parent, f"```python\n{code}```\nThis wor", "python", cut=True)
    assert child == {"a.py": code}


def test_several_files() -> None:
    parent = {"a.py": "x = 1\n", "b.py": "y = 1\n", "c.py": "z = 1\n"}
    text = "### FILE a.py\n```python\nx = 2\n```\n\n**File: `b.py`**\n```python\ny = 2\n```\n"
    assert apply_rewrite(parent, text, "python") == {"a.py": "x = 2\n", "b.py": "y = 2\n", "c.py": "z = 1\n"}
    for wrong, reason in (
        (text.replace("b.py", "d.py"), "no file d.py"),
        ("```python\nx = 2\n```", "### FILE"),
    ):
        with pytest.raises(PatchError, match=reason):
            apply_rewrite(parent, wrong, "python")
    with pytest.raises(PatchError, match="cut off"):
        apply_rewrite(parent, text + "bye", "python", cut=True)


def test_a_file_without_a_block_may_be_repeated_and_not_changed() -> None:
    parent = {"a.py": marks(OLD), "b.py": "FIXED = 1\n"}
    text = f"### FILE b.py\n```python\nFIXED = 1\n```\n### FILE a.py\n```python\n{marks(NEW)}```"
    assert apply_rewrite(parent, text, "python") == {**parent, "a.py": marks(NEW)}
    with pytest.raises(PatchError, match=r"b.py has no evolve block and may not change"):
        apply_rewrite(parent, text.replace("FIXED = 1", "FIXED = 2"), "python")


def test_code_of_several_files_without_a_heading_is_refused() -> None:
    parent = {"a.py": "x = 1\n", "b.py": "y = 1\n"}
    with pytest.raises(PatchError, match="write ### FILE"):
        apply_rewrite(parent, "```python\ny = 2\n```\n### FILE a.py\n```python\nx = 2\n```", "python")


def test_an_end_mark_and_a_fence_too_early_are_refused() -> None:
    early = marks(NEW).replace("\n\ndef shrink", "\n# EVOLVE-BLOCK-END\n```\n\ndef shrink")
    for cut in (False, True):
        with pytest.raises(PatchError):
            apply_rewrite(MARKED, f"```python\n{early}```\nBye.", "python", cut=cut)


def test_a_block_inside_a_class() -> None:
    parent = {
        "a.py": "class A:\n    # EVOLVE-BLOCK-START\n    def f(self):\n        return 1\n    # EVOLVE-BLOCK-END\n"
    }
    text = "```python\n    def f(self):\n        return 2\n```"
    assert apply_rewrite(parent, text, "python") == {"a.py": parent["a.py"].replace("1", "2")}


def test_two_blocks_need_their_marks() -> None:
    def file(x: int, y: int) -> str:
        pair = "# EVOLVE-BLOCK-START\n{} = {}\n# EVOLVE-BLOCK-END\n"
        return pair.format("x", x) + "frozen = 1\n" + pair.format("y", y)

    parent = {"a.py": file(1, 1)}
    assert apply_rewrite(parent, f"```python\n{file(2, 3)}```", "python") == {"a.py": file(2, 3)}
    with pytest.raises(PatchError, match="marks of the 2 evolve blocks"):
        apply_rewrite(parent, "```python\nx = 2\nfrozen = 1\ny = 3\n```", "python")


C = "int pack(int n) {\n    return n;\n}\n"


def test_other_languages_are_refused_where_the_end_is_not_clear() -> None:
    parent = {"a.c": C}
    new = C.replace("return n", "return 2 * n")
    inner = new + "/*\n```sh\nmake\n```\n*/\nint last;\n"
    bare = new + "/*\n```\nmake\n```\n*/\nint last;\n"
    assert apply_rewrite(parent, f"Sure.\n```c\n{new}```\nBye.", "c") == {"a.c": new}
    assert apply_rewrite(parent, f"```c\n{new}", "c") == {"a.c": new}
    assert apply_rewrite(parent, f"```c\n{new}```\n```text\noutput\n```", "c") == {"a.c": new}
    assert apply_rewrite(parent, f"```c\n{inner}```", "c") == {"a.c": inner}
    assert apply_rewrite(parent, f"````c\n{bare}````", "c") == {"a.c": bare}
    split = (
        "```c\nint pack(int n) {\n/*\nmake\n  ```\n*/\n/*\n  ```sh\n  ```sh\nmake\n  ```\n*/\n  return 2 * n;\n}\n```\n"
    )
    with pytest.raises(PatchError, match="before the brackets and comments"):
        apply_rewrite(parent, split, "c")
    twice = f"```\n{new}```\n\nOnce more.\n```\nint pack(int n) {{\n/*\n```\n"
    with pytest.raises(PatchError, match="fences could be the program"):
        apply_rewrite(parent, twice, "c")
    halves = "```c\nint pack(int n) {\n/*\n```\n*/\n/*\n  ```sh\n  make\n*/\n  return n;\n}\n"
    halves += "int last(int n) {\n  return 0;\n}\n```\n"
    with pytest.raises(PatchError, match="another code fence"):
        apply_rewrite({"a.c": C + "int last(int n) {\n  return 1;\n}\n"}, halves, "c")
    for text in (f"```c\n{bare}```", f"Sure.\n```c\n{new}", new, f"```c\n{bare}"):
        with pytest.raises(PatchError):
            apply_rewrite(parent, text, "c")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("shape", [str, marks])
def test_line_endings_final_newline_and_byte_order_mark_stay(
    newline: str, final: bool, bom: str, shape: type[str]
) -> None:
    def file(code: str) -> str:
        text = shape(code)
        return bom + (text if final else text.removesuffix("\n")).replace("\n", newline)

    child = apply_rewrite({"a.py": file(OLD)}, f"```python\n{shape(NEW)}```", "python")
    assert child == {"a.py": file(NEW)}


def test_a_megabyte_takes_no_time() -> None:
    program = "".join(f"def f{n}(a):\n    return [a, {n}]\n" for n in range(30_000))
    replies = [
        f"```python\n{program}```",
        f"```python\n{program}",
        program,
        "```python\n" + "x = 1\n```\n" * 100_000,
        "```python\n" + ("x = 1\n" * 6000 + "```\n") * 25,
        "```python\n" + "(" * 1_000_000,
        "x" * 1_000_000,
        "`" * 1_000_000,
        "```python\n" * 390 + program,
        "words words\n" * 90_000,
        "a = '''\n" + "```\n" * 390 + "y = 2\n" * 100_000,
        " " * 1_000_000 + "def",
    ]
    for reply in replies:
        for language in ("python", "c"):
            start = time.process_time()
            with pytest.raises(PatchError):
                apply_rewrite({"a.py" if language == "python" else "a.c": OLD}, reply, language)
            assert time.process_time() - start < 2


STATEMENTS = st.sampled_from(
    [
        "x = 1",
        "def pack(n):\n    return n",
        "def other(n):\n\treturn 'é'",
        'text = """\n```\n"""',
        'text = """\n```python\nx = 1\n```\n"""',
        "class A:\n    y = 2",
        "",
        "# ```",
        'f"""\n~~~\n"""',
        "for k in [1]:\n    x = k",
    ]
)


@settings(max_examples=300)
@given(
    st.lists(STATEMENTS, min_size=1, max_size=6),
    st.sampled_from(["```", "````", "~~~", "~~~~~"]),
    st.sampled_from(["", "python"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_rendered_rewrite_gives_exactly_the_child(
    statements: list[str], fence: str, info: str, marked: bool, crlf: bool, prose: bool
) -> None:
    code = "".join(f"{line}\n" for line in [*statements, "def shrink(n):", "    return 5", "LAST = 1"])
    shape = marks if marked else str
    parent = {"a.py": shape(OLD)}
    text = f"{fence}{info}\n{shape(code)}{fence}"
    text = f"Idea: better.\n\n{text}\n\nThat is it." if prose else text
    child = apply_rewrite(parent, text.replace("\n", "\r\n") if crlf else text, "python")
    assert child == {"a.py": shape(code)}


@settings(max_examples=200)
@given(st.lists(STATEMENTS, min_size=1, max_size=6), st.data())
def test_a_reply_cut_anywhere_is_never_a_program_cut_short(statements: list[str], data: st.DataObject) -> None:
    code = "".join(f"{line}\n" for line in ["def pack(n):", "    return 3", *statements, "LAST = 1"])
    text = f"Idea: better.\n```python\n{code}```\nBye."
    at = data.draw(st.integers(0, len(text)))
    try:
        child = apply_rewrite(FREE, text[:at], "python", cut=True)
    except PatchError:
        pass
    else:
        assert child == {"a.py": code}


@pytest.mark.parametrize(
    "remark",
    [
        "# ... existing code ...",
        "# ...",
        "# … (unchanged)",
        "# (rest of the code remains unchanged)",
        "# Rest of the function",
        "# existing code here",
        "# other functions remain the same",
        "# unchanged",
    ],
)
def test_a_remark_in_the_place_of_code_is_no_code(remark: str) -> None:
    code = f"def pack(n):\n    {remark}\n    return 2 * n\n"
    with pytest.raises(PatchError, match="write out all lines"):
        apply_rewrite(FREE, f"```python\n{code}```", "python")
    assert apply_rewrite({"a.py": code}, f"```python\n{code.replace('2', '3')}```", "python"), "it was there before"


@pytest.mark.parametrize(
    "remark",
    ["# ... then the radii", "# the rest of the circles", "# same as numpy's", "# existing centres", "# and so on ..."],
)
def test_other_remarks_are_welcome(remark: str) -> None:
    code = f"def pack(n):\n    {remark}\n    return 2 * n\n\n\ndef shrink(n):\n    return n\n"
    assert apply_rewrite(FREE, f"```python\n{code}```", "python") == {"a.py": code}
