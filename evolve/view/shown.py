"""What a page is: a function from a visit to what is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evolve.archive import Archive
from evolve.errors import ArchiveError


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page: the archive, the parts of its address, and what follows the question mark (``every`` also where a
    name comes twice).
    """

    archive: Archive
    path: Mapping[str, str]
    query: Mapping[str, str]
    every: Sequence[tuple[str, str]] = ()

    def whole(self, name: str, default: int, least: int = 0, most: int = 1 << 31) -> int:
        """Return a whole number of the query.

        Raises:
            ArchiveError: if it is none.
        """
        text = self.query.get(name, "")
        if not text:
            return default
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise ArchiveError(f"{name}={text[:40]!r} is no whole number, or none that is in the archive")
        return min(max(int(text), least), most)


@dataclass(frozen=True, slots=True)
class Shown:
    """A page: its template with values, and ``data``, the same facts as JSON; or the ``location`` where it is to be found."""

    template: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None
    location: str = ""


Page = Callable[[Visit], Shown]
