"""What OpenEvolve and ShinkaEvolve cost per iteration beside ours: milliseconds from one request for a reply to the next.

    python bench/rivals.py [--sizes 100,1000,10000] [--iterations 120] [--seconds 180] [--environments FOLDER]

Each peer is installed from the package registry into an environment of its own and searches from circle packing's seed
with replies from the scripted server (each a small valid edit, a fraction of a millisecond), an evaluator that only hashes
the text of the program, and one evaluation at a time. Its database is first filled through its own methods with as many
programs as the row says. What needs other models (embeddings, the novelty judge, recommendations) is off.

The moments are those at which the server has received the requests: the same clock for all, and nothing inside a peer
is touched. `bench/peers/` holds what runs in the peers' environments.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from evolve.task import load
from evolve.testing import ScriptedServer, SimulatedLLM

SCRIPTS = Path(__file__).parent / "peers"
INSTALL_SECONDS = 600
WARM_UP = 20


class NotToBeHad(Exception):  # noqa: N818 - the table says it; it is no error of ours
    """The registry has no such release, or it cannot be installed here."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A framework to measure: its release in the registry, and how to count the programs in what a run of it left."""

    distribution: str
    version: str
    stored: Callable[[Path], int]


def _openevolve_stored(folder: Path) -> int:
    """Count the children that OpenEvolve's own log says were stored."""
    logs = (folder / "out" / "logs").glob("*.log")
    return sum(" completed in " in line for log in logs for line in log.read_text(errors="replace").splitlines())


def _shinka_stored(folder: Path) -> int:
    """Count the children in ShinkaEvolve's own database; those it was filled with have moments near zero."""
    with closing(sqlite3.connect(f"file:{folder / 'out' / 'programs.sqlite'}?mode=ro", uri=True)) as connection:
        statement = "SELECT COUNT(*) FROM programs WHERE timestamp > 1e9 AND generation > 0"
        return int(connection.execute(statement).fetchone()[0])


PEERS = {
    "openevolve": Peer("openevolve", "0.4.0", _openevolve_stored),
    "shinka": Peer("shinka-evolve", "0.0.7", _shinka_stored),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a peer: the milliseconds between its requests, and how many programs it had stored at the end."""

    milliseconds: list[float]
    programs: int
    notes: tuple[str, ...] = ()


def environment(name: str, folder: Path) -> Path:
    """Return the interpreter of an environment in ``folder`` that has the peer, made where it is missing.

    Raises:
        NotToBeHad: with the installer's last words.
    """
    peer, python = PEERS[name], folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    release = f"{peer.distribution}=={peer.version}"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", release]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise NotToBeHad(f"{release} was not installed within {INSTALL_SECONDS} s") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotToBeHad(f"not to be had from the registry: {release}: {said[-1] if said else done.returncode}")
    return python


def measure(
    name: str, python: Path, server: ScriptedServer, iterations: int, programs: int = 0, seconds: float = 180
) -> Measured:
    """Let the peer search for ``iterations`` iterations, or ``seconds`` seconds, from ``programs`` programs on.

    Args:
        name: of the peer.
        python: the interpreter of its environment.
        server: what it asks; it must remember its requests, and nobody else may ask it meanwhile.
        iterations: how many replies the peer asks for.
        programs: how many programs it is given first.
        seconds: after which it is stopped.
    """
    already = len(server.requests)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        folder = Path(made)
        (folder / "initial.py").write_text(load("math/circle_packing").initial["initial.py"])
        shutil.copy(SCRIPTS / f"{name}_evaluate.py", folder / "evaluate.py")
        command = [python, SCRIPTS / f"{name}_run.py", folder, server.url, str(iterations), str(programs)]
        code, said = _run([str(part) for part in command], folder, seconds)
        moments = [request.at for request in server.requests[already:] if request.path == "/v1/chat/completions"]
        if len(moments) < 2:
            raise RuntimeError(f"{name} asked {len(moments)} times only; its last words: {said}")
        stored = PEERS[name].stored(folder)
    notes = [f"stopped after {seconds:g} s"] if code is None else [f"exit code {code}"] if code else []
    if stored < 0.9 * (len(moments) - 1):
        notes.append(f"{stored} of {len(moments)} replies became programs")
    taken = [(after - before) * 1e3 for before, after in pairwise(moments)]
    return Measured(taken, programs + stored, tuple(notes))


def _run(command: list[str], folder: Path, seconds: float) -> tuple[int | None, str]:
    """Run ``command`` in a session of its own that does not outlive this; return how it ended, if it did, and its last words."""
    clean = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "120"}
    with (folder / "said").open("w+", encoding="utf-8", errors="replace") as said:
        with subprocess.Popen(
            command, cwd=folder, env=clean, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        ) as process:
            code: int | None = None
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        said.seek(0)
        return code, said.read()[-1000:]


def rows(
    names: list[str], sizes: list[int], iterations: int, seconds: float, environments: Path
) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield the rows of the table as they are measured: system, version, programs, median, 95th percentile, notes."""
    for name in names:
        peer = PEERS[name]
        try:
            python = environment(name, environments / name)
        except NotToBeHad as reason:
            yield name, peer.version, "-", "-", "-", str(reason)
            continue
        for size in sizes:
            with ScriptedServer(SimulatedLLM()) as server:
                found = measure(name, python, server, iterations, size, seconds)
            last = sorted(found.milliseconds[WARM_UP:] or found.milliseconds)
            median, high = statistics.median(last), last[int(0.95 * len(last))]
            yield name, peer.version, f"{found.programs:,}", f"{median:.1f}", f"{high:.1f}", "; ".join(found.notes)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS), help="which to measure")
    parser.add_argument("--sizes", default="100,1000,10000", help="programs to begin with")
    parser.add_argument("--iterations", type=int, default=120, help=f"of which the first {WARM_UP} are left out")
    parser.add_argument("--seconds", type=float, default=180, help="the most for one row")
    parser.add_argument("--environments", type=Path, help="a folder to keep the peers' environments in")
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        home = (given.environments or Path(folder)).absolute()
        form = "{:<12} {:>8} {:>9} {:>10} {:>8}  {}"
        print(form.format("system", "version", "programs", "median ms", "p95 ms", "notes"))
        for row in rows(given.peers.split(","), sizes, given.iterations, given.seconds, home):
            print(form.format(*row).rstrip())
            sys.stdout.flush()


if __name__ == "__main__":
    main()
