"""Live migration under load: what is lost, and what must not come."""

from collections.abc import Iterator

import pytest

from lab import BACKEND, Flood, guest, reaches, running, udp
from ringfence_lab.pool import Pool
from ringfence_lab.probe import Pinger
from ringfence_lab.steps import Steps

SCENARIO = {
    "hosts": ["h1", "h2", "h3"],
    "networks": {"backend": {"vlan": 120, "ringfence": BACKEND}},
    "guests": {
        "blue1": guest("h1", 11, "groups=blue"),
        "blue2": guest("h2", 12, "groups=blue"),
        "blue3": guest("h3", 13, "groups=blue"),
        "green1": guest("h1", 21, "groups=green"),
        "lime1": guest("h2", 22, "groups=lime"),
    },
    "outside": {"gw": {"network": "backend", "addresses": ["10.0.0.1"]}},
}
EDGE_S = 0.05
"""A ping under way when the guest leaves, or not yet answered when it is back."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        yield made


def strange(pool: Pool) -> dict[str, list[bytes]]:
    """What strangers send to the guest that moves, as themselves and as others; and what it sends to them."""
    to_blue = [udp(pool, "green1/0", "blue1/0", "10.0.0.21", "10.0.0.11"), udp(pool, "blue3/0", "blue1/0", "10.0.0.13", "10.0.0.11")]
    to_blue.append(b"\xff" * 6 + to_blue[0][6:])
    from_lime1 = [udp(pool, "lime1/0", "blue1/0", "10.0.0.22", "10.0.0.11"), udp(pool, "gw", "blue1/0", "10.0.0.1", "10.0.0.11")]
    from_blue = [udp(pool, "blue1/0", "green1/0", "10.0.0.11", "10.0.0.21"), udp(pool, "blue1/0", "lime1/0", "10.0.0.11", "10.0.0.22")]
    return {"green1/0": to_blue, "lime1/0": from_lime1, "blue1/0": from_blue}


@pytest.mark.parametrize("target", ["h2", "h3", "h1"])
def test_migration_leaks_nothing_and_loses_only_the_move(pool: Pool, target: str) -> None:
    assert reaches(pool, "blue3/0", "blue1/0")
    assert reaches(pool, "blue2/0", "blue1/0")
    pingers = {name: Pinger(pool.ends[f"{name}/0"], "10.0.0.11", 0.01) for name in ("blue3", "blue2")}
    try:
        with Flood(pool, strange(pool), list(pool.hosts.values())) as flood:
            Steps(pool).run({"do": f"migrate blue1 {target}"})
    finally:
        for pinger in pingers.values():
            pinger.stop()
    left, back = pool.xenopsd.blackout
    for name, pinger in pingers.items():
        print(f"to {target}: {name} lost {pinger.lost} of {pinger.sent} pings of 10 ms; blackout of the move {(back - left) * 1000:.0f} ms")
        lost = pinger.lost_between()
        assert pinger.sent > 400
        if lost is not None:
            assert left - EDGE_S <= lost[0], f"{name} lost a ping {left - lost[0]:.3f} s before the guest left"
            assert lost[1] <= back + EDGE_S, f"{name} lost a ping {lost[1] - back:.3f} s after the guest was back"
    assert flood.sent > 1000
    assert not flood.leaked
    for name in pool.hosts:
        Steps(pool).run({"flows": {"host": name, "orphans": 0}})
        if name != target:
            Steps(pool).run({"flows": {"host": name, "of": "blue1/0", "count": 0}})


def test_a_failed_migration_changes_nothing(pool: Pool) -> None:
    assert reaches(pool, "blue3/0", "blue1/0")
    pinger = Pinger(pool.ends["blue3/0"], "10.0.0.11", 0.01)
    try:
        with Flood(pool, strange(pool), list(pool.hosts.values())) as flood:
            Steps(pool).run({"do": "fail-migrate blue1 h2"})
    finally:
        pinger.stop()
    assert pinger.sent > 400
    assert not pinger.lost
    assert not flood.leaked
    Steps(pool).run({"flows": {"host": "h2", "of": "blue1/0", "count": 0}})
