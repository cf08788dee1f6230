"""What one guest can make the datapath cache: floods of random headers cost a bounded number of masks.

A lookup in the kernel's datapath walks the masks (CVE-2019-25076), so their number is what all guests pay for. A flow
with a mask that is there already costs memory alone, goes 10 s after its last frame, and counts against the switch's
own ``flow-limit``; a guest can have one a frame on any bridge, ours or not, with random destination MACs.
"""

import random
import re
from collections.abc import Callable

import pytest

from pools import MACHINE_MAC, UPLINK, compiled, mac, picture, vif
from ringfence_lab.dummy import DummySwitch

FRAMES = 300
LINE = "default=isolated inside=10.0.0.0/16,fd00::/64 gateways=10.0.0.1,fd00::1"
OTHERS = 12
"""Flows that were there before."""
LENGTHS = {4: 33, 6: 129}
"""Of the prefixes that can tell one address from another: as many masks can a flood of addresses make."""
MASKS = 40
"""Of a flood of anything else."""
ALL_MASKS = 400
"""Of all of these floods together, which is what is published. Prefix lengths times the 17 of a UDP source port are the end of it."""
ME = bytes.fromhex(mac(1).replace(":", ""))
MACHINE = bytes.fromhex(MACHINE_MAC.replace(":", ""))
OWN4, OWN6 = bytes([10, 0, 1, 1]), b"\xfd\0" + bytes(13) + b"\1"
UDP = (1000).to_bytes(2, "big") + b"\0\x09\0\x08\0\0"


def ipv4(source: bytes = OWN4, target: bytes = b"\x08" * 4, protocol: int = 17, rest: bytes = UDP) -> bytes:
    return b"\x08\0\x45\0" + (20 + len(rest)).to_bytes(2, "big") + b"\0\0\0\0\x40" + bytes([protocol, 0, 0]) + source + target + rest


def ipv6(source: bytes = OWN6, target: bytes = b"\x20" + bytes(15), protocol: int = 17, rest: bytes = UDP, hops: int = 64) -> bytes:
    return b"\x86\xdd\x60\0\0\0" + len(rest).to_bytes(2, "big") + bytes([protocol, hops]) + source + target + rest


def arp(sha: bytes = ME, spa: bytes = OWN4, tpa: bytes = b"\x0a\0\1\2") -> bytes:
    return b"\x08\x06\0\1\x08\0\6\4\0\1" + sha + spa + bytes(6) + tpa


def udp(dice: random.Random) -> bytes:
    """Source ports that differ from 67 as early, or as late, as they can."""
    return (67 ^ (1 << dice.randrange(16))).to_bytes(2, "big") + dice.randbytes(2) + UDP[4:]


def near(dice: random.Random, address: bytes) -> bytes:
    """An address that shares a prefix of any length with another."""
    return (int.from_bytes(address, "big") ^ (1 << dice.randrange(8 * len(address)))).to_bytes(len(address), "big")


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "source MACs": lambda d: MACHINE + d.randbytes(6) + ipv4(),
    "destination MACs": lambda d: b"\x02" + d.randbytes(5) + ME + ipv4(),
    "multicast MACs": lambda d: b"\x01" + d.randbytes(5) + ME + ipv4(),
    "ethertypes": lambda d: MACHINE + ME + d.randbytes(2) + bytes(46),
    "IPv4 sources": lambda d: MACHINE + ME + ipv4(d.randbytes(4)),
    "IPv4 sources near the own": lambda d: MACHINE + ME + ipv4(near(d, OWN4)),
    "IPv4 destinations": lambda d: MACHINE + ME + ipv4(target=d.randbytes(4)),
    "IPv4 destinations near another's": lambda d: MACHINE + ME + ipv4(target=near(d, b"\x0a\0\1\2")),
    "IPv4 protocols": lambda d: MACHINE + ME + ipv4(protocol=d.randrange(256)),
    "IPv6 sources": lambda d: MACHINE + ME + ipv6(near(d, OWN6)),
    "IPv6 destinations": lambda d: MACHINE + ME + ipv6(target=near(d, OWN6[:-1] + b"\2")),
    "IPv6 protocols": lambda d: MACHINE + ME + ipv6(protocol=d.randrange(256)),
    "ports": lambda d: MACHINE + ME + ipv4(rest=udp(d)),
    "fragments, TOS and TTL": lambda d: MACHINE + ME + b"\x08\0\x45" + d.randbytes(1) + b"\0\x1c\0\0" + d.randbytes(3) + ipv4()[11:],
    "ARP senders": lambda d: b"\xff" * 6 + ME + arp(spa=d.randbytes(4)),
    "ARP sender MACs": lambda d: b"\xff" * 6 + ME + arp(sha=d.randbytes(6)),
    "ARP targets": lambda d: b"\xff" * 6 + ME + arp(tpa=d.randbytes(4)),
    "ND targets": lambda d: MACHINE + ME + ipv6(OWN6, OWN6, 58, b"\x87" + bytes(7) + d.randbytes(16) + b"\1\1" + ME, 255),
    "tags": lambda d: MACHINE + ME + b"\x81\0" + d.randbytes(2) + ipv4(),
    "anything": lambda d: d.randbytes(60),
}
BY_PREFIX = [name for name in KINDS if "IP" in name and "protocols" not in name]
MIXTURE: Callable[[random.Random], bytes] = lambda d: b"\x02" + d.randbytes(5) + ME + ipv4(target=near(d, b"\x0a\0\1\2"), rest=udp(d))  # noqa: E731


@pytest.fixture(scope="module")
def flooded(switch: DummySwitch) -> DummySwitch:
    """A bridge of four guests, in a network of two hundred."""
    return filled(switch)


def filled(switch: DummySwitch) -> DummySwitch:
    everyone = [vif(f"v{n}", n, f"ipv4=10.0.1.{n} ipv6=fd00::{n:x} groups={'ab'[n % 2]}", here=n <= 4) for n in range(1, 200)]
    flows, ports = compiled(picture(LINE, *everyone), tag=120, local=2)
    switch.bridge([("eth0", UPLINK, 0), ("xapi1", 2, 120), *((name, number, 120) for name, number in ports.items())], list(ports))
    switch.run("ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", "br0", "-", feed="\n".join(map(str, flows)))
    return switch


def flood(switch: DummySwitch, kind: Callable[[random.Random], bytes], frames: int = FRAMES) -> tuple[int, int]:
    """How many flows, and of how many masks, a flood of one kind leaves behind."""
    dice = random.Random(1)
    for _ in range(frames):
        switch.appctl("netdev-dummy/receive", "v1", kind(dice).hex())
    return cached(switch)


def cached(switch: DummySwitch) -> tuple[int, int]:
    """Flows in the datapath, and masks among them: a flow with its values left out."""
    lines = [line.split(", packets:")[0] for line in switch.appctl("dpctl/dump-flows").splitlines() if "actions:" in line]
    masks = {re.sub(r"(eth_type)\(\w+\)|([a-z_]+)=[^,()/]+(/[^,()]+)?", r"\1\2\3", line) for line in lines}
    return len(lines), len(masks)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_of_one_kind_costs_few_masks(flooded: DummySwitch, kind: str) -> None:
    flooded.forget()
    flows, masks = flood(flooded, KINDS[kind])
    print(f"{kind}: {FRAMES} frames, {flows} flows of {masks} masks")
    if kind in BY_PREFIX:
        assert 1 <= masks <= flows <= LENGTHS[4 if "IPv4" in kind else 6] + OTHERS
    else:
        assert 1 <= masks <= MASKS
        assert flows <= FRAMES + OTHERS


def test_all_floods_together_cost_what_is_published(flooded: DummySwitch) -> None:
    flooded.forget()
    for kind in [*KINDS.values(), MIXTURE]:
        flows, masks = flood(flooded, kind)
    print(f"all floods together: {flows} flows of {masks} masks")
    assert MASKS < masks <= ALL_MASKS


def test_a_bridge_of_others_caches_as_much_for_a_guest_that_wants_it_so(flooded: DummySwitch) -> None:
    flooded.forget()
    ours, _ = flood(flooded, KINDS["destination MACs"])
    plain = "delete\nadd priority=0,actions=NORMAL"
    flooded.run("ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", "br0", "-", feed=plain)
    try:
        flooded.forget()
        normal, _ = flood(flooded, KINDS["destination MACs"])
    finally:
        filled(flooded)
    assert normal > 0.9 * FRAMES
    assert ours <= normal + OTHERS
