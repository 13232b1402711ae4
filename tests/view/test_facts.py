"""What a report tells of a run, and when it doubts."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import evolve
from evolve.archive import Archive
from evolve.archive.values import plain as jsonable
from evolve.cli import main
from evolve.config import resolve, settings
from evolve.records import Metric, Reply, Task
from evolve.task import load
from evolve.view.report.doubts import OF_BEST, OF_RUN, doubts
from evolve.view.report.facts import gather, interval
from evolve.view.report.reproduce import commands
from evolve.view.report.standing import ceilings, headline, standings
from evolve.view.report.values import plain
from tests.archives import call, drafted
from tests.archives import task as made_up
from tests.view.nights import Night


def about(night: Night) -> dict[str, str]:
    """Return what the report of a night doubts, by what it is about."""
    return {one.about: one.words for one in doubts(gather(night.archive, night.run))}


# ------------------------------------------------------------------ facts


def test_an_empty_run_says_so(tmp_path: Path) -> None:
    night = Night(tmp_path)
    facts = gather(night.archive)
    assert (facts.best, facts.starts, facts.failing, facts.spend, facts.told) == (None, (), (), (), 0)
    assert headline(facts) == "Nothing has been judged yet."
    assert standings(facts) == []
    assert doubts(facts) == []


def test_a_seed_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    night = Night(tmp_path)
    seed = night.seed(None, error="Traceback (most recent call last):\n  …\nNameError: x")
    facts = gather(night.archive)
    assert headline(facts) == f"No program has a score. The seed program {seed.id} ended as crash."
    assert [(one.how, one.reason, one.count, one.arms) for one in facts.failing] == [
        ("crash", "NameError: x", 1, ("seed",))
    ]


def test_the_seed_alone_is_the_best_and_nothing_better(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.seed(2.5)
    facts = gather(night.archive)
    assert facts.best is not None
    assert facts.best.line == ()
    assert "Nothing better came of the run" in headline(facts)
    assert [one.what for one in standings(facts)] == ["best program"]


@pytest.mark.parametrize(
    ("direction", "scores"), [("maximize", (1.0, 3.0, 2.0, 5.0)), ("minimize", (9.0, 3.0, 4.0, 1.0))]
)
def test_steps_gain_in_the_direction_of_the_run(tmp_path: Path, direction: Any, scores: tuple[float, ...]) -> None:
    night = Night(tmp_path, direction=direction)
    program = night.seed(scores[0])
    for score in scores[1:]:
        program = night.child(program, score, note=f"to {score}")
    best = gather(night.archive).best
    assert best is not None
    assert best.program.digest == program.digest
    assert [(step.note, step.gained) for step in best.line] == [
        (f"to {score}", gained) for score, gained in zip(scores[1:], (True, False, True), strict=True)
    ]
    assert [step.gain for step in best.gained] == [abs(scores[1] - scores[0]), abs(scores[3] - scores[2])]
    assert best.line[0].parent.sources == {"program.py": "x = 0\n"}


def test_a_child_of_a_program_without_a_score_gained(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.seed(0.5)
    broken = night.child(night.seed(None, "y = 0\n"), None)
    night.child(broken, 1.0)
    best = gather(night.archive).best
    assert best is not None
    assert [(step.gain, step.gained) for step in best.line] == [(None, False), (None, True)]


def test_the_largest_gains_of_a_long_lineage_are_named_first(tmp_path: Path) -> None:
    night = Night(tmp_path)
    program = night.seed(0.0)
    for gain in (1, 5, 2, 9, -3, 1, 4):
        assert program.score is not None
        program = night.child(program, program.score + gain)
    best = gather(night.archive).best
    assert best is not None
    assert [step.gain for step in best.leaps] == []
    night.child(program, 100.0)
    best = gather(night.archive).best
    assert best is not None
    assert [step.gain for step in best.leaps] == [81.0, 9.0, 5.0]


def test_a_step_is_compared_on_the_seeds_that_both_were_judged_on(tmp_path: Path) -> None:
    night = Night(tmp_path, repeats=4)
    seed = night.seed(repeats=(1.0, 2.0, 3.0, 4.0))
    night.child(seed, None, repeats=(2.0, 3.1, 3.9))
    best = gather(night.archive).best
    assert best is not None
    found = best.line[0].paired
    assert found is not None
    assert found.n == 3
    assert found.mean == pytest.approx(1.0)
    assert found.low == pytest.approx(1.0 - 4.302653 * 0.1 / math.sqrt(3))
    assert interval([1.0]) is None


def test_fresh_seeds_count_once_over_all_reviews_and_lead_the_report(tmp_path: Path) -> None:
    night = Night(tmp_path, repeats=2)
    best = night.child(night.seed(repeats=(1.0, 1.0)), None, repeats=(3.0, 3.2))
    night.verdict(best)
    night.again(best, "fresh", (2.9, 3.1), place=1)
    night.again(best, "fresh", (3.0, 3.2), place=2)
    night.again(best, "cold", (3.0, 3.2), place=1)
    facts = gather(night.archive)
    assert facts.best is not None
    assert facts.best.fresh is not None
    assert facts.best.fresh.n == 4
    assert facts.best.fresh.mean == pytest.approx(3.05)
    assert "on 4 fresh seeds" in headline(facts)
    rows = {one.what: one for one in standings(facts)}
    assert rows["on fresh seeds"].behind == pytest.approx(0.05)
    assert rows["seed program"].behind == pytest.approx(2.1)


def test_the_ceiling_is_what_tuning_alone_made_of_a_start(tmp_path: Path) -> None:
    night = Night(tmp_path)
    seed = night.seed(1.0)
    facts = gather(night.archive)
    assert [(one.best, one.programs) for one in facts.tuned] == [(None, 0)]
    assert "no ceiling" in ceilings(facts)[0]
    tuned = night.child(seed, 1.5, arm="builtin/tune")
    deeper = night.child(tuned, 1.75, arm="builtin/tune")
    assert "all that the run changed" in ceilings(gather(night.archive))[0]
    night.child(night.child(seed, 1.1, arm="gpt"), 9.0, arm="builtin/tune")
    facts = gather(night.archive)
    assert facts.tuned[0].best is not None
    assert (facts.tuned[0].best.digest, facts.tuned[0].programs) == (deeper.digest, 2)
    assert ceilings(facts) == [
        "Tuning alone brought the seed program from 1 to 1.75 (2 programs); the best program is better by 7.25."
    ]
    night.verdict(deeper, "refused")
    assert [one.best.digest for one in gather(night.archive).tuned if one.best] == [tuned.digest]


def test_the_ceiling_minimises_where_the_run_does_and_says_where_nothing_was_gained(tmp_path: Path) -> None:
    night = Night(tmp_path, direction="minimize")
    seed = night.seed(2.0)
    night.child(seed, 3.0, arm="builtin/tune")
    night.child(seed, 2.5, arm="builtin/tune")
    night.child(seed, 1.0)
    assert ceilings(gather(night.archive)) == [
        "Tuning alone made nothing better of the seed program (2 programs, the best scores 2.5)."
    ]


def test_failures_that_differ_in_numbers_alone_are_one(tmp_path: Path) -> None:
    night = Night(tmp_path)
    seed = night.seed()
    for size in (10, 2000):
        night.child(seed, None, status="invalid", error=f"{size} is too large")
    night.child(seed, None, arm="gpt", error="Traceback (most recent call last):\nValueError: no")
    assert [(one.how, one.count, one.reason) for one in gather(night.archive).failing] == [
        ("invalid", 2, "2000 is too large"),
        ("crash", 1, "ValueError: no"),
    ]


def test_the_facts_are_json_also_where_numbers_are_not_finite(tmp_path: Path) -> None:
    night = Night(tmp_path, metrics=(Metric("size", "minimize"),))
    night.child(
        night.seed(1.0, metrics={"size": math.nan}), 2.0, "y = 1\n", metrics={"size": math.inf, "odd name": -0.0}
    )
    facts = gather(night.archive)
    kept = json.loads(json.dumps(jsonable(plain(facts)), allow_nan=False))
    assert kept["best"]["metrics"] == {"size": "inf", "odd name": -0.0}
    assert "-x = 0" in kept["best"]["lineage"][0]["diff"]
    assert kept["objectives"] == {"score": "maximize", "size": "minimize"}
    assert kept["tuned"] == [{"start": kept["starts"][0]["id"], "best": None, "programs": 0}]


# ------------------------------------------------------------------ doubts


def test_a_sound_night_raises_no_doubt(tmp_path: Path) -> None:
    night = Night(tmp_path, repeats=3)
    best = night.child(night.seed(repeats=(1.0, 1.1, 0.9)), None, repeats=(3.0, 3.1, 2.9))
    night.verdict(best, cold_status="ok", cold_score=best.score, validate_score=3.0, gap=0.0)
    night.again(best, "fresh", (3.0, 3.05, 2.95))
    night.again(best, "validate", (3.0,))
    assert about(night) == {}


def test_integrity_and_isolation(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.child(night.seed(), 2.0, isolation="landlock", isolation_reason="no user namespaces", integrity="best-effort")
    found = about(night)
    assert "`landlock`, below `namespaces` (no user namespaces)" in found["isolation"]
    assert "`best-effort`" in found["integrity"]
    assert set(found) == {"isolation", "integrity"}


def test_held_out_scores_that_are_worse(tmp_path: Path) -> None:
    night = Night(tmp_path)
    seed = night.seed(1.0)
    best = night.child(seed, 2.0)
    night.verdict(seed, place=0)
    night.archive.validated(night.run, 0, 0.9, 0.1)
    night.verdict(best)
    night.archive.validated(night.run, 1, 1.5, 0.5)
    night.again(best, "validate", (1.5,))
    assert "a hidden gap of 0.5. For the program that the run started from the gap is 0.1." in about(night)["held out"]
    night.archive.validated(night.run, 1, 2.5, -0.5)
    assert about(night) == {}


def test_a_gap_within_the_noise_of_the_seeds_is_none(tmp_path: Path) -> None:
    night = Night(tmp_path, repeats=2)
    best = night.child(night.seed(repeats=(0.0, 0.1)), None, repeats=(1.0, 1.2))
    night.verdict(best)
    night.archive.validated(night.run, 1, 1.0, 0.1)
    assert "held out" not in about(night)
    night.archive.validated(night.run, 1, -1.0, 2.1)
    assert "held out" in about(night)


def test_a_validate_that_failed(tmp_path: Path) -> None:
    night = Night(tmp_path)
    best = night.child(night.seed(), 2.0)
    night.verdict(best)
    night.again(best, "validate", (), status="timeout", error="too slow")
    assert about(night) == {"held out": "`validate` ended as timeout: too slow"}


def test_luck_of_the_seeds_it_was_chosen_by(tmp_path: Path) -> None:
    night = Night(tmp_path, repeats=2)
    best = night.child(night.seed(repeats=(1.0, 1.1)), None, repeats=(3.0, 3.1))
    night.verdict(best)
    night.again(best, "fresh", (2.0, 2.1, 1.9))
    assert "On 3 fresh seeds it scores 2 (" in about(night)["luck"]


def test_steps_that_chance_explains(tmp_path: Path) -> None:
    night = Night(tmp_path, repeats=3)
    seed = night.seed(repeats=(1.0, 2.0, 3.0))
    first = night.child(seed, None, repeats=(2.0, 3.1, 4.0))
    lucky = night.child(first, None, repeats=(1.9, 3.0, 4.6))
    assert about(night)["noise"].startswith(f"1 step of its lineage ({lucky.id})")


def test_rivals_that_cannot_be_told_from_the_best(tmp_path: Path) -> None:
    night = Night(tmp_path, repeats=3)
    seed = night.seed(repeats=(1.0, 2.0, 3.0))
    night.child(seed, None, repeats=(5.0, 6.0, 7.1))
    close = night.child(seed, None, repeats=(5.1, 5.9, 7.0))
    night.child(seed, None, repeats=(3.0, 4.1, 5.0))
    assert about(night)["rivals"] == f"1 program cannot be told from it on the common seeds: {close.id}."


def test_the_champion_before_was_beaten_on_fresh_seeds_and_is_no_rival(tmp_path: Path) -> None:
    night = Night(tmp_path, repeats=3)
    seed = night.seed(repeats=(1.0, 2.0, 3.0))
    before = night.child(seed, None, repeats=(5.1, 5.9, 7.0))
    best = night.child(seed, None, repeats=(5.0, 6.0, 7.1))
    night.verdict(before)
    night.verdict(best, place=2, against=before)
    assert "rivals" not in about(night)
    night.child(seed, None, "other = 1\n", repeats=(5.1, 5.8, 7.0))
    assert about(night)["rivals"].startswith("1 program cannot be told")


def test_contenders_that_nobody_judged_again(tmp_path: Path) -> None:
    night = Night(tmp_path, repeats=2)
    seed = night.seed(repeats=(1.0, 2.0))
    best = night.child(seed, None, repeats=(5.0, 6.0))
    better = night.child(seed, None, repeats=(7.0, 8.0))
    lower = night.child(seed, None, repeats=(7.5, 8.5))
    night.verdict(best)
    night.verdict(lower, "refused", place=2)
    assert about(night)["waiting"].startswith(f"1 program scored better but never stood against it: {better.id}.")
    night.verdict(better, "refused", place=3)
    assert "waiting" not in about(night)


def test_a_cold_score_that_differs_and_rivals_within_that(tmp_path: Path) -> None:
    night = Night(tmp_path)
    seed = night.seed()
    best = night.child(seed, 2.0)
    near = night.child(seed, 1.95)
    night.verdict(best, cold_status="ok", cold_score=2.1)
    found = about(night)
    assert found["cold process"].startswith("In a cold process it scores 2.1, in a fork of a warm one 2")
    assert found["rivals"].startswith(f"{near.id} is behind by no more than its own score changed")


def test_a_race_that_ended_early(tmp_path: Path) -> None:
    night = Night(tmp_path, repeats=6)
    night.child(night.seed(repeats=(1.0,) * 6), None, repeats=(2.0, 2.0, 2.0))
    assert about(night) == {"seeds": "It was judged on 3 of 6 seeds; its score is projected from these."}


def test_a_target_that_is_reached_is_told_with_its_checks(tmp_path: Path) -> None:
    night = Night(tmp_path, config={"budget": {"target": 2.0}})
    night.child(night.seed(1.0), 1.99)
    assert about(night) == {}
    best = night.child(night.seed(0.5, "z = 1\n"), 2.0)
    night.verdict(best, cold_status="ok", cold_score=2.0)
    assert about(night)["record"] == (
        "Its score reaches the target 2. What checks that: isolation `namespaces`, integrity `isolated`, judged again in a cold "
        "process, no fresh seeds, no `validate`."
    )


def test_a_best_beyond_every_baseline(tmp_path: Path, folder: Path) -> None:
    text = (folder / "task.toml").read_text()
    rows = "".join(
        f'[[baselines]]\nname = "{one}"\nscore = {score}\nsource = "x"\n'
        for one, score in (("worse", 1), ("theirs", 5.0))
    )
    (folder / "task.toml").write_text(text + rows)
    night = Night(tmp_path, of=load(folder))
    seed = night.seed(1.0)
    night.child(seed, 4.0)
    assert about(night) == {}
    night.child(seed, 6.0)
    assert "is better than the best known, 5 (theirs)" in about(night)["record"]
    facts = gather(night.archive)
    assert [one.name for one in facts.baselines] == ["theirs", "worse"]
    assert [(one.what, one.behind) for one in standings(facts)][-2:] == [("baseline", 1.0), ("baseline", 5.0)]


def test_several_objectives(tmp_path: Path) -> None:
    night = Night(tmp_path, metrics=(Metric("size", "minimize"), Metric("told")))
    night.child(night.seed(), 2.0)
    assert "(score, size)" in about(night)["objectives"]


def test_a_task_that_changed_and_other_versions(tmp_path: Path, folder: Path) -> None:
    night = Night(tmp_path, of=load(folder))
    night.child(night.seed(), 2.0)
    assert about(night) == {}
    night.archive.resume_run(night.run, {}, environment="python 3.14")
    assert set(about(night)) == {"environment"}
    (folder / "evaluate.py").write_text((folder / "evaluate.py").read_text() + "\n# changed\n")
    assert "no longer the one" in about(night)["task"]
    night.archive._run("UPDATE evaluations SET task_digest = 'other' WHERE attempt = 1")
    assert "2 digests" in about(night)["task"]


def test_a_screen_that_errs(tmp_path: Path) -> None:
    night = Night(tmp_path)
    seed = night.seed(1.0)
    night.child(seed, 0.5, screen=0.1)
    assert "screen" not in about(night)
    night.child(seed, 2.0, screen=0.2)
    night.archive._run("UPDATE evaluations SET bar = 0.5 WHERE attempt >= 1")
    assert "of 2 held back but judged all the same, 1 were better than their parent" in about(night)["screen"]


def test_programs_that_were_never_judged(tmp_path: Path) -> None:
    night = Night(tmp_path)
    seed = night.seed()
    for number, reason in enumerate(("evaluate.py failed on it: IndexError", "held back by the screen: 1 is not 2"), 1):
        attempt = drafted(number, seed, f"x = {number}\n")
        attempt.stage, attempt.reason = "judge", reason
        night.archive.told(night.run, attempt, number)
    assert "evaluate.py failed on 1 program, which" in about(night)["set aside"]


def test_dollars_that_nobody_knows(tmp_path: Path) -> None:
    night = Night(tmp_path)
    seed = night.seed()
    night.child(seed, 2.0, arm="gpt")
    night.archive.replied(
        night.run, call(1, arm="gpt"), Reply("an edit", "stop", 40, 20, dollars=0.125, seconds=2.0), 60
    )
    assert about(night) == {}
    night.archive.opened(night.run, call(1, 1, arm="gpt"))
    assert (
        about(night)["dollars"]
        == "Costs are uncertain: up to $0.5000 may have been charged for calls whose end nobody saw."
    )


def test_every_doubt_has_a_test() -> None:
    text = Path(__file__).read_text()
    for name in [*OF_BEST, *OF_RUN]:
        assert f'"{name}"' in text, name


# ------------------------------------------------------------------ reproduce


def parsed(line: str) -> list[str]:
    return shlex.split(line.partition(" > ")[0])


def flags(words: list[str]) -> dict[str, Any]:
    """Return the settings that a command line asks for, as the verb would read them."""
    given = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
    return settings(given)


def test_the_command_line_asks_for_what_was_searched(tmp_path: Path, folder: Path) -> None:
    wanted = resolve(
        None,
        {},
        flags={
            "budget": {"evaluations": 7, "usd": 0.5},
            "arms": {"builtin/tune": 1.0},
            "search": {"islands": 3},
            "slots": 2,
            "models": {
                "my model": {"model": "openai/x@http://127.0.0.1:1/v1", "temperature": 0.5, "price_input": 0.0},
                "gpt-5.1": {},
            },
        },
    )
    named = folder.rename(folder.with_name("a 'task' of mine"))
    night = Night(tmp_path, of=load(named), config=wanted.model_dump(mode="json"))
    night.seed()
    found = commands(gather(night.archive), tmp_path / "my runs.db")
    line = next(one.line for one in found if one.line.startswith("evolve run"))
    words = parsed(line)
    assert words[2] == str(named)
    assert words[words.index("--db") + 1] == "night-again.db"
    assert parsed(found[-2].line)[-2:] == ["--db", str(tmp_path / "my runs.db")]
    assert [words[at + 1] for at, word in enumerate(words) if word == "--model"] == ["gpt-5.1", "my model"]
    rest = {"budget": {"evaluations": 7, "usd": 0.5}, "slots": 2}
    assert words[words.index("--evaluations") + 1] == "7"
    assert words[words.index("--usd") + 1] == "0.5"
    assert words[words.index("--slots") + 1] == "2"
    again = resolve(None, {}, flags={**flags(words), **rest}, models=["my model", "gpt-5.1"])
    assert again == wanted


def test_a_run_with_defaults_asks_for_nothing(tmp_path: Path, task: Task) -> None:
    night = Night(tmp_path, of=task)
    night.seed()
    (line,) = [one.line for one in commands(gather(night.archive), Path("evolve.db")) if "evolve run" in one.line]
    assert line == f"evolve run {shlex.quote(str(task.root))} --seed 5 --name night-again --db night-again.db"


def test_sittings_and_other_starts_are_asked_for(tmp_path: Path, task: Task) -> None:
    night = Night(tmp_path, of=task)
    night.seed()
    other = night.seed(2.0, "y = 0\n")
    night.child(other, 3.0)
    more = resolve(None, {}, flags={"budget": {"evaluations": 900}, "arms": {"builtin/mutate": 2.0}})
    night.archive.resume_run(night.run, more.model_dump(mode="json"), environment="python 3.11")
    lines = [one.line for one in commands(gather(night.archive), Path("evolve.db"))]
    assert lines[0] == f"evolve show {other.id} --code --run night --db evolve.db > {other.id}.py"
    assert f"--from {other.id}.py" in lines[1]
    words = parsed(lines[2])
    assert words[:3] == ["evolve", "resume", "night-again"]
    assert words[words.index("--evaluations") + 1] == "900"
    assert flags(words) == {"arms": {"builtin/mutate": 2.0}}
    assert lines[3] == "evolve replay night --db evolve.db"


def test_the_check_judges_the_best_program_as_its_files(
    tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last two commands, run as they stand."""
    night = Night(tmp_path, of=task)
    code = task.initial["initial.py"].replace("0.25", "0.75")
    night.child(night.seed(2.0, task.initial["initial.py"]), 5.0, code)
    night.archive.close()
    monkeypatch.chdir(tmp_path)
    with Archive(tmp_path / "evolve.db", create=False) as archive:
        show, check = (one.line for one in commands(gather(archive), Path("evolve.db"))[-2:])
    shown = CliRunner().invoke(main, parsed(show)[1:])
    assert shown.output == code
    (tmp_path / shlex.split(show)[-1]).write_text(shown.output)
    done = CliRunner().invoke(main, [*parsed(check)[1:], "--isolation", "none", "--json"])
    assert json.loads(done.output)["score"] == 5.0


def test_the_search_that_is_asked_for_again_ends_at_the_same_program(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = evolve.run(
        folder, evaluations=12, seed=4, slots=1, executor="inline", name="first", settings={"search": {"elites": 5}}
    )
    with Archive(first.db, create=False) as archive:
        facts = gather(archive)
        (line,) = [one.line for one in commands(facts, first.db) if one.line.startswith("evolve run")]
    done = CliRunner().invoke(main, parsed(line)[1:])
    assert done.exit_code in (0, 3), done.output
    with Archive("first-again.db", create=False) as archive:
        again = gather(archive)
    assert again.best is not None
    assert again.best.program.digest == first.best.digest
    assert again.run.config == facts.run.config
    assert {one.about for one in doubts(again)} == {"isolation", "integrity"}


def test_a_function_that_was_optimised_cannot_be_made_again_by_a_command(tmp_path: Path) -> None:
    night = Night(tmp_path, of=replace(made_up(), root=Path()))
    night.seed()
    (found,) = commands(gather(night.archive, night.run), Path("evolve.db"))
    assert found.what == "the code of the best program"
