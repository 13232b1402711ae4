"""A run's state from its rows: what `resume` goes on from, and what `replay` follows.

Each ask and each draft stored how many attempts had been told by then, and each tell its place among the tells. Together they
give back the order in which things happened, so that islands, bandit and tallies come out as they were, without a pickle or
a side file.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from operator import itemgetter

from evolve.archive import Archive, ArmHistory, Sitting
from evolve.errors import ConfigError
from evolve.flight import Flight, board
from evolve.loop import Loop
from evolve.records import Asked, Attempt, Cost
from evolve.standings import Past, Priors, scaled


def events(
    asks: Iterable[Asked],
    tells: Iterable[Attempt],
    drafts: Iterable[tuple[int, int, float]] = (),
    resumes: Sequence[Sitting] = (),
) -> Iterator[tuple[int, Asked | int | Attempt]]:
    """Merge asks (by number), drafts (attempt, tells before, time; by tells) and told attempts (in told order) into the order in
    which the run saw them, each with how many ``resumes`` there had been; a draft comes as the number of its attempt. Between
    two tells of one sitting no ask depends on a draft, and no draft on another one, so there their order is free.
    """
    asked, told, began = ([getattr(one, name) for one in resumes] for name in ("asked", "told", "began"))

    def drafted(before: int, at: float) -> int:
        # The clock says in which sitting a draft was made; the order of tells, which no clock puts wrong, gives the bounds.
        return min(max(bisect_right(began, at), bisect_left(told, before)), bisect_right(told, before))

    placed = sorted((before, drafted(before, at), number) for number, before, at in drafts)
    merged: Iterator[tuple[tuple[int, int, int], Asked | int | Attempt]] = merge(
        (((ask.told, bisect_left(asked, ask.number), 0), ask) for ask in asks),
        (((before, place, 1), number) for before, place, number in placed),
        (((before, bisect_right(told, before), 2), attempt) for before, attempt in enumerate(tells)),
        key=itemgetter(0),
    )
    return ((key[1], event) for key, event in merged)


def earlier_runs(archive: Archive, run: str) -> list[ArmHistory]:
    """Return what a run was told at its beginning of what its arms did in earlier ones."""
    return [ArmHistory(**past) for settings in archive.arms(run).values() for past in settings.get("earlier", ())]


def priors(earlier: Iterable[ArmHistory], worth: float) -> Priors:
    """Return earlier experience as the bandit takes it, worth so many evaluations per arm."""
    known = {
        (past.arm, past.operator): Past(
            past.attempts,
            past.gain,
            Cost(past.evaluations, past.dollars, past.tokens, past.seconds),
            ok=past.ok,
            gained=past.gained,
        )
        for past in earlier
    }
    return scaled(known, worth)


def recount(loop: Loop, asks: Iterable[Asked], tells: Iterable[Attempt]) -> int | None:
    """Bring a fresh ``loop`` to what its run had learnt after ``asks`` and ``tells``, and return the number of the attempt that
    brought the best score; None where a program that the run started from has it.
    """
    leader = None
    for program, _ in loop.archive.seeds(loop.run):
        loop.state.count_seed(program)
    for _, event in events(asks, tells):
        if isinstance(event, Asked):
            loop.state.count_ask(event)
        elif isinstance(event, Attempt):
            loop.budget.evaluations += int(event.cost.evaluations)
            best = loop.budget.best
            loop.state.count_tell(event)
            leader = event.proposal.number if loop.budget.best != best else leader
    loop.budget.fruitful()
    return leader


def rebuild(loop: Loop) -> int:
    """Bring a fresh ``loop`` to the state in which its run was left, and adopt what was asked for and not told.

    Returns:
        How many calls were under way when the run was cut off; each is counted at its most.

    Raises:
        ConfigError: if the budget has become too small for what is under way, or its arm is gone.
    """
    archive, run = loop.archive, loop.run
    leader = recount(loop, archive.asks(run), archive.history(run))
    lost = archive.abandon(run)
    pending = archive.pending(run)
    loop.budget.evaluations = archive.counted(run)
    loop.budget.best_at = 0 if leader is None else archive.counted(run, leader)
    loop.budget.dollars, loop.budget.tokens = archive.spent(run)
    loop.jobs.recall()
    for attempt in sorted(pending, key=lambda one: one.draft is None):  # what is drafted has its evaluation first
        flight = board(attempt, loop.arms, loop.task)
        if attempt.draft is None:
            _converse(loop, flight)
        else:
            _judge(loop, flight)
    loop.champions.begin()
    return lost


def _judge(loop: Loop, flight: Flight) -> None:
    """Take over an attempt that an earlier session drafted and did not tell: nothing that was judged is judged again."""
    flight.retrace()
    if flight.draft is not None and loop.budget.reserve():
        loop.flights.append(flight)
    elif flight.attempt.points:
        loop.tell(flight.attempt)
    else:
        made, cap = loop.budget.evaluations, loop.budget.cap
        raise ConfigError(f"{made} evaluations were made and more are under way: give a budget larger than {cap}")


def _converse(loop: Loop, flight: Flight) -> None:
    """Take over a conversation where an earlier session left it: replies that were paid for are not asked for again."""
    if not loop.budget.reserve():
        return  # it stays as it is, for a resume with a larger budget
    rows = loop.archive.conversation(loop.run, flight.attempt.proposal.number)
    replies = {row.turn: row.reply for row in rows if row.reply is not None}
    prompt = loop.drafts.step(flight)
    while prompt is not None and flight.turn in replies:
        prompt = loop.drafts.step(flight, replies[flight.turn])
    if prompt is not None:
        loop.calls.ask(flight.attempt, flight.turn, prompt, sum(row.turn == flight.turn for row in rows))
    if flight.attempt.stage is None:
        loop.flights.append(flight)
    else:
        loop.tell(flight.attempt)
