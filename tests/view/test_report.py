"""The report: one file that opens without a network, in which nothing that a program wrote can act."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evolve.archive import Archive
from evolve.cli import main
from evolve.records import Artifact, Metric
from evolve.view.artifacts import LARGEST
from evolve.view.report import Report
from tests.archives import converse, fill
from tests.view.nights import Night

HOSTILE = (
    "</style></title><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)>'\"`|{{7*7}}\u202e\0 "
)
NUMBER = "\x1b[31m`` ```\n# a heading\n[a](javascript:alert(1))"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Page(HTMLParser):
    """What a browser would make of a report, as far as it matters here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids |= {value for name, value in attrs if name == "id" and value}

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def page(night: Night) -> Page:
    """Return the report of a night, after what every report must hold to."""
    text = Report.of(night.archive, night.run).html()
    found = Page(text)
    held_to(text, found)
    return found


def held_to(text: str, found: Page) -> None:
    """Check that a report runs nothing, loads nothing and hides nothing."""
    assert text.lstrip().startswith("<!doctype html>")
    names = {tag for tag, _ in found.tags}
    assert not names & {"script", "iframe", "object", "embed", "link", "base", "form", "input", "foreignobject", "use"}
    for tag, attrs in found.tags:
        for name, value in attrs.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", (tag, value)
            if name in ("href", "src", "xlink:href", "action", "srcset", "poster"):
                assert (value or "").startswith(("#", "data:image/")), (tag, value)
    assert "url(" not in text
    assert "@import" not in text
    assert not set(text) & set("\u202e\0\x1b")
    (sheet,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    (policy,) = [
        str(attrs["content"]) for attrs in found.all("meta") if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert (
        policy == f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'none'; base-uri 'none'"
    )
    for attrs in found.all("a"):
        assert str(attrs["href"])[1:] in found.ids


def whole(folder: Path, **arguments: Any) -> Night:
    """Return a night with all that a report tells of."""
    night = Night(folder, repeats=2, **arguments)
    seed = night.seed(repeats=(1.0, 1.2), code="def f():\n    return 1\n")
    night.child(seed, None, error="Traceback (most recent call last):\n  …\nZeroDivisionError: division")
    tuned = night.child(seed, None, "def f():\n    return 2\n", arm="builtin/tune", repeats=(2.0, 2.2), note="1 -> 2")
    worse = night.child(tuned, None, "def f():\n    return 3\n", repeats=(1.9, 2.0), note="a detour")
    best = night.child(
        worse, None, "def f():\n    return 3 * 3\n", "gpt", "squared", repeats=(4.0, 4.2), feedback="well done"
    )
    refused = night.child(seed, None, "def f():\n    return 10\n", repeats=(4.0, 4.4))
    night.verdict(best, cold_status="ok", cold_score=4.1)
    night.archive.validated(night.run, 1, 3.0, 1.1)
    night.again(best, "fresh", (4.0, 4.1, 4.2))
    night.again(best, "validate", (3.0,))
    night.verdict(refused, "refused", place=2, lead=-0.1, low=-0.3, high=0.1, seeds=4)
    return night


def test_a_whole_night_is_told(tmp_path: Path) -> None:
    found = page(whole(tmp_path))
    for words in (
        "scores 4.1 points (3.85159 to 4.34841) on 3 fresh seeds",
        "a hidden gap of 1.1",
        "2 of 3 steps from",
        "1 step that did not gain",
        "squared",
        "return 3 * 3",
        "well done",
        "ZeroDivisionError: division",
        "so it was decided",
        "Tuning alone brought the seed program from 1.1 to 2.1 (1 program); the best program is better by 2.",
        "evolve show",
        "python 3.11",
    ):
        assert words in found.text, words
    assert found.ids >= {"doubts", "standing", "progress", "steps", "program", "refused", "costs", "failures"}
    assert len(found.all("svg")) == 1
    assert found.all("ins")
    assert {"k", "nf"} <= {str(attrs.get("class")) for attrs in found.all("span")}


def test_a_run_with_no_attempt_the_seed_alone_and_a_failing_seed(tmp_path: Path) -> None:
    empty = page(Night(tmp_path, "empty"))
    assert "Nothing has been judged yet." in empty.text
    assert "program" not in empty.ids
    alone = Night(tmp_path, "alone")
    alone.seed(1.5)
    found = page(alone)
    assert "scores 1.5 points. Nothing better came of the run than what it started from." in found.text
    assert "The run started from this program." in found.text
    failing = Night(tmp_path, "failing")
    failing.seed(None, error="no module named numpy")
    assert "ended as crash" in page(failing).text
    assert "no module named numpy" in page(failing).text


def test_what_is_hostile_is_text(tmp_path: Path) -> None:
    night = Night(
        tmp_path,
        metrics=(Metric(HOSTILE, "minimize"),),
        environment=HOSTILE,
        config={"models": {HOSTILE.replace("\0", ""): {}}, "budget": {}},
    )
    seed = night.seed(1.0, f"# {HOSTILE}\n")
    night.child(seed, None, error=HOSTILE, arm=f"cmd:{HOSTILE}")
    best = night.child(
        seed, 2.0, f"x = '''{HOSTILE}{NUMBER}'''\n", f"cmd:{HOSTILE}", HOSTILE + NUMBER,
        feedback=HOSTILE, metrics={HOSTILE: 1.0},
        artifacts=(
            Artifact(HOSTILE, "text/html", HOSTILE.encode()),
            Artifact("a.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
            Artifact("b", HOSTILE, b"\xff"),
        ),
    )  # fmt: skip
    night.verdict(best)
    night.archive._run("UPDATE champions SET reason = ?, verdict = 'refused'", (HOSTILE,))
    night.archive.finish(night.run, "stopped", HOSTILE, 2.0)
    found = page(night)
    assert "alert(1)" in found.text
    assert "U+202E" in found.text
    assert "{{7*7}}" in found.text
    text = Report.of(night.archive, night.run).markdown()
    assert not set(text) & set("\u202e\0\x1b")
    prose, _, commands = text.partition("\n```")
    assert "alert(1)" in prose
    assert not re.search(r"(?<!\\)<", prose)
    assert commands.count("```") == 1
    assert "\n# a heading" not in text
    assert "](javascript" not in text


def test_artifacts_are_shown_where_that_is_safe(tmp_path: Path) -> None:
    night = Night(tmp_path)
    drawing = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    night.seed(
        1.0,
        artifacts=(
            Artifact("dot.png", "image/png", PIXEL),
            Artifact("drawing.svg", "image/svg+xml; charset=utf-8", drawing),
            Artifact("notes.txt", "text/plain", b"1 < 2\n"),
            Artifact("table.json", "application/json", b'{"a": 1}'),
            Artifact("page.xhtml", "application/xhtml+xml", b"<p>"),
            Artifact("weights", "application/octet-stream", b"\0" * 2048),
            Artifact("large.png", "image/png", bytes(LARGEST + 1)),
            Artifact("long.txt", "text/plain", b"x" * (1 << 20)),
        ),
    )
    found = page(night)
    assert {str(attrs["alt"]): str(attrs["src"]) for attrs in found.all("img")} == {
        "dot.png": f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}",
        "drawing.svg": f"data:image/svg+xml;base64,{base64.b64encode(drawing).decode()}",
    }
    assert "1 < 2" in found.text
    assert '{"a": 1}' in found.text
    assert "weights application/octet-stream, 2 KiB" in found.text
    assert "large.png image/png, 4 MiB" in found.text
    assert "xxxx" not in found.text


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_archive_of_every_kind_of_ending(tmp_path: Path, direction: Any) -> None:
    with Archive(tmp_path / "evolve.db") as archive:
        run = fill(archive, "night", direction)
        converse(archive, run)
        text = Report.of(archive, run).html()
        short = Report.of(archive, run).markdown()
    found = Page(text)
    held_to(text, found)
    assert "ZeroDivisionError: division by zero" in found.text
    assert f"{direction} (points)" in found.text
    assert "$0.3750" in found.text
    assert ("scores 4 points" if direction == "maximize" else "scores 1 points") in found.text
    assert ("scores 4 points" if direction == "maximize" else "scores 1 points") in short


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.child(night.seed(1.0), math.inf, metrics={"size": math.nan, "depth": -math.inf})
    found = page(night)
    assert "scores inf points" in found.text
    assert "nan" in found.text
    assert "-inf" in found.text


def test_a_long_lineage_and_a_huge_program_stay_small(tmp_path: Path) -> None:
    night = Night(tmp_path)
    program = night.seed(0.0, "y = 0\n" * 2_000)
    for step in range(8):
        program = night.child(program, 1.0 + step, "y = 0\n" * 2_000 + f"z = {step}\n" + "w" * 100_000)
    text = Report.of(night.archive, night.run).html()
    assert len(text) < 3_000_000
    found = Page(text)
    held_to(text, found)
    opened = [attrs for attrs in found.all("details") if "open" in attrs]
    assert len(opened) == 1
    assert "The largest gains: " in found.text


# ------------------------------------------------------------------ the verb


def invoke(folder: Path, *words: str) -> str:
    """Return what `evolve report` prints."""
    done = CliRunner().invoke(main, ["report", *words, "--db", str(folder / "evolve.db")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_verb_writes_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole(tmp_path).archive.close()
    assert invoke(tmp_path) == "night-report.html\n"
    assert "hidden gap" in (tmp_path / "night-report.html").read_text("utf-8")
    assert invoke(tmp_path, "night", "--out", "other name.html") == "other name.html\n"
    assert (tmp_path / "other name.html").read_text("utf-8").lstrip().startswith("<!doctype html>")
    assert invoke(tmp_path, "--out", "-").lstrip().startswith("<!doctype html>")
    failed = CliRunner().invoke(main, ["report", "--out", "no/such/folder.html", "--db", str(tmp_path / "evolve.db")])
    assert failed.exit_code == 2
    assert "cannot be written" in failed.output
    missing = CliRunner().invoke(main, ["report", "nobody", "--db", str(tmp_path / "evolve.db")])
    assert missing.exit_code != 0
    assert "no run 'nobody'" in missing.output


def test_the_verb_prints_the_facts(tmp_path: Path) -> None:
    whole(tmp_path).archive.close()
    facts = json.loads(invoke(tmp_path, "--json"))
    assert facts["best"]["fresh"]["n"] == 3
    assert facts["best"]["validate"] == {"status": "ok", "score": 3.0, "error": ""}
    assert [one["gain"] > 0 for one in facts["best"]["lineage"]] == [True, False, True]
    assert "held out" in {one["about"] for one in facts["doubts"]}
    assert facts["reproduce"][-1]["what"] == "judge it again"


def test_the_short_text(tmp_path: Path) -> None:
    whole(tmp_path).archive.close()
    text = invoke(tmp_path, "--format", "markdown")
    lines = text.splitlines()
    assert lines[0] == "## night: sphere"
    assert "| best program | 4.1 |  | 2.82938 to 5.37062 | 2 common seeds |" in lines
    assert any(line.startswith("| on fresh seeds | 4.1 |") and line.endswith("| 3 seeds |") for line in lines)
    assert any(line.startswith("| `") and line.endswith("| 4.1 | +2.15 | squared |") for line in lines)
    assert any(line.startswith("- held out: `validate`, which no prompt ever showed") for line in lines)
    assert lines[-1] == "```"


def test_a_bar_or_a_backtick_breaks_no_table(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.child(night.seed(), 2.0, note="`a | b` and | and ` alone")
    night.child(night.seed(0.5, "z = 1\n"), 3.0, note="`a | b` or | or `c`")
    text = Report.of(night.archive, night.run).markdown()
    (row,) = [line for line in text.splitlines() if " or " in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
    assert "`a \\| b` or \\| or `c`" in row


def test_backticks_that_pair_otherwise_let_no_markup_through(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.child(night.seed(), 2.0, note="` a`` <img src=x> ![](http://x/y) ``` c")
    text = Report.of(night.archive, night.run).markdown()
    assert r"\<img src=x\> \!\[" in text
    assert "<" not in text.replace(r"\<", "")
