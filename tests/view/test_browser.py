"""The pages in a real browser: Chromium, headless. Where there is none they are skipped, or fail if EVOLVE_BROWSER is set."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("playwright")
pytest.importorskip("starlette")

from playwright.sync_api import Browser, Page, expect, sync_playwright

from evolve.archive import Archive
from evolve.testing import archive_of

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PROGRAMS = 10_000
PATIENCE = 30_000
"""Milliseconds that a page may take here: nothing is timed."""


@contextmanager
def served(db: Path) -> Iterator[str]:
    """Serve an archive as a user would, and yield the address with its token."""
    command = [sys.executable, "-m", "evolve", "view", "--db", str(db), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("EVOLVE_BROWSER") else pytest.skip)("needs Chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@contextmanager
def visit(browser: Browser, address: str, **options: object) -> Iterator[Page]:
    """Open a page; afterwards there must have been no error in its console, and no request to another host."""
    wrong: list[str] = []
    page = browser.new_page(**options)  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    home = urlsplit(address).netloc
    page.on("request", lambda asked: wrong.append(asked.url) if urlsplit(asked.url).netloc not in (home, "") else None)
    page.goto(address)
    yield page
    page.close()
    assert wrong == []


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve a generated archive of two runs, the first with ten thousand programs."""
    db = tmp_path_factory.mktemp("view") / "large.db"
    archive_of(db, programs=PROGRAMS, seed=1, name="large")
    archive_of(db, programs=200, seed=2, name="small")
    with served(db) as address:
        yield address, db


def inside(address: str, path: str) -> str:
    """Return the address of another page, with the token."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}{path}{'&' if '?' in path else '?'}{parts.query}"


def test_every_page_is_whole(browser: Browser, large: tuple[str, Path]) -> None:
    address, _ = large
    with visit(browser, address) as page:
        expect(page.get_by_role("heading", level=1)).to_contain_text("Runs")
        page.get_by_role("link", name="large", exact=True).click()
        for tab, words in (
            ("Overview", "large"), ("Programs", "Programs"), ("Lineage", "Lineage"), ("Islands", "Islands"), ("Front", "front"),
            ("Failures", "What ended early"), ("Hints", "Hints"),
        ):  # fmt: skip
            page.get_by_role("link", name=tab, exact=True).click()
            expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile(words, re.IGNORECASE))
            expect(page.get_by_role("link", name=tab, exact=True)).to_have_attribute("aria-current", "page")
        page.goto(inside(address, "/runs/large/programs/best"))
        expect(page.get_by_role("heading", name="Code")).to_be_visible()
        page.goto(inside(address, "/compare?run=large&run=small"))
        expect(page.locator("svg").first).to_be_visible()


def test_filters_search_and_sorting_change_the_listing(browser: Browser, large: tuple[str, Path]) -> None:
    address, db = large
    with Archive(db) as archive:
        failed = archive.statuses("large").get("crash", 0)
    with visit(browser, inside(address, "/runs/large/programs")) as page:
        status = page.get_by_role("status")
        expect(status).to_contain_text(re.compile(r"^\d{4,5} programs"))
        page.get_by_label("status").select_option("crash")
        expect(status).to_contain_text(f"{failed} program")
        expect(page).to_have_url(re.compile("status=crash"))
        page.get_by_label("status").select_option("")
        page.get_by_role("heading", level=1).click()
        page.keyboard.press("/")
        page.keyboard.type("nothing/jk")  # keys that are typed into a form are not taken
        expect(page.get_by_role("searchbox")).to_have_value("nothing/jk")
        expect(status).to_contain_text("0 programs")
        page.get_by_role("searchbox").fill("")
        expect(status).to_contain_text(re.compile(r"^\d{4,5} programs"))
        page.get_by_role("link", name="attempt", exact=True).click()
        expect(page).to_have_url(re.compile("sort=number"))
        page.get_by_role("link", name="Next").click()
        expect(status).to_contain_text("page 2")


def test_rows_by_keyboard_then_diff_and_lineage(browser: Browser, large: tuple[str, Path]) -> None:
    address, _ = large
    with visit(browser, inside(address, "/runs/large/programs")) as page:
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Lineage")).to_be_visible()
        page.get_by_role("link", name="difference").last.click()
        expect(page.get_by_role("heading", name="Difference")).to_be_visible()
        assert page.locator("table.sides tr.changed, table.sides tr.added, table.sides tr.removed").count() > 0
        page.goto(inside(address, "/runs/large/lineage"))
        at_its_end = "tree => tree.scrollLeft > 0 && tree.scrollLeft + tree.clientWidth >= tree.scrollWidth - 1"
        assert page.locator(".treebox").evaluate(at_its_end)
        page.locator("svg a").first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Code")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1300])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_sticks_out(browser: Browser, large: tuple[str, Path], width: int, theme: str) -> None:
    address, _ = large
    tabs = ("", "/programs", "/programs/best", "/lineage", "/islands", "/front", "/failures", "/hints")
    paths = ("/", *(f"/runs/large{tab}" for tab in tabs), "/compare?run=large&run=small")
    with visit(browser, address, viewport={"width": width, "height": 844}, color_scheme=theme) as page:
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 300) == (theme == "dark")
        for path in paths:
            page.goto(inside(address, path))
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            unnamed = page.locator("a:not([aria-label]), button").evaluate_all(
                "all => all.filter(one => !one.textContent.trim() && !one.querySelector('img[alt], title') && "
                "!one.getAttribute('aria-label')).map(one => one.outerHTML)"
            )
            assert unnamed == [], path


def test_a_run_in_progress_is_followed_paused_and_stopped(browser: Browser, tmp_path: Path) -> None:
    db = tmp_path / "live.db"
    command = [sys.executable, "-m", "evolve", "run", "math/circle_packing", "--evaluations", "100000", "--seed", "1",
               "--slots", "1", "--db", str(db), "--set", "executor=inline", "--name", "live"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        try:
            wait_for(db, "live")
            with served(db) as address, visit(browser, inside(address, "/runs/live")) as page:
                count = page.locator("dl.tiles div", has=page.get_by_text("evaluations", exact=True)).locator("dd")
                first = count.inner_text()
                expect(count).not_to_have_text(first)  # the page looks again by itself
                page.get_by_role("button", name="Pause").click()
                expect(page.locator("h1 .state")).to_have_text("paused")
                page.get_by_role("link", name="Hints", exact=True).click()
                page.get_by_label("A new hint").fill("Mind <the> corners")
                page.get_by_role("button", name="Give it").click()
                expect(page.get_by_text("Mind <the> corners")).to_be_visible()
                page.get_by_role("link", name="Overview", exact=True).click()
                page.get_by_role("button", name="Go on").click()
                expect(page.locator("h1 .state")).to_have_text("running")
                page.get_by_role("button", name="Stop").click()
                expect(page.locator("h1 .state")).to_have_text("stopped")
            assert run.wait(30) == 0
        finally:
            run.kill()


def wait_for(db: Path, run: str) -> None:
    """Wait until a run has evaluated something."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(Exception), Archive(db, create=False) as archive:
            if archive.run(run).evaluations:
                return
        time.sleep(0.2)
    raise AssertionError(f"run {run} did not begin")
