"""The scripted server, asked by raw sockets, by the standard library and by the real client of OpenAI."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI

from evolve.testing import Answer, ScriptedServer, tokens
from evolve.testing.faults import FAULTS, HUGE, REFUSAL, THOUGHT, Fault, status_of

ASKED = [{"role": "user", "content": "Who is there?"}]


OPEN: list[http.client.HTTPConnection] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


class Raw:
    """One kept connection, closed at the end of its test."""

    def __init__(self, server: ScriptedServer) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        OPEN.append(self.connection)
        self.status, self.headers = 0, http.client.HTTPMessage()

    def bytes(self, body: object, path: str = "/v1/chat/completions", method: str = "POST") -> bytes:
        self.connection.request(
            method, path, json.dumps(body) if body is not None else None, {"Authorization": "Bearer k"}
        )
        response = self.connection.getresponse()
        self.status, self.headers = response.status, response.headers
        return response.read()

    def ask(self, *, model: str = "scripted", messages: object = ASKED, **rest: object) -> Any:
        return json.loads(self.bytes({"model": model, "messages": messages, **rest}))

    def text(self, **rest: Any) -> str | None:
        text: str | None = self.ask(**rest)["choices"][0]["message"]["content"]
        return text


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer("It is I, and nobody else.", price=(1.0, 8.0)) as server:
        yield server


def client(server: ScriptedServer) -> OpenAI:
    return OpenAI(base_url=server.url, api_key="k", max_retries=0, timeout=5)


def test_the_real_client_is_answered(server: ScriptedServer) -> None:
    with client(server) as openai:
        answer = openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        models = [model.id for model in openai.models.list()]
    assert answer.choices[0].message.content == "It is I, and nobody else."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (1 + tokens.OVERHEAD, 7)
    assert models == ["scripted"]
    assert [request.path for request in server.requests] == ["/v1/chat/completions", "/v1/models"]
    assert server.requests[0].headers["authorization"] == "Bearer k"
    assert server.requests[0].model == "m"


def test_the_real_client_is_answered_in_a_stream(server: ScriptedServer) -> None:
    with client(server) as openai:
        stream = openai.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        == "It is I, and nobody else."
    )
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == server.tokens


def test_one_connection_serves_many_requests_fast(server: ScriptedServer) -> None:
    raw = Raw(server)
    raw.ask()
    kept = raw.connection.sock
    begun = time.process_time()  # of the asking side too
    for _ in range(300):
        raw.ask()
    assert (time.process_time() - begun) / 300 < 0.001
    assert raw.connection.sock is kept
    assert server.served == 301


def test_answers_in_order_by_function_and_by_model() -> None:
    def echo(request: Any) -> str:
        return f"you said {request.messages[-1][1]}"

    with ScriptedServer({"list": ["one", Answer("two")], "function": echo, "same": "always"}) as server:
        raw = Raw(server)
        assert [raw.text(model="list") for _ in range(3)] == ["one", "two", "two"]
        assert raw.text(model="function") == "you said Who is there?"
        parts = [{"role": "user", "content": [{"type": "text", "text": "par"}, {"type": "text", "text": "ts"}]}]
        assert raw.text(model="function", messages=parts) == "you said parts"
        assert raw.text(model="same") == "always"
        raw.ask(model="unknown")
        assert raw.status == 404
        assert server.models == ("list", "function", "same")
        assert server.served == 6


def test_the_bill_is_exact_with_many_threads() -> None:
    with (
        ScriptedServer(lambda request: request.messages[-1][1], price=(0.15, 0.6)) as server,
        ThreadPoolExecutor(8) as pool,
    ):
        lengths = list(range(1, 101))
        list(pool.map(lambda n: Raw(server).text(messages=[{"role": "user", "content": "x" * n}]), lengths))
        made = sum(tokens.count("x" * n) for n in lengths)
        took = made + tokens.OVERHEAD * len(lengths)
        assert server.tokens == took + made
        assert server.bill == pytest.approx((took * 0.15 + made * 0.6) / 1e6, rel=1e-15)
        with urlopen(f"http://127.0.0.1:{server.port}/bill", timeout=5) as page:
            told = json.load(page)
        assert told == {
            "requests": 100,
            "served": 100,
            "input_tokens": took,
            "output_tokens": made,
            "dollars": server.bill,
        }


def test_an_answer_may_have_a_price_of_its_own() -> None:
    with ScriptedServer(Answer("abcd", price=(0.0, 1e6)), price=(5.0, 5.0)) as server:
        Raw(server).ask()
        assert server.bill == 1.0


@given(st.text(), st.integers(0, 50))
def test_tokens_never_exceed_bytes(text: str, limit: int) -> None:
    assert tokens.count(text) <= len(text.encode())
    assert tokens.prompt([("user", text)]) <= len(text.encode()) + 8
    cut = tokens.first(text, limit)
    assert text.startswith(cut)
    assert tokens.count(cut) <= limit


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_reply_is_cut_at_the_most_tokens(server: ScriptedServer, name: str) -> None:
    limit: dict[str, Any] = {name: 2}
    answer = Raw(server).ask(**limit)
    assert answer["choices"][0]["message"]["content"] == "It is I,"
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 2


def test_thinking_comes_first_and_counts() -> None:
    with ScriptedServer(Answer("abcdefgh", reasoning="12345678", cached=3)) as server:
        answer = Raw(server).ask(max_tokens=3)
    message = answer["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("12345678", "abcd")
    assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}


@pytest.mark.parametrize("stop", ["nobody", ["else", "nobody"], ["nobody", "else"]])
def test_a_reply_ends_before_a_stop_text(server: ScriptedServer, stop: object) -> None:
    answer = Raw(server).ask(stop=stop)
    assert answer["choices"][0]["message"]["content"] == "It is I, and "
    assert answer["choices"][0]["finish_reason"] == "stop"


BEGUN = [*ASKED, {"role": "assistant", "content": "It is"}]


def test_a_given_beginning_is_gone_on_from() -> None:
    with ScriptedServer(["Sure. It is I.", "Me."], prefill=True) as server:
        raw = Raw(server)
        assert raw.text(messages=BEGUN, stop=["."]) == " I"
        assert raw.text(messages=BEGUN) == "Me."
    with ScriptedServer("It is I.") as server:
        assert Raw(server).text(messages=BEGUN) == "It is I."


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if status_of(fault)])
def test_statuses_are_not_charged(fault: Fault) -> None:
    with ScriptedServer("fine", faults=[fault], price=(1.0, 1.0), retry_after=2.5) as server:
        raw = Raw(server)
        error = raw.ask()["error"]
        assert raw.status == status_of(fault)
        wait = raw.headers["retry-after"]
        if fault.endswith("-after"):
            assert wait == "2.5"
        elif fault.endswith("-date"):
            assert 2.5 - 0.1 <= parsedate_to_datetime(wait).timestamp() - server.requests[0].at <= 3.6
        else:
            assert wait is None
        assert ("Bearer k" in error["message"]) == (fault == "echo")
        assert (server.served, server.bill) == (0, 0.0)
        assert raw.text() == "fine", "the connection is kept, and only the first request was to fail"


def test_faults_by_function_know_the_number_and_the_request() -> None:
    def plan(number: int, request: Any) -> Fault | None:
        return "500" if number % 2 and request.model == "m" else None

    with ScriptedServer("fine", faults=plan) as server:
        raw = Raw(server)
        statuses = [(raw.ask(model=model), raw.status)[1] for model in "mmnn"]
    assert statuses == [200, 500, 200, 200]


SPOILT: dict[Fault, dict[str, Any]] = {
    "empty": {"content": ""},
    "null": {"content": None},
    "refusal": {"content": None, "refusal": REFUSAL},
    "reasoning": {"content": None, "reasoning_content": THOUGHT},
}


@pytest.mark.parametrize("fault", SPOILT)
def test_replies_without_text_are_charged(fault: Fault) -> None:
    with ScriptedServer("fine", faults=[fault], price=(1.0, 1.0)) as server:
        answer = Raw(server).ask()
        assert answer["choices"][0]["message"] == {"role": "assistant", **SPOILT[fault]}
        assert answer["choices"][0]["finish_reason"] == ("length" if fault == "reasoning" else "stop")
        assert (server.served, server.bill > 0) == (1, True)


@pytest.mark.parametrize(("fault", "told"), [("absurd", 10**12), ("negative", -1), ("no_usage", None)])
def test_a_usage_that_cannot_be_does_not_change_the_bill(fault: Fault, told: int | None) -> None:
    with ScriptedServer("fine", faults=[fault], price=(0.0, 1e6)) as server:
        usage = Raw(server).ask().get("usage", {})
        assert usage.get("completion_tokens") == told
        assert server.bill == 1.0


def test_a_huge_reply_keeps_to_no_limit_but_its_tokens_do() -> None:
    with ScriptedServer("fine", faults=["huge"]) as server:
        answer = Raw(server).ask(max_tokens=10)
    assert len(answer["choices"][0]["message"]["content"]) == HUGE
    assert answer["usage"]["completion_tokens"] == 10


@pytest.mark.parametrize("limit", [None, 2])
def test_bytes_that_are_not_utf8(limit: int | None) -> None:
    with ScriptedServer("It is I, and nobody else.", faults=["bytes"]) as server:
        body = Raw(server).bytes({"messages": ASKED, "max_tokens": limit})
    assert b"I\xff\xfet is" in body
    with pytest.raises(UnicodeDecodeError):
        body.decode()


@pytest.mark.parametrize("stream", [False, True])
def test_truncated_replies_have_their_length(stream: bool) -> None:
    with ScriptedServer("fine", faults=["truncated", None]) as server:
        raw = Raw(server)
        half = raw.bytes({"messages": ASKED, "stream": stream})
        whole = raw.bytes({"messages": ASKED, "stream": stream})
        assert whole.startswith(half)
        assert len(half) == len(whole) // 2
        assert server.served == 2


@pytest.mark.parametrize("fault", ["drop", "close"])
def test_connections_break_and_are_charged(fault: Fault) -> None:
    with ScriptedServer("fine", faults=[fault], price=(0.0, 1e6)) as server:
        with pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected)):
            Raw(server).ask()
        assert server.bill == 1.0


def raw_socket(server: ScriptedServer) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    body = json.dumps({"messages": ASKED}).encode()
    connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return connection


def test_a_hang_ends_with_the_server() -> None:
    with ScriptedServer("fine", faults=["hang"], price=(0.0, 1e6)) as server:
        connection = raw_socket(server)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert server.bill == 1.0
    connection.settimeout(5)
    assert connection.recv(1) == b""
    connection.close()


def test_patience_ends_a_drip() -> None:
    with ScriptedServer("fine", faults=["drip"], patience=0.3, drip=0.05) as server, raw_socket(server) as connection:
        received = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b" " * 6


def test_latency_delays_and_closing_does_not_wait_for_it() -> None:
    with ScriptedServer(["slow", Answer("slower", latency=60)], latency=0.2) as server:
        raw = Raw(server)
        begun = time.monotonic()
        raw.ask()
        assert time.monotonic() - begun >= 0.2
        connection = raw_socket(server)
        while server.served < 2:
            time.sleep(0.01)
        begun = time.monotonic()
    assert time.monotonic() - begun < 1
    connection.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 3\r\n\r\n{]}", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: many\r\n\r\n{}", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /v1/chat/completions HTTP/1.1\r\n\r\n", 405),
        (b"GET /elsewhere HTTP/1.1\r\n\r\n", 404),
        (b"GET /health HTTP/1.1\r\n\r\n", 200),
    ],
)
def test_requests_of_other_kinds(server: ScriptedServer, sent: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(sent)
        assert connection.recv(4096).startswith(b"HTTP/1.1 %d " % status)
    assert server.served == 0


def test_only_the_latest_requests_are_kept() -> None:
    with ScriptedServer("fine", keep=2) as server:
        raw = Raw(server)
        for model in "abc":
            raw.ask(model=model)
        assert [request.model for request in server.requests] == ["b", "c"]
        assert server.totals()["requests"] == 3


def test_by_itself_it_says_where_and_ends_with_its_input() -> None:
    words = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "evolve.testing.server",
        "--answers",
        "staircase",
        "--price",
        "0",
        "1e6",
    ]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready, _, url = process.stdout.readline().strip().partition(" ")
        assert ready == "ready"
        with OpenAI(base_url=url, api_key="k", max_retries=0, timeout=5) as openai:
            openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        with urlopen(url.removesuffix("v1") + "bill", timeout=5) as page:
            assert json.load(page)["dollars"] > 0
        process.stdin.close()
        assert process.wait(timeout=5) == 0
