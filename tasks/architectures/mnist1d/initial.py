"""A network for curves of 40 points in 10 classes: one hidden layer."""

from torch import nn


def build_model(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return a network from (batch, *shape) to logits (batch, classes)."""
    points = shape[0] * shape[1]
    return nn.Sequential(nn.Flatten(), nn.Linear(points, 32), nn.ReLU(), nn.Linear(32, classes))
