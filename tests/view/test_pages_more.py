"""The pages of runs, lineage, islands, front and comparison, on archives that were made up."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx2")

from starlette.testclient import TestClient

from bench.view import measure
from evolve.archive import Archive
from evolve.records import Evaluation, Metric
from evolve.testing import archive_of
from evolve.view.app import Door, build
from evolve.view.pages.lineage import lineage
from tests import archives

HOSTILE = '"><script>alert(1)</script>&run=x'


def client(db: Path) -> TestClient:
    return TestClient(build(db, ("127.0.0.1",), Door("token", False)), base_url="http://127.0.0.1:8137")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "evolve.db"
    archive_of(path, programs=300, seed=3)
    archive_of(path, programs=60, seed=4, name="other", islands=1, replies=False)
    return path


@pytest.fixture(scope="module")
def visitor(made: Path) -> Iterator[TestClient]:
    with client(made) as found:
        yield found


class TestMadeUp:
    def test_is_as_large_as_was_asked_for_and_whole(self, made: Path) -> None:
        with Archive(made) as archive:
            statuses = archive.statuses("made")
            assert sum(statuses.values()) == 301
            assert statuses["ok"] > 250
            assert len(statuses) > 3
            assert len(archive.islands("made")) == 4
            assert max(node.generation for node in archive.tree("made")) > 5
            assert {one.how for one in archive.failures("made", 1000)} >= {"crash", "novelty", "draft"}
            assert {one.verdict for one in archive.champions("made")} >= {"promoted", "refused"}
            assert archive.hints("made")
            assert any(one.replies for one in archive.spend("made"))
            assert not any(one.replies for one in archive.spend("other"))
            assert archive.search("momentum_7", "made")
            assert archive._one("SELECT count(*) > 0 FROM artifacts") == (1,)
            assert archive._all("PRAGMA foreign_key_check") == []

    def test_the_same_seed_makes_the_same(self, made: Path, tmp_path: Path) -> None:
        archive_of(tmp_path / "again.db", programs=300, seed=3)
        with Archive(made) as archive, Archive(tmp_path / "again.db") as again:
            assert archive.tree("made") == again.tree("made")


class TestRun:
    def test_gain_per_dollar_is_drawn_of_arms_that_cost_dollars(self, visitor: TestClient) -> None:
        page, free = (visitor.get(f"/runs/{run}").text for run in ("made", "other"))
        assert all("Gain per evaluation of each arm" in one for one in (page, free))
        drawn = page.split("Gain per dollar of each arm", 1)[1].split("</figure>")[0]
        assert "builtin/tune" not in drawn
        assert "Gain per dollar" not in free


class TestLineage:
    def test_all_are_shown_and_lead_to_their_programs(self, visitor: TestClient, made: Path) -> None:
        page = visitor.get("/runs/made/lineage")
        assert page.status_code == 200
        with Archive(made) as archive:
            nodes, best = archive.tree("made"), archive.best(1, "made")[0]
        ids = re.findall(r'href="/runs/made/programs/(\w{10})"[^>]*><title>', page.text)
        assert sorted(ids) == sorted(node.id for node in nodes)
        assert "style=" not in page.text
        data = visitor.get("/runs/made/lineage?format=json").json()
        assert (data["total"], len(data["programs"]), data["hidden"]) == (301, 301, {})
        scores = [node.score for node in nodes if node.score is not None]
        assert data["line_to_best"][0] == nodes[0].id
        by_id = {node.id: node for node in nodes}
        assert by_id[data["line_to_best"][-1]].score == max(scores)
        assert best.score is not None

    def test_colours(self, visitor: TestClient) -> None:
        assert "better" in visitor.get("/runs/made/lineage").text
        by_arm, by_island = (visitor.get(f"/runs/made/lineage?colour={by}").text for by in ("arm", "island"))
        assert ">builtin/tune</text>" in by_arm
        assert ">island 3</text>" in by_island
        assert HOSTILE not in visitor.get(f"/runs/made/lineage?colour={quote(HOSTILE)}").text

    def test_what_leads_to_nothing_better_is_counted(
        self, visitor: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys.modules[lineage.__module__], "MOST", 80)
        data = visitor.get("/runs/made/lineage?format=json").json()
        assert 30 < len(data["programs"]) <= 80
        assert len(data["programs"]) + sum(data["hidden"].values()) == data["total"] == 301
        page = visitor.get("/runs/made/lineage").text
        assert "Show all" in page
        whole = visitor.get("/runs/made/lineage?format=json&all=1").json()
        assert (len(whole["programs"]), whole["hidden"]) == (301, {})
        counts = dict(re.findall(r'href="(\?root=\w{10}(?:&amp;rest=1)?)"[^>]*><title>(\d+) more', page))
        assert {address[6:16]: int(count) for address, count in counts.items()} == data["hidden"]
        for address, count in counts.items():
            below = visitor.get(f"/runs/made/lineage{address.replace('&amp;', '&')}&format=json").json()
            assert below["programs"][0]["id"] == address[6:16]
            assert int(count) < below["total"] < 301

    def test_a_subtree(self, visitor: TestClient, made: Path) -> None:
        with Archive(made) as archive:
            root = archive.tree("made")[1]
        page = visitor.get(f"/runs/made/lineage?root={root.id}&colour=arm").text
        assert f'Lineage from <a class="id" href="/runs/made/programs/{root.id}"' in page
        assert "?colour=arm" in page
        missing = visitor.get(f"/runs/made/lineage?root={quote(HOSTILE)}")
        assert missing.status_code == 404
        assert "<script>alert" not in missing.text

    def test_a_run_without_a_score(self, tmp_path: Path) -> None:
        with Archive(tmp_path / "evolve.db") as archive:
            archive.create_run("empty", archives.task(), 1, {})
        with client(tmp_path / "evolve.db") as visitor:
            for page in ("lineage", "islands", "front"):
                answer = visitor.get(f"/runs/empty/{page}")
                assert answer.status_code == 200
                assert "no program" in answer.text.lower()


class TestIslands:
    def test_how_each_fared(self, visitor: TestClient, made: Path) -> None:
        data = visitor.get("/runs/made/islands?format=json").json()
        with Archive(made) as archive:
            known = {number: (count, best, id) for number, count, best, id in archive.islands("made")}
            nodes = archive.tree("made")
        assert {
            one["island"]: (one["programs"], one["best"]["score"], one["best"]["id"]) for one in data["islands"]
        } == known
        assert all(sum(one["arms"].values()) == one["programs"] for one in data["islands"])
        home = {node.number: node for node in nodes}
        came = [node for node in nodes if node.parent and home[node.parent].island != node.island]
        assert came
        assert (
            sum(one["programs"] for one in data["crossings"])
            == sum(one["came"] for one in data["islands"])
            == len(came)
        )
        page = visitor.get("/runs/made/islands").text
        assert page.count("<svg") == 4
        assert "Migration" in page

    def test_one_island(self, visitor: TestClient) -> None:
        page = visitor.get("/runs/other/islands").text
        assert "one island" in page
        assert "Migration" not in page


class TestFront:
    def test_the_front_of_all_objectives(self, visitor: TestClient, made: Path) -> None:
        data = visitor.get("/runs/other/front?format=json").json()
        with Archive(made) as archive:
            view = {id for (id,) in archive._all("SELECT id FROM pareto WHERE run = 'other'")}
        assert {one["id"] for one in data["front"]} == view
        assert data["objectives"] == {"score": "maximize", "size": "minimize", "speed": "maximize"}

    def test_any_two_numbers(self, visitor: TestClient) -> None:
        page = visitor.get("/runs/made/front?x=loss&y=speed").text
        assert ">speed against loss</title>" in page
        assert ">loss</text>" in page
        assert ">speed (maximize)</text>" in page
        assert "that can be had" not in page
        assert "speed that can be had for size" in visitor.get("/runs/made/front?x=size&y=speed").text
        odd = visitor.get(f"/runs/made/front?x={quote(HOSTILE)}&y=nothing")
        assert odd.status_code == 200
        assert ">score against size</title>" in odd.text

    def test_one_objective(self, tmp_path: Path) -> None:
        with Archive(tmp_path / "evolve.db") as archive:
            archives.fill(archive, "night")
        with client(tmp_path / "evolve.db") as visitor:
            page = visitor.get("/runs/night/front").text
            assert "one objective" in page
            assert ">score against size</title>" in page

    def test_hostile_metrics(self, tmp_path: Path) -> None:
        with Archive(tmp_path / "evolve.db") as archive:
            name = '<img src=x onerror="alert(1)">'
            run = archive.create_run("r", archives.task(metrics=(Metric(name, "minimize"),)), 1, {}).name
            seed = archives.seed()
            archive.seeded(run, replace(seed, metrics={name: 1.0}), Evaluation("ok", 1.0, {name: 1.0}), 1)
        with client(tmp_path / "evolve.db") as visitor:
            page = visitor.get("/runs/r/front")
            assert page.status_code == 200
            assert "<img" not in page.text
            assert "&lt;img" in page.text

    def test_metrics_that_are_not_finite(self, tmp_path: Path) -> None:
        with Archive(tmp_path / "evolve.db") as archive:
            metrics = (Metric("loss", "minimize"), Metric("speed", "maximize"))
            run = archive.create_run("r", archives.task(metrics=metrics), 1, {}).name
            for number, loss in enumerate((float("nan"), float("inf"), -2.0, float("-inf"))):
                seen = {"loss": loss, 'odd":"name': 1.0}
                program = replace(archives.seed(), digest=archives.digest(number), number=-number, metrics=seen)
                archive.seeded(run, program, Evaluation("ok", 1.0, seen), 1)
            assert [metrics["loss"] for *_, metrics in archive.scored(run)][:3] == [float("-inf"), -2.0, float("inf")]
            view = {id for (id,) in archive._all("SELECT id FROM pareto")}
        with client(tmp_path / "evolve.db") as visitor:
            assert visitor.get("/runs/r/front?x=loss").status_code == 200
            assert {one["id"] for one in visitor.get("/runs/r/front?format=json").json()["front"]} == view


def test_what_the_measurement_asks_for(made: Path) -> None:
    """`bench/view.py` on a small archive, without looking at the clock."""
    taken = measure(made, 1)
    assert len(taken) == 13
    assert all(len(page.wall) == len(page.processor) == 1 and page.size > 1000 for page in taken.values())


class TestCompare:
    def test_asks_which(self, visitor: TestClient) -> None:
        for query in ("", "?run=made", "?run=made&run=made"):
            page = visitor.get(f"/compare{query}").text
            assert 'name="run" value="other"' in page
            assert "<svg" not in page
        assert 'value="made" aria-label="Compare made" checked' in visitor.get("/compare?run=made").text

    def test_two_runs(self, visitor: TestClient) -> None:
        page = visitor.get("/compare?run=made&run=other").text
        assert "Best score against evaluations" in page
        assert "do not compare" not in page
        assert "<code>search.islands</code>" in page
        assert "<code>slots</code>" not in page
        data = visitor.get("/compare?run=made&run=other&against=dollars&format=json").json()
        assert [one["run"] for one in data["runs"]] == ["made", "other"]
        assert ["search.islands", ["4", "1"]] in data["settings"]
        assert [one["dollars"] > 0 for one in data["runs"]] == [True, False]
        bests = [moment["best"] for moment in data["progress"]["made"]]
        assert bests == sorted(bests)
        assert "against=dollars" in visitor.get("/compare?run=made&run=other").text

    def test_what_does_not_compare_is_said(self, tmp_path: Path) -> None:
        with Archive(tmp_path / "evolve.db") as archive:
            archives.fill(archive, "up")
            archives.fill(archive, "down", "minimize")
            archive._run("UPDATE runs SET task_digest = ? WHERE name = 'down'", ("u" * 64,))
        with client(tmp_path / "evolve.db") as visitor:
            page = visitor.get("/compare?run=up&run=down").text
            assert "was changed between these runs: their scores do not compare" in page
            assert "maximize their score and others minimize" in page

    def test_hostile_names(self, visitor: TestClient) -> None:
        page = visitor.get("/compare", params={"run": ["made", HOSTILE]})
        assert page.status_code == 404
        assert "<script>alert" not in page.text
        assert visitor.get("/compare", params={"run": [f"r{number}" for number in range(50)]}).status_code == 404
