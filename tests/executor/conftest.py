import pytest

from evolve.executor import local


@pytest.fixture(autouse=True)
def _no_long_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails here fails every time: there is nothing to wait for before it is tried again."""
    monkeypatch.setattr(local, "DELAYS", (0.01, 0.01))
