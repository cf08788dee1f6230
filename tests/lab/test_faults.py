"""Faults: XAPI, switch, database, disk and clock fail under a ping, and nothing is lost, nor let through."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lab import BACKEND, Flood, guest, log_of, reaches, ringfence, running, udp
from ringfence_lab.folder import wait_for
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool
from ringfence_lab.probe import Pinger, exchange
from ringfence_lab.steps import Steps

SCENARIO = {
    "hosts": ["h1", "h2"],
    "networks": {"backend": {"vlan": 120, "ringfence": BACKEND}, "far": {"vlan": 999, "ringfence": "default=isolated"}},
    "guests": {
        "blue1": guest("h1", 11, "groups=blue"),
        "blue2": guest("h2", 12, "groups=blue"),
        "green1": guest("h1", 21, "groups=green"),
        "green2": guest("h2", 22, "groups=green"),
    },
    "outside": {"gw": {"network": "backend", "addresses": ["10.0.0.1"]}},
}
KILLS = 50
BACK_S = 3.0
AWAY_S = 60.0
YEAR_S = 365 * 86400


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        yield made


class Unharmed:
    """Members ping, a stranger floods; at the end nothing was lost and nothing came through."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        strange = udp(pool, "green1/0", "blue1/0", "10.0.0.21", "10.0.0.11")
        forged = udp(pool, "blue2/0", "blue1/0", "10.0.0.12", "10.0.0.11")
        self.flood = Flood(pool, {"green1/0": [strange, forged], "green2/0": [strange]}, list(pool.hosts.values()))

    def __enter__(self) -> "Unharmed":
        assert reaches(self.pool, "blue2/0", "blue1/0")
        self.pinger = Pinger(self.pool.ends["blue2/0"], "10.0.0.11", 0.01)
        self.flood.__enter__()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.flood.__exit__()
        self.pinger.stop()
        if kind is None:
            assert self.pinger.sent >= 20
            assert not self.pinger.lost, f"{self.pinger.lost} of {self.pinger.sent} pings lost"
            assert not self.flood.leaked


def in_force(pool: Pool, steps: Steps, group: str) -> None:
    """A change that comes now is followed: green1 is let in among the others, and put out again."""
    steps.run({"do": f"set green1/0 'ipv4=10.0.0.21 groups=green,{group}'"})
    steps.run({"do": f"set blue1/0 'ipv4=10.0.0.11 groups=blue,{group}'"})
    assert reaches(pool, "green1/0", "blue1/0")
    steps.run({"do": "set blue1/0 'ipv4=10.0.0.11 groups=blue'"})
    steps.run({"do": "set green1/0 'ipv4=10.0.0.21 groups=green'"})
    assert not exchange(pool.ends["green1/0"], pool.ends["blue1/0"], "icmp", 4, 0.5)


@pytest.mark.parametrize("fault", ["xapi expire", "xapi lose-events", "master h2", "master h1", "ovsdb restart h1"])
def test_what_is_lost_is_had_again(pool: Pool, steps: Steps, fault: str) -> None:
    with Unharmed(pool):
        steps.run({"do": fault})
        time.sleep(0.5)
    in_force(pool, steps, "red")


def test_xapi_is_away_for_a_while(pool: Pool, host: Host, steps: Steps) -> None:
    with Unharmed(pool):
        steps.run({"do": "xapi stop"})
        time.sleep(AWAY_S)
        assert ringfence(host, "status").returncode == 1
        assert "the last known policy holds" in ringfence(host, "status").stdout
        assert ringfence(host, "vif", "list").returncode == 3
    steps.run({"do": "reboot green1"})
    steps.run({"do": "reboot blue2"})
    assert reaches(pool, "blue2/0", "blue1/0")
    assert not exchange(pool.ends["green1/0"], pool.ends["blue1/0"], "icmp", 4, 0.5)
    # What changes meanwhile is followed once XAPI is back.
    steps.doing.run("set green2/0 'ipv4=10.0.0.22 groups=green,blue'")
    with Unharmed(pool):
        steps.run({"do": "xapi start"})
    assert reaches(pool, "green2/0", "blue2/0")
    steps.run({"do": "set green2/0 'ipv4=10.0.0.22 groups=green'"})
    in_force(pool, steps, "red")


def test_a_switch_that_stands_still(pool: Pool, host: Host, steps: Steps) -> None:
    pid = int((host.root / "ovs/ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        steps.doing.run("set green1/0 'ipv4=10.0.0.21 groups=blue'")
        time.sleep(3)
    finally:
        os.kill(pid, signal.SIGCONT)
    pool.settle()
    wait_for(lambda: reaches(pool, "green1/0", "blue1/0", 0.5), "green1 in its new group", 10)
    steps.run({"do": "set green1/0 'ipv4=10.0.0.21 groups=green'"})
    with Unharmed(pool):
        time.sleep(0.3)


def test_the_disk_is_full(pool: Pool, host: Host, steps: Steps) -> None:
    """The agent says so, and goes on with what it knows."""
    host.stop_agent()
    kept = host.root / "var/lib/ringfence"
    # ip netns exec has a mount namespace of its own: nobody else sees this.
    host.wrap = ["sh", "-c", f'mount -t tmpfs -o size=4k none {kept} && head -c 4096 /dev/zero > {kept}/full; exec "$@"', "sh"]
    try:
        host.start_agent()
        pool.settle()
        with Unharmed(pool):
            time.sleep(0.3)
        in_force(pool, steps, "red")
        assert "event=state-not-saved" in log_of(host)
        assert "No space left" in log_of(host)
    finally:
        host.wrap = []
        with Unharmed(pool):
            host.stop_agent()
            host.start_agent()
            pool.settle()


@pytest.mark.parametrize("content", ["", "{ not json", '{"version": 99}', '{"version": 1, "facts": {"vifs": [1]}}', "\x00" * 100])
def test_a_state_that_cannot_be_read_is_no_reason_to_lose_a_packet(pool: Pool, host: Host, content: str) -> None:
    with Unharmed(pool):
        host.stop_agent(kill=True)
        (host.root / "var/lib/ringfence/state.json").write_text(content)
        mark = len(log_of(host))
        host.start_agent()
        pool.settle()
        assert "event=state-lost" in log_of(host)[mark:]
    assert json.loads((host.root / "var/lib/ringfence/state.json").read_text())["version"] == 2


def test_the_clock_jumps(pool: Pool, host: Host, steps: Steps, tmp_path: Path) -> None:
    """A year ahead, and two back."""
    stamp = tmp_path / "clock"
    stamp.write_text("0")
    host.stop_agent()
    host.wrap = ["env", f"PYTHONPATH={Path(__file__).parent / 'clock'}", f"RINGFENCE_TEST_CLOCK={stamp}"]
    try:
        host.start_agent()
        pool.settle()
        for jump in (YEAR_S, -YEAR_S):
            with Unharmed(pool):
                stamp.write_text(str(jump))
                time.sleep(0.5)
            in_force(pool, steps, "red")
        years = {line[:4] for line in log_of(host).splitlines() if line[:2] == "20"}
        assert len(years) >= 2, "the clock never jumped"
    finally:
        host.wrap = []
        host.stop_agent()
        host.start_agent()
        pool.settle()


def test_the_agent_is_killed_in_the_middle_of_applies(pool: Pool, host: Host, steps: Steps) -> None:
    dice = random.Random(7)
    slowest = 0.0
    with Unharmed(pool):
        for number in range(KILLS):
            line = f"'ipv4=10.0.0.11,10.0.0.{100 + number} groups=blue{',red' * (number % 2)}'"
            change = threading.Thread(target=steps.doing.run, args=(f"set blue1/0 {line}",))
            change.start()
            time.sleep(dice.uniform(0.0, 0.15))
            host.stop_agent(kill=True)
            change.join()
            begin = time.monotonic()
            host.start_agent()
            wait_for(lambda: host.settled(pool.db.generation), "the agent back in sync", BACK_S)
            slowest = max(slowest, time.monotonic() - begin)
    print(f"killed {KILLS} times; the slowest was in sync {slowest:.2f} s after its start")
    steps.run({"flows": {"host": "h1", "orphans": 0}})
    assert ringfence(host, "audit").returncode == 0
    in_force(pool, steps, "red")


def test_twenty_thousand_vifs_at_once(pool: Pool, host: Host, steps: Steps) -> None:
    network = pool.networks["far"]
    with Unharmed(pool):
        begin = time.monotonic()
        with pool.db.changed:
            for number in range(20000 // 7):
                vm = pool.db.create("VM", name_label=f"far{number}", power_state="Halted", domid=-1)
                for device in range(7):
                    mac = f"00:16:3f:{number >> 8:02x}:{number & 255:02x}:{device:02x}"
                    own = f"ipv4=10.{number >> 8}.{number & 255}.{device + 1} groups=g{number % 50}"
                    pool.db.create("VIF", VM=vm, device=str(device), network=network, MAC=mac, other_config={"ringfence": own})
        made = time.monotonic()
        for each in pool.hosts.values():
            wait_for(partial(each.settled, pool.db.generation), f"{each.name} with all of them", 120)
        assert host.agent is not None
        status = Path(f"/proc/{host.agent.pid}/status").read_text()
        memory = next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS"))
        print(f"19,999 VIFs: made in {made - begin:.1f} s, in sync {time.monotonic() - made:.1f} s later, the agent has {memory} MiB")
    in_force(pool, steps, "red")
