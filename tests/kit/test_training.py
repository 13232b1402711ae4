from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evolve import Invalid  # noqa: E402
from evolve.kit import recipe, training  # noqa: E402


def points(count: int = 60) -> training.Batch:
    inputs = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    return inputs, (inputs[:, 0] > 0).long()


def fitted(chosen: recipe.Recipe, steps: int = 40, **more: object) -> tuple[Any, list[float]]:
    with training.seeded(1):
        network = torch.nn.Linear(4, 2)
        return network, training.fit(network, chosen, training.epochs(*points(), 20, 0), steps, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", recipe.CHOICES["optimizer"])
def test_a_network_learns_the_same_from_the_same_seed(optimizer: str) -> None:
    chosen = recipe.Recipe(optimizer, lr=0.1)
    (network, losses), (_, again) = fitted(chosen), fitted(chosen)
    assert losses == again
    assert losses[-1] < losses[0] / 2
    assert not network.training


def test_what_is_seeded_inside_leaves_chance_outside_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with training.seeded(7):
        torch.rand(9)
    assert torch.equal(torch.rand(3), expected)


def test_every_sample_comes_once_before_any_comes_again() -> None:
    inputs = torch.arange(10.0)
    batches = list(islice(training.epochs(inputs, inputs.long(), 5, 3), 4))
    for first, second in (batches[:2], batches[2:]):
        assert sorted(torch.cat([first[0], second[0]]).tolist()) == inputs.tolist()
        assert torch.equal(first[0].long(), first[1])
    assert not torch.equal(batches[0][0], batches[2][0])


def test_the_rate_rises_stays_below_its_peak_and_falls() -> None:
    for schedule, last in (("cosine", 0.0), ("linear", 0.0), ("constant", 1.0)):
        rates = [recipe.Recipe(lr=1.0, schedule=schedule, warmup=0.25).rate(step, 40) for step in range(40)]
        assert rates[:10] == sorted(rates[:10])
        assert rates[10:] == sorted(rates[10:], reverse=True)
        assert max(rates) <= 1.0
        assert rates[-1] == pytest.approx(last, abs=0.02)
    assert recipe.Recipe(lr=1.0, warmup=0.0).rate(0, 10) == pytest.approx(1.0, abs=0.01)


def test_exactly_the_largest_weights_of_each_tensor_are_kept_and_stay_alone() -> None:
    with training.seeded(0):
        network = torch.nn.Linear(4, 2)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[3.0, -4.0, 1.0, 1.0], [1.0, 1.0, -1.0, 1.0]]))
    masks = training.largest(network, 0.5)
    assert masks["weight"].tolist() == [[1, 1, 1, 1], [0, 0, 0, 0]]
    assert list(masks) == ["weight"]
    training.fit(network, recipe.Recipe(lr=0.1), training.epochs(*points(), 20, 0), 5, masks=masks)
    assert network.weight[1].tolist() == [0.0] * 4
    assert (network.weight[0] != 0).all()


def test_differences_are_those_of_probabilities() -> None:
    logits = torch.tensor([[0.0, 1.0], [2.0, -1.0]])
    assert training.difference(logits, logits + 1000) < 1e-3
    assert training.difference(logits, logits + torch.tensor([0.0, 0.1])) > 0.02
    assert training.difference(torch.tensor([[0.0, -1e4]]), torch.tensor([[0.0, -2e4]])) == 0
    assert training.difference(logits[:0], logits[:0]) == 0


def test_what_cannot_be_trained_is_invalid() -> None:
    with pytest.raises(Invalid, match="diverged"):
        fitted(recipe.Recipe("sgd", lr=1e30, clip=1e30, warmup=0.0))
    with pytest.raises(Invalid, match="too slow"):
        fitted(recipe.Recipe(), steps=10_000, seconds=0.01)
    with pytest.raises(Invalid, match="no parameter"):
        training.fit(torch.nn.ReLU(), recipe.Recipe(), training.epochs(*points(), 20, 0), 1)
    with pytest.raises(Invalid, match="finite"):
        training.answers(lambda x: x / 0, torch.ones(4, 2), 2)


def test_what_has_no_gradient_is_invalid() -> None:
    grown = torch.ones(2, requires_grad=True).exp()
    loss = grown.sum()
    grown.mul_(2)  # which the gradient of exp is
    with pytest.raises(Invalid, match="no gradients"):
        training.backward(loss)


def test_chance_in_evaluation_cannot_be_foreseen() -> None:
    def answered() -> Any:
        with training.seeded(0):
            return training.answers(lambda x: x + torch.rand(()), torch.zeros(4, 2), 2)

    assert not torch.equal(answered(), answered())
    assert training.unforeseen().initial_seed() != training.unforeseen().initial_seed()


def test_a_recipe_is_read_from_plain_data() -> None:
    chosen = recipe.read({"lr": 1, "schedule": "linear"}, recipe.Recipe(warmup=0.1))
    assert chosen == recipe.Recipe(lr=1.0, schedule="linear", warmup=0.1)
    for answer, says in (
        ({"lr": float("nan")}, "lr must be"),
        ({"warmup": "0"}, "warmup"),
        ({"batch": 3}, "no 'batch'"),
    ):
        with pytest.raises(Invalid, match=says):
            recipe.read(answer, recipe.Recipe())
    for value in (["adamw"], "adam", None, np.array([1, 2])):
        with pytest.raises(Invalid, match="optimizer must be one of"):
            recipe.read({"optimizer": value}, recipe.Recipe())


def test_a_network_that_is_placed_learns_what_it_learns_elsewhere() -> None:
    with training.seeded(1):
        plain, other = torch.nn.Linear(4, 2), torch.nn.Linear(4, 2)
    other.load_state_dict(plain.state_dict())
    placed = training.Placed(other, "cpu")
    losses = [
        training.fit(network, recipe.Recipe(), training.epochs(*points(), 20, 0), 5) for network in (plain, placed)
    ]
    assert losses[0] == losses[1]
    assert list(training.largest(placed, 0.5)) == ["network.weight"]
