"""What a guest can cause without end happens ever more seldom."""

import time

import pytest

from ringfence.xapi import limit
from ringfence.xapi.limit import Backoff, Budget


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(limit.time, "monotonic", lambda: now[0])
    return now


def test_backoff_doubles_while_it_goes_on_and_forgets_in_quiet(clock: list[float]) -> None:
    again = Backoff(10.0, 60.0)
    pauses = []
    for _ in range(5):
        assert again.due("a") == 0
        again.done("a")
        pauses.append(again.due("a"))
        clock[0] += pauses[-1]
    assert pauses == [10, 20, 40, 60, 60]
    assert again.due("b") == 0
    clock[0] += 1000
    again.done("a")
    assert again.due("a") == 10


def test_backoff_holds_a_bounded_number_of_keys(clock: list[float]) -> None:
    again = Backoff(10.0, 60.0)
    for number in range(Backoff.LIMIT + 50):
        again.done(number)
        clock[0] += 0.001
    assert len(again._known) <= Backoff.LIMIT
    assert again.due(Backoff.LIMIT + 49) > 0


def test_a_budget_is_spent_and_comes_back(clock: list[float]) -> None:
    budget = Budget(10)
    assert [budget.take() for _ in range(12)] == [True] * 10 + [False] * 2
    clock[0] += 6.1
    assert [budget.take(), budget.take()] == [True, False]


class Clock:
    """Time as a test says it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.worked = 0.0
        monkeypatch.setattr(limit.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(limit, "_worked", lambda: self.worked)

    def turn(self, effort: limit.Effort, seconds: float) -> float:
        """Work for so long; the rest that is due."""
        with effort:
            self.worked += seconds
            self.now += seconds
        return effort.rest


def test_a_burst_does_not_wait_and_what_goes_on_does(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    effort = limit.Effort(0.04, 1.0)
    assert [clock.turn(effort, 0.3) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert clock.turn(effort, 0.3) == 1.0, "no rest is longer, and what is too much is remembered"
    began, worked = clock.now, clock.worked
    while clock.now < began + 1000:
        clock.now += clock.turn(effort, 0.02) + 0.001
    assert clock.worked - worked < 0.05 * 1000
    clock.now += 3600
    assert clock.turn(effort, 0.9) == 0.0, "after a quiet hour there is a burst again, and no more than one"
    assert clock.turn(effort, 0.9) > 0


def test_a_turn_is_measured_by_the_work_of_its_thread() -> None:
    effort = limit.Effort(0.001, 0.2)
    deadline = time.monotonic() + 30
    while not effort.rest and time.monotonic() < deadline:
        with effort:
            sum(range(2_000_000))
    assert effort.rest
