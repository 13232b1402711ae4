"""ShinkaEvolve's evaluations alone, for `bench/evaluation.py`; runs in an environment with shinka-evolve and nothing of ours.

    python shinka_judge.py FOLDER SCRIPT

FOLDER holds `initial.py` and receives `evaluate.py`: with SCRIPT ``documented`` one that calls `run_shinka_eval`, as its
documentation has it, with ``bare`` one that imports nothing of it and writes the two files itself, which is the least that will
do. For each line on stdin, a number, that many evaluations are made one after the other by its local scheduler, and their
seconds are printed. Its search looks for finished evaluations every 0.1 s; here each is waited for.
"""

import sys
import time
from pathlib import Path

from shinka.launch import JobScheduler, LocalJobConfig

SCRIPTS = {
    "documented": """\
import argparse

from shinka.core import run_shinka_eval

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path")
    parser.add_argument("--results_dir")
    given = parser.parse_args()
    run_shinka_eval(
        program_path=given.program_path,
        results_dir=given.results_dir,
        experiment_fn_name="answer",
        num_runs=1,
        get_experiment_kwargs=lambda run: {"x": 1.0},
        aggregate_metrics_fn=lambda results: {"combined_score": results[0]},
    )
""",
    "bare": """\
import runpy
import sys

given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
score = runpy.run_path(given["--program_path"])["answer"](1.0)
with open(given["--results_dir"] + "/metrics.json", "w") as file:
    file.write('{"combined_score": %r}' % score)
with open(given["--results_dir"] + "/correct.json", "w") as file:
    file.write('{"correct": true, "error": null}')
""",
}


def main() -> None:
    """Judge as often as told."""
    folder = Path(sys.argv[1])
    (folder / "evaluate.py").write_text(SCRIPTS[sys.argv[2]])
    scheduler = JobScheduler("local", LocalJobConfig(eval_program_path=str(folder / "evaluate.py")), max_workers=1)
    made = 0
    for line in sys.stdin:
        begin = time.perf_counter()
        for _ in range(int(line)):
            made += 1
            results_dir = str(folder / f"results-{made}")
            job = scheduler.submit_async(str(folder / "initial.py"), results_dir)
            results = scheduler.get_job_results(job, results_dir)
            assert results["metrics"]["combined_score"] == 2.0, results
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
