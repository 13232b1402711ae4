"""Parts of a run that are not the package's own, named in its settings as ``MODULE:NAME``.

    [arms]
    "builtin/tune" = 0.5
    "halve:Halve" = 0.5                    an operator, called without arguments
    [search]
    parents = "samplers:LeastTried"        called with the task's score and the [search] settings
    [bandit]
    kind = "bandits:Mine"                  called with the arms' weights, the [bandit] settings and the priors

A name leads to a class or function that makes the part; what it makes has the shape that `evolve.seams` says. Names are stored
with the run, so that `resume` and `replay` find the parts again. They run in the process of the run, unconfined: whoever wrote
them is whoever runs them.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from evolve.errors import ConfigError, sentence
from evolve.records import Draft, Evaluation, Proposal, Task
from evolve.seams import Operator, Points, Stop, Tuner

T = TypeVar("T")
SHAPE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")
"""``MODULE:NAME``."""


def is_plugin(name: str) -> bool:
    """Whether a name has the shape of a plugin's."""
    return SHAPE.fullmatch(name) is not None


def make(name: str, *arguments: Any, setting: str, methods: Sequence[str]) -> Any:
    """Return the part that ``MODULE:NAME`` makes of ``arguments``.

    The module is looked for where Python looks, and then in the working folder.

    Args:
        name: the plugin.
        arguments: what it is called with.
        setting: what names it, for errors.
        methods: what the part must have.

    Raises:
        ConfigError: if there is no such module or name, or it makes nothing of that shape.
    """
    factory = _found(name, setting)
    try:
        made = factory(*arguments)
    except Exception as error:
        raise ConfigError(f"{setting}: {name} cannot be made: {_told(error)}") from error
    if missing := [method for method in methods if not callable(getattr(made, method, None))]:
        raise ConfigError(
            f"{setting}: what {name} makes has no method {missing[0]}; evolve.seams says what it must have"
        )
    return made


def operator(name: str) -> Operator:
    """Return an operator of somebody else's, whose errors end a draft and not the run.

    Raises:
        ConfigError: as `make`.
    """
    made: Any = make(name, setting="arms", methods=["draft"])
    return GuardedTuner(name, made, made) if callable(getattr(made, "points", None)) else Guarded(name, made)


class Guarded:
    """An operator that may break: what it raises becomes the reason why its draft ended."""

    def __init__(self, name: str, operator: Operator) -> None:
        self.name, self._operator = name, operator

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        """Return the child.

        Raises:
            Stop: if there is none.
        """
        return self._checked(self._guarded(partial(self._operator.draft, proposal, task)))

    def _guarded(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except Stop:
            raise
        except Exception as error:
            raise Stop("draft", f"{self.name}: {_told(error)}") from error

    def _checked(self, made: Draft) -> Draft:
        if not isinstance(made, Draft):
            raise Stop("draft", f"{self.name} made a {type(made).__name__}, and no Draft")
        return made


class GuardedTuner(Guarded):
    """One that goes on after its child was judged."""

    def __init__(self, name: str, operator: Operator, tuner: Tuner) -> None:
        super().__init__(name, operator)
        self._tuner = tuner  # the same object

    def points(self, proposal: Proposal, task: Task, child: Draft, evaluation: Evaluation) -> Points:
        """Yield further drafts.

        Raises:
            Stop: where it breaks.
        """
        points = self._guarded(partial(self._tuner.points, proposal, task, child, evaluation))
        seen: Evaluation | None = None
        while (made := self._guarded(partial(_after, points, seen))) is not None:
            seen = yield self._checked(made)


def _after(points: Points, seen: Evaluation | None) -> Draft | None:
    """Return what an inner optimiser yields after it was sent ``seen``, None at its end."""
    try:
        return next(points) if seen is None else points.send(seen)
    except StopIteration:
        return None


def _found(name: str, setting: str) -> Callable[..., Any]:
    """Return what a name leads to."""
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last: nothing there may stand in for a package
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{setting}: {name} cannot be imported: {_told(error)}") from error
        raise ConfigError(
            f"{setting}: {name}: there is no module {error.name!r}, neither where Python looks nor in {here}"
        ) from None
    except Exception as error:
        raise ConfigError(f"{setting}: {name} cannot be imported: {_told(error)}") from error
    found: Callable[..., Any] | None = getattr(module, attribute, None)
    if not callable(found):
        near = get_close_matches(attribute, [key for key, value in vars(module).items() if callable(value)], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{setting}: module {module_name!r} has no class or function {attribute!r}{hint}")
    return found


def _told(error: Exception) -> str:
    """Return an error in a line, with the place where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({last[0].filename}:{last[0].lineno})" if last else ""
    return f"{type(error).__name__}: {sentence(error)}{place}"
