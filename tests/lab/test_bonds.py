"""Networks on a bond of two NICs, without LACP: one copy of each frame, and fail-over."""

from collections.abc import Iterator

import pytest

from lab import BACKEND, Flood, guest, reaches, running, udp
from ringfence_lab.folder import wait_for
from ringfence_lab.pool import Pool
from ringfence_lab.probe import Capture, Pinger, exchange, packet_socket
from ringfence_lab.steps import Steps


@pytest.fixture(scope="module", params=["active-backup", "balance-slb"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    scenario = {
        "hosts": ["h1", "h2"],
        "networks": {"backend": {"bond": request.param, "ringfence": BACKEND}},
        "guests": {
            "blue1": guest("h1", 11, "groups=blue"),
            "blue2": guest("h2", 12, "groups=blue"),
            "green1": guest("h1", 21, "groups=green"),
            "plain": guest("h1", 31, "mode=unlocked"),
        },
        "outside": {"gw": {"network": "backend", "addresses": ["10.0.0.1"]}},
    }
    with running(scenario) as made:
        yield made


def copies(pool: Pool, sender: str, frame: bytes) -> dict[str, int]:
    """How often each end sees a frame."""
    ends = [end for end in pool.ends.values() if end.name != sender]
    with Capture(ends) as capture, packet_socket(pool.ends[sender]) as raw:
        raw.send(frame)
        while capture.read(0.5):
            pass
        seen = [end.name for end, got in capture.frames if got[14 : len(frame)] == frame[14:]]
    return {name: seen.count(name) for name in sorted(set(seen))}


def one_copy_each(pool: Pool) -> None:
    everybody = b"\xff" * 6 + udp(pool, "gw", "blue1/0", "10.0.0.1", "10.0.0.255")[6:]
    assert copies(pool, "gw", everybody) == {"blue1/0": 1, "blue2/0": 1, "green1/0": 1, "plain/0": 1}
    everybody = b"\xff" * 6 + udp(pool, "blue2/0", "blue1/0", "10.0.0.12", "10.0.0.255")[6:]
    assert copies(pool, "blue2/0", everybody) == {"blue1/0": 1, "gw": 1}
    everybody = b"\xff" * 6 + udp(pool, "blue1/0", "blue2/0", "10.0.0.11", "10.0.0.255")[6:]
    assert copies(pool, "blue1/0", everybody) == {"blue2/0": 1, "gw": 1}
    assert copies(pool, "gw", udp(pool, "gw", "blue1/0", "10.0.0.1", "10.0.0.11")) == {"blue1/0": 1}


def test_one_copy_of_each_frame_and_fail_over(pool: Pool) -> None:
    steps = Steps(pool)
    assert reaches(pool, "blue1/0", "blue2/0")
    assert reaches(pool, "blue1/0", "gw")
    assert not exchange(pool.ends["green1/0"], pool.ends["blue2/0"], "icmp", 4, 0.5)
    one_copy_each(pool)
    strange = udp(pool, "green1/0", "blue2/0", "10.0.0.21", "10.0.0.12")
    pinger = Pinger(pool.ends["blue2/0"], "10.0.0.11", 0.01)
    try:
        with Flood(pool, {"green1/0": [strange, b"\xff" * 6 + strange[6:]]}, list(pool.hosts.values())) as flood:
            steps.run({"do": "bond fail h1 backend"})
            wait_for(lambda: exchange(pool.ends["blue2/0"], pool.ends["blue1/0"], "icmp", 4, 0.2), "the other member", 10)
    finally:
        pinger.stop()
    mode = pool.scenario.networks["backend"].bond
    print(f"{mode}: {pinger.lost} of {pinger.sent} pings of 10 ms lost while a bond failed over")
    assert not [leak for leak in flood.leaked if leak[2] == strange]
    pool.settle()
    assert reaches(pool, "blue1/0", "gw")
    one_copy_each(pool)
    steps.run({"do": "bond mend h1 backend"})
    wait_for(lambda: exchange(pool.ends["blue2/0"], pool.ends["blue1/0"], "icmp", 4, 0.2), "the members", 10)
    one_copy_each(pool)
