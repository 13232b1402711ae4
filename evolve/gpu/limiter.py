"""Caps what a library allocates of a GPU, in the candidate's own process, before its code runs.

This gives a candidate that wants too much an error it can understand, where the driver's watchdog (`evolve.gpu.lease`) would kill
it. It protects nothing: only torch's allocator is asked, and the candidate can undo it.

The file is run inside the jail, where neither evolve nor any package is importable when it starts, so it needs the standard
library alone. Not run on a real GPU yet: see `evolve.gpu`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Protocol

    class DeviceLimiter(Protocol):
        """Caps one library."""

        module: str
        """The module whose import makes it possible."""

        def apply(self, library: ModuleType, memory: int) -> None:
            """Let ``library`` have at most ``memory`` bytes of each device, without starting CUDA."""


class TorchLimiter:
    """Caps torch's caching allocator at a share of each visible device."""

    module = "torch"

    def apply(self, library: ModuleType, memory: int) -> None:
        """Leave a note that torch reads when it starts CUDA, as its own seeding does: after the fork, and only if it is used."""
        cuda: Any = library.cuda

        def cap() -> None:
            for device in range(cuda.device_count()):
                share = memory / cuda.get_device_properties(device).total_memory
                cuda.set_per_process_memory_fraction(min(1.0, share), device)

        cuda._lazy_call(cap)


class Import:
    """Waits on the module path for the import of a limiter's library."""

    def __init__(self, limiter: DeviceLimiter, memory: int) -> None:
        self.limiter = limiter
        self.memory = memory

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the library as it would be found otherwise, and have it capped once it has been loaded."""
        if name != self.limiter.module:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        found = find_spec(name)
        if found is not None and found.loader is not None:
            load = found.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                self.limiter.apply(module, self.memory)

            found.loader.exec_module = exec_module  # type: ignore[method-assign]
        return found


def limit_devices(memory: int, limiter: DeviceLimiter | None = None) -> None:
    """Cap what this process allocates of each GPU at ``memory`` bytes, now or when the library is imported."""
    limiter = limiter or TorchLimiter()
    library = sys.modules.get(limiter.module)
    if library is not None:
        limiter.apply(library, memory)
    else:
        sys.meta_path.insert(0, Import(limiter, memory))
