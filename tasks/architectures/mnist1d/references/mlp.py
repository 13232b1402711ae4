"""The multilayer perceptron of arXiv 2011.14439, two hidden layers; narrowed from 100 to 44 units to fit the limit of 6,000."""

from torch import nn


def build_model(shape: tuple[int, ...], classes: int, width: int = 44) -> nn.Module:
    """Return a network from (batch, *shape) to logits (batch, classes)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(shape[0] * shape[1], width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, classes),
    )
