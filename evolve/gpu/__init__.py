"""GPUs: which there are, who has which, and what a candidate may take of them.

    probe.py     asks the driver which devices there are and who is on them: NVML, else nvidia-smi, else none
    lease.py     lends devices to one evaluation at a time, across all runs of a user on this machine
    nodes.py     which files of /dev a jail needs for a lease
    limiter.py   caps torch's allocator inside the jail

**No part of this has run on a real GPU yet.** It is tested with fakes (`evolve.testing.FakeProbe` and a made-up ``pynvml``), and
the tests marked ``gpu`` have been skipped wherever they were tried. What is known of NVML, of nvidia-smi's output, of MIG and of
the device nodes comes from their documentation.

What keeps a candidate to its devices is, first, that its jail has the nodes of no other (level ``namespaces``; at the others
``CUDA_VISIBLE_DEVICES`` alone, which a candidate can change), and second, that the driver watches the memory that its processes
take there and kills what takes too much.
"""

from evolve.gpu.lease import Lease, Leases
from evolve.gpu.nodes import nodes
from evolve.gpu.probe import Device, GpuProbe, NoProbe, NvmlProbe, ProbeError, SmiProbe, detect, visible

__all__ = [
    "Device", "GpuProbe", "Lease", "Leases", "NoProbe", "NvmlProbe", "ProbeError", "SmiProbe", "detect", "nodes", "visible",
]  # fmt: skip
