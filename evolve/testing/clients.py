"""What every `evolve.seams.Client` must do, as tests to inherit:

    class TestMine(ClientConformance):
        def client(self, url: str) -> Client:
            return MyClient(url, max_tokens=1000, timeout=self.timeout)

========================== ====================================================================== =======
fault                      what `send` does                                                       charged
========================== ====================================================================== =======
400 401 403 404 422 echo   fails for good                                                         no
429 500 503                fails for now; ``retry_after`` in seconds if the service says, as a    no
                           number or as a date, else None
no connection              fails for now                                                          no
hang drip                  fails for now within its time limit, which bounds the whole reply      yes
close drop truncated bytes fails for now                                                          yes
empty null                 an empty text                                                          yes
refusal                    an empty text; finish ``refusal``, and its words in the note           yes
reasoning                  an empty text; finish ``length``, and the reasoning                    yes
absurd negative            the text; no tokens, and ``implausible usage`` in the note             yes
no_usage                   the text; no tokens                                                    yes
huge                       the whole text                                                         yes
========================== ====================================================================== =======
"""

from __future__ import annotations

import json
import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from evolve.records import Message, Prompt, Reply
from evolve.seams import CallFailed, Client
from evolve.testing import tokens
from evolve.testing.faults import FAULTS, HUGE, REFUSAL, THOUGHT, Fault, status_of
from evolve.testing.replies import Answer
from evolve.testing.server import ScriptedServer

ANSWER = "Idea: ünïcode ✓\n```python\nx = 1\n```\n"
SAID = (Message("system", "Be brief."), Message("user", "Größer, please."))
PROMPT = Prompt(SAID)

STATUSES = tuple(fault for fault in FAULTS if status_of(fault) is not None)
BROKEN: tuple[Fault, ...] = ("close", "drop", "truncated", "bytes")
ENDLESS: tuple[Fault, ...] = ("hang", "drip")


class ClientConformance:
    """Inherit from it, name the class ``Test…`` and say how a client is made.

    Attributes:
        timeout: the time limit, in seconds, that `client` is to give its clients.
        slack: the seconds that a client may take beyond it.
        key: the key that `client` sends, which no reason may hold; None where it sends none.
    """

    timeout: float = 1.0
    slack: float = 1.0
    key: str | None = None

    def client(self, url: str) -> Client:
        """Return a client of any model at ``url``, with this class's time limit and some 1000 tokens a reply."""
        raise NotImplementedError

    def test_a_reply_has_its_text_its_tokens_and_no_price(self) -> None:
        """A plain answer."""
        with ScriptedServer(Answer(ANSWER, cached=5)) as server:
            reply = self.client(server.url).send(PROMPT)
            assert (reply.text, reply.finish, reply.note, reply.dollars) == (ANSWER, "stop", "", None)
            assert reply.input_tokens == tokens.prompt((turn.role, turn.text) for turn in SAID)
            assert reply.output_tokens == tokens.count(ANSWER)
            assert reply.cached_tokens == 5
            assert reply.input_tokens + reply.output_tokens == server.tokens
            assert reply.seconds > 0
            assert server.requests[-1].messages == [(turn.role, turn.text) for turn in SAID]

    def test_reasoning_is_no_part_of_the_text(self) -> None:
        """Thinking is told apart, and counted among the tokens of the reply."""
        with ScriptedServer(Answer(ANSWER, reasoning="Hm.")) as server:
            reply = self.client(server.url).send(PROMPT)
        assert (reply.text, reply.reasoning, reply.reasoning_tokens) == (ANSWER, "Hm.", 1)
        assert reply.output_tokens == tokens.count(ANSWER) + 1

    def test_a_reply_that_is_cut_off_says_so(self) -> None:
        """An answer beyond the most tokens, which the client must have sent."""
        with ScriptedServer("x" * 10**6) as server:
            client = self.client(server.url)
            reply = client.send(PROMPT)
        assert (reply.finish, reply.output_tokens) == ("length", client.max_tokens)

    def test_what_is_sent_can_be_told(self) -> None:
        """The parameters are plain JSON, without the key and without the messages."""
        with ScriptedServer(ANSWER) as server:
            parameters = self.client(server.url).parameters(PROMPT)
        told = json.dumps(dict(parameters))
        assert self.key is None or self.key not in told
        assert SAID[1].text not in told

    def test_stop_texts_end_the_reply(self) -> None:
        """They are sent as they are."""
        with ScriptedServer(ANSWER) as server:
            reply = self.client(server.url).send(Prompt(SAID, stop=("x = ",)))
        assert reply.text == ANSWER.partition("x = ")[0]

    @pytest.mark.parametrize("fault", STATUSES)
    def test_a_status_fails_uncharged(self, fault: Fault) -> None:
        """Refusals end the arm; a service that is busy or down is asked again, when it says."""
        with ScriptedServer(ANSWER, faults=[fault], retry_after=7.0) as server:
            failed = self._fails(self.client(server.url))
            status = status_of(fault)
            assert (failed.status, failed.charged) == (status, False)
            assert failed.permanent == (status in (400, 401, 403, 404, 422))
            assert (len(server.requests), server.served) == (1, 0), "a client asks once"
        if fault.endswith("-after"):
            assert failed.retry_after == 7.0
        elif fault.endswith("-date"):
            assert failed.retry_after is not None
            assert 5.0 <= failed.retry_after <= 8.0
        else:
            assert failed.retry_after is None

    @pytest.mark.parametrize("fault", BROKEN)
    def test_a_reply_that_breaks_off_is_charged(self, fault: Fault) -> None:
        """No reply came, but money may have gone."""
        with ScriptedServer(ANSWER * 100, faults=[fault]) as server:
            failed = self._fails(self.client(server.url))
            assert (failed.permanent, failed.charged, failed.retry_after) == (False, True, None)
            assert (len(server.requests), server.served) == (1, 1), "a client asks once"

    @pytest.mark.parametrize("fault", ENDLESS)
    def test_the_time_limit_bounds_the_whole_reply(self, fault: Fault) -> None:
        """Even while bytes keep coming."""
        with ScriptedServer(ANSWER, faults=[fault]) as server:
            begun = time.monotonic()
            failed = self._fails(self.client(server.url))
            took = time.monotonic() - begun
        assert (failed.permanent, failed.charged) == (False, True)
        assert took < self.timeout + self.slack

    def test_no_connection_is_not_charged(self) -> None:
        """Nobody listens."""
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        failed = self._fails(self.client(f"http://127.0.0.1:{port}/v1"))
        assert (failed.status, failed.permanent, failed.charged) == (None, False, False)

    @pytest.mark.parametrize("fault", ["empty", "null"])
    def test_no_text_is_an_empty_text(self, fault: Fault) -> None:
        """Not None, and no failure: it was paid for."""
        assert self._replies(fault).text == ""

    def test_a_refusal_is_told_in_the_note(self) -> None:
        """The endpoint's own word, not an answer."""
        reply = self._replies("refusal")
        assert (reply.text, reply.finish) == ("", "refusal")
        assert REFUSAL in reply.note

    def test_reasoning_alone_is_no_answer(self) -> None:
        """All tokens went into thinking."""
        reply = self._replies("reasoning")
        assert (reply.text, reply.finish) == ("", "length")
        assert reply.reasoning.strip() == THOUGHT.strip()

    @pytest.mark.parametrize("fault", ["absurd", "negative", "no_usage"])
    def test_a_usage_that_cannot_be_counts_as_none(self, fault: Fault) -> None:
        """A ledger that believed it would be wrong for the whole run."""
        reply = self._replies(fault)
        assert (reply.text, reply.input_tokens, reply.output_tokens) == (ANSWER, None, None)
        assert ("implausible usage" in reply.note) == (fault != "no_usage")

    def test_a_huge_reply_comes_whole(self) -> None:
        """Megabytes are no reason to fail."""
        reply = self._replies("huge")
        assert len(reply.text.encode()) >= HUGE - 4
        assert reply.text.startswith(ANSWER)

    def test_many_threads_share_a_client(self) -> None:
        """Each gets the answer to its own question."""
        with (
            ScriptedServer(lambda request: request.messages[-1][1]) as server,
            ThreadPoolExecutor(8) as pool,
        ):
            client = self.client(server.url)
            questions = [f"question {number}" for number in range(64)]
            prompts = [Prompt((Message("user", question),)) for question in questions]
            assert [reply.text for reply in pool.map(client.send, prompts)] == questions

    def _replies(self, fault: Fault) -> Reply:
        with ScriptedServer(ANSWER, faults=[fault]) as server:
            return self.client(server.url).send(PROMPT)

    def _fails(self, client: Client) -> CallFailed:
        with pytest.raises(CallFailed) as caught:
            client.send(PROMPT)
        failed = caught.value
        assert failed.reason
        shown = "".join(traceback.format_exception(failed))
        assert self.key is None or self.key not in failed.reason + shown
        return failed
