"""What `kill -9` costs: one run on the staircase, killed at random moments, resumed each time, and looked into each time.

    python bench/kills.py [--kills 50] [--executor local] [--workers 4] [--seed 0]

The run is a process of its own, killed with its whole group; the scripted server lives in this one, so its bill survives.
One reply in five cannot be used and is answered with a correction; one request in eleven fails, charged or not. Every fifth kill
falls between the start of the process and its first call, the others anywhere after it.

Looked at after each kill and at the end: the file and its foreign keys; that every request which the server has seen is a row,
and every one that it charged a row that counts; that no more rows are open than there are workers; that ledger and
uncertain calls together are at least the bill. At the end also: the evaluations are exactly the budget, no program was judged
twice, all attempts are told, each call that was cut off counts at its most, and a replay comes out identical and asks nobody.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO

from evolve.archive import Archive
from evolve.replay import replay
from evolve.task import load
from evolve.testing import Request, ScriptedServer, Staircase
from evolve.testing.faults import Fault, status_of

RUN = "killed"
JITTER = 0.08
"""Seconds after a call was seen in which the kill falls: so it hits any phase of the loop."""
FIRST = 20
"""The first kill comes after so many calls, at most."""
RESERVE = 20
"""Evaluations before the end within which no kill is planned: it would come too late."""
STARTING = 5
"""Every so many kills, one falls before the first call."""
FAULTS: dict[Fault, float] = {"500": 0.03, "429": 0.02, "drop": 0.02, "truncated": 0.01, "close": 0.01}
SETTINGS = """\
arms = {{}}
workers = {workers}
slots = 2
executor = "{executor}"
[llm]
rest = 0.05
[models.scripted]
model = "openai/scripted@{url}"
price_input = 1.0
price_output = 2.0
max_tokens = 600
timeout = 20
"""
TRACE = """\
import os

def evaluate(candidate):
    with open({path!r}, "a") as trace:
        trace.write("x")
    return {{"score": float(candidate.call("level"))}}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A call as the archive has it."""

    attempt: int
    turn: int
    tries: int
    state: str
    dollars: float
    reserved: float
    asked: str

    @property
    def name(self) -> tuple[int, int, int]:
        """What tells it from all others."""
        return self.attempt, self.turn, self.tries


@dataclass(slots=True)
class Seen:
    """What the server has seen: each request by its conversation, and of these the ones that it charged."""

    asked: Counter[str] = field(default_factory=Counter)
    charged: Counter[str] = field(default_factory=Counter)
    rng: Random = field(default_factory=Random)

    def fault(self, number: int, request: Request) -> Fault | None:
        """Decide what goes wrong with a request, and count it."""
        drawn = self.rng.random()
        chosen: Fault | None = None
        for fault, share in FAULTS.items():
            drawn -= share
            if chosen is None and drawn < 0:
                chosen = fault
        said = conversation(request.messages)
        self.asked[said] += 1
        if chosen is None or status_of(chosen) is None:
            self.charged[said] += 1
        return chosen


@dataclass(slots=True)
class Found:
    """The figures of the whole, and what was found wrong."""

    kills: int = 0
    starting: int = 0
    idle: int = 0
    judging: int = 0
    most_missing: int = 0
    missing: int = 0
    evaluations: int = 0
    judged: int = 0
    attempts: int = 0
    calls: int = 0
    corrections: int = 0
    uncertain: float = 0.0
    ledger: float = 0.0
    bill: float = 0.0
    replayed: str = ""
    reason: str = ""
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:
        """Take note of what does not hold."""
        if not holds:
            self.wrong.append(f"after kill {self.kills}: {what}")


def conversation(messages: Iterable[tuple[str, str]]) -> str:
    """Return a conversation as one text."""
    return json.dumps([list(turn) for turn in messages])


class Killed:
    """A run that is killed again and again.

    Args:
        folder: where task, archive and settings are put.
        kills: how often.
        evaluations: the run's budget.
        usd: its cap of dollars, which may end it before its evaluations do.
        workers: calls at the same time.
        executor: ``inline`` or ``local``.
        seed: of moments, faults and search.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kills: int,
        evaluations: int,
        usd: float = 1000.0,
        workers: int = 4,
        executor: str = "inline",
        seed: int = 0,
    ) -> None:
        self.folder, self.kills, self.evaluations, self.usd = folder, kills, evaluations, usd
        self.workers, self.executor, self.seed = workers, executor, seed
        self.db = folder / "evolve.db"
        self.found = Found()
        self.seen = Seen(rng=Random(f"faults/{seed}"))
        self._rng = Random(f"moments/{seed}")
        self._cut: set[tuple[int, int, int]] = set()
        self._starts = [1.0]
        self.task = Staircase.write(folder / "stairs")
        (self.task / "evaluate.py").write_text(TRACE.format(path=str(folder / "trace")))

    def __call__(self) -> Found:
        """Run it, killed as often as was asked for, to its end."""
        began = time.monotonic()
        model = Staircase.model(0.5, error_rate=0.2, latency=(0.0, 0.05), seed=self.seed)
        with ScriptedServer(model, price=(1.0, 2.0), faults=self.seen.fault, prefill=True, keep=0) as server:
            settings = SETTINGS.format(workers=self.workers, executor=self.executor, url=server.url)
            (self.folder / "evolve.toml").write_text(settings)
            for number in range(self.kills):
                if not self._sitting(number):
                    said = (self.folder / "said").read_text()[-400:]
                    self.found.wrong.append(f"the run had ended before kill {number + 1}: {said}")
                    break
                self.found.kills += 1
                self._examine(server, self._rows())
            self._finish(server)
        self.found.seconds = time.monotonic() - began
        return self.found

    # ------------------------------------------------------------------ killing

    def _sitting(self, number: int) -> bool:
        """Start the run or resume it, and kill it; False if it has ended by itself."""
        before = self.seen.asked.total()
        with (self.folder / "said").open("w") as said:
            child, began = self._spawn(number > 0, said), time.monotonic()
            starting = number > 0 and number % STARTING == 0
            if starting:
                time.sleep(self._rng.uniform(0.0, 1.1 * max(self._starts)))
            else:
                self._await(child, before + 1)
                self._starts = [*self._starts[-4:], time.monotonic() - began]
                self._await(child, before + self._calls(number))
                time.sleep(self._rng.uniform(0.0, JITTER))
            if child.poll() is not None:
                return False
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self.found.starting += starting and self.seen.asked.total() == before
        return True

    def _calls(self, number: int) -> int:
        """Return after how many calls of a sitting the next kill comes, so that kills are spread over the whole run, however
        fast this machine is.
        """
        if number == 0:
            return self._rng.randint(1, FIRST)
        made = self._one("SELECT count(*) FROM evaluations WHERE purpose <> 'seed'")
        paid = self.seen.asked.total() * (self.usd / self.found.ledger - 1.0)
        left = max(0.0, min(self.evaluations - RESERVE - made, paid))  # an evaluation takes at least a call
        return self._rng.randint(1, max(1, round(1.8 * left / (self.kills - number + 1))))

    def _await(self, child: subprocess.Popen[bytes], calls: int) -> None:
        """Wait until the server has seen so many calls, or the run has ended."""
        deadline = time.monotonic() + 120
        while self.seen.asked.total() < calls and child.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"call {calls} did not come: {(self.folder / 'said').read_text()[-400:]}")
            time.sleep(0.001)

    def _spawn(self, resuming: bool, said: IO[str]) -> subprocess.Popen[bytes]:
        budget = ["--evaluations", str(self.evaluations), "--usd", str(self.usd)]
        start = ["run", str(self.task), "--name", RUN, "--seed", str(self.seed), "--model", "scripted", *budget]
        return subprocess.Popen(
            [sys.executable, "-m", "evolve", *(["resume", RUN] if resuming else start), "--json"],
            cwd=self.folder,
            env={**os.environ, "EVOLVE_DB": str(self.db)},
            start_new_session=True,
            stdout=said,
            stderr=said,
        )

    # ------------------------------------------------------------------ looking

    def _rows(self) -> list[Row]:
        sql = (
            "SELECT r.attempt, r.turn, r.tries, r.state, r.dollars, r.reserved_dollars, p.messages, p.begin, r.parameters "
            "FROM replies AS r JOIN prompts AS p ON p.hash = r.prompt"
        )
        rows = []
        for attempt, turn, tries, state, dollars, reserved, messages, begin, parameters in self._all(sql):
            turns = [(said["role"], said["text"]) for said in json.loads(messages)]
            if "begin" in json.loads(parameters):
                turns.append(("assistant", begin))
            rows.append(Row(attempt, turn, tries, state, dollars, reserved, conversation(turns)))
        return rows

    def _examine(self, server: ScriptedServer, rows: list[Row]) -> None:
        """Look into the archive of a run that does not run."""
        found, seen = self.found, self.seen
        found.expect(self._all("PRAGMA integrity_check") == [("ok",)], "the file is damaged")
        found.expect(self._all("PRAGMA foreign_key_check") == [], "a foreign key leads nowhere")
        state = Counter(row.state for row in rows)
        found.expect(state["open"] <= self.workers, f"{state['open']} calls are open, of {self.workers} workers")
        found.expect(not seen.asked - Counter(row.asked for row in rows), "the server saw a request that is no row")
        counted = Counter(row.asked for row in rows if row.state != "failed")
        found.expect(not seen.charged - counted, "the server charged a request whose row does not count")
        done = Counter(row.asked for row in rows if row.state == "done")
        found.expect(not done - seen.charged, "a reply is stored that the server did not give")
        paid = Counter(row.name[:2] for row in rows if row.state == "done")
        found.expect(max(paid.values(), default=0) <= 1, "the same prompt of an attempt was paid for twice")
        found.most_missing = max(found.most_missing, state["open"])
        self._cut |= {row.name for row in rows if row.state == "open"}
        found.idle += not state["open"]
        found.judging += bool(self._one("SELECT count(*) FROM attempts WHERE state = 'drafted'"))
        found.bill, found.ledger = server.bill, sum(row.dollars for row in rows)
        found.expect(found.ledger >= found.bill - 1e-9, f"the ledger says {found.ledger}, the server {found.bill}")
        found.expect(found.ledger <= self.usd + 1e-9, f"the ledger says {found.ledger}, above the cap")
        twice = "SELECT digest FROM evaluations WHERE purpose = 'child' GROUP BY digest HAVING count(*) > 1"
        found.expect(self._all(twice) == [], "a program was judged twice")
        numbers = [number for (number,) in self._all("SELECT number FROM attempts ORDER BY number")]
        found.expect(numbers == list(range(1, len(numbers) + 1)), "the numbers of the attempts have gaps")

    def _finish(self, server: ScriptedServer) -> None:
        """Let the run come to its end, and look at the whole."""
        found = self.found
        with (self.folder / "said").open("w") as said:
            code = self._spawn(self.kills > 0, said).wait(timeout=300)
        text = (self.folder / "said").read_text()
        found.expect(code in (0, 3), f"it ended with exit code {code}: {text[-400:]}")
        rows = self._rows()
        before = found.idle, found.judging
        self._examine(server, rows)
        found.idle, found.judging = before
        cut = [row for row in rows if row.name in self._cut]
        found.missing = len(cut)
        found.expect(all(row.state == "uncertain" for row in cut), "a call that was cut off is not uncertain")
        found.expect(all(row.dollars == row.reserved for row in cut), "a call that was cut off counts too little")
        found.uncertain = sum(row.dollars for row in rows if row.state == "uncertain")
        found.calls, found.corrections = len(rows), sum(row.turn > 0 for row in rows)
        found.evaluations = self._one(
            "SELECT count(*) FROM evaluations WHERE purpose IN ('child', 'tune') AND cached = 0"
        )
        found.judged = len((self.folder / "trace").read_text())
        found.attempts = self._one("SELECT count(*) FROM attempts")
        pending = self._one("SELECT count(*) FROM attempts WHERE state <> 'told'")
        ((found.reason, state),) = self._all("SELECT reason, state FROM runs")
        found.expect(state == "done", f"the run is {state}")
        capped = found.reason.startswith(f"{self.usd:g} dollars")
        found.expect(capped or found.evaluations == self.evaluations, f"{found.evaluations} evaluations were made")
        found.expect(capped or pending == 0, f"{pending} attempts are not told")
        reviews = self._one("SELECT count(*) FROM reviews")
        repeated = found.judged - found.evaluations - reviews - 1
        found.expect(repeated <= found.kills * 4, f"{repeated} evaluations were made again")
        told = json.loads(text.splitlines()[-1]) if code in (0, 3) else {}
        found.expect(
            abs(told.get("dollars", -1.0) - found.ledger) < 1e-9, f"the run said {told.get('dollars')} dollars"
        )
        asked = self.seen.asked.total()
        with Archive(self.db, create=False) as archive:
            differences = replay(archive, RUN, load(self.task)).differences
        found.replayed = "identical" if not differences else f"{len(differences)} differences"
        found.expect(not differences, f"the replay differs: {differences[:3]}")
        found.expect(self.seen.asked.total() == asked, "the replay asked the server")

    def _all(self, sql: str) -> list[tuple]:  # type: ignore[type-arg]
        with closing(sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def _one(self, sql: str) -> int:
        return int(self._all(sql)[0][0])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--evaluations", type=int, help="the run's budget (30 for each kill)")
    parser.add_argument("--usd", type=float, default=1000.0, help="the run's cap of dollars")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--executor", choices=("local", "inline"), default="local")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = Killed(
            Path(folder),
            kills=given.kills,
            evaluations=given.evaluations or 30 * given.kills,
            usd=given.usd,
            workers=given.workers,
            executor=given.executor,
            seed=given.seed,
        )()
    rows = {
        "kills": found.kills,
        "of these before the first call of a sitting": found.starting,
        "with no call under way": found.idle,
        "with a draft at the judge": found.judging,
        "replies missing per kill, at most": found.most_missing,
        "replies missing in all": found.missing,
        "calls, of these corrections": f"{found.calls}, {found.corrections}",
        "attempts": found.attempts,
        "evaluations": found.evaluations,
        "evaluate.py called for children": found.judged - 1,
        "the server's bill": f"${found.bill:.6f}",
        "ledger": f"${found.ledger:.6f}",
        "of which uncertain": f"${found.uncertain:.6f}",
        "replay": found.replayed,
        "ended by": found.reason,
        "seconds": f"{found.seconds:.0f}",
    }
    print(f"| {given.executor}, {given.workers} workers, seed {given.seed} | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    for problem in found.wrong:
        print(f"WRONG: {problem}")
    sys.exit(1 if found.wrong else 0)


if __name__ == "__main__":
    main()
