from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.blocks import breach
from evolve.patch import PatchError, apply_edits

PROGRAM = """\
import math

# EVOLVE-BLOCK-START
def pack(n):
    total = 0
    for k in range(n):
        total += k
    return total


def shrink(n):
    total = 1
    return total
# EVOLVE-BLOCK-END


def judge(n):
    return math.sqrt(n)
"""
PARENT = {"initial.py": PROGRAM}


def block(search: str, replace: str, signs: int = 7) -> str:
    return f"{'<' * signs} SEARCH\n{search}\n{'=' * signs}\n{replace}\n{'>' * signs} REPLACE"


GOOD = block("        total += k", "        total += 2 * k")
CLOSED_BY_FENCE = block(
    "        total += k\n    return total", "        total += 2 * k\n    return total"
).removesuffix("\n>>>>>>> REPLACE")
MEANT = {"initial.py": PROGRAM.replace("+= k", "+= 2 * k")}


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"Idea: twice.\n\n```python\n{GOOD}\n```\nThat is all.",
        f"````markdown\n```diff\n{GOOD}\n```\n````",
        GOOD.replace("\n", "\r\n"),
        block("        total += k", "        total += 2 * k", 5),
        block("        total += k", "        total += 2 * k", 9),
        GOOD.replace("SEARCH", "SEARCH  ").replace("REPLACE", "REPLACE (end)").replace("=======", "=======  "),
        GOOD.replace("<<<<<<< SEARCH", "<<<<<<<").replace(">>>>>>> REPLACE", ">>>>>>>"),
        "### FILE initial.py\n" + GOOD,
        "**File: `initial.py`**\n" + GOOD,
        f"```python\n{CLOSED_BY_FENCE}\n```\n",
        block("total += k", "total += 2 * k"),
        block("\ttotal += k  ", "\ttotal += 2 * k"),
        block("for k in range(n):\n\ttotal += k", "for k in range(n):\n\ttotal += 2 * k"),
        "\n".join("  " + line for line in GOOD.split("\n")),
        GOOD + "\n" + block("    total = 1", "    total = 1"),
    ],
)
def test_the_same_edit_in_the_ways_in_which_models_write_it(text: str) -> None:
    assert apply_edits(PARENT, text, "python") == MEANT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I would not change it.", "no SEARCH/REPLACE block"),
        (block("    return total", "    return 2"), r"occurs 2 times in initial.py \(lines 8, 13\)"),
        (block("    total = 2", "    total = 3"), "no line `total = 2`"),
        (block("def pack(n):\n    return total", "def pack(n):\n    return 1"), "not one after the other"),
        (block("import math", "import cmath"), "outside the evolve blocks"),
        (block("    return math.sqrt(n)", "    return n"), "outside the evolve blocks"),
        (block("    total = 1\n    return total\n# EVOLVE-BLOCK-END", "    return 1"), "marks"),
        (block("    total = 1", "# EVOLVE-BLOCK-END\n    total = 1"), "marks"),
        (block("", "x = 1"), "SEARCH is empty"),
        (block("    total = 1", "    total = 1"), "nothing changed"),
        (block("    total = 1", "    total = (1"), r"line 12: .*would|would not compile: line 12"),
        ("### FILE other.py\n" + GOOD, "there is no file other.py"),
        (
            GOOD + "\n" + block("    for k in range(n):\n        total += k", "    pass"),
            "blocks 2 and 1|blocks 1 and 2",
        ),
        (GOOD.replace("=======\n", ""), "no line ======="),
        (GOOD.replace("\n>>>>>>> REPLACE", ""), "not closed"),
        (f"```\n{GOOD.removesuffix('>>>>>>> REPLACE')}```", "not closed"),
        (CLOSED_BY_FENCE, "not closed"),
        (f"```\n{GOOD}\n    def more(", "code fence around the last block is not closed"),
        (f"{GOOD}\n        shrink = 3", "looks like code"),
        (f"{GOOD}\n\n    total = 1\n", "looks like code"),
        (GOOD.replace("\n>>>>>>> REPLACE", "\n") + GOOD, "not closed"),
        (GOOD.replace("<<<<<<< SEARCH\n", ""), "belongs to no block"),
        (GOOD + "\n    more\n>>>>>>> REPLACE", "belongs to no block"),
        (GOOD.replace("=======\n", "=======\n=======\n"), "block 1: its SEARCH lines are not found"),
        (block("            total = 1", "            total = 2\n    return 4"), "block 1: REPLACE is indented less"),
        (block("    total = 1", "    total = '\ud800'"), "no text"),
        (block("    total = 1", "    total = 1\x00"), "compile"),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(PatchError, match=reason):
        apply_edits(PARENT, text, "python")


def test_one_block_that_fails_fails_all_and_the_parent_is_what_blocks_are_matched_against() -> None:
    second = block("        total += 2 * k", "        total += 3 * k")
    with pytest.raises(PatchError, match="block 2"):
        apply_edits(PARENT, GOOD + "\n" + second, "python")


def test_a_reply_that_was_cut_off_is_refused() -> None:
    with pytest.raises(PatchError, match="cut off"):
        apply_edits(PARENT, GOOD, "python", cut=True)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_line_endings_final_newline_and_byte_order_mark_stay(newline: str, final: bool, bom: str) -> None:
    old, new = "a = 1\nb = 'é\u2028ü'\nc = 3\n", "a = 7\nb = 'é\u2028ü'\nc = 4\nd = 5\n"

    def file(text: str) -> str:
        return bom + (text if final else text.removesuffix("\n")).replace("\n", newline)

    text = block("a = 1", "a = 7") + "\n" + block("c = 3", "c = 4\nd = 5")
    assert apply_edits({"a.py": file(old)}, text, "python") == {"a.py": file(new)}


def test_several_files() -> None:
    parent = {"a.py": "x = 1\ny = 1\n", "lib/b.py": "x = 1\nz = 1\n"}
    text = "### FILE lib/b.py\n" + block("x = 1", "x = 2") + "\n### `a.py`\n" + block("y = 1", "y = 2")
    assert apply_edits(parent, text, "python") == {"a.py": "x = 1\ny = 2\n", "lib/b.py": "x = 2\nz = 1\n"}
    assert apply_edits(parent, block("z = 1", "z = 2"), "python")["lib/b.py"] == "x = 1\nz = 2\n"
    with pytest.raises(PatchError, match=r"2 times in a.py \(lines 1\); lib/b.py \(lines 1\): name the file"):
        apply_edits(parent, block("x = 1", "x = 2"), "python")


@pytest.mark.parametrize("inside", ["", "\n", "\n\n   \n"])
def test_an_empty_search_fills_an_empty_block(inside: str) -> None:
    parent = {"a.py": f"# EVOLVE-BLOCK-START\n{inside}# EVOLVE-BLOCK-END\n"}
    child = apply_edits(parent, block("", "x = 1"), "python")
    assert child == {"a.py": "# EVOLVE-BLOCK-START\nx = 1\n# EVOLVE-BLOCK-END\n"}
    assert breach(parent, child) == ""


def test_deleting_the_last_lines_keeps_the_missing_final_newline() -> None:
    assert apply_edits({"a.py": "x = 1\ny = 2"}, "<<<<<<< SEARCH\ny = 2\n=======\n>>>>>>> REPLACE", "python") == {
        "a.py": "x = 1"
    }


def test_a_heading_underlined_in_the_code_is_no_divider() -> None:
    parent = {"a.py": '"""Title\n\nPart one\n========\ntext\n"""\nx = 1\n'}
    text = block("Part one\n========\ntext", "Part two\n========\nmore")
    assert apply_edits(parent, text, "python") == {"a.py": '"""Title\n\nPart two\n========\nmore\n"""\nx = 1\n'}
    with pytest.raises(PatchError, match="not clear which is the divider"):
        apply_edits(parent, block("Part one", "text"), "python")


def test_tabs_stay_tabs() -> None:
    parent = {"a.py": "def f(x):\n\tif x:\n\t\treturn 1\n\treturn 2\n"}
    text = block("    if x:\n        return 1", "    if x:\n        if x > 1:\n            return 3\n        return 1")
    assert apply_edits(parent, text, "python") == {
        "a.py": "def f(x):\n\tif x:\n\t\tif x > 1:\n\t\t\treturn 3\n\t\treturn 1\n\treturn 2\n"
    }


def test_a_megabyte_takes_no_time() -> None:
    many = "\n".join(block(f"x{n} = 1", f"x{n} = 2") for n in range(25_000))
    replies = [
        many,
        "=" * 1_000_000,
        "<<<<<<< SEARCH\n" * 70_000,
        "\n" * 1_000_000,
        block("\n" * 500_000, "=======\n" * 60_000),
    ]
    for reply in [*replies, block("a\n" * 300_000, "b"), "`" * 1_000_000, "File: " + "a" * 1_000_000]:
        start = time.process_time()
        with pytest.raises(PatchError):
            apply_edits(PARENT, reply, "python")
        assert time.process_time() - start < 2


WORDS = st.sampled_from(["alpha", "beta", "total", "x", "größe", "变量"])
LINES = st.builds(
    lambda depth, name, tail: "    " * depth + f"{name} {tail}".rstrip(),
    st.integers(0, 2),
    WORDS,
    st.sampled_from(["", "= 1", "+= x", "=======x", "``` y", "# é"]),
)


@settings(max_examples=300)
@given(
    st.lists(LINES, min_size=1, max_size=12),
    st.lists(LINES, max_size=6),
    st.data(),
    st.sampled_from(["", "  ", "\t"]),
    st.booleans(),
)
def test_a_rendered_edit_gives_exactly_the_child(
    lines: list[str], new: list[str], data: st.DataObject, shift: str, crlf: bool
) -> None:
    start = data.draw(st.integers(0, len(lines) - 1))
    stop = data.draw(st.integers(start + 1, len(lines)))
    old = lines[start:stop]
    child = lines[:start] + new + lines[stop:]
    places = [n for n in range(len(lines)) if [x.strip() for x in lines[n : n + len(old)]] == [x.strip() for x in old]]
    text = "\n".join(
        ["Sure.", "<<<<<<< SEARCH", *(shift + x for x in old), "=======", *(shift + x for x in new), ">>>>>>> REPLACE"]
    )
    text = text.replace("\n", "\r\n") if crlf else text
    parent = {"a.txt": "".join(f"{line}\n" for line in lines)}
    if len(places) == 1 and child != lines:
        assert apply_edits(parent, text, "text") == {"a.txt": "".join(f"{line}\n" for line in child)}
    elif child == lines:
        with pytest.raises(PatchError):
            apply_edits(parent, text, "text")


@settings(max_examples=300)
@given(st.text(alphabet="<>=SEARCHPLx1 \n\t`#", max_size=300))
def test_no_text_does_harm(text: str) -> None:
    try:
        child = apply_edits(PARENT, text, "python")
    except PatchError:
        pass
    else:
        assert breach(PARENT, child) == ""
