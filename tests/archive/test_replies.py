"""What models were asked and answered: nothing is lost, nothing is counted twice, and what a prompt tells of the past
stays as it was.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve import resources
from evolve.archive import Archive, database
from evolve.archive.background import LATEST, LONGEST
from evolve.archive.export import TABLES
from evolve.archive.replies import request_hash
from evolve.archive.rows import clean
from evolve.records import (
    Asked,
    Background,
    Call,
    Direction,
    Evaluation,
    Given,
    Message,
    Program,
    Prompt,
    Proposal,
    Reply,
    Tried,
)
from tests import archives, strategies

OURS = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

counts = st.none() | st.integers(0, 2**60)
amounts = st.floats(0, 1e6)
messages = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), strategies.dirty), max_size=4)
prompts = st.builds(
    Prompt,
    messages.map(tuple),
    st.sampled_from(["draft", "correct"]),
    strategies.texts,
    st.lists(strategies.dirty, max_size=2).map(tuple),
    strategies.texts,
)
replies = st.builds(
    Reply,
    strategies.dirty,
    st.sampled_from(["stop", "length", "refusal", "other"]),
    *[counts] * 4,
    dollars=st.none() | amounts,
    seconds=amounts,
    reasoning=strategies.dirty,
    note=strategies.texts,
)
prices = st.dictionaries(st.sampled_from(["evaluations", "dollars", "tokens", "seconds"]), st.floats(0, 1e9))
givens = st.builds(Given, st.lists(strategies.dirty, max_size=3).map(tuple), prices)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "evolve.db") as opened:
        yield opened


def failed(archive: Archive, run: str, call: Call, *, uncertain: bool) -> None:
    """Store that a call brought nothing."""
    archive.failed(run, call, "no reply", status=503, uncertain=uncertain, seconds=1.0)


class TestRoundTrip:
    @OURS
    @given(prompt=prompts, reply=replies, parameters=strategies.traits, tokens=st.integers(0, 2**60))
    def test_a_call_and_its_reply(
        self, archive: Archive, prompt: Prompt, reply: Reply, parameters: dict[str, object], tokens: int
    ) -> None:
        run = archives.fill(archive)
        call = Call(6, 0, 0, "builtin/mutate", prompt, parameters, 0.5, 100)
        archive.opened(run, call)
        (asked,) = archive.conversation(run, 6)
        assert (asked.state, asked.reply, asked.prompt) == ("open", None, prompt)
        assert (asked.parameters, asked.dollars, asked.tokens, asked.closed_at) == (parameters, 0.5, 100, None)
        archive.replied(run, call, reply, tokens)
        kept = replace(reply, text=clean(reply.text), reasoning=clean(reply.reasoning))
        (answered,) = archive.conversation(run, 6)
        assert (answered.state, answered.reply, answered.dollars) == ("done", kept, reply.dollars)
        assert archive.recorded_reply(run, request_hash(prompt, parameters), 0) == kept
        assert archive.recorded_reply(run, request_hash(prompt, parameters), 1) is None
        assert archive.spent(run) == (reply.dollars or 0.0, tokens)
        attempt = archive.attempt(run, 6)
        assert (attempt.dollars, attempt.tokens, attempt.seconds) == (reply.dollars or 0.0, tokens, reply.seconds)

    @OURS
    @given(words=givens, before=st.integers(0, 2**60))
    def test_what_clock_and_ledger_said(self, archive: Archive, words: Given, before: int) -> None:
        run = archives.begin(archive)
        attempt = archives.drafted(1, archives.seed(), "y")
        attempt.proposal, attempt.drafted = replace(attempt.proposal, given=words), before
        archive.asked(run, attempt.proposal)
        archive.drafted(run, attempt)
        assert archive.pending(run) == [attempt]
        archives.tell(archive, run, archives.judge(attempt, Evaluation("ok", 1.0)))
        (told,) = archive.history(run)
        assert (told.proposal.given, told.drafted) == (words, before)
        assert list(archive.asks(run)) == [Asked(1, 0, archives.seed().digest, "builtin/mutate", 0, "mutate")]

    def test_drafts_are_in_the_order_they_were_made(self, archive: Archive) -> None:
        run = archives.begin(archive)
        for number, before in ((1, 2), (2, 0), (3, 2), (4, None)):
            attempt = archives.drafted(number, archives.seed(), f"x = {number}")
            attempt.drafted = before
            archive.drafted(run, attempt)
        refused = archives.drafted(5, archives.seed(), "x = 1")
        refused.stage = "novelty"
        archive.told(run, refused, 1)
        archive.asked(run, archives.proposal(6, archives.seed()))
        made = [draft[:2] for draft in archive.drafts(run)]
        assert made == [(2, 0), (1, 2), (3, 2), (4, 3)]  # 4 is old: it was drafted when asked

    def test_a_conversation_is_in_order_whatever_the_order_of_writing(self, archive: Archive) -> None:
        run = archives.fill(archive)
        archive.opened(run, archives.call(6, 1))
        archives.converse(archive, run)
        archive.replied(run, archives.call(6, 0, 1), Reply("two"), 5)
        failed(archive, run, archives.call(6, 0, 0), uncertain=True)
        assert [(c.turn, c.tries, c.state) for c in archive.conversation(run, 6)] == [
            (0, 0, "uncertain"), (0, 1, "done"), (1, 0, "open"),
        ]  # fmt: skip
        assert archive.conversation(run, 6)[1].reply == Reply("two")
        assert archive._one("SELECT count(*) FROM prompts") == (1,)

    def test_equal_requests_are_answered_in_turn(self, archive: Archive) -> None:
        run, other = archives.fill(archive, "old"), archives.fill(archive, "new")
        for number in (1, 2, 3):
            call = archives.call(number)
            (
                failed(archive, run, call, uncertain=False)
                if number == 2
                else archive.replied(run, call, Reply(f"{number}"), 1)
            )
        request = request_hash(archives.call(9).prompt, archives.call(9).parameters)
        found = [archive.recorded_reply(run, request, place) for place in range(3)]
        assert [reply and reply.text for reply in found] == ["1", "3", None]
        assert archive.recorded_reply(other, request, 0) is None

    def test_what_makes_requests_differ(self) -> None:
        call = archives.call(1)
        equal = replace(call.prompt, purpose="correct", template="other")
        assert request_hash(equal, {"temperature": 0.7, "model": call.arm}) == request_hash(
            call.prompt, call.parameters
        )
        others = [
            (replace(call.prompt, messages=call.prompt.messages[:1]), call.parameters),
            (replace(call.prompt, begin=""), call.parameters),
            (replace(call.prompt, stop=()), call.parameters),
            (replace(call.prompt, files={"program.py": "x"}), call.parameters),
            (call.prompt, {**call.parameters, "temperature": 0.8}),
        ]
        requests = {request_hash(prompt, parameters) for prompt, parameters in others}
        assert len(requests | {request_hash(call.prompt, call.parameters)}) == 6


class TestLedger:
    @OURS
    @given(
        st.lists(st.tuples(st.integers(0, 3), st.sampled_from("odfua"), st.none() | st.integers(0, 4096)), max_size=25)
    )
    def test_what_is_spent_is_what_the_calls_say(
        self, archive: Archive, actions: list[tuple[int, str, int | None]]
    ) -> None:
        run = archives.fill(archive)
        closed: dict[int, tuple[float, int]] = {}
        opened: set[int] = set()
        for tries, action, amount in actions:
            call = archives.call(6, 0, tries)
            dollars = None if amount is None else amount / 4096
            opened |= {tries} if action != "a" else set()
            if action == "o":
                archive.opened(run, call)
            elif action == "d":
                archive.replied(run, call, Reply("x", dollars=dollars), 7)
                closed.setdefault(tries, (dollars or 0.0, 7))
            elif action == "f":
                failed(archive, run, call, uncertain=False)
                closed.setdefault(tries, (0.0, 0))
            elif action == "u":
                failed(archive, run, call, uncertain=True)
                closed.setdefault(tries, (0.5, 100))
            else:
                assert archive.abandon(run) == len(opened - set(closed))
                closed |= dict.fromkeys(opened - set(closed), (0.5, 100))
            counts = [closed.get(tries, (0.5, 100)) for tries in opened]
            assert archive.spent(run) == (sum(c[0] for c in counts), sum(c[1] for c in counts))
        assert archive.attempt(run, 6).dollars == archive.spent(run)[0]

    def test_a_replayed_reply_costs_nothing(self, archive: Archive) -> None:
        run = archives.fill(archive)
        archive.replied(run, archives.call(6), Reply("x", input_tokens=9, dollars=0.25), 9, replayed=True)
        (answered,) = archive.conversation(run, 6)
        assert (answered.replayed, answered.dollars, answered.tokens) == (True, 0.0, 0)
        assert answered.reply == Reply("x", input_tokens=9, dollars=0.0)
        assert archive.spent(run) == (0.0, 0)

    def test_attempts_know_what_they_cost(self, archive: Archive) -> None:
        run = archives.fill(archive)
        archives.converse(archive, run, 5)
        archives.converse(archive, run, 6)
        told = {attempt.proposal.number: attempt for attempt in archive.history(run)}
        assert (told[5].dollars, told[5].tokens, told[5].seconds) == (0.875, 198, 4.0)
        assert (told[2].dollars, told[2].tokens, told[2].seconds, len(told[2].points)) == (0.0, 0, 0.0, 1)
        (pending,) = archive.pending(run)
        assert (pending.dollars, pending.tokens, pending.cost.dollars) == (0.875, 198, 0.875)
        assert archive.spent(run) == (1.75, 396)

    def test_the_views(self, archive: Archive) -> None:
        other, run = archives.fill(archive, "other"), archives.fill(archive, "mine")
        archives.converse(archive, other)
        archives.converse(archive, run)
        archives.converse(archive, run, 2, "builtin/tune")
        spent = {item.arm: item for item in archive.spend(run)}
        arm = spent["builtin/tune"]
        assert (arm.attempts, arm.evaluations, arm.counted, arm.seconds, arm.cpu_seconds) == (1, 1, 1, 1.5, 1.25)
        assert (arm.replies, arm.input_tokens, arm.output_tokens, arm.tokens) == (4, 70, 28, 198)
        assert (arm.dollars, arm.uncertain_dollars, arm.reply_seconds) == (0.375, 0.5, 4.0)
        assert (spent["seed"].replies, spent["seed"].dollars) == (0, 0.0)
        parts = {(part.arm, part.purpose): part for part in archive.reply_spend(run)}
        assert len(parts) == 4
        draft, correct = parts["builtin/tune", "draft"], parts["builtin/tune", "correct"]
        assert (draft.calls, draft.done, draft.failed, draft.uncertain) == (2, 1, 1, 0)
        assert (correct.calls, correct.done, correct.failed, correct.uncertain) == (2, 1, 0, 1)
        assert (draft.dollars, draft.uncertain_dollars, draft.tokens) == (0.25, 0.0, 38)
        assert (correct.dollars, correct.uncertain_dollars, correct.tokens) == (0.125, 0.5, 160)
        archive.abandon(run)
        assert {part.arm: part for part in archive.spend(run)} == spent
        dollars, tokens = archive.spent(run)
        assert dollars == sum((item.dollars or 0) + (item.uncertain_dollars or 0) for item in archive.spend(run))
        assert tokens == sum(item.tokens for item in archive.spend(run))

    def test_a_price_that_is_unknown_is_not_0(self, archive: Archive) -> None:
        run = archives.fill(archive)
        archives.converse(archive, run)
        archive.replied(run, replace(archives.call(6), dollars=None), Reply("x"), 9)
        archive.opened(run, replace(archives.call(2, arm="builtin/tune"), dollars=None))
        spent = {item.arm: (item.dollars, item.uncertain_dollars) for item in archive.spend(run)}
        assert spent == {"builtin/mutate": (None, 0.5), "builtin/tune": (0.0, None), "seed": (0.0, 0.0)}
        parts = [(part.arm, part.purpose, part.dollars, part.uncertain_dollars) for part in archive.reply_spend(run)]
        assert parts == [
            ("builtin/mutate", "draft", None, 0.0),
            ("builtin/mutate", "correct", 0.125, 0.5),
            ("builtin/tune", "draft", 0.0, None),
        ]
        assert archive.spent(run)[0] == 0.875

    def test_what_earlier_runs_know_of_arms(self, archive: Archive) -> None:
        for name in ("one", "two"):
            archives.converse(archive, archives.fill(archive, name))
            archives.converse(archive, name, 6)  # never told: it says nothing yet
        mutate, tune = archive.arm_history("t" * 64)
        assert (mutate.arm, mutate.operator, mutate.attempts, mutate.evaluations) == ("builtin/mutate", "mutate", 8, 6)
        assert (mutate.gain, mutate.dollars, mutate.tokens, mutate.seconds) == (2.0, 1.75, 396, 9.0)
        assert (tune.arm, tune.attempts, tune.evaluations, tune.gain, tune.seconds) == ("builtin/tune", 2, 2, 1.0, 3.0)
        assert (mutate.ok, mutate.gained) == (4, 4)
        assert archive.arm_history("other") == []


class TestStates:
    BAD = (
        "state = 'done'",
        "state = 'failed'",
        "state = 'gone'",
        "text = 'x'",
        "finish = 'stop'",
        "closed_at = 1.0",
        "dollars = 0.0",
        "tokens = 0",
        "error = 'x'",
        "replayed = 1",
        "attempt = 99",
        "prompt = 'none'",
        "parameters = '{'",
        "state = 'failed', closed_at = 1.0, dollars = NULL",
    )

    @pytest.mark.parametrize("change", BAD)
    def test_bad_states_are_impossible(self, archive: Archive, change: str) -> None:
        run = archives.fill(archive)
        archive.opened(run, archives.call(6))
        with pytest.raises(sqlite3.IntegrityError):
            archive._run(f"UPDATE replies SET {change}")

    def test_a_call_needs_its_attempt(self, archive: Archive) -> None:
        run = archives.fill(archive)
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            archive.opened(run, archives.call(7))
        assert archive._all("SELECT * FROM prompts") == []

    def test_a_call_ends_once(self, archive: Archive) -> None:
        run = archives.fill(archive)
        archives.converse(archive, run)
        before = archive._all("SELECT * FROM replies")
        archives.converse(archive, run)
        failed(archive, run, archives.call(5, 1), uncertain=True)
        archive.replied(run, archives.call(5, 0, 0), Reply("late"), 1)
        assert archive._all("SELECT * FROM replies") == before
        assert (archive.abandon("other"), archive.abandon(run), archive.abandon(run)) == (0, 1, 0)

    def test_arms_rest_and_end(self, archive: Archive) -> None:
        run = archive.create_run(None, archives.task(), 5, {}, {"gpt": {}, "qwen": {}}).name
        archive.arm_state(run, "gpt", "ended", "401: the key is wrong")
        states = "SELECT name, state, reason FROM arms ORDER BY name"
        assert archive._all(states) == [("gpt", "ended", "401: the key is wrong"), ("qwen", "ready", "")]
        archive.resume_run(run, {}, {"gpt": {}})
        assert archive._all(states) == [("gpt", "ready", ""), ("qwen", "ready", "")]
        with pytest.raises(ValueError, match="no arm 'other'"):
            archive.arm_state(run, "other", "resting", "")

    def test_a_killed_driver_leaves_calls_that_become_uncertain(self, tmp_path: Path) -> None:
        path = tmp_path / "evolve.db"
        code = (
            "import sys; from tests import archives; from evolve.archive import Archive; from evolve.records import Reply\n"
            "archive = Archive(sys.argv[1]); run = archives.fill(archive)\n"
            "for n in range(5000):\n"
            "    for call in (archives.call(6, 0, 2 * n), archives.call(6, 0, 2 * n + 1)):\n"
            "        archive.opened(run, call)\n"
            "    archive.replied(run, archives.call(6, 0, 2 * n), Reply(f'{n}', dollars=0.25), 10)\n"
            "    print(n, flush=True)\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", code, str(path)]
        writer = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        with writer, writer.stdout as lines:
            told = [int(lines.readline()) for _ in range(30)]
            writer.kill()
            told += [int(line) for line in lines.read().split("\n")[:-1]]
        with Archive(path, create=False) as archive:
            calls = archive.conversation("sphere-1", 6)
            done = [call for call in calls if call.reply is not None]
            assert [call.reply and call.reply.text for call in done[: len(told)]] == [str(n) for n in told]
            assert {call.state for call in calls} == {"done", "open"}
            spent = archive.spent("sphere-1")
            assert spent == (
                0.25 * len(done) + 0.5 * (len(calls) - len(done)),
                10 * len(done) + 100 * (len(calls) - len(done)),
            )
            assert archive.abandon("sphere-1") == len(calls) - len(done)
            assert archive.spent("sphere-1") == spent
            assert archive._all("PRAGMA foreign_key_check") == []


class TestBackground:
    def test_of_a_parent_with_a_past(self, archive: Archive) -> None:
        run = archives.fill(archive)
        second = archive.program(run, archives.digest("def leaky_relu(x):\n    return max(x, 0.1 * x)\n"))
        known = archive.background(run, replace(archives.proposal(7, second), told=5))
        assert (known.evaluation.feedback, known.evaluation.seconds) == ("much larger", 1.5)
        assert known.tried == (Tried(5, "builtin/mutate", "mutate", "ok", "tried 5", "", 3.0, -1.0),)
        assert known.line == (
            Tried(2, "builtin/tune", "tune", "ok", "tried 2", "", 4.0, 2.0),
            Tried(1, "builtin/mutate", "mutate", "ok", "tried 1", "", 2.0, 1.0),
        )
        first = archive.program(run, second.parent or "")
        tried = archive.background(run, replace(archives.proposal(7, first), told=5)).tried
        crash = "Traceback (most recent call last):\n  …\nZeroDivisionError: division by zero"
        assert [(t.number, t.how, t.reason, t.gain) for t in tried] == [
            (4, "novelty", "the same program as attempt 1", None),
            (3, "crash", crash, None),
            (2, "ok", "", 2.0),
        ]
        before = archive.background(run, replace(archives.proposal(3, first), told=2)).tried
        assert [t.number for t in before] == [2]

    @pytest.mark.parametrize("direction", ["maximize", "minimize"])
    def test_of_a_seed(self, archive: Archive, direction: Direction) -> None:
        run = archives.fill(archive, direction=direction)
        known = archive.background(run, replace(archives.proposal(7, archives.seed()), told=5))
        assert (known.evaluation.feedback, known.line) == ("the seed", ())
        assert [t.gain for t in known.tried] == [1.0 if direction == "maximize" else -1.0]

    def test_what_was_never_drafted_was_not_tried(self, archive: Archive) -> None:
        run = archives.begin(archive)
        archive.asked(run, archives.proposal(1, archives.seed()))
        stopped = archives.drafted(2, archives.seed(), "x")
        stopped.draft, stopped.digest, stopped.stage, stopped.reason = None, None, "draft", "503 busy"
        archive.told(run, stopped, 1)
        archive.drafted(run, archives.drafted(3, archives.seed(), "y"))
        known = archive.background(run, replace(archives.proposal(4, archives.seed()), told=1))
        assert known.tried == ()

    def test_long_errors_are_cut_where_they_say_least(self, archive: Archive) -> None:
        run = archives.begin(archive)
        trace = "\n".join(f"  File {number}" for number in range(900)) + "\nValueError: shapes"
        for number, seen in enumerate((Evaluation("crash", error=trace), Evaluation("invalid", error=trace)), start=1):
            archives.tell(
                archive, run, archives.judge(archives.drafted(number, archives.seed(), f"x = {number}"), seen)
            )
        known = archive.background(run, replace(archives.proposal(3, archives.seed()), told=2))
        invalid, crash = (tried.reason for tried in known.tried)
        assert invalid == trace.strip()[:LONGEST] + "…"
        assert crash.endswith("File 899\nValueError: shapes")
        assert crash.splitlines()[:1] == ["…"]
        assert all(line.startswith("  File ") for line in crash.splitlines()[1:-1])
        assert max(len(invalid), len(crash)) <= LONGEST + 2

    @OURS
    @given(
        steps=st.lists(
            st.tuples(st.integers(0, 30), st.sampled_from(["ok", "crash", "novelty", "draft"])), max_size=16
        ),
        direction=st.sampled_from(["maximize", "minimize"]),
    )
    def test_what_comes_later_changes_nothing(
        self, archive: Archive, steps: list[tuple[int, str]], direction: Direction
    ) -> None:
        run = archives.begin(archive, direction=direction)
        parents, seen = [archives.seed()], list[tuple[Proposal, Background]]()
        for number, (choice, how) in enumerate(steps, start=1):
            parent = parents[choice % len(parents)]
            seen += [
                (p, archive.background(run, p))
                for p in (replace(archives.proposal(99, q), told=number - 1) for q in parents)
            ]
            attempt = archives.drafted(number, parent, f"x = {number}")
            if how == "draft":
                attempt.draft = attempt.digest = None
            if how in ("draft", "novelty"):
                attempt.stage = "draft" if how == "draft" else "novelty"
            else:
                score = float(choice) if how == "ok" else None
                archives.judge(
                    attempt, Evaluation("ok" if how == "ok" else "crash", score, error="" if score else "boom")
                )
            archives.tell(archive, run, attempt)
            if attempt.program is not None and how == "ok":
                parents.append(attempt.program)
        for proposal, known in seen:
            assert archive.background(run, proposal) == known
            assert len(known.tried) <= LATEST
            assert len(known.line) == min(LATEST, proposal.parent.generation)
            assert [t.number for t in known.tried] == sorted((t.number for t in known.tried), reverse=True)


class TestOldFiles:
    def test_a_file_of_the_first_release_is_taken_over(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Archive(tmp_path / "new.db") as new:
            run = archives.fill(new)
            expected = (list(new.history(run)), new.pending(run), new.best(9), new.spend(run))
        self._old(tmp_path, monkeypatch)
        with Archive(tmp_path / "old.db", create=False) as archive:
            assert (list(archive.history(run)), archive.pending(run), archive.best(9), archive.spend(run)) == expected
            assert [draft[:2] for draft in archive.drafts(run)] == [(1, 0), (2, 1), (3, 2), (5, 4), (6, 5)]
            assert archive._all("SELECT name, state, reason FROM arms") == [("builtin/mutate", "ready", "")]
            assert (archive.spent(run), archive.conversation(run, 1), archive.abandon(run)) == ((0.0, 0), [], 0)
            archives.converse(archive, run)
            archives.tell(archive, run, archives.judge(archive.pending(run)[0], Evaluation("ok", 9.0)))
            assert archive._all("PRAGMA foreign_key_check") == []
            assert [hit.program.number for hit in archive.search("leaky_relu")] == [2]

    def _old(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Write ``old.db`` with the schema of the first release and the rows of ``new.db``."""
        data = tmp_path / "data"
        shutil.copytree(resources.folder("archive"), data)
        for later in sorted((data / "migrations").glob("*.sql"))[1:]:
            later.unlink()
        (data / "views.sql").write_text("CREATE VIEW numbers AS SELECT number FROM attempts;\n")
        with monkeypatch.context() as patch:
            patch.setattr(database, "folder", lambda name: data)
            old = database.Database(tmp_path / "old.db")
        with old:
            tables = {name for (name,) in old._all("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            assert "replies" not in tables
            old._run("ATTACH ? AS new", (str(tmp_path / "new.db"),))
            for table in (name for name in TABLES if name in tables):
                columns = ", ".join(name for (name,) in old._all("SELECT name FROM pragma_table_info(?)", (table,)))
                old._run(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
            old._run("INSERT INTO arms (run, name, settings) SELECT name, 'builtin/mutate', '{}' FROM runs")


class TestSpeed:
    def test_plans_use_indices(self, archive: Archive) -> None:
        run = archives.fill(archive)
        archives.converse(archive, run)
        parent = archive.attempt(run, 5).proposal.parent
        statements: list[str] = []
        archive._connection.set_trace_callback(statements.append)
        failed(archive, run, archives.call(6), uncertain=True)
        archive.replied(run, archives.call(6, 1), Reply("x"), 1)
        archive.abandon(run)
        archive.spent(run)
        archive.conversation(run, 6)
        archive.recorded_reply(run, "0" * 64, 3)
        archive.background(run, replace(archives.proposal(7, parent), told=5))
        archive.spend(run)
        archive.reply_spend(run)
        list(archive.history(run))
        list(archive.drafts(run))
        archive._connection.set_trace_callback(None)
        asked = [
            text for text in map(str.strip, statements) if text.split()[0] in ("SELECT", "UPDATE", "DELETE", "WITH")
        ]
        assert len(asked) > 12
        tables = {name for (name,) in archive._all("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        shorthand = {"a", "c", "e", "p", "r", "s"}
        for statement in asked:
            plan = [row[3] for row in archive._all(f"EXPLAIN QUERY PLAN {statement}")]
            scans = [step for step in plan if step.startswith("SCAN") and step.split()[1] in tables | shorthand]
            assert scans == [], (statement, plan)

    def test_costs_are_summed_without_reading_texts(self, archive: Archive) -> None:
        for query in (
            "SELECT total(dollars), sum(tokens) FROM replies WHERE run = 'r'",
            "SELECT total(dollars), sum(tokens), total(seconds) FROM replies WHERE run = 'r' AND attempt = 1",
            "SELECT * FROM reply_spend WHERE run = 'r'",
        ):
            plan = [row[3] for row in archive._all(f"EXPLAIN QUERY PLAN {query}")]
            assert [step for step in plan if step.startswith("SEARCH replies USING COVERING INDEX")] != [], plan


def test_a_program_without_an_evaluation_has_its_own_figures(archive: Archive) -> None:
    run = archives.begin(archive)
    stranger = Program("f" * 64, {}, "ok", 2.0, {"size": 3.0})
    known = archive.background(run, archives.proposal(1, stranger))
    assert known == Background(Evaluation("ok", 2.0, {"size": 3.0}))
