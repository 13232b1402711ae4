"""Program text as HTML: nothing in it is markup, nothing is hidden, and any text is done with soon."""

from __future__ import annotations

import html
import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.view import text as texts
from evolve.view.code import COLOURED, COLOURS, Row, lines, side_by_side, styles, visible

OURS = re.compile(r"</?(?:span|ins|del)(?: class=\"[a-z]+\"(?: title=\"[^\"<>]*\")?)?>")


def said(line: str) -> str:
    """Return the text of a line of HTML that holds no element but ours."""
    bare = OURS.sub("", line)
    assert "<" not in bare
    assert ">" not in bare
    return html.unescape(bare)


def kinds(rows: list[Row]) -> list[str]:
    return [row.kind for row in rows]


# ------------------------------------------------------------------ lines


def test_a_line_of_python_is_coloured_and_says_what_it_said() -> None:
    (line,) = lines("def f(x): return 'a' + 1  # why", "a.py")
    assert '<span class="k">def</span> <span class="nf">f</span>' in line
    assert '<span class="s">&#39;a&#39;</span>' in line
    assert '<span class="c"># why</span>' in line
    assert said(line) == "def f(x): return 'a' + 1  # why"
    assert "style=" not in line


@pytest.mark.parametrize("path", ["a.unknown", "", "Makefile", "a.py/b", "a.java", ".py"])
def test_text_without_a_lexer_is_plain(path: str) -> None:
    assert lines("def f(): pass", path) == ["def f(): pass"]


def test_many_languages_have_colours() -> None:
    for suffix in (
        "py",
        "c",
        "cpp",
        "cu",
        "rs",
        "go",
        "js",
        "ts",
        "jl",
        "r",
        "f90",
        "hs",
        "ml",
        "lean",
        "sh",
        "sql",
        "json",
    ):
        assert "<span" in lines('if "a" 1 let', f"a.{suffix}")[0], suffix


def test_script_tags_are_text() -> None:
    for path in ("a.py", "a.js", "a.md", "a.txt", 'x"><script>.py'):
        (line,) = lines('"</script><script>alert(1)</script><img src=x onerror=alert(1)>" & <!--', path)
        assert said(line) == '"</script><script>alert(1)</script><img src=x onerror=alert(1)>" & <!--'


def test_carriage_returns_end_lines_only_before_line_feeds() -> None:
    assert lines("a = 1\r\nb = 2\r\n", "a.txt") == ["a = 1", "b = 2"]
    (line,) = lines("visible\rhidden", "a.txt")
    assert "U+000D" in line
    assert lines("a\x0bb\x0cc\u2028d\u0085e", "a.txt")[0].count(">U+") == 4
    assert lines("", "a.py") == []
    assert lines("\n", "a.py") == [""]


def test_what_a_browser_hides_is_shown() -> None:
    hidden = "\0\x1b\u202e\u2066\u200b\u00ad\ufeff\u00a0\u3164\ud800\U000e0041"
    for path in ("a.py", "a.txt"):
        (line,) = lines(f"x = '{hidden}'", path)
        for character in hidden:
            assert character not in line
            assert f">U+{ord(character):04X}</span>" in line
    assert 'title="RIGHT-TO-LEFT OVERRIDE"' in lines("\u202e")[0]
    assert lines("\té 日本 𝛼 ✓") == ["\té 日本 𝛼 ✓"]
    str(visible(f"a\n{hidden}")).encode()  # no lone surrogate is left


def test_huge_text_is_cut_and_says_so() -> None:
    (line,) = lines("x" * 1_000_000, "a.py")
    assert len(line) < 3_000
    assert "998,000 more characters" in line
    many = lines("x\n" * 50_000, "a.py")
    assert len(many) == texts.MOST_LINES + 1
    assert "40,000 more lines" in many[-1]


@pytest.mark.parametrize("unit", ["\n", " \n", "a b\n", "{", "a."])
def test_no_text_keeps_the_lexers_busy(unit: str) -> None:
    text = (unit * texts.MOST_COLOURED)[: texts.MOST_COLOURED - 1]
    wrapped = "\n".join(text[at : at + 1_000] for at in range(0, len(text), 1_000))
    began = time.process_time()
    for suffix in ("py", "cpp", "java", "md", "ts"):
        lines(wrapped, f"a.{suffix}")
    assert time.process_time() - began < 15.0


@given(st.text(max_size=200), st.sampled_from(["a.py", "a.md", "a.cpp", "a.json", "a.sh", ""]))
def test_any_text_is_escaped_and_complete(text: str, path: str) -> None:
    whole = texts.split(text)
    shown = lines(text, path)
    assert len(shown) == len(whole)
    for line, original in zip(shown, whole, strict=True):
        bare = re.sub(r'<span class="odd" title="[^"]*">U\+([0-9A-F]+)</span>', lambda m: f"\0{m[1]};", line)
        assert re.sub(r"\0([0-9A-F]+);", lambda m: chr(int(m[1], 16)), said(bare)) == original


# ------------------------------------------------------------------ side by side

OLD = "import math\n\n\ndef area(r):\n    return 3.14 * r * r\n\n\ndef rest():\n" + "    pass\n" * 20
NEW = OLD.replace("3.14", "math.pi").replace("import math\n", "import math\nimport os\n")


def test_equal_texts_have_no_rows() -> None:
    assert side_by_side(OLD, OLD, "a.py") == []
    assert side_by_side("a\r\nb", "a\nb\n") == []
    assert side_by_side("", "") == []


def test_changed_words_are_marked_and_numbers_are_those_of_each_text() -> None:
    rows = side_by_side(OLD, NEW, "a.py")
    (changed,) = [row for row in rows if row.kind == "changed"]
    assert (changed.old_number, changed.new_number) == (5, 6)
    assert said(changed.old) == "    return 3.14 * r * r"
    assert "".join(re.findall(r"<del>(.*?)</del>", changed.old)) == '<span class="m">3.14</span>'
    assert said("".join(re.findall(r"<ins>(.*?)</ins>", changed.new))) == "math.pi"
    assert '<span class="k">return</span>' in changed.new
    (added,) = [row for row in rows if row.kind == "added"]
    assert (added.old_number, added.new_number, added.old) == (None, 2, "")
    assert said(added.new) == "import os"


def test_long_equal_stretches_are_skipped() -> None:
    rows = side_by_side(OLD, NEW, "a.py")
    assert rows[-1] == Row("skipped", skipped=20)
    assert sum(row.old_number is not None for row in rows) + sum(row.skipped for row in rows) == OLD.count("\n")
    assert "skipped" not in kinds(side_by_side(OLD, NEW, "a.py", context=50))
    assert kinds(side_by_side("a\nb\nc\nd\ne", "x\nb\nc\nd\ny", context=1)) == [
        "changed",
        "same",
        "same",
        "same",
        "changed",
    ]


def test_similar_lines_meet_and_replaced_ones_stand_side_by_side() -> None:
    rows = side_by_side("alpha(1, 2)\nbeta = gamma + delta\n", "first\nsecond\nbeta = gamma - delta\n")
    assert [(row.kind, row.old_number, row.new_number) for row in rows] == [
        ("changed", 1, 1),
        ("added", None, 2),
        ("changed", 2, 3),
    ]
    assert "<del>" not in rows[0].old
    assert "<del>+</del>" in rows[2].old


def test_a_whole_text_can_come_or_go() -> None:
    assert kinds(side_by_side("", "a\nb", "a.py")) == ["added", "added"]
    assert kinds(side_by_side("a\nb", "", "a.py")) == ["removed", "removed"]


def test_hostile_differences_are_escaped() -> None:
    rows = side_by_side("<script>x = 1</script>\u202e", "<script>x = 2</script>\0", "a.py")
    assert said(rows[0].old) == "<script>x = 1</script>U+202E"
    assert said(rows[0].new) == "<script>x = 2</script>U+0000"


@pytest.mark.parametrize("alphabet", [2, 150, 10**6])
def test_no_texts_keep_the_comparison_busy(alphabet: int) -> None:
    rng = random.Random(0)
    one, other = (
        "\n".join(" ".join(str(rng.randrange(alphabet)) for _ in range(9)) for _ in range(1_200)) for _ in "ab"
    )
    began = time.process_time()
    rows = side_by_side(one, other, "a.py")
    assert time.process_time() - began < 8.0
    assert len(rows) < 3_000 or alphabet == 10**6
    assert len(side_by_side("a\n" * 40_000, "b\n" * 40_000)) == texts.MOST_LINES + 1


@given(
    st.lists(st.sampled_from(["a", "b = 1", "b = 2", "", "c c c"])),
    st.lists(st.sampled_from(["a", "b = 1", "b = 3", ""])),
)
def test_both_texts_can_be_read_off_the_rows(old: list[str], new: list[str]) -> None:
    rows = side_by_side("\n".join([*old, "end"]), "\n".join([*new, "end"]), context=10**6)
    if old != new:
        assert [said(row.old) for row in rows if row.old_number is not None] == [*old, "end"]
        assert [said(row.new) for row in rows if row.new_number is not None] == [*new, "end"]


# ------------------------------------------------------------------ colours


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_every_colour_can_be_read_also_where_a_line_changed(theme: int) -> None:
    papers = [("#ffffff", "#16191d")[theme], COLOURS["added"][theme], COLOURS["removed"][theme]]
    for name in COLOURED:
        for paper in papers:
            assert contrast(COLOURS[name][theme], paper) >= 4.5, (name, paper)


def test_the_style_sheet_covers_what_is_coloured_and_nothing_from_elsewhere() -> None:
    sheet = styles()
    for name in texts.CLASSES:
        assert re.search(rf"\.code \.{name}\b", sheet), name
    assert "@media screen and (prefers-color-scheme: dark)" in sheet
    assert ":root[data-theme=dark]" in sheet
    assert ":root:not([data-theme=light])" in sheet
    assert "url(" not in sheet
    assert "<" not in sheet
    assert sheet.count("{") == sheet.count("}")
