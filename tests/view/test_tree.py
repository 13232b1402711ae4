"""The lineage tree: nothing overlaps, nothing is lost, and the best line is straight."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.archive.browsing import Node
from evolve.view.drawing.tree import Branch, Place, beneath, drawing, grown, laid_out, line_to, ranked, without_best

SVG = "{http://www.w3.org/2000/svg}"


def node(
    number: int, parent: int | None, score: float | None, *, generation: int = 0, arm: str = "builtin/tune"
) -> Node:
    return Node(number, parent, f"{number:010x}", score, "crash" if score is None else "ok", arm, 0, generation)


def grove(parents: Sequence[int | None], scores: Sequence[float | None]) -> list[Node]:
    """Return programs, each with the number of its parent."""
    found: list[Node] = []
    for number, (parent, score) in enumerate(zip(parents, scores, strict=True)):
        generation = 0 if parent is None else found[parent].generation + 1
        found.append(node(number, parent, score, generation=generation))
    return found


@st.composite
def groves(draw: st.DrawFn) -> list[Node]:
    count = draw(st.integers(1, 60))
    parents = [None, *(draw(st.one_of(st.none(), st.integers(0, number - 1))) for number in range(1, count))]
    scores = draw(st.lists(st.one_of(st.none(), st.integers(-9, 9).map(float)), min_size=count, max_size=count))
    return grove(parents, scores)


def chosen_at_random(count: int, seed: int = 0) -> list[Node]:
    """Return a large tree as a search makes it: recent programs have most children."""
    rng = Random(seed)
    parents = [None, *(max(0, number - 1 - int(rng.expovariate(0.01))) for number in range(1, count))]
    return grove(parents, [rng.gauss(number / 100, 1) if rng.random() < 0.9 else None for number in range(count)])


def drawn(places: Sequence[Place]) -> ET.Element:
    picture = drawing(
        places,
        title="a & b",
        look=lambda one: ("red", 1.0),
        key=[],
        link=lambda one: f"/p/{one.id}",
        more=lambda branch: f"?root={branch.node.id}",
    )
    return ET.fromstring(str(picture))


def below(branch: Branch) -> int:
    """Return how many programs a branch stands for."""
    return (branch.counted or 1) + sum(below(child) for child in branch.children)


@settings(max_examples=40)
@given(groves())
def test_every_program_has_a_place_of_its_own(nodes: list[Node]) -> None:
    places = laid_out(grown(nodes, ranked(nodes, 1.0), 100))
    assert sorted(place.branch.node.number for place in places) == [one.number for one in nodes]
    assert len({(place.row, place.column) for place in places}) == len(nodes)
    assert all(place.column == place.branch.node.generation for place in places)


@settings(max_examples=40)
@given(groves())
def test_no_two_connections_cross(nodes: list[Node]) -> None:
    places = laid_out(grown(nodes, ranked(nodes, 1.0), 100))
    row = {id(place.branch): place.row for place in places}
    reach: dict[int, list[tuple[int, int]]] = {}
    for place in places:
        if children := place.branch.children:
            rows = [row[id(child)] for child in children]
            assert rows[0] == place.row
            assert rows == sorted(rows)
            reach.setdefault(place.column, []).append((place.row, rows[-1]))
    for spans in reach.values():
        spans.sort()
        assert all(before[1] < after[0] for before, after in pairwise(spans))


@settings(max_examples=40)
@given(groves(), st.sampled_from([1.0, -1.0]))
def test_the_line_to_the_best_is_straight(nodes: list[Node], sign: float) -> None:
    places = laid_out(grown(nodes, ranked(nodes, sign), 100))
    scored = [one for one in nodes if one.score is not None]
    lit = [place for place in places if place.branch.lit]
    if not scored:
        assert not lit
        return
    best = max(scored, key=lambda one: (sign * (one.score or 0.0), -one.number))
    assert [place.branch.node for place in lit] == line_to(best, {one.number: one for one in nodes})
    assert {place.row for place in lit} == {0}


@settings(max_examples=40)
@given(groves(), st.integers(2, 30))
def test_what_is_not_shown_is_counted(nodes: list[Node], most: int) -> None:
    roots = grown(nodes, ranked(nodes, 1.0), most)
    shown = [place.branch for place in laid_out(roots) if not place.branch.counted]
    ids = {branch.node.number for branch in shown}
    assert sum(below(root) for root in roots) == len(nodes)
    assert {one.number for one in nodes if one.parent is None} <= ids
    if len(nodes) <= most:
        assert len(shown) == len(nodes)


def test_the_best_of_many_are_shown() -> None:
    nodes = chosen_at_random(5_000)
    places = laid_out(grown(nodes, ranked(nodes, 1.0), 400))
    shown = {place.branch.node.number for place in places if not place.branch.counted}
    assert 200 <= len(shown) <= 400
    best = sorted((one for one in nodes if one.score is not None), key=lambda one: -(one.score or 0.0))
    assert {one.number for one in best[:4]} <= shown
    assert len(places) <= 2 * len(shown)
    assert all(one.parent in shown for one in nodes if one.number in shown and one.parent is not None)


@pytest.mark.parametrize("parents", [
    [None, *range(4_999)],  # a chain
    [None, *([0] * 4_999)],  # a fan
    [None, *((number - 1) // 2 for number in range(1, 5_000))],  # a binary tree
    [None, *(number - 1 if number < 2_500 else number - 2_500 for number in range(1, 5_000))],  # a comb
], ids=["chain", "fan", "binary", "comb"])  # fmt: skip
def test_large_trees_take_time_in_proportion(parents: list[int | None]) -> None:
    nodes = grove(parents, [float(number) for number in range(len(parents))])
    roots = grown(nodes, ranked(nodes, 1.0), 10_000)
    places = laid_out(roots)
    assert len({(place.row, place.column) for place in places}) == len(parents)
    branches = [place.branch for place in places]
    # What is looked at to find a row: as many generations as a later child, or a root, reaches.
    later = [*roots, *(child for branch in branches for child in branch.children[1:])]
    assert sum(1 + branch.height for branch in later) <= 2 * len(parents)


def test_beneath() -> None:
    nodes = grove([None, 0, 0, 1, 3, 2], [1.0] * 6)
    assert [one.number for one in beneath(nodes, 1)] == [1, 3, 4]


def test_without_best() -> None:
    nodes = grove([None, 0, 0, 1, 3, 2], [0.0, 1.0, 2.0, 9.0, None, 3.0])
    assert [one.number for one in without_best(nodes, 1.0)] == [0, 2, 5]
    assert without_best(nodes, -1.0) == nodes  # the root itself is the best


def test_the_picture() -> None:
    nodes = [*grove([None, 0, 0, 1], [1.0, 2.0, None, 3.0]), node(4, 1, 2.5, arm='"><script>alert(1)</script>')]
    root = drawn(laid_out(grown(nodes, ranked(nodes, 1.0), 10)))
    links = root.findall(f"{SVG}a")
    assert len(links) == 5
    assert root.get("aria-label") == "a & b"
    stops = [link for link in links if link.get("tabindex") != "-1"]
    assert [link.get("href") for link in stops] == ["/p/0000000000", "/p/0000000001", "/p/0000000003"]
    titles = [link.findtext(f"{SVG}title") or "" for link in links]
    assert any("crash" in title for title in titles)
    assert any("<script>" in title for title in titles)  # as text
    assert all(element.tag != f"{SVG}script" and element.get("style") is None for element in root.iter())


def test_a_count_is_a_link() -> None:
    nodes = grove([None, *([0] * 30)], [float(number) for number in range(31)])
    root = drawn(laid_out(grown(nodes, ranked(nodes, 1.0), 10)))
    (count,) = [link for link in root.findall(f"{SVG}a") if (link.get("href") or "").startswith("?root=")]
    assert count.findtext(f"{SVG}text") == "+26"
    assert "lead to nothing better" in (count.findtext(f"{SVG}title") or "")
    assert count.get("tabindex") is None
