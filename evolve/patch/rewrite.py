"""Full rewrites: the code of a reply in place of what may change of the parent.

Which code of the reply that is, and where it ends, follows from the reply or is refused; nothing is guessed, since a
guess that is wrong is a program cut short that nobody notices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.patch.fences import Fence, closings, fences, paired
from evolve.patch.headings import heading
from evolve.patch.leftover import leftover, names
from evolve.patch.lines import File, PatchError, fault, files, finish, marked, python, shown, split
from evolve.patch.names import defined
from evolve.patch.placing import place
from evolve.records import Sources

_MOST_READINGS = 24
_MOST_COMPILED = 600_000
"""Characters that may be compiled to find out where code ends."""
_WRAPPERS = frozenset({"markdown", "md", "text", "txt", ""})
_FOREIGN = frozenset(
    {"bash", "sh", "shell", "console", "text", "txt", "output", "json", "diff", "markdown", "md", "yaml", "toml", "ini"}
)
_LONGER = "put the whole program in one fence that is longer than any inside it, such as ````"
_ENDLESS = f"it is not clear where the code ends, since it contains a line with a code fence; {_LONGER}"


@dataclass(frozen=True, slots=True)
class _Code:
    """Code found in a reply, from line ``start`` up to ``stop``.

    ``parts`` are the new lines of the file's parts; where there is no reading that makes them, ``reason`` says why.
    ``closed`` tells whether a fence ended it, ``sure`` whether marks around the blocks show that those are complete.
    """

    path: str | None
    lines: tuple[str, ...]
    start: int
    stop: int
    info: str = ""
    parts: Mapping[int, Sequence[str]] | None = None
    reason: str = ""
    closed: bool = True
    sure: bool = False


def apply_rewrite(parent: Sources, text: str, language: str, *, cut: bool = False) -> Sources:
    """Return the child whose code ``text`` gives in full.

    Args:
        parent: gives everything that is frozen, and the files that the reply does not name.
        text: the whole reply.
        language: of the program; Python must compile.
        cut: whether the reply hit the token limit, or may have.

    Raises:
        PatchError: if the code cannot be told for certain, is cut off, or cannot be a child of the parent.
    """
    cutting = files(parent)
    try:
        chosen = _Reading(split(text), cutting, language, cut).chosen()
    except PatchError as problem:
        raise _cut_off() if cut else problem from None
    child = dict(parent)
    for code in chosen:
        if code.path is not None and code.parts is not None:
            child[code.path] = cutting[code.path].text(code.parts)
    return finish(parent, child, language)


class _Reading:
    """One reply while its code is looked for."""

    def __init__(self, lines: Sequence[str], cutting: Mapping[str, File], language: str, cut: bool) -> None:
        self.lines, self.files, self.language, self.cut = lines, cutting, language, cut
        self.targets = [path for path, file in cutting.items() if file.evolvable]
        self.names = {path: names(cutting[path], language) for path in self.targets}
        self.left = _MOST_COMPILED

    def chosen(self) -> list[_Code]:
        """Return the code of each file that the reply rewrites."""
        whole = self._bare()
        if whole is not None:
            return [whole]
        found = self._fenced()
        if not found:
            raise PatchError(f"there is no code in the reply; {_LONGER}")
        [outer, *others] = found
        if (
            not others
            and outer.parts is None
            and outer.closed
            and outer.info.lower() in _WRAPPERS
            and fences(outer.lines)
        ):
            inner = _Reading(outer.lines, self.files, self.language, self.cut).chosen()
            if all(code.closed for code in inner):
                return inner
        paths = [path for path in self.targets if any(code.path == path for code in found)]
        if not paths:
            raise PatchError(f"write ### FILE and the path above the code of each file ({', '.join(self.targets)})")
        for code in found:
            if code.path not in self.targets and code.parts is None and code.info.lower() not in _FOREIGN:
                raise PatchError(code.reason)
        chosen = [self._one(path, [code for code in found if code.path == path]) for path in paths]
        self._nothing_lost(chosen, found)
        return chosen

    def _bare(self) -> _Code | None:
        """Return the reply if all of it is Python, as where its beginning and end were given to the model."""
        if len(self.targets) != 1 or not python(self.targets[0], self.language):
            return None
        lines = list(self.lines)
        while lines and (not lines[0].strip() or heading(lines[0], self.files)):
            lines.pop(0)
        own = self.names[self.targets[0]]
        found = defined(lines, self.language)
        if not found or (own and not own & found and not any(map(marked, lines))):
            return None
        while lines and not lines[-1].strip():
            lines.pop()
        code = self._read(self.targets[0], tuple(lines), 0, len(self.lines))
        if code.parts is None:
            return None
        if self.cut:
            raise _cut_off()
        return code

    def _fenced(self) -> list[_Code]:
        """Return the code in every fence, read from the top."""
        found: list[_Code] = []
        marks = fences(self.lines)
        path: str | None = None
        at = 0
        for number, opening in enumerate(marks):
            if opening.at < at:
                continue
            for line in self.lines[at : opening.at]:
                path = heading(line, self.files) or path
            code = self._code(opening, marks[number + 1 :], path)
            found.append(code)
            at = code.stop
        for line in self.lines[at:]:
            heading(line, self.files)
        return found

    def _code(self, opening: Fence, after: Sequence[Fence], path: str | None) -> _Code:
        """Return the code that ``opening`` begins."""
        skip = 0
        words = opening.info.replace(":", " ").replace("=", " ").replace('"', " ").split()
        info = words[0] if words else ""
        path = next((word for word in words if word in self.files), path)
        if opening.at + 1 < len(self.lines) and (inner := heading(self.lines[opening.at + 1], self.files)):
            path, skip = path or inner, 1
        if path is None and len(self.targets) == 1:
            path = self.targets[0]
        ends = self._ends(opening, after, path)
        readings: list[_Code] = []
        for end in ends:
            stop = end.at if end else len(self.lines)
            content = opening.content(self.lines, stop)[skip:]
            readings.append(self._read(path, content, opening.at, stop + 1, info, closed=end is not None))
        fitting = [code for code in readings if code.parts is not None]
        distinct = {str(code.parts): code for code in fitting}
        if len(distinct) == 1 and (len(ends) <= _MOST_READINGS):
            return fitting[0]
        closing = closings(opening, after)
        first = closing[0] if closing else None
        stop = first.at if first else len(self.lines)
        if distinct or (closing and not readings):
            reason = _ENDLESS
        elif not readings:
            reason = "the code fence is never closed, so the code may be cut off; reply with one that is"
        else:
            reason = readings[0].reason + (
                f"; if the code itself contains code fences, {_LONGER}" if closing[1:] else ""
            )
        content = opening.content(self.lines, stop)[skip:]
        sure = path is not None and self.files[path].marked and any(map(marked, content))
        return _Code(path, content, opening.at, stop + 1, info, None, reason, first is not None, sure)

    def _ends(self, opening: Fence, after: Sequence[Fence], path: str | None) -> list[Fence | None]:
        """Return every fence that could end the code; None is the end of the reply."""
        if path is not None and python(path, self.language):
            possible = closings(opening, after)
            return [*possible[:_MOST_READINGS], *([] if self.cut else [None])]
        ends: list[Fence | None] = [*paired(opening, after)]
        first = all(not line.strip() or heading(line, self.files) for line in self.lines[: opening.at])
        if not any(mark.like(opening) for mark in after) and first and not self.cut:
            ends.append(None)
        return ends

    def _read(
        self, path: str | None, content: tuple[str, ...], start: int, stop: int, info: str = "", *, closed: bool = False
    ) -> _Code:
        """Return what becomes of ``content`` if it is the code of a file."""
        if not closed:
            while content and not content[-1].strip():
                content = content[:-1]
        if path is None:
            reason = f"write ### FILE and the path above the code of each file ({', '.join(self.targets)})"
            return _Code(path, content, start, stop, info, None, reason, closed)
        sure = self.files[path].marked and any(map(marked, content))
        try:
            parts, reason = place(self.files[path], content, self.language), ""
        except PatchError as problem:
            return _Code(path, content, start, stop, info, None, problem.reason, closed, sure)
        if python(path, self.language):
            text = self.files[path].text(parts)
            self.left -= len(text)
            if self.left < 0:
                raise PatchError(f"the reply is too long to tell where its code ends; {_LONGER}")
            reason = fault(text)
            if reason:
                reason = f"{path} would not compile: {reason}; correct it and reply again"
        return _Code(path, content, start, stop, info, None if reason else parts, reason, closed, sure)

    def _one(self, path: str, codes: Sequence[_Code]) -> _Code:
        """Return the one of ``codes`` that is the file."""
        own = self.names[path]
        likely = [code for code in codes if code.sure or own & defined(code.lines, self.language)]
        if not own:
            likely = likely or [code for code in codes if code.info.lower() not in _FOREIGN - {self.language}]
        if not likely:
            raise PatchError(f"the code defines none of {', '.join(sorted(own)) or path}; reply with the whole program")
        whole = [code for code in likely if code.parts is not None and (code.sure or self._complete(path, code))]
        same = {str(code.parts) for code in whole}
        if len(likely) > 1 and (len(same) != 1 or any(code.reason == _ENDLESS for code in likely)):
            raise PatchError(f"{len(likely)} fences could be the program; {_LONGER}")
        code = whole[0] if len(likely) > 1 else likely[0]
        if code.parts is None:
            raise PatchError(code.reason)
        others = [o for o in codes if o is not code and o.info.lower() not in _FOREIGN - {self.language}]
        if others and not whole:
            raise PatchError(f"the reply has several code fences; {_LONGER}")
        return code

    def _complete(self, path: str, code: _Code) -> bool:
        own = self.names[path]
        return bool(own) and own <= defined(code.lines, self.language)

    def _nothing_lost(self, chosen: Sequence[_Code], found: Sequence[_Code]) -> None:
        """Refuse a reply in which code stands outside of what was chosen, or that ended too early."""
        if self.cut:
            code = chosen[0]
            more = any(line.strip() for line in self.lines[code.stop :])
            ended = code.sure or (more and self.language == "python" and self._complete(code.path or "", code))
            if len(self.targets) > 1 or not code.closed or not ended:
                raise _cut_off()
        if not self.cut and any(not code.closed for code in found if code not in chosen):
            raise PatchError(f"the code fences of the reply do not pair up; {_LONGER}")
        missing = frozenset[str]().union(
            *(self.names[code.path] - defined(code.lines, self.language) for code in chosen if code.path)
        )
        if not self.cut and missing and self.language == "python" and any(not code.closed for code in chosen):
            gone = ", ".join(sorted(missing))
            raise PatchError(
                f"the code fence is never closed and {gone} is missing; write the whole program and close it"
            )
        other = [line for code in found if code not in chosen for line in code.lines]
        if missing and any(defined([line], self.language) & missing for line in other):
            raise PatchError(f"part of the program stands in another code fence; {_LONGER}")
        for code in chosen if len(fences(self.lines)) > 2 and self.language != "python" else ():
            before = "\n".join(line for part in self.files[code.path or ""].parts for line in part.lines)
            if _balanced(before) and not _balanced("\n".join(code.lines)):
                raise PatchError(f"the code fence ends before the brackets and comments in it do; {_LONGER}")
        inside = {at for code in found for at in range(code.start, code.stop)}
        outside = [line for at, line in enumerate(self.lines) if at not in inside]
        lost = leftover(outside, [self.files[code.path] for code in chosen if code.path], self.language)
        if lost is not None:
            raise PatchError(f"the line {shown(lost)} stands outside of the code fence; {_LONGER}")


def _balanced(text: str) -> bool:
    """Return whether as many brackets and comments close as open: what a compiler would say of other languages, roughly."""
    return all(text.count(opening) == text.count(closing) for opening, closing in ("()", "[]", "{}", ("/*", "*/")))


def _cut_off() -> PatchError:
    return PatchError(
        "the reply was cut off, or does not show where its code ends: reply again with a shorter program and fewer words, and "
        "close its code fence"
    )
