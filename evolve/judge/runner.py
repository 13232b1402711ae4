"""What runs inside the jail: loads the candidate, calls its functions, answers in plain data.

Its ``main`` is called with [name, IN_FD, OUT_FD, PROGRAM_DIR, SCRATCH_DIR, SITE_DIR...] in an interpreter started with
``-P -s -S``, where neither evolve nor any package is importable but those of the site folders, so this file needs the standard
library alone, and ``wire.py``, which was executed before it. Each frame that it receives is a request, answered by one reply; the
first one says what holds for all others.

Nothing here is trusted: the candidate shares this process and may do with it what it likes. What keeps the score honest
is that the judge believes no more of a reply than `evolve.judge.wire.decode` lets through.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more than the rest of the start
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from subprocess import Popen
    from types import ModuleType, TracebackType
    from typing import Any

GPU_MEMORY = "EVOLVE_GPU_MEMORY"
"""The variable that says how many bytes of each GPU torch may have."""
MESSAGE = 8 << 10
"""How many characters of an error are sent."""


class Deadline(BaseException):
    """Raised by whoever runs a candidate in its own process, to end a call whose time is up."""


class Excess(Exception):  # noqa: N818 - it is an amount
    """More output than a reply may hold."""


class Program:
    """A candidate's modules, and what was shared with them.

    Args:
        wire: the module `evolve.judge.wire`.
        folder: where the candidate's files are.
        scratch: a writable folder.
    """

    def __init__(self, wire: ModuleType, folder: str, scratch: str) -> None:
        self.wire = wire
        self.folder = folder
        self.scratch = scratch
        self.entry = ""
        self.seed = 0
        self.nonfinite = False
        self.limit = 1 << 20
        self.shared: dict[str, Any] = {}
        self.loaded: ModuleType | None = None
        self.copied = False

    def answer(self, frame: bytes) -> bytes:
        """Return the reply to one request: its ``id`` with a ``value``, or with a ``status`` and an ``error``."""
        encode: Callable[..., bytes] = self.wire.encode
        request = self.wire.decode(frame, nonfinite=True, shared=self.shared)
        reply = {"id": request["id"]}
        try:
            value = getattr(self, "do_" + request["do"])(request)
            sys.stdout.flush()
            return encode(reply | {"value": value}, nonfinite=self.nonfinite, limit=self.limit)
        except self.wire.WireError as error:
            error.path = error.path.removeprefix("['value']")
            failure = {"status": "protocol", "error": f"{request['what']} returned {error}"}
        except BaseException as error:  # noqa: BLE001 - the boundary of the jail: whatever a candidate raises is an answer
            failure = {"status": status_of(error), "error": self.describe(error)}
        return encode(reply | failure)

    def do_begin(self, request: dict[str, Any]) -> None:
        """Take note of what holds for all calls: the entry's path, the seed, whether NaN may be returned, and how many bytes."""
        self.entry, self.seed = request["entry"], request["seed"]
        self.nonfinite, self.limit = request["nonfinite"], request["limit"]
        if request["preload"]:
            self.preload(request["preload"])

    def preload(self, names: Sequence[str]) -> None:
        """Import in a cold jail what a warm one has: neither a call's time nor what the seed decides may tell them apart."""
        from importlib import import_module

        places = sys.path[:]
        # A file of the candidate's may have a package's name.
        sys.path[:] = [place for place in places if place != self.folder]
        for name in names:
            try:
                import_module(name)
            except Exception:  # noqa: BLE001 - whoever needs it will be told
                continue
        prepare()
        sys.path[:] = places

    def do_call(self, request: dict[str, Any]) -> Any:
        """Call a function of the candidate or of one of the modules beside it."""
        module_name, _, name = request["what"].rpartition(":")
        target: Any = self.program()
        if module_name:
            target = self.module(module_name)
        for part in name.split("."):
            target = getattr(target, part)
        return target(*request["args"], **request["kwargs"])

    def do_share(self, request: dict[str, Any]) -> None:
        """Keep data under a name, read-only where it is an array."""
        value = request["value"]
        if hasattr(value, "flags"):
            value.flags.writeable = False
        self.shared[request["what"]] = value

    def do_run(self, request: dict[str, Any]) -> tuple[int, bytes, bytes]:
        """Run a program in a writable copy of the candidate's folder; return its exit code, stdout and stderr."""
        if not self.copied:
            self.copy()
        return run(request["argv"], request["stdin"], self.scratch, request["seconds"], self.limit // 2)

    def copy(self) -> None:
        """Copy the candidate's files to the scratch folder."""
        from shutil import copyfile

        for place, _, names in os.walk(self.folder):
            copied = os.path.join(self.scratch, os.path.relpath(place, self.folder))
            os.makedirs(copied, exist_ok=True)
            for name in names:
                copyfile(os.path.join(place, name), os.path.join(copied, name))
        self.copied = True

    def program(self) -> ModuleType:
        """Return the entry module, imported once, as ``program``: the name by which a harness knows it."""
        if self.loaded is None:
            reseed(self.seed)  # all forks of one process would draw the same otherwise
            self.loaded = self.load()
            reseed(self.seed)
        return self.loaded

    def load(self) -> ModuleType:
        """Import the entry module from its file."""
        from importlib.util import find_spec, module_from_spec

        full = self.entry.removesuffix(".py").replace("/", ".")
        spec = find_spec(full) if "." in full else self.spec()  # relative imports in a package need the full name
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.entry} is not a Python file")
        module = module_from_spec(spec)
        names = [name for name in ("program", full) if name not in sys.modules]
        sys.modules.update(dict.fromkeys(names, module))
        try:
            spec.loader.exec_module(module)
        except BaseException:
            for name in names:
                sys.modules.pop(name, None)
            raise
        return module

    def spec(self) -> ModuleSpec | None:
        """Return how the entry module's file is imported, as ``program``."""
        from importlib.util import spec_from_file_location

        return spec_from_file_location("program", os.path.join(self.folder, self.entry))

    def module(self, name: str) -> ModuleType:
        """Return the module ``name`` of one of the other files."""
        from importlib import import_module

        return import_module(name)

    def describe(self, error: BaseException) -> str:
        """Return the error with the candidate's own frames of its traceback, and no path of this machine."""
        from traceback import format_exception_only

        if isinstance(error, Deadline | Excess):
            return str(error)
        lines = self.frames(error.__traceback__)
        try:
            lines += format_exception_only(error)
        except Exception as second:  # noqa: BLE001 - its __str__ is the candidate's as well
            lines.append(f"{type(error).__name__} (whose text raised {type(second).__name__})\n")
        text = "".join((["Traceback (most recent call last):\n"] if len(lines) > 1 else []) + lines).strip()
        for place in (self.folder, self.scratch, *sys.path, sys.prefix, sys.base_prefix):
            if len(place) > 1:
                text = text.replace(place + "/", "")
        text = text.encode(errors="replace").decode()
        room = min(MESSAGE, self.limit // 8)
        return text if len(text) <= room else f"{text[: room // 2]}\n...\n{text[-room // 2 :]}"

    def frames(self, trace: TracebackType | None) -> list[str]:
        """Return a traceback's lines that are in the candidate's folder, the innermost twenty."""
        from linecache import getline

        lines = []
        while trace is not None:
            code, number = trace.tb_frame.f_code, trace.tb_lineno
            if code.co_filename.startswith(self.folder + "/"):
                path = code.co_filename[len(self.folder) + 1 :]
                source = getline(code.co_filename, number).strip()
                lines.append(f'  File "{path}", line {number}, in {code.co_name}\n    {source}\n')
            trace = trace.tb_next
        return lines[-20:]


def status_of(error: BaseException) -> str:
    """Return the status that an exception of the candidate's means."""
    if isinstance(error, Deadline):
        return "timeout"
    if isinstance(error, Excess):
        return "protocol"
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which must not be imported to ask
        return "gpu_memory"
    return "memory" if isinstance(error, MemoryError) else "crash"


def reseed(seed: int) -> None:
    """Seed the global generators of the libraries that the candidate has imported, so that judging again repeats itself."""
    if "random" in sys.modules:
        sys.modules["random"].seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % (1 << 32))
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed % (1 << 63))


def run(argv: Sequence[str], stdin: bytes, folder: str, seconds: float, cap: int) -> tuple[int, bytes, bytes]:
    """Run a program for at most ``seconds``, with at most ``cap`` bytes of output.

    Returns:
        The exit code (negative: the signal that ended it), stdout and stderr.

    Raises:
        Deadline: if it took longer.
        Excess: if it printed more.
    """
    import subprocess
    import tempfile
    import time

    end = time.monotonic() + seconds
    program = sys.executable if argv[0] in ("python", "python3") else argv[0]
    with tempfile.TemporaryFile(dir=folder) as given:
        given.write(stdin)
        given.seek(0)
        pipe = subprocess.PIPE
        process = subprocess.Popen([program, *argv[1:]], stdin=given, stdout=pipe, stderr=pipe, cwd=folder)
        with process:
            try:
                stdout, stderr = collect(process, end, cap)
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise Deadline(f"{argv[0]} took longer than {seconds:g} s") from None
            finally:
                process.kill()
    return process.returncode, stdout, stderr


def collect(process: Popen[bytes], end: float, cap: int) -> tuple[bytes, bytes]:
    """Return what ``process`` prints until both its pipes close, by the monotonic time ``end``.

    Raises:
        TimeoutExpired: if that comes first.
        Excess: at more than ``cap`` bytes.
    """
    import selectors
    import subprocess
    import time

    stdout, stderr = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream, kept in ((process.stdout, stdout), (process.stderr, stderr)):
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ, kept)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(process.args, 0.0)
            for key, _ in ready:
                part = os.read(key.fd, 1 << 16)
                key.data.extend(part)
                if not part:
                    selector.unregister(key.fileobj)
            if len(stdout) + len(stderr) > cap:
                raise Excess(f"it printed more than {cap} bytes")
    return bytes(stdout), bytes(stderr)


def receive(source: int) -> bytes | None:
    """Return the next frame, or None at the end."""
    head = _exactly(source, 8)
    return None if len(head) < 8 else _exactly(source, int.from_bytes(head, "little"))


def _exactly(source: int, size: int) -> bytes:
    parts = []
    while size and (part := os.read(source, min(size, 1 << 20))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send(sink: int, frame: bytes) -> None:
    """Write one frame."""
    rest = memoryview(len(frame).to_bytes(8, "little") + frame)
    while rest:
        rest = rest[os.write(sink, rest) :]


def prepare() -> None:
    """Import what answering takes, once for all candidates; in the zygote of a warm jail, after the task's own imports."""
    from importlib import import_module

    late = ("numpy.random",) if "numpy" in sys.modules else ()  # which numpy itself imports when it is used
    for name in ("importlib.util", "linecache", "traceback", *late):
        import_module(name)


def main(argv: list[str]) -> None:
    """Answer frames until their pipe ends."""
    source, sink = int(argv[1]), int(argv[2])
    folder, scratch, *sites = argv[3:]
    os.set_inheritable(source, False)
    os.set_inheritable(sink, False)
    wire, limiter = sys.modules.pop("wire"), sys.modules.pop("limiter")
    memory = os.environ.pop(GPU_MEMORY, "")
    if memory:
        limiter.limit_devices(int(memory))
    sys.dont_write_bytecode = True
    sys.path[:0] = [folder]
    sys.path += [site for site in sites if site not in sys.path]
    sys.argv = ["program"]
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    program = Program(wire, folder, scratch)
    while (frame := receive(source)) is not None:
        send(sink, program.answer(frame))
