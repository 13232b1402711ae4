"""How a judge trains and examines a network that a candidate described: the same loop, on the same batches, for all of them.

A seed decides all chance: the first weights, the order of the samples, dropout. Candidates judged on the same seed have it in
common, so that their difference is less noisy than they are. All of this runs in the judge, where nothing of a jail reaches.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from time import process_time

import torch
from torch import Tensor, nn
from torch.nn import functional

from evolve import Invalid
from evolve.kit.recipe import Recipe

Batch = tuple[Tensor, Tensor]
"""Inputs and targets."""

FLOOR = -30.0
"""Logarithms of probabilities below this count as this one where two answers are compared."""


class Placed(nn.Module):
    """A network on another device: its inputs follow it there, and what its graph makes out of nothing is made there."""

    def __init__(self, network: nn.Module, device: str) -> None:
        super().__init__()
        self.network = network.to(device)
        self.device = torch.device(device)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the network's answers, on its device."""
        with self.device:
            answer: Tensor = self.network(inputs.to(self.device))
        return answer


def unforeseen() -> torch.Generator:
    """Return a generator whose numbers nobody can know beforehand, for what must not be prepared for: seeds are no secret."""
    return torch.Generator().manual_seed(secrets.randbits(63))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Have torch's own random numbers begin at ``seed`` inside, and go on outside as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def fit(
    network: nn.Module,
    recipe: Recipe,
    batches: Iterator[Batch],
    steps: int,
    *,
    masks: Mapping[str, Tensor] | None = None,
    seconds: float = math.inf,
) -> list[float]:
    """Train a network for so many steps, leave it in evaluation mode and return the loss of each step, in nats.

    Args:
        network: from inputs to logits (..., classes); targets are classes (...).
        recipe: how.
        batches: at least ``steps`` of them.
        steps: of the optimizer.
        masks: parameters' names -> 1 where an entry may be used; the others are kept at 0.
        seconds: CPU time after which a network is too slow.

    Raises:
        Invalid: if the loss stops being finite, nothing in the network can be trained, or it is too slow.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trained:
        raise Invalid("the network has no parameter to train: give it an nn.Parameter or a layer that has one")
    optimizer = _optimizer(recipe, trained)
    held = [(parameter, masks[name]) for name, parameter in network.named_parameters() if masks and name in masks]
    losses: list[float] = []
    latest = process_time() + seconds
    network.train()
    for step, (inputs, targets) in enumerate(islice(batches, steps)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step, steps)
        logits = network(inputs)
        loss = cross_entropy(logits, targets.to(logits.device), recipe.label_smoothing)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise Invalid(f"the training loss is {losses[-1]} at step {step} of {steps}: the training diverged")
        if process_time() > latest:
            raise Invalid(f"too slow: {seconds:g} CPU seconds were over after {step} of {steps} steps of the training")
        optimizer.zero_grad()
        backward(loss)
        nn.utils.clip_grad_norm_(trained, recipe.clip)
        optimizer.step()
        with torch.no_grad():
            for parameter, mask in held:
                parameter.mul_(mask)
    network.eval()
    return losses


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross entropy in nats."""
    return functional.cross_entropy(logits.flatten(0, -2), targets.flatten(), label_smoothing=smoothing)


def epochs(inputs: Tensor, targets: Tensor, size: int, seed: int) -> Iterator[Batch]:
    """Yield batches of ``size`` without end, each sample once before any comes again, in an order that ``seed`` decides."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(inputs), generator=generator)
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            yield inputs[chosen], targets[chosen]


def answers(network: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> Tensor:
    """Return the logits for all inputs, whose number is a multiple of ``size``, in batches of that size.

    What is random in the network is so from a seed that nobody knows: else its numbers would tell it which call this is.

    Raises:
        Invalid: if one of them is not finite.
    """
    with torch.no_grad(), seeded(secrets.randbits(63)):
        logits = torch.cat([network(batch).cpu() for batch in inputs.split(size)])
    if not bool(torch.isfinite(logits).all()):
        raise Invalid("the trained network's logits are not all finite numbers")
    return logits


def difference(first: Tensor, second: Tensor) -> float:
    """Return how far two sets of logits (..., classes) are apart: the largest difference of a probability's logarithm.

    Of probabilities, so that no offset or scale of the logits hides a difference that matters.
    """
    one, other = (functional.log_softmax(logits, -1).clamp_min(FLOOR) for logits in (first, second))
    return float((one - other).abs().max()) if one.numel() else 0.0


def largest(network: nn.Module, share: float) -> dict[str, Tensor]:
    """Set all but the largest ``share`` of each weight tensor to 0 and return the masks that keep it so, by name.

    Weight tensors are the trained parameters of two dimensions or more. Of equal weights the first ones are kept.
    """
    masks: dict[str, Tensor] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and parameter.dim() >= 2:
            order = parameter.detach().abs().flatten().sort(descending=True, stable=True).indices
            kept = order[: math.ceil(share * len(order))]
            masks[name] = torch.zeros_like(order, dtype=parameter.dtype).index_fill_(0, kept, 1.0).view_as(parameter)
            with torch.no_grad():
                parameter.mul_(masks[name])
    return masks


def backward(loss: Tensor) -> None:
    """Find the gradients of what a candidate's code computes.

    Raises:
        Invalid: if torch cannot, as where the code has changed in place what its gradient needs.
    """
    try:
        loss.backward()
    except RuntimeError as problem:
        if isinstance(problem, torch.OutOfMemoryError):
            raise
        raise Invalid(f"there are no gradients to train with: {str(problem)[:300]}") from problem


def _optimizer(recipe: Recipe, trained: list[nn.Parameter]) -> torch.optim.Optimizer:
    if recipe.optimizer == "adamw":
        betas = (recipe.momentum, 0.98)
        return torch.optim.AdamW(trained, recipe.lr, betas, weight_decay=recipe.weight_decay, foreach=True)
    momentum = recipe.momentum
    return torch.optim.SGD(
        trained, recipe.lr, momentum, nesterov=momentum > 0, weight_decay=recipe.weight_decay, foreach=True
    )
