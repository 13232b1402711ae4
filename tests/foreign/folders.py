"""Folders in the formats of OpenEvolve and ShinkaEvolve, written for these tests."""

from __future__ import annotations

from pathlib import Path

from evolve.executor import evaluate_once
from evolve.jail import choose
from evolve.jail.levels import Confinement, layers
from evolve.records import Evaluation, Level, Task
from evolve.task import load

PROGRAM = """\
# EVOLVE-BLOCK-START
def guess(n):
    return [0.5 * i for i in range(n)]
# EVOLVE-BLOCK-END
"""

EVALUATOR = """\
import importlib.util


def loaded(path):
    spec = importlib.util.spec_from_file_location("program", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def evaluate(program_path):
    values = loaded(program_path).guess(4)
    return {"combined_score": sum(values), "length": len(values)}
"""

RUNS = """\
import argparse

from shinka.core import run_shinka_eval

from helping import LIMIT


def valid(result):
    return (True, None) if result[0] < LIMIT else (False, f"{result[0]} is not below {LIMIT}")


def aggregated(results):
    return {
        "combined_score": sum(values[1] for values in results),
        "public": {"runs": len(results), "shape": "flat"},
        "private": {"secret": 41},
        "text_feedback": "steeper is better",
    }


def main(program_path, results_dir):
    run_shinka_eval(
        program_path=program_path, results_dir=results_dir, experiment_fn_name="guess", num_runs=3, run_workers=WORKERS,
        get_experiment_kwargs=lambda i: {"n": i + 2}, validate_fn=valid, aggregate_metrics_fn=aggregated,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path")
    parser.add_argument("--results_dir")
    main(**vars(parser.parse_args()))
"""


def written(root: Path, **files: str) -> Path:
    """Write files into a folder, those given empty left out, and return it."""
    root.mkdir(exist_ok=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text:
            path.write_text(text)
    return root


def openevolve(root: Path, **files: str) -> Path:
    """Write a folder for OpenEvolve."""
    return written(root, **{"evaluator.py": EVALUATOR, "initial_program.py": PROGRAM, **files})


def shinka(root: Path, /, workers: str = "1", **files: str) -> Path:
    """Write a folder for ShinkaEvolve."""
    runs = RUNS.replace("WORKERS", workers)
    return written(root, **{"evaluate.py": runs, "initial.py": PROGRAM, "helping.py": "LIMIT = 9\n", **files})


def judged(folder: Path | Task, program: str | None = None, level: Level | None = None) -> Evaluation:
    """Judge the seed of a folder, or another program, in a jail: the strongest, or one of a ``level``."""
    task = folder if isinstance(folder, Task) else load(folder)
    confinement = Confinement(level, "for a test", layers(level)) if level else choose("auto")
    return evaluate_once(task, task.initial if program is None else {task.entry: program}, 3, confinement)
