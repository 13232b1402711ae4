"""What archives, runs and programs show of themselves in a notebook."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evolve.api import Run
from evolve.archive import Archive
from evolve.archive.progress import Moment
from evolve.errors import ArchiveError
from evolve.records import Evaluation, Program
from evolve.view.drawing.scores import most
from tests import archives

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
PLAIN = {"p", "b", "div", "pre", "table", "thead", "tbody", "tr", "th", "td", "span", "br"}
DRAWN = {"svg", "title", "desc", "text", "line", "path", "circle", "rect", "polygon", "a", "g"}


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "evolve.db") as opened:
        archives.fill(opened)
        yield opened


class Reader(HTMLParser):
    """Collects the elements, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_program_shows_its_code_and_where_it_came_from(archive: Archive) -> None:
    page = Reader(archive.best(1)[0]._repr_html_())
    assert page.tags <= PLAIN
    for said in (
        "03f5210ed1",
        "4.0",
        "builtin/tune",
        "84fbc93d9e",
        "size",
        "def leaky_relu(x):\n    return max(x, 0.1 * x)",
    ):
        assert said in page.text


def test_a_program_that_failed_shows_its_status() -> None:
    page = Reader(Program("d" * 64, {"a.py": "1 / 0", "b.py": "x"}, "crash", None, number=3)._repr_html_())
    assert "crash" in page.text
    assert "a.py" in page.text


def test_hostile_programs_are_text() -> None:
    program = Program(
        "d" * 64, {HOSTILE: HOSTILE, "b.py": HOSTILE}, "ok", 1.0, {HOSTILE: 2.0}, 3, HOSTILE, HOSTILE, HOSTILE
    )
    html = program._repr_html_()
    assert "<script" not in html
    page = Reader(html)
    assert page.tags <= PLAIN
    assert page.names <= {"class", "title"}
    assert page.text.count("alert(1)") >= 5


def test_an_archive_shows_its_runs(archive: Archive) -> None:
    archives.fill(archive, "second")
    page = Reader(archive._repr_html_())
    assert page.tags <= PLAIN
    assert "2 runs" in page.text
    for said in ("sphere-1", "second", "running", "4.0 points"):
        assert said in page.text


def test_an_archive_without_runs_shows_that(tmp_path: Path) -> None:
    with Archive(tmp_path / "new.db") as empty:
        assert Reader(empty._repr_html_()).text.endswith("new.db: 0 runs")


def test_many_runs_are_cut(archive: Archive) -> None:
    with archive.transaction():
        for number in range(40):
            archive.create_run(f"more-{number}", archives.task(), 1, {})
    page = Reader(archive._repr_html_())
    assert "41 runs, the newest 30 of them" in page.text
    assert "sphere-1" not in page.text


def test_a_run_shows_how_it_went(archive: Archive) -> None:
    archive.finish("sphere-1", "stopped", HOSTILE, 7200.0)
    page = Reader(archive.run()._repr_html_())
    assert page.tags <= PLAIN
    for said in ("sphere-1", f"stopped: {HOSTILE}", "4.0 points", "2 h 00 min"):
        assert said in page.text
    whole = Reader(Run("sphere-1", archive.path, "stopped")._repr_html_())
    assert whole.tags <= PLAIN | DRAWN
    assert "leaky_relu" in whole.text
    assert "best so far" in whole.text


def test_a_run_without_a_program_shows_that(archive: Archive) -> None:
    archive.create_run("empty", archives.task(), 1, {})
    page = Reader(Run("empty", archive.path, "")._repr_html_())
    assert "no program has a score yet" in page.text
    assert "nothing to show yet" in page.text


@pytest.mark.parametrize("against", ["evaluations", "dollars", "tokens", "hours"])
def test_a_plot_is_a_picture(archive: Archive, tmp_path: Path, against: str) -> None:
    plot = archive.plot(against=against)  # type: ignore[arg-type]
    root = ElementTree.fromstring(plot.svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert plot._repr_svg_() == plot._repr_html_() == plot.svg
    words = [text for text in root.itertext() if text]
    assert {against, "score (points)", "best so far"} <= set(words)
    assert "6dba43e01d by builtin/mutate: 3.0" in words
    assert "03f5210ed1: 4.0" in words
    saved = plot.save(tmp_path / "plot.svg")
    assert saved.read_text("utf-8") == plot.svg
    assert repr(plot) == f"<Plot 'sphere-1 against {against}'>"


def test_a_run_plots_itself(archive: Archive) -> None:
    assert Run("sphere-1", archive.path, "").plot("hours").svg == archive.plot("sphere-1", against="hours").svg


def test_several_runs_share_a_plot(archive: Archive) -> None:
    archives.fill(archive, "second")
    words = list(ElementTree.fromstring(archive.plot("sphere-1", "second").svg).itertext())
    assert {"sphere-1", "second"} <= set(words)
    assert "programs" not in words


def test_a_target_is_marked(archive: Archive) -> None:
    archive._run('UPDATE runs SET config = \'{"budget": {"target": 5.0}}\'')
    assert "target 5" in archive.plot().svg


def test_a_target_is_shown_unless_it_is_far_away(archive: Archive) -> None:
    run = archives.begin(archive, "long")
    with archive.transaction():
        for number in range(1, 31):
            draft = archives.drafted(number, archives.seed(), f"x = {number}\n")
            archives.tell(archive, run, archives.judge(draft, Evaluation("ok", 1.0 + number / 10)))
    for target, shown in ((2.5, True), (5.0, True), (1000.0, False)):
        archive._run("UPDATE runs SET config = ?", (f'{{"budget": {{"target": {target}}}}}',))
        assert ("target" in archive.plot(run).svg) == shown, target


def test_mistakes_are_named(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="against='money': give evaluations, dollars, tokens, hours"):
        archive.plot(against="money")  # type: ignore[arg-type]
    with pytest.raises(ArchiveError, match="no run 'other'"):
        archive.plot("other")
    with pytest.raises(ArchiveError, match=r"plot.png: charts are saved as SVG"):
        archive.plot().save(tmp_path / "plot.png")


def test_what_is_unknown_is_not_drawn(archive: Archive) -> None:
    from evolve.view.drawing.scores import score_chart

    info = archive.run()
    moments: list[Moment] = [replace(moment, dollars=None) for moment in archive.progress()]
    assert "nothing to show yet" in score_chart(info, moments, "dollars")


def test_a_few_failures_do_not_flatten_the_rest() -> None:
    scores = [1.0 + place / 100 for place in range(100)]
    shown = most([-1e9, *scores])
    assert shown is not None
    assert -2 < shown[0] < 1.05
    assert shown[1] >= 1.99
    assert most(scores[:5]) is None


def test_hostile_names_of_arms_are_text_in_a_plot(archive: Archive) -> None:
    attempt = archives.judge(archives.drafted(7, archives.seed(), "y = 7\n", arm=HOSTILE), Evaluation("ok", 2.5))
    archives.tell(archive, "sphere-1", attempt)
    svg = archive.plot().svg
    assert "<script" not in svg
    assert HOSTILE in "".join(ElementTree.fromstring(svg).itertext())


def test_a_judge_loads_nothing_of_this(archive: Archive) -> None:
    heavy = "{'pandas', 'polars', 'jinja2', 'markupsafe', 'pygments', 'evolve.view', 'starlette'}"
    program = (
        "import sys\nfrom evolve import Candidate, Result\n"
        f"assert not {heavy} & set(sys.modules) and 'evolve.archive' not in sys.modules\n"
        "from evolve import Archive\n"
        "with Archive(sys.argv[1]) as archive: archive.best(1), archive.progress()\n"
        f"assert not {heavy} & set(sys.modules), sorted({heavy} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, archive.path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0.4 s"), (90, "1 min 30 s"), (600, "10 min 00 s"), (30_000, "8 h 20 min")]
)
def test_durations_have_the_unit_that_suits_them(archive: Archive, seconds: float, said: str) -> None:
    archive.finish("sphere-1", "stopped", "", seconds)
    assert f"<td>{said}</td>" in archive._repr_html_()
