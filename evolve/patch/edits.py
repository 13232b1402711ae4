"""Edits: a reply's SEARCH/REPLACE blocks, each matched on whole lines of the parent that may change, applied together
or not at all.

    ### FILE path            (needed only where several files hold the same lines)
    <<<<<<< SEARCH
    lines as they are
    =======
    lines as they shall be
    >>>>>>> REPLACE
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from evolve.patch.fences import Fence, fence
from evolve.patch.headings import heading
from evolve.patch.leftover import leftover
from evolve.patch.lines import File, Part, PatchError, files, finish, marked, shown, split
from evolve.patch.matching import Shift, find, find_shifted
from evolve.records import Sources

_OPEN = re.compile(r"[ \t]*<{5,9}[ \t]*(?:(?:SEARCH|ORIGINAL|OLD)\b.*)?$", re.IGNORECASE | re.DOTALL)
_CLOSE = re.compile(r"[ \t]*>{5,9}[ \t]*(?:(?:REPLACE|UPDATED|NEW|END)\b.*)?$", re.IGNORECASE | re.DOTALL)
_DIVIDER = re.compile(r"[ \t]*={5,9}(?:[ \t]+(?:REPLACE|WITH)\b.*|[ \t]*)$", re.IGNORECASE)
_BEFORE_TITLE = re.compile(r"\"\"\"|\'\'\'|/\*+|//|#")
_TITLE = re.compile(r"[^\W_][\w ,:'-]*")
_MOST_BLOCKS = 300
_MOST_DIVIDERS = 16
_FORMAT = "<<<<<<< SEARCH, the lines as they are, =======, the lines as they shall be, >>>>>>> REPLACE"


@dataclass(frozen=True, slots=True)
class _Block:
    """One block of a reply: its number from 1, the file named above it, and its lines between the outer markers."""

    number: int
    path: str | None
    body: tuple[str, ...]

    def wrong(self, reason: str) -> PatchError:
        return PatchError(f"block {self.number}: {reason}")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the lines of a SEARCH stand, and how their indentation differs there, if it does."""

    path: str
    part: int
    start: int
    shift: Shift | None = None


@dataclass(frozen=True, slots=True)
class _Edit:
    """A block that was found: the lines from ``start`` up to ``stop`` of a part become ``lines``."""

    block: _Block
    path: str
    part: int
    start: int
    stop: int
    lines: tuple[str, ...]


def apply_edits(parent: Sources, text: str, language: str, *, cut: bool = False) -> Sources:
    """Return the child that the blocks in ``text`` make of ``parent``.

    Args:
        parent: the program that all blocks are matched against.
        text: the whole reply.
        language: of the program; Python must compile.
        cut: whether the reply hit the token limit, so that blocks may be missing.

    Raises:
        PatchError: if any block cannot be applied, or together they change nothing.
    """
    if cut:
        raise PatchError("the reply was cut off at the token limit: reply again with fewer and shorter blocks")
    cutting = files(parent)
    blocks, prose = _blocks(split(text), cutting)
    found = [_Finder(cutting, block).edit() for block in blocks]
    lost = leftover(prose, [cutting[edit.path] for edit in found], language)
    if lost is not None:
        raise PatchError(
            f"the line {shown(lost)} looks like code and stands in no block; write each block as {_FORMAT}"
        )
    child = dict(parent)
    for path, file in cutting.items():
        changed = _changed(file, [edit for edit in found if edit.path == path])
        if changed:
            child[path] = file.text(changed)
    return finish(parent, child, language)


def _blocks(lines: Sequence[str], known: Mapping[str, File]) -> tuple[list[_Block], list[str]]:
    """Cut a reply into its blocks and its prose; other fences than those around blocks may show any code."""
    found: list[_Block] = []
    prose: list[tuple[str, Fence | None]] = []
    around: list[Fence | None] = [None]
    path: str | None = None
    opened: int | None = None
    ended = 0
    outer: Fence | None = None
    for at, line in enumerate(lines):
        if opened is None:
            path = heading(line, known) or path
            outer = _outer(line, at, outer)
            prose.append((line, outer))
            if _CLOSE.match(line) or _DIVIDER.match(line):
                raise PatchError(f"a line {shown(line)} belongs to no block; write each as {_FORMAT}")
            if _OPEN.match(line):
                opened = at
                around.append(outer)
        elif _OPEN.match(line):
            raise PatchError(f"block {len(found) + 1} is not closed by >>>>>>> REPLACE before the next one begins")
        elif _CLOSE.match(line):
            found.append(_Block(len(found) + 1, path, tuple(lines[opened + 1 : at])))
            opened, ended = None, len(prose)
    if opened is not None:
        found.append(_Block(len(found) + 1, path, _fenced(lines[opened + 1 :], outer, len(found) + 1)))
    elif outer and outer in around and any(line.strip() for line, _ in prose[ended:]):
        raise PatchError("the code fence around the last block is not closed: the reply may be cut off; reply again")
    if not 0 < len(found) <= _MOST_BLOCKS:
        many = f"are {len(found)} SEARCH/REPLACE blocks, too many" if found else "is no SEARCH/REPLACE block"
        raise PatchError(f"there {many} in the reply; write each as {_FORMAT}")
    return found, [line for line, fence in prose if fence in around]


def _outer(line: str, at: int, outer: Fence | None) -> Fence | None:
    """Return the fence that is open after ``line``, given the one before."""
    mark = fence(line, at)
    if mark is None or outer is None:
        return mark or outer
    return None if mark.bare and mark.like(outer) else outer


def _fenced(rest: Sequence[str], outer: Fence | None, number: int) -> tuple[str, ...]:
    """Return the body of a last block without its end, where its last line and the fence around it show
    that it did end.
    """
    body = list(rest)
    while body and not body[-1].strip():
        body.pop()
    inside = [mark for at, line in enumerate(body) if outer and (mark := fence(line, at)) and mark.like(outer)]
    if len(inside) == 1 and inside[0].bare and inside[0].at == len(body) - 1 and _same_end(body[:-1]):
        return tuple(body[:-1])
    raise PatchError(f"block {number} is not closed by >>>>>>> REPLACE: the reply may be cut off; reply again in full")


def _same_end(body: Sequence[str]) -> bool:
    """Return whether REPLACE ends with the line with which SEARCH ends, so that nothing of it is missing."""
    dividers = [at for at, line in enumerate(body) if _DIVIDER.match(line)]
    if len(dividers) != 1:
        return False
    ends = [next((line.strip() for line in reversed(half) if line.strip()), "") for half in (body[: dividers[0]], body)]
    return bool(ends[0]) and ends[0] == ends[1]


def _changed(file: File, edits: list[_Edit]) -> dict[int, list[str]]:
    """Return the new lines of each part of ``file`` that has edits."""
    changed: dict[int, list[str]] = {}
    edits.sort(key=lambda edit: (edit.part, edit.start, edit.stop))
    for before, after in pairwise(edits):
        if before.part == after.part and (after.start < before.stop or after.start == before.start):
            raise PatchError(
                f"blocks {before.block.number} and {after.block.number} change the same lines of {file.path}; "
                "make them one block"
            )
    for edit in reversed(edits):
        lines = changed.setdefault(edit.part, list(file.parts[edit.part].lines))
        lines[edit.start : edit.stop] = edit.lines
    return {part: lines for part, lines in changed.items() if tuple(lines) != file.parts[part].lines}


class _Finder:
    """Finds the one place that a block means."""

    def __init__(self, cutting: Mapping[str, File], block: _Block) -> None:
        self.block = block
        self.files = [cutting[block.path]] if block.path else list(cutting.values())

    def edit(self) -> _Edit:
        """Return what the block changes. A line of equals signs may be the block's divider or a part of its texts: each
        reading is tried, and exactly one must fit.
        """
        dividers = [at for at, line in enumerate(self.block.body) if _DIVIDER.match(line)]
        if not dividers:
            raise self.block.wrong("there is no line ======= between the old lines and the new ones")
        if len(dividers) > _MOST_DIVIDERS:
            raise self.block.wrong("it has too many lines like =======; make several smaller blocks")
        if len(dividers) == 1:
            return self._located(dividers[0], self._places(dividers[0]))
        fitting = [
            (at, places)
            for at in dividers
            if self._plain(at, dividers) and (places := self._places(at)) and not self._divided(at, places)
        ]
        if len(fitting) == 1:
            return self._located(*fitting[0])
        which = (
            "several of its lines like ======= could be the divider" if fitting else "its SEARCH lines are not found"
        )
        raise self.block.wrong(f"{which}; choose lines without such a line, or repeat them exactly")

    def _plain(self, divider: int, dividers: Sequence[int]) -> bool:
        """Return whether all other lines like a divider underline a title, or stand in the parent as they do here."""
        body = self.block.body
        for at in dividers:
            above = body[at - 1].strip() if at and at - 1 != divider else ""
            title = _BEFORE_TITLE.split(above)[-1].strip()
            signs = len(body[at].strip())
            titled = _TITLE.fullmatch(title) and signs - 2 <= len(title) <= signs
            if at != divider and not titled and (above, body[at].strip()) not in self._underlined:
                return False
        return True

    @cached_property
    def _underlined(self) -> set[tuple[str, str]]:
        return {
            (above.strip(), line.strip())
            for file in self.files
            for part in file.parts
            for above, line in pairwise(part.lines)
            if above.strip() and _DIVIDER.match(line)
        }

    def _divided(self, divider: int, places: Sequence[_Place]) -> bool:
        """Return whether a line like a divider follows the place in the parent, so that the block's may be that line."""
        for place in places:
            lines, stop = self._part(place).lines, place.start + divider
            if stop < len(lines) and _DIVIDER.match(lines[stop]):
                return True
        return False

    def _places(self, divider: int) -> list[_Place]:
        search = self.block.body[:divider]
        if not any(line.strip() for line in search):
            return [
                _Place(file.path, number, 0)
                for file in self.files
                for number, part in enumerate(file.parts)
                if part.evolvable and part.blank
            ]
        every = [
            (file.path, number, part.lines)
            for file in self.files
            for number, part in enumerate(file.parts)
            if part.evolvable
        ]
        exact = [_Place(path, number, at) for path, number, lines in every for at in find(search, lines)]
        return exact or [
            _Place(path, number, at, shift)
            for path, number, lines in every
            for at, shift in find_shifted(search, lines)
        ]

    def _located(self, divider: int, places: Sequence[_Place]) -> _Edit:
        search, replace = self.block.body[:divider], self.block.body[divider + 1 :]
        if any(marked(line) for line in (*search, *replace)):
            raise self.block.wrong("the EVOLVE-BLOCK marks may not be touched; leave them out of SEARCH and REPLACE")
        empty = not any(line.strip() for line in search)
        if len(places) != 1:
            raise self.block.wrong(self._empty() if empty else self._several(places) or self._missing(search))
        [place] = places
        part = self._part(place)
        stop = len(part.lines) if empty else place.start + len(search)
        if not empty and self._divided(divider, places):
            raise self.block.wrong(
                f"a line {shown(part.lines[stop])} follows the SEARCH lines in {place.path}, so that it is not clear "
                "which is the divider; take more lines into SEARCH"
            )
        lines = place.shift.apply(replace) if place.shift else list(replace)
        if lines is None:
            raise self.block.wrong(
                f"REPLACE is indented less than SEARCH allows; indent both as in {place.path}, line "
                f"{part.line + place.start}"
            )
        return _Edit(self.block, place.path, place.part, place.start, stop, tuple(lines))

    def _part(self, place: _Place) -> Part:
        return next(file for file in self.files if file.path == place.path).parts[place.part]

    def _empty(self) -> str:
        return "SEARCH is empty; repeat there the lines that are to be replaced, or lines beside which to add"

    def _several(self, places: Sequence[_Place]) -> str:
        if not places:
            return ""
        where: dict[str, list[int]] = {}
        for place in places:
            where.setdefault(place.path, []).append(self._part(place).line + place.start)
        listed = "; ".join(
            f"{path} (lines {', '.join(map(str, at[:6]))}{', …' if len(at) > 6 else ''})" for path, at in where.items()
        )
        remedy = "name the file above the block (### FILE path) or " if len(where) > 1 else ""
        return f"the SEARCH text occurs {len(places)} times in {listed}: {remedy}repeat more of the lines around it"

    def _missing(self, search: Sequence[str]) -> str:
        names = ", ".join(file.path for file in self.files)
        whole = {file.path: [line for part in file.parts for line in part.lines] for file in self.files}
        for path, lines in whole.items():
            if find_shifted(search, lines, 1):
                return f"the SEARCH lines of {path} are outside the evolve blocks, where nothing may change"
        present = {line.strip() for lines in whole.values() for line in lines}
        strange = next((line for line in search if line.strip() and line.strip() not in present), None)
        if strange is not None:
            return f"the SEARCH text is not found in {names}: there is no line {shown(strange)}; copy the lines exactly"
        return (
            f"the SEARCH text is not found in {names}: its lines occur, but not one after the other or not so indented; "
            "copy them exactly, with all lines between them"
        )
