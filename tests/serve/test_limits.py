"""How much a tenant may ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate.serve.limits import Rate, Seats


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_a_rate_there_is_no_limit() -> None:
    rate = Rate(None)
    assert [rate.take("a", 10**9) for _ in range(3)] == [0.0] * 3


def test_a_burst_is_let_in_and_then_the_rate_holds() -> None:
    clock = Clock()
    rate = Rate(10, burst_s=2, clock=clock)
    taken = 0
    for _ in range(100):  # ten seconds
        while not rate.take("a"):
            taken += 1
        clock.now += 0.1
    assert 115 <= taken <= 121


def test_the_wait_is_long_enough() -> None:
    clock = Clock()
    rate = Rate(7, burst_s=1, clock=clock)
    rate.take("a", 50)
    wait_s = rate.take("a")
    assert wait_s > 0
    clock.now += wait_s + 1e-6
    assert rate.take("a") == 0


def test_tenants_have_buckets_of_their_own() -> None:
    rate = Rate(1, burst_s=1, clock=Clock())
    rate.take("a", 5)
    assert rate.take("a") > 0
    assert rate.take("b") == 0


def test_what_is_owed_is_paid_before_more_is_let_in() -> None:
    clock = Clock()
    rate = Rate(10, burst_s=1, clock=clock)
    rate.take("a")
    rate.owe("a", 99)
    clock.now += 8.9
    assert rate.take("a") > 0
    clock.now += 0.2
    assert rate.take("a") == 0


@given(st.floats(0.1, 1e5), st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 5)), max_size=30))
def test_no_sequence_of_calls_gets_more_than_the_rate(
    per_second: float, calls: list[tuple[int, float]]
) -> None:
    clock = Clock()
    rate = Rate(per_second, burst_s=2, clock=clock)
    began, taken, last = clock.now, 0, 0
    for count, pause_s in calls:
        if not rate.take("a", count):
            taken, last = taken + count, count
        clock.now += pause_s
    allowed = per_second * (clock.now - began) + max(1.0, 2 * per_second)
    assert taken - last <= allowed * (1 + 1e-9)


def test_seats_are_counted_for_each_tenant() -> None:
    seats = Seats(2)
    assert [seats.take("a"), seats.take("a"), seats.take("a")] == [True, True, False]
    assert seats.take("b")
    seats.leave("a")
    assert seats.take("a")
    assert seats.taken == 3


@pytest.mark.parametrize("burst_s", [0.0, 1e-9])
def test_even_without_a_burst_one_call_gets_in(burst_s: float) -> None:
    assert Rate(0.5, burst_s=burst_s, clock=Clock()).take("a") == 0
