"""Runs a program several times and leaves what came of it in ``metrics.json`` and ``correct.json``."""

from __future__ import annotations

import importlib.util
import json
import math
import multiprocessing
import os
import pickle
import statistics
import time
import traceback
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

DEFAULT_METRICS_ON_ERROR: dict[str, Any] = {
    "combined_score": 0.0,
    "execution_time_mean": 0.0,
    "execution_time_std": 0.0,
    "num_successful_runs": 0,
    "num_valid_runs": 0,
    "num_invalid_runs": 0,
    "all_validation_errors": [],
}
"""What ``metrics.json`` holds where the evaluation broke."""


def load_program(program_path: str) -> ModuleType:
    """Import the file ``program_path`` as a module of its own."""
    spec = importlib.util.spec_from_file_location("program", program_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{program_path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save_json_results(results_dir: str, metrics: dict[str, Any], correct: bool, error: str | None = None) -> None:
    """Write ``metrics.json`` and ``correct.json``."""
    os.makedirs(results_dir, exist_ok=True)
    for name, value in (("metrics.json", metrics), ("correct.json", {"correct": correct, "error": error})):
        with open(os.path.join(results_dir, name), "w") as file:
            json.dump(value, file, indent=4)


def run_shinka_eval(  # noqa: D417 - the rest is said by its name
    program_path: str,
    results_dir: str,
    experiment_fn_name: str,
    num_runs: int,
    get_experiment_kwargs: Callable[[int], dict[str, Any]] | None = None,
    aggregate_metrics_fn: Callable[[list[Any]], dict[str, Any]] | None = None,
    validate_fn: Callable[[Any], tuple[bool, str | None]] | None = None,
    plotting_fn: Callable[[Any], list[Any]] | None = None,
    default_metrics_on_error: dict[str, Any] | None = None,
    early_stop_method: Any = None,
    early_stop_threshold: float | None = None,
    early_stop_score_fn: Callable[[Any], float] | None = None,
    early_stop_kwargs: dict[str, Any] | None = None,
    run_workers: int = 1,
    max_workers_cap: int | None = None,
) -> tuple[dict[str, Any], bool, str | None]:
    """Call a function of the program ``num_runs`` times, check and aggregate what it returns, and save that.

    Args:
        get_experiment_kwargs: the arguments of a run, by its number from 0; without it a run gets ``seed``, from 1.
        aggregate_metrics_fn: all results in, the metrics out; its ``extra_data`` goes to ``extra.pkl``.
        validate_fn: one result in; whether it is valid, and else why not, out.
        plotting_fn: pictures are for people who watch: none are drawn here.
        early_stop_method: all runs are made here, also those that a search by ShinkaEvolve would have left out to save time.
        run_workers: how many runs at the same time, each in a process of its own where there are several.

    Returns:
        The metrics, whether all runs were valid, and the first thing that was wrong.
    """
    results: list[Any] = []
    errors: list[str] = []
    try:
        workers = _workers(run_workers, max_workers_cap, num_runs)
        arguments = [get_experiment_kwargs(i) if get_experiment_kwargs else {"seed": i + 1} for i in range(num_runs)]
        valid, seconds = 0, []
        for result, taken in _runs(program_path, experiment_fn_name, arguments, workers):
            results.append(result)
            seconds.append(taken)
            fine, why = validate_fn(result) if validate_fn else (True, None)
            valid += bool(fine)
            if not fine:
                errors.append(why or "")
        metrics = _aggregated(results, aggregate_metrics_fn)
        metrics["execution_time_mean"] = statistics.fmean(seconds) if seconds else 0.0
        metrics["execution_time_std"] = statistics.pstdev(seconds) if seconds else 0.0
        if validate_fn:
            metrics["num_valid_runs"], metrics["num_invalid_runs"] = valid, len(results) - valid
            metrics["all_validation_errors"] = list(dict.fromkeys(filter(None, errors)))
        correct = valid == len(results)
        error = next((f"Validation failed: {text}" for text in errors if text), None)
        score = metrics.get("combined_score", 0.0)
        if not math.isfinite(score):
            correct, error = False, error or f"combined_score is {'NaN' if math.isnan(score) else score}"
    except Exception as problem:  # noqa: BLE001 - the program's and the evaluator's own: a verdict, by the contract
        traceback.print_exc()
        metrics = DEFAULT_METRICS_ON_ERROR | dict(default_metrics_on_error or {})
        correct, error = False, str(problem) or type(problem).__name__
    if "extra_data" in metrics:
        os.makedirs(results_dir, exist_ok=True)
        with open(os.path.join(results_dir, "extra.pkl"), "wb") as file:
            pickle.dump(metrics.pop("extra_data"), file)
    save_json_results(results_dir, metrics, correct, error)
    return metrics, correct, error


def _workers(wanted: int, most: int | None, runs: int) -> int:
    if wanted < 1 or (most is not None and most < 1):
        raise ValueError("run_workers and max_workers_cap must be at least 1")
    return max(1, min(wanted, runs, wanted if most is None else most))


def _aggregated(results: list[Any], aggregate: Callable[[list[Any]], dict[str, Any]] | None) -> dict[str, Any]:
    if aggregate is not None:
        return aggregate(results)
    kind = str(type(results[0])) if results else "N/A"
    preview = str(results[:2]) if results else "N/A"
    return {"num_successful_runs": len(results), "first_run_result_type": kind, "raw_results_preview": preview}


def _runs(program_path: str, name: str, arguments: list[dict[str, Any]], workers: int) -> Iterator[tuple[Any, float]]:
    """Yield the result and the seconds of each run, in order."""
    function = _function(load_program(program_path), name)
    if workers == 1:
        for given in arguments:
            yield _timed(function, given)
        return
    context = multiprocessing.get_context("fork")
    # No pool, whose locks need more of the machine than every jail shows.
    for first in range(0, len(arguments), workers):
        started = []
        for given in arguments[first : first + workers]:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_apart, args=(theirs, program_path, name, given))
            process.start()
            theirs.close()
            started.append((process, ours))
        for process, ours in started:
            try:
                result, taken, error = ours.recv()
            except EOFError:
                raise RuntimeError("the process of a run ended without a result") from None
            process.join()
            if error:
                raise RuntimeError(error)
            yield result, taken


def _function(module: ModuleType, name: str) -> Callable[..., Any]:
    if not hasattr(module, name):
        raise AttributeError(f"the program has no function {name!r}")
    function: Callable[..., Any] = getattr(module, name)
    return function


def _timed(function: Callable[..., Any], given: dict[str, Any]) -> tuple[Any, float]:
    begin = time.perf_counter()
    result = function(**given)
    return result, time.perf_counter() - begin


def _apart(pipe: Any, program_path: str, name: str, given: dict[str, Any]) -> None:
    """Make one run in this process and send what came of it."""
    try:
        pipe.send((*_timed(_function(load_program(program_path), name), given), ""))
    except Exception as error:  # noqa: BLE001 - the program's own, for the parent to report
        pipe.send((None, 0.0, str(error) or type(error).__name__))
