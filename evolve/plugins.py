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

import json
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from evolve.errors import ConfigError, sentence
from evolve.phrases import short
from evolve.records import Draft, Program, Proposal, Task
from evolve.seams import Bandit, Operator, ParentSampler, Population, Stop

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
    except Exception as error:  # whatever somebody else's code raises: its owner is told where, without our frames
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
    return Guarded(name, make(name, setting="arms", methods=["draft"]))


class Guarded:
    """An operator that may break: what it raises, or what is no draft, becomes the reason why its attempt ended."""

    def __init__(self, name: str, operator: Operator) -> None:
        self._name, self._operator = name, operator

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        """Return the child.

        Raises:
            Stop: if there is none.
        """
        try:
            made = self._operator.draft(proposal, task)
            wrong = _wrong(made)
        except Stop as stop:
            raise Stop("draft", str(stop.reason)) from stop
        except Exception as error:  # whatever somebody else's code raises: the night goes on, and the row says why
            raise Stop("draft", f"{self._name}: {_told(error)}") from error
        if wrong:
            raise Stop("draft", f"{self._name} made no draft: {wrong}")
        return made


def _wrong(made: Any) -> str:
    """Return what makes something no draft that the archive could hold; nothing where it is one."""
    if not isinstance(made, Draft):
        return f"it is {type(made).__name__}"
    if not isinstance(made.sources, Mapping) or not all(
        isinstance(part, str) for pair in made.sources.items() for part in pair
    ):
        return "its sources are no texts by path"
    if not isinstance(made.note, str):
        return f"its note is {type(made.note).__name__}, and no text"
    json.dumps(dict(made.traits), allow_nan=False)
    return ""


class HeldSampler:
    """A parent sampler of somebody else's, held to what it was given."""

    def __init__(self, name: str, sampler: ParentSampler) -> None:
        self._name, self._sampler = name, sampler

    def sample(self, population: Population, rng: Random) -> Program:
        """Return an elite.

        Raises:
            ConfigError: if it returns anything else.
        """
        made = self._sampler.sample(population, rng)
        if not any(made is elite for elite in population.elites):
            raise ConfigError(f"search.parents: {self._name} returned {made!r:.60}, and none of population.elites")
        return made


class HeldBandit:
    """A bandit of somebody else's, held to what it was offered."""

    def __init__(self, name: str, bandit: Bandit) -> None:
        self._name, self._bandit = name, bandit
        self.pull, self.tell = bandit.pull, bandit.tell

    def pick(self, offers: Mapping[str, Sequence[str]], prices: Mapping[str, float], rng: Random) -> tuple[str, str]:
        """Return an arm and one of its operators.

        Raises:
            ConfigError: if it returns anything else.
        """
        made: Any = self._bandit.pick(offers, prices, rng)
        if not isinstance(made, tuple) or len(made) != 2 or made[1] not in offers.get(made[0], ()):
            raise ConfigError(f"bandit.kind: {self._name} picked {made!r:.60}, and no arm and operator of offers")
        return made[0], made[1]


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
    except Exception as error:  # as above, of the module itself
        raise ConfigError(f"{setting}: {name} cannot be imported: {_told(error)}") from error
    found: Callable[..., Any] | None = getattr(module, attribute, None)
    if not callable(found):
        near = get_close_matches(attribute, [key for key, value in vars(module).items() if callable(value)], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{setting}: module {module_name!r} has no class or function {attribute!r}{hint}")
    return found


def _told(error: Exception) -> str:
    """Return an error in a line, with the place in somebody else's code where it was raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    installed = (sys.prefix, sys.base_prefix, "<")
    last = [frame for frame in frames if not frame.filename.startswith(installed)] or frames
    place = f" ({last[-1].filename}:{last[-1].lineno})" if last and not isinstance(error, SyntaxError) else ""
    return f"{type(error).__name__}: {short(sentence(error), 300)}{place}"
