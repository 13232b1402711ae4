from __future__ import annotations

import pytest

from evolve.config import ModelConfig
from evolve.pace import LONGEST_REST, Pace


def pace(**model: object) -> Pace:
    return Pace(ModelConfig.model_validate(model), workers=3, rest=60.0, tries=4)


def test_concurrency_is_the_models_or_the_workers_whichever_is_lower() -> None:
    for given, most in ((None, 3), (1, 1), (9, 3)):
        one = pace(concurrency=given)
        for _ in range(most):
            assert one.wait(0.0, 10) == 0
            one.sent(0.0, 10)
        assert one.wait(0.0, 10) is None, "until a call returns"
        one.returned()
        assert one.wait(0.0, 10) == 0


def test_requests_per_minute_are_a_sliding_window() -> None:
    one = pace(requests_per_minute=2, concurrency=3)
    one.sent(0.0, 1)
    one.sent(20.0, 1)
    assert one.wait(30.0, 1) == pytest.approx(30.0), "the first is a minute old at 60"
    assert one.wait(60.0, 1) == 0


def test_tokens_per_minute_wait_for_room_and_let_a_call_above_the_limit_go_alone() -> None:
    one = pace(tokens_per_minute=100)
    one.sent(0.0, 60)
    assert one.wait(1.0, 40) == 0
    assert one.wait(1.0, 41) == pytest.approx(59.0)
    one.sent(1.0, 40)
    assert one.wait(2.0, 30) == pytest.approx(58.0), "the 60 of the beginning make room for it"
    assert one.wait(2.0, 500) == pytest.approx(59.0)
    assert one.wait(62.0, 500) == 0


def test_an_arm_rests_after_so_many_failures_and_twice_as_long_each_time() -> None:
    one = pace()
    assert [one.failed(0.0, "x") for _ in range(4)] == [0.0, 0.0, 0.0, 60.0]
    assert one.wait(1.0, 1) == pytest.approx(59.0)
    assert (one.barred(1.0), one.rests(1.0), one.resting) == (True, True, "x")
    assert one.failed(30.0, "x") == 0.0, "calls sent before the rest fail during it"
    assert one.failed(61.0, "x") == 120.0, "after a rest one failure is enough"
    now = 200.0
    for _ in range(10):
        rest = one.failed(now, "x")
        now += rest + 1
    assert rest == LONGEST_REST
    assert not one.barred(now)
    assert one.succeeded(), "it had rested"
    assert not one.succeeded()
    assert [one.failed(now, "x") for _ in range(4)] == [0.0, 0.0, 0.0, 60.0]


def test_a_wait_that_the_service_asked_for_is_kept() -> None:
    one = pace()
    assert one.failed(10.0, "x", 5.0) == 0.0
    assert one.failed(11.0, "x", 1.0) == 0.0
    assert one.wait(12.0, 1) == pytest.approx(3.0)
    assert (one.barred(12.0), one.rests(12.0)) == (True, False), "a few seconds are no rest"


def test_a_service_that_asks_to_wait_again_and_again_makes_the_arm_rest() -> None:
    one = pace()
    assert [one.failed(at, "x", 5.0) for at in (0.0, 1.0, 2.0, 7.0, 12.0, 17.0)] == [0.0] * 5 + [60.0]
    assert one.wait(17.0, 1) == pytest.approx(60.0)


def test_a_wait_as_long_as_a_rest_is_one() -> None:
    one = pace()
    assert one.failed(0.0, "quota", 900.0) == 900.0
    assert one.failed(1.0, "quota", 800.0) == 0.0, "it rests for longer than that anyway"
    assert (one.rests(899.0), one.rests(901.0)) == (True, False)
    assert one.succeeded()


def test_no_rest_is_longer_than_half_an_hour_whatever_a_service_asks_for() -> None:
    one = pace()
    assert one.failed(0.0, "quota", 86400.0) == LONGEST_REST
    assert (one.barred(LONGEST_REST - 1), one.barred(LONGEST_REST + 1)) == (True, False)
