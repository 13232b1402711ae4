"""One OpenEvolve run for `bench/rivals.py`; runs in an environment that has openevolve, and nothing of ours.

    python openevolve_run.py FOLDER URL ITERATIONS PROGRAMS

FOLDER holds `initial.py` and `evaluate.py` and receives the output. All at its defaults but one evaluation at a time and
room in the population for all programs.
"""

import asyncio
import sys
import zlib
from pathlib import Path

from openevolve import OpenEvolve
from openevolve.config import Config
from openevolve.database import Program


def settings(url: str, room: int) -> Config:
    """Return the configuration of the run."""
    return Config.from_dict(
        {
            "log_level": "INFO",
            "llm": {"api_base": url, "api_key": "none", "models": [{"name": "scripted", "weight": 1.0}]},
            "database": {"population_size": max(1000, room)},
            "evaluator": {"parallel_evaluations": 1, "cascade_evaluation": False},
        }
    )


def fill(search: OpenEvolve, programs: int) -> None:
    """Put ``programs`` programs with a score each into the database, by its own method, island after island."""
    seed = search.initial_program_code
    for number in range(programs):
        code = seed.replace("0.3 *", f"0.3{number:06} *")
        metrics = {"combined_score": zlib.crc32(code.encode()) / 2**32}
        program = Program(id=f"filled-{number}", code=code, language="python", metrics=metrics)
        search.database.add(program, target_island=number % len(search.database.islands))


def main() -> None:
    """Run the search."""
    folder, url, iterations, programs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    config = settings(url, programs + iterations + 10)
    search = OpenEvolve(str(folder / "initial.py"), str(folder / "evaluate.py"), config, str(folder / "out"))
    fill(search, programs)
    asyncio.run(search.run(iterations=iterations))


if __name__ == "__main__":
    main()
