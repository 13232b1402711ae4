from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from evolve import api, blocks
from evolve.archive import Archive
from evolve.errors import TaskError
from evolve.task import library, load, read_program, reference


def folder(root: Path, toml: str = 'brief = "b"\n', **files: str) -> Path:
    (root / "task.toml").write_text(toml)
    written = {"initial.py": "x = 1\n", "evaluate.py": "def evaluate(candidate): return 1\n", **files}
    for name, text in written.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text:
            path.write_text(text)
    return root


def test_every_task_of_the_library_loads() -> None:
    assert "math/circle_packing" in library()
    for name, root in library().items():
        task = load(name)
        assert task.root == root
        assert task.baselines, f"{name} should say what others reached"
        assert load(root) == task


def test_defaults(tmp_path: Path) -> None:
    task = load(folder(tmp_path))
    assert (task.name, task.entry, task.language) == (tmp_path.name, "initial.py", "python")
    assert task.score.direction == "maximize"
    assert task.limits.call_seconds == task.limits.seconds


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("", "brief"),
        ('brief = ""\n', "brief"),
        ('brief = "b"\nbreif = 1\n', "task.toml:2: unknown key 'breif'; did you mean 'brief'?"),
        (
            'brief = "b"\n[limits]\nseconds = 1\nmemry = 5\n',
            "task.toml:4: unknown key 'limits.memry'; did you mean 'memory'?",
        ),
        ('brief = "b"\n[limits]\nmemory = "5 potatoes"\n', "task.toml:3: limits.memory"),
        ('brief = "b"\n[limits]\nseconds = -1\n', "task.toml:3: limits.seconds"),
        ('brief = "b"\n[score]\ndirection = "up"\n', "task.toml:3: score.direction"),
        ('brief = "b"\n[score]\nbounds = [2, 1]\n', "bounds must be [lower, upper]"),
        ('brief = "b"\n[score]\nbounds = [nan, 1]\n', "bounds must be [lower, upper]"),
        ('brief = "b"\n[metrics.m]\nbounds = [0, nan]\n', "bounds must be [lower, upper]"),
        ('brief = "b\n', "is not TOML"),
        ('brief = "b"\nentry = "other.py"\n', "entry 'other.py' does not exist"),
        ('brief = "b"\n[search]\nparent = "best"\n', "did you mean 'parents'?"),
    ],
)
def test_errors_name_place_and_remedy(tmp_path: Path, toml: str, says: str) -> None:
    with pytest.raises(TaskError) as error:
        load(folder(tmp_path, toml))
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"evaluate.py": ""}, "evaluate.py: is missing"),
        ({"initial.py": ""}, "has no seed program"),
        ({"initial.c": "int x;\n"}, "initial.c and initial.py"),
        ({"initial/a.py": "x = 1\n"}, "both initial.py and initial/"),
        ({"initial.py": "", "initial/a.py": "x = 1\n"}, 'needs entry = "FILE"; its files are a.py'),
        ({"initial.py": "a\n# EVOLVE-BLOCK-START\n"}, "initial.py:2: EVOLVE-BLOCK-START is never closed"),
        ({"initial.py": "a\n\n// EVOLVE-BLOCK-END\n"}, "initial.py:3: EVOLVE-BLOCK-END without"),
    ],
)
def test_files_that_are_missing_or_wrong(tmp_path: Path, files: dict[str, str], says: str) -> None:
    with pytest.raises(TaskError) as error:
        load(folder(tmp_path, **files))
    assert says in str(error.value)


def test_a_name_that_is_no_task() -> None:
    with pytest.raises(TaskError, match="did you mean 'math/circle_packing'"):
        load("math/circle_paking")


def test_not_utf8(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "initial.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(TaskError, match=r"initial.py: is not UTF-8: .* at byte 5"):
        load(tmp_path)


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    folder(tmp_path)
    for name in ("initial.py", "task.toml"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + (tmp_path / name).read_bytes())
    assert not load(tmp_path).initial["initial.py"].startswith("\ufeff")


def test_several_files_in_any_language(tmp_path: Path) -> None:
    toml = 'brief = "b"\nentry = "main.cpp"\n'
    task = load(
        folder(tmp_path, toml, **{"initial.py": "", "initial/main.cpp": "int main(){}\n", "initial/lib/a.h": "\n"})
    )
    assert (task.language, set(task.initial)) == ("cpp", {"main.cpp", "lib/a.h"})
    (tmp_path / "mine").mkdir()
    with pytest.raises(TaskError, match=r"lacks the entry 'main.cpp'"):
        read_program(task, tmp_path / "mine")


def test_sizes_and_digest(tmp_path: Path) -> None:
    task = load(folder(tmp_path, 'brief = "b"\n[limits]\nmemory = "1.5 GiB"\nscratch = "2 MB"\n'))
    assert (task.limits.memory, task.limits.scratch) == (3 << 29, 2_000_000)
    folder(tmp_path, 'brief = "another"\n[limits]\nmemory = "1.5 GiB"\nscratch = "2 MB"\n', **{"README.md": "words"})
    assert load(tmp_path).digest == task.digest, "words do not decide a score"
    (tmp_path / "helper.py").write_text("K = 1\n")
    assert load(tmp_path).digest != task.digest, "what evaluate.py may import does"


def test_what_a_run_leaves_in_the_folder_is_no_part_of_the_task(tmp_path: Path) -> None:
    digest = load(folder(tmp_path)).digest
    (tmp_path / "evolve.toml").write_text("slots = 1\n")
    (tmp_path / "evolve.db").write_bytes(b"")
    (tmp_path / "r-report.html").write_text("<p>")
    with Archive(tmp_path / "night.db") as archive, archive.lock("r"):
        assert {path.name for path in tmp_path.iterdir()} >= {"night.db-wal", "night.db-shm", "night.db.r.lock"}
        assert load(tmp_path).digest == digest
    (tmp_path / "night.db.r.lock").touch()
    assert load(tmp_path).digest == digest
    with closing(sqlite3.connect(tmp_path / "data.db")) as data:
        data.execute("CREATE TABLE t (x)")
    assert load(tmp_path).digest != digest, "data decides scores"


def test_a_run_of_the_folder_one_stands_in_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder(tmp_path))
    done = api.run(".", evaluations=3, executor="inline", settings={"arms": {"builtin/mutate": 1.0}})
    assert done.db.parent == tmp_path or not done.db.is_absolute()
    assert api.resume(done.name, evaluations=4).info.evaluations == 4


def test_a_task_that_uses_nothing_new_keeps_its_digest(tmp_path: Path) -> None:
    digest = load(folder(tmp_path)).digest  # by which runs that are under way know it
    assert digest == "c659f0dc9692797175a9631a4920d587b098b2824f215a34c1d96cedadddc928"
    for table in ("resources]\ncpus = 2", "stages]\nrepeats = 2", 'limits]\ngpu_memory = "1 GiB"'):
        assert load(folder(tmp_path, f'brief = "b"\n[{table}\n')).digest != digest


@pytest.mark.parametrize("comment", ["#", "//", "--", "%", "/*", ";;", "<!--"])
def test_marks_in_any_comment_style(comment: str) -> None:
    text = f"head\n  {comment} EVOLVE-BLOCK-START\nbody\n{comment} EVOLVE-BLOCK-END\ntail"
    cut = blocks.split(text)
    assert [segment.evolvable for segment in cut] == [False, True, False]
    assert [segment.line for segment in cut] == [1, 3, 4]
    assert blocks.join(cut) == text


def test_without_marks_everything_may_change() -> None:
    assert [s.evolvable for s in blocks.segments({"a.py": "x\n"})["a.py"]] == [True]
    cut = blocks.segments({"a.py": "x\n", "b.py": "# EVOLVE-BLOCK-START\ny\n# EVOLVE-BLOCK-END\n"})
    assert [s.evolvable for s in cut["a.py"]] == [False], "a mark anywhere freezes what is not marked"
    assert blocks.frozen({"b.py": "# EVOLVE-BLOCK-START\ny\n# EVOLVE-BLOCK-END\n"}) == {
        "b.py": ("# EVOLVE-BLOCK-START\n", "# EVOLVE-BLOCK-END\n")
    }


VARIANTS = """
brief = "b"
settings = { epochs = 3, widths = [1, 2] }
[cost]
screen = 0.5
[limits]
seconds = 20
memory = "1 GiB"
[[baselines]]
name = "seed"
score = 1.0
source = "ours"
program = "references/one.py"
[variants.long]
settings = { epochs = 30 }
limits = { seconds = 200 }
initial = "variants/long.py"
baselines = [{ name = "other", score = 2.0, source = "ours" }]
"""


def test_a_variant_is_the_task_with_other_keys_over_it(tmp_path: Path) -> None:
    root = folder(tmp_path, VARIANTS, **{"variants/long.py": "x = 2\n", "references/one.py": "x = 3\n"})
    base, long = load(root), load(f"{root}@long")
    assert (base.variant, base.variants, base.name) == ("", ("long",), root.name)
    assert (long.variant, long.name, long.root, long.entry) == ("long", f"{root.name}@long", root, "initial.py")
    assert (base.settings, long.settings) == ({"epochs": 3, "widths": [1, 2]}, {"epochs": 30, "widths": [1, 2]})
    assert (base.initial, long.initial) == ({"initial.py": "x = 1\n"}, {"initial.py": "x = 2\n"})
    assert (long.limits.seconds, long.limits.memory, long.cost.screen) == (200, 1 << 30, 0.5)
    (root / "task.toml").write_text(VARIANTS + "resources = { cpus = 2 }\n")
    assert load(f"{root}@long").cost.screen is None, "what another machine takes is not known from this one"
    assert [row.name for row in long.baselines] == ["other"]
    assert base.digest != long.digest
    assert reference(base, base.baselines[0]) == {"initial.py": "x = 3\n"}
    with pytest.raises(TaskError, match="names no program"):
        reference(long, long.baselines[0])


@pytest.mark.parametrize(
    ("toml", "name", "says"),
    [
        ("", "lang", "did you mean 'long'"),
        ("[variants.bad]\nlimits = { second = 1 }\n", "", r"variants.bad.*seconds"),
        ("[variants.bad.variants.worse]\nbrief = 'c'\n", "", "has no variants of its own"),
        ("[variants.bad]\ninitial = 'gone.py'\n", "bad", "gone.py"),
    ],
)
def test_wrong_variants(tmp_path: Path, toml: str, name: str, says: str) -> None:
    root = folder(tmp_path, VARIANTS + toml, **{"variants/long.py": "x = 2\n"})
    with pytest.raises(TaskError, match=says):
        load(f"{root}@{name}" if name else root)


def test_what_scripts_import_of_the_kit_decides_scores_and_what_the_harness_imports_is_shipped(tmp_path: Path) -> None:
    harness = "from evolve.kit import texts\n"
    judge = "def evaluate(candidate):\n    import evolve.kit.texts\n    return 1\n"
    plain = load(folder(tmp_path))
    judged = load(folder(tmp_path, **{"evaluate.py": judge}))
    both = load(folder(tmp_path, **{"evaluate.py": judge, "harness.py": harness}))
    assert (plain.shipped, judged.shipped) == ({}, {})
    assert set(both.shipped) == {"evolve/kit/texts.py"}
    assert len({plain.digest, judged.digest, both.digest}) == 3
    with pytest.raises(TaskError, match=r"harness.py: imports evolve.kit.nothing"):
        load(folder(tmp_path, **{"harness.py": "from evolve.kit import nothing\n"}))
