from collections.abc import Iterator

import pytest

from evolve.jail import cgroup
from evolve.records import Level
from tests.jail.inmate import ISOLATED, USABLE, groups


@pytest.fixture(params=USABLE)
def level(request: pytest.FixtureRequest) -> Level:
    """Every level that this machine has."""
    found: Level = request.param
    return found


@pytest.fixture(params=ISOLATED)
def isolated(request: pytest.FixtureRequest) -> Level:
    """Every level whose scores are isolated."""
    found: Level = request.param
    return found


@pytest.fixture
def no_cgroup(monkeypatch: pytest.MonkeyPatch) -> None:
    """What most machines are like: no control groups may be made, and the watchdog is on its own."""
    monkeypatch.setattr(cgroup, "available", dict)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """After the test, no process and no folder of a jail is there that was not there before."""
    before = groups()
    yield
    assert groups() <= before
