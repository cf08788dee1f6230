"""Every row of the table, from locked and isolated VIFs, towards a guest here, a guest there and the gateway."""

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from lab import running
from ringfence.flows.pipeline import read_cookie
from ringfence.records.addresses import link_local
from ringfence.switch.ofctl import OURS
from ringfence_lab.ends import End
from ringfence_lab.frames import core, same
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool
from ringfence_lab.probe import Capture, packet_socket
from table import ALL, ATTACKS, HONEST, Row

LINE = "inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1,fd00::1"
TARGETS = ("near", "far", "gw")
_COOKIE = re.compile(r"cookie 0x(5246[0-9a-f]{12})")


class Party(NamedTuple):
    """An end as the rows of the table know it."""

    end: End
    mac: str
    ip4: str
    ip6: str
    ll: str


def party(pool: Pool, name: str) -> Party:
    end = pool.ends[name]
    by_version = {a.version: str(a.ip) for a in end.addresses}
    return Party(end, end.mac, by_version[4], by_version[6], str(link_local(end.mac).network_address))


def member(host: str, number: int, words: str) -> dict:
    ipv4, ipv6 = f"10.0.0.{number}", f"fd00::{number}"
    return {"host": host, "vifs": [{"network": "net", "addresses": [ipv4, ipv6], "ringfence": f"ipv4={ipv4} ipv6={ipv6} {words}"}]}


@pytest.fixture(scope="module", params=["untagged", "vlan"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    network = {"ringfence": LINE, **({"vlan": 120} if request.param == "vlan" else {})}
    scenario = {
        "hosts": ["h1", "h2"],
        "networks": {"net": network, "other": {"vlan": 130}},
        "guests": {
            "isolated": member("h1", 11, "mode=isolated groups=team"),
            "locked": member("h1", 12, "mode=locked groups=team"),
            "near": member("h1", 13, "mode=isolated groups=team"),
            "far": member("h2", 14, "mode=isolated groups=team"),
            "stranger": member("h2", 15, "mode=isolated groups=strangers"),
        },
        "outside": {"gw": {"network": "net", "addresses": ["10.0.0.1", "fd00::1"]}},
    }
    with running(scenario) as made:
        yield made


class Field:
    """The attacker, its target and the one it pretends to be."""

    def __init__(self, pool: Pool, attacker: str, target: str) -> None:
        self.pool = pool
        self.attacker = party(pool, f"{attacker}/0")
        self.target = party(pool, target if target == "gw" else f"{target}/0")
        self.mimic = party(pool, "far/0" if target == "near" else "near/0")
        self.others = [end for end in pool.ends.values() if end.name != f"{attacker}/0"]
        team = {"isolated/0", "locked/0", "near/0", "far/0", "gw"} - {f"{attacker}/0"}
        self.all = team

    def made(self, row: Row, *, twin: bool = False) -> bytes:
        make = row.twin if twin else row.attack
        assert make is not None
        return bytes(make(self.attacker, self.target, self.mimic))

    def seen(self, frames: list[bytes], wait_for: set[str]) -> list[tuple[str, bytes]]:
        """Where frames came, whatever became of destination and tag; waits until all of ``wait_for`` saw one."""
        cores = {frame: core(frame) for frame in frames}
        with Capture(self.others) as capture, packet_socket(self.attacker.end) as raw:
            for frame in frames:
                raw.send(frame)
                capture.read(0.0)
            deadline = time.monotonic() + 3.0
            while True:
                quiet = not capture.read(0.1)
                found = [
                    (end.name, frame)
                    for end, got in capture.frames
                    for frame in frames
                    if got[6:12] == frame[6:12] and same(cores[frame], got)
                ]
                if (quiet and wait_for <= {name for name, _ in found}) or time.monotonic() > deadline:
                    return found


def reason(host: Host, port: int, frame: bytes) -> str:
    """Why the switch drops a frame: what the cookie of the last flow of ours says in ofproto/trace."""
    words = ["ovs-appctl", "ofproto/trace", "xenbr0", f"in_port={port}", frame.hex()]
    text = host.switch.run(*words)
    cookies = [read_cookie(int(found, 16)) for found in _COOKIE.findall(text)]
    return next((known.reason for known in reversed(cookies) if known is not None and known.reason), "")


def counted(host: Host) -> Counter:
    """Frames that the switch of a host has dropped, by the reason in the cookie."""
    found: Counter = Counter()
    for line in host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "xenbr0", OURS).splitlines():
        cookie, packets = re.search(r"cookie=0x([0-9a-f]+)", line), re.search(r"n_packets=(\d+)", line)
        if cookie and packets:
            known = read_cookie(int(cookie.group(1), 16))
            if known is not None and known.reason:
                found[known.reason] += int(packets.group(1))
    return found


def uncounted(host: Host, before: Counter) -> Counter:
    """Attacks, by reason, that the switch has not counted."""
    return Counter(row.reason for row in ATTACKS) - (counted(host) - before)


def count_all(field: "Field", host: Host, before: Counter, attacks: dict[str, bytes]) -> None:
    """Waits until each reason was counted as often as attacks have it.

    The switch brings its counters up to date now and then, within a second or two, and on a busy machine a burst may be
    more than its sockets hold: what was not counted is sent again.
    """
    deadline = time.monotonic() + 30.0
    while uncounted(host, before):
        assert time.monotonic() < deadline, f"dropped, but not counted: {dict(uncounted(host, before))}"
        time.sleep(1.5)
        again = [attacks[row.name] for row in ATTACKS if row.reason in uncounted(host, before)]
        assert not field.seen(again, set())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("attacker", ["isolated", "locked"])
def test_no_attack_arrives_and_every_honest_frame_does(pool: Pool, attacker: str, target: str) -> None:
    field = Field(pool, attacker, target)
    before = counted(pool.hosts["h1"])
    attacks = {row.name: field.made(row) for row in ATTACKS}
    arrived = field.seen(list(attacks.values()), set())
    named = sorted({(name, where) for where, frame in arrived for name, sent in attacks.items() if sent == frame})
    assert not named, f"{len(named)} of {len(attacks)} attacks arrived: {named}"
    lost = []
    honest = 0
    for row in [*(row for row in ATTACKS if row.twin), *HONEST]:
        frame = field.made(row, twin=row.twin is not None)
        honest += 1
        expected = field.all if row.to == ALL else {field.target.end.name}
        found = {name for name, _ in field.seen([frame], expected)}
        if found != expected:
            lost.append(f"{row.name}: seen by {sorted(found)}, not {sorted(expected)}")
    assert not lost, "; ".join(lost)
    # And again: no honest frame has opened a way for its false twin.
    again = field.seen(list(attacks.values()), set())
    assert not again
    count_all(field, pool.hosts["h1"], before, attacks)
    print(f"{attacker} to {target}: {2 * len(attacks)} attack frames sent, 0 arrived; {honest} honest ones did")


@pytest.mark.parametrize("attacker", ["isolated", "locked"])
def test_each_attack_is_dropped_for_its_reason(pool: Pool, attacker: str) -> None:
    field = Field(pool, attacker, "near")
    host = pool.hosts["h1"]
    number = int(host.switch.vsctl("get", "Interface", f"vif{pool.db.get('VM', pool.vms[attacker])['domid']}.0", "ofport"))
    wrong = []
    for row in ATTACKS:
        try:
            found = reason(host, number, field.made(row))
        except (RuntimeError, subprocess.SubprocessError) as error:
            found = f"no trace: {error}"
        if found != row.reason:
            wrong.append(f"{row.name}: {found}, not {row.reason}")
    assert not wrong, "; ".join(wrong)
