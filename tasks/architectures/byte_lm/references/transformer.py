"""A decoder-only transformer (Vaswani et al., arXiv 1706.03762) with the norm first: 3 layers, 56 wide."""

from torch import Tensor, nn
from torch.nn import functional


class Layer(nn.Module):
    """Attention, then a perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it."""
        batch, length, width = x.shape
        split = self.qkv(self.first(x)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.mix(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(functional.gelu(self.up(self.second(x))))


class Model(nn.Module):
    """The whole network."""

    def __init__(self, vocab: int, context: int, width: int = 56, layers: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.position = nn.Embedding(context, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(layers)))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, vocab)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it."""
        return self.out(self.norm(self.layers(self.embedding(x) + self.position.weight)))


def build_lm(vocab: int, context: int) -> nn.Module:
    """Return a network from bytes (batch, context) to logits (batch, context, vocab)."""
    return Model(vocab, context)
