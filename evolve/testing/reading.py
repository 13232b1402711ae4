"""Finds what a prompt is about, whichever framework wrote it: the program to change, others beside it, the form of reply.

Read are headings and code fences. What decides is what all frameworks have in common: a program stands in a fence under a
heading that says what it is; a fence with nothing but comments is a place to fill in; who asks for edits says SEARCH/REPLACE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from evolve.testing.listener import Request

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+#.-]*)[^`\n]*$")
_HEADING = re.compile(r"^(#{1,6})\s+(.+)$")
_FILE = re.compile(r"^#+\s*FILE\s+(\S.*?)\s*$")
_PARENT = re.compile(
    r"\b(current|parent|incorrect|given) (program|code|solution)|\bprogram to (change|improve|fix|edit)|\bparent\b",
    re.I,
)
_BESIDE = re.compile(r"inspiration|second|other|prior|previous|attempt|history|\btop\b|example|program \d|cross", re.I)
_SCORED = re.compile(r"^(no )?score\b", re.I)
_SAID = re.compile(r"feedback|judge says|error|output|printed|failed|artifact|stderr|stdout", re.I)
_TOLD = re.compile(r"text feedback[^\n]*:\s*\n(.+?)(?=\n#|\Z)", re.I | re.DOTALL)
_EDITS = re.compile(r"<{7} SEARCH|SEARCH/REPLACE")
_REMARK = re.compile(r"^\s*(#|//|--|/\*|\*|\.\.\.|$)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced text: under which heading, of which file where that is said."""

    section: int
    heading: str
    path: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a prompt asks for.

    ``files`` is the program to change, under the paths that the prompt gives, one alone under ``""`` where it gives none;
    empty where no program was found. ``paths`` says whether edits must name their file. ``part`` says whether only what
    stands between the marks is wanted; ``tags`` whether the reply is to be in ShinkaEvolve's tags.
    """

    form: Literal["edits", "rewrite", "verdict", "words"]
    files: Mapping[str, str] = field(default_factory=dict)
    language: str = "python"
    inspirations: tuple[str, ...] = ()
    feedback: str = ""
    fence: str = "```"
    paths: bool = False
    part: bool = False
    tags: bool = False


def understand(request: Request) -> Asked:
    """Return what ``request`` asks for; what the model itself said in it is left out."""
    prompt = "\n\n".join(text for role, text in request.messages if role != "assistant")
    blocks, prose = _blocks(prompt)
    if "NOT_NOVEL" in prose:
        return Asked("verdict")
    programs = [block for block in blocks if not _said(block) and not _empty(block)]
    parent = _parent(programs)
    if not parent:
        return Asked("words")
    opens = re.search(r"opens with (`{3,}|~{3,})", prose)
    return Asked(
        form="edits" if _EDITS.search(prose) else "rewrite",
        files={block.path: block.text for block in parent},
        language=parent[0].language or "python",
        inspirations=tuple(block.text for block in programs if block.section != parent[0].section),
        feedback="\n".join([*(block.text for block in blocks if _said(block)), *_TOLD.findall(prose)[-1:]]).strip(),
        fence=opens[1] if opens else "```",
        paths="### FILE and its path" in prose or len(parent) > 1,
        part="first line is the line with EVOLVE-BLOCK-START" in prose,
        tags="<NAME>" in prose,
    )


def _parent(programs: list[Block]) -> list[Block]:
    """Return the blocks of the program to change: one, or each file of one."""
    named = [block for block in programs if _PARENT.search(block.heading) and not _BESIDE.search(block.heading)]
    rest = [block for block in programs if not _BESIDE.search(block.heading) and not _SCORED.match(block.heading)]
    marked = [block for block in rest if "EVOLVE-BLOCK-START" in block.text]
    found = named or marked or rest or programs
    if not found:
        return []
    section = [block for block in found if block.section == found[-1].section]
    return section if all(block.path for block in section) else section[:1]


def _said(block: Block) -> bool:
    named = _PARENT.search(block.heading) or _SCORED.match(block.heading)
    return bool(_SAID.search(block.heading)) and not named


def _empty(block: Block) -> bool:
    marks = "EVOLVE-BLOCK" in block.text
    return "<<<<<<< SEARCH" in block.text or (not marks and all(map(_REMARK.match, block.text.splitlines())))


def _blocks(prompt: str) -> tuple[list[Block], str]:
    """Return the fenced texts of ``prompt``, and what stands outside of them."""
    blocks: list[Block] = []
    prose: list[str] = []
    section, heading, path = 0, "", ""
    lines = iter(prompt.splitlines())
    for line in lines:
        opened = _FENCE.match(line)
        if opened:
            text = _until(lines, opened["fence"])
            blocks.append(Block(section, heading, path, opened["language"], text))
            path = ""
            continue
        prose.append(line)
        named = _FILE.match(line)
        title = _HEADING.match(line)
        if named:
            path = named[1]
        elif title:
            section, heading, path = section + 1, title[2], ""
    return blocks, "\n".join(prose)


def _until(lines: Iterator[str], fence: str) -> str:
    """Return the lines up to the one that closes ``fence``."""
    taken: list[str] = []
    for line in lines:
        if line.startswith(fence) and not line.strip(fence[0] + " \t"):
            break
        taken.append(line)
    return "\n".join(taken) + "\n" if taken else ""
