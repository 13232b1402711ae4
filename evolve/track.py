"""Keeps a record of runs where people already look: Weights & Biases here, any other service through the same seam
(`evolve.seams.Tracker`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from evolve import __version__
from evolve.errors import ArchiveError, ConfigError, sentence
from evolve.records import Attempt, Task
from evolve.seams import Beginning, Ending, Ledger, Observer, Tracker

if TYPE_CHECKING:
    from evolve.session import Session

WAIT = 60.0
"""Seconds that the end of a sitting waits for what was not sent yet; it stays on this machine in any case."""
HERE = ("offline", "dryrun", "disabled")
"""W&B's modes that need no key."""


class WandB:
    """Records runs in Weights & Biases: what each attempt scored and cost, and the best program as an artifact.

    A resumed run goes on as the same run there. Its programs and settings leave this machine, unless ``mode`` is ``offline``.

    Args:
        project: the project; that of W&B's own settings where not given, else ``evolve``.
        entity: the user or team; the default of the account where not given.
        mode: ``online`` or ``offline``; what W&B's own settings say where not given.
        **init: further arguments of `wandb.init`, such as ``group``, ``tags`` or ``dir``.

    Raises:
        ConfigError: if wandb is not installed, or there is no key for it.
    """

    package = "wandb"

    def __init__(
        self, project: str | None = None, entity: str | None = None, mode: str | None = None, **init: Any
    ) -> None:
        _check_wandb(mode)
        self._project, self._entity, self._mode, self._init = project, entity, mode, init
        self._begun: Beginning
        self._run: Any = None
        self._told = 0
        self._arms: Counter[str] = Counter()

    def begin(self, beginning: Beginning, /) -> None:
        """Begin the run there, or go on with it."""
        wandb = import_module("wandb")
        quiet = {"console": "off", "silent": True, "disable_git": True, "disable_code": True}
        limits = {"finish_timeout": WAIT, "finish_timeout_raises": True}
        given = {"reinit": "create_new", "group": beginning.task.name, "settings": wandb.Settings(**quiet, **limits)}
        self._run = wandb.init(
            project=self._project or os.environ.get("WANDB_PROJECT") or "evolve",
            entity=self._entity,
            mode=self._mode,
            id=beginning.key,
            name=beginning.run,
            resume="allow",
            config=_facts(beginning),
            **given | self._init,
        )
        self._begun, self._told, self._arms = beginning, beginning.told, Counter(beginning.pulls)
        self._run.define_metric("evaluations")
        for shown in ("best", "score", "gain", "dollars", "tokens", "seconds", "arms/*", "metrics/*", "attempt/*"):
            self._run.define_metric(shown, step_metric="evaluations")
        if not beginning.told:
            self._run.log(_sums(beginning.ledger), step=0)
        offline = f"offline in {os.path.dirname(self._run.dir)}; `wandb sync` sends it"
        beginning.say(f"W&B: {offline if self._run.offline else self._run.url or 'disabled, nothing is recorded'}")

    def __call__(self, attempt: Attempt, /) -> None:
        """Log an attempt; the step is its place among the told ones, so that a resumed run goes on behind them."""
        self._told += 1
        self._arms[attempt.proposal.arm] += 1
        pulls = {f"arms/{arm}": count for arm, count in self._arms.items()}
        self._run.log(_row(attempt) | pulls | _sums(self._begun.ledger), step=self._told)

    def end(self, ending: Ending, /) -> None:
        """Store the best program and finish."""
        artifact = import_module("wandb").Artifact(
            f"{self._begun.key}-best", "program", metadata=_known({"score": ending.best.score, "id": ending.best.id})
        )
        for path, text in ending.best.sources.items():
            with artifact.new_file(path, encoding="utf-8") as file:
                file.write(text)
        self._run.log_artifact(artifact, aliases=["best"])
        self._run.summary.update(
            _sums(self._begun.ledger)
            | {"ended": ending.reason, "program": ending.best.id, "code": ending.best.code[:10_000]}
        )
        self._run.finish(exit_code=int(ending.failed))


TRACKERS: Mapping[str, Callable[[], Tracker]] = {"wandb": WandB}
"""What the setting ``track`` names."""


def require_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that cannot work, before anything is spent on the run that they were to follow.

    Raises:
        ConfigError: naming what is missing, and the command that mends it.
    """
    for name in names:
        TRACKERS[name]()


class Guarded:
    """A tracker whose package may break without ending the run."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._say: Callable[[str], None] = print
        self._well = True

    def begin(self, beginning: Beginning) -> None:
        """Begin, or be left in peace from now on."""
        self._say, self._well = beginning.say, True
        with self._kept():
            self._tracker.begin(beginning)

    def __call__(self, attempt: Attempt, /) -> None:
        """Pass an attempt on."""
        if self._well:
            with self._kept():
                self._tracker(attempt)

    def end(self, ending: Ending) -> None:
        """Pass the end on."""
        if self._well:
            with self._kept():
                self._tracker.end(ending)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Take what breaks inside the tracker's package as a notice; all else is raised."""
        try:
            yield
        except Exception as error:
            if not _inside(error, self._tracker.package):
                raise
            self._well = False
            self._say(f"{self._tracker.package} failed, the run goes on without it: {sentence(error)}")


@contextmanager
def observed(session: Session, observers: Sequence[Observer]) -> Iterator[None]:
    """Let observers, and the trackers that the settings name, follow a sitting."""
    loop, named = session.loop, [TRACKERS[name]() for name in session.config.track]
    trackers = [Guarded(one) for one in (*observers, *named) if isinstance(one, Tracker)]
    loop.observers = [*(one for one in observers if not isinstance(one, Tracker)), *trackers]
    beginning = _beginning(session)
    for tracker in trackers:
        tracker.begin(beginning)
    try:
        yield
    except BaseException as error:
        _end(session, trackers, sentence(error), failed=True)
        raise
    _end(session, trackers, session.reason, failed=False)


def _beginning(session: Session) -> Beginning:
    loop, info = session.loop, session.info
    born = f"{info.name} {info.created!r} {info.seed} {info.task_digest}"  # not where the archive is: files move
    pulls: Counter[str] = Counter()
    achieved, _ = session.archive.achieved(info.name)
    for row in achieved:
        pulls[row.arm] += row.told
    return Beginning(
        run=info.name,
        key=f"{info.name[:40]}-{sha256(born.encode()).hexdigest()[:12]}",
        task=session.task,
        config=session.config.model_dump(mode="json"),
        seed=info.seed,
        pulls=pulls,
        ledger=loop.budget,
        say=session.say,
    )


def _end(session: Session, trackers: Sequence[Guarded], reason: str, *, failed: bool) -> None:
    if not trackers:
        return
    with suppress(ArchiveError):  # as after one that ended the run
        ending = Ending(reason, failed, session.archive.best(1, session.info.name)[0])
        for tracker in trackers:
            tracker.end(ending)


def _check_wandb(mode: str | None) -> None:
    """Refuse to begin without the package, or without a key where one is needed; asks nobody and sends nothing."""
    if find_spec("wandb") is None:
        raise ConfigError("Weights & Biases needs the package wandb: pip install 'evolve-programs[wandb]'")
    wandb = import_module("wandb")
    if (mode or wandb.setup().settings.mode) in HERE:
        return
    try:
        known, why = wandb.login(prompt=False, verify=False), "there is no key on this machine"
    except wandb.Error as error:
        known, why = False, sentence(error)
    if not known:
        raise ConfigError(
            f"Weights & Biases: {why}; run `wandb login`, or keep the record on this machine: WANDB_MODE=offline"
        )


def _inside(error: BaseException, package: str) -> bool:
    """Return whether an error came out of code of ``package``, or of what that called."""
    names = (str(frame.f_globals.get("__name__", "")) for frame, _ in walk_tb(error.__traceback__))
    return any(name == package or name.startswith(f"{package}.") for name in names)


def _facts(beginning: Beginning) -> dict[str, Any]:
    """Return what is said of a run as a whole: its task and its settings."""
    return {
        "task": _task(beginning.task),
        "run": beginning.run,
        "seed": beginning.seed,
        "evolve": __version__,
        **beginning.config,
    }


def _task(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "variant": task.variant,
        "digest": task.digest,
        "brief": task.brief,
        "direction": task.score.direction,
        "unit": task.score.unit,
        "baselines": {one.name: one.score for one in task.baselines},
    }


def _sums(ledger: Ledger) -> dict[str, Any]:
    """Return what a run has come to."""
    return _known(
        {
            "best": ledger.best,
            "evaluations": ledger.evaluations,
            "dollars": ledger.dollars,
            "tokens": ledger.tokens,
            "seconds": ledger.seconds,
        }
    )


def _row(attempt: Attempt) -> dict[str, Any]:
    """Return what became of one attempt; what is not known, such as the score of a failed one, is left out."""
    asked, program = attempt.proposal, attempt.program
    metrics = {} if program is None else program.metrics
    return _known(
        {
            "score": None if program is None else program.score,
            "gain": attempt.gain,
            "status": None if program is None else program.status,
            "stage": attempt.stage,
            "arm": asked.arm,
            "operator": asked.operator,
            "island": asked.island,
            "attempt": asked.number,
            "program": None if program is None else program.id,
            **{f"metrics/{name}": value for name, value in metrics.items()},
            **{f"attempt/{name}": value for name, value in asdict(attempt.cost).items()},
        }
    )


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
