"""An OpenAI-compatible server that answers by script, counts and charges what it serves, and fails when it is told to.

    with ScriptedServer(["first answer", "second answer"], faults=["429", None, "drop"]) as server:
        ...  # ask server.url
        assert server.bill <= cap

By itself, for benchmarks: ``python -m evolve.testing.server --answers simulated`` prints ``ready URL``, and ``GET /bill``
tells what it served and charged.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from fractions import Fraction
from itertools import count
from math import ceil
from pathlib import Path
from threading import Lock
from types import TracebackType

from evolve.testing.faults import Fault, status_of
from evolve.testing.listener import Listener, Request, complaint, response
from evolve.testing.replies import Answer, Price, Reply, completion, events, made_of

Script = str | Answer | Sequence[str | Answer] | Callable[[Request], str | Answer]
"""What to answer: always the same; one after the other, the last for ever; or whatever a function makes of the request."""
Plan = Sequence[Fault | None] | Callable[[int, Request], Fault | None]
"""What goes wrong: for the first requests in order, or by the number of the request, from 0, and the request."""


class ScriptedServer(Listener):
    """The server; listening as soon as it is made, and closed by `close` or the end of its ``with``.

    It counts tokens as `evolve.testing.tokens` does: one for each 4 bytes and 4 for each message, so that a bound of one
    token per byte and 8 per message always holds. It charges a reply in full when it begins to answer, also where the
    reply then breaks off; an error status is not charged. Like a real server it cuts a reply before a ``stop`` text and
    at ``max_tokens``.

    Args:
        answers: what to answer, or that by the name of the model; a model without a script is not found.
        models: the names that ``GET /v1/models`` lists; those of ``answers`` where it tells models apart.
        price: dollars for a million tokens, of prompt and of reply.
        faults: what goes wrong with which request; see `evolve.testing.faults`.
        latency: seconds before each answer begins.
        prefill: go on from a last message of the assistant's, and answer with the continuation alone.
        retry_after: seconds that ``429-after``, ``429-date`` and ``503-after`` ask to wait.
        patience: seconds after which ``hang`` and ``drip`` close the connection.
        drip: seconds between two bytes of ``drip``.
        keep: the most requests remembered, the latest; all where None.
        port: where to listen; a free port where 0.
    """

    def __init__(
        self,
        answers: Script | Mapping[str, Script],
        *,
        models: Sequence[str] = ("scripted",),
        price: Price = (0.0, 0.0),
        faults: Plan = (),
        latency: float = 0.0,
        prefill: bool = False,
        retry_after: float = 1.0,
        patience: float = 60.0,
        drip: float = 0.05,
        keep: int | None = None,
        port: int = 0,
    ) -> None:
        self._scripts: Mapping[str, Script] | None = answers if isinstance(answers, Mapping) else None
        self._script: Script = "" if isinstance(answers, Mapping) else answers
        self.models = tuple(answers) if isinstance(answers, Mapping) else tuple(models)
        self._price, self._faults, self._latency, self._prefill = price, faults, latency, prefill
        self._retry_after, self._patience, self._drip = retry_after, patience, drip
        self._count = Lock()
        self._received: deque[Request] = deque(maxlen=keep)
        self._asked = 0
        self._turns: dict[str | None, count[int]] = {}
        self._served = self._input = self._output = 0
        self._dollars = Fraction()
        super().__init__(port)  # the last step: requests come from here on

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[Request]:
        """The requests so far, of ``/v1`` and ``/health``."""
        with self._count:
            return list(self._received)

    @property
    def served(self) -> int:
        """How many replies were begun, and so charged."""
        return self._served

    @property
    def bill(self) -> float:
        """Dollars charged: the exact sum, rounded once."""
        with self._count:
            return float(self._dollars)

    @property
    def tokens(self) -> int:
        """Tokens charged, of prompts and replies."""
        with self._count:
            return self._input + self._output

    def totals(self) -> dict[str, int | float]:
        """Return what ``GET /bill`` tells."""
        with self._count:
            return {
                "requests": self._asked,
                "served": self._served,
                "input_tokens": self._input,
                "output_tokens": self._output,
                "dollars": float(self._dollars),
            }

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def answer(self, request: Request, connection: socket.socket) -> bool:
        """Answer ``request``; return whether the connection can be kept."""
        if request.path == "/bill":
            connection.sendall(response(200, json.dumps(self.totals()).encode()))
            return True
        with self._count:
            self._received.append(request)
        pages: dict[str, object] = {
            "/health": {"status": "ok"},
            "/v1/models": {"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]},
        }
        if request.path == "/v1/chat/completions":
            if request.method != "POST":
                return _refuse(connection, 405, "use POST")
            return self._chat(request, connection)
        if request.path not in pages:
            return _refuse(connection, 404, f"there is nothing at {request.path}")
        connection.sendall(response(200, json.dumps(pages[request.path]).encode()))
        return True

    def _chat(self, request: Request, connection: socket.socket) -> bool:
        with self._count:
            number = self._asked
            self._asked += 1
        fault = self._fault(number, request)
        status = status_of(fault) if fault else None
        if status is not None:
            return self._fail(fault or "500", status, request, connection)
        if not _valid(request):
            return _refuse(connection, 400, "messages: a list of messages is required")
        if self._scripts is not None and request.model not in self._scripts:
            return _refuse(connection, 404, f"the model {request.model!r} does not exist")
        answer = self._answer(request)
        reply = made_of(answer, request, prefill=self._prefill, fault=fault)
        self._charge(reply, answer.price or self._price)
        latency = self._latency if answer.latency is None else answer.latency
        if latency > 0 and self.closing.wait(latency):
            return False
        return self._send(fault, request, reply, connection)

    def _fault(self, number: int, request: Request) -> Fault | None:
        if callable(self._faults):
            return self._faults(number, request)
        return self._faults[number] if number < len(self._faults) else None

    def _answer(self, request: Request) -> Answer:
        name = request.model if self._scripts is not None else None
        script = self._scripts[name] if self._scripts is not None and name is not None else self._script
        if callable(script):
            found = script(request)
        elif isinstance(script, (str, Answer)):
            found = script
        else:
            with self._count:
                turn = next(self._turns.setdefault(name, count()))
            found = script[min(turn, len(script) - 1)]
        return Answer(found) if isinstance(found, str) else found

    def _charge(self, reply: Reply, price: Price) -> None:
        dollars = Fraction(price[0]) * reply.input_tokens + Fraction(price[1]) * reply.output_tokens
        with self._count:
            self._served += 1
            self._input += reply.input_tokens
            self._output += reply.output_tokens
            self._dollars += dollars / 1_000_000

    def _fail(self, fault: Fault, status: int, request: Request, connection: socket.socket) -> bool:
        headers = {}
        if fault.endswith("-after"):
            headers["Retry-After"] = f"{self._retry_after:g}"
        elif fault.endswith("-date"):
            headers["Retry-After"] = formatdate(ceil(request.at + self._retry_after), usegmt=True)
        said = request.headers.get("authorization", "") if fault == "echo" else ""
        reason = f"Incorrect API key provided: {said}" if fault == "echo" else f"scripted fault {fault}"
        connection.sendall(response(status, complaint(status, reason), headers=headers))
        return True

    def _send(self, fault: Fault | None, request: Request, reply: Reply, connection: socket.socket) -> bool:
        """Send ``reply``, or what ``fault`` leaves of it; return whether the connection can be kept."""
        if fault == "hang":
            self.closing.wait(self._patience)
            return False
        if fault == "close":
            return False
        if fault == "drip":
            connection.sendall(response(200, b"", length=1 << 40))
            for _ in range(round(self._patience / self._drip)):
                connection.sendall(b" ")  # JSON may begin with any amount of it
                if self.closing.wait(self._drip):
                    break
            return False
        stream = bool(request.body.get("stream"))
        kind = "text/event-stream" if stream else "application/json"
        body = events(request, reply) if stream else completion(request, reply)
        if fault == "drop":
            connection.sendall(response(200, body[: len(body) // 2], kind=kind, length=len(body)))
            return False
        connection.sendall(response(200, body[: len(body) // 2] if fault == "truncated" else body, kind=kind))
        return True


def _refuse(connection: socket.socket, status: int, reason: str) -> bool:
    connection.sendall(response(status, complaint(status, reason)))
    return True


def _valid(request: Request) -> bool:
    body = request.body
    turns = body.get("messages") if isinstance(body, dict) else None
    return isinstance(turns, list) and bool(turns) and all(isinstance(turn, dict) for turn in turns)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the standard input closes, or the process is ended: for benchmarks, which start it beside them."""
    from evolve.testing.simulated import NullModel, SimulatedLLM, Staircase  # they answer for this module

    parser = argparse.ArgumentParser(prog="python -m evolve.testing.server", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="where to listen; a free port where 0")
    parser.add_argument(
        "--answers",
        choices=("instant", "simulated", "staircase"),
        default="instant",
        help="instant: always the text of --reply; simulated: edits of the program in the prompt; staircase: edits of the toy",
    )
    parser.add_argument("--reply", type=Path, help="for instant: a file with the text to answer")
    parser.add_argument("--models", nargs="+", default=["scripted"], help="the names to list")
    parser.add_argument("--price", type=float, nargs=2, default=(0.0, 0.0), metavar=("INPUT", "OUTPUT"))
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before an answer begins")
    parser.add_argument("--skill", type=float, default=0.5, help="the probability of a good edit")
    parser.add_argument("--errors", type=float, default=0.0, help="the probability of a reply that cannot be used")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    answers: dict[str, Script] = {
        "instant": NullModel(given.reply.read_text(encoding="utf-8")) if given.reply else NullModel(),
        "simulated": SimulatedLLM(given.skill, error_rate=given.errors, seed=given.seed),
        "staircase": Staircase.model(given.skill, error_rate=given.errors, seed=given.seed),
    }
    with ScriptedServer(
        answers[given.answers],
        models=given.models,
        price=tuple(given.price),
        latency=given.latency,
        keep=0,
        port=given.port,
    ) as server:
        print(f"ready {server.url}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
