"""Looks for replies that become a wrong program: renders random edits and rewrites of random programs as models write
them, spoils most of them, and applies them.

    python bench/edits.py [--edits 1000000] [--seed 0] [--processes 2] [--only N]

A reply must become exactly the child that was meant, or be refused with a reason. A spoilt reply may become another
program, since nobody can know what was meant, but one that compiles, differs from its parent inside the evolve block
alone, and still ends with the statement that every version of the program ends with: losing that is a program cut
short. Anything else, and any exception but `PatchError`, is a finding. Printed: how many replies of each kind were
applied exactly, otherwise, and refused, and each finding with its number (``--only`` runs one again and shows it).
Exit status 1 if there is any finding.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from random import Random

from evolve import blocks
from evolve.errors import TaskError
from evolve.normal import compiles
from evolve.patch import PatchError, apply_edits, apply_rewrite, describe
from evolve.records import Sources

LAST = "SENTINEL"
PROSE = (
    "Here is the improved version.",
    "Idea: pull the circles apart before they are packed.",
    "I would change `step`; the rest may stay.",
    "**Change:** use a larger factor",
    "",
    "Let me think about this… the old one was too slow → fewer loops.",
    "- first, a bullet",
    "# Plan",
)
AFTER = ("", "This should score higher.", "Note that nothing else has changed.", "Good luck!\n\nBye.")
BODY = (
    "total = total + {n}",
    "for k in range({n}):\n    total += k * {n}",
    "if total > {n}:\n    total = -total\nelse:\n    total += 1",
    "text = 'é → ü {n}'",
    "x, y = {n}, total",
    "total -= 1  # nudge {n}",
    'note = """\n```\nlook {n}\n```\n"""',
    'note = """Title\n=======\nmore {n}\n"""',
    "note = '''\n```python\ndef step0(): return {n}\n```\n'''",
    'note = """\n<<<<<<<< not a block {n}\n"""',
    "",
    "total = [\n    total,\n\n    {n},\n][0]",
)
BODY_C = (
    "total = total + {n};",
    "for (int k = 0; k < {n}; k++) {{\n    total += k;\n}}",
    "if (total > {n}) {{\n    total = 1;\n}}",
    "/*\n```sh\nmake {n}\n```\n*/",
    "/* Title\n   =======\n   {n} */",
    "",
)
JUNK = (
    *("```", "````", "```python", "=======", "<<<<<<< SEARCH", ">>>>>>> REPLACE", "# EVOLVE-BLOCK-START"),
    *(
        "# EVOLVE-BLOCK-END",
        "### FILE other.py",
        "### FILE main.py",
        "",
        "...",
        '"""',
        "~~~",
        "some prose here",
        "\u2028",
    ),
)


@dataclass(frozen=True)
class Case:
    """One reply and what it was meant to be."""

    parent: Sources
    child: Sources
    language: str
    kind: str
    reply: str
    cut: bool = False
    spoilt: bool = False


def program(rng: Random, language: str) -> list[list[str]]:
    """Return the chunks of lines that an evolve block consists of, the last of them the statement to be kept."""
    chunks = [function(rng, language, number) for number in range(rng.randint(1, 4))]
    last = f"{LAST} = {rng.randint(0, 9)}" if language == "python" else f"int {LAST} = {rng.randint(0, 9)};"
    return [*chunks, [last]]


def function(rng: Random, language: str, number: int) -> list[str]:
    """Return the lines of one function, and perhaps blank ones after it."""
    python = language == "python"
    indent = rng.choice(("    ", "    ", "\t", "  "))
    pool = BODY if python else BODY_C
    lines = [f"def step{number}(total):" if python else f"int step{number}(int total) {{"]
    inside = False
    for _ in range(rng.randint(1, 4)):
        for line in rng.choice(pool).format(n=rng.randint(0, 99)).split("\n"):
            raw = inside
            inside ^= line.count('"""') % 2 == 1 or line.count("'''") % 2 == 1
            lines.append(line if raw or not line else indent + line.replace("    ", indent))
    lines.append(indent + ("return total" if python else "return total;"))
    lines += [] if python else ["}"]
    return lines + [""] * rng.randint(0, 2)


def changed(rng: Random, chunks: list[list[str]], language: str) -> list[list[str]]:
    """Return the chunks with one to three of them edited, added or dropped."""
    new = [list(chunk) for chunk in chunks]
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(new))
        chance = rng.random()
        if chance < 0.5 and at < len(new) - 1:
            new[at] = function(rng, language, at)
        elif chance < 0.7:
            new.insert(at, function(rng, language, 10 + rng.randrange(90)))
        elif chance < 0.8 and len(new) > 2 and at < len(new) - 1:
            del new[at]
        elif language == "python":
            new[-1] = [f"{LAST} = {rng.randint(10, 99)}"]
        else:
            new[-1] = [f"int {LAST} = {rng.randint(10, 99)};"]
    return new


def case(seed: int) -> Case:
    """Return the case with this number."""
    rng = Random(seed)
    language = "python" if rng.random() < 0.85 else "c"
    suffix = ".py" if language == "python" else ".c"
    sign = "#" if language == "python" else "//"
    old = program(rng, language)
    new = changed(rng, old, language)
    marks = rng.random() < 0.6
    head = [
        f"{sign} frozen",
        "import math" if language == "python" else "#include <math.h>",
        f"{sign} EVOLVE-BLOCK-START",
    ]
    tail = [f"{sign} EVOLVE-BLOCK-END"]
    if rng.random() < 0.5:
        tail += ["", "def judge(x):", "    return x"] if language == "python" else ["int judge(int x) { return x; }"]
    newline = rng.choice(("\n", "\n", "\r\n"))
    final = newline if rng.random() < 0.85 else ""
    bom = "\ufeff" if rng.random() < 0.05 else ""

    def file(chunks: list[list[str]]) -> str:
        lines = [line for chunk in chunks for line in chunk]
        return bom + newline.join([*head, *lines, *tail] if marks else lines) + final

    path = "main" + suffix
    others = {f"lib/other{suffix}": f"{sign} other\nvalue = 1\n"} if rng.random() < 0.25 else {}
    parent, child = {path: file(old), **others}, {path: file(new), **others}
    edits = rng.random() < 0.5
    render = edited if edits else rewritten
    several = bool(others) and not marks
    reply = render(rng, Shape(language, path, several, head if marks else [], tail if marks else []), old, new)
    found = Case(parent, child, language, "edits" if edits else "rewrite", reply)
    if rng.random() < 0.05:
        found = replace(found, reply=found.reply.replace("\n", "\r\n"))
    return spoil(rng, found) if rng.random() < 0.75 else found


@dataclass(frozen=True)
class Shape:
    """What a renderer needs to know of the file."""

    language: str
    path: str
    several: bool
    head: Sequence[str]
    tail: Sequence[str]


def heading(rng: Random, shape: Shape) -> list[str]:
    """Return the heading that names the file, where one is needed or by chance."""
    if not shape.several and rng.random() < 0.8:
        return []
    forms = ("### FILE {}", "### FILE `{}`", "**File: {}**", "## `{}`", "FILE {}:", "### FILE {} (changed)")
    return [rng.choice(forms).format(shape.path)]


def edited(rng: Random, shape: Shape, old: list[list[str]], new: list[list[str]]) -> str:
    """Render the difference as SEARCH/REPLACE blocks, each with enough lines around it: one, or one for each change."""
    before = [line for chunk in old for line in chunk]
    after = [line for chunk in new for line in chunk]
    codes = [
        code[1:] for code in SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if code[0] != "equal"
    ]
    spans = [_widened(rng, before, *code) for code in codes] if rng.random() < 0.5 else []
    if not spans or any(a[1] >= b[0] for a, b in pairwise(spans)):
        first, last = (codes[0], codes[-1]) if codes else ((0, 0, 0, 0), (0, 1, 0, 1))
        spans = [_widened(rng, before, first[0], last[1], first[2], last[3])]
    rng.shuffle(spans)
    out: list[str] = []
    fenced = rng.random() < 0.5
    for start, stop, begin, end in spans:
        out += [*block(rng, before[start:stop], after[begin:end]), *([rng.choice(PROSE)] if not fenced else [""])]
    return decorated(rng, shape, out, fenced=fenced)


def _widened(
    rng: Random, lines: Sequence[str], start: int, stop: int, begin: int, end: int
) -> tuple[int, int, int, int]:
    """Return a stretch of the old lines and of the new ones with equal lines around them, so that the old occur once."""
    around = rng.randint(0, 3)
    while True:
        up, down = min(around, start, begin), min(around, len(lines) - stop)
        search = lines[start - up : stop + down]
        if around > len(lines) or (any(line.strip() for line in search) and _once(search, lines)):
            return start - up, stop + down, begin - up, end + down
        around += 1


def block(rng: Random, search: Sequence[str], replacement: Sequence[str]) -> list[str]:
    """Return the lines of one block, with the freedoms that models take."""
    shift = rng.choice(("", "", "", "  ", "\t"))
    signs = rng.choice((7, 7, 7, 7, 5, 6, 9))
    return [
        "<" * signs + " SEARCH" + rng.choice(("", "", " ", ":")),
        *(shift + line if line.strip() else line for line in search),
        "=" * signs + rng.choice(("", "", "  ")),
        *(shift + line if line.strip() else line for line in replacement),
        ">" * signs + rng.choice((" REPLACE", " REPLACE", "REPLACE", " REPLACE  ")),
    ]


def _once(search: Sequence[str], lines: Sequence[str]) -> bool:
    wanted, text = ("\n" + "\n".join(line.strip() for line in some) + "\n" for some in (search, lines))
    return text.find(wanted) == text.rfind(wanted)


def rewritten(rng: Random, shape: Shape, old: list[list[str]], new: list[list[str]]) -> str:
    """Render the whole new file, or what is inside its marks."""
    code = [line for chunk in new for line in chunk]
    if shape.head and rng.random() < 0.8:
        code = [*shape.head, *code, *shape.tail]
    chance = rng.random()
    if chance < 0.06 and not shape.several:
        return "\n".join(code) + "\n"
    if chance < 0.15:
        return "\n".join([*heading(rng, shape), "```" + shape.language, *code])
    return decorated(rng, shape, code, fenced=True)


def decorated(rng: Random, shape: Shape, lines: Sequence[str], *, fenced: bool) -> str:
    """Put prose, a heading and a fence around ``lines``, as models do."""
    out = [rng.choice(PROSE) for _ in range(rng.randint(0, 3))]
    fence = rng.choice(("```", "```", "```", "````", "~~~", "  ```"))
    title = heading(rng, shape)
    info = shape.language if rng.random() < 0.8 else ""
    out += title
    out += [fence + info, *lines, fence] if fenced else lines
    out += [rng.choice(AFTER)]
    if rng.random() < 0.15:
        out += ["Run it:", "```bash", "python main.py", "```"]
    return "\n".join(out)


def spoil(rng: Random, case: Case) -> Case:
    """Return the case with its reply spoilt in one to three ways.

    The last statement is only lost by cutting the reply. The endpoint tells that (``cut``), or fails to tell it of edits
    that are spoilt in no other way: with an end marker in the wrong place before the cut nobody could know.
    """
    lines = case.reply.split("\n")
    cut = False
    times = rng.choice((1, 1, 1, 2, 3))
    for _ in range(times):
        if not cut and rng.random() < 0.2:
            text = "\n".join(lines)
            lines, cut = text[: rng.randint(0, len(text))].split("\n"), True
        else:
            rng.choice(SPOILERS)(rng, lines)
    told = case.kind == "rewrite" or times > 1 or rng.random() < 0.5
    return replace(case, reply="\n".join(lines), cut=cut and told, spoilt=True)


def _free(rng: Random, lines: Sequence[str], likely: Callable[[str], bool] = lambda line: True) -> int | None:
    free = [at for at, line in enumerate(lines) if LAST not in line and likely(line)]
    return rng.choice(free) if free else None


def _special(line: str) -> bool:
    return line.lstrip()[:3] in ("```", "~~~", "<<<", "===", ">>>", "###", '"""') or "EVOLVE" in line or '"""' in line


def drop(rng: Random, lines: list[str]) -> None:
    """Lose a line."""
    if (at := _free(rng, lines)) is not None:
        del lines[at]


def drop_special(rng: Random, lines: list[str]) -> None:
    """Lose a fence, marker, mark or heading."""
    if (at := _free(rng, lines, _special)) is not None:
        del lines[at]


def double(rng: Random, lines: list[str]) -> None:
    """Repeat a line."""
    if (at := _free(rng, lines)) is not None:
        lines.insert(at, lines[at])


def double_special(rng: Random, lines: list[str]) -> None:
    """Repeat a fence, marker, mark or heading."""
    if (at := _free(rng, lines, _special)) is not None:
        lines.insert(at, lines[at])


def junk(rng: Random, lines: list[str]) -> None:
    """Add a line that means something elsewhere."""
    lines.insert(rng.randint(0, len(lines)), rng.choice(JUNK))


def swap(rng: Random, lines: list[str]) -> None:
    """Exchange two neighbouring lines."""
    at = _free(rng, lines[:-1])
    if at is not None:
        lines[at], lines[at + 1] = lines[at + 1], lines[at]


def dent(rng: Random, lines: list[str]) -> None:
    """Change the indentation of a line."""
    if (at := _free(rng, lines)) is not None:
        lines[at] = rng.choice((lines[at].lstrip(), " " + lines[at], "    " + lines[at], "\t" + lines[at]))


def letter(rng: Random, lines: list[str]) -> None:
    """Change one character of a line."""
    if (at := _free(rng, lines)) is not None and lines[at]:
        spot = rng.randrange(len(lines[at]))
        lines[at] = lines[at][:spot] + rng.choice("`<=>#\"'\\\x00\r\x0c\ud800é ") + lines[at][spot + 1 :]


def again(rng: Random, lines: list[str]) -> None:
    """Repeat a stretch of lines at the end."""
    start = rng.randint(0, len(lines))
    lines += lines[start : start + rng.randint(1, 12)]


SPOILERS = (drop, drop_special, drop_special, double, double_special, junk, junk, swap, dent, letter, again)


def judge(case: Case) -> tuple[str, str]:
    """Apply a case. Returns what became of it, and the finding if it is one."""
    apply = apply_edits if case.kind == "edits" else apply_rewrite
    try:
        got = apply(case.parent, case.reply, case.language, cut=case.cut)
    except PatchError as refusal:
        return "refused", "" if refusal.reason.strip() else "refused without a reason"
    except Exception as problem:  # noqa: BLE001 - whatever it is, it is what we look for
        return "finding", f"{type(problem).__name__}: {problem}"
    if len(describe(case.parent, got, case.reply)) > 120:
        return "finding", "the description is too long"
    if got == case.child:
        return "exact", ""
    if not case.spoilt:
        return "finding", "not the child that was meant"
    return "other", _wrong(case, got)


def _wrong(case: Case, got: Sources) -> str:
    try:
        if wrong := blocks.breach(case.parent, got):
            return wrong
    except TaskError as problem:
        return str(problem)
    main = next(iter(case.parent))
    if f"{LAST} = " not in got[main]:
        return "the program was cut short"
    if case.language == "python" and not all(compiles(text.removeprefix("\ufeff")) for text in got.values()):
        return "it does not compile"
    return ""


def search(seed: int, first: int, count: int) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Run ``count`` cases from number ``first`` on. Returns how many became what, and the findings."""
    tally: Counter[str] = Counter()
    findings: list[tuple[int, str]] = []
    for number in range(first, first + count):
        found = case(seed * 1_000_000_007 + number)
        became, finding = judge(found)
        if finding:
            findings.append((number, finding))
            became = "finding"
        tally[f"{found.kind}, {'spoilt' if found.spoilt else 'clean'}: {became}"] += 1
    return tally, findings


def _search(job: tuple[int, int, int]) -> tuple[Counter[str], list[tuple[int, str]]]:
    return search(*job)


def show(seed: int, number: int) -> int:
    found = case(seed * 1_000_000_007 + number)
    became, finding = judge(found)
    for path, text in found.parent.items():
        print(f"--- parent {path}\n{text}")
    print(f"--- reply ({found.kind}, spoilt {found.spoilt}, cut {found.cut})\n{found.reply}\n--- {became}: {finding}")
    try:
        got = (apply_edits if found.kind == "edits" else apply_rewrite)(
            found.parent, found.reply, found.language, cut=found.cut
        )
    except PatchError as refusal:
        print(refusal.reason)
    else:
        print(*got.values(), sep="\n---\n")
    return int(bool(finding))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--edits", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", type=int, help="the number of the one case to run and show")
    options = parser.parse_args(arguments)
    if options.only is not None:
        return show(options.seed, options.only)
    step = 5_000
    jobs = [(options.seed, n, min(step, options.edits - n)) for n in range(0, options.edits, step)]
    tally: Counter[str] = Counter()
    findings: list[tuple[int, str]] = []
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for counted, found in pool.imap_unordered(_search, jobs):
            tally += counted
            findings += found
    seconds = time.monotonic() - began
    print(
        f"{options.edits} edits, seed {options.seed}, {seconds:.0f} s, {options.edits / max(seconds, 1e-9):.0f} a second"
    )
    for became, count in sorted(tally.items()):
        print(f"{became:32} {count:9}")
    print(f"findings: {len(findings)}")
    for number, finding in sorted(findings)[:50]:
        print(f"  --seed {options.seed} --only {number}: {finding}")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
