"""Where the code of a full rewrite goes: into the evolve blocks of its file, and nowhere else.

What a model writes outside of the marks is compared with the parent and dropped, since it stays as it was; what differs
there is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evolve.blocks import END, START
from evolve.patch.lines import BOM, File, PatchError, marked, shown
from evolve.patch.names import defined

_REMARKS = ("#", "//", "...", "…")
_AGAIN = "reply with the whole file, its EVOLVE-BLOCK marks included"


def place(file: File, code: Sequence[str], language: str) -> dict[int, list[str]]:
    """Return the new lines of each part of ``file`` that ``code`` makes.

    Raises:
        PatchError: if that is not clear, or would change what is frozen.
    """
    code = [code[0].removeprefix(BOM), *code[1:]] if code else []
    if not any(line.strip() for line in code):
        raise PatchError("the code is empty")
    marks = any(marked(line) for line in code)
    if not file.marked:
        if marks:
            raise PatchError(f"{file.path} has no EVOLVE-BLOCK marks; add none")
        return {0: code}
    numbers = [number for number, part in enumerate(file.parts) if part.evolvable]
    if not numbers:
        if _squeezed(code) == _squeezed(line for part in file.parts for line in part.lines):
            return {}
        raise PatchError(f"{file.path} has no evolve block and may not change; leave it out")
    if marks:
        inside = dict(zip(numbers, _between(file, code, len(numbers)), strict=True))
        if any(not any(map(str.strip, lines)) and not file.parts[number].blank for number, lines in inside.items()):
            raise PatchError(f"an evolve block of {file.path} would be empty; {_AGAIN}")
        return inside
    if len(numbers) > 1:
        raise PatchError(f"the marks of the {len(numbers)} evolve blocks of {file.path} are missing; {_AGAIN}")
    return {numbers[0]: _inside(file, numbers[0], code, language)}


def _between(file: File, code: Sequence[str], blocks: int) -> list[list[str]]:
    """Return what stands between the marks of ``code``."""
    inside: list[list[str]] = []
    outside: list[list[str]] = [[]]
    opened = False
    for line in code:
        if START in line or END in line:
            if (START in line) is opened:
                raise PatchError(f"the mark {shown(line)} has no counterpart; {_AGAIN}")
            opened = not opened
            (inside if opened else outside).append([])
        else:
            (inside if opened else outside)[-1].append(line)
    if opened:
        raise PatchError(f"{END} is missing, so the code may be cut off; {_AGAIN}")
    if len(inside) != blocks:
        raise PatchError(f"{file.path} has {blocks} evolve block(s), the reply {len(inside)}; {_AGAIN}")
    for theirs, ours in zip(outside, _frozen(file), strict=True):
        known = iter(_squeezed(ours))
        for line in theirs:
            remark = line.lstrip().startswith(_REMARKS)
            if line.strip() and not remark and _squeeze(line) not in known:
                raise PatchError(
                    f"the line {shown(line)} stands outside the evolve block, where nothing may change; move what is new "
                    "between the marks and repeat the rest as it is"
                )
    return inside


def _frozen(file: File) -> list[list[str]]:
    """Return the frozen lines before the first block, between each two and after the last, without marks."""
    regions: list[list[str]] = [[]]
    for part in file.parts:
        if part.evolvable:
            regions.append([])
        else:
            regions[-1] += [line for line in part.lines if not marked(line)]
    return regions


def _inside(file: File, number: int, code: list[str], language: str) -> list[str]:
    """Return what of ``code`` without marks belongs into the only block: all but what repeats the frozen lines around."""
    before, after = _frozen(file)
    block = _squeezed(file.parts[number].lines)
    head, tail = _squeezed(before), _squeezed(after)
    top = _repeated(_squeezed(code), head, block)
    bottom = _repeated(_squeezed(code)[::-1], tail[::-1], block[::-1])
    kept = _without(_without(code, top)[::-1], bottom)[::-1]
    if not any(line.strip() for line in kept):
        raise PatchError(f"the code holds nothing for the evolve block; {_AGAIN}")
    twice = sorted(defined(kept, language) & (defined(before, language) | defined(after, language)))
    if twice:
        raise PatchError(f"the marks are missing and the code defines {', '.join(twice)} of the frozen part; {_AGAIN}")
    return kept


def _repeated(code: Sequence[str], frozen: Sequence[str], block: Sequence[str]) -> int:
    """Return how many lines at the beginning of ``code`` are the frozen ones beside the block, all or none of them."""
    if not frozen:
        return 0
    if list(code[: len(frozen)]) == list(frozen):
        return len(frozen)
    partly = any(
        list(code[:count]) in (list(frozen[:count]), list(frozen[-count:]))
        for count in range(1, min(len(frozen), len(code)) + 1)
        if code[0] == frozen[0] or code[0] == frozen[-count]
    )
    if partly and code[:1] != block[:1]:
        raise PatchError(f"the marks are missing and only a part of the frozen lines is repeated; {_AGAIN}")
    return 0


def _without(code: list[str], count: int) -> list[str]:
    """Return ``code`` without its first ``count`` lines that are not blank, and the blank ones after them."""
    at = 0
    while count or (at and at < len(code) and not code[at].strip()):
        count -= bool(code[at].strip())
        at += 1
    return code[at:]


def _squeezed(lines: Iterable[str]) -> list[str]:
    return [_squeeze(line) for line in lines if line.strip()]


def _squeeze(line: str) -> str:
    return "".join(line.split())
