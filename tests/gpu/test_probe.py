import subprocess
import sys
from pathlib import Path

import pytest

from evolve.gpu import Device, NoProbe, NvmlProbe, ProbeError, SmiProbe, detect, visible
from evolve.gpu.probe import MIB
from evolve.testing import FakeProbe
from evolve.testing.gpu import fake_nvml, fake_smi

GIB = 1 << 30
DEVICES = tuple(Device(uuid, n, n, "A", GIB) for n, uuid in enumerate(("GPU-aa1", "GPU-aa2", "GPU-b")))
CUT = (
    Device("GPU-a", 0, 0, "A", GIB),
    Device("MIG-1", 1, 1, "A", GIB, (1, 0)),
    Device("MIG-2", 1, 1, "A", GIB, (2, 0)),
)


@pytest.mark.parametrize(
    ("variable", "left"),
    [
        ("", []),
        ("-1", []),
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 2 ", [1, 2]),
        ("0,-1,1", [0]),
        ("0,7,1", [0]),
        ("0,0,1", [0, 1]),
        ("GPU-b,GPU-aa1", [2, 0]),
        ("GPU-aa,0", []),
        ("GPU-b,,0", [2]),
        ("MIG-3", []),
        ("NoDevFiles", []),
    ],
)
def test_an_outer_choice_is_read_as_cuda_reads_it(variable: str, left: list[int]) -> None:
    assert visible(DEVICES, variable) == tuple(DEVICES[n] for n in left)


def test_slices_are_chosen_by_uuid_and_the_first_by_index() -> None:
    assert visible(CUT, "MIG-2,0") == (CUT[2], CUT[0])
    assert visible(CUT, "1") == (CUT[1],)


@pytest.fixture
def fake(tmp_path: Path) -> FakeProbe:
    return FakeProbe(tmp_path / "gpus.json", 2, 16 * GIB)


def test_nvml(fake: FakeProbe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(fake))
    probe = NvmlProbe()
    assert probe.devices() == fake.devices()
    fake.enter("GPU-1", 12, 3 * GIB)
    fake.enter("GPU-1", 13, None)
    assert probe.processes("GPU-1") == {12: 3 * GIB, 13: None}
    assert (probe.memory("GPU-0"), probe.memory("GPU-1")) == (0, 3 * GIB)
    fake.vanish("GPU-0")
    assert [device.uuid for device in probe.devices()] == ["GPU-1"]
    for ask in (probe.memory, probe.processes):
        with pytest.raises(ProbeError, match="lost"):
            ask("GPU-0")


def test_nvml_with_slices(fake: FakeProbe, monkeypatch: pytest.MonkeyPatch) -> None:
    slices = {"GPU-1": {"MIG-a": (3, 0), "MIG-b": (5, 1)}}
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(fake, slices))
    whole, first, second = NvmlProbe().devices()
    assert (whole.uuid, whole.slice) == ("GPU-0", None)
    assert (first.uuid, first.index, first.minor, first.slice) == ("MIG-a", 1, 1, (3, 0))
    assert (second.uuid, second.slice) == ("MIG-b", (5, 1))
    fake.enter("GPU-1", 12, GIB)
    assert NvmlProbe().processes("MIG-b") == {12: GIB}


def test_nvml_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(ProbeError, match=r"evolve-programs\[gpu\]"):
        NvmlProbe()


def test_nvidia_smi(fake: FakeProbe, tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    for n, minor in ((0, 4), (1, 5)):
        (proc / f"0000:0{n}:00.0").mkdir(parents=True)
        (proc / f"0000:0{n}:00.0" / "information").write_text(
            f"Model: \t\t Fake GPU\nGPU UUID: \t GPU-{n}\nDevice Minor: \t {minor}\n"
        )
    probe = SmiProbe(str(fake_smi(tmp_path / "nvidia-smi", tmp_path / "gpus.json")), proc)
    assert [(device.uuid, device.index, device.minor, device.memory) for device in probe.devices()] == [
        ("GPU-0", 0, 4, 16 * GIB),
        ("GPU-1", 1, 5, 16 * GIB),
    ]
    fake.enter("GPU-1", 12, 100 * MIB)
    fake.enter("GPU-1", 13, None)
    fake.leak("GPU-1", 7 * MIB)
    assert probe.processes("GPU-1") == {12: 100 * MIB, 13: None}
    assert probe.processes("GPU-0") == {}
    assert probe.memory("GPU-1") == 107 * MIB
    fake.vanish("GPU-1")
    for ask in (probe.memory, probe.processes):
        with pytest.raises(ProbeError, match="does not list GPU-1"):
            ask("GPU-1")


def test_nvidia_smi_leaves_out_what_is_cut(fake: FakeProbe, tmp_path: Path) -> None:
    command = fake_smi(tmp_path / "nvidia-smi", tmp_path / "gpus.json", cut=True)
    assert [device.uuid for device in SmiProbe(str(command), tmp_path).devices()] == ["GPU-0"]


def test_nvidia_smi_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="there is no nvidia-smi"):
        SmiProbe(str(tmp_path / "nvidia-smi")).devices()
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho NVIDIA-SMI has failed\nexit 9\n")
    command.chmod(0o755)
    with pytest.raises(ProbeError, match="NVIDIA-SMI has failed"):
        SmiProbe(str(command)).devices()


def test_detection_does_not_import_torch() -> None:
    """It takes seconds, and starts CUDA in a process that is to fork."""
    code = "import sys; from evolve.gpu import detect; detect(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_detection_falls_back_and_says_why(fake: FakeProbe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    none = detect()
    assert isinstance(none, NoProbe)
    assert none.devices() == ()
    assert "evolve-programs[gpu]" in none.how
    assert "there is no nvidia-smi" in none.how
    fake_smi(tmp_path / "nvidia-smi", tmp_path / "gpus.json")
    assert detect().how == "nvidia-smi"
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(fake))
    assert detect().how == "NVML"
    assert len(detect().devices()) == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1")
    chosen = detect()
    assert [device.uuid for device in chosen.devices()] == ["GPU-1"]
    assert chosen.memory("GPU-1") == 0
    assert "CUDA_VISIBLE_DEVICES='GPU-1'" in chosen.how
