"""How long `evolve view` takes to the first byte of each page, as the archive grows.

    python bench/view.py [--sizes 10000,100000] [--times 5] [--keep FOLDER]

An archive per size is made up by `evolve.testing.archive_of`: four islands, five arms, failures, replies, artifacts, champions.
Each page is asked for over and over in this process, without a network between: a page is made whole before its first byte is
sent, so that is all but what a loopback takes. Printed per page: the median in milliseconds, the processor's part of it, which
other work on the machine changes less, and the size in KiB. The pages take turns, after one round that is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from starlette.testclient import TestClient

from evolve.archive import Archive
from evolve.testing import archive_of
from evolve.view.app import Door, build

RUN, OTHER = "made", "other"


@dataclass(slots=True)
class Taken:
    """Milliseconds of one page, on the wall and of the processor, and its bytes."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    size: int = 0


def addresses(db: Path) -> dict[str, str]:
    """Return an address of each kind of page."""
    with Archive(db, create=False) as archive:
        best = archive.best(1, RUN)[0]
        parent = best.parent or best.digest
    run, program = f"/runs/{RUN}", f"/runs/{RUN}/programs/{best.id}"
    return {
        "runs": "/",
        "run": run,
        "programs": f"{run}/programs",
        "programs, the last page by generation": f"{run}/programs?sort=generation&order=up&page=100000",
        "programs with a word": f"{run}/programs?q=steeper",
        "program": program,
        "difference": f"{program}/diff/{parent[:10]}",
        "lineage": f"{run}/lineage",
        "islands": f"{run}/islands",
        "front": f"{run}/front",
        "failures": f"{run}/failures",
        "hints": f"{run}/hints",
        "comparison": f"/compare?run={RUN}&run={OTHER}",
    }


def measure(db: Path, times: int) -> dict[str, Taken]:
    """Return what each page took, so many times."""
    pages = addresses(db)
    taken = {name: Taken() for name in pages}
    app = build(db, ("127.0.0.1",), Door("unused", closed=False))
    with TestClient(app, base_url="http://127.0.0.1:8137") as client:
        for turn in range(times + 1):
            for name, address in pages.items():
                wall, processor = time.perf_counter(), time.process_time()
                answer = client.get(address)
                if answer.status_code != 200:
                    raise SystemExit(f"{address} answered {answer.status_code}")
                if turn:
                    taken[name].wall.append((time.perf_counter() - wall) * 1e3)
                    taken[name].processor.append((time.process_time() - processor) * 1e3)
                taken[name].size = len(answer.content)
    return taken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000", help="programs in the archive")
    parser.add_argument("--times", type=int, default=5, help="how often each page is asked for")
    parser.add_argument("--keep", type=Path, help="a folder to keep the archives in, and to take them from")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    found: dict[int, dict[str, Taken]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            (arguments.keep or Path(folder)).mkdir(parents=True, exist_ok=True)
            db = (arguments.keep or Path(folder)) / f"view-{size}.db"
            if not db.exists():
                archive_of(db, programs=size, name=RUN)
                archive_of(db, programs=size // 10, seed=1, name=OTHER)
            found[size] = measure(db, arguments.times)
    print("| page | " + " | ".join(f"{size:,} programs, ms | processor | KiB" for size in sizes) + " |")
    print("|---|" + "---|---|---|" * len(sizes))
    for name in found[sizes[0]]:
        cells = [
            f"{statistics.median(one.wall):.0f} | {statistics.median(one.processor):.0f} | {one.size / 1024:.0f}"
            for one in (found[size][name] for size in sizes)
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
