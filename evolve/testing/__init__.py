"""What this package is tested with, public so that users can test their own set-ups: models that cost nothing and do as
they are told.

ScriptedServer      an OpenAI-compatible server that answers by script, counts and charges, and fails on request
SimulatedLLM        answers for it: finds the parent in any framework's prompt and edits it with a stated skill
Staircase           a toy whose good edits are known, for tests of bandits
NullModel           ignores its prompt: the baseline of every prompt
FakeProbe           GPUs that leak, vanish, grow and are somebody else's, as a test says (`evolve.testing.gpu`)
archive_of          an archive of any size, made up from a seed: for tests and measurements of what reads it
ClientConformance   what every `evolve.seams.Client` must do, as tests to inherit (`evolve.testing.clients`)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evolve.testing.archives import archive_of as archive_of
    from evolve.testing.clients import ClientConformance as ClientConformance
    from evolve.testing.faults import Fault as Fault
    from evolve.testing.gpu import FakeProbe as FakeProbe
    from evolve.testing.listener import Request as Request
    from evolve.testing.replies import Answer as Answer
    from evolve.testing.server import ScriptedServer as ScriptedServer
    from evolve.testing.simulated import NullModel as NullModel
    from evolve.testing.simulated import SimulatedLLM as SimulatedLLM
    from evolve.testing.simulated import Staircase as Staircase

_HOMES = {
    "Answer": "replies",
    "ClientConformance": "clients",
    "FakeProbe": "gpu",
    "Fault": "faults",
    "NullModel": "simulated",
    "Request": "listener",
    "ScriptedServer": "server",
    "SimulatedLLM": "simulated",
    "Staircase": "simulated",
    "archive_of": "archives",
}

__all__ = [
    "Answer", "ClientConformance", "FakeProbe", "Fault", "NullModel", "Request", "ScriptedServer", "SimulatedLLM", "Staircase",
    "archive_of",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the suites need pytest, which only tests have."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
