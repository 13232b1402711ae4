"""What a candidate's torch code becomes in the judge: the same numbers, and nothing beyond them."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from evolve import Invalid
from evolve.judge import wire
from evolve.kit import graph, trace
from evolve.kit.work import Work


def crossed(data: Any) -> Any:
    return wire.decode(wire.encode(data))


def network(module: Any, example: Any, seed: int = 0, limit: Work = graph.LIMIT) -> Any:
    return graph.Network(crossed(trace.network(module, example)), seed, limit)


def copied(module: Any, made: Any) -> None:
    """Give the judge's network the module's own values."""
    tensors = [*dict(module.named_parameters()).values(), *dict(module.named_buffers()).values()]
    with torch.no_grad():
        for mine, theirs in zip(made.state_dict().values(), tensors, strict=True):
            mine.copy_(theirs)


class Language(nn.Module):
    """Embedding, recurrences, attention: what byte models are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(64, 16)
        self.gru = nn.GRU(16, 16, batch_first=True)
        self.lstm = nn.LSTM(16, 16, batch_first=True)
        self.attend = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.out = nn.Linear(16, 64, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x: Any) -> Any:
        h, _ = self.gru(self.embed(x))
        h, _ = self.lstm(h)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.out(self.attend(h, src_mask=mask, is_causal=True))


def convolutional() -> Any:
    return nn.Sequential(
        nn.Unflatten(1, (1, 40)), nn.Conv1d(1, 9, 5, padding=2), nn.BatchNorm1d(9), nn.ReLU(inplace=True), nn.Dropout(0.1),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(9, 10),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "example"),
    [
        (convolutional, lambda: torch.randn(20, 40)),
        (Language, lambda: torch.randint(0, 64, (4, 12))),
    ],
)
def test_a_network_gives_what_the_module_gives(make: Callable[[], Any], example: Callable[[], Any]) -> None:
    torch.manual_seed(0)
    module, x = make(), example()
    made = network(module, x)
    copied(module, made)
    for training in (True, False):
        module.train(training)
        made.train(training)
        torch.manual_seed(1)
        expected = module(x)
        torch.manual_seed(1)
        assert torch.equal(made(x), expected)
    expected.square().sum().backward()
    made(x).square().sum().backward()
    for mine, theirs in zip(made.parameters(), module.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)


def test_a_function_keeps_its_value_gradients_and_regions_without_them() -> None:
    def loss(logits: Any, targets: Any, t: float) -> Any:
        with torch.no_grad():
            weights = torch.softmax(logits, -1).gather(1, targets[:, None]).squeeze(1)
        each = F.cross_entropy(logits, targets, reduction="none", label_smoothing=0.1)
        kept = each.sort().values[: int(len(targets) * (1 - 0.3 * t))]
        hard = each > 0.1
        return (kept * weights[: len(kept)]).mean() + each[hard].mean() + F.one_hot(targets, 10).float().mean()

    torch.manual_seed(0)
    logits, targets = torch.randn(32, 10, requires_grad=True), torch.randint(0, 10, (32,))
    made = graph.Function(crossed(trace.function(loss, torch.zeros(32, 10), torch.zeros(32, dtype=torch.long), 0.5)))
    value, expected = made(logits, targets), loss(logits, targets, 0.5)
    assert torch.equal(value, expected)
    assert torch.equal(torch.autograd.grad(value, logits)[0], torch.autograd.grad(expected, logits)[0])
    assert torch.is_grad_enabled()


def test_several_results_infinities_and_constants() -> None:
    table = torch.tensor([1.0, 2.0, 3.0])

    def f(x: Any) -> Any:
        masked = x.masked_fill(x < 0, -math.inf)
        return masked.softmax(-1) * table, x.max(1).values

    x = torch.tensor([[1.0, -1.0, 2.0]])
    made = graph.Function(crossed(trace.function(f, torch.zeros(1, 3))))
    for mine, theirs in zip(made(x), f(x), strict=True):
        assert torch.equal(mine, theirs)
    assert made.numbers.total() == 3


def test_weights_do_not_cross_but_their_law_does() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(50, 40), nn.LayerNorm(40), nn.Linear(40, 30))
    nn.init.normal_(module[2].weight, 0.5, 0.2)
    a, again, b = (network(module, torch.zeros(2, 50), seed) for seed in (1, 1, 2))
    first, theirs = a.tensor0, module[0].weight
    assert torch.equal(first, again.tensor0)
    assert not torch.equal(first, b.tensor0)
    assert not torch.equal(first, theirs)
    assert first.std().item() == pytest.approx(theirs.std().item(), rel=0.05)
    assert first.abs().max().item() == pytest.approx(1 / math.sqrt(50), rel=0.02)  # uniform, as nn.Linear's
    drawn = next(tensor for tensor in a.parameters() if tensor.shape == (30, 40))
    assert (drawn.mean().item(), drawn.std().item()) == (pytest.approx(0.5, abs=0.03), pytest.approx(0.2, rel=0.1))
    assert torch.equal(a.tensor2, torch.ones(40))
    assert a.size == sum(parameter.numel() for parameter in module.parameters())


class Counted(nn.Module):
    """Computes with whatever it was given, on a linear layer."""

    def __init__(self, forward: Callable[[Any, Any], Any], **tensors: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.how = forward
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def forward(self, x: Any) -> Any:
        return self.how(self, x)


def test_products_are_counted_however_they_are_written() -> None:
    x = torch.zeros(10, 8)
    assert graph.macs(network(Counted(lambda m, x: m.layer(x)), x), x) == 64
    by_hand = Counted(lambda m, x: (x[:, None] * m.layer.weight).sum(-1))
    assert graph.macs(network(by_hand, x), x) == 64
    both = Counted(lambda m, x: m.layer(x) if m.training else m.layer(m.layer(x)))
    assert graph.macs(network(both, x), x) == 128
    attention = Counted(lambda m, x: F.scaled_dot_product_attention(x[None], x[None], x[None])[0])
    assert graph.macs(network(attention, x), x) >= 160
    for kind in (nn.LSTM, nn.GRU):
        recurrent = kind(8, 8, batch_first=True)
        example = torch.zeros(2, 5, 8)
        made = network(nn.Sequential(recurrent, Taking()), example)
        gates = 4 if kind is nn.LSTM else 3
        assert graph.macs(made, example) >= 5 * gates * (64 + 64)


class Taking(nn.Module):
    """The first of what it gets."""

    def forward(self, x: Any) -> Any:
        return x[0]


def test_numbers_are_counted_wherever_they_hide() -> None:
    x = torch.zeros(2, 8)
    plain = network(Counted(lambda m, x: m.layer(x)), x).size
    features = Counted(lambda m, x: m.layer(x) + m.hidden.sum())
    features.hidden = torch.nn.Parameter(torch.randn(100), requires_grad=False)
    assert network(features, x).size == plain + 100
    with pytest.raises(TypeError, match="64 may cross"):
        network(Counted(lambda m, x: m.layer(x) + m.hidden.sum(), hidden=torch.randn(100)), x)
    literal = torch.tensor([0.5, 1.5, 2.5])
    assert network(Counted(lambda m, x: m.layer(x) + literal.sum()), x).size == plain + 3
    assert network(Counted(lambda m, x: m.layer(x) * 0.123 + 456), x).size == plain + 2
    table = Counted(lambda m, x: m.layer(x) + torch.stack([x.new_full((), i) for i in range(2, 90)]).sum())
    assert network(table, x).size == plain + 88
    smuggled = Counted(lambda m, x: m.layer(x) + torch.stack([x.new_full((), i) for i in range(2, 200)]).sum())
    with pytest.raises(Invalid, match="brings along 198 numbers"):
        network(smuggled, x)
    counted = Counted(lambda m, x: m.layer(x) + torch.cat([torch.arange(i, i + 1) for i in range(2, 200)]).sum())
    with pytest.raises(Invalid, match="brings along"):
        network(counted, x)
    settings = Counted(
        lambda m, x: m.layer(x) + sum(torch.layer_norm(x, (8,), eps=0.1 * k).sum() for k in range(2, 100))
    )
    with pytest.raises(Invalid, match="brings along 97 numbers"):
        network(settings, x)
    both = Counted(lambda m, x: m.layer(x) + torch.stack([x.new_full((), i) for i in range(2, 60)]).sum() + m.table.sum(),
                   table=torch.arange(64))  # fmt: skip
    with pytest.raises(Invalid, match="tell more than 96 numbers"):
        network(both, x)


def test_a_number_is_no_more_precise_than_a_weight_wherever_it_stands() -> None:
    made = graph.Function(crossed(trace.function(lambda x: x.double() * (1 / 3), torch.zeros(1))))
    assert made(torch.ones(1)).item() == torch.tensor(1 / 3).item()
    with pytest.raises(Invalid, match="a whole number beyond 16777216"):
        graph.Function(crossed(trace.function(lambda x: torch.full((), 1 << 60) + x, torch.zeros(1))))


@pytest.mark.parametrize("f", [lambda x: (x > 0) & (x < 1), lambda x: (x > 0) | (x < 1), lambda x: (x > 0) ^ (x < 1)])
def test_masks_may_be_combined_with_operators(f: Callable[[Any], Any]) -> None:
    x = torch.tensor([-1.0, 0.5, 2.0])
    made = graph.Function(crossed(trace.function(lambda x: f(x).float(), x)))
    assert made(x).tolist() == f(x).float().tolist()


@pytest.mark.parametrize(
    ("forward", "buffers", "says"),
    [
        (
            lambda m, x: m.layer(x) + torch.randn(65).cumsum(0).sum() * m.table.sum(),
            {"table": torch.arange(65)},
            "65 values",
        ),
        (lambda m, x: m.layer(x) if x.sum() > 0 else x, {}, "torch.where"),
        (lambda m, x: m.layer(x) * float(x.sum()), {}, r"no .item\(\)"),
        (lambda m, x: m.layer(x) * x.sum().item(), {}, "cannot be traced"),
        (lambda m, x: {"y": m.layer(x)}, {}, "no dict"),
        (lambda m, x: (m.layer(x), x), {}, "one tensor"),
        (lambda m, x: Signed.apply(m.layer(x)), {}, r"autograd.Function"),
    ],
)
def test_what_cannot_be_traced_says_so(forward: Callable[[Any, Any], Any], buffers: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        trace.network(Counted(forward, **buffers), torch.zeros(2, 8))


class Signed(torch.autograd.Function):
    """A gradient that torch does not know."""

    @staticmethod
    def forward(context: Any, x: Any) -> Any:
        return x.sign()

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        return gradient


def grown(m: Any, x: Any) -> Any:
    m.seen.add_(x.sum())
    return m.layer(x) + m.seen


def test_evaluation_may_not_remember_other_samples() -> None:
    made = network(Counted(grown, seen=torch.zeros(1)), torch.zeros(2, 8))
    made(torch.ones(2, 8))  # in training it may: batch normalisation does
    made.eval()
    with pytest.raises(Invalid, match="changes a parameter or buffer in evaluation"):
        made(torch.ones(2, 8))


def test_a_constant_remembers_nothing_and_inputs_stay_as_they_are() -> None:
    memory = torch.zeros(8)

    def f(x: Any) -> Any:
        x.mul_(2)
        return memory.add_(x.detach().sum()) + x

    made = graph.Function(crossed(trace.function(f, torch.zeros(8))))
    x = torch.ones(8)
    with torch.no_grad():
        assert torch.equal(made(x), made(x))
    assert torch.equal(x, torch.ones(8))


X, MADE = {"input": 0}, {"step": 0}


def called(name: str, *arguments: Any, made: list[int] | None = None, **keywords: Any) -> dict[str, Any]:
    """A graph of one operation, of X or of a tensor of this shape that holds the least whole number."""
    first = ["aten.full.default", [made, -(1 << 63)], {"dtype": {"dtype": "float32" if "pool" in name else "int64"}}]
    steps = [*([first] if made else []), [f"aten.{name}", list(arguments), keywords]]
    return {"constants": [], "steps": steps, "result": {"step": len(steps) - 1}}


GOOD: dict[str, Any] = {"constants": [], "steps": [["aten.relu.default", [{"input": 0}], {}]], "result": {"step": 0}}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "not a graph"),
        (GOOD | {"more": 1}, "not a graph"),
        (GOOD | {"steps": [["aten.relu.default", [{"step": 0}], {}]]}, "argument"),
        (GOOD | {"steps": [["aten.relu.default", [{"step": -1}], {}]]}, "argument"),
        (GOOD | {"steps": [["aten.empty_like.default", [{"input": 0}], {}]]}, "not allowed"),
        (GOOD | {"steps": [["aten.as_strided.default", [{"input": 0}, [9], [1]], {}]]}, "not allowed"),
        (GOOD | {"steps": [["aten.from_file.default", ["/etc/passwd"], {}]]}, "not allowed"),
        (GOOD | {"steps": [["aten.relu.out", [{"input": 0}], {"out": {"input": 0}}]]}, "not allowed"),
        (GOOD | {"steps": [["os.system", ["true"], {}]]}, "not allowed"),
        (GOOD | {"steps": [["aten.relu.__class__", [{"input": 0}], {}]]}, "no operation"),
        (GOOD | {"steps": [["aten.relu.default", [{"input": 7}], {}]]}, "does not run"),
        (GOOD | {"steps": [["aten.relu.default", ["text"], {}]]}, "does not run"),
        (GOOD | {"steps": [["getitem", [{"input": 0}, "shape"], {}]]}, "does not run"),
        (GOOD | {"steps": [GOOD["steps"][0]] * 4001}, "4000 are allowed"),
        (GOOD | {"constants": [torch.zeros(97)]}, "brings along 97 numbers"),
        (GOOD | {"constants": [3]}, "constants are tensors"),
        (GOOD | {"result": 3.0}, "must be a tensor"),
        (GOOD | {"steps": [["aten.repeat.default", [{"input": 0}, [1 << 24]], {}]]}, "does not run|numbers in one tensor"),
        (GOOD | {"steps": [["aten.expand.default", [{"constant": 0}, [1 << 23]], {}]], "constants": [torch.zeros(1)]}, "numbers"),
        (GOOD | {"steps": [["aten.zeros.default", [[1 << 24]], {}]]}, "numbers in one tensor"),
        (called("roll.default", X, [1] * 300_000, [0] * 300_000), "list of more than 64"),
        (called("add.Scalar", X, 10**400), "a whole number beyond"),
        (called("zeros.default", [X]), "size must be a number"),
        (called("squeeze_.default", X), "not allowed"),
        (called("remainder.int", 7, 0), "no tensors"),
        (called("tensor_split.sections", X, 10**7), "50000 operations"),
        (called("max.dim_max", X, 0, max=X, max_values=X), "not allowed"),
        (called("native_batch_norm.default", X, None, None, None, None, True, 0.1, 0.1), "not allowed"),
        (called("zeros.default", [3], dtype={"dtype": "complex64"}), "argument"),
        (called("one_hot.default", X), "how many classes"),
        (GOOD | {"constants": [torch.zeros(1, dtype=torch.complex64)]}, "complex64"),
        (GOOD | {"constants": [torch.tensor([1 << 40])]}, "beyond"),
        (called("pixel_shuffle.default", MADE, 0, made=[1, 1, 1]), "does not run"),
        (called("avg_pool1d.default", MADE, [1_000_000], [1], made=[1, 1, 2_000_000]), "numbers in all"),
        (called("unbind.int", MADE, made=[20_000]), "unbind gives more than 10000 tensors"),
        (called("unbind.int", MADE, -1, made=[1, 20_000]), "unbind gives more than 10000 tensors"),
        (called("unbind.int", MADE, 5, made=[3]), "does not run"),
        (called("split.Tensor", MADE, 1, made=[20_000]), "split gives more than 10000 tensors"),
        (called("split.Tensor", MADE, 2, dim=1, made=[1, 30_000]), "split gives more than 10000 tensors"),
        (called("unsafe_split.Tensor", MADE, 1, made=[20_000]), "unsafe_split gives more than 10000 tensors"),
        (called("div.Scalar_mode", MADE, -1, rounding_mode="trunc", made=[64]), "floor"),
    ],
)  # fmt: skip
def test_a_forged_graph_is_invalid(data: Any, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        graph.Function(crossed(data))(torch.zeros(3))


def test_a_graph_that_costs_too_much_is_invalid() -> None:
    def squared(x: Any) -> Any:
        for _ in range(100):
            x = x @ x
        return x

    data = crossed(trace.function(squared, torch.zeros(200, 200)))
    with pytest.raises(Invalid, match="products in a run, with mm"):
        graph.Function(data, Work(macs=10**8, elements=10**9, largest=10**6))(torch.zeros(200, 200))
    with pytest.raises(Invalid, match="numbers in all"):
        graph.Function(data, Work(macs=10**10, elements=10**6, largest=10**6))(torch.zeros(200, 200))


@pytest.mark.parametrize(
    "row",
    [
        {"shape": [1 << 40], "dtype": "float32", "law": "constant", "value": 0.0},
        {"shape": [2], "dtype": "load", "law": "constant", "value": 0.0},
        {"shape": [2], "dtype": "float32", "law": "exact", "value": [1.0, 2.0, 3.0]},
        {"shape": [2], "dtype": "float32", "law": "worse"},
        {"shape": [2], "dtype": "float32", "law": "normal", "mean": 0.0, "std": -1.0},
        {"shape": "23", "dtype": 3},
        {"shape": [0, 1 << 70], "dtype": "float32", "law": "constant", "value": 0.0},
        {"shape": [2], "dtype": "float32", "law": "normal", "mean": 10**400, "std": 1.0},
        {"shape": [2], "dtype": "int64", "law": "constant", "value": 1},
    ],
)
def test_a_forged_tensor_is_invalid(row: dict[str, Any]) -> None:
    data = {"tensors": [{"trained": True, "name": "w", **row}], "train": GOOD, "eval": GOOD}
    with pytest.raises(Invalid):
        graph.Network(crossed(data), 0)


def rows(count: int, **row: Any) -> list[dict[str, Any]]:
    """Tensors of one law, each with another number where it says None."""
    told = [{key: 0.1 + place if value is None else value for key, value in row.items()} for place in range(count)]
    return [{"name": "w", "dtype": "float32", "shape": [1], "trained": True, **one} for one in told]


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (rows(200, law="constant", value=None), "more than 96 numbers"),
        (rows(200, law="constant", value=0.5), "more than 96 numbers"),  # of two such values, in an order
        (rows(200, law="constant", value=1.0), None),
        (rows(200, law="normal", mean=None, std=0.0), "more than 96 numbers"),
        (rows(200, law="normal", mean=None, std=0.1, shape=[60]), "more than 96 numbers"),
        (
            rows(200, law="uniform", mean=0.01, std=None, shape=[2]),
            "more than 96 numbers",
        ),  # by the deviation, sign and all
        (rows(90, law="uniform", mean=0.01, std=None, shape=[9]), None),  # as small layers begin by chance
        (rows(200, law="normal", mean=None, std=1e-6, shape=[1000]), "more than 96 numbers"),
        (rows(200, law="uniform", mean=0.0, std=None, shape=[100]), "more than 96 numbers"),  # by the largest element
        (rows(90, law="uniform", mean=0.0, std=None, shape=[100]), None),
        (rows(1, law="constant", value=0.0, shape=[7, 0]), "empty"),  # its other size tells a number
        (rows(600, law="constant", value=1.0), "512 parameters"),
        (rows(200, law="normal", mean=None, std=1e4, shape=[100]), None),
        (rows(20, law="constant", value=0.0, shape=[4_000_000]), "too large"),
        ([{"name": "w", "dtype": "float32", "shape": [1], "law": "constant", "value": 0.0}], "described wrongly"),
    ],
)
def test_laws_of_many_tensors_carry_no_weights(tensors: list[dict[str, Any]], says: str | None) -> None:
    data = crossed({"tensors": tensors, "train": GOOD, "eval": GOOD})
    if says is None:
        assert graph.Network(data, 0).size
        return
    with pytest.raises(Invalid, match=says):
        graph.Network(data, 0)


def test_an_exact_number_is_no_more_precise_than_a_weight() -> None:
    packed = torch.tensor([1 / 3], dtype=torch.float64)
    assert graph.Function(GOOD | {"constants": [packed]}).constants[0].item() == packed.float().item()


def test_a_network_may_join_what_it_has_joined_before() -> None:
    def dense(x: Any) -> Any:
        found = [x]
        for _ in range(10):
            found.append(torch.cat(found).mean(0, keepdim=True))
        return torch.cat(found).sum()

    assert graph.Function(crossed(trace.function(dense, torch.zeros(3, 4)))).told.total() < graph.NUMBERS


def test_what_is_selected_by_values_costs_what_it_costs_each_time() -> None:
    def pairs(x: Any) -> Any:
        chosen = x[x > 0]
        return (chosen[:, None] * chosen).sum()

    made = graph.Function(crossed(trace.function(pairs, torch.zeros(100))), Work(10**9, 10**9, 5000))
    assert made(torch.zeros(100)).item() == 0
    with pytest.raises(Invalid, match="numbers in one tensor"):
        made(torch.ones(100))


def test_a_network_may_not_compute_more_for_some_values() -> None:
    def hidden(m: Any, x: Any) -> Any:
        real = x.abs().sum(1) > 0
        return torch.zeros(2, 8).index_put((real,), m.layer(x[real]))

    made = network(Counted(hidden), torch.zeros(2, 8))
    with pytest.raises(Invalid, match=r"torch\.where"):
        made(torch.zeros(2, 8))


def test_running_statistics_are_no_memory_in_evaluation() -> None:
    def remember(m: Any, x: Any) -> Any:
        return m.layer(F.batch_norm(x, m.seen, m.other, training=True, momentum=0.5))

    made = network(Counted(remember, seen=torch.zeros(8), other=torch.ones(8)), torch.zeros(2, 8))
    made.eval()
    made(torch.ones(2, 8))  # torch counts this change of its buffers as none
    assert torch.equal(made.tensor2, torch.zeros(8))


def test_a_function_changes_no_statistics_of_its_inputs() -> None:
    data = called("batch_norm.default", X, None, None, {"input": 1}, {"input": 2}, True, 0.5, 0.1, False)
    mean, variance = torch.zeros(3), torch.ones(3)
    graph.Function(data)(torch.randn(5, 3), mean, variance)
    assert torch.equal(mean, torch.zeros(3))
    assert torch.equal(variance, torch.ones(3))


def test_a_graph_runs_where_its_inputs_are() -> None:
    table = torch.tensor([1.0, 2.0, 3.0])
    made = graph.Function(crossed(trace.function(lambda x: x * table + torch.arange(3), torch.zeros(3))))
    assert made(torch.zeros(3, device="meta")).device.type == "meta"


def test_data_of_a_tensor_is_refused_with_the_reason() -> None:
    def shifted(m: Any, x: Any) -> Any:
        m.layer.bias.data.add_(1)
        return m.layer(x)

    with pytest.raises(TypeError, match=r"\.data leads out"):
        trace.network(Counted(shifted), torch.zeros(2, 8))


def learnt(count: int) -> list[int]:
    """Numbers that follow no rule, as learnt weights do."""
    rng = Random(0)
    return [rng.randint(1, 63) for _ in range(count)]


def in_places(values: list[int]) -> list[Any]:
    """Steps that hold numbers as the places at which a tensor is split."""
    steps: list[Any] = [["aten.arange.default", [64], {}]]
    for start in range(0, len(values), 32):
        places = [place for value in values[start : start + 32] for place in (value, 0)]
        steps += [["aten.tensor_split.indices", [MADE, places], {}], ["aten.cat.default", [{"step": len(steps)}], {}]]
    return steps


def palette() -> list[Any]:
    """Steps that make 64 tensors."""
    return [["aten.add.Tensor", [{"step": k - 1} if k else X, X], {}] for k in range(64)]


def in_choices(values: list[int]) -> list[Any]:
    """Steps that hold numbers as the choice of one of few earlier steps."""
    chosen = enumerate(values)
    return palette() + [["aten.maximum.default", [{"step": 63 + k}, {"step": value}], {}] for k, value in chosen]


def in_lists(values: list[int]) -> list[Any]:
    """Steps that hold numbers as the order of tensors in a list."""
    return [*palette(), ["aten.stack.default", [[{"step": value} for value in values]], {}]]


@pytest.mark.parametrize("hidden", [in_places, in_choices, in_lists])
def test_numbers_that_hide_in_places_and_choices_make_a_graph_too_long(
    hidden: Callable[[list[int]], list[Any]],
) -> None:
    few, many = (
        GOOD | {"steps": steps, "result": {"step": len(steps) - 1}} for steps in map(hidden, ([5] * 500, learnt(700)))
    )
    assert graph.Function(few).told.total() < graph.NUMBERS
    with pytest.raises(Invalid, match=r"in the shortest way, take \d+ bytes"):
        graph.Function(many)


def test_a_loop_that_is_unrolled_is_not_too_long() -> None:
    class Unrolled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.symbols, self.gate, self.new = (
                torch.nn.Embedding(64, 16),
                torch.nn.Linear(32, 16),
                torch.nn.Linear(32, 16),
            )

        def forward(self, x: Any) -> Any:
            x, state, states = self.symbols(x), torch.zeros(x.shape[0], 16), []
            for t in range(128):
                both = torch.cat([x[:, t], state], 1)
                gate = self.gate(both).sigmoid()
                state = gate * state + (1 - gate) * self.new(both).tanh()
                states.append(state)
            return torch.stack(states, 1)

    made = network(Unrolled(), torch.zeros(2, 128, dtype=torch.int64))
    assert made(torch.zeros(2, 128, dtype=torch.int64)).shape == (2, 128, 16)


def test_training_and_evaluation_bring_no_numbers_of_their_own_each() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.layer(x) + sum((x * (k + 0.5 * m.training)).sum() for k in range(2, 62))

    with pytest.raises(Invalid, match="brings along 120 numbers"):
        network(Counted(forward), torch.zeros(2, 8))


@pytest.mark.parametrize("law", [{"law": "constant", "value": 1 / 3}, {"law": "normal", "mean": 1 / 3, "std": 0.0}])
def test_a_law_tells_no_more_than_one_number(law: dict[str, Any]) -> None:
    row = {"name": "w", "shape": [100], "dtype": "float64", "trained": True, **law}
    made = graph.Network({"tensors": [row], "train": GOOD, "eval": GOOD}, 0)
    assert made.tensor0[0].item() == torch.tensor(1 / 3).item()
    whole = {**row, "dtype": "int64", "trained": False, "law": "constant", "value": 2**62}
    with pytest.raises(Invalid, match="whole number beyond"):
        graph.Network({"tensors": [whole], "train": GOOD, "eval": GOOD}, 0)


def test_what_torch_takes_by_number_is_told_by_name() -> None:
    with pytest.raises(Invalid, match="out_dtype must be told by its name"):
        graph.Function(called("mm.dtype", X, X, 1000))
    assert graph.Function(called("sum.default", X, dtype={"dtype": "float64"}))(torch.ones(3)).item() == 3.0


def test_a_mask_is_spread_out_within_the_limits_alone() -> None:
    row, column = torch.ones(300, 1), torch.ones(1, 300, dtype=torch.bool)
    steps = [["aten.masked_select.default", [X, {"input": 1}], {}]]
    spread = GOOD | {"steps": steps}
    assert graph.Function(spread, Work(10**9, 10**9, 90_000))(row, column).numel() == 90_000
    with pytest.raises(Invalid, match="numbers in one tensor"):
        graph.Function(spread, Work(10**9, 10**9, 89_999))(row, column)
    deep = torch.ones([1] * 30 + [1000])
    with pytest.raises(Invalid, match="numbers in one tensor"):
        graph.Function(called("nonzero.default", X), Work(10**9, 10**9, 20_000))(deep)
    with pytest.raises(Invalid, match="numbers in one tensor"):
        graph.Function(called("index.Tensor", X, [{"input": 1}]), Work(10**9, 10**9, 50))(
            torch.ones(100), torch.ones(100) > 0
        )


def test_sparse_gradients_are_refused_with_the_reason() -> None:
    with pytest.raises(Invalid, match="leave out sparse=True"):
        network(torch.nn.Embedding(8, 4, sparse=True), torch.zeros(3, dtype=torch.int64))
