"""Shapes, and words on what an array holds, that stand next to its name in a docstring, a comment or a brief.

Understood are names of parameters and quoted keys, followed by their dimensions in brackets: ``weight [out, in]``,
``logits and probs: float32 (batch, classes)``, ``stats["norm"]: (in,)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

_SIZE = r"(?:[A-Za-z_][\w.*+]*|\d+)(?:\s*=\s*\w+)?"
_DIMENSIONS = re.compile(rf"[\[(]\s*({_SIZE}(?:\s*(?:,|×|\bx\b)\s*{_SIZE})*)?\s*,?\s*[\])]")
_WORD = re.compile(r"(?P<quote>[\"'])(?P<key>[A-Za-z_]\w*)(?P=quote)|(?P<name>[A-Za-z_]\w*)")
_JOINT = re.compile(r"[\s`\"',\[\]]*(?:(?:and|or|/)[\s`\"']*)?(?:\w+\[[\"'])?")
_WHOLE = re.compile(r"\bu?int\d*\b|\bintegers?\b|\blong\b|\blabels?\b|\bindices\b|\bids\b")
_PLAIN = re.compile(
    r"^[`\"']*\s*(?::|=|is|,)?\s*(?:[^.;\n,()]{0,40}, )?(?:a |the )?(?:python )?(?:float|number|int|fraction|share|scalar)\b",
    re.IGNORECASE,
)
_POSITIVE = re.compile(
    r"\bnon-?negative\b|\bpositive\b|\bnorms?\b|\bsquare[ds]?\b|\bprob|\bmagnitude|\bfisher\b|\bpower\b|\broot\b|\^2|²",
    re.IGNORECASE,
)
_ENTRY = r"\b{name}\[[\"'](\w+)[\"']\]"
_PROSE = re.compile(r"#[^\n]*|\"\"\".*?\"\"\"|'''.*?'''", re.DOTALL)
_TIGHT = re.compile(
    r"[\s`\"'\])]*[:,]?\s*(?:is |are |a |an |the )*"
    r"(?:(?:u?int|float|bool|torch|numpy|np|array|tensor|matrix|matrices|vector|real|dtype|of|with|shaped?|Float|Long)[\w.]*[\s,:]*)*"
)
"""What may stand between a name and its dimensions."""
_SAID = 60
"""How much after them is said of it."""


class Documented:
    """What the words of a file and its task's brief say about ``names``, and about keys."""

    def __init__(self, text: str, brief: str, names: AbstractSet[str]) -> None:
        self.shapes: dict[str, tuple[str, ...]] = {}
        self.keys: list[str] = []
        self.whole: set[str] = set()
        self.plain: set[str] = set()
        self.positive: set[str] = set()
        self.inner: dict[str, list[str]] = {}
        self._names = names
        for words in (*(match[0] for match in _PROSE.finditer(text)), brief):
            self._read(words)
            for name in sorted(names):
                self._entries(words, name)
        self.plain -= self.shapes.keys()

    def _entries(self, words: str, name: str) -> None:
        """Read which entries of a mapping are written about, and which of them are mappings themselves."""
        found = list(re.finditer(_ENTRY.format(name=re.escape(name)), words))
        for match, after in zip(found, [*found, None][1:], strict=True):
            inner = self.inner.setdefault(name, [])
            end = (
                after.start()
                if after and not _JOINT.fullmatch(words[match.end() : after.start()])
                else match.end() + 200
            )
            if re.search(r"\bdicts?\b", words[match.end() : end].split("\n-")[0]) and match[1] not in inner:
                inner.append(match[1])

    def _read(self, words: str) -> None:
        found = [match for match in _WORD.finditer(words) if match["key"] or match["name"] in self._names]
        for match in found:
            if match["name"] and _PLAIN.match(words[match.end() : match.end() + 40]):
                self.plain.add(match["name"])
        at = 0
        for brackets in _DIMENSIONS.finditer(words):
            before = [match for match in found if at <= match.start() and match.end() <= brackets.start()]
            between = words[before[-1].end() : brackets.start()] if before else ""
            if not before or not _TIGHT.fullmatch(between) or self._called(brackets):
                continue
            after = next(
                (match.start() for match in found if match.start() >= brackets.end()),
                len(words),
            )
            said = words[before[-1].start() : min(after, brackets.end() + _SAID)]
            sentence = said.split(";")[0].split(". ")[0].split("\n\n")[0]
            dimensions = (
                [part.split("=")[0].strip() for part in re.split(r",|×|\bx\b", brackets[1])] if brackets[1] else []
            )
            for match in _together(words, before):
                self._note(match, tuple(dimensions), sentence)
            at = brackets.end()

    def _called(self, brackets: re.Match[str]) -> bool:
        """Whether brackets hold a function's parameters."""
        inside = set(re.findall(r"\w+", brackets[0]))
        return bool(inside & self._names) and brackets[0][0] == "("

    def _note(self, match: re.Match[str], shape: tuple[str, ...], said: str) -> None:
        name = match["key"] or match["name"]
        if name in self.shapes:
            return
        self.shapes[name] = shape
        if match["key"]:
            self.keys.append(name)
        if _WHOLE.search(said):
            self.whole.add(name)
        if _POSITIVE.search(said):
            self.positive.add(name)


def _together(words: str, before: list[re.Match[str]]) -> Iterator[re.Match[str]]:
    """Yield the last name before brackets, and those before it that are only joined to it by commas."""
    last = before[-1]
    yield last
    for match in reversed(before[:-1]):
        if not _JOINT.fullmatch(words[match.end() : last.start()]):
            return
        yield match
        last = match
