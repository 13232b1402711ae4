"""Which GPUs this machine has and who is on them, asked of the driver; never of torch, which would start CUDA in this process.

Not run on a real GPU yet: see `evolve.gpu`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

MIB = 1 << 20
PATIENCE = 5.0
"""Seconds that nvidia-smi may take."""


class ProbeError(Exception):
    """The driver cannot be asked, or not about this device: it has gone."""


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU, or one MIG slice of one.

    ``uuid`` is the driver's (``GPU-…``, ``MIG-…``); ``index`` the GPU's place in PCI order; ``minor`` the number of its node in
    /dev, None where it could not be found out; ``memory`` in bytes; ``slice`` a MIG slice's GPU instance and compute instance.
    """

    uuid: str
    index: int
    minor: int | None
    name: str
    memory: int
    slice: tuple[int, int] | None = None


class GpuProbe(Protocol):
    """Tells about the GPUs of this machine. Asked by one thread, several times a second while devices are lent."""

    @property
    def how(self) -> str:
        """By what means it knows, or why it knows of none; for people."""

    def devices(self) -> tuple[Device, ...]:
        """Return the devices that may be used."""

    def processes(self, uuid: str) -> Mapping[int, int | None]:
        """Return the processes that compute on a device, by process id, with the bytes that each has there if known.

        The ids are those of the driver's own namespace, which in a container are not this process's.

        Raises:
            ProbeError: if the device cannot be asked about.
        """

    def memory(self, uuid: str) -> int:
        """Return how many bytes of a device are in use, by whomever.

        Raises:
            ProbeError: if the device cannot be asked about.
        """


class NoProbe:
    """Knows of no GPU, and why."""

    def __init__(self, how: str) -> None:
        self.how = how

    def devices(self) -> tuple[Device, ...]:
        """Return none."""
        return ()

    def processes(self, uuid: str) -> Mapping[int, int | None]:
        """Refuse: there is no device."""
        raise ProbeError(f"there is no device {uuid}")

    def memory(self, uuid: str) -> int:
        """Refuse: there is no device."""
        raise ProbeError(f"there is no device {uuid}")


class NvmlProbe:
    """Asks NVML, NVIDIA's management library, by its Python binding ``nvidia-ml-py``.

    Raises:
        ProbeError: if the binding, the library or the driver is missing.
    """

    how = "NVML"

    def __init__(self) -> None:
        try:
            self._nvml: Any = import_module("pynvml")
        except ImportError:
            raise ProbeError("nvidia-ml-py is not installed: pip install 'evolve-programs[gpu]'") from None
        try:
            self._nvml.nvmlInit()
        except self._nvml.NVMLError as error:
            raise ProbeError(f"NVML does not start: {error}") from None

    def devices(self) -> tuple[Device, ...]:
        """Return all GPUs; of one that is cut by MIG, its slices. One that has failed is left out."""
        nvml = self._nvml
        found: list[Device] = []
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                gpu = nvml.nvmlDeviceGetHandleByIndex(index)
                found += self._slices(gpu, index) if self._cut(gpu) else [self._device(gpu, gpu, index)]
            except nvml.NVMLError:
                continue
        return tuple(found)

    def processes(self, uuid: str) -> Mapping[int, int | None]:
        """Return the compute processes of a device."""
        nvml = self._nvml
        try:
            listed = nvml.nvmlDeviceGetComputeRunningProcesses(nvml.nvmlDeviceGetHandleByUUID(uuid))
        except nvml.NVMLError as error:
            raise ProbeError(f"NVML: {error}") from None
        return {process.pid: process.usedGpuMemory for process in listed}

    def memory(self, uuid: str) -> int:
        """Return the bytes in use."""
        nvml = self._nvml
        try:
            return int(nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByUUID(uuid)).used)
        except nvml.NVMLError as error:
            raise ProbeError(f"NVML: {error}") from None

    def _cut(self, gpu: Any) -> bool:
        """Return whether a GPU is cut into slices."""
        try:
            now, _ = self._nvml.nvmlDeviceGetMigMode(gpu)
        except self._nvml.NVMLError:  # a GPU that cannot be cut
            return False
        return bool(now)

    def _slices(self, gpu: Any, index: int) -> Iterator[Device]:
        nvml = self._nvml
        for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
            try:
                part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, place)
            except nvml.NVMLError:  # no slice at this place
                continue
            ids = nvml.nvmlDeviceGetGpuInstanceId(part), nvml.nvmlDeviceGetComputeInstanceId(part)
            yield self._device(part, gpu, index, ids)

    def _device(self, part: Any, gpu: Any, index: int, ids: tuple[int, int] | None = None) -> Device:
        nvml = self._nvml
        try:
            minor = nvml.nvmlDeviceGetMinorNumber(gpu)
        except nvml.NVMLError:  # as under WSL
            minor = None
        memory = int(nvml.nvmlDeviceGetMemoryInfo(part).total)
        return Device(nvml.nvmlDeviceGetUUID(part), index, minor, nvml.nvmlDeviceGetName(part), memory, ids)


class SmiProbe:
    """Asks the command ``nvidia-smi``, which takes some tenths of a second each time. A GPU that is cut by MIG is left out:
    the command does not tell which nodes its slices need.

    Args:
        command: to run.
        proc: where the kernel module tells the minor numbers.
    """

    how = "nvidia-smi"

    def __init__(self, command: str = "nvidia-smi", proc: Path = Path("/proc/driver/nvidia/gpus")) -> None:
        self._command = command
        self._proc = proc

    def devices(self) -> tuple[Device, ...]:
        """Return all GPUs that are not cut.

        Raises:
            ProbeError: if the command fails.
        """
        cut, last = set(), ""
        for line in self._run("-L").splitlines():
            if line.startswith("GPU "):
                last = line.removeprefix("GPU ").partition(":")[0]
            elif line.strip().startswith("MIG"):
                cut.add(last)
        rows = self._rows("--query-gpu=uuid,index,name,memory.total")
        return tuple(
            Device(uuid, int(index), self._minor(uuid), name, int(size) * MIB)
            for uuid, index, name, size in rows
            if index not in cut and size.isdigit()
        )

    def processes(self, uuid: str) -> Mapping[int, int | None]:
        """Return the compute processes of a device."""
        self.memory(uuid)  # a device that has gone has no processes either
        rows = self._rows("--query-compute-apps=gpu_uuid,pid,used_memory")
        return {int(pid): int(size) * MIB if size.isdigit() else None for where, pid, size in rows if where == uuid}

    def memory(self, uuid: str) -> int:
        """Return the bytes in use."""
        for where, size in self._rows("--query-gpu=uuid,memory.used"):
            if where == uuid and size.isdigit():
                return int(size) * MIB
        raise ProbeError(f"nvidia-smi does not list {uuid} any more")

    def _minor(self, uuid: str) -> int | None:
        for file in self._proc.glob("*/information"):
            fields = dict(line.partition(":")[::2] for line in file.read_text().splitlines())
            if fields.get("GPU UUID", "").strip() == uuid and fields.get("Device Minor", "").strip().isdigit():
                return int(fields["Device Minor"])
        return None

    def _rows(self, query: str) -> list[list[str]]:
        lines = self._run(query, "--format=csv,noheader,nounits").splitlines()
        return [[cell.strip() for cell in line.split(",")] for line in lines if line.strip()]

    def _run(self, *words: str) -> str:
        try:
            done = subprocess.run([self._command, *words], capture_output=True, text=True, timeout=PATIENCE, check=True)
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout or "").strip().splitlines()
            raise ProbeError(f"nvidia-smi failed: {said[-1] if said else f'exit code {error.returncode}'}") from None
        except FileNotFoundError:
            raise ProbeError("there is no nvidia-smi") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProbeError(f"nvidia-smi cannot be run: {error}") from None
        return done.stdout


class Among:
    """Another probe, of whose devices only those may be used that an outer ``CUDA_VISIBLE_DEVICES`` names."""

    def __init__(self, probe: GpuProbe, variable: str) -> None:
        self._probe = probe
        self._variable = variable
        self.processes = probe.processes
        self.memory = probe.memory

    @property
    def how(self) -> str:
        """Name both."""
        return f"{self._probe.how} and CUDA_VISIBLE_DEVICES={self._variable!r}"

    def devices(self) -> tuple[Device, ...]:
        """Return the devices that are left."""
        return visible(self._probe.devices(), self._variable)


def visible(devices: Sequence[Device], variable: str) -> tuple[Device, ...]:
    """Return what ``CUDA_VISIBLE_DEVICES`` leaves of some devices, in its order.

    As CUDA reads it: a list of indices and of beginnings of UUIDs that fit one device each, which ends before the first entry
    that names none, such as -1; empty, it leaves nothing. Indices are taken in PCI order; of a GPU that is cut by MIG, one names
    the first slice.
    """
    left: list[Device] = []
    for entry in map(str.strip, variable.split(",")):
        if entry.isdigit():
            named = [device for device in devices if device.index == int(entry)][:1]
        else:
            named = [device for device in devices if entry and device.uuid.startswith(entry)]
        if len(named) != 1:
            break
        left += [device for device in named if device not in left]
    return tuple(left)


def detect() -> GpuProbe:
    """Return the best probe for this machine: NVML, else nvidia-smi, else one that knows why there is none."""
    probe = _found()
    variable = os.environ.get("CUDA_VISIBLE_DEVICES")
    return probe if variable is None or isinstance(probe, NoProbe) else Among(probe, variable)


def _found() -> GpuProbe:
    reasons = []
    for make in (NvmlProbe, SmiProbe):
        try:
            probe: GpuProbe = make()
            if probe.devices():
                return probe
            reasons.append(f"{probe.how} lists no GPU")
        except ProbeError as error:
            reasons.append(str(error))
    return NoProbe("; ".join(reasons))
