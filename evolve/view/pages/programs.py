"""The programs of a run, sorted, filtered and searched."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import urlencode

from evolve.archive.browsing import SORTS, Listed, Sort, Wanted, falls
from evolve.archive.values import summary
from evolve.errors import ArchiveError
from evolve.view.shown import Shown, Visit

ROWS = 50


def programs(visit: Visit) -> Shown:
    """Show a page of the programs of a run."""
    archive, query = visit.archive, visit.query
    info = archive.run(visit.path["run"])
    place = visit.whole("page", 1, least=1)
    wanted = _wanted(visit, place, info.direction)
    note = ""
    try:
        rows, total = archive.programs(info.name, wanted)
    except ArchiveError as error:
        if isinstance(error.__cause__, sqlite3.Error):  # rather than a search without a word
            raise
        rows, total, note = [], 0, str(error)
    pages = max(1, -(-total // ROWS))
    kept = {name: query[name] for name in ("q", "said", "status", "arm", "island", "sort", "order") if query.get(name)}
    values = {
        "run": info,
        "rows": rows,
        "total": total,
        "note": note,
        "wanted": wanted,
        "page": place,
        "pages": pages,
        "statuses": archive.statuses(info.name),
        "arms": sorted(archive.arms(info.name)),
        "islands": archive.islands(info.name),
        "sorts": _sorts(kept, wanted),
        "turned": lambda to: "?" + urlencode({**kept, "page": to}),
        "champion": archive.champion(info.name),
    }
    data = {"total": total, "page": place, "pages": pages, "programs": [_plain(info.name, row) for row in rows]}
    return Shown("programs.html.j2", values, data)


def _wanted(visit: Visit, place: int, direction: str) -> Wanted:
    """Return what the query asks for."""
    query = visit.query
    sort: Sort = next((one for one in SORTS if one == query.get("sort")), "score")
    down = falls(sort, direction)
    return Wanted(
        status=query.get("status", ""),
        arm=query.get("arm", ""),
        island=visit.whole("island", 0, least=-1) if query.get("island") else None,
        text=query.get("q", ""),
        said=query.get("said") == "1",
        sort=sort,
        descending={"down": True, "up": False}.get(query.get("order", ""), down),
        limit=ROWS,
        offset=(place - 1) * ROWS,
    )


def _sorts(kept: dict[str, str], wanted: Wanted) -> dict[str, str]:
    """Return for each column the address that sorts by it, the other way round if that is the order now."""
    found: dict[str, str] = {}
    for sort in SORTS:
        order = {"order": "up" if wanted.descending else "down"} if sort == wanted.sort else {}
        found[sort] = "?" + urlencode({**{k: v for k, v in kept.items() if k != "order"}, "sort": sort, **order})
    return found


def _plain(run: str, row: Listed) -> dict[str, Any]:
    return {
        **summary(run, row.program),
        "island": row.program.island,
        "generation": row.program.generation,
        "parent_score": row.parent_score,
        "note": row.note,
        "created": row.created,
    }
