"""Tables of the archive as DataFrames of pandas or Polars, whichever is installed; neither is needed for anything else."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, get_args

from evolve.archive.progress import Progress
from evolve.archive.rows import load_metrics
from evolve.errors import ArchiveError

Kind = Literal["text", "whole", "real", "flag", "time"]
Library = Literal["pandas", "polars"]
What = Literal["programs", "evaluations", "attempts", "replies"]

COLUMNS: Mapping[What, Mapping[str, tuple[str, Kind]]] = {
    "programs": {
        "id": ("substr(t.digest, 1, 10)", "text"),
        "number": ("t.number", "whole"),
        "parent": ("substr(t.parent, 1, 10)", "text"),
        "arm": ("t.arm", "text"),
        "operator": ("t.operator", "text"),
        "island": ("t.island", "whole"),
        "generation": ("t.generation", "whole"),
        "status": ("t.status", "text"),
        "score": ("t.score", "real"),
        "parent_score": (
            "(SELECT p.score FROM programs AS p WHERE p.run = t.run AND p.digest = t.parent)",
            "real",
        ),
        "note": ("(SELECT a.note FROM attempts AS a WHERE a.run = t.run AND a.number = t.number)", "text"),
        "created": ("t.created", "time"),
        "digest": ("t.digest", "text"),
    },
    "evaluations": {
        "attempt": ("t.attempt", "whole"),
        "point": ("t.point", "whole"),
        "purpose": ("t.purpose", "text"),
        "id": ("substr(t.digest, 1, 10)", "text"),
        "seed": ("t.seed", "whole"),
        "status": ("t.status", "text"),
        "score": ("t.score", "real"),
        "stage": ("t.stage", "text"),
        "screen": ("t.screen", "real"),
        "bar": ("t.bar", "real"),
        "cached": ("t.cached", "flag"),
        "seconds": ("t.seconds", "real"),
        "cpu_seconds": ("t.cpu_seconds", "real"),
        "memory": ("t.memory", "whole"),
        "isolation": ("t.isolation", "text"),
        "integrity": ("t.integrity", "text"),
        "fresh": ("t.fresh", "text"),
        "judged": ("t.judged_at", "time"),
        "note": ("t.note", "text"),
        "feedback": ("t.feedback", "text"),
        "error": ("t.error", "text"),
        "digest": ("t.digest", "text"),
    },
    "attempts": {
        "number": ("t.number", "whole"),
        "told": ("t.told_order", "whole"),
        "arm": ("t.arm", "text"),
        "operator": ("t.operator", "text"),
        "island": ("t.island", "whole"),
        "parent": ("substr(t.parent, 1, 10)", "text"),
        "state": ("t.state", "text"),
        "stage": ("t.stage", "text"),
        "reason": ("t.reason", "text"),
        "id": ("substr(t.digest, 1, 10)", "text"),
        "program": ("substr(t.program, 1, 10)", "text"),
        "gain": ("t.gain", "real"),
        "evaluations": (
            # `point >= 0` is true, and leads to the right index
            "(SELECT count(*) FROM evaluations AS e WHERE e.run = t.run AND e.attempt = t.number "
            "AND e.point >= 0 AND e.cached = 0)",
            "whole",
        ),
        "replies": ("(SELECT count(*) FROM replies AS r WHERE r.run = t.run AND r.attempt = t.number)", "whole"),
        "dollars": (
            "(SELECT iif(count(*) = count(r.dollars), total(r.dollars), NULL) FROM replies AS r "
            "WHERE r.run = t.run AND r.attempt = t.number)",
            "real",
        ),
        "tokens": (
            "(SELECT coalesce(sum(r.tokens), 0) FROM replies AS r WHERE r.run = t.run AND r.attempt = t.number)",
            "whole",
        ),
        "note": ("t.note", "text"),
        "asked": ("t.asked_at", "time"),
        "drafted": ("t.drafted_at", "time"),
        "ended": ("t.told_at", "time"),
    },
    "replies": {
        "attempt": ("t.attempt", "whole"),
        "turn": ("t.turn", "whole"),
        "tries": ("t.tries", "whole"),
        "arm": ("t.arm", "text"),
        "purpose": ("t.purpose", "text"),
        "state": ("t.state", "text"),
        "dollars": ("t.dollars", "real"),
        "tokens": ("t.tokens", "whole"),
        "input_tokens": ("t.input_tokens", "whole"),
        "output_tokens": ("t.output_tokens", "whole"),
        "cached_tokens": ("t.cached_tokens", "whole"),
        "reasoning_tokens": ("t.reasoning_tokens", "whole"),
        "seconds": ("t.seconds", "real"),
        "finish": ("t.finish", "text"),
        "http": ("t.status", "whole"),
        "replayed": ("t.replayed", "flag"),
        "error": ("t.error", "text"),
        "text": ("t.text", "text"),
        "opened": ("t.opened_at", "time"),
        "closed": ("t.closed_at", "time"),
    },
}
"""The columns of each frame: what is selected of the table, and what kind of value that is."""

ORDER: Mapping[What, str] = {
    "programs": "t.number",
    "evaluations": "t.attempt, t.point",
    "attempts": "t.number",
    "replies": "t.attempt, t.turn, t.tries",
}
MEASURED = ("programs", "evaluations")
"""Tables with metrics: each becomes a column ``metrics.NAME``."""


class Frames(Progress):
    """The part of the archive that hands whole tables to data analysis."""

    def frame(self, run: str | None = None, what: What = "programs", *, library: Library | None = None) -> Any:
        """Return a table of a run as a DataFrame: a row per program, evaluation, attempt or reply.

        Metrics are columns of their own, named ``metrics.NAME``. Times are UTC. What is unknown or does not apply is missing,
        never 0.

        Args:
            run: its name; the newest where none is given.
            what: ``programs``, ``evaluations``, ``attempts`` or ``replies``.
            library: ``pandas`` or ``polars``; where none is given, the one that this process has imported, else the one
                that is installed, else pandas.

        Raises:
            ArchiveError: if there is no such run or table, or the library is not installed.
        """
        if what not in COLUMNS:
            raise ArchiveError(f"there is no frame of {what!r}; there are {', '.join(COLUMNS)}")
        make = MAKERS[_chosen(library)]
        columns = COLUMNS[what]
        selected = ", ".join(sql for sql, _ in columns.values())
        metrics = "t.metrics" if what in MEASURED else "'{}'"
        rows = self._all(
            f"SELECT {selected}, {metrics} FROM {what} AS t WHERE t.run = ? ORDER BY {ORDER[what]}",
            (self.run(run).name,),
        )
        values = {name: (kind, [row[place] for row in rows]) for place, (name, (_, kind)) in enumerate(columns.items())}
        return make({**values, **_metrics([row[-1] for row in rows])})


Table = Mapping[str, tuple[Kind, Sequence[Any]]]


def _metrics(texts: Sequence[str]) -> dict[str, tuple[Kind, Sequence[Any]]]:
    """Return a column per metric that any row has."""
    found: defaultdict[str, list[float | None]] = defaultdict(lambda: [None] * len(texts))
    for place, text in enumerate(texts):
        for name, value in load_metrics(text).items():
            found[name][place] = value
    return {f"metrics.{name}": ("real", found[name]) for name in sorted(found)}


def _chosen(library: str | None) -> Library:
    """Return the library that makes a frame.

    Raises:
        ArchiveError: naming what to install.
    """
    known: tuple[Library, ...] = get_args(Library)
    if library is not None and library not in known:
        raise ArchiveError(f"library {library!r}: give {' or '.join(map(repr, known))}")
    wanted = [one for one in known if library in (None, one)]
    for one in sorted(wanted, key=lambda one: sys.modules.get(one) is None):
        if find_spec(one) is not None:
            return one
    raise ArchiveError(
        f"frame() needs {' or '.join(wanted)}, not installed here: pip install {wanted[0]} "
        "(`evolve export` and SQL on the archive's file need neither)"
    )


def _pandas(table: Table) -> Any:
    """Return a pandas DataFrame: whole numbers that may be missing are `Int64`, texts what this pandas makes of texts."""
    pandas = import_module("pandas")
    series = {"whole": "Int64", "real": "float64", "flag": "bool", "text": None}
    columns = {
        name: pandas.to_datetime(pandas.Series(values, dtype="float64"), unit="s", utc=True).dt.as_unit("us")
        if kind == "time"
        else pandas.Series([bool(value) for value in values] if kind == "flag" else values, dtype=series[kind])
        for name, (kind, values) in table.items()
    }
    return pandas.DataFrame(columns)


def _polars(table: Table) -> Any:
    """Return a Polars DataFrame."""
    polars = import_module("polars")
    kinds = {
        "whole": polars.Int64,
        "real": polars.Float64,
        "flag": polars.Boolean,
        "text": polars.String,
        "time": polars.Datetime("us", "UTC"),
    }
    read: dict[Kind, Callable[[Any], Any]] = {"flag": bool, "time": lambda at: datetime.fromtimestamp(at, UTC)}
    columns = {}
    for name, (kind, values) in table.items():
        as_read = read.get(kind)
        if as_read is not None:
            values = [None if value is None else as_read(value) for value in values]
        columns[name] = polars.Series(name, values, dtype=kinds[kind])
    return polars.DataFrame(columns)


MAKERS: Mapping[Library, Callable[[Table], Any]] = {"pandas": _pandas, "polars": _polars}
