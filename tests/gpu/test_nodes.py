from pathlib import Path

import pytest

from evolve.errors import ConfigError
from evolve.gpu import Device, nodes
from evolve.testing.gpu import fake_nodes

FIRST, SECOND = (Device(f"GPU-{n}", n, n, "A", 1 << 30) for n in range(2))


def names(paths: tuple[Path, ...], root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in paths]


def test_the_lent_devices_and_no_other(tmp_path: Path) -> None:
    root = fake_nodes(tmp_path / "dev", 4)
    assert names(nodes((SECOND,), root), root) == ["nvidiactl", "nvidia-uvm", "nvidia1"]
    (root / "nvidia-uvm-tools").touch()
    assert names(nodes((SECOND, FIRST), root), root) == [
        "nvidiactl",
        "nvidia-uvm",
        "nvidia1",
        "nvidia0",
        "nvidia-uvm-tools",
    ]


def test_a_slice_needs_its_capabilities(tmp_path: Path) -> None:
    root = fake_nodes(tmp_path / "dev", 2)
    (root / "nvidia-caps").mkdir()
    for n in (12, 13, 14):
        (root / "nvidia-caps" / f"nvidia-cap{n}").touch()
    table = tmp_path / "mig-minors"
    table.write_text("config 1\nmonitor 2\ngpu0/gi1/access 12\ngpu0/gi1/ci0/access 13\ngpu0/gi2/access 14\n")
    part, other = (Device(f"MIG-{n}", 0, 0, "A", 1 << 30, (n, 0)) for n in (1, 2))
    assert names(nodes((part,), root, table), root) == [
        "nvidiactl",
        "nvidia-uvm",
        "nvidia0",
        "nvidia-caps/nvidia-cap12",
        "nvidia-caps/nvidia-cap13",
    ]
    with pytest.raises(ConfigError, match="gpu0/gi2/ci0/access"):
        nodes((other,), root, table)
    with pytest.raises(ConfigError, match="does not list"):
        nodes((part,), root, tmp_path / "none")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = fake_nodes(tmp_path / "dev", 1)
    with pytest.raises(ConfigError, match=r"no .*/dev/nvidia1, .*nvidia-modprobe"):
        nodes((FIRST, SECOND), root)
    with pytest.raises(ConfigError, match="minor number"):
        nodes((Device("GPU-9", 0, None, "A", 1),), root)
