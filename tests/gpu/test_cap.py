"""The cap on torch arrives in the candidate's process, cold and warm; the candidate ships a torch that is not one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executor.test_holding import GIB, GPU, TELL, Bench
from tests.executor.toy import settle
from tests.gpu.test_limiter import TORCH

PROGRAM = {
    "torch.py": TORCH + "def manual_seed(seed):\n    pass\n",
    "initial.py": """
import os, torch
def f():
    torch.cuda.init()
    return f"{torch.cuda.shares} {'EVOLVE_GPU_MEMORY' in os.environ}"
""",
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for executor in made.made:
        executor.close()


@pytest.mark.parametrize("level", ["none", "namespaces"])
@pytest.mark.parametrize(("limit", "shares"), [(None, "{}"), (4 * GIB, "{0: 1.0, 1: 1.0}")])
def test_torch_is_capped_in_the_jail(bench: Bench, level: str, limit: int | None, shares: str) -> None:
    for seen in settle(bench.executor(bench.task(TELL, GPU, gpu_memory=limit), level=level), PROGRAM, PROGRAM):
        assert (seen.status, seen.error, seen.feedback) == ("ok", "", f"{shares} False")
