"""Is a score within reach of constants alone? What a good program answered on one seed is recorded in its jail, and repeated on
other seeds and before ``validate``, whatever is asked there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from evolve.config import Config
from evolve.evaluator import has_validate, takes_seed
from evolve.executor import LocalExecutor
from evolve.jail import Confinement
from evolve.lint.finding import Finding
from evolve.lint.measured import lead
from evolve.records import Evaluation, Job, Sources, Task
from evolve.references import Judging, Tell
from evolve.session import slots_of
from evolve.survey import Measured, Survey

OUTPUT = 16 << 20
"""Bytes of answers that are recorded at most, written as text."""
SEEDS = 2
"""Other seeds on which they are tried."""
SHARE = 0.1
"""The share of the gap between seed program and reference by which remembered answers may fall short."""

MARK = "evolve-remembers"
RECORDED = "evolve_recorded"
RECORD = f'''\
import base64 as _base64
import importlib.util as _util
import os as _os
import pickle as _pickle
import sys as _sys

_spec = _util.spec_from_file_location("{RECORDED}", _os.path.join(_os.path.dirname(__file__), "{RECORDED}.py"))
_inner = _sys.modules["{RECORDED}"] = _util.module_from_spec(_spec)
_spec.loader.exec_module(_inner)
_calls = {{}}


def _recorded(name, function):
    def called(*args, **kwargs):
        reply = function(*args, **kwargs)
        number = _calls[name] = _calls.get(name, -1) + 1
        try:
            text = _base64.b64encode(_pickle.dumps(reply)).decode()
        except Exception:  # pickling runs code of the reply's own; what cannot be recorded is told as empty
            text = ""
        print(f"\\n{MARK} {{name}} {{number}} {{text}}", flush=True)
        return reply

    return called


for _name, _value in list(vars(_inner).items()):
    if not _name.startswith("__"):
        _own = callable(_value) and not isinstance(_value, type) and getattr(_value, "__module__", "") == "{RECORDED}"
        globals()[_name] = _recorded(_name, _value) if _own else _value
'''
"""The entry of a program that prints what each of its functions returns to a call from outside."""
REPEAT = """\
import base64 as _base64
import pickle as _pickle

_calls = {{}}


def _repeated(name, answers):
    def called(*args, **kwargs):
        number = _calls[name] = _calls.get(name, -1) + 1
        return _pickle.loads(_base64.b64decode(answers[number % len(answers)]))

    return called


for _name, _answers in {answers!r}.items():
    globals()[_name] = _repeated(_name, _answers)
"""
"""A program that repeats what was recorded, call by call, whatever it is asked."""


def findings(survey: Survey, confinement: Confinement, tell: Tell) -> Iterator[Finding]:
    """Yield that remembered answers are as good as a program that finds them, where they are.

    Raises:
        JudgeError: when ``evaluate.py`` itself keeps failing.
    """
    task = survey.task
    better = [row for row in survey.rows if row.scores]
    if not better or task.language != "python" or task.foreign:
        return
    best = max(better, key=lambda row: lead(survey, row))
    seeds = survey.seeds[1 : 1 + SEEDS] if takes_seed(task) else ()
    if not seeds and not has_validate(task):
        if takes_seed(task):
            yield Finding(
                "note", "one seed cannot tell whether remembered answers are worth anything on others", "evaluate.py",
                "judge on several: leave --seeds out, or give it more",
            )  # fmt: skip
            return
        yield Finding(
            "warning",
            "every evaluation asks the same, and nothing is held out: a remembered answer is as good as a program that finds it",
            "evaluate.py",
            MEANING,
        )
        return
    spoken = replace(task, limits=replace(task.limits, output=OUTPUT))
    with closing(LocalExecutor(spoken, confinement, slots_of(Config(), task))) as executor:
        judging = Judging(spoken, executor, tell)
        spoke = judging.all([Job("record", _recorder(task, best), survey.seeds[0], "fresh")])[0]
        answers = _answers(spoke)
        if answers is None:
            why = spoke.error.splitlines()[0] if spoke.error else "it is no plain data, or too much"
            yield Finding(
                "note", f"what {best.name} answers could not be recorded, so it was not tried to repeat it: {why}",
                best.program or best.name, "see to it yourself that no remembered answer reaches a score",
            )  # fmt: skip
            return
        parrot = {task.entry: REPEAT.format(answers=answers)}
        jobs = [Job(f"repeat/{seed}", parrot, seed, "fresh") for seed in seeds]
        jobs += [Job("repeat/validate", parrot, survey.seeds[0], "validate")] if has_validate(task) else []
        seen = dict(zip([job.id for job in jobs], judging.all(jobs), strict=True))
    reached = list(_reached(survey, best, seen))
    if reached:
        told = "repeat/validate" in seen and not reached[-1].startswith("in validate")
        yield Finding(
            "note" if told else "warning",
            f"a program that repeats what {best.name} answered on seed {survey.seeds[0]} reaches its score {'; '.join(reached)}",
            "evaluate.py",
            "nothing: validate tells the two apart; evaluate does not" if told else MEANING,
        )


MEANING = (
    "nothing where the answer itself is what is sought, as in an open problem or for an architecture; where something is to be "
    "learnt or to generalise it is a leak: draw what is asked from `seed`, and hold other data out in validate"
)


def _recorder(task: Task, row: Measured) -> Sources:
    """Return a program that prints what ``row`` answers."""
    folder = task.entry.rpartition("/")[0]
    inner = f"{folder}/{RECORDED}.py" if folder else f"{RECORDED}.py"
    return {**row.sources, task.entry: RECORD, inner: row.sources[task.entry]}


def _answers(seen: Evaluation) -> dict[str, list[str]] | None:
    """Return what was recorded, by function and call; None where something could not be, or the evaluation failed."""
    found: dict[str, dict[int, str]] = {}
    for name, number, text in re.findall(rf"^{MARK} (\w+) (\d+) (\S*)$", seen.output, re.MULTILINE):
        found.setdefault(name, {})[int(number)] = text
    whole = {name: [texts[number] for number in sorted(texts)] for name, texts in found.items()}
    if seen.status != "ok" or not whole or not all(text for texts in whole.values() for text in texts):
        return None
    return whole if sum(len(text) for texts in whole.values() for text in texts) < OUTPUT // 2 else None


def _reached(survey: Survey, best: Measured, seen: dict[str, Evaluation]) -> Iterator[str]:
    """Yield where the remembered answers did as well as the program that they are from."""
    for place, seed in enumerate(survey.seeds):
        one = seen.get(f"repeat/{seed}")
        if one is not None and _as_good(survey, one.score, best.scores[place], survey.seed.scores[place : place + 1]):
            yield f"on seed {seed} ({one.score:.6g}, not {best.scores[place]:.6g})"
    held = seen.get("repeat/validate")
    weak = () if survey.seed.hidden is None else (survey.seed.hidden,)
    if held is not None and best.hidden is not None and _as_good(survey, held.score, best.hidden, weak):
        yield f"in validate ({held.score:.6g}, not {best.hidden:.6g})"


def _as_good(survey: Survey, own: float | None, other: float, weak: tuple[float, ...]) -> bool:
    """Whether a score comes near another one, beside the gap between that and the seed program's."""
    if own is None:
        return False
    gap = abs(other - weak[0]) if weak else 0.0
    return survey.task.score.sign * (own - other) >= -max(SHARE * gap, 1e-9 * abs(other))
