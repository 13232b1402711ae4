"""The convolutional network of arXiv 2011.14439: three layers of 25 channels with stride 2, 5,210 parameters (from its code)."""

from torch import nn


def build_model(shape: tuple[int, ...], classes: int, width: int = 25) -> nn.Module:
    """Return a network from (batch, *shape) to logits (batch, classes)."""
    return nn.Sequential(
        nn.Conv1d(shape[0], width, 5, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv1d(width, width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv1d(width, width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(5 * width, classes),
    )
