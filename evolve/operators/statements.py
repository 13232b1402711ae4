"""Moves of `builtin/mutate` among statements: whole lines, so that the text around them stays as it was."""

from __future__ import annotations

import ast
import re
from itertools import pairwise

from evolve.operators.kinds import called
from evolve.operators.site import Change, Site
from evolve.operators.syntax import Edit, Number
from evolve.operators.tune import integer_step, scale


def _any(site: Site) -> ast.stmt | None:
    """Return a statement that may be moved about."""
    runs = site.statements
    return site.rng.choice(site.rng.choice(runs)) if runs else None


def _place(site: Site, text_of: ast.stmt) -> tuple[int, str] | None:
    """Return somewhere to insert a statement, and the indentation there: not inside the statement itself."""
    start, stop = site.module.lines(text_of) or (0, 0)
    anchors = [s for run in site.statements for s in run if not (start <= site.module.span(s)[0] < stop)]
    if not anchors:
        return None
    anchor = site.rng.choice(anchors)
    first, last = site.module.lines(anchor) or (0, 0)
    return (first if site.rng.random() < 0.5 else last), site.module.indent(anchor)


def _within(site: Site, start: int, stop: int) -> list[Number]:
    return [n for n in site.numbers if start <= n.start and n.stop <= stop]


def _varied(site: Site, node: ast.stmt) -> str | None:
    """Return the lines of a statement with its constants changed: a copy of something is of use when it does something
    else.
    """
    place = site.module.lines(node)
    if place is None:
        return None
    start, stop = place
    values: dict[int | float, int | float] = {}
    data = site.module.data[start:stop]
    strength = site.rng.choice((0.0, 1.0, 2.0))
    for number in sorted(_within(site, start, stop), key=lambda n: -n.start):
        if number.value not in values:
            moved: int | float = number.value
            if number.whole and strength and site.rng.random() < 0.25:
                moved = int(number.value) + integer_step(number.value, site.rng)
            elif not number.whole and site.rng.random() < 0.5:
                moved = number.value + site.rng.gauss(0, 1) * strength * site.step * scale(number.value)
            values[number.value] = moved
        if values[number.value] == number.value:
            continue  # as it is written, with all of its digits
        edit = number.at(values[number.value])
        data = data[: edit.start - start] + edit.text.encode() + data[edit.stop - start :]
    text = data.decode()
    return text if text.endswith("\n") else text + "\n"


def duplicate(site: Site) -> Change | None:
    """Repeat a statement right after itself, its constants varied."""
    node = _any(site)
    text = _varied(site, node) if node else None
    place = site.module.lines(node) if node else None
    if node is None or text is None or place is None or not site.module.data[: place[1]].endswith(b"\n"):
        return None
    return Change((Edit(place[1], place[1], text),), f"duplicated {_head(text)}")


def copy(site: Site) -> Change | None:
    """Repeat a statement somewhere else."""
    node = _any(site)
    place = _place(site, node) if node else None
    if node is None or place is None:
        return None
    text = site.module.block(node, place[1])
    return Change((Edit(place[0], place[0], text),), f"copied {_head(text)}") if text else None


def move(site: Site) -> Change | None:
    """Move a statement somewhere else."""
    node = _any(site)
    place = _place(site, node) if node else None
    if node is None or place is None:
        return None
    text = site.module.block(node, place[1])
    gone = _without(site, node)
    return Change((gone, Edit(place[0], place[0], text)), f"moved {_head(text)}") if text and gone else None


def swap(site: Site) -> Change | None:
    """Exchange two neighbouring statements."""
    runs = [run for run in site.statements if len(run) > 1]
    if not runs:
        return None
    run = site.rng.choice(runs)
    i = site.rng.randrange(len(run) - 1)
    first, second = site.module.lines(run[i]), site.module.lines(run[i + 1])
    a, b = (site.module.block(s, site.module.indent(s)) for s in (run[i], run[i + 1]))
    if first is None or second is None or a is None or b is None:
        return None
    return Change((Edit(*first, b), Edit(*second, a)), f"exchanged {_head(a)} and {_head(b)}")


def delete(site: Site) -> Change | None:
    """Delete a statement."""
    node = _any(site)
    gone = _without(site, node) if node else None
    return Change((gone,), f"deleted {_head(site.module.text(node))}") if node and gone else None


def _without(site: Site, node: ast.stmt) -> Edit | None:
    place = site.module.lines(node)
    if place is None:
        return None
    return Edit(*place, site.module.indent(node) + "pass\n" if len(site.siblings(node)) == 1 else "")


def repeat(site: Site) -> Change | None:
    """Run a statement, or some in a row, several times."""
    runs = site.statements
    if not runs:
        return None
    run = site.rng.choice(runs)
    i = site.rng.randrange(len(run))
    j = min(len(run), i + site.rng.choice((1, 1, 2, 3)))
    return _under(site, run[i:j], f"for _ in range({site.rng.choice((2, 3, 5, 10, 20))}):", "repeated")


def guard(site: Site) -> Change | None:
    """Run a statement only where a test of the file holds."""
    node = _any(site)
    if node is None:
        return None
    sight = site.kinds.visible(node)
    tests = [t for t in site.of_kind("bool") if site.kinds.free(t) <= sight and not isinstance(t, ast.Constant)]
    if not tests:
        return None
    return _under(site, (node,), f"if {site.module.inline(site.rng.choice(tests))}:", "guarded")


def _under(site: Site, run: tuple[ast.stmt, ...], head: str, word: str) -> Change | None:
    """Put statements under a compound one's head; what stands between them, such as a function that is defined there, stays
    where it is.
    """
    places = [place for s in run if (place := site.module.lines(s)) is not None]
    indent = site.module.indent(run[0])
    texts = [text for s in run if (text := site.module.block(s, indent + "    ")) is not None]
    if not len(places) == len(texts) == len(run) or any(a[1] != b[0] for a, b in pairwise(places)):
        return None
    body = "".join(texts)
    edit = Edit(places[0][0], places[-1][1], f"{indent}{head}\n{body}")
    return Change((edit,), f"{word} {_head(body)} under {head}")


def loop(site: Site) -> Change | None:
    """Change what a loop runs over: one more or less, another start, backwards, sorted."""
    loops = [
        n.iter
        for n in ast.walk(site.module.tree)
        if isinstance(n, ast.For | ast.comprehension) and site.module.editable(n.iter)
    ]
    if not loops:
        return None
    node = site.rng.choice(loops)
    text = site.module.inline(node)
    if isinstance(node, ast.Call) and called(node) == "range" and not node.keywords:
        args = [site.module.operand(arg) for arg in node.args]
        new = site.rng.choice(_ranges(site, args))
    else:
        new = site.rng.choice(
            (
                f"reversed(list({text}))",
                f"sorted({text})",
                f"list({text})[::2]",
                f"list({text})[1:]",
                f"list({text})[:-1]",
            )
        )
    return Change((site.module.put(node, new),), f"loop over {text[:40]} -> {new[:60]}")


def _ranges(site: Site, args: list[str]) -> list[str]:
    d = site.rng.choice((1, 1, 2, 3))
    if len(args) == 1:
        stop = args[0]
        changed = [f"range({stop} + {d})", f"range({stop} - {d})", f"range({d}, {stop})", f"range(0, {stop}, 2)"]
    else:
        start, stop, *step = args
        by = "".join(f", {one}" for one in step)
        changed = [
            f"range({start}, {stop} + {d}{by})",
            f"range({start}, {stop} - {d}{by})",
            f"range({start} + {d}, {stop}{by})",
            f"range({start} - {d}, {stop}{by})",
        ]
    return [*changed, f"reversed(range({', '.join(args)}))"]


def fission(site: Site) -> Change | None:
    """Split a loop that runs a fixed number of times into two in a row that share the turns; each can then go its own
    way.

    Either each takes its part of the range, which changes nothing, or the number is changed in all of its body to
    the part's size.
    """
    found = []
    for run in site.statements:
        for node in run:
            match node:
                case ast.For(iter=ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(n))])) if n >= 2:
                    found.append((node, n))
    if not found:
        return None
    node, n = site.rng.choice(found)
    place = site.module.lines(node)
    if place is None or not site.module.data[: place[1]].endswith(b"\n"):
        return None
    text = site.module.data[place[0] : place[1]].decode()
    first = site.rng.randint(1, n - 1)
    if site.rng.random() < 0.6:
        both = tuple(_renumbered(site, place, n, part) for part in (first, n - first))
    else:
        at = site.module.span(node.iter)
        head, tail = (site.module.data[a:b].decode() for a, b in ((place[0], at[0]), (at[1], place[1])))
        both = (f"{head}range({first}){tail}", f"{head}range({first}, {n}){tail}")
    return Change((Edit(*place, "".join(both)),), f"split {_head(text)} at {first} of {n}")


def _renumbered(site: Site, place: tuple[int, int], old: int, new: int) -> str:
    data = site.module.data[place[0] : place[1]]
    for number in sorted(_within(site, *place), key=lambda n: -n.start):
        if number.whole and number.value == old:
            edit = number.at(new)
            data = data[: edit.start - place[0]] + edit.text.encode() + data[edit.stop - place[0] :]
    return data.decode()


def adjust(site: Site) -> Change | None:
    """Insert a nearly neutral assignment after one that set a number or filled a list of them."""
    found = []
    for run in site.statements:
        for node in run:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    found.append((node, name, site.kinds.of(value)))
    if not found:
        return None
    node, name, kind = site.rng.choice(found)
    place = site.module.lines(node)
    if place is None or not site.module.data[: place[1]].endswith(b"\n"):
        return None
    line = f"{name} = {name} * {site.factor()} + {site.number()}"
    if kind == "sequence":
        line = f"{name} = [{site.rng.choice(_MAPS)} for i, v in enumerate({name})]".replace("C", site.number()).replace(
            "F", site.factor()
        )
    return Change((Edit(place[1], place[1], f"{site.module.indent(node)}{line}\n"),), f"inserted {line}")


_MAPS = ("v * F", "v + C", "v + C * i")


def again(site: Site) -> Change | None:
    """Apply one of the file's own functions to a value: to its own result once more, or to a variable that is then
    overwritten.
    """
    functions = [n for n in ast.walk(site.module.tree) if isinstance(n, ast.FunctionDef)]
    names = {f.name: len(f.args.args) for f in functions}
    node = _any(site)
    if node is None or not names:
        return None
    name = site.rng.choice(sorted(names))
    sight = sorted(site.kinds.visible(node) - set(names))
    around = [f.name for f in functions if node in ast.walk(f)]
    if names[name] == 0 or not sight or name in around:
        return None
    target = site.rng.choice(sight)
    args = [target, *(site.rng.choice(sight) for _ in range(names[name] - 1))]
    place = site.module.lines(node)
    if place is None or not site.module.data[: place[1]].endswith(b"\n"):
        return None
    line = f"{target} = {name}({', '.join(args)})"
    return Change((Edit(place[1], place[1], f"{site.module.indent(node)}{line}\n"),), f"inserted {line}")


def _head(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip())[:60]
