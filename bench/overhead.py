"""What the framework itself costs per attempt, as the archive grows: milliseconds from one committed attempt to the next.

    python bench/overhead.py [--sizes 100,1000,10000,100000] [--attempts 400] [--rivals 100,1000]

One archive per size and arm is filled with that many programs, each with its attempt, evaluation, metrics and full text.
Then each of them is searched with the inline executor and one worker, on a task whose evaluation takes microseconds. The
arm is ``builtin/mutate`` without its inner search, so that an attempt is one evaluation; or a model behind the scripted server,
a process of its own that answers each prompt with a small edit in a fraction of a millisecond. The archives take turns in blocks,
so that a noisy moment of the machine hits all of them alike.

Printed: median and 95th percentile over the last 200 attempts of each; what a bare commit of 4 KB to a file in the same
folder cost in the same blocks, which on a slow disk is most of what an attempt costs; and in the same run OpenEvolve and
ShinkaEvolve with as many programs (``rivals.py``), which takes minutes; ``--rivals ''`` leaves them out.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import rivals

from evolve.archive import Archive
from evolve.arms import Arm, build, without_models
from evolve.config import BudgetConfig, Config
from evolve.executor import InlineExecutor
from evolve.loop import Loop
from evolve.operators import BUILTIN
from evolve.rebuild import rebuild
from evolve.records import Attempt, Draft, Evaluation, Point, Program, Proposal, Task
from evolve.task import load

EVALUATE = """\
def evaluate(candidate):
    return -abs(float(len(repr(candidate.call("pack", 26))) - 1500))
"""
ARM = "builtin/mutate"
BLOCK = 25
LAST = 200


class Once:
    """The edits of `builtin/mutate`, without the inner search that follows them."""

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        """Return the parent with an edit or two."""
        return BUILTIN[ARM].draft(proposal, task)


@contextmanager
def server() -> Iterator[str]:
    """Start the scripted server in a process of its own and return its URL."""
    command = [sys.executable, "-m", "evolve.testing.server", "--answers", "simulated"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().split()[1]
        process.stdin.close()


def fill(archive: Archive, task: Task, config: Config, programs: int) -> str:
    """Store a run of ``programs`` told attempts, in a few large transactions, and return its name."""
    run = archive.create_run(None, task, 0, config.model_dump(mode="json")).name
    seed = Program("seed", task.initial, "ok", -5.0)
    archive.seeded(run, seed, Evaluation("ok", -5.0), 0)
    parent = seed
    for first in range(1, programs + 1, 2000):
        with archive.transaction():
            for number in range(first, min(first + 2000, programs + 1)):
                parent = _store(archive, run, task, parent, number)
    return run


def _store(archive: Archive, run: str, task: Task, parent: Program, number: int) -> Program:
    """Store one told attempt and return its program; every tenth is the parent of the next ten."""
    score = -1.0 - int(hashlib.sha256(str(number).encode()).hexdigest()[:8], 16) / 2**32
    digest = hashlib.sha256(f"program {number}".encode()).hexdigest()
    sources = {path: text.replace("0.3 *", f"0.3{number} *") for path, text in task.initial.items()}
    proposal = Proposal(number, parent, (), 0, ARM, "mutate", number, number - 1)
    draft = Draft(sources, "a constant")
    evaluation = Evaluation("ok", score, {"worst": score}, "the largest error is at x = 0", seconds=0.001)
    program = Program(digest, sources, "ok", score, {"worst": score}, number, parent.digest, ARM, "mutate")
    attempt = Attempt(proposal, draft, digest, [Point(draft, digest, evaluation)], gain=0.0)
    archive.drafted(run, attempt)
    attempt.program = program
    archive.judged(run, attempt, 0, "child", 0)
    archive.told(run, attempt, number)
    return program if number % 10 == 0 else parent


def measure(loop: Loop, evaluations: int) -> list[float]:
    """Search for some more evaluations and return the milliseconds from one attempt's end to the next's."""
    ends = [time.perf_counter()]
    loop.observers = (lambda attempt: ends.append(time.perf_counter()),)
    loop.budget.limits = BudgetConfig(evaluations=loop.budget.evaluations + evaluations)
    loop.evolve()
    return [(end - start) * 1e3 for start, end in pairwise(ends)]


def bare_commits(path: Path, count: int) -> list[float]:
    """Return the milliseconds of commits that write 4 KB each, in the archive's own mode."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE IF NOT EXISTS t (x)"):
            connection.execute(statement)
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            connection.execute("INSERT INTO t VALUES (zeroblob(4096))")
            taken.append((time.perf_counter() - start) * 1e3)
    return taken


def searched(kind: str, url: str, task: Task, path: Path, size: int) -> Loop:
    """Fill an archive with ``size`` programs and return its search, with the built-in arm or the model at ``url``."""
    budget = BudgetConfig(evaluations=1 << 40)
    arms: dict[str, Arm]
    if kind == "model":
        models = {"model": {"model": f"openai/scripted@{url}", "prefill": False}}
        config = Config.model_validate(
            {"arms": {}, "models": models, "executor": "inline", "budget": budget, "workers": 1}
        )
        arms = build(config, task)
    else:
        config = Config(arms={ARM: 1.0}, executor="inline", budget=budget)
        arms = without_models({ARM: Once()}, config.arms)
    archive = Archive(path)
    run = fill(archive, task, config, size)
    loop = Loop(task, archive, run, config, InlineExecutor(task), seed=0, arms=arms)
    rebuild(loop)
    return loop


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100,1000,10000,100000", help="programs in the archive")
    parser.add_argument("--attempts", type=int, default=400, help="attempts measured at each size")
    parser.add_argument("--rivals", default="100,1000", help="programs in the databases of the peers")
    parser.add_argument("--environments", type=Path, help="a folder to keep the peers' environments in")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder, server() as url:
        (root := Path(folder) / "task").mkdir()
        (root / "task.toml").write_text('brief = "Pack circles; nothing is verified."\n')
        (root / "initial.py").write_text(load("math/circle_packing").initial["initial.py"])
        (root / "evaluate.py").write_text(EVALUATE)
        task = load(root)
        rows = [(kind, size) for kind in (ARM, "model") for size in sizes]
        loops = {
            (kind, size): searched(kind, url, task, Path(folder) / f"{kind.replace('/', '-')}-{size}.db", size)
            for kind, size in rows
        }
        taken: dict[tuple[str, int], list[float]] = {row: [] for row in rows}
        commits: list[float] = []
        for _ in range(0, arguments.attempts, BLOCK):
            commits += bare_commits(Path(folder) / "bare.db", BLOCK)
            for row in rows:
                taken[row] += measure(loops[row], BLOCK)
        print("| arm | programs | median ms | 95th percentile | over the first |\n|---|---|---|---|---|")
        for kind, size in rows:
            base = statistics.median(taken[kind, sizes[0]][-LAST:])
            last = sorted(taken[kind, size][-LAST:])
            median = statistics.median(last)
            print(f"| {kind} | {size:,} | {median:.2f} | {last[int(0.95 * len(last))]:.2f} | {median / base:.2f}× |")
            loops[kind, size].archive.close()
        print(f"\na bare commit: median {statistics.median(commits):.2f} ms\n", flush=True)
    if arguments.rivals:
        peers = [int(size) for size in arguments.rivals.split(",")]
        print("| system | version | programs | median ms | 95th percentile | notes |\n|---|---|---|---|---|---|")
        with tempfile.TemporaryDirectory() as folder:
            home = (arguments.environments or Path(folder)).absolute()
            for line in rivals.rows(list(rivals.PEERS), peers, 120, 180.0, home):
                print(f"| {' | '.join(line)} |", flush=True)


if __name__ == "__main__":
    main()
