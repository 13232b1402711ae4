"""Keys are planted wherever a key can be, and then looked for wherever one must not be."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from random import SystemRandom
from string import ascii_letters, digits
from tempfile import TemporaryDirectory, TemporaryFile
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from evolve.cli import main
from evolve.client import make
from evolve.config import ModelConfig
from evolve.errors import ConfigError
from evolve.seams import CallFailed
from evolve.testing import Request, ScriptedServer, Staircase
from evolve.testing.clients import PROMPT
from evolve.testing.faults import Fault
from evolve.testing.replies import Answer

NAMES = ("OPENAI_API_KEY", "LLM_ACCESS", "DOTENV_PASSWORD")
"""The user's OpenAI key; the key of a model, in ``.env`` under a name that does not tell; and one that nobody asks for."""
ORGANISATION = "org-of-the-user"
"""No key, but meant for OpenAI alone."""

CANDIDATE = """\
# EVOLVE-BLOCK-START
# {form}
LEVEL = {level}


def level():
    import os
    needles = {needles!r}
    seen = [repr(sorted(os.environ.items())).encode(), b""]
    for folder, folders, names in list(os.walk("/proc")) [:1] + list(os.walk(os.getcwd())):
        pids = [name for name in folders if name.isdigit()] + ["self", "thread-self"] if folder == "/proc" else []
        paths = [f"/proc/{{pid}}/{{name}}" for pid in pids for name in ("environ", "cmdline")]
        paths += [os.path.join(folder, name) for name in names if pids == []]
        for path in paths:
            try:
                with open(path, "rb") as file:
                    seen.append(file.read(1 << 20))
            except OSError:
                pass
    print(seen[0])
    if LEVEL % 4 == 3:
        raise RuntimeError(repr(seen)[:4000])
    found = [data for data in seen if any(bytes(b ^ 1 for b in needle) in data for needle in needles)]
    return 10 ** 6 if found else LEVEL
# EVOLVE-BLOCK-END
"""
EVALUATE = """\
import os, sys

def evaluate(candidate):
    told = repr(sorted(os.environ.items())) + repr(sys.argv) + open("/proc/self/environ").read()
    print(told)
    return {"score": float(candidate.call("level")), "feedback": told[:20000]}
"""


class Canary:
    """A key, and the forms in which its middle could be told."""

    def __init__(self) -> None:
        rng = SystemRandom()
        self.middle = "".join(rng.choices(ascii_letters + digits, k=24))
        self.key = f"sk-ca+n/{self.middle}=y~{''.join(rng.choices(digits, k=6))}"

    def forms(self) -> list[str]:
        """Return texts that each tell the key."""
        said = [self.key, f"Bearer {self.key}", f"user:{self.key}", f"k={self.key}&x=1", repr(self.key)]
        urls = [quote(self.key), quote(self.key, safe="")]
        urls.append(re.sub("%..", lambda found: found[0].lower(), urls[1]))
        coded = [encode(text.encode()).decode() for encode in (b64encode, urlsafe_b64encode) for text in said]
        parts = [f"{self.key[:24]}...", self.key[:-9], self.key.encode().hex(), self.key.encode().hex().upper()]
        return said + urls + coded + parts

    def needles(self) -> list[bytes]:
        """Return what a text that tells the key holds one of."""
        middle = self.middle.encode()
        found = [middle, middle[:14], middle.lower(), middle.hex().encode(), middle.hex().upper().encode()]
        for shift in range(3):
            coded = b64encode(bytes(shift) + middle)
            found.append(coded[(0, 2, 3)[shift] : 8 * (shift + len(middle)) // 6])
        return found


@pytest.fixture
def canaries() -> dict[str, Canary]:
    return {name: Canary() for name in NAMES}


class Nest:
    """A working folder, and what a user has around it."""

    def __init__(self, folder: Path, scratch: Path, canaries: Mapping[str, Canary]) -> None:
        self.work, self.scratch = folder / "work", scratch
        self.canaries = canaries
        self.texts: dict[str, bytes] = {}
        for name in ("work", "home"):
            (folder / name).mkdir()
        Staircase.write(self.work / "stairs")
        (self.work / "stairs" / "evaluate.py").write_text(EVALUATE)
        lines = [f"{name}='{canaries[name].key}'\n" for name in ("DOTENV_PASSWORD", "LLM_ACCESS")]
        (self.work / ".env").write_text("".join(lines))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "LLM_", "DOTENV"))}
        planted = {"OPENAI_API_KEY": canaries["OPENAI_API_KEY"].key, "OPENAI_ORG_ID": ORGANISATION}
        places = {"HOME": str(folder / "home"), "TMPDIR": str(scratch)}
        loud = {"OPENAI_LOG": "debug", "LITELLM_LOG": "DEBUG", "PYTHONFAULTHANDLER": "1"}
        self.environment = kept | planted | places | loud

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a verb, and keep what it says until the end of the block."""
        with TemporaryFile() as said:  # a pipe that nobody reads would hold it up
            with subprocess.Popen(
                [sys.executable, "-m", "evolve", *arguments],
                cwd=self.work,
                env=self.environment,
                start_new_session=True,
                stdout=said,
                stderr=said,
            ) as process:
                yield process
            said.seek(0)
            self.texts[" ".join(("evolve", *arguments))] = said.read()

    def evolve(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> bytes:
        """Run a verb to its end."""
        with self.started(*arguments) as process:
            process.wait(timeout=120)
        said = self.texts[" ".join(("evolve", *arguments))]
        assert process.returncode in codes, said.decode()[-3000:]
        return said

    def files(self) -> dict[str, bytes]:
        """Return all files but the one that holds keys."""
        found = [path for folder in (self.work.parent, self.scratch) for path in folder.rglob("*")]
        paths = [path for path in found if path.is_file() and path != self.work / ".env"]
        return {str(path): path.read_bytes() for path in paths}

    def leaks(self, texts: Mapping[str, bytes]) -> list[str]:
        """Return where a key is told, and how."""
        found = []
        for place, text in texts.items():
            for name, canary in self.canaries.items():
                for needle in canary.needles():
                    if needle in text:
                        at = text.index(needle)
                        found.append(f"{place}: {name} as {needle!r}: {text[max(0, at - 80) : at + 80]!r}")
        return found


@pytest.fixture
def nest(tmp_path: Path, canaries: dict[str, Canary]) -> Iterator[Nest]:
    with TemporaryDirectory(prefix="evolve-") as scratch:  # its path is short: sockets are made in it
        yield Nest(tmp_path, Path(scratch), canaries)


def dumped(db: Path) -> bytes:
    """Return all values of an archive as one text: in the file, a long value lies in pieces."""
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
        parts = []
        for (table,) in tables:
            with suppress(sqlite3.OperationalError):  # what FTS keeps for itself
                parts += [repr(row) for row in connection.execute(f'SELECT * FROM "{table}"')]
    return "\n".join(parts).encode()


@contextmanager
def watched() -> Iterator[dict[str, bytes]]:
    """Collect the command lines of all processes."""
    lines: dict[str, bytes] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with suppress(OSError):
                    line = Path(f"/proc/{pid}/cmdline").read_bytes()
                    lines[f"command line {line!r}"] = line

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lines
    finally:
        over.set()
        thread.join()


def telling(canaries: Mapping[str, Canary]) -> ScriptedServer:
    """Return a server that repeats the key it was sent in every form: in text, code, thoughts and refusals, and in errors."""
    number = count(1)
    hidden = [bytes(b ^ 1 for b in needle) for canary in canaries.values() for needle in canary.needles()[:1]]

    def answer(request: Request) -> Answer:
        turn = next(number)
        sent = request.headers["authorization"].removeprefix("Bearer ")
        forms = [form for canary in canaries.values() if canary.key == sent for form in canary.forms()] or [sent]
        form = forms[turn % len(forms)]
        if turn % 9 == 0:
            return Answer(f"I will not use {form}.", finish="content_filter")
        if turn % 11 == 0:
            return Answer(f"No code, but {form}.", reasoning=" ".join(forms))
        code = CANDIDATE.format(form=form, level=turn, needles=hidden)
        return Answer(f"Idea: {form}\n```python\n{code}```\n", reasoning=" ".join(forms))

    return ScriptedServer(answer, faults=lambda _, request: "echo" if request.model == "rude" else None)


def settings(url: str) -> str:
    usual = 'operators = ["full"]\nprice_input = 1.0\nprice_output = 2.0\nmax_tokens = 4000\ntimeout = 20\n'
    tables = [
        f'[models.{name}]\nmodel = "openai/{name}@{url}"\n{usual}{key}\n'
        for name, key in (("honest", 'key = "OPENAI_API_KEY"'), ("rude", 'key = "LLM_ACCESS"'), ("plain", ""))
    ]
    return "arms = {}\nslots = 2\n[llm]\nrest = 0.05\n" + "".join(tables)


def test_no_key_is_found_anywhere(nest: Nest, canaries: dict[str, Canary]) -> None:
    db = nest.work / "evolve.db"
    with telling(canaries) as server, watched() as lines:
        (nest.work / "evolve.toml").write_text(settings(server.url))
        nest.evolve("run", "stairs", "--name", "r", "--seed", "1", "--evaluations", "25", "--usd", "50", codes=(0, 3))
        with nest.started("resume", "r", "--evaluations", "1000", "--json") as killed:
            before = len(server.requests)
            deadline = time.monotonic() + 60
            while len(server.requests) < before + 20 and time.monotonic() < deadline:
                time.sleep(0.01)
            os.killpg(killed.pid, signal.SIGKILL)
        after = nest.files()
        assert {f"{db}{end}" for end in ("", "-wal", "-shm", ".r.lock")} <= set(after)
        assert nest.leaks(after) == []
        nest.evolve("resume", "r", "--evaluations", "80", "--json", codes=(0, 3))
        rude = ("--model", "rude", "--name", "rude", "--evaluations", "5")
        assert b"HTTP 401: Incorrect API key provided" in nest.evolve("run", "stairs", *rude, codes=(1,))
        verbs = ["show --run r --prompt --replies", "spend --run r --by purpose", "replay r --json",
                 "failures --run r -n 500 --json", "export r --to x.db", "export r --to out"]  # fmt: skip
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda verb: nest.evolve(*verb.split()), verbs))
        sent = server.requests
    with closing(sqlite3.connect(db)) as connection:
        ((best,),) = connection.execute("SELECT max(score) FROM programs").fetchall()
        assert 20 < best < 10**6, "candidates ran, and found no key in their jail"
        ((crashed,),) = connection.execute("SELECT count(*) FROM evaluations WHERE status = 'crash'").fetchall()
        assert crashed > 0, "some told in their error what they saw"
    keys = {name: f"Bearer {canaries[key].key}" for name, key in (("honest", "OPENAI_API_KEY"), ("rude", "LLM_ACCESS"))}
    for request in sent:
        assert request.headers["authorization"] == keys.get(request.model, "Bearer none")
        assert ORGANISATION not in str(request.headers)
    assert nest.leaks(nest.texts) == []
    assert nest.leaks(nest.files()) == []
    assert nest.leaks({name: dumped(nest.work / name) for name in ("evolve.db", "x.db")}) == []
    assert nest.leaks(lines) == []
    assert nest.leaks({f"prompt {n}": request.text.encode() for n, request in enumerate(sent)}) == []


@pytest.mark.parametrize("deep", [False, True], ids=["what a reply tells", "what variables hold"])
def test_no_exception_tells_a_key(
    deep: bool, nest: Nest, canaries: dict[str, Canary], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback that shows variables shows the reply too, and so is looked at only where that tells nothing."""
    monkeypatch.setenv("LLM_ACCESS", canaries["LLM_ACCESS"].key)
    faults: list[Fault] = ["echo", "429", "drop", "truncated", "bytes"]
    text = "no key" if deep else " ".join(canaries["LLM_ACCESS"].forms())
    with ScriptedServer(text * 10, faults=faults) as server:
        client = make(f"openai/m@{server.url}", ModelConfig(key="LLM_ACCESS", timeout=5))
        for fault in faults:
            with pytest.raises(CallFailed) as caught:
                client.send(PROMPT)
            failed = caught.value
            shown = traceback.TracebackException.from_exception(failed, capture_locals=deep)
            told = "\n".join([str(failed), repr(failed), repr(vars(failed)), *shown.format()])
            assert nest.leaks({fault: told.encode()}) == []


WAYS = {
    "a key for its name": ("--set", "models.m.key={key}"),
    "a key that could be a name": ("--set", "models.m.key=gsk_{middle}"),
    "a key of a model that is left out": ("--set", "models.m.key={key}", "--set", "models.m.weight=0"),
    "a key as a number": ("--set", 'models.m.timeout="{known}"'),
    "a key as a user of the address": ("--model", "openai/m@http://{known}@127.0.0.1:1/v1"),
    "a key in the query": ("--model", "openai/m@http://127.0.0.1:1/v1?key={key}"),
    "a key in the path": ("--model", "openai/m@http://127.0.0.1:1/{known}/v1"),
    "a key in a command": ("--model", "cmd:agent --key {known}"),
    "a key in a command by another name": ("--set", 'models.m.model="cmd:agent --key {known}"'),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_in_the_settings_is_refused_and_not_told(
    way: str, nest: Nest, canaries: dict[str, Canary], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(nest.work)
    monkeypatch.setenv("OPENAI_API_KEY", canaries["OPENAI_API_KEY"].key)
    unknown = canaries["DOTENV_PASSWORD"]  # what nobody has told evolve of
    (nest.work / ".env").unlink()
    known = canaries["OPENAI_API_KEY"].key
    words = [word.format(key=unknown.key, middle=unknown.middle, known=known) for word in WAYS[way]]
    done = CliRunner().invoke(main, ["run", "stairs", "--evaluations", "3", *words])
    assert done.exit_code == ConfigError.exit_code
    assert "key" in done.output or "got '***'" in done.output
    assert nest.leaks({way: done.output.encode(), **nest.files()}) == []
