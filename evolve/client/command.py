"""Arms that are commands: a coding agent, or any program, edits the files in a scratch folder."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import shlex
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from evolve.client.address import key_from
from evolve.client.answers import WORDS, words
from evolve.config import ModelConfig
from evolve.errors import ConfigError
from evolve.records import Prompt, Reply, Sources
from evolve.seams import CallFailed
from evolve.secrets import redact, without_secrets

BRIEF = "BRIEF.md"
MOST_FILE = 4 << 20
KEPT = 16 << 10
"""Bytes kept of the beginning and of the end of what a command prints."""

LOOK = 0.05
"""Seconds between two looks at whether the command has ended while something still holds its output open."""


class CommandClient:
    """Runs a command, without a shell, in a folder of its own with the parent's files and a brief; takes back the files.

    ``{brief}`` and ``{folder}`` in its words become the path of the brief and of the folder, which is also where it runs;
    its input is the brief. Words that name a file where the run was started, such as a script of the user's, mean that
    file, unless the program has one of that name. It has the whole environment, or, where ``key`` names a variable, no
    other key than that one. At the time limit, and when the run ends, it is killed with its whole process group; children
    that moved into a session of their own are out of reach and may live on. It is not jailed: it is a program that the
    user chose.
    """

    def __init__(self, command: str, config: ModelConfig) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise ConfigError(f"cmd:{command}: {error}; quote it as for a shell") from None
        if not self._words:
            raise ConfigError("cmd: names no command; write cmd:COMMAND, such as cmd:'my-agent --task {brief}'")
        self._config = config
        if config.key is not None:
            key_from(config.key, f"cmd:{command}")

    @property
    def max_tokens(self) -> int:
        """Nobody counts a command's tokens."""
        return 0

    def check(self, files: Collection[str]) -> None:
        """Refuse a command that is not there, for programs of these files.

        Raises:
            ConfigError: if it is none.
        """
        first = self._words[0]
        if first not in files and "{" not in first and shutil.which(_from_here(first)) is None:
            raise ConfigError(f"cmd:{first}: there is no such command here, or it is no program")

    def parameters(self, prompt: Prompt) -> dict[str, Any]:
        """Return the command and the names of the files that it may edit."""
        return {"command": [redact(word) for word in self._words], "files": sorted(prompt.files)}

    def send(self, prompt: Prompt) -> Reply:
        """Run the command once. The reply's text is the JSON of its files, path -> text; its note, what it printed first.

        Raises:
            CallFailed: if it cannot be started, fails, takes too long, or leaves files that cannot be read.
        """
        began = time.monotonic()
        with TemporaryDirectory(prefix="evolve-", ignore_cleanup_errors=True) as name:
            folder = Path(name).resolve()
            brief = _furnish(folder, prompt)
            printed = self._run(prompt, folder, brief, began + self._config.timeout)
            files = {path: redact(_read(folder, path)) for path in sorted(prompt.files)}
        text = json.dumps(files, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        first = next((line for line in printed.splitlines() if line.strip()), "")
        return Reply(text=text, seconds=time.monotonic() - began, note=words(first))

    def _run(self, prompt: Prompt, folder: Path, brief: Path, deadline: float) -> str:
        """Return what the command printed."""
        places = {"{brief}": str(brief), "{folder}": str(folder)}
        argv = [_filled(word if word in prompt.files else _from_here(word), places) for word in self._words]
        found = shutil.which(argv[0])
        if found is None:
            raise CallFailed(f"the command {argv[0]!r} is not there, or is no program", permanent=True)
        argv[0] = str(Path(found).absolute())
        with brief.open("rb") as stdin:
            try:
                process = subprocess.Popen(
                    argv,
                    cwd=folder,
                    env=self._environment(),
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            except OSError as error:
                raise CallFailed(f"the command {found} cannot be started: {error.strerror}", permanent=True) from None
        with process, _Running(process.pid):
            out, err, ended = _listen(process, deadline)
        if not ended:
            raise CallFailed(f"the command took more than {self._config.timeout:g} s", charged=True)
        if process.returncode:
            raise CallFailed(f"the command {_exit(process.returncode)}: {_tail(err) or _tail(out)}", charged=True)
        return out

    def _environment(self) -> Mapping[str, str]:
        """Return what the command sees of the environment."""
        key = self._config.key
        return os.environ if key is None else {**without_secrets(os.environ), key: os.environ.get(key, "")}


class _Running:
    """Holds the process group of a command, so that it ends with its call and with this process."""

    groups: set[int] = set()  # noqa: RUF012 - shared on purpose: all that would outlive this process
    lock = Lock()

    def __init__(self, group: int) -> None:
        self._group = group

    def __enter__(self) -> None:
        with self.lock:
            self.groups.add(self._group)

    def __exit__(self, *_: object) -> None:
        """Kill what is left of the group."""
        with self.lock:
            self.groups.discard(self._group)
        _kill(self._group)


@atexit.register
def _end_all() -> None:
    """Kill the commands that are still running when this process ends."""
    with _Running.lock:
        for group in _Running.groups:
            _kill(group)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # all of it has ended, or what is left is another user's


class _Kept:
    """The beginning and the end of a stream of any length."""

    def __init__(self) -> None:
        self._head, self._tail, self._lost = b"", b"", False

    def add(self, data: bytes) -> None:
        """Take note of what came."""
        room = KEPT - len(self._head)
        self._head += data[:room]
        tail = self._tail + data[room:]
        self._lost |= len(tail) > KEPT
        self._tail = tail[-KEPT:]

    def text(self) -> str:
        """Return what was kept."""
        return (self._head + (b"\n...\n" if self._lost else b"") + self._tail).decode("utf-8", "replace")


def _listen(process: subprocess.Popen[bytes], deadline: float) -> tuple[str, str, bool]:
    """Return what a process printed until its end, and whether it ended in time.

    Its end counts, not that of its output: a child in the background may hold that open.
    """
    kept = {stream: _Kept() for stream in (process.stdout, process.stderr) if stream is not None}
    with selectors.DefaultSelector() as selector:
        for stream in kept:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        ended = False
        while not ended and time.monotonic() < deadline:
            ended = process.poll() is not None
            if not ended and not selector.get_map():
                time.sleep(LOOK / 10)
            for key, _ in selector.select(0 if ended else LOOK) if selector.get_map() else ():
                while data := _available(key.fd):
                    kept[key.fileobj].add(data)  # type: ignore[index]
                    if time.monotonic() >= deadline:
                        break
                if data == b"":
                    selector.unregister(key.fileobj)
    out, err = (each.text() for each in kept.values())
    return out, err, ended


def _available(descriptor: int) -> bytes | None:
    """Return what can be read now: nothing at the end, None where there is nothing yet."""
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return None


def _from_here(word: str) -> str:
    """Return the whole path of a file that ``word`` names from the working folder of the run; any other word as it is."""
    try:
        return str(Path(word).absolute()) if Path(word).is_file() else word
    except OSError:  # as of an instruction that is longer than any file's name
        return word


def _furnish(folder: Path, prompt: Prompt) -> Path:
    """Write the parent's files and the brief into the folder; return the brief's path."""
    _write(folder, prompt.files)
    name = BRIEF
    while name in prompt.files:
        name = "_" + name
    text = "\n\n".join(message.text for message in prompt.messages if message.role != "assistant")
    _write(folder, {name: text + "\n"})
    return folder / name


def _write(folder: Path, files: Sources) -> None:
    for path, text in files.items():
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise CallFailed(f"the program's file {path!r} lies outside its folder", permanent=True)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode("utf-8", "replace"))


def _read(folder: Path, path: str) -> str:
    """Return a file as the command left it."""
    try:
        real = (folder / path).resolve(strict=True)
        if not real.is_relative_to(folder):
            raise CallFailed(f"the command made {path} a link that leads out of its folder", charged=True)
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # opening a pipe must not wait
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise CallFailed(f"the command left {path}, but not as a file", charged=True)
            data = file.read(MOST_FILE + 1)
    except FileNotFoundError:
        raise CallFailed(f"the command deleted {path}", charged=True) from None
    except (OSError, RuntimeError) as error:
        raise CallFailed(f"the command left {path} so that it cannot be read: {error}", charged=True) from None
    if len(data) > MOST_FILE:
        raise CallFailed(f"the command left {path} with more than {MOST_FILE >> 20} MiB", charged=True)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CallFailed(f"the command left {path} not as UTF-8: byte {error.start}", charged=True) from None


def _filled(word: str, places: Mapping[str, str]) -> str:
    for place, path in places.items():
        word = word.replace(place, path)
    return word


def _exit(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _tail(printed: str) -> str:
    """Return the end of what was printed, where errors are."""
    line = " ".join(redact(printed).split())
    return line if len(line) <= WORDS else "…" + line[-WORDS:]
