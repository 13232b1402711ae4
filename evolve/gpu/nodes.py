"""Which files of /dev a jail needs for the devices that were lent to it: those, and those of no other.

Not run on a real GPU yet: see `evolve.gpu`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from evolve.errors import ConfigError
from evolve.gpu.probe import Device

SHARED = ("nvidiactl", "nvidia-uvm")
"""What CUDA needs whichever device it uses."""
OPTIONAL = ("nvidia-uvm-tools",)
MINORS = Path("/proc/driver/nvidia-caps/mig-minors")
"""Where the kernel module tells which node opens which MIG slice: lines such as ``gpu0/gi1/ci0/access 12``."""


def nodes(devices: Sequence[Device], root: Path = Path("/dev"), minors: Path = MINORS) -> tuple[Path, ...]:
    """Return the device nodes to show in a jail.

    Args:
        devices: that were lent.
        root: the folder of the nodes.
        minors: the table of MIG's nodes.

    Raises:
        ConfigError: if one is missing or cannot be told.
    """
    wanted = [root / name for name in SHARED]
    for device in devices:
        if device.minor is None:
            raise ConfigError(
                f"the node of {device.uuid} in {root} cannot be found out: the driver does not tell its minor number"
            )
        wanted.append(root / f"nvidia{device.minor}")
        if device.slice is not None:
            wanted += [root / "nvidia-caps" / f"nvidia-cap{minor}" for minor in _capabilities(device, minors)]
    wanted = list(dict.fromkeys(wanted))
    missing = [str(path) for path in wanted if not path.exists()]
    if missing:
        raise ConfigError(
            f"no {', '.join(missing)}, without which CUDA does not start in a jail: nvidia-modprobe -u makes them (as root: "
            "nvidia-modprobe -c 0 -u), or start the container with them"
        )
    return (*wanted, *(root / name for name in OPTIONAL if (root / name).exists()))


def _capabilities(device: Device, minors: Path) -> Iterator[int]:
    """Yield the numbers of the two nodes that open a MIG slice."""
    assert device.slice is not None
    instance, compute = device.slice
    table = {}
    if minors.exists():
        table = dict(line.rsplit(None, 1) for line in minors.read_text().splitlines() if line.strip())
    for name in (f"gpu{device.minor}/gi{instance}/access", f"gpu{device.minor}/gi{instance}/ci{compute}/access"):
        if name not in table:
            raise ConfigError(f"{minors} does not list {name}, so that {device.uuid} cannot be opened in a jail")
        yield int(table[name])
