"""OpenEvolve's evaluator alone, for `bench/evaluation.py`; runs in an environment that has openevolve, and nothing of ours.

    python openevolve_judge.py FOLDER

FOLDER holds `initial.py` and receives an `evaluate.py` as OpenEvolve's documentation has it. For each line on stdin, a number,
that many evaluations are made one after the other, and their seconds are printed. All is at its defaults but one evaluation at
a time and no cascade, which the evaluator does not offer.
"""

import asyncio
import logging
import sys
import time
from pathlib import Path

from openevolve.config import EvaluatorConfig
from openevolve.evaluator import Evaluator

EVALUATE = """\
import importlib.util


def evaluate(program_path):
    spec = importlib.util.spec_from_file_location("program", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return {"combined_score": program.answer(1.0)}
"""


async def main() -> None:
    """Judge as often as told."""
    folder = Path(sys.argv[1])
    (folder / "evaluate.py").write_text(EVALUATE)
    code = (folder / "initial.py").read_text()
    config = EvaluatorConfig(parallel_evaluations=1, cascade_evaluation=False)
    evaluator = Evaluator(config, str(folder / "evaluate.py"))
    for line in sys.stdin:
        begin = time.perf_counter()
        for number in range(int(line)):
            metrics = await evaluator.evaluate_program(code, f"program-{number}")
            assert metrics == {"combined_score": 2.0}, metrics
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    logging.disable(logging.INFO)
    asyncio.run(main())
