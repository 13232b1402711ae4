"""What it costs to judge a trivial candidate in a jail that imports NumPy or PyTorch: evaluations per second, warm and cold.

    python bench/evaluation.py [--packages numpy,torch] [--rounds 10] [--seconds 2] [--rivals] [--environments FOLDER]

The candidate imports the package and doubles a number. It is judged on one slot, one evaluation after the other, through the
executor that runs use: warm (`fork`: a process forked from a jail that has imported the package) and cold (`process`). Beside
them a bare cold jail at the same level: a new one for each, whose process imports the package, answers one frame and is ended;
no judge, no candidate. With ``--rivals`` OpenEvolve and ShinkaEvolve judge the same candidate through their own evaluators, in
environments of their own (``rivals.py``), which have no jail.

The ways take turns, a block of each per round, so that a noisy moment of the machine hits all alike. Printed are the medians
over the rounds with the interval of `evolve.judge.timing.interval` (95 % from six rounds on); the ratio is the median of each
round's. The exit code is 1 where a warm evaluation is not as many times as fast as the bare cold jail as it ought to be.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import rivals

from evolve.executor import LocalExecutor
from evolve.jail import Confinement, choose, cold
from evolve.jail.levels import layers
from evolve.judge.timing import interval
from evolve.records import Fresh, Job, Task
from evolve.task import load

TARGETS = {"numpy": 12.0, "torch": 50.0}
"""By package, how many times as fast as a bare cold jail a warm evaluation ought to be."""
RIVALS = (("openevolve", ""), ("shinka", "documented"), ("shinka", "bare"))
"""Peers and the kinds of their evaluation scripts, see `bench/peers/`."""
PROGRAM = "import {package}\n\n\ndef answer(x):\n    return 2.0 * x\n"
EVALUATE = 'def evaluate(candidate):\n    return candidate.call("answer", 1.0)\n'
TOML = 'brief = "Double a number."\npackages = ["{package}"]\npreload = ["{package}"]\n[limits]\nmemory = "2 GiB"\n'
RUNNER = """\
import os, sys


def main(argv):
    source, sink = int(argv[1]), int(argv[2])
    sys.path += argv[5:]
    import {package}
    os.read(source, 64)
    os.write(sink, (4).to_bytes(8, "little") + b"done")
    os.read(source, 1)
"""
"""The least that can run in a jail: answers one frame, then waits for the end."""

Way = Callable[[int], float]
"""Makes so many evaluations and returns the seconds that they took."""


def judged(stack: ExitStack, task: Task, confinement: Confinement, fresh: Fresh) -> Way:
    """Return the way through the executor."""
    executor = LocalExecutor(task, confinement, 1, fresh=fresh)
    stack.callback(executor.close)

    def way(count: int) -> float:
        begin = time.perf_counter()
        for number in range(count):
            future = executor.submit(Job(str(number), task.initial, 0))
            while not future.done():
                executor.pump(None)
            seen = future.result()
            assert (seen.status, seen.score, seen.fresh) == ("ok", 2.0, fresh), seen
        return time.perf_counter() - begin

    return way


def bare(task: Task, confinement: Confinement, runner: Path) -> Way:
    """Return the way without a judge: a jail that imports the package and answers once."""

    def way(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            jail = cold(confinement, task.limits, files={}, packages=task.packages, runner=(runner,))
            try:
                jail.start()
                assert jail.exchange(b"ask", time.monotonic() + 60) == b"done"
            finally:
                jail.close()
        return time.perf_counter() - begin

    return way


def peer(stack: ExitStack, name: str, script: str, package: str, environments: Path, folder: Path) -> Way:
    """Return the way through a peer's own evaluator; ``script`` says which of its own evaluation scripts that runs, if any.

    Raises:
        NotToBeHad: if the peer, or the package beside it, cannot be installed.
    """
    python = rivals.environment(name, environments / name)
    release = f"{package}=={importlib.metadata.version(package)}"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", release]
    if subprocess.run(install, capture_output=True, timeout=rivals.INSTALL_SECONDS, check=False).returncode:
        raise rivals.NotToBeHad(f"{release} cannot be installed beside it")
    home = folder / f"{name}-{script}-{package}"
    home.mkdir()
    (home / "initial.py").write_text(PROGRAM.format(package=package))
    process = stack.enter_context(
        subprocess.Popen(
            [str(python), str(rivals.SCRIPTS / f"{name}_judge.py"), str(home), script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=home,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8"},
        )
    )
    stack.callback(process.kill)

    def way(count: int) -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{count}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} ended with exit code {process.wait()}")
        return float(line)

    return way


def measure(ways: dict[str, Way], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the milliseconds per evaluation of each way in each round; a block takes about ``seconds``, or one evaluation."""
    counts = {}
    for name, way in ways.items():
        way(1)  # starts what lives on, and fills the disk's cache
        counts[name] = max(1, min(500, int(seconds / way(1))))
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(way(counts[name]) / counts[name] * 1e3)
    return taken


def spread(values: list[float], digits: int) -> str:
    """Return a median with its interval."""
    low, high = interval(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def compare(package: str, given: argparse.Namespace, folder: Path) -> bool:
    """Print the rows of one package; return whether the target is met."""
    confinement = Confinement(given.level, "asked for", layers(given.level)) if given.level else choose()
    (root := folder / package).mkdir()
    (root / "task.toml").write_text(TOML.format(package=package))
    (root / "initial.py").write_text(PROGRAM.format(package=package))
    (root / "evaluate.py").write_text(EVALUATE)
    (runner := folder / f"{package}_runner.py").write_text(RUNNER.format(package=package))
    task = load(root)
    bare_name = f"bare cold jail, {confinement.level}"
    notes: dict[str, str] = {}
    with ExitStack() as stack:
        ways = {
            "ours, warm": judged(stack, task, confinement, "fork"),
            "ours, cold": judged(stack, task, confinement, "process"),
            bare_name: bare(task, confinement, runner),
        }
        for name, script in RIVALS if given.rivals else ():
            label = f"{name} {rivals.PEERS[name].version} {script}".strip()
            try:
                ways[label] = peer(stack, name, script, package, given.environments or folder, folder)
            except rivals.NotToBeHad as reason:
                notes[label] = str(reason)
        taken = measure(ways, given.rounds, given.seconds)
    version = f"{package} {importlib.metadata.version(package)}"
    for name, milliseconds in taken.items():
        ratios = [base / own for base, own in zip(taken[bare_name], milliseconds, strict=True)]
        rate = 1e3 / statistics.median(milliseconds)
        print(f"| {version} | {name} | {rate:.3g} | {spread(milliseconds, 1)} | {spread(ratios, 2)} |", flush=True)
    for name, note in notes.items():
        print(f"| {version} | {name} | - | {note} | - |", flush=True)
    reached = statistics.median(base / own for base, own in zip(taken[bare_name], taken["ours, warm"], strict=True))
    return package not in TARGETS or reached >= TARGETS[package]


def main() -> int:
    """Print the table; return 0 if every target is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", default="numpy,torch", help="what the candidate imports, a table row each")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long one block takes")
    parser.add_argument(
        "--level", choices=("namespaces", "landlock"), help="of the jails; the strongest that passes here if none"
    )
    parser.add_argument("--rivals", action="store_true", help="measure OpenEvolve and ShinkaEvolve too")
    parser.add_argument("--environments", type=Path, help="a folder to keep the peers' environments in")
    given = parser.parse_args()
    print("| package | judged by | evaluations/s | ms each | times as fast as the bare jail |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        met = [compare(package, given, Path(folder)) for package in given.packages.split(",")]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
