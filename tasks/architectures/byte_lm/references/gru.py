"""A gated recurrent network (Cho et al., arXiv 1406.1078): torch's GRU, one layer of 128 units."""

from torch import Tensor, nn


class Model(nn.Module):
    """The whole network."""

    def __init__(self, vocab: int, width: int = 64, hidden: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.recurrent = nn.GRU(width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it."""
        return self.out(self.recurrent(self.embedding(x))[0])


def build_lm(vocab: int, context: int) -> nn.Module:
    """Return a network from bytes (batch, context) to logits (batch, context, vocab)."""
    return Model(vocab)
