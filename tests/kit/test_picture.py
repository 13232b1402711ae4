from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import pytest

from evolve.kit import picture

SVG = "{http://www.w3.org/2000/svg}"


def test_lines_join_finite_points_and_name_each_curve() -> None:
    drawn = picture.lines(
        {"a < b": [(0, 1), (1, math.nan), (2, 3)], "one": [(1, 2)], "none": []}, title="t & u", x="step"
    )
    tree = ElementTree.fromstring(drawn)
    curves = tree.findall(f".//{SVG}polyline")
    assert [len(curve.attrib["points"].split()) for curve in curves] == [2, 1, 0]
    assert len(tree.findall(f".//{SVG}circle")) == 1
    assert {"a < b", "one", "none", "t & u", "step"} <= {text.text for text in tree.iter(f"{SVG}text")}


def test_bars_begin_at_zero_whatever_their_sign() -> None:
    tree = ElementTree.fromstring(picture.bars({"up": 2.0, "down": -1.0, "lost": math.inf}))
    _, up, down, lost = tree.findall(f".//{SVG}rect")
    assert float(up.attrib["x"]) == pytest.approx(float(down.attrib["x"]) + float(down.attrib["width"]), abs=0.2)
    assert float(up.attrib["width"]) == pytest.approx(2 * float(down.attrib["width"]), abs=0.2)
    assert float(lost.attrib["width"]) == 0


def test_heat_is_darkest_at_the_largest() -> None:
    tree = ElementTree.fromstring(picture.heat([[0, 5], [math.nan, 10]]))
    shades = [float(cell.attrib["fill-opacity"]) for cell in tree.iter(f"{SVG}rect") if "fill-opacity" in cell.attrib]
    assert shades == [0.0, 0.5, 0.0, 1.0]


@pytest.mark.parametrize(
    "drawn", [picture.lines({}), picture.bars({}), picture.heat([]), picture.lines({"a": [(7, 7)]})]
)
def test_nothing_to_draw_is_a_picture_all_the_same(drawn: str) -> None:
    assert ElementTree.fromstring(drawn).tag == f"{SVG}svg"
