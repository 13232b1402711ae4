"""Completion in the shell: the verb that prints a shell's script, and what the arguments of other verbs can be.

What completes is asked while a person types: it imports little, opens the archive for reading alone, and says nothing where it
knows nothing.
"""

from __future__ import annotations

import os
import sqlite3
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import click
from click.shell_completion import CompletionItem, get_completion_class

MOST = 60
"""Programs that are offered."""
PATIENCE = 0.25
"""Seconds that an archive which is being written, or a server of models, is waited for."""

Item = CompletionItem[str]
RUNS = "SELECT name, task || ', ' || state FROM runs ORDER BY created DESC"
PROGRAMS = """
SELECT substr(p.digest, 1, 10), p.score || ', ' || p.arm FROM programs AS p JOIN runs AS r ON r.name = p.run
WHERE p.run = coalesce(:run, (SELECT name FROM runs ORDER BY created DESC, rowid DESC LIMIT 1))
AND p.score IS NOT NULL AND p.digest >= :start AND p.digest < :start || '~'
ORDER BY CASE r.direction WHEN 'minimize' THEN p.score ELSE -p.score END, p.number LIMIT :most
"""
MODELS = """
SELECT name, 'asked by run ' || max(run) FROM arms WHERE json_extract(settings, '$.max_tokens') IS NOT NULL GROUP BY name
"""
"""Arms that ask a model: others have no limit on a reply."""
ARMS = ("builtin/tune", "builtin/mutate", "builtin/recombine")
HELP = """Print the script that makes SHELL complete verbs, options, tasks, runs, programs, settings and models.

\b
bash   echo 'eval "$(evolve completion bash)"' >> ~/.bashrc
zsh    echo 'eval "$(evolve completion zsh)"' >> ~/.zshrc
fish   evolve completion fish > ~/.config/fish/completions/evolve.fish
"""


@click.command(help=HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script of a shell."""
    from evolve.cli import main

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "evolve", "_EVOLVE_COMPLETE").source())


def tasks(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[Item]:
    """Return the library's tasks, variants behind an ``@``, and folders that hold a task."""
    from evolve.resources import folder

    root = folder("tasks")
    found = {path.parent.relative_to(root).as_posix(): path for path in sorted(root.rglob("task.toml"))}
    here = Path(incomplete if incomplete.endswith("/") else os.path.dirname(incomplete))
    found |= {path.parent.as_posix(): path for path in sorted(here.glob("*/task.toml"))}
    name, at, _ = incomplete.partition("@")
    names = _variants(name, found.get(name, Path(name, "task.toml"))) if at else found
    return [CompletionItem(incomplete, type="dir"), *_fitting(((name, "") for name in names), incomplete)]


def runs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[Item]:
    """Return the runs of the archive, the newest first."""
    return _fitting(_asked(ctx, RUNS), incomplete)


def runs_or_files(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[Item]:
    """Return the runs of the archive; the shell adds files."""
    return [CompletionItem(incomplete, type="file"), *runs(ctx, parameter, incomplete)]


def programs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[Item]:
    """Return the ids of the best programs of the run that ``--run`` names, of the newest one where it names none."""
    values = {"run": ctx.params.get("run"), "start": incomplete, "most": MOST}
    return _fitting(_asked(ctx, PROGRAMS, values), incomplete)


def settings(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[Item]:
    """Return settings as far as ``KEY=``, and behind it the values of those that have a few."""
    from evolve.config import describe

    key, equals, _ = incomplete.partition("=")
    if equals:
        return _fitting(((f"{key}={value}", "") for value in _choices(key)), incomplete)
    rows = ((f"{name}=", words.split(".")[0]) for name, words, _ in describe() if "NAME" not in name)
    return _fitting(rows, incomplete)


def models(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[Item]:
    """Return the models that ``evolve.toml`` names, that earlier runs asked, and that servers on this machine have."""
    from evolve.discover import on_this_machine

    named = [(name, "a table of evolve.toml") for name in _table(Path("evolve.toml"), "models")]
    local = ((found.model, found.server) for found in on_this_machine(seconds=PATIENCE))
    return _fitting(dict([*local, *_asked(ctx, MODELS), *named]).items(), incomplete)


def arms(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[Item]:
    """Return the built-in arms."""
    return _fitting(((arm, "") for arm in ARMS), incomplete)


def _fitting(rows: Iterable[tuple[str, str]], incomplete: str) -> list[Item]:
    return [CompletionItem(name, help=words or None) for name, words in rows if name.startswith(incomplete)]


def _asked(ctx: click.Context, query: str, values: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    """Return what the archive in use answers; nothing where there is none, or it cannot be read now."""
    path = Path(ctx.params.get("db") or os.environ.get("EVOLVE_DB") or "evolve.db")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
            return [(str(name), str(words)) for name, words in connection.execute(query, values or {})]
    except sqlite3.Error:
        return []


def _choices(key: str) -> list[str]:
    """Return the values of a setting that has a few, such as ``ucb`` of ``bandit.kind``; none for all others."""
    from evolve.config import Config

    kind: Any = Config
    examples: list[Any] = []
    for part in key.split("."):
        fields = getattr(kind, "model_fields", {})
        if part not in fields:
            return []
        kind, examples = fields[part].annotation, fields[part].examples or []
    found = ["true", "false"] if kind is bool else [*get_args(kind), *examples]
    return [value for value in found if isinstance(value, str)]


def _variants(name: str, path: Path) -> Iterator[str]:
    yield from (f"{name}@{variant}" for variant in _table(path, "variants"))


def _table(path: Path, key: str) -> list[str]:
    """Return the keys of a table in a TOML file; none where it cannot be read."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get(key)
    except (OSError, ValueError):
        return []
    return list(table) if isinstance(table, dict) else []


VERBS = (completion,)
"""What the command line takes from this module."""
