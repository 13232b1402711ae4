"""A residual network (He et al., arXiv 1512.03385) of dilated convolutions (Yu and Koltun, arXiv 1511.07122), 9 channels wide."""

from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """Adds what a layer makes of its input to the input."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return x + self.layer(x)


class Block(nn.Module):
    """A convolution added to what goes in."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.convolution = Residual(nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation))
        self.norm = nn.Sequential(nn.BatchNorm1d(width), nn.ELU())

    def forward(self, x: Tensor) -> Tensor:
        """Compute it."""
        return x + functional.relu(self.norm(self.convolution(x)))


def build_model(shape: tuple[int, ...], classes: int, width: int = 9) -> nn.Module:
    """Return a network from (batch, *shape) to logits (batch, classes)."""
    return nn.Sequential(
        nn.Conv1d(shape[0], width, 5, padding=2), nn.GroupNorm(1, width), nn.Conv1d(width, width, 3, padding=1, groups=width), nn.ELU(),
        Block(width, 1),
        Block(width, 4),
        nn.AvgPool1d(4),
        Block(width, 1), Block(width, 2),
        Block(width, 4),
        nn.AdaptiveAvgPool1d(4),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )
