"""GPUs that are not there: a probe that tells what it is told to, and stand-ins for what the real probes ask.

All of a `FakeProbe` is one JSON file, so that several processes can share the same devices, and a test can change them while a
run goes on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from evolve.gpu.probe import MIB, Device, ProbeError


class FakeProbe:
    """An `evolve.gpu.GpuProbe` over a JSON file that its methods change: what leaks, vanishes, grows or is somebody else's.

    Args:
        path: the file, shared by all probes of the same devices.
        count: how many devices there are, where the file is not there yet; ``GPU-0``, ``GPU-1`` and so on.
        memory: bytes of each.
    """

    how = "a fake"

    def __init__(self, path: Path, count: int = 1, memory: int = 16 << 30) -> None:
        self._path = path
        if not path.exists():
            self._write({f"GPU-{n}": {"memory": memory, "processes": {}, "leaked": 0} for n in range(count)})

    def devices(self) -> tuple[Device, ...]:
        """Return those that have not vanished."""
        return tuple(
            Device(uuid, n, n, "Fake GPU", state["memory"])
            for n, (uuid, state) in enumerate(self._read().items())
            if "gone" not in state
        )

    def processes(self, uuid: str) -> Mapping[int, int | None]:
        """Return who is on a device."""
        return {int(pid): size for pid, size in self._state(uuid)["processes"].items()}

    def memory(self, uuid: str) -> int:
        """Return the bytes of its processes, and those that leaked."""
        state = self._state(uuid)
        return int(sum(size or 0 for size in state["processes"].values()) + state["leaked"])

    def enter(self, uuid: str, pid: int, size: int | None) -> None:
        """Put a process on a device, or change the bytes that it has there; None: nobody knows how many."""
        devices = self._read()
        devices[uuid]["processes"][str(pid)] = size
        self._write(devices)

    def leave(self, uuid: str, pid: int) -> None:
        """Take a process off a device."""
        devices = self._read()
        devices[uuid]["processes"].pop(str(pid), None)
        self._write(devices)

    def leak(self, uuid: str, size: int) -> None:
        """Have ``size`` bytes of a device in use by no process at all."""
        devices = self._read()
        devices[uuid]["leaked"] = size
        self._write(devices)

    def vanish(self, uuid: str) -> None:
        """Have a device fall off the bus."""
        devices = self._read()
        devices[uuid]["gone"] = True
        self._write(devices)

    def _state(self, uuid: str) -> dict[str, Any]:
        state = self._read().get(uuid, {"gone": True})
        if "gone" in state:
            raise ProbeError(f"{uuid} is lost")
        return state

    def _read(self) -> dict[str, dict[str, Any]]:
        devices: dict[str, dict[str, Any]] = json.loads(self._path.read_text())
        return devices

    def _write(self, devices: Mapping[str, Any]) -> None:
        written = self._path.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(devices))
        written.rename(self._path)  # so that nobody reads half of it


def fake_nodes(folder: Path, count: int = 1) -> Path:
    """Make ordinary files in ``folder`` that stand for the device nodes of ``count`` GPUs, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{n}" for n in range(count))):
        (folder / name).touch()
    return folder


def fake_smi(path: Path, probe: Path, *, cut: bool = False) -> Path:
    """Write a command that answers as nvidia-smi would about the devices of a `FakeProbe`'s file, and return its path.

    Args:
        path: of the command.
        probe: the file.
        cut: list a MIG slice on the last device.
    """
    path.write_text(f"#!{sys.executable}\nimport json, sys\nCUT, MIB = {cut}, {MIB}\nFILE = {str(probe)!r}\n{_SMI}")
    path.chmod(0o755)
    return path


_SMI = """\
devices = list(json.load(open(FILE)).items())
alive = [(n, uuid, state) for n, (uuid, state) in enumerate(devices) if "gone" not in state]
if sys.argv[1] == "-L":
    for n, uuid, state in alive:
        print(f"GPU {n}: Fake GPU (UUID: {uuid})")
    if CUT:
        print("  MIG 1g.5gb      Device  0: (UUID: MIG-0)")
elif sys.argv[1] == "--query-gpu=uuid,index,name,memory.total":
    for n, uuid, state in alive:
        print(f"{uuid}, {n}, Fake GPU, {state['memory'] // MIB}")
elif sys.argv[1] == "--query-gpu=uuid,memory.used":
    for n, uuid, state in alive:
        print(f"{uuid}, {(sum(size or 0 for size in state['processes'].values()) + state['leaked']) // MIB}")
elif sys.argv[1] == "--query-compute-apps=gpu_uuid,pid,used_memory":
    for n, uuid, state in alive:
        for pid, size in state["processes"].items():
            print(f"{uuid}, {pid}, {'[N/A]' if size is None else size // MIB}")
else:
    sys.exit(f"unknown option {sys.argv[1]}")
"""


def fake_nvml(probe: FakeProbe, slices: Mapping[str, Mapping[str, tuple[int, int]]] | None = None) -> ModuleType:
    """Return a module to put in the place of ``pynvml`` that knows the devices of ``probe``.

    Args:
        probe: with the devices.
        slices: of a GPU's UUID, its MIG slices by UUID, each with the ids of its two instances; they share its memory.
    """
    cut = slices or {}
    module: Any = ModuleType("pynvml")

    class NVMLError(Exception):
        """As in the real module, the base of all its errors."""

    def ask(what: Any, uuid: str) -> Any:
        owner = next((gpu for gpu, parts in cut.items() if uuid in parts), uuid)
        try:
            return what(owner)
        except ProbeError as error:
            raise NVMLError(str(error)) from None

    def mode(uuid: str) -> list[int]:
        if not cut:
            raise NVMLError("Not Supported")
        return [int(uuid in cut)] * 2

    def part(uuid: str, place: int) -> str:
        if place >= len(cut[uuid]):
            raise NVMLError("Not Found")
        return list(cut[uuid])[place]

    ids = {uuid: pair for parts in cut.values() for uuid, pair in parts.items()}
    total = {device.uuid: device.memory for device in probe.devices()}
    module.NVMLError = NVMLError
    module.nvmlInit = lambda: None
    module.nvmlDeviceGetCount = lambda: len(total)
    module.nvmlDeviceGetHandleByIndex = lambda index: ask(
        lambda uuid: (probe.memory(uuid), uuid)[1], list(total)[index]
    )
    module.nvmlDeviceGetHandleByUUID = lambda uuid: uuid
    module.nvmlDeviceGetMigMode = mode
    module.nvmlDeviceGetMaxMigDeviceCount = lambda uuid: 7
    module.nvmlDeviceGetMigDeviceHandleByIndex = part
    module.nvmlDeviceGetGpuInstanceId = lambda uuid: ids[uuid][0]
    module.nvmlDeviceGetComputeInstanceId = lambda uuid: ids[uuid][1]
    module.nvmlDeviceGetMinorNumber = lambda uuid: list(total).index(uuid)
    module.nvmlDeviceGetUUID = lambda uuid: uuid
    module.nvmlDeviceGetName = lambda uuid: "Fake GPU"
    module.nvmlDeviceGetMemoryInfo = lambda uuid: ask(
        lambda owner: SimpleNamespace(total=total[owner], used=probe.memory(owner)), uuid
    )
    module.nvmlDeviceGetComputeRunningProcesses = lambda uuid: ask(
        lambda owner: [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in probe.processes(owner).items()],
        uuid,
    )
    found: ModuleType = module
    return found
