"""`builtin/recombine`: functions, blocks and constants spliced from inspirations into the parent."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from random import Random

from evolve import normal
from evolve.operators.expressions import graft
from evolve.operators.mutate import LONGEST
from evolve.operators.site import Change, Site
from evolve.operators.syntax import Edit, Number, checked, modules
from evolve.operators.tune import STEP
from evolve.records import Draft, Program, Proposal, Sources, Task, short_id
from evolve.seams import Stop

_TRIES = 60


class Recombine:
    """The arm: a child of two programs, the parent with something of an inspiration in it."""

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        """Return the parent with a part or constants of an inspiration in the place of its own.

        Raises:
            Stop: if there is no inspiration, no Python that may change, or nothing in which the two differ.
        """
        if task.language != "python":
            raise Stop("draft", f"recombine knows the syntax of Python only, not of {task.language}")
        parent = proposal.parent
        others = [other for other in proposal.inspirations if other.digest != parent.digest]
        if not others:
            raise Stop("draft", "no inspiration to recombine with")
        rng = Random(proposal.seed)
        step = float(parent.traits.get("step", STEP))
        before = normal.digest(parent.sources, task.language)
        for _ in range(_TRIES):
            donor = rng.choice(others)
            sources, note = _spliced(parent, donor, rng, step)
            if sources is not None and normal.digest(sources, task.language) != before:
                return Draft(sources, f"{note} of {short_id(donor.digest)}", dict(parent.traits))
        raise Stop("draft", "nothing of the inspirations fits and differs")


def _spliced(parent: Program, donor: Program, rng: Random, step: float) -> tuple[Sources | None, str]:
    """Return the parent with something of the donor's in one file, and what that was; None where the two do not fit."""
    mine, theirs = modules(parent.sources), modules(donor.sources)
    if not mine or not theirs:
        raise Stop("draft", "no evolvable Python that parses")
    here = rng.choice(mine)
    same = [module for module in theirs if module.path == here.path]
    there = same[0] if same and rng.random() < 0.9 else rng.choice(theirs)
    splice = rng.choices(list(SPLICES), list(SPLICES.values()))[0]
    change = splice(Site(here, rng, step), Site(there, rng, step))
    text = here.apply(change.edits) if change is not None else None
    if change is None or text is None or len(text) > max(LONGEST, len(here.data)):
        return None, ""
    return checked(parent.sources, here.path, text), change.note


def constants(site: Site, donor: Site) -> Change | None:
    """Move the parent's constants towards the donor's, or past them, wherever the two have the same statement
    otherwise.

    Each constant is blended as in BLX-alpha crossover (Eshelman and Schaffer 1993), integers taken whole.
    """
    theirs: dict[str, list[tuple[Number, ...]]] = defaultdict(list)
    for key, found in _skeletons(donor):
        theirs[key].append(found)
    taken: list[tuple[Number, Number]] = []
    turns: dict[str, int] = defaultdict(int)
    for key, found in _skeletons(site):
        turn = turns[key]
        turns[key] += 1
        if turn < len(theirs[key]):
            taken += [pair for pair in zip(found, theirs[key][turn], strict=True) if pair[0].value != pair[1].value]
    if not taken:
        return None
    weight = site.rng.uniform(-0.3, 1.3)
    rate = site.rng.choice((0.3, 0.6, 1.0))
    chosen = [pair for pair in taken if site.rng.random() < rate] or [site.rng.choice(taken)]
    edits = [a.at(b.value if a.whole else a.value + weight * (b.value - a.value)) for a, b in chosen]
    return Change(tuple(edits), f"{len(edits)} constants blended with those")


def _skeletons(site: Site) -> list[tuple[str, tuple[Number, ...]]]:
    """Return each simple statement, and each head of a compound one, as its text without numbers, and those numbers."""
    by_place: dict[int, list[Number]] = defaultdict(list)
    for number in site.numbers:
        by_place[number.group[-1]].append(number)
    found = []
    for node in site.module.nodes:
        if isinstance(node, ast.stmt) and (numbers := by_place.get(site.module.span(node)[0])):
            parts, at = [], site.module.span(node)[0]
            for number in numbers:
                parts.append(site.module.data[at : number.start].decode())
                at = number.stop
            if not hasattr(node, "body"):
                parts.append(site.module.data[at : site.module.span(node)[1]].decode())
            kinds = "".join("i" if number.whole else "f" for number in numbers)
            found.append((f"{kinds} {'#'.join(parts)}", tuple(numbers)))
    return found


def function(site: Site, donor: Site) -> Change | None:
    """Take the donor's version of a function that both have, and with it the functions it calls that the parent lacks."""
    mine, theirs = _functions(site), _functions(donor)
    shared = [
        name
        for name in sorted(mine)
        if name in theirs and site.module.text(mine[name]) != donor.module.text(theirs[name])
    ]
    if not shared:
        return None
    name = site.rng.choice(shared)
    place = site.module.lines(mine[name])
    texts = [
        _text(donor, theirs[other], site.module.indent(mine[name])) for other in (*_needed(theirs, name, mine), name)
    ]
    if place is None or any(text is None for text in texts):
        return None
    return Change((Edit(*place, "\n\n".join(text for text in texts if text)),), f"function {name}")


def _functions(site: Site) -> Mapping[str, ast.FunctionDef]:
    owners = {"": site.module.tree.body}
    owners |= {f"{node.name}.": node.body for node in site.module.tree.body if isinstance(node, ast.ClassDef)}
    return {
        owner + node.name: node
        for owner, body in owners.items()
        for node in body
        if isinstance(node, ast.FunctionDef) and site.module.editable(node) and site.module.lines(node)
    }


def _needed(theirs: Mapping[str, ast.FunctionDef], name: str, mine: Mapping[str, ast.FunctionDef]) -> list[str]:
    needed: list[str] = []
    queue = [name]
    while queue:
        for node in ast.walk(theirs[queue.pop()]):
            if isinstance(node, ast.Name) and node.id in theirs and node.id not in mine and node.id not in needed:
                needed.append(node.id)
                queue.append(node.id)
    return needed


def _text(donor: Site, node: ast.stmt, indent: str) -> str | None:
    place = donor.module.lines(node)
    if place is None or donor.module.indent(node) != indent:
        return None
    text = donor.module.data[place[0] : place[1]].decode()
    return text if text.endswith("\n") else text + "\n"


def block(site: Site, donor: Site) -> Change | None:
    """Put a statement of the donor, often a whole loop, in the place of one of the parent's or beside it."""
    pool = [node for run in donor.statements for node in run]
    anchors = [node for run in site.statements for node in run]
    if not pool or not anchors:
        return None
    anchor = site.rng.choice(anchors)
    kin = [node for node in pool if type(node) is type(anchor)]
    node = site.rng.choice(kin if kin and site.rng.random() < 0.7 else pool)
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    text = donor.module.block(node, site.module.indent(anchor))
    place = site.module.lines(anchor)
    if text is None or place is None or not donor.kinds.free(node) - stored <= site.kinds.visible(anchor):
        return None
    if text.strip() == site.module.text(anchor).strip():
        return None
    edit = site.rng.choice((Edit(*place, text), Edit(*place, text), Edit(place[0], place[0], text)))
    return Change((edit,), f"statement {' '.join(text.split())[:60]}")


def expression(site: Site, donor: Site) -> Change | None:
    """Replace an expression by one of the donor's of the same kind."""
    if not site.expressions or not donor.expressions:
        return None
    node = site.rng.choice(site.expressions)
    text = graft(site, node, donor, donor.expressions)
    return Change((site.module.put(node, text),), f"expression {text[:60]}") if text else None


def statements(site: Site, donor: Site) -> Change | None:
    """Take each statement of a run from either program where the two runs stand at the same place: uniform crossover."""
    pairs: list[tuple[ast.stmt, ast.stmt]] = []
    for mine, theirs in zip(site.statements, donor.statements, strict=False):
        pairs += _differing(site, donor, mine, theirs)
    if not pairs:
        return None
    chosen = [pair for pair in pairs if site.rng.random() < 0.5] or [site.rng.choice(pairs)]
    edits: list[Edit] = []
    for a, b in chosen:
        place, text = site.module.lines(a), donor.module.block(b, site.module.indent(a))
        if place is not None and text is not None:
            edits.append(Edit(*place, text))
    return Change(tuple(edits), f"{len(edits)} statements") if edits else None


def _differing(
    site: Site, donor: Site, mine: Sequence[ast.stmt], theirs: Sequence[ast.stmt]
) -> list[tuple[ast.stmt, ast.stmt]]:
    return [
        (a, b)
        for a, b in zip(mine, theirs, strict=False)
        if type(a) is type(b) and site.module.text(a) != donor.module.text(b)
    ]


SPLICES: Mapping[Callable[[Site, Site], Change | None], float] = {
    constants: 3.0,
    function: 1.0,
    block: 1.0,
    expression: 2.0,
    statements: 2.0,
}
"""The ways to splice, and how often each is tried relative to the others."""
