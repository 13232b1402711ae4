from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from evolve.kit import texts


@pytest.mark.parametrize(("name", "least"), [("kjv", 400), ("python", 250), ("docs", 1500)])
def test_texts_are_ascii_and_give_pairs_in_their_order(name: str, least: int) -> None:
    text = texts.load(name)
    assert text.isascii()
    assert len(text) > 1_000_000
    pairs = texts.pairs(name)
    assert len(pairs) >= least
    assert pairs == texts.pairs(name)
    assert len({first for first, _ in pairs}) == len(pairs)
    assert all(first and second and len(second) <= texts.BODY for first, second in pairs)


def test_pairs_are_what_they_are_called() -> None:
    first, second = texts.pairs("kjv")[0]
    assert first.startswith("In the beginning God created the heaven")
    assert second.startswith("And God said, Let there be light")
    assert any(first.startswith("split(p): ") for first, _ in texts.pairs("python"))


def test_a_text_that_is_another_or_damaged_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(texts, "__file__", str(tmp_path / "texts.py"))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "kjv.txt.xz").write_bytes(lzma.compress(b"In the beginning"))
    (tmp_path / "texts" / "docs.txt.xz").write_bytes(b"no xz")
    texts.load.cache_clear()
    with pytest.raises(ValueError, match="not the frozen text"):
        texts.load("kjv")
    with pytest.raises(ValueError, match="damaged"):
        texts.load("docs")
    with pytest.raises(ValueError, match="there is no text 'bible'"):
        texts.load("bible")
    texts.load.cache_clear()
