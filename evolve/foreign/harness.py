"""Runs a foreign evaluator on the program, both inside the jail, and answers in plain data.

It is shipped as text beside the program and is what the runner loads in its place: the program is the evaluator's to load.
Nothing here is trusted; it needs the standard library alone. In the folder where it lies:

    settings.json   what `evolve.foreign.folder` read: format, evaluator, program, thresholds …
    evaluator/      the evaluator's folder, copied to the scratch folder before it runs, because evaluators write files
    adapters/       stand-ins for what evaluators import
"""

from __future__ import annotations

import json
import math
import os
import random
import runpy
import shutil
import sys
import sysconfig
import traceback
from importlib.util import module_from_spec, spec_from_file_location

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more than the rest of the start
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = 8 << 10
"""How many characters of one text, and of an error, are sent."""
FILE, FILES = 1 << 20, 8 << 20
"""How many bytes of one artifact, and of all of them, are sent."""

_evaluations: list[Evaluation] = []
"""The one evaluation that this process makes, once it has begun."""


def stage(number: int, seed: int) -> dict[str, Any]:
    """Run one stage of the evaluation, the first from 1.

    Returns:
        ``{"failed": why}`` where the evaluator broke, ``{"next": True}`` where there is a further stage, and else what
        `Evaluation.verdict` or `shinka` returns.
    """
    with open(os.path.join(HERE, "settings.json"), encoding="utf-8") as file:
        settings = json.load(file)
    try:
        if number == 1:
            program = prepare(settings)
            if settings["format"] == "shinka":
                return shinka(settings["evaluator"], program, seed)
            _evaluations[:] = [Evaluation(settings, program, seed)]
        return _evaluations[0].stage(number)
    except (MemoryError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:  # whatever an evaluator raises, its traceback is what helps
        if type(error).__name__ == "OutOfMemoryError":
            raise
        return {"failed": described(error)}


def prepare(settings: dict[str, Any]) -> str:
    """Make the world in which an evaluator expects to run, and return the program's path.

    That is: a writable folder of its own as the working folder and first on ``sys.path``; and for the Python processes
    that it starts the same packages, which this interpreter was given by other means.
    """
    scratch = os.getcwd()
    evaluator, program = os.path.join(scratch, "evaluator"), os.path.join(scratch, "program", settings["name"])
    shutil.copytree(os.path.join(HERE, "evaluator"), evaluator, copy_function=shutil.copyfile)
    os.makedirs(os.path.dirname(program))
    shutil.copyfile(os.path.join(HERE, settings["program"]), program)
    adapters, commands = os.path.join(HERE, "adapters"), os.path.join(scratch, "bin")
    os.mkdir(commands)
    for name in ("python", "python3"):
        os.symlink(sys.executable, os.path.join(commands, name))
    os.environ["PATH"] = commands + os.pathsep + os.environ.get("PATH", os.defpath)
    sys.path[:] = [evaluator, adapters, *(path for path in sys.path if path != HERE)]
    os.environ["PYTHONPATH"] = os.pathsep.join([adapters, *sites(sys.path[2:])])
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    for name in ("program", "foreign_harness"):
        sys.modules.pop(name, None)  # names that the runner gave to this file
    vars(sys.modules["__main__"]).pop("__file__", None)  # which processes that are spawned would look for, and not find
    os.chdir(evaluator)
    return program


def sites(paths: Iterable[str]) -> list[str]:
    """Return those of ``paths`` that hold packages, not the standard library."""
    library = sysconfig.get_path("stdlib")
    return [
        path for path in paths if path.endswith("-packages") or not path.startswith((library, f"{sys.base_prefix}/lib"))
    ]


def imported(path: str, name: str, seed: int) -> ModuleType:
    """Import the file ``path`` as the module ``name``, then seed what it has imported."""
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % (1 << 32))
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed % (1 << 63))
    return module


class Evaluation:
    """An evaluation by OpenEvolve's rules: ``evaluate``, or stages each of which has to be earned by the last.

    As there, a stage's numbers are merged over those of the stages before it. What differs: a stage that raises is a failure
    and not a score of 0.
    """

    def __init__(self, settings: dict[str, Any], program: str, seed: int) -> None:
        path = os.path.join(os.getcwd(), settings["evaluator"])
        self.module = imported(path, "evaluation_module", seed)
        self.program = program
        self.thresholds: list[float] = settings["thresholds"]
        self.features: list[str] = settings["features"]
        self.cascade: bool = settings["cascade"] and hasattr(self.module, "evaluate_stage1")
        self.metrics: dict[str, Any] = {}
        self.artifacts: dict[str, Any] = {}

    def stage(self, number: int) -> dict[str, Any]:
        """Run one stage."""
        function = getattr(self.module, f"evaluate_stage{number}" if self.cascade else "evaluate")
        metrics, artifacts = result_of(function(self.program))
        if number > 1:
            metrics = merged(self.metrics) | merged(metrics)
        self.metrics, self.artifacts = metrics, self.artifacts | artifacts
        if self.cascade and number < 3 and hasattr(self.module, f"evaluate_stage{number + 1}") and self.passes(number):
            return {"next": True}
        return self.verdict()

    def passes(self, number: int) -> bool:
        """Return whether the metrics so far reach the threshold of a stage."""
        if len(self.thresholds) < number or not self.metrics:
            return False
        score = self.metrics.get("combined_score")
        if isinstance(score, int | float):
            return score >= self.thresholds[number - 1]
        counted = [*merged(self.metrics).values()]
        return bool(counted) and sum(counted) / len(counted) >= self.thresholds[number - 1]

    def verdict(self) -> dict[str, Any]:
        """Return the score, and as plain data the metrics and artifacts."""
        texts = {name: text(value) for name, value in self.metrics.items() if number_of(value) is None}
        texts |= {name: text(value) for name, value in self.artifacts.items() if not isinstance(value, bytes)}
        return {
            "score": fitness(self.metrics, self.features),
            "metrics": {name: v for name, value in self.metrics.items() if (v := number_of(value)) is not None},
            "texts": texts,
            "files": capped({name: value for name, value in self.artifacts.items() if isinstance(value, bytes)}),
        }


def result_of(returned: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metrics and artifacts that an evaluator returned."""
    if isinstance(returned, dict):
        return returned, {}
    if isinstance(getattr(returned, "metrics", None), dict) and isinstance(getattr(returned, "artifacts", None), dict):
        return returned.metrics, returned.artifacts
    raise TypeError(f"the evaluator returned {type(returned).__name__}: want a dict of metrics or an EvaluationResult")


def merged(metrics: dict[str, Any]) -> dict[str, float]:
    """Return what of a stage's metrics is merged with another's: numbers."""
    return {name: float(v) for name, v in metrics.items() if isinstance(v, int | float) and name != "error"}


def fitness(metrics: dict[str, Any], features: Iterable[str]) -> float:
    """Return ``combined_score``, or without one the mean of the numbers.

    Left out of the mean are flags, NaN, and what ``features`` names, unless there is nothing else; of nothing at all it is 0.
    """
    if "combined_score" in metrics:
        try:
            return float(metrics["combined_score"])
        except (TypeError, ValueError):
            pass
    numbers = {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    }
    counted = [value for name, value in numbers.items() if name not in features] or [*numbers.values()]
    return sum(counted) / len(counted) if counted else 0.0


def shinka(evaluator: str, program: str, seed: int) -> dict[str, Any]:
    """Run an evaluator of ShinkaEvolve and read what it wrote.

    It is called as ``main(program_path=…, results_dir=…)`` where it has such a function, and else run as a script.
    """
    results = os.path.join(os.path.dirname(os.getcwd()), "results")
    os.mkdir(results)
    path = os.path.join(os.getcwd(), evaluator)
    sys.argv = [path, "--program_path", program, "--results_dir", results]
    module = imported(path, "evaluate", seed) if has_main(path) else None
    if module is not None:
        module.main(program_path=program, results_dir=results)
    else:
        random.seed(seed)
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as leaving:
            if leaving.code not in (None, 0):
                raise
    metrics, correct = read_json(results, "metrics.json"), read_json(results, "correct.json")
    public: dict[str, Any] = metrics["public"] if isinstance(metrics.get("public"), dict) else {}
    shown = {name: v for name, v in metrics.items() if name not in ("combined_score", "public", "private")} | public
    feedback = {"text_feedback": text(shown.pop("text_feedback"))} if shown.get("text_feedback") else {}
    numbers = {name: v for name, value in shown.items() if (v := number_of(value)) is not None}
    return {
        "score": number_of(metrics.get("combined_score")),
        "metrics": numbers,
        "texts": feedback | {name: text(value) for name, value in public.items() if name not in numbers},
        "files": capped(dict(written(results))),
        "correct": correct.get("correct") is True,
        "error": text(correct.get("error") or "correct.json says that the program is not correct"),
    }


def has_main(path: str) -> bool:
    """Return whether a file defines ``main`` with the parameters ``program_path`` and ``results_dir``, and asks for no other."""
    import ast

    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "main":
            given = [argument.arg for argument in node.args.args]
            asked = given[: len(given) - len(node.args.defaults)]
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                given.append(argument.arg)
                asked += [] if default else [argument.arg]
            return {"program_path", "results_dir"}.issubset(given) and {"program_path", "results_dir"}.issuperset(asked)
    return False


def read_json(results: str, name: str) -> dict[str, Any]:
    """Return a results file's object."""
    try:
        with open(os.path.join(results, name), encoding="utf-8") as file:
            value = json.load(file)
    except FileNotFoundError:
        raise FileNotFoundError(f"the evaluator ended without writing {name} into its results folder") from None
    if not isinstance(value, dict):
        raise TypeError(f"{name} holds no object")
    return value


def written(results: str) -> Iterable[tuple[str, bytes]]:
    """Yield the files of the results folder."""
    for place, _, names in sorted(os.walk(results)):
        for name in sorted(names):
            path = os.path.join(place, name)
            if os.path.isfile(path) and os.path.getsize(path) <= FILE:
                with open(path, "rb") as file:
                    yield os.path.relpath(path, results), file.read()


def capped(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return those files that fit, in their order."""
    kept, total = {}, 0
    for name, data in files.items():
        if len(data) <= FILE and total + len(data) <= FILES:
            kept[str(name)] = data
            total += len(data)
    return kept


def number_of(value: Any) -> float | None:
    """Return a number, or a scalar of a library, as a float; None for anything else."""
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def text(value: Any) -> str:
    """Return a value as text of bounded length, its beginning and its end."""
    words = value if isinstance(value, str) else str(value)
    words = words.encode(errors="replace").decode()
    return words if len(words) <= TEXT else f"{words[: TEXT // 2]}\n...\n{words[-TEXT // 2 :]}"


def described(error: BaseException) -> str:
    """Return a traceback without this file's frames and without paths of the machine."""
    trace = traceback.TracebackException.from_exception(error)
    trace.stack = traceback.StackSummary.from_list([frame for frame in trace.stack if frame.filename != __file__])
    words = "".join(trace.format()).strip()
    for place in (os.path.dirname(os.getcwd()), HERE, *sys.path, sys.base_prefix):
        if len(place) > 1:
            words = words.replace(place + "/", "")
    return text(words)
