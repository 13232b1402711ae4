"""The doors in Python: `run`, `resume`, `optimize`, and `Search` for a loop of your own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from evolve.archive import Archive, RunInfo
from evolve.config import Config, merge
from evolve.errors import ConfigError
from evolve.executor import ThreadExecutor
from evolve.jail import Confinement
from evolve.judge import Candidate
from evolve.records import Attempt, Limits, Metric, Program, Proposal, Result, Sources, Task
from evolve.seams import Executor, Observer
from evolve.session import created, database, options, reopened, slots_of
from evolve.track import observed

if TYPE_CHECKING:
    from evolve.view.drawing.scores import Against
    from evolve.view.notebook import Plot

PLACES = ("config", "seed", "name", "start_from", "models")
"""The arguments of `run` that are no settings."""

Evaluate = Callable[[Candidate], Result | dict[str, Any] | float]


class Search:
    """A new run for a loop of your own: ``ask``, ``work`` and ``tell``, all from one thread; close it, or use it as a
    context manager.

        with evolve.Search("math/circle_packing", evaluations=50) as search:
            while not search.spent():
                search.tell(search.work(search.ask()))

    Takes the arguments of `run`, but for ``observers``.
    """

    def __init__(self, task: str | Path | Task, *, db: str | Path | None = None, **arguments: Any) -> None:
        named = {key: arguments.pop(key) for key in PLACES if key in arguments}
        settings = arguments.pop("settings", None) or {}
        self._closed = False
        self._stack = ExitStack()
        self._session = self._stack.enter_context(
            created(task, flags=merge(options(**arguments), settings), db=db, **named)
        )
        self._stack.enter_context(observed(self._session, ()))
        self.name = self._session.info.name
        self.work = self._session.loop.work

    def ask(self) -> Proposal:
        """Return what to try next; while people keep the run paused, wait.

        Raises:
            ConfigError: if the budget is spent, or the search closed.
            ModelError: when no model can be asked any more and the run is not to go on without.
        """
        if self._closed:
            raise ConfigError(f"this search is closed; evolve.resume({self.name!r}) goes on with its run")
        loop = self._session.loop
        loop.heed()
        while loop.commands.paused:
            loop.executor.pump(1.0)
            loop.heed()
        return loop.ask()

    def spent(self) -> str:
        """Return why there is nothing more to ask for, or an empty string."""
        loop = self._session.loop
        loop.heed()
        return loop.draining or loop.budget.spent()

    def tell(self, attempt: Attempt) -> None:
        """Store what became of an attempt, and let the search learn from it; a program that wants to be champion is judged again
        before this returns.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing.
        """
        self._session.loop.tell(attempt)
        self._session.loop.judging.review()

    @property
    def best(self) -> Program:
        """The best program so far, also once it is closed."""
        return Run(self.name, self._session.archive.path, "").best

    def close(self) -> None:
        """End the run and free its slots; the archive keeps it, and `resume` goes on with it unless its budget is
        spent.
        """
        if not self._closed:
            self._closed = True
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

    def plot(self, against: Against = "evaluations") -> Plot:
        """Return a chart of how the run went, against ``evaluations``, ``dollars``, ``tokens`` or ``hours``."""
        with Archive(self.db, create=False) as archive:
            return archive.plot(self.name, against=against)

    def _repr_html_(self) -> str:
        from evolve.view.notebook import run_html  # for notebooks alone

        with Archive(self.db, create=False) as archive:
            return run_html(archive, self.name)


def run(
    task: str | Path | Task,
    *,
    models: str | Sequence[str] = (),
    evaluations: int | None = None,
    usd: float | None = None,
    tokens: int | None = None,
    hours: float | None = None,
    target: float | None = None,
    patience: int | None = None,
    slots: int | None = None,
    workers: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    db: str | Path | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    isolation: str | None = None,
    executor: str | None = None,
    start_from: str | Sequence[str] = (),
    replay_from: str | None = None,
    observers: Sequence[Observer] = (),
) -> Run:
    """Evolve programs for ``task`` until a budget is spent (500 evaluations where none is given).

    Args:
        task: a task folder, a name of the library such as ``math/circle_packing``, or a `Task`.
        models: the models to ask, such as ``gpt-5-mini`` or ``openai/NAME@http://127.0.0.1:8080/v1``; those of the settings
            where none is given.
        evaluations: most candidates judged.
        usd: most dollars paid for replies.
        tokens: most tokens of prompts and replies.
        hours: most wall time.
        target: a score that is good enough.
        patience: evaluations without a new best.
        slots: candidates judged at the same time.
        workers: calls of models at the same time.
        seed: the source of every random choice; drawn and stored where not given.
        name: of the run in the archive.
        db: the archive's file.
        config: a TOML file of settings.
        settings: nested settings such as ``{"search": {"islands": 4}}``; they win over all else.
        isolation: the least isolation that will do.
        executor: ``local`` or ``inline``.
        start_from: runs of the archive, or program files, whose programs the run starts from too.
        replay_from: a run of the archive whose recorded replies answer equal requests, at no cost.
        observers: told of every attempt.

    Raises:
        EvolveError: for whatever the caller can mend, with the remedy.
    """
    flags = options(
        evaluations=evaluations,
        usd=usd,
        tokens=tokens,
        hours=hours,
        target=target,
        patience=patience,
        slots=slots,
        workers=workers,
        isolation=isolation,
        executor=executor,
        replay_from=replay_from,
    )
    with created(
        task,
        flags=merge(flags, settings or {}),
        models=models,
        config=config,
        seed=seed,
        name=name,
        db=db,
        start_from=start_from,
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
    start_from: str | Sequence[str] = (),
    models: str | Sequence[str] = (),
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
        limits: of one evaluation on one seed.
        name: of the run in the archive.
        db: the archive's file.
        seed: the source of every random choice.
        settings: nested settings.
        start_from: runs of the archive, or program files, whose programs the run starts from too.
        models: the models to ask, as for `run`.
        observers: told of every attempt.
        **budget: the budget arguments of `run`, and ``slots``, ``workers`` and ``isolation``.

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
        data=(),
        baselines=(),
        search={},
        allow_nonfinite=False,
        digest=sha256(judged_by.encode()).hexdigest(),
    )
    flags = merge(options(**budget), settings or {})

    def threads(task: Task, config: Config, confinement: Confinement) -> Executor:
        return ThreadExecutor(task, evaluate, confinement, slots_of(config, task), fresh=config.fresh)

    with created(
        task, flags=flags, models=models, seed=seed, name=name, db=db, start_from=start_from, make=threads
    ) as session:
        session.evolve(observers)
    return Run(session.info.name, database(db), session.reason)
