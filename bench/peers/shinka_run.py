"""One ShinkaEvolve run for `bench/rivals.py`; runs in an environment that has shinka-evolve, and nothing of ours.

    python shinka_run.py FOLDER URL ITERATIONS PROGRAMS

FOLDER holds `initial.py` and `evaluate.py` and receives the output. One proposal and one evaluation at a time; what would
ask further models (embeddings, the novelty judge, recommendations) is off, all else is at its defaults.
"""

import sys
import zlib
from pathlib import Path

from shinka.core import EvolutionConfig, ShinkaEvolveRunner
from shinka.database import DatabaseConfig, Program, ProgramDatabase
from shinka.launch import LocalJobConfig


def fill(folder: Path, programs: int) -> None:
    """Put ``programs`` programs with a score each into the database, by its own method, one per generation."""
    seed = (folder / "initial.py").read_text()
    database = ProgramDatabase(DatabaseConfig(db_path=str(folder / "out" / "programs.sqlite")), embedding_model=None)
    for number in range(programs):
        code = seed.replace("0.3 *", f"0.3{number:06} *")
        score = zlib.crc32(code.encode()) / 2**32
        database.add(
            Program(
                id=f"filled-{number}",
                code=code,
                generation=number,
                timestamp=float(number),
                parent_id="filled-0" if number else None,
                island_idx=number % 2,
                combined_score=score,
                correct=True,
            )
        )
    database.close()


def main() -> None:
    """Run the search."""
    folder, url, iterations, programs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    (folder / "out").mkdir()
    if programs:
        fill(folder, programs)
    evolution = EvolutionConfig(
        num_generations=max(1, programs) + iterations,
        llm_models=[f"local/scripted@{url}"],
        embedding_model=None,
        meta_rec_interval=None,
        novelty_llm_models=None,
        init_program_path=str(folder / "initial.py"),
        results_dir=str(folder / "out"),
    )
    job = LocalJobConfig(eval_program_path=str(folder / "evaluate.py"))
    runner = ShinkaEvolveRunner(
        evolution, job, DatabaseConfig(), verbose=False, max_evaluation_jobs=1, max_proposal_jobs=1, max_db_workers=1
    )
    runner.run()


if __name__ == "__main__":
    main()
