from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import pytest

from evolve.client import Address, make
from evolve.client.answers import failure, read_body, read_completion
from evolve.config import ModelConfig
from evolve.errors import ConfigError
from evolve.records import Message, Prompt, Reply
from evolve.seams import CallFailed, Client
from evolve.testing.clients import ClientConformance
from evolve.testing.listener import Request
from evolve.testing.server import ScriptedServer

PROMPT = Prompt((Message("system", "You write code."), Message("user", "Größer, please.")))
BEGUN = Prompt((Message("user", "Write it."),), begin="```python\ndef f():\n", stop=("```",))
TIMEOUT = 1.0
Said = tuple[int, dict[str, str], bytes]


def client(server: ScriptedServer, **settings: object) -> Client:
    return make(f"openai/scripted@{server.url}", ModelConfig.model_validate({"timeout": TIMEOUT, **settings}))


def failed(asked: Client, prompt: Prompt = PROMPT) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        asked.send(prompt)
    return caught.value


class TestConformance(ClientConformance):
    timeout = TIMEOUT
    slack = 0.5

    def client(self, url: str) -> Client:
        return make(f"openai/scripted@{url}", ModelConfig(timeout=TIMEOUT, max_tokens=1000))


def test_the_parameters_told_are_those_the_server_received() -> None:
    settings = {"temperature": 0.35, "max_tokens": 77, "effort": "low"}
    with ScriptedServer("fine") as server:
        asked = client(server, **settings)
        for prompt in (PROMPT, BEGUN):
            told = dict(asked.parameters(prompt))
            assert json.loads(json.dumps(told)) == told
            asked.send(prompt)
            received = dict(server.requests[-1].body)
            messages = received.pop("messages")
            begin = told.pop("begin", None)
            assert told == received
            assert begin == (prompt.begin or None)
            assert messages[: len(prompt.messages)] == [{"role": m.role, "content": m.text} for m in prompt.messages]
            assert messages[len(prompt.messages) :] == ([{"role": "assistant", "content": begin}] if begin else [])
    assert received["temperature"] == 0.35
    assert received["max_tokens"] == 77
    assert received["reasoning_effort"] == "low"
    assert received["stop"] == ["```"]


def test_openai_itself_gets_its_own_name_for_the_limit_and_no_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abcdefghijklmnop")
    told = make("openai/gpt-5-mini@https://api.openai.com/v1", ModelConfig(max_tokens=9)).parameters(BEGUN)
    assert told == {"model": "gpt-5-mini", "max_completion_tokens": 9}


class TestTheBeginning:
    def test_a_server_that_goes_on_gives_the_rest(self) -> None:
        with ScriptedServer("```python\ndef f():\n    return 1\n```\nDone.", prefill=True) as server:
            assert client(server).send(BEGUN).text == "```python\ndef f():\n    return 1\n"

    @pytest.mark.parametrize(
        "text", ["```python\ndef g():\n    return 2\n", "\n```python \nx = 1\n", BEGUN.begin + "    pass"]
    )
    def test_a_server_that_begins_again_is_taken_at_its_word(self, text: str) -> None:
        with ScriptedServer(text) as server:
            assert client(server).send(Prompt(BEGUN.messages, begin=BEGUN.begin)).text == text

    def test_a_server_that_goes_on_may_repeat_lines_of_the_beginning(self) -> None:
        begin, rest = (
            "<<<<<<< SEARCH\ndef f():\n    return 1\n=======\ndef f():\n",
            "    return 1\n    pass\n>>>>>>> REPLACE\n",
        )
        with ScriptedServer(rest, prefill=True) as server:
            assert client(server).send(Prompt(BEGUN.messages, begin=begin)).text == begin + rest

    def test_a_server_that_begins_again_after_some_words_is_taken_at_its_word(self) -> None:
        begin, text = "```python\n# EVOLVE-BLOCK-START\n", "Idea: two.\n\n```python\n# EVOLVE-BLOCK-START\nx = 2\n"
        with ScriptedServer(text) as server:
            assert client(server).send(Prompt(BEGUN.messages, begin=begin)).text == text

    def test_it_is_not_given_where_the_settings_say_so(self) -> None:
        with ScriptedServer("fine") as server:
            asked = client(server, prefill=False)
            assert asked.send(BEGUN).text == "fine"
            assert set(server.requests[0].body) == {"model", "messages", "max_tokens"}
            assert [role for role, _ in server.requests[0].messages] == ["user"]

    def test_no_text_stays_no_text(self) -> None:
        with ScriptedServer("fine", faults=["reasoning"]) as server:
            assert client(server).send(BEGUN).text == ""

    def test_a_server_that_refuses_it_is_not_given_one_again(self) -> None:
        said = "Assistant response prefill is incompatible with enable_thinking."
        error: Said = (400, {}, json.dumps({"error": {"code": 400, "message": said}}).encode())
        fine: Said = (
            200,
            {},
            json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}).encode(),
        )
        with Raw([error, fine]) as server:
            asked = make(f"openai/m@{server.url}", ModelConfig(timeout=TIMEOUT))
            first = failed(asked, BEGUN)
            assert (first.permanent, first.charged, first.retry_after) == (False, False, 0.0)
            assert "begin" not in asked.parameters(BEGUN)
            assert asked.send(BEGUN).text == "x"
            assert asked.send(BEGUN).text == "x"
        with Raw([error]) as server:
            last = failed(make(f"openai/m@{server.url}", ModelConfig(timeout=TIMEOUT, prefill=True)), BEGUN)
            assert last.permanent
            assert "`prefill = false`" in last.reason


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"code": "content_policy_violation", "type": "invalid_request_error", "message": "Not this."}),
        (400, {"code": "content_filter", "message": "Not.", "innererror": {"code": "ResponsibleAIPolicyViolation"}}),
        (400, {"code": None, "message": "Not this.", "innererror": {"code": "ResponsibleAIPolicyViolation"}}),
        (403, {"code": 403, "message": "Your chosen model requires moderation and your input was flagged"}),
        (403, {"message": "Content violates usage guidelines."}),
    ],
)
def test_a_prompt_whose_content_is_refused_does_not_end_the_arm(status: int, error: dict[str, object]) -> None:
    with Raw([(status, {}, json.dumps({"error": error}).encode())]) as server:
        reply = make(f"openai/m@{server.url}", ModelConfig(timeout=TIMEOUT)).send(PROMPT)
    assert (reply.text, reply.finish, reply.note) == ("", "refusal", error["message"])
    assert (reply.input_tokens, reply.output_tokens) == (0, 0), "an error costs nothing"


class TestAnErrorThatAGatewayPassesOn:
    def test_in_place_of_the_reply_it_means_what_its_status_means(self) -> None:
        for status, permanent in ((429, False), (402, True), (502, False)):
            with Raw([(200, {}, json.dumps({"error": {"code": status, "message": "Upstream."}}).encode())]) as server:
                said = failed(make(f"openai/m@{server.url}", ModelConfig(timeout=TIMEOUT)))
            assert (said.status, said.permanent, said.charged) == (status, permanent, False)
            assert said.reason == f"HTTP {status}: Upstream. (passed on)"

    def test_that_broke_a_reply_off_may_be_charged(self) -> None:
        choice = {"message": {"content": "half"}, "error": {"code": 502, "message": "Upstream."}}
        with pytest.raises(CallFailed) as caught:
            read_completion({"choices": [choice]}, PROMPT, 100, begun=False, seconds=0.1)
        assert (caught.value.status, caught.value.charged) == (502, True)

    def test_about_the_prompt_it_is_a_refusal(self) -> None:
        error = {"code": 400, "message": "maximum context length is 8192 tokens"}
        reply = read_completion({"error": error}, PROMPT, 100, begun=False, seconds=0.1)
        assert (reply.finish, reply.output_tokens) == ("refusal", 0)


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        *((word, "stop") for word in ("stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence")),
        *((word, "length") for word in ("length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length")),
        ("content_filter", "refusal"),
        ("abort", "other"),
        (None, "other"),
        (["stop"], "other"),
    ],
)
def test_the_words_for_how_a_reply_ended(said: object, finish: str) -> None:
    data = {"choices": [{"message": {"content": "x"}, "finish_reason": said}]}
    assert read_completion(data, PROMPT, 9, begun=False, seconds=0.0).finish == finish


class Raw:
    """A server that says the given bytes, one answer per connection, the last for ever."""

    def __init__(self, answers: list[Said | bytes], drip: float = 0.0) -> None:
        import threading

        self._answers, self._drip = answers, drip
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self.heads: list[str] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Raw:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        turn = 0
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._read(connection)
                answer = self._answers[min(turn, len(self._answers) - 1)]
                turn += 1
                try:
                    self._say(connection, answer)
                except OSError:
                    continue

    def _read(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        self.heads.append(head.decode())
        length = next(
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        while len(body) < length:
            body += connection.recv(65536)

    def _say(self, connection: socket.socket, answer: Said | bytes) -> None:
        if isinstance(answer, bytes):
            for at in range(len(answer)) if self._drip else [slice(None)]:
                connection.sendall(answer[at : at + 1] if isinstance(at, int) else answer)
                time.sleep(self._drip)
            return
        status, headers, body = answer
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)


def raw(*answers: Said | bytes, drip: float = 0.0) -> Raw:
    return Raw(list(answers), drip)


def test_headers_that_drip_end_in_time_too() -> None:
    with raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200, drip=0.05) as server:
        began = time.monotonic()
        error = failed(make(f"openai/m@{server.url}", ModelConfig(timeout=0.5)))
        assert time.monotonic() - began < 1.0
        assert error.charged
        assert "0.5 s" in error.reason


@pytest.mark.parametrize("status", [200, 500])
def test_more_than_a_reply_can_be_is_not_read(status: int) -> None:
    with raw((status, {}, b" " * ((16 << 20) + 1))) as server:
        error = failed(make(f"openai/m@{server.url}", ModelConfig(timeout=10)))
    assert error.charged
    assert "16 MiB" in error.reason


def test_a_compressed_reply_that_was_not_asked_for_is_not_unpacked() -> None:
    with raw((200, {"content-encoding": "gzip"}, b"\x1f\x8b")) as server:
        assert failed(make(f"openai/m@{server.url}", ModelConfig(timeout=TIMEOUT))).charged
        assert "accept-encoding: identity" in server.heads[0].lower()


def test_a_redirect_is_not_followed() -> None:
    with raw((307, {"location": "https://elsewhere.example/v1"}, b"")) as server:
        error = failed(make(f"openai/m@{server.url}", ModelConfig(timeout=TIMEOUT)))
    assert error.permanent
    assert "elsewhere.example" in error.reason


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid:80"])
def test_a_service_that_cannot_be_reached_charges_nothing(host: str) -> None:
    error = failed(make(f"openai/m@http://{host}/v1", ModelConfig(timeout=5)))
    assert (error.permanent, error.charged, error.status) == (False, False, None)
    assert "cannot be reached" in error.reason


class TestKeys:
    def test_openais_goes_to_openai_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789abcdef")
        monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-0123456789abcdef")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-canary")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "project-canary")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: header-canary")
        with ScriptedServer("fine") as server:
            client(server).send(PROMPT)
            seen: Request = server.requests[0]
        assert seen.headers["authorization"] == "Bearer none"
        assert not any("canary" in value or "admin" in value for value in seen.headers.values())

    def test_a_named_one_is_sent_and_kept_out_of_every_word(self, monkeypatch: pytest.MonkeyPatch) -> None:
        key = "plain-0123456789-abcdef-0123456789"
        monkeypatch.setenv("MY_VARIABLE", f" {key}\n")
        with ScriptedServer(f"the key is {key}", faults=["echo"]) as server:
            asked = client(server, key="MY_VARIABLE")
            error = failed(asked)
            assert server.requests[0].headers["authorization"] == f"Bearer {key}"
            assert key not in error.reason + str(error) + repr(error)
            assert "***" in error.reason
            assert asked.send(PROMPT).text == "the key is ***"
            assert key not in json.dumps(asked.parameters(PROMPT))

    @pytest.mark.parametrize(
        ("spec", "settings", "words"),
        [
            ("openai/m@http://h.example/v1", {"key": "NOT_SET"}, "environment variable NOT_SET"),
            ("openai/m@https://api.openai.com/v1", {}, "OPENAI_API_KEY"),
            ("openai/m@http://user:pw@h.example/v1", {}, "`key`"),
            ("openai/m@http://h.example:0/v1", {}, "write it as"),
            ("openai/m@http://h.example:x/v1", {}, "is no URL"),
            ("openai/m@ftp://h.example/v1", {}, "write it as"),
            ("openai/m@h.example", {}, "write it as"),
            ("openai/@http://h.example/v1", {}, "names no model"),
            ("openai/m@http://h.example/v1?key=x", {}, "without ?"),
            ("gpt-5-mini", {}, "OPENAI_API_KEY"),
            ("anthropic/claude-x", {"key": "NOT_SET"}, "NOT_SET"),
            ("cmd:", {}, "names no command"),
            ("cmd:a 'b", {}, "quote"),
        ],
    )
    def test_a_model_that_cannot_be_asked_is_refused_at_once(
        self, spec: str, settings: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("NOT_SET", "OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(ConfigError) as caught:
            make("short", ModelConfig.model_validate({"model": spec, **settings}))
        assert words in str(caught.value)
        assert "pw" not in str(caught.value)


def test_the_name_of_a_model_may_hold_anything() -> None:
    address = Address.parse("openai/hf.co/unsloth/x@q4:latest@http://[::1]:8080/v1/")
    assert (address.model, address.url, address.here) == (
        "hf.co/unsloth/x@q4:latest",
        "http://[::1]:8080/v1",
        True,
    )
    assert not Address.parse("openai/m@http://10.0.0.1/v1").here


def read(message: dict[str, object], finish: str = "stop", prompt: Prompt = PROMPT, **rest: object) -> Reply:
    data = {"choices": [{"message": message, "finish_reason": finish}], **rest}
    return read_completion(data, prompt, 100, begun=False, seconds=0.1)


def test_what_a_message_can_look_like() -> None:
    assert read({"content": [{"type": "text", "text": "a"}, {"type": "image"}, "b", {"text": 3}]}).text == "ab"
    thought = read({"content": "\n<think>\nHm, <b>.\n</think>\n\ncode </think>", "reasoning": "First."})
    assert (thought.text, thought.reasoning) == ("code </think>", "First.\nHm, <b>.")
    assert (read({"content": "<think>no end"}).text, read({"content": "<think>no end"}).reasoning) == ("", "no end")
    begun_in_the_prompt = read({"content": "Hm. </think> I think\nof x.\n</think>\n\ncode </think>"})
    assert (begun_in_the_prompt.text, begun_in_the_prompt.reasoning) == ("code </think>", "Hm. </think> I think\nof x.")
    assert read({"content": "x = '<think>'\n</think>"}).text == "x = '<think>'\n</think>"
    assert read({"content": "x = '<think>'"}).text == "x = '<think>'"
    filtered = read({"content": "half an ans"}, "content_filter")
    assert (filtered.text, filtered.finish, filtered.note) == ("", "refusal", "half an ans")
    assert read({"content": "a\ud800b"}).text == "a?b"
    assert read({"content": "x"}, "tool_calls").finish == "other"


def test_thoughts_counted_beside_the_reply_are_added() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35}
    details = {"completion_tokens_details": {"reasoning_tokens": 20}}
    apart = read({"content": "x"}, usage={**usage, **details})
    assert (apart.output_tokens, apart.reasoning_tokens, apart.note) == (25, 20, "")
    within = read(
        {"content": "x"}, usage={**usage, "total_tokens": 15, "completion_tokens_details": {"reasoning_tokens": 4}}
    )
    assert (within.output_tokens, within.reasoning_tokens) == (5, 4)
    in_total_alone = read({"content": "x"}, usage=usage)
    assert (in_total_alone.output_tokens, in_total_alone.reasoning_tokens) == (25, None)
    assert read({"content": ""}, usage={**usage, "completion_tokens": 0}).output_tokens == 25


@pytest.mark.parametrize("part", ["prompt_tokens_details", "completion_tokens_details"])
def test_a_part_of_a_count_that_is_missing_has_a_bound_too(part: str) -> None:
    reply = read({"content": "x"}, usage={part: {"cached_tokens": 1 << 70, "reasoning_tokens": 1 << 70}})
    assert (reply.cached_tokens, reply.reasoning_tokens) == (None, None)
    assert "implausible usage" in reply.note


@pytest.mark.parametrize("count", [-1, 0, True, 1.0, "12", 10**9, None])
def test_a_count_that_cannot_be_is_none(count: object) -> None:
    reply = read({"content": "x"}, usage={"prompt_tokens": count, "completion_tokens": count})
    assert (reply.input_tokens, reply.output_tokens) == (None, None)
    assert bool(reply.note) == (count is not None)


@pytest.mark.parametrize(
    "data",
    [None, 3, [], {}, {"choices": []}, {"choices": [3]}, {"choices": [{"text": "x"}]}, {"error": {"message": "busy"}}],
)
def test_json_that_is_no_completion_is_a_failure_that_may_be_charged(data: object) -> None:
    with pytest.raises(CallFailed) as caught:
        read_completion(data, PROMPT, 100, begun=False, seconds=0.1)
    assert (caught.value.charged, caught.value.permanent) == (True, False)
    assert "busy" in caught.value.reason or data != {"error": {"message": "busy"}}


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"a": ', b"[" * 100_000, b"<html>gateway</html>"])
def test_a_body_that_is_no_json_is_one_too(body: bytes) -> None:
    with pytest.raises(CallFailed) as caught:
        read_body(body)
    assert caught.value.charged


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert failure(429, headers, "").retry_after == seconds
    assert failure(400, headers, "").retry_after is None


def test_nothing_heavy_is_imported_before_the_first_call() -> None:
    code = (
        "import sys\nfrom evolve.client import make\nfrom evolve.config import ModelConfig\n"
        "make('openai/m@http://127.0.0.1:1/v1', ModelConfig()); make('cmd:true', ModelConfig())\n"
        "make('groq/x', ModelConfig(key='K'))\n"
        "assert not {'openai', 'httpx', 'litellm'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"K": "0123456789"}, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"code": "context_length_exceeded", "message": "Please reduce the length."}),
        (400, {"message": "This model's maximum context length is 16384 tokens. However, you requested 17000."}),
        (400, {"code": 400, "type": "exceed_context_size_error", "message": "the request exceeds it"}),
        (400, {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}),
        (400, {"message": "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."}),
        (400, {"message": "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"}),
        (413, {"message": "Prompt exceeds max length: too many tokens"}),
        (413, {"type": "request_too_large", "message": "Request exceeds the maximum size"}),
    ],
)
def test_a_prompt_that_is_too_long_does_not_end_the_arm(status: int, error: dict[str, object]) -> None:
    with Raw([(status, {}, json.dumps({"error": error}).encode())]) as server:
        reply = make(f"openai/m@{server.url}", ModelConfig(timeout=TIMEOUT)).send(PROMPT)
    assert (reply.text, reply.finish, reply.note) == ("", "refusal", error["message"])
    assert (reply.input_tokens, reply.output_tokens) == (0, 0), "an error costs nothing"
