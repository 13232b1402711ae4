"""What the bandit chooses from: the built-in arms and the models of the ensemble, each with the operators it offers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from evolve import plugins
from evolve.config import BudgetConfig, Config, ModelConfig
from evolve.errors import ConfigError
from evolve.operators import BUILTIN
from evolve.pricing import Price
from evolve.records import Task
from evolve.seams import Client, Operator, Writer
from evolve.secrets import redact, remember


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm. ``client`` asks its model, and is None for an arm that needs none; ``price`` is None where none is known."""

    name: str
    operators: Mapping[str, Operator | Writer]
    weight: float = 1.0
    client: Client | None = None
    price: Price | None = None
    model: ModelConfig = field(default_factory=ModelConfig)


def without_models(operators: Mapping[str, Operator], weights: Mapping[str, float]) -> dict[str, Arm]:
    """Return arms of one operator each, called by the last part of the arm's name: the given ones, and plugins. Those of weight 0
    are left out.

    Raises:
        ConfigError: for a weight of an arm that is not there, or cannot be made.
    """
    arms: dict[str, Arm] = {}
    for name, weight in weights.items():
        if weight > 0:
            found = plugins.operator(name) if plugins.is_plugin(name) else operators.get(name)
            if found is None:
                raise ConfigError(
                    f"arms: {name!r} is no arm; known: {', '.join(operators)}, and MODULE:NAME for an operator of yours; "
                    "a model is given by --model"
                )
            arms[name] = Arm(name, {name.rpartition("/")[2]: found}, weight)
    return arms


def build(config: Config, task: Task, *, asking: bool = True) -> dict[str, Arm]:
    """Return the arms of a run by name: those of ``config.arms``, then its models.

    Args:
        config: the resolved settings.
        task: what is evolved.
        asking: whether the models will be asked; a replay needs their operators only, neither keys nor prices.

    Raises:
        ConfigError: for an unknown arm, no arm at all, a model that cannot be asked, or a cap that nothing can keep.
    """
    arms = without_models(BUILTIN, config.arms)
    models = {name: model for name, model in config.models.items() if model.weight > 0}
    if asking:
        _refuse_keys(config.models)
    capped = next((name for name in ("usd", "tokens") if getattr(config.budget, name) is not None), None)
    if asking and capped and not models:
        raise ConfigError(f"budget.{capped} caps what models cost, and there is no model: name one with --model")
    arms |= {name: _model(name, model, config, task, asking) for name, model in models.items()}
    if asking and config.budget.usd is not None:
        _refuse_endless(config.budget, [arms[name].price for name in models])
    if asking and config.budget.tokens is not None:
        _refuse_uncounted(config.budget, models)
    if not arms:
        raise ConfigError("arms: none is left; give one a weight above 0, or a --model")
    return arms


def _refuse_endless(budget: BudgetConfig, prices: Iterable[Price | None]) -> None:
    """Refuse a cap in dollars as the only end of a run that costs none."""
    ends = (budget.evaluations, budget.tokens, budget.hours, budget.target, budget.patience)
    if all(end is None for end in ends) and all(price is not None and price.free for price in prices):
        raise ConfigError(
            f"budget.usd: no model of this run costs anything, so {budget.usd:g} dollars would never end it; "
            "give --evaluations or --hours"
        )


def _refuse_uncounted(budget: BudgetConfig, models: Mapping[str, ModelConfig]) -> None:
    """Refuse a cap in tokens as the only end of a run in which nobody counts any."""
    ends = (budget.evaluations, budget.usd, budget.hours, budget.target, budget.patience)
    if all(end is None for end in ends) and all(model.kind(name) == "command" for name, model in models.items()):
        raise ConfigError(
            f"budget.tokens: no tokens of commands are counted, so {budget.tokens} would never end the run; "
            "give --evaluations or --hours"
        )


def _refuse_keys(models: Mapping[str, ModelConfig]) -> None:
    """Refuse models in whose address or command a key stands, such as one that a shell put there: both are stored."""
    for name, model in models.items():
        remember(os.environ.get(model.key or "", ""))
        told = f"{name} {model.model or ''}"
        if redact(told) != told:
            raise ConfigError(
                f"the model {redact(name)!r}: its address or command holds a key or password, and would be stored with the run; "
                "name the key's variable with `key` (a command finds it in its environment)"
            )


def _model(name: str, model: ModelConfig, config: Config, task: Task, asking: bool) -> Arm:
    """Return the arm that asks one model."""
    from evolve import client, pricing  # what a run without models does without
    from evolve.operators.ask import command_writers, writers

    command = model.kind(name) == "command"
    ways = (command_writers if command else writers)(task, config.llm.prompt_tokens, knowledge=config.llm.knowledge)
    offered = {way: writer for way, writer in ways.items() if model.operators is None or way in model.operators}
    if not set(offered) - {"cross", "fix"}:
        raise ConfigError(f"models.{name!r}.operators: name at least one of {', '.join(set(ways) - {'cross', 'fix'})}")
    if not asking:
        return Arm(name, offered, model.weight, model=model)
    asked = client.make(name, model)
    client.check(asked, task.initial)
    # A prompt is held to prompt_tokens by an estimate; with a correction, a token for every byte of it is the most.
    price = pricing.known(name, model, 6 * config.llm.prompt_tokens)
    if config.budget.usd is not None and price is None:
        keys = "price_request" if command else "price_input and price_output"
        raise ConfigError(
            f"no price of {name!r} is known, so budget.usd cannot be kept: set {keys} in its [models] table (0 is a price too)"
        )
    return Arm(name, offered, model.weight, asked, price, model)
