"""Operators, samplers and bandits that are not the package's own, named in the settings of a run."""

import itertools
import sys
from collections import Counter
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import evolve
from evolve.archive import Archive
from evolve.bandit import BANDITS
from evolve.cli.completion import _choices
from evolve.config import KINDS, PARENTS, Config
from evolve.errors import ConfigError
from evolve.parents import SAMPLERS
from evolve.plugins import is_plugin, make
from evolve.replay import replay
from evolve.session import reopened
from evolve.task import load
from evolve.toml import parse

NAMES = (f"plugged{number}" for number in itertools.count())
PARTS = """
    import json
    import re
    from random import Random

    from evolve.bandit import Fixed
    from evolve.records import Draft
    from evolve.seams import Stop


    class Nudge:
        \"\"\"Moves a number; breaks now and then.\"\"\"

        def draft(self, proposal, task):
            entry, parent = task.entry, proposal.parent.sources
            if proposal.number in BREAKS:
                return BREAKS[proposal.number](entry)
            text = parent[entry]
            number = Random(proposal.seed).choice(list(re.finditer(r"\\d+\\.\\d+", text)))
            text = text[: number.start()] + repr(float(number[0]) * 1.01) + text[number.end() :]
            return Draft({**parent, entry: text}, note=f"moved {number[0]}")


    class fix(Nudge):
        \"\"\"Called as what models do with broken programs.\"\"\"


    def stop(stage, reason):
        raise Stop(stage, reason)


    BREAKS = {
        2: lambda entry: int("two"),
        3: lambda entry: "a text",
        4: lambda entry: next(iter([])),
        5: lambda entry: Draft({entry: None}),
        6: lambda entry: Draft({entry: b"x = 1"}),
        7: lambda entry: Draft(None),
        8: lambda entry: Draft({entry: "x = 1"}, note=["a", "list"]),
        9: lambda entry: Draft({entry: "x = 1"}, traits={"a": object()}),
        10: lambda entry: stop("mystage", "no stage of ours"),
        11: lambda entry: stop("draft", None),
        12: lambda entry: json.loads("{nope"),
        13: lambda entry: Draft({"other.py": "x = 1"}),
    }


    class LeastTried:
        def __init__(self, score, search):
            self.direction, self.elites = score.direction, search.elites

        def sample(self, population, rng):
            return min(population.elites, key=population.children)


    class Turns(Fixed):
        def _choose(self, among, rng):
            return sorted(among)[rng.randrange(len(among))]


    class Elsewhere(LeastTried):
        def sample(self, population, rng):
            return None


    class Nobody(Fixed):
        def pick(self, offers, prices, rng):
            return "nobody", "nothing"


    class Shapeless:
        pass


    def broken():
        raise RuntimeError("not today")


    settings = {}
"""


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the working folder."""
    name = next(NAMES)
    (tmp_path / f"{name}.py").write_text(dedent(PARTS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


def run(parts: str, **more: Any) -> evolve.Run:
    settings = {
        "arms": {f"{parts}:Nudge": 1.0},
        "search": {"parents": f"{parts}:LeastTried"},
        "bandit": {"kind": f"{parts}:Turns"},
    }
    return evolve.run(
        "math/circle_packing",
        evaluations=12,
        seed=3,
        executor="inline",
        slots=1,
        settings=settings,
        name="mine",
        **more,
    )


def test_a_run_with_parts_of_ones_own_is_kept_resumed_and_replayed(parts: str) -> None:
    run(parts)
    evolve.resume("mine", evaluations=20)
    with Archive("evolve.db") as archive:
        arms = {spent.arm: spent.counted for spent in archive.spend("mine")}
        parents = [asked.parent for asked in archive.asks("mine")]
        config = archive.run("mine").config
        assert replay(archive, "mine", load("math/circle_packing")).differences == ()
    assert arms[f"{parts}:Nudge"] == 20
    assert config["search"]["parents"] == f"{parts}:LeastTried"
    assert len(parents) > 8
    assert max(Counter(parents[14:]).values()) <= 2  # those that broke had but two programs to take in turn


def test_a_resume_that_is_refused_leaves_no_trace(parts: str) -> None:
    run(parts)
    with Archive("evolve.db") as archive:
        before, sat = archive.run("mine").config, len(archive.sittings("mine"))
        flags = {"bandit": {"kind": "nosuch:thing"}, "budget": {"evaluations": 20}}
        with pytest.raises(ConfigError, match="there is no module 'nosuch'"), reopened("mine", flags=flags):
            pass
        assert (archive.run("mine").config, len(archive.sittings("mine"))) == (before, sat)
        evolve.resume("mine", evaluations=20)
        assert replay(archive, "mine", load("math/circle_packing")).differences == ()


def test_a_sitting_in_which_nothing_happened_is_passed_over_in_replays(parts: str) -> None:
    run(parts)
    with Archive("evolve.db") as archive:
        info = archive.run("mine")
        archive.resume_run("mine", {**info.config, "bandit": {**info.config["bandit"], "kind": "nosuch:thing"}})
        archive.resume_run("mine", {**info.config, "budget": {"evaluations": 20}})
        evolve.resume("mine")
        assert replay(archive, "mine", load("math/circle_packing")).differences == ()


def test_what_breaks_in_an_operator_ends_its_attempt_and_not_the_run(parts: str) -> None:
    settings = {"arms": {f"{parts}:Nudge": 1.0}}
    evolve.run("math/circle_packing", evaluations=4, seed=3, executor="inline", slots=1, settings=settings, name="mine")
    evolve.resume("mine", evaluations=6)
    with Archive("evolve.db") as archive:
        reasons = {failure.number: failure.reason for failure in archive.failures() if failure.how == "draft"}
        assert replay(archive, archive.run().name, load("math/circle_packing")).differences == ()
    assert [reasons[number].removeprefix(f"{parts}:Nudge") for number in (3, 5, 6, 7, 8, 10, 11)] == [
        " made no draft: it is str",
        " made no draft: its sources are no texts by path",
        " made no draft: its sources are no texts by path",
        " made no draft: its sources are no texts by path",
        " made no draft: its note is list, and no text",
        "no stage of ours",
        "None",
    ]
    for number, words in {
        2: "ValueError: invalid literal",
        4: "StopIteration",
        9: "TypeError: ",
        12: "JSONDecodeError",
    }.items():
        assert reasons[number].startswith(f"{parts}:Nudge: {words}")
    assert f"/{parts}.py:" in reasons[12]  # and not the line of the library that raised it
    assert "it must consist of the files" in reasons[13]


def test_an_operator_may_be_called_as_one_of_the_models(parts: str) -> None:
    settings = {"arms": {f"{parts}:fix": 1.0}}
    evolve.run("math/circle_packing", evaluations=2, seed=3, executor="inline", slots=1, settings=settings)
    with Archive("evolve.db") as archive:
        assert archive.run().evaluations == 2


def test_small_steps_are_no_near_copies(parts: str) -> None:
    """As they would be where a model made them: they share all but a token with their parent."""
    settings = {"arms": {f"{parts}:Nudge": 1.0}, "novelty": {"similarity": 0.01}}
    evolve.run("math/circle_packing", evaluations=3, seed=3, executor="inline", slots=1, settings=settings)
    with Archive("evolve.db") as archive:
        assert not [failure for failure in archive.failures() if "of it is in program" in failure.reason]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"search": {"parents": "{}:Elsewhere"}}, "search.parents: {}:Elsewhere returned None, and none of"),
        ({"bandit": {"kind": "{}:Nobody"}}, "bandit.kind: {}:Nobody picked .'nobody', 'nothing'., and no arm"),
    ],
)
def test_samplers_and_bandits_are_held_to_what_they_are_given(
    parts: str, settings: dict[str, dict[str, str]], words: str
) -> None:
    given = {table: {key: value.format(parts) for key, value in row.items()} for table, row in settings.items()}
    with pytest.raises(ConfigError, match=words.format(parts)):
        evolve.run("math/circle_packing", evaluations=2, executor="inline", slots=1, settings=given)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"arms": {"{}:Nudgee": 1.0}}, "arms: module '{}' has no class or function 'Nudgee'; did you mean 'Nudge'?"),
        ({"arms": {"{}:settings": 1.0}}, "has no class or function 'settings'"),
        ({"arms": {"nowhere.{}:Nudge": 1.0}}, "there is no module 'nowhere', neither where Python looks nor in"),
        ({"arms": {"{}:broken": 1.0}}, r"arms: {}:broken cannot be made: RuntimeError: not today \("),
        ({"arms": {"{}:Shapeless": 1.0}}, "arms: what {}:Shapeless makes has no method draft"),
        ({"search": {"parents": "{}:Nudge"}}, "search.parents: {}:Nudge cannot be made: TypeError"),
        ({"bandit": {"kind": "{}:LeastTried"}}, "bandit.kind: {}:LeastTried cannot be made: TypeError"),
        ({"search": {"parents": "weigthed"}}, "search.parents: Input should be 'weighted', .*or MODULE:NAME"),
        ({"bandit": {"kind": "not-a name:X"}}, "bandit.kind: Input should be 'ucb', .*or MODULE:NAME"),
        ({"arms": {"halve": 1.0}}, "'halve' is no arm; known: builtin/tune.* MODULE:NAME"),
    ],
)
def test_what_cannot_be_used_is_said(parts: str, settings: dict[str, Any], words: str) -> None:
    def named(value: Any) -> Any:
        return (
            {named(key): named(inner) for key, inner in value.items()}
            if isinstance(value, dict)
            else value.replace("{}", parts)
            if isinstance(value, str)
            else value
        )

    with pytest.raises(ConfigError, match=words.replace("{}", parts)):
        evolve.run("math/circle_packing", evaluations=2, executor="inline", settings=named(settings))


def test_a_module_that_cannot_be_imported_says_where(parts: str, tmp_path: Path) -> None:
    (tmp_path / f"{parts}_b.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / f"{parts}_c.py").write_text("\n1 / 0\n")
    with pytest.raises(ConfigError, match=rf"No module named 'a_package_that_is_not_there' \(.*{parts}_b.py:1\)"):
        make(f"{parts}_b:X", setting="arms", methods=[])
    with pytest.raises(ConfigError, match=rf"ZeroDivisionError: division by zero \(.*{parts}_c.py:2\)"):
        make(f"{parts}_c:X", setting="arms", methods=[])


def test_nothing_in_the_working_folder_stands_in_for_a_package(parts: str, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong one')\n")
    make(f"{parts}:Nudge", setting="arms", methods=["draft"])
    assert sys.path[-1] == str(tmp_path)


def test_the_packages_own_names_are_known_to_settings_and_completion() -> None:
    assert set(PARENTS) == set(SAMPLERS)
    assert set(KINDS) == set(BANDITS)
    assert _choices("search.parents") == list(PARENTS)
    assert _choices("bandit.kind") == list(KINDS)
    assert parse(Config, {"search": {"parents": "a.b:C"}}, where="here").search.parents == "a.b:C"
    assert [
        name for name in ("a:b", "a.b:c", "a:", ":b", "a b:c", "a:b:c", "1:a", "builtin/tune") if is_plugin(name)
    ] == [
        "a:b",
        "a.b:c",
    ]
