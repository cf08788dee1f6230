"""``enforce=watch``: everything passes as it would without ringfence, and what would not is counted and told."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lab import BACKEND, guest, port, reaches, ringfence, running, udp
from ringfence.switch.ofctl import COUNTERS
from ringfence.xapi.keys import SAVED_MODE
from ringfence_lab import netns
from ringfence_lab.folder import wait_for
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool
from ringfence_lab.probe import Capture, Pinger, packet_socket, send_frame
from ringfence_lab.steps import Steps

WATCHED = BACKEND + " enforce=watch"
LOCKED = {"network": "backend", "addresses": ["10.0.0.41"], "locking_mode": "locked", "ipv4_allowed": ["10.0.0.41"]}
SCENARIO = {
    "hosts": ["h1", "h2"],
    "networks": {"backend": {"ringfence": WATCHED}, "front": {"vlan": 30, "ringfence": "default=isolated inside=10.0.0.0/24"}},
    "guests": {
        "blue1": guest("h1", 11, "groups=blue"),
        "blue2": guest("h2", 12, "groups=blue"),
        "web1": guest("h1", 21, ""),
        "web2": guest("h2", 22, ""),
        "bad": {"host": "h1", "vifs": [{"network": "backend", "addresses": ["10.0.0.31"], "ringfence": "ipv4=10.0.0.31/24"}]},
        "held": {"host": "h1", "vifs": [LOCKED]},
        "front1": guest("h1", 51, "groups=a", "front"),
        "front2": guest("h1", 52, "groups=b", "front"),
    },
    "outside": {"gw": {"network": "backend", "addresses": ["10.0.0.1"]}},
}
GUESTS = ["blue1/0", "blue2/0", "web1/0", "web2/0", "bad/0"]


@pytest.fixture
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        yield made


def drops(host: Host, *words: str) -> list[dict]:
    done = ringfence(host, "-o", "json", "drops", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["rows"]


def counts(host: Host) -> dict[tuple[str, str, str, str], int]:
    return {(row["from"], row["to"], row["reason"], row["outcome"]): row["frames"] for row in drops(host)}


def copies(pool: Pool, sender: str, frame: bytes) -> dict[str, int]:
    """How often each other end sees a frame."""
    others = [end for name, end in pool.ends.items() if name != sender]
    with Capture(others) as capture:
        send_frame(pool.ends[sender], frame)
        deadline = time.monotonic() + 0.6
        while time.monotonic() < deadline:
            capture.read(0.1)
    found: dict[str, int] = {}
    for end, got in capture.frames:
        if got[14:] == frame[14:]:
            found[end.name] = found.get(end.name, 0) + 1
    return found


def test_everything_passes_once_but_what_xapi_itself_holds(pool: Pool) -> None:
    from scapy.all import ARP, IP, UDP, Ether

    for one in GUESTS:
        for other in [*GUESTS, "gw"]:
            assert one == other or reaches(pool, one, other), f"{one} does not reach {other}"
    assert not reaches(pool, "front1/0", "front2/0", 0.5)  # the network beside it is enforced
    spoofed = udp(pool, "web1/0", "blue2/0", "10.0.0.99", "10.0.0.12", 4001)
    assert copies(pool, "web1/0", spoofed) == {"blue2/0": 1}
    announced = bytes(Ether(src=pool.ends["web1/0"].mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="10.0.0.1", pdst="10.0.0.1"))
    everybody = {"blue1/0", "blue2/0", "web2/0", "bad/0", "held/0", "gw"}
    assert copies(pool, "web1/0", announced) == dict.fromkeys(everybody, 1)
    asked = bytes(Ether(src=pool.ends["gw"].mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="10.0.0.1", pdst="10.0.0.77"))
    assert copies(pool, "gw", asked) == dict.fromkeys((everybody | {"web1/0"}) - {"gw"}, 1)
    # XAPI locks this one: no line of a network opens it.
    own = bytes(Ether(src=pool.ends["held/0"].mac, dst=pool.ends["blue2/0"].mac) / IP(src="10.0.0.41", dst="10.0.0.12") / UDP(sport=4002))
    assert copies(pool, "held/0", own) == {"blue2/0": 1}
    assert copies(pool, "held/0", udp(pool, "held/0", "blue2/0", "10.0.0.99", "10.0.0.12", 4003)) == {}
    assert all(SAVED_MODE not in pool.db.get("VIF", ref)["other_config"] for name, ref in pool.vifs.items() if "front" not in name)


def test_what_would_be_dropped_is_told(pool: Pool, host: Host, steps: Steps) -> None:
    for _ in range(5):
        send_frame(pool.ends["web1/0"], udp(pool, "web1/0", "blue2/0", "10.0.0.99", "10.0.0.12"))
        send_frame(pool.ends["web1/0"], udp(pool, "web1/0", "blue1/0", "10.0.0.21", "10.0.0.11"))
    for _ in range(3):
        send_frame(pool.ends["front1/0"], udp(pool, "front1/0", "front2/0", "10.0.0.51", "10.0.0.52"))
        send_frame(pool.ends["front1/0"], udp(pool, "front1/0", "front2/0", "10.0.0.99", "10.0.0.52"))
        send_frame(pool.ends["held/0"], udp(pool, "held/0", "blue2/0", "10.0.0.99", "10.0.0.12"))
    wanted = {
        ("web1/0 (10.0.0.99)", "10.0.0.12", "source", "watched"): 5,
        ("front1/0", "", "source", "dropped"): 3,
        ("held/0", "", "source", "dropped"): 3,
    }
    at_least = {  # what the guests' kernels say beside it is counted, too
        ("web1/0 (10.0.0.21)", "blue1/0 (10.0.0.11)", "unreachable-out", "watched"): 5,
        ("front1/0", "", "unreachable-out", "dropped"): 3,
    }
    wait_for(lambda: wanted.items() <= counts(host).items(), f"the counts: {counts(host)}", 5.0)
    assert all(counts(host)[row] >= count for row, count in at_least.items())
    assert ringfence(host, "check").stdout.count("NOTHING IS ENFORCED HERE") == 1
    assert "WATCHED:   network backend: nothing is enforced there" in ringfence(host, "status").stdout
    told = ringfence(host, "explain", "web1", "blue1")
    assert told.returncode == 1
    assert "watch:  nothing is enforced here yet (enforce=watch)" in told.stdout
    assert "differs from the policy" not in told.stdout
    # An agent that starts anew goes on with its counts, and one flow that counts is nobody's orphan.
    steps.doing.run("agent stop h1")
    steps.doing.run("agent start h1")
    pool.settle()
    assert wanted.items() <= counts(host).items()
    assert ringfence(host, "audit").returncode == 0
    assert host.ask(op="flows", vif="")["orphans"] == []


def test_what_was_seen_is_suggested_and_then_enforced(pool: Pool, host: Host) -> None:
    refused = ringfence(host, "suggest", "front")
    assert (refused.returncode, refused.stderr) == (
        2,
        "ringfence: network front: it is not watched: ringfence network set front enforce=watch\n",
    )
    assert reaches(pool, "web1/0", "web2/0")
    for _ in range(4):
        send_frame(pool.ends["blue1/0"], udp(pool, "blue1/0", "blue2/0", "10.0.0.111", "10.0.0.12"))
    found: dict[str, str] = {}

    def enough() -> bool:
        told = json.loads(ringfence(host, "-o", "json", "suggest", "backend").stdout)
        found.clear()
        found.update((row["command"], row["what"]) for row in told["rows"])
        return {"ringfence group add web web1/0 web2/0", "ringfence ip add blue1/0 10.0.0.111"} <= set(found)

    wait_for(enough, f"the suggestions: {found}", 5.0)
    shown = ringfence(host, "suggest", "backend")
    assert shown.returncode == 0
    assert "network backend: watched for " in shown.stdout
    assert "bad/0 would be closed: ipv4=10.0.0.31/24 has host bits set" in shown.stdout
    assert "not heard of" not in shown.stdout
    pinger = Pinger(pool.ends["web2/0"], "10.0.0.21", 0.01)
    for command in sorted(found):
        if command.startswith(("ringfence group add", "ringfence ip add")):
            assert ringfence(host, *command.split()[1:]).returncode == 0, command
    assert ringfence(host, "network", "set", "backend", "enforce=on").returncode == 0
    pool.settle()
    assert not reaches(pool, "web1/0", "blue1/0", 0.5)
    assert ringfence(host, "network", "set", "backend", "enforce=watch").returncode == 0
    pool.settle()
    assert reaches(pool, "web1/0", "blue1/0")
    assert ringfence(host, "network", "set", "backend", "enforce=on").returncode == 0
    pool.settle()
    pinger.stop()
    assert pinger.sent > 20
    assert pinger.lost == 0
    assert reaches(pool, "web1/0", "web2/0")
    for one, other in (("web1/0", "blue2/0"), ("blue1/0", "web2/0"), ("bad/0", "blue1/0")):
        assert not reaches(pool, one, other, 0.5)


def numbers(host: Host) -> dict[str, int]:
    """Of VIFs in the flows, as they were last saved."""
    return json.loads((host.root / "var/lib/ringfence/state.json").read_text())["numbers"]["xenbr0"]["vif"]


def test_counters_of_a_vif_that_is_gone_are_not_its_heirs(pool: Pool, host: Host, steps: Steps) -> None:
    """The number of a VIF in the flows is given to another one."""
    for _ in range(3):
        send_frame(pool.ends["front1/0"], udp(pool, "front1/0", "front2/0", "10.0.0.99", "10.0.0.52"))
    wait_for(lambda: counts(host).get(("front1/0", "", "source", "dropped")) == 3, "the count", 5.0)
    uuids = [pool.db.get("VIF", pool.vifs[f"{name}/0"])["uuid"] for name in ("front1", "front2")]
    wait_for(lambda: set(uuids) <= set(numbers(host)), "the numbers on the disk", 10.0)
    gone = [numbers(host)[uuid] for uuid in uuids]
    for name in ("front1", "front2"):
        ref = pool.vifs[f"{name}/0"]
        steps.doing.run(f"stop {name}")
        pool.db.destroy("VIF", ref)
    pool.settle()
    counters = host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "xenbr0", COUNTERS)
    assert "reg9" in counters
    assert not [number for number in gone if f"reg5={number:#x}," in counters or f"reg4={number:#x}," in counters]


def test_drops_are_followed_as_they_come(pool: Pool, host: Host) -> None:
    with contextlib.ExitStack() as stack:
        process = netns.inside(
            host.name,
            lambda: subprocess.Popen(
                [sys.executable, "-u", "-m", "ringfence.cli.main", "drops", "--follow", "--every", "0.2"],
                env={**os.environ, **host.env},
                stdout=subprocess.PIPE,
                text=True,
            ),
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        text = ""
        deadline = time.monotonic() + 10
        while "front1/0 -> ?: dropped source: " not in text and time.monotonic() < deadline:
            send_frame(pool.ends["front1/0"], udp(pool, "front1/0", "front2/0", "10.0.0.99", "10.0.0.52"))
            if select.select([process.stdout], [], [], 0.1)[0]:
                text += process.stdout.readline()
        assert "front1/0 -> ?: dropped source: " in text
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
        process.stdout.close()
    wrong = ringfence(host, "drops", "--every", "0")
    assert wrong.returncode == 2


def test_what_others_put_into_the_switch_stays_in_force(pool: Pool, host: Host) -> None:
    """A rule of an operator's, as Xen Orchestra's stand, below ours: to watch a network is not to open it."""
    _, number = port(pool, host, "web1")
    rule = f"priority=30000,in_port={number},udp,tp_dst=9,actions=drop"
    host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "add-flow", "xenbr0", rule)
    assert copies(pool, "web1/0", udp(pool, "web1/0", "blue1/0", "10.0.0.21", "10.0.0.11")) == {}
    host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "del-flows", "xenbr0", f"in_port={number},udp,tp_dst=9")
    assert copies(pool, "web1/0", udp(pool, "web1/0", "blue1/0", "10.0.0.21", "10.0.0.11")) == {"blue1/0": 1}


def test_a_guest_that_forges_without_end_hides_nobody(pool: Pool, host: Host) -> None:
    """Each VIF has its own share of the counters; what is more than that is counted together, and said."""
    with packet_socket(pool.ends["web1/0"]) as raw:
        for number in range(1500):
            raw.send(udp(pool, "web1/0", "blue1/0", f"172.16.{number >> 8}.{number & 255}", "10.0.0.11"))
            if not number % 50:
                time.sleep(0.02)
    for _ in range(4):
        send_frame(pool.ends["blue1/0"], udp(pool, "blue1/0", "web1/0", "10.0.0.199", "10.0.0.21"))
    wait_for(lambda: counts(host).get(("blue1/0 (10.0.0.199)", "10.0.0.21", "source", "watched")) == 4, "the other's count", 5.0)
    told = ringfence(host, "suggest", "backend").stdout
    assert "more addresses than are told apart: web1/0: find out first what it does" in told
    assert "web1/0 sends from" in told
    assert "or forges them: find out which" in told
    assert "ringfence ip add blue1/0 10.0.0.199" in told
    assert "web1/0 talk" not in told


def test_what_cannot_be_watched_is_said(pool: Pool, host: Host) -> None:
    pool.db.create("network", name_label="empty", bridge="xapi99", other_config={"ringfence": "default=isolated enforce=watch"})
    pool.settle()
    done = ringfence(host, "suggest", "empty")
    assert (done.returncode, done.stderr) == (
        2,
        "ringfence: network empty: it has no VIF of a VM yet: there is nothing to watch: plug one\n",
    )
