from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from evolve import lint, references
from evolve.cli import main
from evolve.jail import choose
from evolve.lint import folder as folders
from evolve.lint import leaks, measured, remember
from evolve.lint.finding import Finding
from evolve.records import Evaluation, Limits, Stages, Task, TaskCost
from evolve.survey import Measured, Survey
from evolve.task import load
from tests.test_references import EVALUATE, MEAN, Make, make, surveyed

__all__ = ["make"]
CONFINEMENT = choose("auto")


def said(findings: list[Finding], words: str) -> list[Finding]:
    return [finding for finding in findings if words in finding.what]


def test_a_good_task_has_no_error_and_the_command_says_the_rest(make: Make) -> None:
    root = make(**{"README.md": "# centre\n"})
    done = CliRunner().invoke(main, ["check", str(root), "--lint", "--json"], catch_exceptions=False)
    told = json.loads(done.output)["findings"]
    assert done.exit_code == 0, told
    assert all(finding["level"] != "error" for finding in told)
    assert all(finding["what"] and finding["where"] and finding["do"] for finding in told)
    done = CliRunner().invoke(main, ["check", str(make(**{"knowledge/a.md": MEAN})), "--lint"], catch_exceptions=False)
    assert done.exit_code == 1
    assert "stand where a prompt sees them" in done.output


def test_a_seed_program_that_fails_is_an_error(make: Make) -> None:
    root = make(**{"initial.py": "def centre(xs):\n    return None\n"})
    (root / "references" / "mean.py").unlink()
    (root / "task.toml").write_text('brief = "b"\n')
    done = CliRunner().invoke(main, ["check", str(root), "--lint"], catch_exceptions=False)
    assert done.exit_code == 1
    assert "the seed program ends as invalid: centre must return a float" in done.output


# ---------------------------------------------------------------------- leaks


@pytest.mark.parametrize("place", ["knowledge/notes.md", "prompts/diff.j2"])
def test_a_line_of_a_reference_in_a_prompt_is_an_error(make: Make, place: str) -> None:
    text = "Try this:\n\n    return sum(xs)  /  len(xs) + 0.03\n"
    task = load(make(**{place: text}))
    (found,) = said(list(leaks.findings(task)), "lines of references/mean.py")
    assert (found.level, found.where) == ("error", place)


def test_lines_of_a_reference_in_the_harness_are_a_warning_where_they_are_many(make: Make) -> None:
    body = "\n".join(f"    total_{n} = sum(xs) / (len(xs) + {n})" for n in range(4))
    reference = f"def centre(xs):\n{body}\n    return total_1\n"
    task = load(make(**{"references/mean.py": reference, "harness.py": f"def other(xs):\n{body}\n"}))
    (found,) = said(list(leaks.findings(task)), "lines of references/mean.py")
    assert (found.level, found.where) == ("warning", "harness.py")
    alone = load(make(**{"harness.py": f"def other(xs):\n{body.splitlines()[0]}\n"}))
    assert not said(list(leaks.findings(alone)), "lines of")


def test_what_the_seed_program_shows_too_is_no_leak(make: Make) -> None:
    line = "    return 0.5 * xs[0] + 0.25 * xs[1]"
    task = load(make(**{"initial.py": f"def centre(xs):\n{line}\n", "knowledge/a.md": line}))
    assert not said(list(leaks.findings(task)), "lines of")


@pytest.mark.parametrize("place", ["knowledge/notes.md", "initial.py"])
def test_a_validation_seed_that_is_told_is_an_error(make: Make, place: str) -> None:
    text = "# hidden: 77213\ndef centre(xs):\n    return xs[0] * 0.5\n"
    (found,) = said(list(leaks.findings(load(make(**{place: text})))), "77213")
    assert (found.level, found.where) == ("error", place)


@pytest.mark.parametrize(
    "told", ["77213", "seeds 5 and 77213.", "77,213 of them", "(77213, 4)", "(1,77213)", "77_213;"]
)
def test_it_is_found_as_prose_and_code_write_numbers(make: Make, told: str) -> None:
    assert said(list(leaks.findings(load(make(**{"knowledge/notes.md": f"Held out: {told}\n"})))), "77213")


@pytest.mark.parametrize("told", ["77213.5", "1,277,213", "77213rd", "0.77213", "77213,123"])
def test_a_part_of_another_number_is_none(make: Make, told: str) -> None:
    found = said(list(leaks.findings(load(make(**{"knowledge/notes.md": f"Held out: {told}\n"})))), "77213")
    assert bool(found) is (told == "77213,123"), "which code may mean as two"


def test_only_constants_that_validate_alone_uses_are_hidden() -> None:
    text = "A = 7919\nB = 104_729\nC = 0.12345\ndef evaluate(c): return A\ndef helper(): return B, 100, 1024, 'x' * 3\n"
    text += "def validate(c): return helper(), A, C, 'a5f0c2d4e6b8a5f0'\n"
    assert set(leaks.hidden(ast.parse(text))) == {104_729, 0.12345, "a5f0c2d4e6b8a5f0"}


def test_hidden_data_within_reach_of_a_jail_is_an_error(make: Make) -> None:
    toml = make() / "task.toml"
    toml.write_text('packages = ["safetensors", "numpy"]\ndata = ["numpy"]\n' + toml.read_text())
    (found,) = said(list(leaks.findings(load(toml.parent))), "is hidden from candidates")
    assert found.level == "error"


def test_labels_from_a_package_that_the_jail_can_import_are_a_warning(make: Make) -> None:
    root = make(**{"evaluate.py": "from numpy import datasets\n" + EVALUATE})
    (root / "task.toml").write_text('packages = ["numpy"]\n' + (root / "task.toml").read_text())
    (found,) = said(list(leaks.findings(load(root))), "numpy.datasets")
    assert found.level == "warning"


@pytest.mark.parametrize(("place", "level"), [("knowledge/mean.py", "error"), ("mean.py", "warning")])
def test_programs_of_baselines_belong_into_references(make: Make, place: str, level: str) -> None:
    root = make(**{place: MEAN})
    toml = root / "task.toml"
    toml.write_text(toml.read_text().replace("references/mean.py", place))
    found = [
        finding for finding in leaks.findings(load(root)) if finding.where == place and "program of" in finding.what
    ]
    assert [finding.level for finding in found] == [level]


# ---------------------------------------------------------------------- what scores say


def example(
    task: Task, *rows: tuple[float, ...], screens: tuple[float, ...] = (), again: float | None = None
) -> Survey:
    """Return a survey of programs with these scores, the seed program first."""
    made = [
        Measured(
            f"program {place}",
            {},
            None,
            tuple(Evaluation("ok", score, cpu_seconds=0.4, judge_seconds=0.1, seconds=1.0) for score in scores),
            screen=Evaluation("ok", screen=screens[place]) if screens else None,
        )
        for place, scores in enumerate(rows)
    ]
    same = Evaluation("ok", rows[0][0] if again is None else again)
    return Survey(task, tuple(range(len(rows[0]))), (replace(made[0], again=(same,)), *made[1:]))


def test_noise_is_held_against_the_gap_and_says_how_many_repeats_it_takes(task: Task) -> None:
    found = list(measured.findings(example(task, (1.0, 2.0, 3.0, 2.0), (2.0, 2.0, 4.0, 4.0))))
    (noise,) = said(found, "standard deviation")
    assert noise.level == "warning"
    assert "with 11 repeats" in noise.what, "paired differences 1 0 1 2 deviate by 0.8165: (4 * 0.8165 / 1)^2 = 10.7"


def test_a_task_with_enough_repeats_is_only_told(task: Task) -> None:
    many = replace(task, stages=Stages(repeats=8))
    found = list(measured.findings(example(many, (1.0, 1.1, 0.9), (9.0, 9.2, 9.1))))
    assert [finding.level for finding in said(found, "standard deviation")] == ["note"]


def test_chance_that_no_seed_fixes_is_a_warning(task: Task) -> None:
    found = list(measured.findings(example(task, (1.0,), (2.0,), again=1.5)))
    assert [finding.level for finding in said(found, "the same program on the same seed")] == ["warning"]


def test_a_program_that_fails_is_named_with_what_to_do(task: Task) -> None:
    shown = example(task, (1.0,), (2.0,), (3.0,))
    late = Evaluation("timeout", error="60 seconds are over\nin score")
    seed, reference, found = (replace(row, held_out=late) for row in shown.rows)
    rows = (seed, replace(reference, program="references/mean.py"), replace(found, name="mean, tuned", searched=True))
    seen = said(list(measured.findings(replace(shown, rows=rows))), "ends as timeout: 60 seconds are over")
    assert [(one.level, one.where, one.do.split(":")[0]) for one in seen] == [
        ("error", "program 0", "mend it"),
        ("warning", "references/mean.py", "mend it"),
        ("warning", "mean, tuned", "do not compare with it"),
    ]


def test_no_reference_that_is_better_is_a_warning(task: Task) -> None:
    found = list(measured.findings(example(task, (1.0,), (0.5,))))
    assert said(found, "no reference is better")


@pytest.mark.parametrize(
    ("screens", "level", "tau"), [((1.0, 2.0, 3.0, 4.0), "note", "1.00"), ((4.0, 3.0, 2.0, 1.0), "warning", "-1.00")]
)
def test_a_screen_is_held_against_the_scores(task: Task, screens: tuple[float, ...], level: str, tau: str) -> None:
    rows = ((1.0,), (2.0,), (3.0,), (4.0,))
    (found,) = said(list(measured.findings(example(task, *rows, screens=screens))), "Kendall")
    assert (found.level, tau in found.what) == (level, True)
    held = "program 2, program 3 would not" if level == "warning" else "would hold back 1 of the 3"
    assert held in found.what


# ---------------------------------------------------------------------- folder


def test_what_is_missing_and_what_is_far_from_the_cost_is_said(task: Task) -> None:
    limits = Limits(seconds=5000.0, cpu_seconds=1.0)
    off = replace(task, limits=limits, cost=TaskCost(evaluate=40.0))
    found = list(folders.findings(example(off, (1.0, 1.0))))
    for words in ("no README.md", "no baselines", "no baseline has a program", "neither bounds", "40 are stated",
                  "of the 1 processor seconds", "limits.seconds is 5000"):  # fmt: skip
        assert len(said(found, words)) == 1, words


# ---------------------------------------------------------------------- remembered answers

ALIKE = EVALUATE.replace("Random(seed)", "Random(5)")
OPEN = "def evaluate(candidate):\n    return float(candidate.call('centre', [1.0, 2.0]))\n"


def remembered(root: Path) -> list[Finding]:
    return list(remember.findings(surveyed(root), CONFINEMENT, lambda what, done, of: None))


@pytest.mark.parametrize(
    ("evaluate", "level", "words"),
    [
        (EVALUATE, None, ""),
        (ALIKE, "warning", "reaches its score on seed 1"),
        (OPEN, "warning", "every evaluation asks the same"),
    ],
)
def test_remembered_answers_are_tried(make: Callable[..., Path], evaluate: str, level: str | None, words: str) -> None:
    found = remembered(make(**{"evaluate.py": evaluate}))
    assert [finding.level for finding in found] == ([] if level is None else [level])
    assert all(words in finding.what for finding in found)


def test_one_seed_is_not_held_against_a_task(make: Make) -> None:
    open_ended = EVALUATE[: EVALUATE.index("def validate")]
    found = surveyed(make(**{"evaluate.py": open_ended}), seeds=1)
    (note,) = remember.findings(found, CONFINEMENT, lambda what, done, of: None)
    assert (note.level, "one seed cannot tell" in note.what) == ("note", True)
    noisy = EVALUATE.replace("Random(seed)", "Random()")
    words = [one.what for one in measured.findings(surveyed(make(**{"evaluate.py": noisy}), seeds=1))]
    assert any("evaluations on one seed the seed program has a standard deviation" in one for one in words), words


def test_what_a_validate_tells_apart_is_only_a_note(make: Make) -> None:
    text = ALIKE.replace("rng, total = Random(5)", "rng, total = Random(5 if seed < 9 else seed)")
    (found,) = remembered(make(**{"evaluate.py": text}))
    assert found.level == "note"


def test_answers_that_are_no_data_are_said_not_to_be_tried(make: Make) -> None:
    program = "class Odd(float):\n    def __reduce__(self):\n        raise TypeError\n\ndef centre(xs):\n    return [Odd(1)]\n"
    harness = "import program\n\ndef ask(xs):\n    return float(program.centre(xs)[0])\n"
    text = EVALUATE.replace('"centre"', '"harness:ask"')
    found = remembered(
        make(**{"evaluate.py": text, "harness.py": harness, "initial.py": program, "references/mean.py": program})
    )
    assert [finding.level for finding in found] == ["note"]
    assert "could not be recorded" in found[0].what


def test_all_findings_come_with_the_worst_first(make: Make) -> None:
    root = make(**{"knowledge/a.md": MEAN})
    task = load(root)
    found = lint.findings(references.survey(task, references.programs(task), CONFINEMENT, seeds=2), CONFINEMENT)
    order = ["error", "warning", "note"]
    assert [finding.level for finding in found] == sorted((finding.level for finding in found), key=order.index)
    assert found[0].level == "error"
