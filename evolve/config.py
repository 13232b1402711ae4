"""The settings of a run: a pydantic model whose unknown keys are refused with the nearest name.

Later wins: defaults < the task's ``[search]`` … tables < ``evolve.toml`` beside the task < ``--config`` or
``./evolve.toml`` < flags < ``--set a.b=c``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from evolve.errors import ConfigError
from evolve.plugins import is_plugin
from evolve.toml import parse, read_toml


class Table(BaseModel):
    """A table of settings: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Lanes = Annotated[int, Field(ge=1, le=1024)]
"""How many things go on at the same time; each takes files and memory."""
Share = Annotated[float, Field(ge=0, le=1)]
PARENTS = ("weighted", "power", "best", "random")
KINDS = ("ucb", "thompson", "fixed")


def _one_of(names: Sequence[str]) -> AfterValidator:
    """Accept a name of the package's own, or of a plugin."""

    def known(value: str) -> str:
        if value not in names and not is_plugin(value):
            raise ValueError(f"Input should be {', '.join(map(repr, names))}, or MODULE:NAME of one of yours")
        return value

    return AfterValidator(known)


VARIABLE = re.compile("[A-Z_][A-Z0-9_]*")
_PART = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^\s."'=]+)\s*""")
"""A part of a dotted key: quoted, or bare."""
_KEY = re.compile(rf"{_PART.pattern}(?:\.{_PART.pattern})*=")


class BudgetConfig(Table):
    """When a run ends: at whichever comes first."""

    evaluations: Count | None = None
    """Candidates judged; 500 where no budget at all is given."""
    usd: Positive | None = None
    """Dollars paid for replies, those of calls that broke off counted at their most."""
    tokens: Count | None = None
    """Tokens of prompts and replies together."""
    hours: Positive | None = None
    """Wall time, summed over the sessions of a run."""
    target: float | None = None
    """A score that is good enough, in the task's own direction; the task's own target where it names one."""
    patience: Count | None = None
    """Evaluations without a new best."""


class SearchConfig(Table):
    """Which programs are changed, and what is kept of them."""

    parents: Annotated[str, _one_of(PARENTS), Field(examples=[*PARENTS])] = "weighted"
    """How the parent is sampled from an island's elites: ``weighted``, ``power``, ``best``, ``random``, or ``MODULE:NAME`` of a
    sampler of yours.
    """
    sharpness: Positive = 10.0
    """For ``weighted``: the slope of the preference for scores above the median, in spreads of the island."""
    alpha: Annotated[float, Field(ge=0)] = 1.0
    """For ``power``: the exponent of the rank."""
    elites: Count = 12
    """Programs that an island keeps to choose parents from; the archive keeps all."""
    islands: Count = 1
    """Populations that evolve apart; one is best for a few thousand evaluations."""
    migrate_every: Count = 100
    """Attempts between migrations."""
    migrate_share: Share = 0.1
    """The share of an island's elites that moves to the next; its best stays."""
    inspirations: Annotated[int, Field(ge=0, le=16)] = 2
    """Other programs shown beside the parent."""


class BanditConfig(Table):
    """How the arm of each attempt is chosen."""

    kind: Annotated[str, _one_of(KINDS), Field(examples=[*KINDS])] = "ucb"
    """``ucb`` and ``thompson`` learn what arms gain for what they cost; ``fixed`` follows the weights; ``MODULE:NAME`` is a
    bandit of yours.
    """
    exploration: Annotated[float, Field(ge=0)] = 1.0
    """For ``ucb``: the weight of what is not known yet."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.998
    """What an earlier gain still counts after each further evaluation."""

    credit: Share = 0.25
    """The share of a child's gain that goes to the arm that made its parent: a stepping stone earns later. Not from one built-in
    arm to another.
    """
    priors: Annotated[float, Field(ge=0)] = 0.0
    """How many evaluations the experience of earlier runs of the task in this archive is worth, per arm."""


class LlmConfig(Table):
    """How models are asked."""

    prompt_tokens: Count = 12000
    """About how long a prompt may be; the least useful parts are dropped until it fits."""
    knowledge: bool = True
    """Show the notes of the task's ``knowledge/`` folder."""
    tries: Count = 4
    """How often a call is tried before its attempt is given up; also how many failures in a row begin an arm's rest."""
    rest: Positive = 60.0
    """Seconds that an arm rests when call after call fails; twice as long each time, up to half an hour. Between two tries
    of a call it waits a sixtieth of it, twice as long each time.
    """
    without: Literal["wait", "end", "continue"] = "wait"
    """When no model can be asked: ``wait`` until one has rested, ``end``, or ``continue`` with the built-in arms."""


BUDGET = tuple(BudgetConfig.model_fields)
"""The resources that a budget caps, and the goals that end it."""


class ModelConfig(Table):
    """One model of the ensemble; the key of its table names the arm."""

    model: str | None = None
    """What it stands for where the table's key is a short name: ``gpt-5-mini``, ``openai/NAME@URL``, ``cmd:COMMAND``."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Its weight among the arms; 0 leaves it out."""
    operators: tuple[Literal["diff", "full", "cross", "fix"], ...] | None = None
    """How it may be asked for children; all ways where not given."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """The service's own default where not given."""
    max_tokens: Count = 8192
    """The most tokens of a reply, thinking included."""
    effort: Literal["minimal", "low", "medium", "high"] | None = None
    """How long a reasoning model is to think."""
    prefill: bool | None = None
    """Give the beginning of the reply; where not given, only to servers on this machine, which go on from it."""
    timeout: Positive = 600.0
    """Seconds in which a whole reply must have come."""
    concurrency: Count | None = None
    """Calls at the same time; as many as there are workers where not given."""
    requests_per_minute: Count | None = None
    """The most calls begun in a minute."""
    tokens_per_minute: Count | None = None
    """The most tokens in a minute, of prompts by a guess at their length, of replies by ``max_tokens``."""
    price_input: Annotated[float, Field(ge=0)] | None = None
    """Dollars for a million tokens of prompt; known prices are looked up where not given."""
    price_output: Annotated[float, Field(ge=0)] | None = None
    """Dollars for a million tokens of reply."""
    price_request: Annotated[float, Field(ge=0)] | None = None
    """Dollars for a call as such: all that a command can cost."""
    key: str | None = None
    """The environment variable that holds the key; the service's usual one where not given."""

    @field_validator("key")
    @classmethod
    def _names_a_variable(cls, key: str | None) -> str | None:
        """Refuse a key itself, as settings are stored with the run; some keys could be names but for their small letters."""
        if key is not None and not VARIABLE.fullmatch(key):
            raise ValueError(
                "names the environment variable that holds the key, in capitals, such as MY_API_KEY, and is not the key itself; "
                "what was given is not shown here"
            )
        return key

    def spec(self, name: str) -> str:
        """Return what the model called ``name`` is asked by."""
        return self.model or name

    def kind(self, name: str) -> Literal["command", "endpoint", "service"]:
        """Return what that names: ``cmd:COMMAND``, ``openai/NAME@URL``, or a model of a service, as litellm calls it."""
        spec = self.spec(name)
        if spec.startswith("cmd:"):
            return "command"
        return "endpoint" if spec.startswith("openai/") and "@" in spec else "service"


class NoveltyConfig(Table):
    """What is refused as not new before it is judged."""

    similarity: Share = 0.99
    """For models, free ones too, and commands: the share of token runs in common with an elite above which a child is refused.
    """


class Config(Table):
    """All settings of a run, as stored with it."""

    arms: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=lambda: {"builtin/tune": 0.5, "builtin/mutate": 0.35, "builtin/recombine": 0.15}
    )
    """Arms and their weights, which ``fixed`` follows and the others start from; a weight of 0 leaves an arm out. ``MODULE:NAME``
    is an operator of yours.
    """
    budget: BudgetConfig = BudgetConfig()
    search: SearchConfig = SearchConfig()
    bandit: BanditConfig = BanditConfig()
    llm: LlmConfig = LlmConfig()
    models: dict[str, ModelConfig] = Field(default_factory=dict)
    """The models to ask, each a table under its name; none where not given."""
    novelty: NoveltyConfig = NoveltyConfig()
    workers: Lanes = 4
    """Calls of models at the same time."""
    replay_from: str | None = None
    """A run of the same archive whose recorded replies answer equal requests, at no cost."""
    track: tuple[Literal["wandb"], ...] = ()
    """Where to keep a record of the run beside the archive: ``wandb`` for Weights & Biases, which goes by its own settings
    (``wandb login``, ``WANDB_PROJECT``, ``WANDB_MODE`` …).
    """
    slots: Lanes | None = None
    """Candidates judged at the same time; where not given, as many as the processors and GPUs are enough for."""
    executor: Literal["local", "inline"] = "local"
    """``local`` judges in jailed processes of this machine; ``inline`` in this very process, unprotected: for tests and
    benchmarks.
    """
    isolation: Literal["auto", "namespaces", "landlock", "rlimits", "none"] = "auto"
    """The least isolation that a candidate is judged in; ``auto`` takes the strongest that passes its self-test."""
    fresh: Literal["fork", "process"] = "fork"
    """Where a candidate's process comes from: a ``fork`` of a warm jail, or a cold ``process``, slower by what the task's
    packages take to import. Champions whose score was made in a fork are judged cold once more.
    """
    cache: bool = True
    """Take the evaluation of a program that this archive has seen judged by the same task, on the same seeds."""


def merge(*layers: Mapping[str, Any], whole: Sequence[str] = ("arms",)) -> dict[str, Any]:
    """Return the layers as one nested mapping; later ones win key by key. What is ``whole`` is replaced as such."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and key not in whole:
                merged[key] = merge(merged[key], value, whole=whole)
            else:
                merged[key] = value
    return merged


def settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Return the nested mapping that ``--set a.b=c`` arguments stand for; values are TOML, bare words are strings.

    Keys are TOML too, so a part that holds dots is quoted; other characters that TOML would have quoted may stand bare.

    Raises:
        ConfigError: for a pair without ``=``, or whose key cannot be read.
    """
    merged: dict[str, Any] = {}
    for pair in pairs:
        key = _KEY.match(pair)
        if key is None:
            raise ConfigError(f"--set {pair!r}: write it as KEY=VALUE, such as --set search.islands=4")
        parsed = _value(pair[key.end() :])
        for part in reversed(_PART.findall(key[0])):
            parsed = {_value(part) if part[0] in "\"'" else part: parsed}
        merged = merge(merged, parsed, whole=())  # of one layer all pairs hold
    return merged


def _value(text: str) -> Any:
    """Return what ``text`` is as TOML, or else itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def resolve(
    task_root: Path | None,
    defaults: Mapping[str, Any],
    *,
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    models: Sequence[str] = (),
) -> Config:
    """Return the configuration of a run from all its layers, each checked under its own name.

    Args:
        task_root: the task's folder.
        defaults: what the task itself sets.
        file: read instead of ``./evolve.toml``.
        flags: nested settings of the command line.
        models: the only models to ask, with what the layers set for them; all that the layers name where none is given.

    Raises:
        ConfigError: naming the layer, the key and the remedy.
    """
    layers: list[Mapping[str, Any]] = [defaults]
    files = [task_root / "evolve.toml"] if task_root is not None else []
    files.append(file if file is not None else Path("evolve.toml"))
    for place in dict.fromkeys(path.resolve() for path in files):
        if place.is_file() or place == (file.resolve() if file else None):
            data, text = read_toml(place)
            parse(Config, data, where=str(place), text=text)
            layers.append(data)
    layers.append(flags or {})
    merged = merge(*layers)
    if models:
        tables = merged.get("models", {})
        merged["models"] = {name: tables.get(name, {}) for name in models}
    return parse(Config, merged, where="options")


def describe() -> list[tuple[str, str, Any]]:
    """Return every setting as (dotted name, help, default), in the order of the model; those of one model under
    ``models.NAME``.
    """
    rows: list[tuple[str, str, Any]] = []
    for name, field in Config.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, Table):
            rows += [
                (f"{name}.{key}", inner.description or "", inner.default)
                for key, inner in type(default).model_fields.items()
            ]
        elif name != "models":
            rows.append((name, field.description or "", default))
        else:
            rows += [
                (f"models.NAME.{key}", inner.description or "", inner.default)
                for key, inner in ModelConfig.model_fields.items()
            ]
    return rows
