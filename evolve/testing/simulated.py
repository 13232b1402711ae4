"""Models that cost nothing: one that edits programs with a stated skill, one that ignores its prompt, and a toy for them.

with ScriptedServer({"good": Staircase.model(skill=0.5), "poor": Staircase.model(skill=0.1)}) as server: ...
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random
from threading import Lock

from evolve.testing import edits
from evolve.testing.edits import Change
from evolve.testing.listener import Request
from evolve.testing.reading import Asked, understand
from evolve.testing.replies import Answer, Price


class SimulatedLLM:
    """Finds the program to change in any framework's prompt and edits it, in the form that the prompt asks for.

    What it answers depends on its seed, the model's name, the conversation, and how often it has had this very
    conversation before, never on what else was asked meanwhile: a run with many workers repeats exactly.

    An edit keeps to what stands between ``EVOLVE-BLOCK`` marks. Asked whether a program is new, it says that it is; where it
    finds no program, it answers with words alone.

    Args:
        skill: the probability that an edit is a good one, made by ``improve``.
        improve: makes a truly better text of the text that may change; `edits.nudge` where not given, which may help.
        worsen: makes the other edits, which are not to help.
        error_rate: the probability of a reply that cannot be used: words alone, code that is cut off, a broken edit.
        repetition: the probability of the reply that it always gives for this program in this form, verbatim, whatever
            else the prompt says.
        latency: seconds to a reply, or the least and the most; the server's where not given.
        price: dollars for a million tokens, of prompt and of reply; the server's where not given.
        seed: of its choices.
    """

    def __init__(
        self,
        skill: float = 0.5,
        *,
        improve: Change | None = None,
        worsen: Change = edits.shake,
        error_rate: float = 0.0,
        repetition: float = 0.0,
        latency: float | tuple[float, float] | None = None,
        price: Price | None = None,
        seed: int = 0,
    ) -> None:
        self._skill, self._improve, self._worsen = skill, improve or edits.nudge, worsen
        self._error_rate, self._repetition = error_rate, repetition
        self._latency, self._price, self._seed = latency, price, seed
        self._lock = Lock()
        self._seen: Counter[bytes] = Counter()

    def __call__(self, request: Request) -> Answer:
        """Answer ``request``."""
        conversation = hashlib.sha256(json.dumps([request.model, request.messages]).encode()).digest()
        with self._lock:
            again = self._seen[conversation]
            self._seen[conversation] += 1
        rng = self._random(conversation.hex(), str(again))
        latency = rng.uniform(*self._latency) if isinstance(self._latency, tuple) else self._latency
        asked = understand(request)
        if rng.random() < self._repetition:
            rng = self._random(request.model, asked.form, json.dumps(sorted(asked.files.items())))
        return replace(self._answer(asked, rng), latency=latency, price=self._price)

    def _random(self, *what: str) -> Random:
        return Random("\n".join([str(self._seed), *what]))

    def _answer(self, asked: Asked, rng: Random) -> Answer:
        if asked.form == "verdict":
            return Answer("NOVEL\nThe two differ in what they compute.")
        wrong, good = rng.random() < self._error_rate, rng.random() < self._skill
        edit = _edited(asked, (self._improve, self._worsen) if good else (self._worsen,), rng)
        if edit is None:
            return Answer("I see nothing here that I could change.")
        path, text = edit
        fault = rng.choice(("words", "cut", "broken")) if wrong else None
        if fault == "words":
            return Answer("The program looks good already. One could try a larger step, or a smaller one.")
        if fault == "broken":
            return Answer(_broken(asked, path, rng))
        whole = _said(asked, path, _code(asked, asked.files[path], text))
        if fault == "cut":
            end = whole.rindex(">>>>>>> REPLACE" if asked.form == "edits" else asked.fence)
            return Answer(whole[: end - (end - len(whole) // 2) // 2], finish="length")
        return Answer(whole)


def _edited(asked: Asked, changes: Sequence[Change], rng: Random) -> tuple[str, str] | None:
    """Return the first file, with its new text, in which the first of ``changes`` that can changes something."""
    marked = {path: text for path, text in asked.files.items() if edits.START in text}
    for how in changes:
        for path, text in (marked or asked.files).items():
            new = edits.change(text, how, rng)
            if new is not None:
                return path, new
    return None


def _code(asked: Asked, old: str, new: str) -> str:
    if asked.form == "edits":
        return edits.block(old, new)
    text = edits.between_marks(new) if asked.part else new
    return f"{asked.fence}{asked.language}\n{text.rstrip()}\n{asked.fence}"


def _broken(asked: Asked, path: str, rng: Random) -> str:
    """Return a reply that misremembers the program: an edit of lines that are not there, or code that does not parse."""
    if asked.form == "edits":
        return _said(asked, path, edits.block("def misremembered(): ...\n", "def corrected(): ...\n"))
    text = edits.change(asked.files[path], lambda part, _: part + "def misremembered(:\n", rng)
    return _said(asked, path, _code(asked, asked.files[path], text or ""))


def _said(asked: Asked, path: str, code: str) -> str:
    """Return a reply with ``code`` in it, in the form that is asked for."""
    idea = f"change the program a little, with {len(asked.inspirations)} others in mind"
    if asked.feedback:
        idea += f", since it was said: {' '.join(asked.feedback.split())[:80]!r}"
    if asked.paths and path:
        code = f"### FILE {path}\n{code}"
    if not asked.tags:
        return f"Idea: {idea}.\n\n{code}\n"
    tag = "DIFF" if asked.form == "edits" else "CODE"
    return f"<NAME>\nsmall_change\n</NAME>\n\n<DESCRIPTION>\n{idea}.\n</DESCRIPTION>\n\n<{tag}>\n{code}\n</{tag}>\n"


class NullModel:
    """Ignores its prompt: answers with one text, or with several in turn.

    What a framework achieves with it, it achieves without the model.
    """

    def __init__(self, *texts: str) -> None:
        self._texts = texts or ("I have no idea.",)
        self._turn = count()

    def __call__(self, request: Request) -> Answer:
        """Answer ``request`` with a text that has nothing to do with it."""
        return Answer(self._texts[next(self._turn) % len(self._texts)])


class Staircase:
    """A toy whose good edits are known: ``level()`` returns ``LEVEL``, and its score is that.

    A good edit makes ``LEVEL`` one more. Any edit draws ``SPARE`` anew, which does nothing: so no two are the same program
    and novelty refuses none. The skill of a model on it is the true probability that a child beats its parent.
    """

    BRIEF = "Make level() return a larger number."
    PROGRAM = """\
# EVOLVE-BLOCK-START
LEVEL = 0
SPARE = 0


def level():
    return LEVEL
# EVOLVE-BLOCK-END
"""
    EVALUATE = """\
def evaluate(candidate):
    return {"score": float(candidate.call("level"))}
"""

    @staticmethod
    def better(text: str, rng: Random) -> str | None:
        """Return ``text`` one level higher; None where it has no level."""
        found = _LEVEL.search(text)
        if found is None:
            return None
        return Staircase.other(f"{text[: found.start(1)]}{int(found[1]) + 1}{text[found.end(1) :]}", rng)

    @staticmethod
    def other(text: str, rng: Random) -> str | None:
        """Return ``text`` with another ``SPARE``, on the same level."""
        return _SPARE.sub(f"SPARE = {rng.randrange(10**12)}", text)

    @staticmethod
    def model(
        skill: float,
        *,
        error_rate: float = 0.0,
        latency: float | tuple[float, float] | None = None,
        price: Price | None = None,
        seed: int = 0,
    ) -> SimulatedLLM:
        """Return a model whose edits succeed with probability ``skill``, where they are no errors."""
        return SimulatedLLM(
            skill,
            improve=Staircase.better,
            worsen=Staircase.other,
            error_rate=error_rate,
            latency=latency,
            price=price,
            seed=seed,
        )

    @staticmethod
    def write(folder: Path) -> Path:
        """Write the toy as a task into ``folder``, made where it is missing, and return it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "task.toml").write_text(f'brief = "{Staircase.BRIEF}"\n[limits]\nseconds = 10\nmemory = "256 MiB"\n')
        (folder / "initial.py").write_text(Staircase.PROGRAM)
        (folder / "evaluate.py").write_text(Staircase.EVALUATE)
        return folder


_LEVEL = re.compile(r"^LEVEL = (\d+)", re.MULTILINE)
_SPARE = re.compile(r"^SPARE = \d+", re.MULTILINE)
