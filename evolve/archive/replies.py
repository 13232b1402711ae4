"""What models were asked and answered: each call is a row before it is sent, and a reply is one before it is read."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from evolve.archive.database import Database
from evolve.archive.rows import Exchanged, canonical, clean
from evolve.records import Call, Message, Prompt, Reply

KEY = "run = :run AND attempt = :attempt AND turn = :turn AND tries = :tries"
DONE = f"""
UPDATE replies SET
    state = 'done', closed_at = :now, text = :text, reasoning = :reasoning, finish = :finish, note = :note,
    input_tokens = :input, output_tokens = :output, cached_tokens = :cached, reasoning_tokens = :thought,
    dollars = :dollars, tokens = :tokens, seconds = :seconds, replayed = :replayed
WHERE {KEY} AND state = 'open'
"""
FAILED = f"""
UPDATE replies SET
    state = :state, closed_at = :now, error = :error, status = :status, dollars = :dollars, tokens = :tokens,
    seconds = :seconds
WHERE {KEY} AND state = 'open'
"""
ABANDONED = """
UPDATE replies INDEXED BY replies_open SET state = 'uncertain', closed_at = ?, error = 'evolve ended before the reply came'
WHERE run = ? AND state = 'open'
"""
REPLY = (
    "r.text, r.finish, r.input_tokens, r.output_tokens, r.cached_tokens, r.reasoning_tokens, r.dollars, r.seconds, "
    "r.reasoning, r.note"
)
CALL = (
    "r.turn, r.tries, r.arm, r.state, r.error, r.status, r.parameters, r.reserved_dollars, r.reserved_tokens, "
    "r.dollars, r.tokens, r.seconds, r.opened_at, r.closed_at, r.replayed"
)
PROMPT = "p.messages, r.purpose, p.begin, p.stop, r.template"


def prompt_hash(prompt: Prompt) -> str:
    """Return what names a prompt: the SHA-256 of its messages, its beginning and its ends."""
    return _sha256([_messages(prompt), prompt.begin, list(prompt.stop)])


def request_hash(prompt: Prompt, parameters: Mapping[str, Any]) -> str:
    """Return what two requests have in common if and only if they are equal: prompt, parameters, and files to edit."""
    asked = {"parameters": dict(parameters), "prompt": prompt_hash(prompt)}
    return _sha256(asked | ({"files": dict(prompt.files)} if prompt.files else {}))


class Replies(Database):
    """The part of the archive that keeps conversations with models, and what they cost.

    A call is closed once: what comes after its first end changes nothing.
    """

    def opened(self, run: str, call: Call) -> None:
        """Store a call before it is sent, with the most that it may cost, which counts until it is closed."""
        prompt = prompt_hash(call.prompt)
        with self.transaction():
            self._insert(
                "prompts",
                "hash",
                hash=prompt,
                messages=canonical(_messages(call.prompt)),
                begin=clean(call.prompt.begin),
                stop=canonical(list(call.prompt.stop)),
            )
            self._insert(
                "replies",
                "run, attempt, turn, tries",
                **_key(run, call),
                arm=call.arm,
                purpose=call.prompt.purpose,
                state="open",
                reserved_dollars=call.dollars,
                reserved_tokens=call.tokens,
                dollars=call.dollars,
                tokens=call.tokens,
                opened_at=time.time(),
                prompt=prompt,
                template=clean(call.prompt.template),
                request=request_hash(call.prompt, call.parameters),
                parameters=canonical(dict(call.parameters)),
            )

    def replied(self, run: str, call: Call, reply: Reply, tokens: int, *, replayed: bool = False) -> None:
        """Store what an arm answered, before anybody reads it.

        Args:
            run: the run.
            call: what was asked.
            reply: the answer; its dollars are what the call cost.
            tokens: what counts against a cap.
            replayed: it was taken from another run's recording; it then cost nothing, whatever it cost there.
        """
        columns = {
            "text": clean(reply.text),
            "reasoning": clean(reply.reasoning),
            "finish": reply.finish,
            "note": clean(reply.note),
            "input": reply.input_tokens,
            "output": reply.output_tokens,
            "cached": reply.cached_tokens,
            "thought": reply.reasoning_tokens,
            "dollars": 0.0 if replayed else reply.dollars,
            "tokens": 0 if replayed else tokens,
            "seconds": reply.seconds,
            "replayed": replayed,
        }
        self._close(DONE, run, call, columns)

    def failed(
        self,
        run: str,
        call: Call,
        reason: str,
        *,
        status: int | None,
        uncertain: bool,
        seconds: float,
    ) -> None:
        """Store that no reply came: it counts as nothing, or at the most it may cost where that is ``uncertain``.

        Args:
            run: the run.
            call: what was asked.
            reason: what happened, without secrets.
            status: of HTTP, if there was one.
            uncertain: the service may have charged for it.
            seconds: how long it took.
        """
        columns = {
            "state": "uncertain" if uncertain else "failed",
            "error": clean(reason),
            "status": status,
            "dollars": call.dollars if uncertain else 0.0,
            "tokens": call.tokens if uncertain else 0,
            "seconds": seconds,
        }
        self._close(FAILED, run, call, columns)

    def abandon(self, run: str) -> int:
        """Make the calls uncertain that a crash left open, at the most they may have cost, and return how many."""
        return self._run(ABANDONED, (time.time(), run)).rowcount

    def conversation(self, run: str, number: int) -> list[Exchanged]:
        """Return all that was asked for an attempt, tries that failed too, in order."""
        rows = self._all(
            f"SELECT {CALL}, {PROMPT}, {REPLY} FROM replies AS r JOIN prompts AS p ON p.hash = r.prompt "
            "WHERE r.run = ? AND r.attempt = ? ORDER BY r.turn, r.tries",
            (run, number),
        )
        return [_exchanged(row) for row in rows]

    def answered(self, run: str, request: str) -> int:
        """Return how many replies ``run`` has to requests equal to ``request``."""
        sql = "SELECT count(*) FROM replies WHERE run = ? AND request = ? AND state = 'done'"
        (count,) = self._one(sql, (run, request))
        return int(count)

    def recorded_reply(self, run: str, request: str, place: int) -> Reply | None:
        """Return what ``run`` was answered to a request equal to ``request``, the ``place``-th time (from 0) it was made."""
        row = self._one(
            f"SELECT {REPLY} FROM replies AS r "
            "WHERE r.run = ? AND r.request = ? AND r.state = 'done' ORDER BY r.id LIMIT 1 OFFSET ?",
            (run, request, place),
        )
        return None if row is None else Reply(*row)

    def longest_replies(self, run: str) -> dict[str, int]:
        """Return by arm the most tokens that a reply to ``run`` had, thoughts among them, as its service counted."""
        sql = "SELECT arm, max(output_tokens) FROM replies WHERE run = ? AND state = 'done' GROUP BY arm"
        return {arm: count for arm, count in self._all(sql, (run,)) if count is not None}

    def spent(self, run: str) -> tuple[float, int]:
        """Return the dollars and tokens of ``run`` that count against its caps: calls that are open or uncertain at their
        most, unknown dollars as 0.
        """
        dollars, tokens = self._one(
            "SELECT total(dollars), coalesce(sum(tokens), 0) FROM replies WHERE run = ?", (run,)
        )
        return dollars, tokens

    def _close(self, sql: str, run: str, call: Call, columns: Mapping[str, object]) -> None:
        """Store how a call ended, making its row where `opened` was not called."""
        row = {**_key(run, call), "now": time.time(), **columns}
        with self.transaction():
            if not self._run(sql, row).rowcount:
                self.opened(run, call)
                self._run(sql, row)


def _key(run: str, call: Call) -> dict[str, object]:
    """Return what tells a call from all others."""
    return {"run": run, "attempt": call.number, "turn": call.turn, "tries": call.tries}


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    """Return the messages of a prompt as plain data."""
    return [{"role": message.role, "text": message.text} for message in prompt.messages]


def _sha256(value: object) -> str:
    """Return the hash of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _exchanged(row: tuple[Any, ...]) -> Exchanged:
    """Make a try of the columns `CALL`, `PROMPT` and `REPLY`."""
    turn, tries, arm, state, error, status, parameters, *rest = row
    reserved_dollars, reserved_tokens, dollars, tokens, seconds, opened_at, closed_at, replayed, *rest = rest
    messages, purpose, begin, stop, template, *reply = rest
    asked = tuple(Message(message["role"], message["text"]) for message in json.loads(messages))
    return Exchanged(
        turn=turn,
        tries=tries,
        arm=arm,
        state=state,
        prompt=Prompt(asked, purpose, begin, tuple(json.loads(stop)), template),
        reply=Reply(*reply) if state == "done" else None,
        error=error,
        status=status,
        parameters=json.loads(parameters),
        reserved_dollars=reserved_dollars,
        reserved_tokens=reserved_tokens,
        dollars=dollars,
        tokens=tokens,
        seconds=seconds,
        opened_at=opened_at,
        closed_at=closed_at,
        replayed=bool(replayed),
    )
