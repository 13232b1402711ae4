"""Renders ``prompts/*.j2`` into what an arm is asked, within a budget of tokens. The only reader of ``prompts/``.

What is the same for a whole run comes first, in the system message, so that a provider's cache of prefixes serves it; what
varies follows in the user's message, the program to change last.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError, meta

from evolve import blocks, wording
from evolve.errors import ConfigError, TaskError
from evolve.languages import LANGUAGES
from evolve.lengths import BYTES_PER_TOKEN, tokens
from evolve.material import LEAST, File, Material, Measured, Note, Shown
from evolve.records import Background, Evaluation, Given, Message, Metric, Program, Prompt, Proposal, Reply, Task, Tried
from evolve.resources import folder
from evolve.seams import Stop

Kind = Literal["edits", "rewrite", "folder"]
NAMES = ("diff", "full", "cross", "fix", "command")
"""The templates of a user's message; ``system`` stands before each, ``correct`` after a reply that cannot be used."""
KNOWLEDGE_SHARE = 0.25
"""The share of the budget that a task's notes may take."""
REPLY_SHARE = 0.25
"""The share of the budget that a reply may take when it is shown again to be corrected."""
ERROR, OUTPUT = 4000, 1500
"""The most characters of an error and of what a failed program printed: the ends are kept, where tracebacks say why."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a reply is to look. ``fence`` is the fence that its code stands in; ``mark`` whether that code is what stands
    between the marks; ``begin`` and ``stop`` as in `Prompt`; ``focus`` the function that ``begin`` begins to change.
    """

    kind: Kind
    fence: str = "```"
    mark: bool = False
    begin: str = ""
    stop: tuple[str, ...] = ()
    focus: str = ""


class Prompts:
    """The templates of one run, loaded and compiled once, with what is the same in all its prompts.

    A template is looked for in the task's folder ``prompts/``, in the user's ``evolve/prompts`` among the settings
    (``$XDG_CONFIG_HOME``, else ``~/.config``), and in the package's.
    """

    def __init__(self, task: Task, tokens: int, *, knowledge: bool = True) -> None:
        """Load them.

        Args:
            task: what is evolved.
            tokens: about how long a prompt may be.
            knowledge: show the notes in the task's folder ``knowledge/``.

        Raises:
            TaskError: if a template of the task's cannot be used.
            ConfigError: if another one cannot.
        """
        self.task = task
        self.tokens = tokens
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        own = [task.folder / "prompts"] if task.folder else []
        self._loader = FileSystemLoader([*own, settings / "evolve" / "prompts", folder("prompts")])
        self._environment = Environment(
            loader=self._loader,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            auto_reload=False,
        )
        self._environment.filters.update(wording.FILTERS)
        self._digest = cache(self._hashed)
        cut = blocks.segments(task.initial)
        editable = [path for path, parts in sorted(cut.items()) if any(part.evolvable for part in parts)]
        self._frozen = tuple(sorted(set(cut) - set(editable), key=lambda path: (-len(task.initial[path]), path)))
        self._fixed: Mapping[str, Any] = {
            "task": task,
            "knowledge": _knowledge(task.folder, int(tokens * KNOWLEDGE_SHARE)) if knowledge and task.folder else (),
            "editable": editable,
            "files": sorted(task.initial),
            "marked": any(blocks.START in text for text in task.initial.values()),
            "unit": f" {task.score.unit}" if task.score.unit else "",
            "direction": task.score.direction or "maximize",
        }
        self._rehearse()

    def render(
        self, name: str, proposal: Proposal, background: Background, form: Form, partner: Program | None = None
    ) -> Prompt:
        """Return the prompt of the operator ``name``, with as much in it as the budget allows.

        Args:
            name: one of `NAMES`.
            proposal: what is to be changed.
            background: what is known about it.
            form: how the reply is to look.
            partner: for ``cross``, the second program.

        Raises:
            Stop: if even the parent alone is too long.
            EvolveError: if a template cannot be used.
        """
        values = self._values(proposal, form, partner)
        system = self._text("system", {**self._fixed, "form": form})
        parts = self._material(proposal, background)
        user = self._fitted(name, proposal, values, parts, self.tokens - tokens(system))
        return Prompt(
            (Message("system", system), Message("user", user)),
            begin=form.begin,
            stop=form.stop,
            template=self._digest(name),
            files=proposal.parent.sources if form.kind == "folder" else {},
        )

    def correction(self, prompt: Prompt, reply: Reply, reason: str, name: str) -> Prompt:
        """Return the prompt that asks again, in the same conversation, why ``reply`` could not be used being ``reason``.

        ``name`` is the operator of ``prompt``. The reply is shown again if there was one: some servers refuse an empty turn.
        """
        most = int(self.tokens * REPLY_SHARE * BYTES_PER_TOKEN)
        said = (Message("assistant", wording.middle(reply.text, most)),) if reply.text.strip() else ()
        asked = Message("user", self._text("correct", {"reason": reason, "empty": not said}))
        messages = (*prompt.messages, *said, asked)
        return replace(prompt, messages=messages, purpose="correct", template=self._digest(f"{name}+correct"))

    def _fitted(self, name: str, proposal: Proposal, values: Mapping[str, Any], material: Material, most: int) -> str:
        """Return the user's message with as much of ``material`` as fits into ``most`` tokens."""

        @cache
        def text(at: int) -> str:
            return self._text(name, {**values, **self._parts(proposal, shorter[at])})

        shorter = list(material.lighter(self._frozen))
        last = len(shorter) - 1
        if tokens(text(0)) <= most:
            return text(0)
        if tokens(text(last)) > most:
            least = self.tokens - most + tokens(text(last))
            raise Stop("draft", f"the parent alone needs about {least} tokens, llm.prompt_tokens is {self.tokens}")
        return text(bisect_left(range(last), -most, key=lambda at: -tokens(text(at))))

    def _values(self, proposal: Proposal, form: Form, partner: Program | None) -> dict[str, Any]:
        sign, best, score = self.task.score.sign, proposal.best, proposal.parent.score
        return {
            **self._fixed,
            "form": form,
            "seed": proposal.seed,
            "hints": proposal.given.hints,
            "best": best,
            "ahead": None if best is None or score is None else max(0.0, sign * wording.difference(best, score)),
            "partner": self._shown(partner, whole=False) if partner is not None else None,
        }

    def _parts(self, proposal: Proposal, material: Material) -> dict[str, Any]:
        return {
            "line": material.line,
            "tried": material.tried,
            "inspirations": material.inspirations,
            "omitted": material.omitted,
            "feedback": material.feedback,
            "output": material.output,
            "error": material.error,
            "parent": self._shown(proposal.parent, whole=True, without=material.omitted),
        }

    def _material(self, proposal: Proposal, background: Background) -> Material:
        sign, parent, seen = self.task.score.sign, proposal.parent, background.evaluation
        others = [other for other in proposal.inspirations if other.digest != parent.digest]
        others.sort(key=lambda other: (other.score is not None, sign * (other.score or 0.0)))
        failed = parent.score is None
        return Material(
            line=background.line[::-1],
            tried=tuple(step for step in background.tried if step.how not in ("ask", "judge", "judge_error")),
            inspirations=tuple(self._shown(other, whole=False) for other in others),
            feedback=wording.head(seen.feedback, int(self.tokens * BYTES_PER_TOKEN)),
            output=wording.tail(seen.output, OUTPUT) if failed else "",
            error=wording.tail(seen.error, ERROR) if failed else "",
        )

    def _shown(self, program: Program, *, whole: bool, without: tuple[str, ...] = ()) -> Shown:
        """Return a program for a prompt: all of it, or only what may change, since the rest is the parent's."""
        files = []
        for path, parts in sorted(blocks.segments(program.sources).items()):
            text = "".join(part.text for part in parts if whole or part.evolvable)
            if text and path not in without:
                files.append(File(path, LANGUAGES.get(Path(path).suffix.lower(), ""), text))
        return Shown(program.score, program.status, tuple(self._measured(program)), tuple(files))

    def _measured(self, program: Program) -> Iterator[Measured]:
        for name, value in sorted(program.metrics.items()):
            metric = self.task.metrics.get(name, Metric(name))
            yield Measured(name, value, metric.unit, metric.direction)

    def _text(self, name: str, values: Mapping[str, Any]) -> str:
        try:
            return self._environment.get_template(f"{name}.j2").render(values).strip() + "\n"
        except (TemplateError, TypeError) as problem:
            raise self._fault(problem, f"{name}.j2") from None

    def _fault(self, problem: TemplateError | TypeError, name: str) -> TaskError | ConfigError:
        """Return what is wrong with a template as an error that names the file and the line."""
        path, line = name, 0
        if isinstance(problem, TemplateSyntaxError):
            path, line = problem.filename or name, problem.lineno
        else:
            trace = problem.__traceback__
            while trace is not None:
                if trace.tb_frame.f_code.co_filename.endswith(".j2"):
                    path, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
                trace = trace.tb_next
        kind = TaskError if Path(path).is_relative_to(self.task.root) else ConfigError
        return kind(f"{path}:{line}: {problem}; prompts/README.md lists what a template receives")

    def _hashed(self, name: str) -> str:
        """Return the SHA-256 of the sources that a prompt of ``name`` is rendered from, those they include as well."""
        queue = ["system.j2", *(f"{part}.j2" for part in name.split("+"))]
        sources: dict[str, str] = {}
        while queue:
            at = queue.pop()
            if at not in sources:
                sources[at] = self._loader.get_source(self._environment, at)[0]
                found = meta.find_referenced_templates(self._environment.parse(sources[at]))
                queue += [other for other in found if other]
        total = hashlib.sha256()
        for at in sorted(sources):
            total.update(f"{at}\0{sources[at]}\0".encode())
        return total.hexdigest()

    def _rehearse(self) -> None:
        """Render every template once, so that a mistake in one ends the run before it begins and not in the night."""
        seed = Program("seed", self.task.initial, "ok", 1.0, {"metric": 1.0})
        step = Tried(1, "arm", "diff", "crash", "note", "reason")
        for score, best in ((1.0, 2.0), (None, None)):
            parent = replace(seed, digest="parent", score=score, status="crash" if score is None else "ok")
            proposal = Proposal(1, parent, (seed,), 0, "arm", "diff", 0, 0, best=best, given=Given(hints=("hint",)))
            seen = Evaluation(parent.status, score, feedback="feedback", error="error", output="output")
            background = Background(seen, (step, replace(step, score=1.0, gain=1.0)), (step,))
            parts = self._parts(proposal, self._material(proposal, background))
            for name in NAMES:
                values = self._values(proposal, Form("rewrite"), seed if name == "cross" else None)
                self._text(name, {**values, **parts})
            for kind in get_args(Kind):
                self._text("system", {**self._fixed, "form": Form(kind)})
        self._text("correct", {"reason": "reason", "empty": True})


def _knowledge(root: Path, most: int) -> tuple[Note, ...]:
    """Return the task's notes, in the order of their names, cut off where they would take more than ``most`` tokens."""
    notes: list[Note] = []
    left = int(most * BYTES_PER_TOKEN)
    for path in sorted((root / "knowledge").glob("*.md")):
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as problem:
            raise TaskError(f"{path}: cannot be read as UTF-8: {problem}") from None
        if left >= LEAST:
            notes.append(Note(path.stem, wording.head(text, left)))
            left -= len(text)
    return tuple(notes)
