from __future__ import annotations

from pathlib import Path

import pytest

from evolve.config import Config, describe, merge, resolve, settings
from evolve.errors import ConfigError, TaskError
from evolve.tables import TaskTable
from evolve.toml import parse


def test_later_layers_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, here = tmp_path / "task", tmp_path / "here"
    task.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    (task / "evolve.toml").write_text("[search]\nislands = 3\nelites = 7\nalpha = 2.0\n")
    (here / "evolve.toml").write_text("[search]\nislands = 4\nelites = 8\n")
    config = resolve(task, {"search": {"islands": 2, "inspirations": 5}}, flags={"search": {"islands": 5}})
    assert config.search.model_dump(include={"islands", "elites", "alpha", "inspirations"}) == {
        "islands": 5,
        "elites": 8,
        "alpha": 2.0,
        "inspirations": 5,
    }


def test_an_unknown_key_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("slots = 2\n\n[search]\nisland = 2\n")
    with pytest.raises(ConfigError) as error:
        resolve(None, {}, file=path)
    assert str(error.value) == f"{path}:4: unknown key 'search.island'; did you mean 'islands'?"


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("search.islnds=2", "did you mean 'islands'?"),
        ("zzz=2", "known here: arms, bandit"),
        ("search.islands=0", "search.islands"),
        ("search.parents=worst", "'weighted', 'power', 'best', 'random', or MODULE:NAME"),
        ("bandit.decay=2", "bandit.decay"),
    ],
)
def test_settings_are_checked(pair: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        resolve(None, {}, flags=settings([pair]))
    assert says in str(error.value)


def test_a_misspelt_key_is_told_before_the_one_that_is_missing() -> None:
    with pytest.raises(TaskError, match=r"^t: unknown key 'breif'; did you mean 'brief'"):
        parse(TaskTable, {"breif": "Do it."}, where="t", error=TaskError)
    with pytest.raises(TaskError, match=r"^t: brief: Field required$"):
        parse(TaskTable, {"name": "x"}, where="t", error=TaskError)


@pytest.mark.parametrize("pair", ["search.islands", "=4", ".islands=4", "search..islands=4", 'models."gpt-5.1=4'])
def test_settings_need_a_key_and_an_equals_sign(pair: str) -> None:
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        settings([pair])


@pytest.mark.parametrize(
    ("pair", "stands_for"),
    [
        ("search.islands=4", {"search": {"islands": 4}}),
        ("search.parents = best", {"search": {"parents": "best"}}),
        ('models."gpt-5.1".temperature=0.5', {"models": {"gpt-5.1": {"temperature": 0.5}}}),
        ("models . 'm@http://h/v1?a=b' . weight = 2", {"models": {"m@http://h/v1?a=b": {"weight": 2}}}),
        (r'models."a \" b".effort="low"', {"models": {'a " b': {"effort": "low"}}}),
        ("models.ollama/qwen:7b.operators=['diff']", {"models": {"ollama/qwen:7b": {"operators": ["diff"]}}}),
        ("models.m.model=openai/q@http://h/v1?a=b", {"models": {"m": {"model": "openai/q@http://h/v1?a=b"}}}),
        ("arms.builtin/tune=0.5", {"arms": {"builtin/tune": 0.5}}),
    ],
)
def test_keys_of_settings_are_toml(pair: str, stands_for: dict[str, object]) -> None:
    assert settings([pair]) == stands_for


def test_all_pairs_of_settings_hold_together() -> None:
    assert settings(["arms.builtin/tune=1", "arms.builtin/mutate=2"]) == {
        "arms": {"builtin/tune": 1, "builtin/mutate": 2}
    }
    lower, upper = {"arms": {"builtin/tune": 1.0}}, {"arms": {"builtin/mutate": 2.0}}
    assert merge(lower, upper) == upper, "of two layers the arms of the upper one count"


def test_texts_of_settings_say_what_the_code_does() -> None:
    texts = {name: text for name, text, _ in describe()}
    assert "gain for what they cost" in texts["bandit.kind"]
    assert "free ones too, and commands" in texts["novelty.similarity"]
    assert "failures in a row" in texts["llm.tries"]


def test_arms_are_replaced_as_a_whole() -> None:
    assert merge({"arms": {"a": 1, "b": 2}}, {"arms": {"c": 3}}) == {"arms": {"c": 3}}


def test_the_config_is_small_and_every_setting_has_help() -> None:
    rows = describe()
    assert len(rows) <= 49
    assert all(text for _, text, _ in rows), "each setting says what it does"
    assert Config.model_validate(Config().model_dump(mode="json")) == Config()
