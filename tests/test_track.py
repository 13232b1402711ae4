from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from click.testing import CliRunner

import evolve
from evolve import track
from evolve.archive import Archive
from evolve.cli import main
from evolve.config import Config
from evolve.errors import ConfigError
from evolve.records import Attempt
from evolve.seams import Beginning, Ending
from tests.heard import Heard

BLOCK = 32768
SHORT = {"executor": "inline", "slots": 1}


def pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the pieces of a W&B transaction log, which has LevelDB's log format behind a header of seven bytes."""
    place = 7
    while place + 7 <= len(data):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        yield kind, data[place + 7 : place + 7 + length]
        place += 7 + length


def records(path: Path) -> list[Any]:
    """Return what W&B wrote down of a sitting."""
    record = import_module("wandb.proto.wandb_internal_pb2").Record
    found, whole = [], b""
    for kind, piece in pieces(path.read_bytes()):
        whole = piece if kind in (1, 2) else whole + piece
        if kind in (1, 4):
            found.append(record.FromString(whole))
    return found


def history(path: Path) -> list[dict[str, Any]]:
    """Return the rows that were logged, with their steps."""
    rows = []
    for one in records(path):
        if one.WhichOneof("record_type") == "history":
            items = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in one.history.item}
            rows.append(items | {"step": one.history.step.num})
    return rows


def logs(folder: Path) -> list[Path]:
    return sorted((folder / "wandb").glob("offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime_ns)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, W&B offline, and no key."""
    pytest.importorskip("wandb")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    import_module("wandb").teardown()  # settings are read once
    return tmp_path


def cli(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(words))
    return done.exit_code, done.output


class TestWandB:
    def test_a_run_and_its_resume_are_one_run_there(self, folder: Path, offline: Path) -> None:
        words = ("--executor", "inline", "--evaluations")
        code, output = cli("run", str(folder), "--seed", "3", "--track", "wandb", *words, "4")
        assert code in (0, 3), output
        assert "W&B: offline in" in output
        code, output = cli("resume", "sum-1", "--evaluations", "8")
        assert code in (0, 3), output
        first, second = logs(offline)
        assert first.name == second.name, "the same id"
        with Archive("evolve.db") as archive:
            (told,) = archive._one("SELECT count(*) FROM attempts WHERE run = 'sum-1' AND state = 'told'")
            best = archive.best(1, "sum-1")[0]
        before, after = history(first), history(second)
        assert [row["step"] for row in before + after] == list(range(told + 1)), "one row per told attempt"
        assert before[0]["evaluations"] == 0
        assert before[0]["best"] == 2.0, "what the seed scores"
        last = after[-1]
        assert {
            "best",
            "evaluations",
            "dollars",
            "tokens",
            "seconds",
            "gain",
            "arm",
            "operator",
            "attempt/evaluations",
        } <= set(last)
        assert (last["best"], last["evaluations"]) == (best.score, 8)
        assert sum(row.get("attempt/evaluations", 0) for row in before + after) == 8
        assert sum(value for name, value in last.items() if name.startswith("arms/")) == told, "over both sittings"
        scored = [row for row in before + after if "metrics/digits" in row]
        assert scored
        assert all(row["status"] == "ok" for row in scored)

    def test_task_settings_and_the_best_program_are_kept(self, folder: Path, offline: Path) -> None:
        run = evolve.run(
            folder, evaluations=3, seed=0, settings=SHORT, observers=[track.WandB(project="sums", tags=["night"])]
        )
        (log,) = logs(offline)
        found = {one.WhichOneof("record_type"): one for one in records(log)}
        begun = found["run"].run
        config = {item.key: json.loads(item.value_json) for item in begun.config.update}
        assert (begun.project, begun.display_name, list(begun.tags)) == ("sums", run.name, ["night"])
        assert config["task"]["name"] == "sum"
        assert config["task"]["brief"] == "Return a large sum."
        assert config["budget"]["evaluations"] == 3
        summary: dict[str, Any] = {}
        for one in records(log):
            if one.WhichOneof("record_type") == "summary":
                summary |= {
                    item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in one.summary.update
                }
        assert summary["program"] == run.best.id
        assert summary["code"] == run.best.code
        assert summary["ended"] == run.reason
        artifact = found["request"].request.log_artifact.artifact if "request" in found else found["artifact"].artifact
        assert artifact.type == "program"
        assert [entry.path for entry in artifact.manifest.contents] == ["initial.py"]
        assert found["exit"].exit.exit_code == 0

    def test_disabled_is_said(self, folder: Path, offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WANDB_MODE", "disabled")
        import_module("wandb").teardown()
        code, output = cli("run", str(folder), "--track", "wandb", "--executor", "inline", "--evaluations", "2")
        assert code in (0, 3)
        assert "W&B: disabled" in output

    def test_a_loop_of_ones_own_is_followed_too(self, folder: Path, offline: Path) -> None:
        with evolve.Search(folder, evaluations=2, seed=0, settings=SHORT | {"track": ["wandb"]}) as search:
            while not search.spent():
                search.tell(search.work(search.ask()))
        (log,) = logs(offline)
        assert history(log)[-1]["evaluations"] == 2

    def test_a_service_that_dies_does_not_end_the_run(self, folder: Path, offline: Path) -> None:
        def die(attempt: Attempt) -> None:
            if attempt.proposal.number == 2:
                import_module("wandb").teardown()

        said = Heard()
        run = evolve.run(folder, evaluations=6, seed=0, settings=SHORT, observers=[die, track.WandB(), said])
        assert run.info.evaluations == 6
        failures = [text for text in said.notices if "failed, the run goes on without it" in text]
        assert len(failures) == 1
        assert failures[0].startswith("wandb failed")

    def test_a_service_that_is_not_there_does_not_end_the_run(
        self, folder: Path, offline: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        monkeypatch.setenv("WANDB_MODE", "online")
        monkeypatch.setenv("WANDB_INIT_TIMEOUT", "1")
        import_module("wandb").teardown()
        said = Heard()
        run = evolve.run(folder, evaluations=3, seed=0, settings=SHORT, observers=[track.WandB(), said])
        assert run.info.evaluations == 3
        assert [text for text in said.notices if text.startswith("wandb failed")]
        assert not any("a" * 40 in text for text in said.notices)

    def test_without_a_key_nothing_is_begun(self, folder: Path, offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WANDB_MODE", "online")
        import_module("wandb").teardown()
        code, output = cli("run", str(folder), "--track", "wandb")
        assert code == 2
        assert "wandb login" in output
        assert not (offline / "evolve.db").exists()

    def test_an_error_of_the_run_is_an_error_there(self, folder: Path, offline: Path) -> None:
        def broken(attempt: Attempt) -> None:
            raise RuntimeError("my own observer is broken")

        with pytest.raises(RuntimeError, match="my own observer"):
            evolve.run(folder, evaluations=3, seed=0, settings=SHORT, observers=[track.WandB(), broken])
        (log,) = logs(offline)
        found = {one.WhichOneof("record_type"): one for one in records(log)}
        assert found["exit"].exit.exit_code == 1


def test_a_missing_package_is_named_before_anything_is_begun(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "find_spec", lambda name: None)
    code, output = cli("run", str(folder), "--track", "wandb", "--db", str(tmp_path / "a.db"))
    assert code == 2
    assert "pip install 'evolve-programs[wandb]'" in output
    assert not (tmp_path / "a.db").exists()
    with pytest.raises(ConfigError, match="evolve-programs"):
        track.WandB()


def test_settings_flag_and_trackers_name_the_same() -> None:
    command = main.get_command(click.Context(main), "run")
    assert command is not None
    (flag,) = (one for one in command.params if one.name == "track")
    assert isinstance(flag.type, click.Choice)
    (named, _) = get_args(Config.model_fields["track"].annotation)
    assert set(flag.type.choices) == set(get_args(named)) == set(track.TRACKERS)


class Diary:
    """A tracker that stands on a package of our own."""

    def __init__(self, package: str = "json", breaks: str = "") -> None:
        self.package, self._breaks = package, breaks
        self.began: list[Beginning] = []
        self.ended: list[Ending] = []
        self.told: list[tuple[int, float | None]] = []

    def begin(self, beginning: Beginning, /) -> None:
        self.began.append(beginning)
        self._break("begin")

    def __call__(self, attempt: Attempt, /) -> None:
        self.told.append((attempt.proposal.number, self.began[-1].ledger.best))
        self._break("told")

    def end(self, ending: Ending, /) -> None:
        self.ended.append(ending)
        self._break("end")

    def _break(self, where: str) -> None:
        if where == self._breaks:
            json.loads("{")


class TestTrackers:
    def test_sittings_of_a_run_share_a_key_and_other_runs_have_others(self, folder: Path, tmp_path: Path) -> None:
        diary, db = Diary(), tmp_path / "a.db"
        run = evolve.run(folder, evaluations=2, seed=0, settings=SHORT, db=db, observers=[diary])
        evolve.resume(run.name, evaluations=4, db=db, observers=[diary])
        evolve.run(folder, evaluations=1, seed=0, settings=SHORT, db=db, observers=[diary])
        first, second, other = diary.began
        assert first.key == second.key != other.key
        assert (first.told, first.run, first.config["budget"]["evaluations"]) == (0, run.name, 2)
        assert second.told == sum(second.pulls.values()) == 2
        assert [ending.failed for ending in diary.ended] == [False] * 3
        assert diary.ended[1].best.score == run.best.score
        assert diary.ended[1].reason == "4 evaluations"

    @pytest.mark.parametrize(("breaks", "heard"), [("begin", [0, 0]), ("told", [1, 0]), ("end", [2, 1])])
    def test_what_breaks_inside_its_package_is_said_once(
        self, folder: Path, tmp_path: Path, breaks: str, heard: list[int]
    ) -> None:
        diary, said = Diary(breaks=breaks), Heard()
        run = evolve.run(folder, evaluations=3, seed=0, settings=SHORT, db=tmp_path / "a.db", observers=[diary, said])
        assert run.info.state == "done"
        assert [text for text in said.notices if text.startswith("json failed")] == said.notices
        assert len(said.notices) == 1
        assert [len(diary.told), len(diary.ended)] == heard

    def test_what_breaks_in_the_tracker_itself_is_a_traceback(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(json.JSONDecodeError):
            evolve.run(
                folder,
                evaluations=3,
                seed=0,
                settings=SHORT,
                db=tmp_path / "a.db",
                observers=[Diary("another", breaks="told")],
            )
