"""Causal dilated convolutions with residuals, as WaveNet's (van den Oord et al., arXiv 1609.03499): 5 layers, 80 wide."""

from torch import Tensor, nn
from torch.nn import functional


class Model(nn.Module):
    """The whole network."""

    def __init__(self, vocab: int, width: int = 80, layers: int = 5, kernel: int = 4) -> None:
        super().__init__()
        self.reach = [(kernel - 1) * 2**layer for layer in range(layers)]
        self.embedding = nn.Embedding(vocab, width)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, kernel, dilation=2**layer) for layer in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.out = nn.Linear(width, vocab)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it."""
        x = self.embedding(x)
        for reach, norm, convolution in zip(self.reach, self.norms, self.convolutions, strict=True):
            padded = functional.pad(norm(x).transpose(1, 2), (reach, 0))
            x = x + functional.gelu(convolution(padded)).transpose(1, 2)
        return self.out(x)


def build_lm(vocab: int, context: int) -> nn.Module:
    """Return a network from bytes (batch, context) to logits (batch, context, vocab)."""
    return Model(vocab)
