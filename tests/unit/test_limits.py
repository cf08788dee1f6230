"""What a guest can cause without end happens ever more seldom."""

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
