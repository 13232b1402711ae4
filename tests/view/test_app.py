"""The pages of `evolve view`: what they show, what they refuse, and what hostile text cannot do."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx2")

from starlette.testclient import TestClient

from evolve.archive import Archive
from evolve.records import Artifact, Evaluation
from evolve.view.app import LARGEST, Door, build
from evolve.view.pages import PAGES
from tests.archives import begin, converse, drafted, fill, judge, seed, tell
from tests.view.nights import Night

TOKEN = "a-token-of-this-test"
HOSTILE = """</code></pre><script>alert(1)</script><img src=x onerror=alert(1)> {{ 7133 * 8311 }} "'`&<b> \u202e\x00"""


def client(db: Path, *, closed: bool = False, base: str = "http://127.0.0.1:8137") -> TestClient:
    return TestClient(build(db, ("127.0.0.1", "localhost"), Door(TOKEN, closed)), base_url=base, follow_redirects=False)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "evolve.db"
    with Archive(path) as archive:
        fill(archive, "night")
    return path


@pytest.fixture
def visitor(db: Path) -> Iterator[TestClient]:
    with client(db) as found:
        yield found


@pytest.fixture
def owner(db: Path) -> Iterator[TestClient]:
    """A visitor who opened the address with the token."""
    with client(db) as found:
        answer = found.get(f"/?token={TOKEN}")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/"
        assert "httponly" in answer.headers["set-cookie"].lower()
        assert "samesite=strict" in answer.headers["set-cookie"].lower()
        yield found


def addresses(db: Path, run: str = "night") -> list[str]:
    """Return an address of every page."""
    with Archive(db) as archive:
        best = archive.best(1, run)[0]
        other = archive.children(run, archive.lineage(run, best.digest)[-1].digest)[0]
    put = {"{run}": run, "{id}": best.id, "{other}": other.id, "{number:row}": "1"}
    query = {"/runs/{run}/against": f"?id={best.id}&other={other.id}"}
    return [re.sub(r"\{[\w:]+\}", lambda match: put[match[0]], path) + query.get(path, "") for path in PAGES]


def test_every_page_is_there_as_html_and_json(visitor: TestClient, db: Path) -> None:
    for address in addresses(db):
        answer = visitor.get(address, follow_redirects=True)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"].startswith("text/html"), address
        assert "<main" in answer.text
        plain = visitor.get(address, headers={"Accept": "application/json"}, follow_redirects=True)
        joined = "&" if "?" in address else "?"
        assert visitor.get(f"{address}{joined}format=json", follow_redirects=True).json() == plain.json(), address


def test_what_the_listing_filters_sorts_and_finds(visitor: TestClient) -> None:
    def scores(query: str) -> list[Any]:
        return [row["score"] for row in visitor.get(f"/runs/night/programs?format=json&{query}").json()["programs"]]

    assert scores("")[:4] == [4.0, 3.0, 2.0, 1.0]
    assert scores("sort=score&order=up")[:2] == [1.0, 2.0]
    assert scores("arm=builtin/tune") == [4.0]
    assert scores("q=leaky_relu") == [4.0]
    assert scores("q=larger")[:2] == [4.0, 2.0]
    assert scores("status=crash") == [None]
    assert scores("island=7") == []
    assert visitor.get("/runs/night/programs?format=json&page=2").json()["programs"] == []
    assert "has no word to search for" in visitor.get("/runs/night/programs?q=%2A%2A").text
    assert visitor.get("/runs/night/programs?page=x").status_code == 404


@pytest.mark.parametrize(("direction", "first"), [("maximize", "descending"), ("minimize", "ascending")])
@pytest.mark.parametrize("sort", ["score", "number", "generation", "island", "arm", "status"])
def test_a_column_that_is_sorted_by_turns_around(tmp_path: Path, sort: str, direction: Any, first: str) -> None:
    with Archive(tmp_path / "evolve.db") as archive:
        fill(archive, "night", direction)
    with client(tmp_path / "evolve.db") as visitor:
        seen = []
        address = f"?sort={sort}"
        for _ in range(3):
            page = visitor.get(f"/runs/night/programs{address}").text
            found = re.search(r'aria-sort="(\w+)"><a href="([^"]+)"', page)
            assert found is not None
            seen.append(found[1])
            address = found[2].replace("&amp;", "&")
        ids = [re.findall(r'class="id" href="[^"]+/(\w+)"', visitor.get(f"/runs/night/programs?sort={sort}&order={order}").text)
               for order in ("up", "down")]  # fmt: skip
        assert ids[0] != ids[1] or sort == "island"  # of which there is one
    assert seen[0] == seen[2] != seen[1]
    assert sort != "score" or seen[0] == first


def test_behind_the_last_page_the_last_one_is_named(visitor: TestClient) -> None:
    assert '<a rel="prev" href="?page=1">' in visitor.get("/runs/night/programs?page=99999").text
    assert visitor.get("/runs/night/programs?format=json&island=-3").json()["programs"] == []


def test_prompts_and_replies_are_searched_where_that_is_asked_for(db: Path, visitor: TestClient) -> None:
    with Archive(db) as archive:
        converse(archive, "night")
    for words, found in (
        ("an_edit", []),
        ("edit%", []),
        ("EDIT", [3.0]),
        ("edit improve", [3.0]),
        ("edit unheard", []),
        ("role", []),
    ):
        listed = visitor.get("/runs/night/programs", params={"format": "json", "q": words, "said": "1"}).json()[
            "programs"
        ]
        assert [row["score"] for row in listed] == found, words
        assert visitor.get("/runs/night/programs", params={"format": "json", "q": words}).json()["programs"] == []


def test_a_program_shows_its_diff_feedback_and_line(visitor: TestClient, db: Path) -> None:
    page = visitor.get("/runs/night/programs/best", follow_redirects=True).text
    for words in ("much larger", "leaky_relu", "builtin/tune", "<del>", "<ins>"):
        assert words in page
    data = visitor.get("/runs/night/programs/best?format=json", follow_redirects=True).json()
    assert data["score"] == 4.0
    assert [one["score"] for one in data["lineage"]] == [4.0, 2.0, 1.0]


def test_an_attempt_that_no_program_came_of_is_shown(db: Path, visitor: TestClient) -> None:
    with Archive(db) as archive:
        converse(archive, "night", 4)
    failures = visitor.get("/runs/night/failures").text
    assert '<a href="/runs/night/attempts/4">4</a>' in failures
    page = visitor.get("/runs/night/attempts/4").text
    for words in (
        "It ended at the stage novelty",
        "the same program as attempt 1",
        "I wonder.",
        "Improve the program.",
    ):
        assert words in page
    assert visitor.get("/runs/night/attempts/99").status_code == 404


def test_what_is_not_there_is_said(visitor: TestClient) -> None:
    for address, words in (
        ("/runs/nobody", "has no run &#39;nobody&#39;"),
        ("/runs/night/programs/ffffffffff", "no program in run"),
        ("/runs/night/artifacts/99", "has no artifact 99"),
        ("/nowhere", "there is no page at /nowhere"),
    ):
        answer = visitor.get(address)
        assert answer.status_code == 404
        assert words in answer.text
    assert visitor.get("/runs/nobody?format=json").json()["error"].endswith("(`evolve runs` lists all)")


def test_an_archive_that_cannot_be_read_is_no_missing_page(visitor: TestClient, db: Path) -> None:
    for leftover in db.parent.glob(f"{db.name}-*"):
        leftover.unlink()
    db.write_bytes(b"this was an archive " * 500)
    answer = visitor.get("/runs/night?format=json")
    assert answer.status_code == 503
    assert str(db) in answer.json()["error"]


def test_an_error_of_ours_has_a_page_with_the_same_policy(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(archive: Archive) -> None:
        raise ZeroDivisionError("in a page")

    monkeypatch.setattr(Archive, "read_only", fail)
    with TestClient(
        build(db, ("127.0.0.1",), Door(TOKEN, closed=False)),
        base_url="http://127.0.0.1:8137",
        raise_server_exceptions=False,
    ) as client:
        answer = client.get("/runs/night")
    assert answer.status_code == 500
    assert "this page failed with ZeroDivisionError" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_an_artifact_that_is_too_large_is_not_even_read(db: Path, visitor: TestClient) -> None:
    with Archive(db) as archive:
        begin(archive, "large")
        attempt = drafted(1, seed(), "x = 9\n")
        judge(attempt, Evaluation("ok", 2.0, artifacts=(Artifact("weights", "text/plain", bytes(LARGEST + 1)),)))
        tell(archive, "large", attempt)
        (kept,) = archive.kept("large", attempt.digest or "")
    answer = visitor.get(f"/runs/large/artifacts/{kept.id}")
    assert (answer.status_code, answer.text) == (
        413,
        f"it has {LARGEST + 1} bytes; `evolve export` writes it to a file",
    )


class TestStrangers:
    def test_other_hosts_are_refused(self, db: Path) -> None:
        with client(db, base="http://evil.example") as stranger:
            refused = stranger.get("/")
            assert refused.status_code == 400
            assert refused.headers["x-content-type-options"] == "nosniff"

    def test_a_page_that_is_not_there_links_to_no_other_host(self, visitor: TestClient) -> None:
        answer = visitor.get("http://127.0.0.1:8137//evil.example/x")
        assert answer.status_code == 404
        assert "evil.example" not in answer.text

    def test_paths_do_not_lead_out(self, visitor: TestClient) -> None:
        for path in (
            "/static/../app.py",
            "/static/..%2fapp.py",
            "/static/%2e%2e/app.py",
            "/static//etc/passwd",
            "/runs/..%2f..%2fetc",
        ):
            assert visitor.get(path).status_code == 404

    def test_nothing_is_written_without_the_token(self, db: Path, visitor: TestClient) -> None:
        for form in ({}, {"token": "wrong"}, {"token": TOKEN}):  # the last lacks the cookie
            answer = visitor.post("/runs/night/commands", data={"kind": "pause", **form})
            assert answer.status_code == 403
        with Archive(db) as archive:
            assert archive.commands("night") == []

    def test_the_cookie_alone_writes_nothing(self, db: Path, owner: TestClient) -> None:
        assert owner.post("/runs/night/commands", data={"kind": "pause"}).status_code == 403

    def test_pages_themselves_cannot_write(self, db: Path) -> None:
        with Archive(db) as archive:
            archive.read_only()
            with pytest.raises(Exception, match="readonly"):
                archive.command("night", "hint", "x")

    def test_elsewhere_than_on_this_machine_the_token_is_needed_to_read(self, db: Path) -> None:
        with client(db, closed=True) as stranger:
            for address in (*addresses(db), "/runs/night/artifacts/1", "/theme"):
                assert stranger.get(address).status_code == 403
            assert stranger.get("/?token=wrong").status_code == 403
            assert stranger.get(f"/runs/night?token={TOKEN}").headers["location"] == "/runs/night"
            assert stranger.get("/runs/night").status_code == 200

    def test_every_answer_has_a_policy(self, visitor: TestClient, db: Path) -> None:
        for address in (*addresses(db), "/nowhere", "/static/style.css", "/code.css"):
            headers = visitor.get(address).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"

    def test_the_theme_leads_to_no_other_place(self, visitor: TestClient) -> None:
        for back, place in (
            ("/runs", "/runs"),
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\\evil", "/"),
        ):
            assert visitor.get("/theme", params={"to": "dark", "back": back}).headers["location"] == place
        assert 'data-theme="dark"' in visitor.get("/").text


class TestOdd:
    """Requests that no page of ours makes."""

    @pytest.mark.parametrize(
        "address",
        [
            f"/runs/night/attempts/{1 << 63}",
            f"/runs/night/attempts/{'9' * 5000}",
            f"/runs/night/artifacts/{1 << 64}",
            f"/runs/night/programs?page={'9' * 5000}",
            "/runs/night/programs?page=--5",
            "/runs/night/programs/%00",
            "/runs/%ff",
        ],
    )
    def test_what_cannot_be_a_number_or_a_name_is_not_there(self, visitor: TestClient, address: str) -> None:
        assert visitor.get(address).status_code == 404

    @pytest.mark.parametrize(
        ("text", "why"),
        [("ab " * 30, "for at most 20 words, not 30"), ("a" * 50_001, "at most 1000 characters, not 50001")],
    )
    def test_searches_are_bounded(self, visitor: TestClient, text: str, why: str) -> None:
        assert why in visitor.get("/runs/night/programs", params={"q": text, "said": "1"}).text

    def test_the_theme_is_one_of_two(self, visitor: TestClient) -> None:
        for to in ("€", "a; b", "a\r\nX: y", "a" * 5000):
            answer = visitor.get("/theme", params={"to": to})
            assert answer.status_code == 303
            assert 'evolve_theme="";' in answer.headers["set-cookie"]

    def test_forms_are_bounded_and_those_of_strangers_not_read(self, db: Path, owner: TestClient) -> None:
        form = {"token": TOKEN, "kind": "hint", "text": "x" * 100_000}
        assert owner.post("/runs/night/commands", data=form).status_code == 413
        with client(db) as stranger:
            assert stranger.post("/runs/night/commands", data=form).status_code == 403
        assert owner.post("/runs/night/commands", data={**form, "text": "é" * 2000}).status_code == 303

    def test_the_archives_of_two_ports_are_opened_beside_each_other(self, db: Path, owner: TestClient) -> None:
        with client(db, base="http://127.0.0.1:8138") as other:
            other.cookies = owner.cookies  # a browser sends a host's cookies to all its ports
            assert "Pause</button>" not in other.get("/runs/night").text
            assert other.get(f"/?token={TOKEN}").status_code == 303
            assert "Pause</button>" in other.get("/runs/night").text
            assert len(other.cookies) == 2

    def test_who_waits_for_the_archive_keeps_nobody_waiting(self, db: Path, owner: TestClient) -> None:
        with ThreadPoolExecutor(1) as threads, closing(sqlite3.connect(db, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            form = {"token": TOKEN, "kind": "hint", "text": "x"}
            given = threads.submit(owner.post, "/runs/night/commands", data=form)
            time.sleep(0.3)
            began = time.monotonic()
            assert owner.get("/runs/night/hints").status_code == 200
            assert time.monotonic() - began < 10
            assert not given.done()
            holder.execute("COMMIT")
            assert given.result(20).status_code == 303


class TestOwner:
    def test_pauses_hints_and_stops(self, db: Path, owner: TestClient) -> None:
        assert "Pause</button>" in owner.get("/runs/night").text
        for kind, text in (("pause", ""), ("hint", "Mind <the> corners"), ("stop", "")):
            answer = owner.post("/runs/night/commands", data={"token": TOKEN, "kind": kind, "text": text})
            assert answer.status_code == 303
        with Archive(db) as archive:
            assert [(one.kind, one.text, one.origin) for one in archive.commands("night")] == [
                ("stop", "", "page"), ("hint", "Mind <the> corners", "page"), ("pause", "", "page"),
            ]  # fmt: skip
            archive.finish("night", "done", "enough", 1.0)
        assert "Mind &lt;the&gt; corners" in owner.get("/runs/night/hints").text
        refused = owner.post("/runs/night/commands", data={"token": TOKEN, "kind": "pause"})
        assert refused.status_code == 409
        assert "so there is nothing to pause" in refused.text
        assert owner.post("/runs/night/commands", data={"token": TOKEN, "kind": "drop"}).status_code == 400

    def test_a_visitor_sees_no_buttons(self, visitor: TestClient) -> None:
        assert "<button" not in visitor.get("/runs/night").text
        assert TOKEN not in visitor.get("/runs/night").text


class TestHostile:
    """Everything that programs, judges and models write."""

    @pytest.fixture
    def db(self, tmp_path: Path) -> Path:
        path = tmp_path / "evolve.db"
        with Archive(path) as archive:
            begin(archive, "night")
            attempt = drafted(1, seed(), f"x = '''{HOSTILE}'''\n")
            assert attempt.draft is not None
            attempt.draft = replace(attempt.draft, note=HOSTILE, sources={f"a{HOSTILE[:40]}.py": HOSTILE})
            picture = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>"
            kept = (
                Artifact(HOSTILE, "image/svg+xml", picture),
                Artifact("page.html", "text/html", b"<script>alert(1)</script>"),
                Artifact("x", "application/x-sh", b"id"),
                Artifact("y", "Image/PNG; q=1", b"\x89PNG"),
            )
            seen = Evaluation("ok", 2.0, {HOSTILE: 1.0}, HOSTILE, kept, HOSTILE, HOSTILE, HOSTILE)
            tell(archive, "night", judge(attempt, seen))
            failed = drafted(2, seed(), "y = 1")
            tell(archive, "night", judge(failed, Evaluation("crash", None, error=HOSTILE, feedback=HOSTILE)))
            archive.command("night", "hint", HOSTILE)
        return path

    def test_is_escaped_on_every_page(self, visitor: TestClient, db: Path) -> None:
        for address in [
            *addresses(db),
            "/runs/night/programs?q=%22%3Cscript%3E",
            "/runs/night/programs?status=%22%3Cscript%3E",
        ]:
            page = visitor.get(address, follow_redirects=True).text
            assert "<script>alert" not in page, address
            assert "<img src=x" not in page, address
            assert "59282363" not in page, address
            assert page.count("<script") == 2, address

    def test_artifacts_are_drawn_or_saved_and_never_run(self, visitor: TestClient, db: Path) -> None:
        picture, text, other, drawn = (visitor.get(f"/runs/night/artifacts/{id}") for id in (1, 2, 3, 4))
        assert drawn.headers["content-type"] == "image/png"  # as the page says that it is
        assert picture.headers["content-type"] == "image/svg+xml"
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        assert other.headers["content-type"] == "application/octet-stream"
        assert other.headers["content-disposition"] == "attachment"
        for answer in (picture, text, other):
            assert "frame-ancestors 'none'; sandbox" in answer.headers["content-security-policy"]
            assert "script-src" not in answer.headers["content-security-policy"]

    def test_json_is_json(self, visitor: TestClient, db: Path) -> None:
        for address in addresses(db):
            answer = visitor.get(address, headers={"Accept": "application/json"}, follow_redirects=True)
            assert answer.headers["content-type"] == "application/json"
            json.loads(answer.text)


def test_reasons_that_differ_in_numbers_alone_are_one(tmp_path: Path) -> None:
    with Archive(tmp_path / "evolve.db") as archive:
        run = begin(archive, "night")
        for number in range(1, 6):
            error = (
                f"circle {number} has the radius -{number / 7}"
                if number < 4
                else f"Traceback (most):\n  x\nValueError: {number}"
            )
            arm = "builtin/tune" if number % 2 else "builtin/mutate"
            status = "invalid" if number < 4 else "crash"
            seen = Evaluation(status, None, error=error)  # type: ignore[arg-type]
            tell(archive, run, judge(drafted(number, seed(), f"x = {number}", arm=arm), seen))
        assert [(one.how, one.reason, one.count, one.latest, one.arms) for one in archive.ended(run)] == [
            ("invalid", f"circle 3 has the radius -{3 / 7}", 3, 3, ("builtin/mutate", "builtin/tune")),
            ("crash", "ValueError: 5", 2, 5, ("builtin/mutate", "builtin/tune")),
        ]


@pytest.mark.parametrize(("direction", "score"), [("maximize", 3.0), ("minimize", 0.5)])
def test_what_is_better_than_its_parent_has_gained(tmp_path: Path, direction: Any, score: float) -> None:
    night = Night(tmp_path, "other", direction=direction)
    night.child(night.seed(1.0), score)
    with client(tmp_path / "evolve.db") as found:
        page = found.get("/runs/other/programs").text
    assert f'<td class="n">+{abs(score - 1):g}</td>' in page
