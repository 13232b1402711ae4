"""The site in docs/: its pages hang together, its reference is whole, and it is built without a warning."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

import evolve
from evolve.cli import VERBS
from evolve.config import describe
from evolve.tables import TaskTable

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def navigation() -> list[str]:
    """Return the pages that the site's navigation leads to."""

    def leaves(entry: Any) -> Iterator[str]:
        for value in entry.values() if isinstance(entry, dict) else entry:
            yield from [value] if isinstance(value, str) else leaves(value)

    return list(leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    """The hook that fills in the reference."""
    spec = spec_from_file_location("generated", DOCS / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_navigation() -> None:
    assert sorted(navigation()) == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", text(page))):
        if not link.startswith(("https://", "http://", "#")):
            assert (DOCS / page).parent.joinpath(link.partition("#")[0]).is_file(), link


def test_every_verb_is_in_the_reference(generated: ModuleType) -> None:
    page = generated.on_page_markdown(text("reference/cli.md"))
    assert re.findall(r"^## evolve ([\w-]+)$", page, re.MULTILINE) == list(VERBS)
    assert page.count("Usage: evolve ") == len(VERBS) + 1


def test_every_setting_is_in_the_reference_with_its_default(generated: ModuleType) -> None:
    page = generated.on_page_markdown(text("reference/settings.md"))
    tables = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for name, _, default in describe():
        table, _, key = name.rpartition(".")
        row = re.search(
            rf"^\| `{key}` \| (.*?) \| .+\|$", tables[f"`[{table}]`" if table else "Of no table"], re.MULTILINE
        )
        assert row is not None, name
        assert bool(row[1].strip()) == (default is not None), name
    assert "One of `wait`, `end`, `continue`." in page


def keys(table: type[BaseModel]) -> Iterator[str]:
    """Yield the keys of task.toml; those of `[search]` and `[models]` are settings."""
    for name, field in table.model_fields.items():
        yield name
        if name not in ("search", "models"):
            kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
            for kind in kinds:
                if issubclass(kind, BaseModel):
                    yield from keys(kind)


def test_every_key_of_a_task_is_in_the_reference() -> None:
    named = set(re.findall(r"`\[{0,2}(\w+)(?:\.NAME)?\]{0,2}`", text("reference/task.md")))
    assert set(keys(TaskTable)) <= named


def test_every_public_name_is_in_the_reference() -> None:
    named = {line.rpartition(".")[2] for line in re.findall(r"^::: (.+)$", text("reference/python.md"), re.MULTILINE)}
    public = {"load" if name == "load_task" else name for name in evolve.__all__ if not name.startswith("__")}
    whole = {"EvolveError"}  # the module of errors is there as a whole
    assert public - whole <= named


@pytest.mark.skipif(find_spec("mkdocs") is None or find_spec("mkdocstrings") is None, reason="needs the extra `docs`")
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for page in PAGES:
        built = (site / page).with_suffix(".html").read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"([^\"]+)\"", built)
        assert loaded
        assert not [address for address in loaded if re.match(r"(?:https?:)?//", address)]
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", styles)
    assert "evolve run [OPTIONS] TASK" in (site / "reference" / "cli.html").read_text(encoding="utf-8")
