"""The built-in arms: operators that need no model, in the tradition of genetic programming."""

from __future__ import annotations

from collections.abc import Mapping

from evolve.operators.mutate import Mutate
from evolve.operators.recombine import Recombine
from evolve.operators.tune import Tune
from evolve.seams import Operator

BUILTIN: Mapping[str, Operator] = {"builtin/tune": Tune(), "builtin/mutate": Mutate(), "builtin/recombine": Recombine()}
"""Every built-in arm by name."""
