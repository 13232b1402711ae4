"""A residual network (He et al., arXiv 1512.03385) of dilated convolutions (Yu and Koltun, 1511.07122), 16 channels wide."""

from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """A convolution added to what goes in."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it."""
        return x + functional.relu(self.norm(self.convolution(x)))


def build_model(shape: tuple[int, ...], classes: int, width: int = 16) -> nn.Module:
    """Return a network from (batch, *shape) to logits (batch, classes)."""
    return nn.Sequential(
        nn.Conv1d(shape[0], width, 5, padding=2),
        Block(width, 1),
        Block(width, 2),
        nn.MaxPool1d(2),
        Block(width, 1),
        Block(width, 2),
        nn.AdaptiveAvgPool1d(2),
        nn.Flatten(),
        nn.Linear(2 * width, classes),
    )
