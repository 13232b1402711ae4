"""The calls of a run: reserved and committed before they are sent, committed when they return, tried again, given up.

A call waits in the queue until its arm may be asked, a worker is free, and the ledger can reserve the most that it may cost.
Then its row is written, the loop commits, and only then does a thread send it. What returns is committed before anyone
reads it. Every try is a row of its own, so a crash leaves at most the calls under way in doubt, each at its most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from random import SystemRandom

from evolve.archive import Archive, request_hash
from evolve.arms import Arm
from evolve.budget import Budget
from evolve.config import Config
from evolve.lengths import about
from evolve.pace import LONGEST_REST, Pace
from evolve.pricing import most
from evolve.records import Attempt, Call, Prompt, Reply
from evolve.seams import CallFailed, Stop

BACK_OFF = 1 / 60
"""The share of a rest (`llm.rest`) before the second try; twice as long before each further one, up to a whole rest, each half to
one and a half of it by chance, so that workers do not come back together.
"""

Notice = Callable[[str], None]


@dataclass(slots=True)
class Waiting:
    """A call in the queue: not before ``due`` (a monotonic time), and given up after ``tries`` tries in all. One that is
    ``blocked`` waits for another one to return.
    """

    attempt: Attempt
    call: Call
    tries: int
    due: float = 0.0
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """What a thread brings back: a reply, a failure, or an exception that is a mistake of ours."""

    waiting: Waiting
    outcome: Reply | CallFailed | BaseException
    seconds: float


class Calls:
    """The queue and the calls under way. All methods belong to the loop's thread.

    Args:
        archive: where every try is kept; ``run`` is the run's name in it.
        arms: whom to ask.
        budget: the ledger.
        config: how many workers and tries, how long a rest; another run whose recorded replies answer equal requests.
        wake: called from a thread when a call is over.
        say: told what a person should know: an arm that rests or ends.

    Attributes:
        paces: how each arm that is asked fares.
        under_way: how many calls are.
        broke: the cap that ended an arm because it could not be paid any more; empty while none did.
    """

    def __init__(
        self,
        archive: Archive,
        run: str,
        arms: Mapping[str, Arm],
        budget: Budget,
        config: Config,
        *,
        wake: Callable[[], None],
        say: Notice,
    ) -> None:
        self._archive, self._run, self._arms, self._budget = archive, run, arms, budget
        self._workers, self._llm = config.workers, config.llm
        self._wake, self._say, self._recording = wake, say, config.replay_from
        self._queue: list[Waiting] = []
        self._opened: list[Waiting] = []
        self._returned: SimpleQueue[Returned] = SimpleQueue()
        self._random = SystemRandom()
        self._clients = {name: arm.client for name, arm in arms.items() if arm.client is not None}
        self.paces = {
            name: Pace(arms[name].model, config.workers, config.llm.rest, config.llm.tries) for name in self._clients
        }
        known = archive.longest_replies(run)
        self._longest = {name: max(arm.max_tokens, known.get(name, 0)) for name, arm in self._clients.items()}
        self.under_way = 0
        self.broke = ""

    # ------------------------------------------------------------------ what the loop asks

    def barred(self) -> tuple[str, ...]:
        """Return the arms that cannot be asked now: resting or ended."""
        now = time.monotonic()
        return tuple(name for name, pace in self.paces.items() if pace.barred(now))

    def busy(self) -> bool:
        """Whether another call would have to wait for a worker."""
        return self.under_way + len(self._queue) >= self._workers

    def resting(self) -> bool:
        """Whether every model rests or has ended; one that was asked to wait for a moment does not rest."""
        now = time.monotonic()
        return all(pace.ended or pace.rests(now) for pace in self.paces.values())

    def awaited(self) -> bool:
        """Whether a reply may yet come: a call waits or is under way, or a model rests and will be asked again."""
        now = time.monotonic()
        return bool(self._queue or self.under_way) or any(
            not pace.ended and pace.barred(now) for pace in self.paces.values()
        )

    def ended(self) -> str:
        """Return why no model can ever be asked again; empty while one can."""
        if not self.paces or any(not pace.ended for pace in self.paces.values()):
            return ""
        return "; ".join(f"{name}: {pace.ended}" for name, pace in self.paces.items())

    def delay(self) -> float:
        """Return the seconds until a call of the queue may become due, or an arm has rested; at most one, so that clocks and
        caps are looked at. What waits for a call to return needs none: that wakes the loop.
        """
        now = time.monotonic()
        due = [waiting.due for waiting in self._queue if not waiting.blocked]
        due += [pace.until for pace in self.paces.values() if not pace.ended and pace.until > now]
        return min([1.0, *(max(at - now, 0.01) for at in due)])

    # ------------------------------------------------------------------ a call's way

    def ask(self, attempt: Attempt, turn: int, prompt: Prompt, tries: int = 0) -> None:
        """Queue the next call of an attempt, of which ``tries`` are in the archive already."""
        arm = self._arms[attempt.proposal.arm]
        parameters = self._clients[arm.name].parameters(prompt)
        call = self._bounded(Call(attempt.proposal.number, turn, tries, arm.name, prompt, parameters, None, 0))
        self._queue.append(Waiting(attempt, call, tries + self._llm.tries))

    def open(self) -> list[tuple[Attempt, Reply | Stop]]:
        """Reserve and store the calls that may be sent now, part of the caller's transaction.

        Returns:
            What is known without sending: recorded replies, and the end of attempts that nothing is left to pay for.
        """
        known: list[tuple[Attempt, Reply | Stop]] = []
        now, queue, self._queue = time.monotonic(), self._queue, []
        for waiting in queue:
            outcome = self._recorded(waiting.call) or self._open(waiting, now)
            if outcome is not None:
                known.append((waiting.attempt, outcome))
        return known

    def _open(self, waiting: Waiting, now: float) -> Stop | None:
        """Open one call, or put it back; a Stop if it can never be sent."""
        # Another's reply may have shown that the bound was too low, or that the service takes no beginning of a reply.
        parameters = self._clients[waiting.call.arm].parameters(waiting.call.prompt)
        call = waiting.call = self._bounded(replace(waiting.call, parameters=parameters))
        pace = self.paces[call.arm]
        if pace.ended:
            return Stop("draft", f"{call.arm} has ended: {pace.ended}")
        if pace.rests(now) and self._others(now):
            return Stop("draft", f"{call.arm} rests, and others can be asked: {pace.resting}")
        tokens = self._about(call)
        wait = pace.wait(now, tokens)
        waiting.due = max(waiting.due, now + (wait or 0.0))
        waiting.blocked = waiting.due <= now and (wait is None or self.under_way >= self._workers)
        if waiting.blocked or waiting.due > now:
            self._queue.append(waiting)
        elif self._budget.hold(call.dollars, call.tokens):
            self._archive.opened(self._run, call)
            self._opened.append(waiting)
            self.under_way += 1
            pace.sent(now, tokens)
        elif self.under_way and self._budget.affords(call.dollars, call.tokens):
            waiting.blocked = True  # what calls under way do not use is set free when they return
            self._queue.append(waiting)
        else:
            self.broke = self._budget.short(call.dollars)
            self._end(call.arm, f"what is left of the budget does not pay for another call ({_price(call)})")
            return Stop("draft", f"{call.arm} has ended: {pace.ended}")
        return None

    def _bounded(self, call: Call) -> Call:
        """Return a call with the most that it may cost, as far as is known now."""
        dollars, tokens = most(call.prompt, self._longest[call.arm], self._arms[call.arm].price)
        return replace(call, dollars=dollars, tokens=tokens)

    def _about(self, call: Call) -> int:
        """Return about how many tokens a service counts for a call; what is reserved is a bound, several times as many."""
        longest = self._longest[call.arm]
        return about(call.prompt) + longest if longest else 0

    def _others(self, now: float) -> bool:
        """Whether another arm could make the attempt of one that rests."""
        if any(not pace.barred(now) for pace in self.paces.values()):
            return True
        return self._llm.without == "continue" and len(self._arms) > len(self.paces)

    def send(self) -> None:
        """Send what `open` stored, each call on a thread of its own: the loop has committed."""
        opened, self._opened = self._opened, []
        for waiting in opened:
            threading.Thread(
                target=self._send, args=(waiting,), name=f"call to {waiting.call.arm}", daemon=True
            ).start()

    def _send(self, waiting: Waiting) -> None:
        """Ask once; runs on a thread."""
        began = time.monotonic()
        outcome: Reply | BaseException
        try:
            outcome = self._clients[waiting.call.arm].send(waiting.call.prompt)
        except BaseException as error:  # noqa: BLE001 - carried to the loop's thread, which raises what is no CallFailed
            outcome = error
        self._returned.put(Returned(waiting, outcome, time.monotonic() - began))
        self._wake()

    def collect(self) -> list[tuple[Attempt, Reply | Stop]]:
        """Store and commit what has returned, and return the replies, and the ends of attempts given up.

        Raises:
            BaseException: what a client raised by a mistake of ours, or what could not be stored; what returned with it is
                stored.
        """
        returned: list[Returned] = []
        while True:
            try:
                returned.append(self._returned.get_nowait())
            except Empty:
                break
        known: list[tuple[Attempt, Reply | Stop]] = []
        mistakes: list[BaseException] = []
        for back in returned:
            if isinstance(back.outcome, BaseException) and not isinstance(back.outcome, CallFailed):
                mistakes.append(back.outcome)
            try:
                with self._archive.transaction():  # one each: what is wrong with one reply must not cost another
                    outcome = self._settle(back)
            except Exception as error:  # noqa: BLE001 - raised below, once the others are stored
                mistakes.append(error)
                continue
            if outcome is not None:
                known.append((back.waiting.attempt, outcome))
        if mistakes:
            raise mistakes[0]
        return known

    # ------------------------------------------------------------------ how a call ends

    def _settle(self, back: Returned) -> Reply | Stop | None:
        call, pace = back.waiting.call, self.paces[back.waiting.call.arm]
        self.under_way -= 1
        pace.returned()
        if isinstance(back.outcome, CallFailed):
            return self._failed(back, back.outcome)
        if isinstance(back.outcome, BaseException):
            return None  # its row stays open, which counts it at its most
        self._learn(call.arm, back.outcome.output_tokens or 0)
        price = self._arms[call.arm].price
        paid = None if price is None else price.of(back.outcome, call.prompt, self._longest[call.arm])
        reply = replace(back.outcome, seconds=back.seconds, dollars=paid)
        tokens = call.tokens
        if reply.input_tokens is not None and reply.output_tokens is not None:
            tokens = reply.input_tokens + reply.output_tokens
        self._archive.replied(self._run, call, reply, tokens)
        self._charge(back, reply.dollars, tokens)
        if pace.succeeded():
            self._say(f"{call.arm} answers again")
            self._archive.arm_state(self._run, call.arm, "ready", "")
        return reply

    def _learn(self, arm: str, tokens: int) -> None:
        """Take note of how long a reply was: where a service does not hold to ``max_tokens``, more is reserved from now on."""
        if 0 < self._longest[arm] < tokens:
            self._say(
                f"{arm}: {tokens} tokens were counted for a reply that was to have {self._longest[arm]} at most (thoughts may "
                f"count besides); from now on {tokens} are reserved for each"
            )
            self._longest[arm] = tokens

    def _failed(self, back: Returned, failure: CallFailed) -> Stop | None:
        """Store a try without a reply, and queue the next one or give the attempt up."""
        waiting, call, now = back.waiting, back.waiting.call, time.monotonic()
        dollars, tokens = (call.dollars, call.tokens) if failure.charged else (0.0, 0)
        self._archive.failed(
            self._run,
            call,
            failure.reason,
            status=failure.status,
            uncertain=failure.charged,
            seconds=back.seconds,
        )
        self._charge(back, dollars, tokens)
        pace = self.paces[call.arm]
        if failure.permanent:
            self._end(call.arm, failure.reason)
            return Stop("draft", failure.reason)
        asked = failure.retry_after or 0.0
        rest = pace.failed(now, failure.reason, asked)
        if rest:
            longer = f" (it asked for {asked:g} s)" if asked > LONGEST_REST else ""
            self._say(f"{call.arm} rests for {round(rest, 2):g} s{longer}: {failure.reason}")
            self._archive.arm_state(self._run, call.arm, "resting", failure.reason)
        made = call.tries + 1
        if made >= waiting.tries:
            return Stop("draft", f"no reply after {self._llm.tries} tries: {failure.reason}")
        before = self._llm.tries - (waiting.tries - made) - 1
        wait = self._llm.rest * min(BACK_OFF * 2.0**before, 1.0) * self._random.uniform(0.5, 1.5)
        due = now + max(wait, min(asked, LONGEST_REST))
        parameters = self._clients[call.arm].parameters(call.prompt)  # a refusal may have changed what is sent
        again = Waiting(waiting.attempt, replace(call, tries=made, parameters=parameters), waiting.tries, due)
        self._queue.append(again)
        return None

    def _charge(self, back: Returned, dollars: float | None, tokens: int) -> None:
        """Turn what was reserved for a call into what it cost, in the ledger and in its attempt."""
        attempt, call = back.waiting.attempt, back.waiting.call
        self._budget.settle((call.dollars or 0.0, call.tokens), (dollars or 0.0, tokens))
        attempt.dollars += dollars or 0.0
        attempt.tokens += tokens
        attempt.seconds += back.seconds

    def _end(self, arm: str, reason: str) -> None:
        """Never ask ``arm`` again in this sitting."""
        if not self.paces[arm].ended:
            self.paces[arm].ended = reason
            self._say(f"{arm} has ended: {reason}")
            self._archive.arm_state(self._run, arm, "ended", reason)

    def drop(self) -> list[Attempt]:
        """Empty the queue and return its attempts: they stay asked for, and a resume goes on with them."""
        dropped, self._queue = self._queue, []
        return [waiting.attempt for waiting in dropped]

    def _recorded(self, call: Call) -> Reply | None:
        """Return what the recording answers to an equal request, its next answer each time; stored as the run's own."""
        if self._recording is None:
            return None
        request = request_hash(call.prompt, call.parameters)
        place = self._archive.answered(self._run, request)
        reply = self._archive.recorded_reply(self._recording, request, place)
        if reply is None:
            return None
        free = replace(reply, dollars=0.0, seconds=0.0)
        self._archive.replied(self._run, call, free, 0, replayed=True)
        return free


def _price(call: Call) -> str:
    """Return the most that a call may cost, for people."""
    tokens = f"up to {call.tokens} tokens"
    return tokens if call.dollars is None else f"{tokens}, ${call.dollars:.4g}"
