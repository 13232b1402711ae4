"""Charts: what is drawn, what is left out, and that nothing in them can do harm."""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from evolve.view.drawing.axes import Scale, round_step, short, spread, thinned
from evolve.view.drawing.plots import MOST_POINTS, Bar, Mark, Series, bars, chart, on_paper

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>\"' onload=x \x00\x1b]]>&"


def drawn(svg: str) -> ElementTree.Element:
    """Parse a chart: it must be well-formed XML by itself."""
    return ElementTree.fromstring(svg)


def named(svg: str, name: str) -> list[ElementTree.Element]:
    return list(drawn(svg).iter(SVG + name))


def texts(svg: str) -> list[str]:
    return ["".join(one.itertext()) for one in named(svg, "text")]


def simple(series: Sequence[Series], **more: object) -> Markup:
    return chart(series, title="Score", x="evaluations", y="sum of radii", **more)  # type: ignore[arg-type]


def test_a_chart_says_what_it_is() -> None:
    svg = simple([Series("best", [(0, 1.0), (10, 2.0), (20, 2.5)], "step")])
    root = drawn(svg)
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [SVG + "title", SVG + "desc"]
    assert root[0].text == "Score"
    assert root[1].text == "sum of radii against evaluations. best: 3 points, 1 to 2.5, the last 2.5."
    assert {"evaluations", "sum of radii", "0", "20", "1.0", "2.4"} <= set(texts(svg))


def test_a_step_keeps_its_value_and_a_line_does_not() -> None:
    points = [(0, 0.0), (1, 1.0), (2, 0.5)]
    (step,), (line,) = (named(simple([Series("a", points, kind)]), "path") for kind in ("step", "line"))
    assert re.fullmatch(r"M[\d. ]+(H[\d.]+V[\d.]+){2}", step.get("d", ""))
    assert re.fullmatch(r"M[\d. ]+(L[\d. ]+){2}", line.get("d", ""))


def test_points_lie_where_they_belong() -> None:
    circles = named(simple([Series("a", [(0, 0.0), (5, 10.0), (10, 5.0)], "dots")]), "circle")
    across = [float(one.get("cx", "")) for one in circles]
    down = [float(one.get("cy", "")) for one in circles]
    assert across[1] - across[0] == pytest.approx(across[2] - across[1], abs=0.2)
    assert down[1] < down[2] < down[0]
    assert down[0] - down[1] == pytest.approx(2 * (down[0] - down[2]), abs=0.2)


def test_dots_have_tooltips_and_links() -> None:
    svg = simple(
        [Series("a", [(0, 1.0), (1, 2.0)], "dots", labels=("the seed", ""), links=("/runs/r/programs/ab", ""))]
    )
    titles = [one.text for one in named(svg, "title")]
    assert titles == ["Score", "the seed", "a: 2 at 1"]
    (link,) = named(svg, "a")
    assert link.get("href") == "/runs/r/programs/ab"
    assert link.get("tabindex") == "-1"
    assert [one.tag for one in link] == [SVG + "circle"]


def test_lines_show_dots_where_something_is_said() -> None:
    svg = simple([Series("a", [(0, 1.0), (1, 2.0), (2, 3.0)], "step", labels=("", "a gain"))])
    assert [one.get("r") for one in named(svg, "circle")] == ["3.5"]
    assert [one.text for one in named(svg, "title")] == ["Score", "a", "a gain"]


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", " javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "vbscript:x", "java\nscript:x"],
)
def test_no_link_runs_a_script(link: str) -> None:
    svg = simple([Series("a", [(0, 1.0)], "dots", links=(link,))])
    assert not named(svg, "a")
    assert named(svg, "circle")


@pytest.mark.parametrize("link", ["/programs/1", "?run=a", "#top", "programs/3fa9", "https://example.org/x", "a.html"])
def test_harmless_links_stay(link: str) -> None:
    (one,) = named(simple([Series("a", [(0, 1.0)], "dots", links=(link,))]), "a")
    assert one.get("href") == link


def test_what_is_counted_has_whole_ticks() -> None:
    across = [one for one in texts(simple([Series("a", [(0, 0.25), (1, 0.25), (2, 0.25)])])) if one.isdecimal()]
    assert across == ["0", "1", "2"]
    assert [text for _, text in Scale(0, 3, 0, 500, whole=True).ticks(8)] == ["0", "1", "2", "3"]
    assert [text for _, text in Scale(0, 3, 0, 500).ticks(8)][:2] == ["0.0", "0.5"]


def test_many_dots_on_a_curve_are_small() -> None:
    points = [(place, float(place)) for place in range(150)]
    few, many = (
        named(simple([Series("a", points[:count], "step", labels=["gain"] * count)]), "circle") for count in (90, 150)
    )
    assert {one.get("r") for one in few} == {"3.5"}
    assert {one.get("r") for one in many} == {"1.5"}


def test_hostile_text_is_text() -> None:
    svg = chart(
        [
            Series(HOSTILE, [(0, 1.0), (1, 2.0)], "line", labels=(HOSTILE,), links=(f'/"{HOSTILE}',)),
            Series(HOSTILE, ()),
        ],
        title=HOSTILE,
        x=HOSTILE,
        y=HOSTILE,
        marks=[Mark(HOSTILE, 1.5)],
    )
    rows = bars([Bar(HOSTILE, 1)], title=HOSTILE, x=HOSTILE)
    for one in (svg, rows, on_paper(svg)):
        assert "<script" not in one
        assert "\x00" not in one
        known = {"svg", "title", "desc", "text", "line", "path", "circle", "a", "rect", "g"}
        assert {element.tag.removeprefix(SVG) for element in drawn(one).iter()} <= known
        assert not [name for element in drawn(one).iter() for name in element.attrib if name.startswith("on")]


def test_a_chart_needs_no_inline_style_and_suits_both_themes() -> None:
    svg = simple([Series(f"arm {number}", [(0, number), (1, number)]) for number in range(9)], marks=[Mark("seed", 3)])
    assert "style" not in svg
    for name in ("--series-0", "--series-7", "--ink", "--grid", "--faint"):
        assert re.search(rf"var\({name}, #[0-9a-f]{{3,6}}\)", svg), name
    assert named(svg, "path")[0].get("stroke-dasharray"), "the ninth series shares a colour with the first"


def test_dots_have_the_colour_of_their_series() -> None:
    points = [(0, 1.0), (1, 2.0)]
    svg = simple([Series("a", points, "dots"), Series("b", points, "dots")])
    groups = [(one.get("fill"), len(one)) for one in named(svg, "g")]
    assert groups == [("var(--series-1, #c4511d)", 2), ("var(--series-0, #1f5582)", 2)], "the first lie on top"


def test_what_is_not_finite_is_left_out() -> None:
    nan, inf = float("nan"), float("inf")
    points = [(0, 1.0), (1, nan), (nan, 1.0), (2, inf), (3, -inf), (4, 2.0)]
    svg = simple([Series("a", points, "dots", labels=[str(place) for place in range(6)])], marks=[Mark("m", nan)])
    assert [one.text for one in named(svg, "title")] == ["Score", "0", "5"]
    assert not re.search(r"\b(nan|inf)\b", svg)
    assert not re.search(r"\b(nan|inf)\b", bars([Bar("a", nan), Bar("b", inf)], title="t", x="x"))


def test_nothing_to_show_is_said() -> None:
    assert texts(simple([])) == ["nothing to show yet"]
    assert "nothing to show yet" in texts(simple([Series("best", ()), Series("all", ())]))
    assert "nothing to show yet" in texts(bars([], title="t", x="x"))


def test_many_points_are_thinned_without_losing_extremes() -> None:
    wave = [(place, math.sin(place / 900)) for place in range(100_000)]
    wave[31_337], wave[77_777] = (31_337, 9.0), (77_777, -9.0)
    svg = simple([Series("all", wave, "dots"), Series("curve", wave)])
    dots = [(one.get("cx"), one.get("cy")) for one in named(svg, "circle")]
    assert len(dots) <= MOST_POINTS
    heights = sorted(float(y or 0) for _, y in dots)
    assert heights[0] < heights[1] - 50
    assert heights[-1] > heights[-2] + 50
    assert named(svg, "path")[0].get("d", "").count("L") <= MOST_POINTS
    assert len(svg) < 250_000


def test_points_beyond_the_shown_heights_lie_on_the_edge() -> None:
    marks = [Mark("near", 1.0), Mark("far", 9.0)]
    svg = simple([Series("a", [(0, -1e9), (1, 1.0), (2, 2.0)], "dots")], within=(0.0, 2.0), marks=marks)
    assert "near 1" in texts(svg)
    assert "far 9" not in texts(svg)
    down = [float(one.get("cy", "")) for one in named(svg, "circle")]
    assert down[0] == 300 - 44
    assert [one.text for one in named(svg, "title")][1] == "a: -1G at 0"


def test_a_legend_breaks_into_rows_and_the_drawing_makes_room() -> None:
    one, many = (
        simple([Series(f"model number {place} with a name", [(0, 1.0), (1, 2.0)]) for place in range(count)])
        for count in (2, 12)
    )
    rows = {element.get("y") for element in named(many, "text") if "model number" in "".join(element.itertext())}
    assert len(rows) >= 3
    assert named(one, "path")[0].get("d") != named(many, "path")[-1].get("d")


def test_names_of_close_marks_share_a_line() -> None:
    said = texts(
        simple([Series("a", [(0, 0.0), (1, 3.0)])], marks=[Mark("ours", 2.0), Mark("theirs", 2.01), Mark("low", 1.0)])
    )
    assert "theirs 2.01 · ours 2" in said
    assert "low 1" in said


def test_bars_say_their_numbers() -> None:
    svg = bars([Bar("tune", 6), Bar("mutate", 2), Bar("cross", -2)], title="Pulls", x="attempts")
    rects = [(float(one.get("x", "")), float(one.get("width", ""))) for one in named(svg, "rect")]
    assert rects[0][1] == pytest.approx(3 * rects[1][1], abs=0.2)
    assert rects[2][0] + rects[2][1] == pytest.approx(rects[0][0], abs=0.2), "what is negative lies on the other side"
    assert {"tune", "mutate", "6", "2", "-2", "attempts"} <= set(texts(svg))
    assert named(svg, "desc")[0].text == "attempts: tune: 6; mutate: 2; cross: -2"


def test_a_chart_has_a_background_of_its_own_where_it_stands_alone() -> None:
    svg = on_paper(simple([Series("a", [(0, 1.0)])]))
    assert drawn(svg)[0].tag == SVG + "rect"
    assert drawn(svg)[0].get("fill") == "var(--paper, #fff)"


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (0.25, "0.25"), (12, "12"), (999.4, "999.4"), (1500, "1.5k"), (2.5e6, "2.5M"), (-3e9, "-3G"), (3e-7, "3e-07"),
     (1e300, "1e+300")],
)  # fmt: skip
def test_numbers_are_short(value: float, said: str) -> None:
    assert short(value) == said


def test_ticks_of_close_scores_have_the_digits_that_tell_them_apart() -> None:
    said = [text for _, text in Scale(2.63581, 2.63588, 0, 300).ticks(6)]
    assert said[0] == "2.63581"
    assert len(set(said)) == len(said) >= 4


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=1, max_size=5), st.integers(2, 10))
@settings(max_examples=150)
def test_any_range_has_ticks_within(values: list[float], about: int) -> None:
    low, high = spread(values, margin=0.05) if max(map(abs, values)) < 1e150 else (-1.0, 1.0)
    scale = Scale(low, high, 0.0, 500.0)
    ticks = scale.ticks(about)
    assert len(ticks) <= 4 * about + 1
    assert all(low <= value <= high or math.isclose(value, low) or math.isclose(value, high) for value, _ in ticks)
    assert all(0 <= scale(value) <= 500 for value in values)


@given(st.lists(st.tuples(finite, finite), max_size=30))
@settings(max_examples=100)
def test_any_points_make_a_picture(points: list[tuple[float, float]]) -> None:
    assert len(drawn(simple([Series("a", points), Series("b", points, "dots"), Series("c", points, "step")])))


@given(st.floats(1e-300, 1e300))
def test_steps_are_round(step: float) -> None:
    assert 0.6 * step <= round_step(step) <= 1.7 * step


@given(st.lists(st.integers(-1000, 1000), max_size=3000), st.integers(20, 500), st.booleans())
@settings(max_examples=60)
def test_thinning_keeps_ends_and_extremes(heights: list[int], most: int, fill: bool) -> None:
    points = [(float(place), float(height)) for place, height in enumerate(heights)]
    kept = thinned(points, most, fill=fill)
    assert kept == sorted(set(kept))
    assert len(kept) <= max(most, 8)
    if heights:
        assert {heights[place] for place in kept} >= {min(heights), max(heights), heights[0], heights[-1]}


def test_numbers_beyond_all_axes_are_left_out() -> None:
    svg = simple([Series("a", [(0, 1.7e308), (1, -1.7e308), (2, 1.0), (3, 2.0)], "dots")])
    assert len(named(svg, "circle")) == 2
