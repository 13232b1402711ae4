"""A small language model of bytes whose feed-forward layers are mixtures of experts."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

VOCABULARY = 128
HEADS = 2
SPREAD = 0.1
"""Of the router's first weights: enough that experts differ from the start."""


class Routing(Protocol):
    """What decides about experts beside the model."""

    def scores(self, layer: int, logits: Tensor, top: int, train: bool) -> Tensor:
        """Return (tokens, experts), of which each row's ``top`` largest choose."""

    def auxiliary(self, layer: int, logits: Tensor, chosen: Tensor) -> Tensor | None:
        """Return a layer's balancing loss, or None."""


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return nats per byte."""
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


class Layer(nn.Module):
    """Attention, and a mixture of experts of which each token meets ``top``."""

    def __init__(self, width: int, hidden: int, experts: int, top: int) -> None:
        super().__init__()
        self.top = top
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate = nn.Linear(width, experts, bias=False)
        nn.init.normal_(self.gate.weight, std=SPREAD)
        self.up = nn.Parameter(torch.randn(experts, width, hidden) / math.sqrt(width))
        self.down = nn.Parameter(torch.randn(experts, hidden, width) / math.sqrt(4 * hidden))

    def attend(self, x: Tensor) -> Tensor:
        """Return attention to the past."""
        sequences, length, width = x.shape
        q, k, v = self.qkv(self.first(x)).view(sequences, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(seen.transpose(1, 2).reshape(sequences, length, width))

    def mix(self, x: Tensor, probabilities: Tensor, chosen: Tensor, kept: Tensor) -> Tensor:
        """Return the sum of the kept experts' answers, weighted by the probabilities of the chosen ones."""
        weights = probabilities * kept
        if self.top > 1:
            weights = weights / (probabilities * chosen).sum(1, keepdim=True)
        y = torch.zeros_like(x)
        for expert in range(len(self.up)):
            rows = kept[:, expert].nonzero()[:, 0]
            if len(rows):
                answer = functional.gelu(x[rows] @ self.up[expert]) @ self.down[expert]
                y = y.index_add(0, rows, answer * weights[rows, expert, None])
        return y


class MoeLM(nn.Module):
    """Bytes to logits of the next byte.

    Attributes:
        loads: of the latest pass, each layer's tokens per expert, in equal shares.
        dropped: of the latest pass, the share of assignments beyond capacity.
    """

    def __init__(self, width: int, hidden: int, layers: int, experts: int, top: int, context: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        self.place = nn.Parameter(torch.randn(context, width) * 0.02)
        self.layers = nn.ModuleList(Layer(width, hidden, experts, top) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY)
        self.loads: list[Tensor] = []
        self.dropped = 0.0

    def forward(
        self, x: Tensor, routing: Routing, train: bool = False, capacity: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits and the mean of the layers' balancing losses.

        Args:
            x: (sequences, context) bytes.
            routing: who chooses experts.
            train: whether the balancing losses are computed, and states move on.
            capacity: assignments that an expert takes, in equal shares: those of the largest probabilities; None: all.
        """
        h = self.embed(x) + self.place
        losses: list[Tensor] = []
        dropped: list[float] = []
        self.loads = []
        for number, layer in enumerate(self.layers):
            h = h + layer.attend(h)
            z = layer.second(h).flatten(0, 1)
            logits = layer.gate(z)
            probabilities = logits.softmax(1)
            best = routing.scores(number, logits, layer.top, train).topk(layer.top, 1).indices
            chosen = torch.zeros_like(logits).scatter_(1, best, 1.0)
            self.loads.append(chosen.mean(0) * chosen.shape[1] / layer.top)
            if train and (loss := routing.auxiliary(number, logits, chosen)) is not None:
                losses.append(loss)
            kept = chosen if capacity is None else within(chosen, probabilities.detach(), capacity)
            dropped.append(1 - float(kept.sum() / chosen.sum()))
            h = h + layer.mix(z, probabilities, chosen, kept).view_as(h)
        self.dropped = sum(dropped) / len(dropped)
        return self.head(self.norm(h)), torch.stack(losses).mean() if losses else torch.zeros(())


def within(chosen: Tensor, probabilities: Tensor, capacity: float) -> Tensor:
    """Return the assignments that fit: of each expert's, those of the largest probabilities."""
    places = int(capacity * float(chosen.sum()) / chosen.shape[1])
    order = torch.where(chosen > 0, probabilities, -1.0).argsort(dim=0, descending=True, stable=True)
    rank = order.argsort(0)
    return chosen * (rank < places)
