import pytest

from evolve.jail import cgroup
from tests.jail.inmate import ISOLATED, USABLE, groups


@pytest.fixture(params=USABLE)
def level(request):
    """Every level that this machine has."""
    return request.param


@pytest.fixture(params=ISOLATED)
def isolated(request):
    """Every level whose scores are isolated."""
    return request.param


@pytest.fixture
def no_cgroup(monkeypatch):
    """What most machines are like: no control groups may be made, and the watchdog is on its own."""
    monkeypatch.setattr(cgroup, "available", dict)


@pytest.fixture
def nothing_left():
    """After the test, no process and no folder of a jail is there that was not there before."""
    before = groups()
    yield
    assert groups() <= before
