from __future__ import annotations

import pytest

from evolve.patch import describe

OLD = {"a.py": "def pack(n):\n    return n\n\n\ndef shrink(n):\n    return n\n"}
NEW = {"a.py": "def pack(n):\n    m = n\n    return m\n\n\ndef shrink(n):\n    return n\n\n\nclass A:\n    pass\n"}


@pytest.mark.parametrize(
    "text",
    [
        "Idea: use hexagons",
        "Well.\n\n**Idea:** use hexagons\n```python\nIdea: no\n```",
        "### Idea: use hexagons",
        "- *Change*: use hexagons",
        "## Idea\n\nuse hexagons\n",
        "**Change**\nuse hexagons",
        "idea: **use   hexagons**",
        "```\nIdea: inside\n```\nChanges: use hexagons\r\nIdea: second",
        "<<<<<<< SEARCH\nIdea: in code\n=======\n>>>>>>> REPLACE\nIdea: use hexagons",
    ],
)
def test_the_models_own_words_come_first(text: str) -> None:
    assert describe(OLD, NEW, text) == "use hexagons"


def test_without_them_what_was_changed_is_counted() -> None:
    assert describe(OLD, NEW, "No idea.") == "pack, A: +6 -1 lines"
    assert describe({"a.c": "x"}, {"a.c": "y"}, "") == "a.c: +1 -1 lines"


def test_it_is_one_short_line() -> None:
    assert len(describe(OLD, NEW, "Idea: " + "long " * 100)) <= 120
    many = {"a.py": "".join(f"def function{n}(): pass\n" for n in range(100))}
    note = describe({"a.py": "x = 1\n"}, many, "")
    assert len(note) <= 120
    assert note.endswith("…: +100 -1 lines")
