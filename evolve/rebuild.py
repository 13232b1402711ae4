"""A run's state from its rows: what `resume` goes on from, and what `replay` follows.

Each ask stored how many attempts had been told by then, and each tell its place among the tells. Together they give
back the order in which things happened, so that islands, bandit and tallies come out as they were, without a pickle or
a side file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evolve.loop import Loop
from evolve.records import Asked, Attempt


def events(asks: Iterable[Asked], tells: Iterable[Attempt]) -> Iterator[Asked | Attempt]:
    """Merge asks (by number) and told attempts (in told order) into the order in which the run saw them."""
    told = 0
    coming = iter(tells)
    for ask in asks:
        while told < ask.told:
            yield next(coming)
            told += 1
        yield ask
    yield from coming


def rebuild(loop: Loop) -> None:
    """Bring a fresh ``loop`` to the state in which its run was left, and adopt what was drafted and not told.

    Raises:
        ConfigError: if the budget has become too small for what is under way.
    """
    archive, run = loop.archive, loop.run
    for program, _ in archive.seeds(run):
        loop.state.count_seed(program)
    for event in events(archive.asks(run), archive.history(run)):
        if isinstance(event, Asked):
            loop.state.count_ask(event)
        else:
            loop.budget.evaluations += len(event.points)
            loop.state.count_tell(event)
    loop.budget.barren = 0
    pending = archive.pending(run)
    loop.budget.evaluations = archive.counted(run)
    for attempt in pending:
        loop.adopt(attempt)
