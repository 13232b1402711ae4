"""How a network is trained, as plain data: the choices that a task fixes, or that a candidate makes from a menu."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evolve import Invalid

CHOICES: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("adamw", "sgd"),
    "schedule": ("cosine", "linear", "constant"),
}
RANGES: Mapping[str, tuple[float, float]] = {
    "lr": (1e-5, 1.0),
    "weight_decay": (0.0, 1.0),
    "momentum": (0.0, 0.99),
    "warmup": (0.0, 0.9),
    "label_smoothing": (0.0, 0.5),
    "clip": (0.01, 1000.0),
}
"""What a candidate may choose."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained.

    Attributes:
        optimizer: ``adamw``, or ``sgd`` with Nesterov's momentum.
        lr: the learning rate at its peak.
        weight_decay: AdamW's is decoupled, SGD's is part of the gradient.
        momentum: SGD's, and AdamW's first beta.
        schedule: after the warm-up ``cosine`` or ``linear`` to 0, or ``constant``.
        warmup: the share of the steps in which the learning rate rises linearly.
        label_smoothing: the share of a target that is spread over all classes.
        clip: the largest norm of the gradient of all parameters together.
    """

    optimizer: str = "adamw"
    lr: float = 4e-3
    weight_decay: float = 0.01
    momentum: float = 0.9
    schedule: str = "cosine"
    warmup: float = 0.3
    label_smoothing: float = 0.0
    clip: float = 1000.0

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        done = (step + 0.5) / steps
        if done < self.warmup:
            return self.lr * done / self.warmup
        left = (1 - done) / (1 - self.warmup)
        return self.lr * {"cosine": (1 - math.cos(math.pi * left)) / 2, "linear": left, "constant": 1.0}[self.schedule]


def read(answer: Mapping[str, Any], default: Recipe) -> Recipe:
    """Return the default with what a candidate chose otherwise.

    Raises:
        Invalid: for what is not on the menu.
    """
    chosen: dict[str, Any] = {}
    for name, value in answer.items():
        if name in CHOICES:
            if not isinstance(value, str) or value not in CHOICES[name]:
                raise Invalid(f"recipe: {name} must be one of {', '.join(CHOICES[name])}, not {value!r:.40}")
            chosen[name] = value
        elif name in RANGES:
            chosen[name] = number(name, value, *RANGES[name])
        else:
            raise Invalid(f"recipe: there is no {name!r:.40}; there are {', '.join((*CHOICES, *RANGES))}")
    return replace(default, **chosen)


def number(name: str, value: Any, low: float, high: float) -> float:
    """Return a number of a recipe that lies within its bounds.

    Raises:
        Invalid: if it does not, or is none.
    """
    if type(value) not in (int, float) or not low <= value <= high:
        raise Invalid(f"recipe: {name} must be a number from {low:g} to {high:g}, not {value!r:.40}")
    return float(value)
