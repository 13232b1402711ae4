"""A candidate in this very process: its modules live in memory, and nothing confines them."""

from __future__ import annotations

import io
import linecache
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType, TracebackType

from evolve.jail import JailEnded, Usage
from evolve.judge import runner, wire
from evolve.records import Sources, Task

FOLDER = "<program>"
"""What stands for the candidate's folder in the names of files that do not exist."""
AGAIN = 0.05
"""Seconds after which an alarm that a candidate has swallowed rings again."""


class Here:
    """A channel to a candidate in this process, with the time limit that an alarm can keep."""

    def __init__(self, task: Task, sources: Sources) -> None:
        self._program = Unpacked(dict(sources) | ({} if task.harness is None else {"harness.py": task.harness}))
        self._output = Tail(task.limits.output)

    def start(self) -> None:
        """Do nothing: there is nothing to start."""

    def exchange(self, frame: bytes, deadline: float) -> bytes:
        """Answer ``frame`` as the runner in a jail would.

        Raises:
            JailEnded: with ``timeout``, where the alarm had to end it, or where there is no alarm and it took too long.
        """
        alarm = Alarm()
        reply = b""
        with redirect_stdout(self._output), redirect_stderr(self._output), self._program.imported():
            try:
                try:
                    alarm.set(deadline)
                    reply = self._program.answer(frame)
                finally:
                    alarm.off()
            except runner.Deadline:  # it rang on the way out
                alarm.off()
        if alarm.rang or time.monotonic() > deadline:
            raise JailEnded("timeout", "no answer in time")
        return reply

    def close(self) -> Usage:
        """Remove the scratch folder, if there is one, and return what was printed."""
        self._program.close()
        return Usage(None, None, self._output.text())


class Alarm:
    """Ends what runs in the main thread by raising `runner.Deadline` in it, again and again until `off`; else does nothing."""

    def __init__(self) -> None:
        self.rang = False
        self._armed = False
        self._before: signal._HANDLER = None

    def set(self, deadline: float) -> None:
        """Ring at the monotonic time ``deadline``."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGALRM, self._ring)
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, max(1e-6, deadline - time.monotonic()), AGAIN)

    def off(self) -> None:
        """Ring no more."""
        if self._armed:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._armed:
            self.rang = True
            raise runner.Deadline("no answer in time")


class Tail(io.StringIO):
    """A text stream of which only the last ``limit`` characters are kept."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def write(self, text: str, /) -> int:
        """Append, and forget the oldest now and then."""
        super().write(text[-self._limit :])
        if self.tell() > 2 * self._limit:
            kept = self.text()
            self.seek(0)
            self.truncate()
            super().write(kept)
        return len(text)

    def text(self) -> str:
        """Return what is kept."""
        return self.getvalue()[-self._limit :]


class Unpacked(runner.Program):
    """A candidate whose modules are imported from memory; while it is on the module path, their finder."""

    def __init__(self, files: Mapping[str, str]) -> None:
        super().__init__(wire, FOLDER, "")
        self._files = files
        self._paths = {_module(path): path for path in files if path.endswith(".py")}
        self._folders = {path.rpartition("/")[0].replace("/", ".") for path in files if "/" in path}
        self._names = {"program", *self._paths, *self._folders}
        self._modules: dict[str, ModuleType] = {}

    @contextmanager
    def imported(self) -> Iterator[None]:
        """Put the candidate's modules in the place of modules of the same names, until the end of the block."""
        hidden = {name: sys.modules.pop(name) for name in self._names if name in sys.modules}
        sys.modules.update(self._modules)
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            self._modules = {name: sys.modules.pop(name) for name in self._names if name in sys.modules}
            sys.modules.update(hidden)

    def spec(self) -> ModuleSpec:
        """Return how the entry module is imported."""
        return self._spec("program", self.entry)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find one of the candidate's modules, or a folder of them."""
        if name in self._paths:
            return self._spec(name, self._paths[name])
        return ModuleSpec(name, None, is_package=True) if name in self._folders else None

    def _spec(self, name: str, path: str) -> ModuleSpec:
        loader = Loading(self._files[path], f"{FOLDER}/{path}")
        found = ModuleSpec(name, loader, origin=loader.origin, is_package=path.endswith("/__init__.py"))
        found.has_location = True
        return found

    def copy(self) -> None:
        """Write the candidate's files to a new scratch folder."""
        self.scratch = tempfile.mkdtemp(prefix="evolve-")
        for path, text in self._files.items():
            place = Path(self.scratch, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        self.copied = True

    def frames(self, trace: TracebackType | None) -> list[str]:
        """Return the candidate's frames, whose lines are looked up in its files."""
        for path, text in self._files.items():
            name = f"{FOLDER}/{path}"
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        try:
            return super().frames(trace)
        finally:
            for path in self._files:
                linecache.cache.pop(f"{FOLDER}/{path}", None)

    def close(self) -> None:
        """Remove the scratch folder, if there is one."""
        if self.copied:
            shutil.rmtree(self.scratch, ignore_errors=True)


class Loading(Loader):
    """Loads one module from its text."""

    def __init__(self, text: str, origin: str) -> None:
        self.text = text
        self.origin = origin

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave the making of the module to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the text in the module's namespace."""
        exec(compile(self.text, self.origin, "exec", dont_inherit=True), module.__dict__)


def _module(path: str) -> str:
    """Return the dotted name of the module in a file."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
