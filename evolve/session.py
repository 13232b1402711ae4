"""One sitting at a run: opens the archive, locks the run, starts the executor, and writes down how it ended.

`run`, `resume` and `optimize` are the doors in Python; the command line goes through the same `Session`.
"""

from __future__ import annotations

import inspect
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import SystemRandom
from types import FrameType, TracebackType
from typing import Any

from evolve import task as tasks
from evolve.archive import Archive
from evolve.config import Config, merge, parse, resolve
from evolve.errors import ArchiveError, ConfigError
from evolve.executor import InlineExecutor, LocalExecutor, ThreadExecutor
from evolve.jail import Confinement, choose
from evolve.judge import Candidate
from evolve.loop import Loop
from evolve.rebuild import rebuild
from evolve.records import Limits, Metric, Program, Result, Sources, Task
from evolve.rows import RunInfo
from evolve.seams import Executor, Observer

DEFAULT_DB = "evolve.db"
Evaluate = Callable[[Candidate], Result | dict[str, Any] | float]
Make = Callable[[Task, Config, Confinement], Executor]

INLINE = Confinement("none", "judged in the driver's own process", ())


def make_executor(task: Task, config: Config, confinement: Confinement) -> Executor:
    """Return the executor that ``config`` asks for."""
    if config.executor == "inline":
        return InlineExecutor(task)
    return LocalExecutor(task, confinement, slots_of(config))


def slots_of(config: Config) -> int:
    """Return how many candidates are judged at a time: as given, else one per processor that this process may use."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return config.slots or processors or 1


def database(db: str | Path | None = None) -> Path:
    """Return the archive's path: ``db``, else the environment's EVOLVE_DB, else ``evolve.db`` in the working folder."""
    return Path(db or os.environ.get("EVOLVE_DB") or DEFAULT_DB)


class Session:
    """A run that is open for searching. Use as a context manager: however it ends, the archive says so.

    Attributes:
        search: the run's loop.
        reason: why it ended, once it has.
    """

    def __init__(self, archive: Archive, info: RunInfo, task: Task, config: Config, make: Make | None = None) -> None:
        self.archive, self.info, self.task, self.config = archive, info, task, config
        self.reason = ""
        self._make = make or make_executor
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        with ExitStack() as opening:
            opening.enter_context(self.archive.lock(self.info.name))
            inline = self.config.executor == "inline" and self._make is make_executor
            self.confinement = INLINE if inline else choose(self.config.isolation)
            executor = self._make(self.task, self.config, self.confinement)
            opening.callback(executor.close)
            self.loop = Loop(
                self.task,
                self.archive,
                self.info.name,
                self.config,
                executor,
                seed=self.info.seed,
                seconds=self.info.seconds,
            )
            self._stack = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            ended = error is None and bool(self.reason) and not self.loop.draining
            told = (str(error).splitlines() or [""])[0] or (type(error).__name__ if error else "closed")
            self.archive.finish(
                self.info.name, "done" if ended else "stopped", self.reason or told, self.loop.budget.seconds
            )

    def begin(self, start_from: Sequence[tuple[str, Sources]] = ()) -> None:
        """Judge the seed and the earlier programs to start from; a resumed run has them already."""
        rebuild(self.loop)
        if not self.archive.seeds(self.info.name):
            self.loop.start([("seed", self.task.initial), *start_from])

    def evolve(self, observers: Sequence[Observer] = ()) -> str:
        """Loop until the budget is spent, or until Ctrl-C: the first lets what is in flight end, a second stops at
        once.
        """
        self.loop.observers = observers
        with interruptible(self.loop):
            self.reason = self.loop.evolve()
        return self.reason


class Search:
    """A new run for a loop of your own: ``ask``, ``work`` and ``tell``, all from one thread; close it, or use it as a
    context manager.

        with evolve.Search("math/circle_packing", evaluations=50) as search:
            while not search.spent():
                search.tell(search.work(search.ask()))

    Takes the arguments of `run`, but for ``observers``.
    """

    def __init__(self, task: str | Path | Task, *, db: str | Path | None = None, **arguments: Any) -> None:
        named = {key: arguments.pop(key) for key in ("config", "seed", "name", "start_from") if key in arguments}
        settings = arguments.pop("settings", None) or {}
        self._stack = ExitStack()
        self._session = self._stack.enter_context(
            created(task, flags=merge(options(**arguments), settings), db=db, **named)
        )
        self.name = self._session.info.name
        self.ask = self._session.loop.ask
        self.work = self._session.loop.work
        self.tell = self._session.loop.tell
        self.spent = self._session.loop.budget.spent

    @property
    def best(self) -> Program:
        """The best program so far."""
        return self._session.archive.best(1, self.name)[0]

    def close(self) -> None:
        """End the run and free its slots; the archive keeps it, and `resume` goes on with it unless its budget is
        spent.
        """
        self._session.reason = self.spent()
        self._stack.close()

    def __enter__(self) -> Search:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Run:
    """A run in the archive, as `run`, `resume` and `optimize` return it."""

    name: str
    db: Path
    reason: str

    @property
    def best(self) -> Program:
        """The best program of the run."""
        with Archive(self.db, create=False) as archive:
            return archive.best(1, self.name)[0]

    @property
    def info(self) -> RunInfo:
        """What the archive says of the run."""
        with Archive(self.db, create=False) as archive:
            return archive.run(self.name)


def run(
    task: str | Path | Task,
    *,
    evaluations: int | None = None,
    hours: float | None = None,
    target: float | None = None,
    patience: int | None = None,
    slots: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    db: str | Path | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    isolation: str | None = None,
    executor: str | None = None,
    start_from: Sequence[str] = (),
    observers: Sequence[Observer] = (),
) -> Run:
    """Evolve programs for ``task`` until a budget is spent (500 evaluations where none is given).

    Args:
        task: a task folder, a name of the library such as ``math/circle_packing``, or a `Task`.
        evaluations: most candidates judged.
        hours: most wall time.
        target: a score that is good enough.
        patience: evaluations without a new best.
        slots: candidates judged at the same time.
        seed: the source of every random choice; drawn and stored where not given.
        name: of the run in the archive.
        db: the archive's file.
        config: a TOML file of settings.
        settings: nested settings such as ``{"search": {"islands": 4}}``; they win over all else.
        isolation: the least isolation that will do.
        executor: ``local`` or ``inline``.
        start_from: runs of the archive, or program files, whose programs the run starts from too.
        observers: told of every attempt.

    Raises:
        EvolveError: for whatever the caller can mend, with the remedy.
    """
    flags = options(
        evaluations=evaluations,
        hours=hours,
        target=target,
        patience=patience,
        slots=slots,
        isolation=isolation,
        executor=executor,
    )
    with created(
        task, flags=merge(flags, settings or {}), config=config, seed=seed, name=name, db=db, start_from=start_from
    ) as session:
        session.evolve(observers)
    return Run(session.info.name, database(db), session.reason)


def resume(
    name: str | None = None, *, db: str | Path | None = None, observers: Sequence[Observer] = (), **budget: Any
) -> Run:
    """Go on with a run: the named one, or the newest that is not done. ``budget`` takes the budget arguments of `run`,
    to enlarge it.

    Raises:
        EvolveError: for whatever the caller can mend, with the remedy.
    """
    with reopened(name, db=db, flags=options(**budget)) as session:
        session.evolve(observers)
    return Run(session.info.name, database(db), session.reason)


def optimize(
    initial: str | Sources,
    evaluate: Evaluate,
    brief: str = "",
    *,
    direction: str = "maximize",
    packages: Sequence[str] = (),
    limits: Limits | None = None,
    name: str | None = None,
    db: str | Path | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    start_from: Sequence[str] = (),
    observers: Sequence[Observer] = (),
    **budget: Any,
) -> Run:
    """Evolve the Python program ``initial`` for the score that ``evaluate`` gives it: a task without a folder, from a
    notebook.

    ``evaluate(candidate)`` runs in this process, on a thread per slot, its candidates in jails all the same. A function
    that hangs cannot be killed: it holds its slot until it returns. Such a run cannot be resumed, because the function
    is not stored.

    Args:
        initial: the seed program's text, or its files by path with the entry first.
        evaluate: what judges a `Candidate`.
        brief: what the program is to do, for prompts.
        direction: ``maximize`` or ``minimize``.
        packages: installed distributions that candidates may import.
        limits: of one evaluation.
        name: of the run in the archive.
        db: the archive's file.
        seed: the source of every random choice.
        settings: nested settings.
        start_from: runs of the archive, or program files, whose programs the run starts from too.
        observers: told of every attempt.
        **budget: the budget arguments of `run`, and ``slots`` and ``isolation``.

    Raises:
        EvolveError: for whatever the caller can mend, with the remedy.
    """
    sources = {"initial.py": initial} if isinstance(initial, str) else dict(initial)
    entry = next(iter(sources), "")
    title = getattr(evaluate, "__name__", "function")
    if direction not in ("maximize", "minimize"):
        raise ConfigError(f'direction {direction!r}: give "maximize" or "minimize"')
    try:
        judged_by = inspect.getsource(evaluate)
    except (OSError, TypeError):
        judged_by = repr(evaluate)
    task = Task(
        name=title,
        brief=brief,
        root=Path(),
        entry=entry,
        language="python",
        initial=sources,
        evaluator=Path(),
        harness=None,
        score=Metric("score", "minimize" if direction == "minimize" else "maximize"),
        metrics={},
        limits=limits or Limits(),
        packages=tuple(packages),
        preload=(),
        data=(),
        baselines=(),
        search={},
        allow_nonfinite=False,
        digest=sha256(judged_by.encode()).hexdigest(),
    )
    flags = merge(options(**budget), settings or {})

    def threads(task: Task, config: Config, confinement: Confinement) -> Executor:
        return ThreadExecutor(task, evaluate, confinement, slots_of(config))

    with created(task, flags=flags, seed=seed, name=name, db=db, start_from=start_from, make=threads) as session:
        session.evolve(observers)
    return Run(session.info.name, database(db), session.reason)


def options(**given: Any) -> dict[str, Any]:
    """Return the nested settings that flat arguments stand for; those that are None are not given."""
    budget = ("evaluations", "hours", "target", "patience")
    known = (*budget, "slots", "isolation", "executor")
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ConfigError(f"unknown argument {unknown[0]!r}; known here: {', '.join(known)}")
    named = {name: value for name, value in given.items() if value is not None}
    flags: dict[str, Any] = {name: value for name, value in named.items() if name not in budget}
    if any(name in budget for name in named):
        flags["budget"] = {name: value for name, value in named.items() if name in budget}
    return flags


@contextmanager
def created(
    task: str | Path | Task,
    *,
    flags: Mapping[str, Any],
    config: str | Path | None = None,
    seed: int | None = None,
    name: str | None = None,
    db: str | Path | None = None,
    start_from: Sequence[str] = (),
    make: Make | None = None,
) -> Iterator[Session]:
    """Create a run and open it, its seed judged and ready to evolve.

    Raises:
        EvolveError: for whatever the caller can mend; a run whose seed fails leaves no trace in the archive but its
        failure.
    """
    loaded = task if isinstance(task, Task) else tasks.load(task)
    root = None if loaded.root == Path() else loaded.root
    resolved = resolve(root, {"search": dict(loaded.search)}, file=Path(config) if config else None, flags=flags)
    with Archive(database(db)) as archive:
        others = [found for place in start_from for found in _earlier(archive, loaded, place)]
        drawn = seed if seed is not None else SystemRandom().getrandbits(31)
        info = archive.create_run(name, loaded, drawn, resolved.model_dump(mode="json"))
        with Session(archive, info, loaded, resolved, make) as session:
            session.begin(others)
            yield session


@contextmanager
def reopened(
    name: str | None = None, *, db: str | Path | None = None, flags: Mapping[str, Any] | None = None
) -> Iterator[Session]:
    """Open a run to go on with it: the named one, or the newest that is not done.

    Raises:
        EvolveError: if there is none, its task has changed so that scores would not compare, or another process runs
        it.
    """
    with Archive(database(db), create=False) as archive:
        info = archive.run(name) if name else _unfinished(archive)
        if not info.task_path:
            raise ArchiveError(
                f"run {info.name} was made by evolve.optimize, whose function is not stored: "
                f"call it again with start_from=[{info.name!r}]"
            )
        task = tasks.load(info.task_path)
        if task.digest != info.task_digest:
            raise ArchiveError(
                f"the task in {info.task_path} has changed since run {info.name} began, so old and new scores would not compare; "
                f"start a new run with --from {info.name}"
            )
        config = parse(Config, merge(info.config, flags or {}), where="options")
        archive.resume_run(info.name, config.model_dump(mode="json"))
        with Session(archive, info, task, config) as session:
            session.begin()
            yield session


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
        loop.drain("interrupted")

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
