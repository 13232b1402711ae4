"""How a program is changed.

mutate.py recombine.py tune.py   the built-in arms, which need no model, in the tradition of genetic programming; their parts:
                                 expressions families kinds refine site statements syntax
learning/                        mutate's typed moves for layers, scores and losses
diff.py full.py cross.py fix.py  ask a model for a child;  command.py  lets a command edit files
ask.py                           the operators of a model or a command;  conversation.py  a prompt, and one more if need be
forms.py                         the forms in which a reply may give a child
"""

from __future__ import annotations

from collections.abc import Mapping

from evolve.operators.mutate import Mutate
from evolve.operators.recombine import Recombine
from evolve.operators.tune import Tune
from evolve.seams import Operator

BUILTIN: Mapping[str, Operator] = {"builtin/tune": Tune(), "builtin/mutate": Mutate(), "builtin/recombine": Recombine()}
"""Every built-in arm by name."""
