"""`builtin/mutate`: typed edits of the syntax tree, in the tradition of genetic programming.

Every move keeps to the evolvable text and to the source of the place it changes. Insertions are nearly neutral: what
they add has a small constant in it, which later steps of `builtin/tune` can grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from evolve import normal
from evolve.operators import expressions, statements
from evolve.operators.learning.moves import shown
from evolve.operators.refine import refine
from evolve.operators.site import Move, Site
from evolve.operators.syntax import checked, modules
from evolve.operators.tune import LARGEST, STEP
from evolve.records import Draft, Evaluation, Proposal, Sources, Task
from evolve.seams import Points, Stop

MOVES: Mapping[Move, float] = {
    expressions.operator: 0.7,
    expressions.comparison: 0.5,
    expressions.connective: 0.3,
    expressions.call: 0.6,
    expressions.argument: 0.5,
    expressions.term: 4.0,
    expressions.table: 16.0,
    expressions.transplant: 1.5,
    expressions.wrap: 2.0,
    expressions.unwrap: 0.7,
    expressions.integers: 1.0,
    expressions.real: 3.0,
    statements.duplicate: 1.0,
    statements.copy: 0.5,
    statements.move: 0.4,
    statements.swap: 0.4,
    statements.delete: 0.5,
    statements.repeat: 1.0,
    statements.guard: 0.4,
    statements.loop: 0.7,
    statements.fission: 1.5,
    statements.adjust: 1.5,
    statements.again: 0.3,
}
"""The moves, and how often each is tried relative to the others."""

TOLERANCE = 0.25
"""How much worse than its parent a child may be and yet be refined: a share of the spread of the scores in sight."""
_TRIES = 60
_MORE = 0.25
LONGEST = 20_000
"""A file beyond this many characters is not made longer."""


class Mutate:
    """The arm: one edit of the syntax tree, sometimes two or three."""

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        """Return the parent with an edit or two.

        Raises:
            Stop: if the program has no Python that may change, or no move found anything to change.
        """
        if task.language != "python":
            raise Stop("draft", f"mutate knows the syntax of Python only, not of {task.language}")
        parent = proposal.parent
        rng = Random(proposal.seed)
        step = min(max(float(parent.traits.get("step", STEP)), 0.02), LARGEST)
        before = normal.digest(parent.sources, task.language)
        wanted = 1 + (rng.random() < _MORE) + (rng.random() < _MORE**2)
        sources: Sources = parent.sources
        notes: list[str] = []
        for _ in range(_TRIES):
            changed = mutated(sources, rng, step, task.brief)
            if changed is None:
                continue
            sources = changed[0]
            notes.append(changed[1])
            if len(notes) >= wanted and normal.digest(sources, task.language) != before:
                return Draft(sources, "; ".join(notes), {**parent.traits, "step": max(step, STEP / 2)})
        raise Stop("draft", "no move found anything to change in the evolvable Python")

    def points(self, proposal: Proposal, task: Task, child: Draft, evaluation: Evaluation) -> Points:
        """Try other values for the constants, above all those that the edit brought in, where it did little harm."""
        if near(proposal, task, evaluation):
            yield from refine(child, evaluation, proposal.parent.sources, task, Random(proposal.seed + 1))


def near(proposal: Proposal, task: Task, evaluation: Evaluation) -> bool:
    """Return whether a child is no worse than its parent by more than a part of what parent, inspirations and best differ by."""
    if evaluation.score is None or proposal.parent.score is None:
        return evaluation.score is not None
    others = [program.score for program in proposal.inspirations] + [proposal.parent.score, proposal.best]
    scores = [score for score in others if score is not None]
    return task.score.sign * (evaluation.score - proposal.parent.score) >= -TOLERANCE * (max(scores) - min(scores))


def mutated(sources: Sources, rng: Random, step: float, brief: str = "") -> tuple[Sources, str] | None:
    """Return the sources after one move and what it did, or None where chance led it nowhere."""
    files = [module for module in modules(sources) if module.nodes]
    if not files:
        raise Stop("draft", "no evolvable Python that parses")
    module = rng.choices(files, [len(m.nodes) for m in files])[0]
    site = Site(module, rng, step, brief)
    moves = {**MOVES, **shown(site)}
    change = rng.choices(list(moves), list(moves.values()))[0](site)
    text = module.apply(change.edits) if change else None
    if change is None or text is None or len(text) > max(LONGEST, len(module.data)):
        return None
    child = checked(sources, module.path, text)
    return (child, change.note) if child is not None else None
