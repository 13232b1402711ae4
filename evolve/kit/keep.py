"""What a judge computes slowly and always alike, kept in the user's cache folder, so that the next judge need not do it again.

Under a key of everything that it hangs on, in files that are written at once or not at all, and believed only if their SHA-256
fits: one that was cut short or changed is computed anew. It guards against accidents, not against whoever may write there; a
candidate in its jail may not.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

Arrays = Mapping[str, NDArray[Any]]
UNUSED = 30 * 24 * 3600.0
"""Seconds after which what nobody asked for is removed, when its like is kept."""


def folder() -> Path:
    """Return where it is kept: ``evolve`` in $XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evolve"


def kept(name: str, hangs_on: Mapping[str, Any], compute: Callable[[], Arrays]) -> dict[str, NDArray[Any]]:
    """Return ``compute()``, from the cache if it is there. Where the cache cannot be written, it is computed each time.

    While one process computes, others that want the same wait for it.

    Args:
        name: the first part of the file's name.
        hangs_on: all that the result depends on, as JSON: settings, versions, digests of data and of code.
        compute: gives arrays by name.
    """
    key = hashlib.sha256(json.dumps(hangs_on, sort_keys=True).encode()).hexdigest()
    path = folder() / f"{name}-{key[:32]}"
    found = _read(path)
    if found is not None:
        return found
    with _alone(path):
        found = _read(path)
        if found is None:
            found = {each: np.ascontiguousarray(array) for each, array in compute().items()}
            _write(path, name, found)
    return found


def code(*files: str) -> str:
    """Return a digest of source files, for `kept`: given as the ``__file__`` of the modules."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(Path(file).read_bytes()).digest())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    try:
        data = memoryview(path.read_bytes())
        os.utime(path)
    except OSError:
        return None
    if hashlib.sha256(data[32:]).digest() != data[:32]:
        return None
    return dict(load(bytes(data[32:])))


def _write(path: Path, name: str, arrays: Arrays) -> None:
    body = save(dict(arrays))
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            try:
                file.write(hashlib.sha256(body).digest() + body)
                file.flush()
                os.replace(file.name, path)
            except BaseException:  # what was written takes room that others lack
                os.unlink(file.name)
                raise
        for other in path.parent.glob(f"{name}-*"):
            if other.stat().st_mtime < time.time() - UNUSED:
                other.unlink(missing_ok=True)
    except OSError:  # no folder, no room: it is only a cache
        return


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of ``path``; the system lets go of it with the process. Where there can be none, nobody waits."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
