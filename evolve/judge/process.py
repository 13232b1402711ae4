"""The judge process: one per slot, holds ``evaluate.py``, judges one candidate after another until its socket closes.

It is told its task and its jobs over a socket that the candidate never has. What ``evaluate.py`` prints goes to a file
that the driver also holds, and so cannot be taken for a message. In each direction a message is a size of eight bytes and
a value of `evolve.judge.wire`.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from contextlib import closing, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from evolve.jail import Confinement, Inside
from evolve.judge import score, wire
from evolve.judge.jails import Jails
from evolve.records import Artifact, Evaluation, Job, Limits, Metric, Repeat, Resources, Stages, Task


def main(argv: list[str]) -> None:
    """Serve the driver that started this process: ``SOCKET_FD FLAG_FD DRIVER_PID``.

    ``FLAG_FD`` is a file whose only byte says whether the candidate is being waited for: the driver, which kills a judge
    that takes too long, reads there whose fault it was.
    """
    channel, flag, driver = socket.socket(fileno=int(argv[1])), int(argv[2]), int(argv[3])
    channel.set_inheritable(False)
    os.set_inheritable(flag, False)
    end_with(driver)
    signal.signal(signal.SIGTERM, _leave)
    with suppress(Dismissed):
        serve(channel, flag)


def serve(channel: socket.socket, flag: int) -> None:
    """Judge what arrives, until nothing does."""
    setup = receive(channel)
    if setup is None:
        return
    task, confinement = task_of(setup["task"]), Confinement.from_json(setup["confinement"])
    failure, script = None, None
    try:
        script = score.load(task)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - evaluate.py is its author's: whatever it raises is a judge_error
        failure = Evaluation("judge_error", error=score.described(error))
    inside = Inside(preload=task.preload, cpus=tuple(setup.get("cpus", ())))
    with closing(
        Jails(task, confinement, setup["slot"], setup.get("fresh", "process"), inside, partial(_mark, flag))
    ) as jails:
        jails.warm_up()
        send(channel, {"ready": True})
        while (message := receive(channel)) is not None:
            lease = message.get("lease")
            jails.hold(lease)
            before = time.process_time()
            if script is None:
                seen = failure or Evaluation("judge_error")
            else:
                job = Job(**message["job"])
                seen = score.judge(task, script, job, jails.cold if job.purpose == "cold" else jails.open)
            seen = replace(seen, fresh=jails.used(), gpus=tuple(lease["uuids"]) if lease else ())
            seen = replace(seen, judge_seconds=time.process_time() - before)
            seen = score.stamped(seen, confinement, printed(task.limits.output))
            if task.foreign:
                seen = replace(seen, integrity="same-process")
            if jails.unfit:
                seen = replace(seen, isolation_reason="; ".join(filter(None, (seen.isolation_reason, jails.unfit))))
            send(channel, {"evaluation": plain(seen)})


def _mark(flag: int, calling: bytes) -> None:
    os.pwrite(flag, calling, 0)


def end_with(driver: int) -> None:
    """Make this process die with its driver, also if that is killed; elsewhere than on Linux its socket's end has to do."""
    if sys.platform == "linux":
        import ctypes

        death_signal = 1  # PR_SET_PDEATHSIG
        libc: Any = ctypes.CDLL(None)
        libc.prctl(death_signal, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != driver:  # it died before the line above
        raise SystemExit(1)


class Dismissed(BaseException):
    """Raised by SIGTERM, so that the jail is closed on the way out; no exception that evaluate.py would catch, or could raise."""


def _leave(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut the first one's closing short
    raise Dismissed


def printed(limit: int) -> str:
    """Return the tail of what was printed since the last time, which is taken back from the file that stdout is."""
    sys.stdout.flush()
    sys.stderr.flush()
    text = tail(1, limit)
    os.ftruncate(1, 0)
    return text


def tail(file: int, limit: int) -> str:
    """Return the last ``limit`` bytes of a file as text."""
    size = os.fstat(file).st_size
    return os.pread(file, limit, max(0, size - limit)).decode(errors="replace")


def send(channel: socket.socket, message: Any) -> None:
    """Write one message."""
    data = wire.encode(message, nonfinite=True)
    channel.sendall(len(data).to_bytes(8, "little") + data)


def receive(channel: socket.socket) -> Any:
    """Return the next message, or None where the socket ends."""
    head = channel.recv(8, socket.MSG_WAITALL)
    if len(head) < 8:
        return None
    size = int.from_bytes(head, "little")
    data = bytearray()
    while len(data) < size and (part := channel.recv(min(1 << 20, size - len(data)))):
        data += part
    return wire.decode(bytes(data), nonfinite=True) if len(data) == size else None


def plain(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain data."""
    fields = {name: getattr(evaluation, name) for name in Evaluation.__dataclass_fields__}
    return fields | {
        "metrics": dict(evaluation.metrics),
        "artifacts": [asdict(artifact) for artifact in evaluation.artifacts],
        "repeats": [asdict(repeat) for repeat in evaluation.repeats],
    }


def plain_task(task: Task) -> dict[str, Any]:
    """Return what a judge needs of a task as plain data: seed program, baselines, cost and the search's settings stay behind."""
    fields = {name: getattr(task, name) for name in Task.__dataclass_fields__}
    fields |= {"root": str(task.root), "evaluator": str(task.evaluator), "initial": {}, "search": {}, "baselines": ()}
    fields |= {name: asdict(getattr(task, name)) for name in ("score", "limits", "resources", "stages")}
    del fields["cost"]
    return fields | {"metrics": {name: asdict(metric) for name, metric in task.metrics.items()}}


def task_of(fields: dict[str, Any]) -> Task:
    """Return the task that `plain_task` was given, less what stayed behind."""
    metrics = {name: Metric(**metric) for name, metric in fields["metrics"].items()}
    nested = {"score": Metric(**fields["score"]), "metrics": metrics, "limits": Limits(**fields["limits"])}
    nested |= {"resources": Resources(**fields["resources"]), "stages": Stages(**fields["stages"])}
    return Task(**fields | nested | {"root": Path(fields["root"]), "evaluator": Path(fields["evaluator"])})


def evaluation_of(fields: dict[str, Any]) -> Evaluation:
    """Return the evaluation that `plain` was given."""
    nested: dict[str, Any] = {"artifacts": tuple(Artifact(**artifact) for artifact in fields["artifacts"])}
    nested |= {"repeats": tuple(Repeat(**repeat) for repeat in fields["repeats"])}
    return Evaluation(**fields | nested)
