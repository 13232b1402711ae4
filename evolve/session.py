"""One sitting at a run: opens the archive, locks the run, starts the executor, and writes down how it ended."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from random import SystemRandom
from types import FrameType, TracebackType
from typing import Any

from evolve import task as tasks
from evolve.archive import Archive, ArmHistory, RunInfo
from evolve.arms import Arm, build
from evolve.config import BUDGET, Config, merge, resolve
from evolve.errors import ArchiveError, ConfigError, sentence
from evolve.executor import InlineExecutor, LocalExecutor
from evolve.executor.inline import HERE
from evolve.executor.local import complain
from evolve.jail import Confinement, choose
from evolve.loop import Loop
from evolve.needs import require
from evolve.normal import digest as digest_of
from evolve.rebuild import earlier_runs, priors, rebuild
from evolve.records import Program, Sources, Task
from evolve.seams import Executor, Listener, Observer
from evolve.secrets import load_environment
from evolve.stages import environment
from evolve.toml import parse
from evolve.track import observed, require_trackers

DEFAULT_DB = "evolve.db"
Make = Callable[[Task, Config, Confinement], Executor]


def make_executor(task: Task, config: Config, confinement: Confinement) -> Executor:
    """Return the executor that ``config`` asks for."""
    if config.executor == "inline":
        return InlineExecutor(task)
    return LocalExecutor(task, confinement, slots_of(config, task), fresh=config.fresh)


def slots_of(config: Config, task: Task) -> int:
    """Return how many candidates are judged at a time: as given, else as many as the processors that this process may use are
    enough for.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return config.slots or max(1, (processors or 1) // task.resources.cpus)


def database(db: str | Path | None = None) -> Path:
    """Return the archive's path: ``db``, else the environment's EVOLVE_DB, else ``evolve.db`` in the working folder."""
    return Path(db or os.environ.get("EVOLVE_DB") or DEFAULT_DB)


INTERRUPTED = "interrupted"
"""Why a run ended that Ctrl-C or a termination signal ended."""


class Session:
    """A run that is open for searching. Use as a context manager: however it ends, the archive says so.

    Attributes:
        loop: the run's search.
        confinement: how candidates are confined.
        reason: why it ended, once it has.
        lost: how many calls were under way when an earlier session was cut off.
    """

    def __init__(
        self,
        archive: Archive,
        info: RunInfo,
        task: Task,
        config: Config,
        arms: Mapping[str, Arm],
        *,
        make: Make | None = None,
        resumed: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.archive, self.info, self.task, self.config, self.arms = archive, info, task, config, arms
        self.reason = ""
        self.lost = 0
        self._make = make or make_executor
        self._resumed = resumed
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        with ExitStack() as opening, ExitStack() as unopened:
            opening.enter_context(self.archive.lock(self.info.name))
            if self._resumed is None:  # one that is resumed stays as it was
                unopened.push(self._unopened)
            inline = self.config.executor == "inline" and self._make is make_executor
            self.confinement = HERE if inline else choose(self.config.isolation)
            executor = self._make(self.task, self.config, self.confinement)
            opening.callback(executor.close)
            if isinstance(executor, LocalExecutor):
                executor.say = self.say
            # A function's digest is that of its text, and a function depends on more: its evaluations are never used again.
            self.loop = Loop(
                self.task,
                self.archive,
                self.info.name,
                self.config,
                executor,
                seed=self.info.seed,
                arms=self.arms,
                seconds=self.info.seconds,
                priors=priors(earlier_runs(self.archive, self.info.name), self.config.bandit.priors),
                level=self.confinement.level if self.config.cache and self.info.task_path else None,
            )
            self._stack = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            ended = error is None and bool(self.reason) and not self.loop.draining
            reason = self.reason or (sentence(error) if error else "closed")
            # An archive that cannot be written, as on a full disk, cannot be told so either: the first error is the one to see.
            with suppress(ArchiveError) if isinstance(error, ArchiveError) else nullcontext():
                self.archive.finish(self.info.name, "done" if ended else "stopped", reason, self.loop.budget.seconds)

    def _unopened(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Write down why the run could not be opened, as for want of a GPU: else it stays there as a running one."""
        with suppress(ArchiveError):
            if error is not None:
                self.archive.finish(self.info.name, "stopped", sentence(error), self.info.seconds)

    def say(self, text: str) -> None:
        """Pass on what the executor has to tell a person; to the terminal where no observer listens."""
        listening = any(isinstance(observer, Listener) for observer in self.loop.observers)
        (self.loop.say if listening else complain)(text)

    def begin(self, start_from: Sequence[tuple[str, Sources]] = ()) -> None:
        """Judge the seed and the earlier programs to start from; a resumed run has them already."""
        with self.archive.transaction():  # a resume that is refused leaves the run's settings as they were
            if self._resumed is not None:
                plain = self.config.model_dump(mode="json")
                self.archive.resume_run(self.info.name, plain, self._resumed, environment(self.task))
            self.lost = rebuild(self.loop)
            self.loop.commands.begin(self.loop.state.told)
        if start_from:
            self.archive.start_from(self.info.name, start_from)
        seeds = [("seed", self.task.initial), *self.archive.start_programs(self.info.name)]
        judged = self.archive.seeds(self.info.name)
        failed = bool(judged) and judged[0][0].score is None
        if not failed and len(judged) < len({digest_of(sources, self.task.language) for _, sources in seeds}):
            start(self.loop, seeds)
            self.loop.judging.review()  # a `validate` that fails is best known before the first evaluation is spent
        if not any(island.elites for island in self.loop.state.islands):
            raise ConfigError(f"run {self.info.name} has no program with a score to go on from; start a new one")

    def evolve(self, observers: Sequence[Observer] = ()) -> str:
        """Loop until the budget is spent, or until Ctrl-C: the first lets what is in flight end, a second stops at
        once.
        """
        with observed(self, observers), interruptible(self.loop):
            self.reason = self.loop.evolve()
        return self.reason


def start(loop: Loop, seeds: Sequence[tuple[str, Sources]]) -> None:
    """Judge the programs that a run starts from, which its budget does not count, and store them.

    Args:
        loop: the run's search.
        seeds: (name, files) of each; the first is the task's own seed, which must succeed.

    Raises:
        ConfigError: if the first fails, with what the judge saw.
        JudgeError: when ``evaluate.py`` itself keeps failing.
    """
    task, archive, run = loop.task, loop.archive, loop.run
    for place, (name, sources) in enumerate(seeds):
        digest = digest_of(sources, task.language)
        if archive.known(run, digest) is not None:
            continue
        job = loop.jobs.start(place, sources)
        seen = loop.jobs.known(digest) or loop.judging.judge(job)
        program = Program(digest, sources, seen.status, seen.score, seen.metrics, number=-place, operator=name)
        archive.seeded(run, program, seen, job.seed)
        if seen.score is None and place == 0:
            why = seen.error or seen.feedback
            raise ConfigError(
                f"the seed program of {task.name!r} ends as {seen.status}, so nothing can start from it: {why}"
            )
        loop.state.count_seed(program)
    loop.champions.begin()


def options(**given: Any) -> dict[str, Any]:
    """Return the nested settings that flat arguments stand for; those that are None, or an empty tuple, are not given."""
    known = (*BUDGET, "slots", "workers", "isolation", "executor", "replay_from", "track")
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ConfigError(f"unknown argument {unknown[0]!r}; known here: {', '.join(known)}")
    named = {name: value for name, value in given.items() if value not in (None, ())}
    flags: dict[str, Any] = {name: value for name, value in named.items() if name not in BUDGET}
    if any(name in BUDGET for name in named):
        flags["budget"] = {name: value for name, value in named.items() if name in BUDGET}
    return flags


def _several(names: str | Sequence[str]) -> Sequence[str]:
    """Return one name as a list of one."""
    return [names] if isinstance(names, str) else names


@contextmanager
def created(
    task: str | Path | Task,
    *,
    flags: Mapping[str, Any],
    models: str | Sequence[str] = (),
    config: str | Path | None = None,
    seed: int | None = None,
    name: str | None = None,
    db: str | Path | None = None,
    start_from: str | Sequence[str] = (),
    make: Make | None = None,
) -> Iterator[Session]:
    """Create a run and open it, its seed judged and ready to evolve.

    Raises:
        EvolveError: for whatever the caller can mend; a run whose seed fails leaves no trace in the archive but its
        failure.
    """
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 1 << 63):
        raise ConfigError(f"seed {seed!r}: give a whole number from 0 to 2^63 - 1")
    models, start_from = _several(models), _several(start_from)
    loaded = task if isinstance(task, Task) else tasks.load(task)
    require(loaded)
    defaults = {"search": dict(loaded.search), "models": dict(loaded.models)}
    resolved = resolve(loaded.folder, defaults, file=Path(config) if config else None, flags=flags, models=models)
    load_environment()
    require_trackers(resolved.track)
    arms = build(resolved, loaded)
    with Archive(database(db)) as archive:
        others = [found for place in start_from for found in _earlier(archive, loaded, place)]
        if resolved.replay_from is not None:
            archive.run(resolved.replay_from)  # an error now, rather than a run that pays for everything
        drawn = seed if seed is not None else SystemRandom().getrandbits(31)
        earlier = archive.arm_history(loaded.digest) if resolved.bandit.priors else []
        settings = _settings(resolved, arms, earlier)
        info = archive.create_run(name, loaded, drawn, resolved.model_dump(mode="json"), settings, environment(loaded))
        with Session(archive, info, loaded, resolved, arms, make=make) as session:
            session.begin(others)
            yield session


@contextmanager
def reopened(
    name: str | None = None,
    *,
    db: str | Path | None = None,
    flags: Mapping[str, Any] | None = None,
    task: Task | None = None,
) -> Iterator[Session]:
    """Open a run to go on with it: the named one, or the newest that is not done. ``task`` is what it evolves, where that is no
    folder that the archive could name.

    Raises:
        EvolveError: if there is none, its task has changed so that scores would not compare, or another process runs
        it.
    """
    with Archive(database(db), create=False) as archive:
        info = archive.run(name) if name else _unfinished(archive)
        task = task or _folder(info)
        if task.digest != info.task_digest:
            raise ArchiveError(
                f"the task in {info.task_path} has changed since run {info.name} began, so old and new scores would not compare; "
                f"start a new run with --from {info.name}"
            )
        require(task)
        config = parse(Config, merge(info.config, flags or {}), where="options")
        _resumable(archive, info, config)
        _further(info, (flags or {}).get("budget", {}))
        load_environment()
        require_trackers(config.track)
        arms = build(config, task)
        settings = _settings(config, arms, earlier_runs(archive, info.name))
        with Session(archive, info, task, config, arms, resumed=settings) as session:
            session.begin()
            yield session


def _folder(info: RunInfo) -> Task:
    """Load the task of a run from the folder that the archive names."""
    if not info.task_path:
        raise ArchiveError(
            f"run {info.name} has no task folder to go on from. If evolve.optimize made it, whose function is not stored, call "
            f"that again with start_from=[{info.name!r}]; if evolve check --db, give that command again"
        )
    return tasks.load(info.task_path)


def _resumable(archive: Archive, info: RunInfo, config: Config) -> None:
    """Refuse settings that a run cannot take on its way.

    Raises:
        ConfigError: for a dollar cap where nobody knows what was paid, and for priors, which count at a run's beginning.
    """
    if config.budget.usd is not None and any(
        item.dollars is None or item.uncertain_dollars is None for item in archive.spend(info.name)
    ):
        raise ConfigError(
            f"run {info.name} has replies of which no price was known, so budget.usd cannot be kept: cap tokens instead, or "
            f"start anew with --from {info.name}"
        )
    if config.bandit.priors != info.config.get("bandit", {}).get("priors", 0.0):
        raise ConfigError(f"bandit.priors counts when a run begins; start anew with --from {info.name}")


def _further(info: RunInfo, budget: Mapping[str, Any]) -> None:
    """Refuse a budget that a run has gone beyond already, as one that was meant to be added to it would be.

    Raises:
        ConfigError: if it has.
    """
    for name, spent in (("evaluations", float(info.evaluations)), ("hours", info.seconds / 3600)):
        if (given := budget.get(name)) is not None and given < spent:
            raise ConfigError(
                f"budget.{name}: run {info.name} has come to {spent:g} already, and a budget counts all sittings together: "
                "give more than that to go on"
            )


def _settings(config: Config, arms: Mapping[str, Arm], earlier: Sequence[ArmHistory]) -> dict[str, dict[str, Any]]:
    """Return the arms that a run may choose from, with their settings, as the archive keeps them; keys are no settings."""
    rows: dict[str, dict[str, Any]] = {}
    for name, arm in arms.items():
        rows[name] = {"weight": arm.weight, "operators": list(arm.operators)}
        if name in config.models:
            rows[name] |= config.models[name].model_dump(mode="json", exclude_none=True)
        if arm.price is not None:
            rows[name]["price"] = asdict(arm.price)
        known = [asdict(past) for past in earlier if past.arm == name]
        if known:
            rows[name]["earlier"] = known
    return rows


def _unfinished(archive: Archive) -> RunInfo:
    for info in archive.runs():
        if info.state != "done":
            return info
    raise ArchiveError(
        "every run of this archive is done; name one and give it a larger budget: evolve resume RUN --evaluations N"
    )


def _earlier(archive: Archive, task: Task, place: str) -> list[tuple[str, Sources]]:
    """Return the programs that ``--from`` names: the best ten of a run, or those of a file or folder."""
    if Path(place).exists():
        return [(place, tasks.read_program(task, place))]
    try:
        found = archive.best(10, place)
    except ArchiveError:
        names = ", ".join(info.name for info in archive.runs()[:5]) or "none yet"
        raise ConfigError(
            f"--from {place}: neither a file nor a run of this archive (its newest runs: {names})"
        ) from None
    return [(f"{place}/{program.id}", program.sources) for program in found]


@contextmanager
def interruptible(loop: Loop) -> Iterator[None]:
    """Let Ctrl-C drain the search, and a second one, or a termination signal, stop it at once. Only on the main thread;
    elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM or loop.draining:
            raise KeyboardInterrupt
        loop.drain(INTERRUPTED)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
