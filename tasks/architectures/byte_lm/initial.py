"""A language model of bytes: predicts the next byte from the present one alone."""

from torch import nn


def build_lm(vocab: int, context: int) -> nn.Module:
    """Return a network from bytes (batch, context) to logits (batch, context, vocab) of the byte that follows each."""
    return nn.Sequential(nn.Embedding(vocab, 64), nn.Linear(64, 128), nn.GELU(), nn.Linear(128, vocab))
