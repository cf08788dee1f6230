"""Pools that an attacker would like: wide prefixes, common lists, routers, unlocked VIFs; and frames that make use of them.

Each case is a network, the records of VIFs v1, v2 … (those with ``there`` live on another host), a frame, who sends it, and
exactly who sees it: VIFs here, ``wire``, ``dom0``. The frames go through a real switch's datapath.
"""

from typing import Any, NamedTuple

import pytest
from scapy.all import (
    ARP,
    BOOTP,
    DHCP,
    ICMP,
    IP,
    UDP,
    Ether,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    Raw,
)

from pools import LOCAL, MACHINE_MAC, UPLINK, compiled, link_local, mac, picture, vif
from ringfence.flows import evaluate
from ringfence_lab.dummy import DummySwitch

NET = "default=isolated inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1,fd00::1"
NOBODY = "02:00:00:00:00:77"
ALL, NODES = "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"
ONE, TWO, THREE = mac(1), mac(2), mac(3)
BEYOND = {"wire", "dom0"}


class Case(NamedTuple):
    records: list[str]
    frame: Any
    seen: set[str] = set()
    sender: str = "v1"
    line: str = NET


def udp(source: str, target: str, sport: int = 4000, dport: int = 9) -> Any:
    return (IPv6 if ":" in source else IP)(src=source, dst=target) / UDP(sport=sport, dport=dport)


def claim(address: str, *, by: str, to: str = ALL) -> Any:
    """An ARP answer, or an advertisement: the address is at this MAC."""
    if ":" in address:
        body = ICMPv6ND_NA(tgt=address, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=by)
        return Ether(src=by, dst=to) / IPv6(src=address, dst="ff02::1" if to == NODES else "fd00::13", hlim=255) / body
    return Ether(src=by, dst=to) / ARP(op=2, hwsrc=by, psrc=address, hwdst=to, pdst="10.0.0.13")


def solicits(source: str) -> Any:
    """v1 asks v2 for its address, as ``source``."""
    body = ICMPv6ND_NS(tgt="fd00::12") / ICMPv6NDOptSrcLLAddr(lladdr=ONE)
    return Ether(src=ONE, dst=TWO) / IPv6(src=source, dst="fd00::12", hlim=255) / body


def offers(by: str, source: str, sport: int) -> Any:
    """An offer of a DHCP server, to everybody."""
    return Ether(src=by, dst=ALL) / IP(src=source, dst="255.255.255.255") / UDP(sport=sport, dport=68) / OFFER


def asks(address: str, *, by: str, own: str) -> Any:
    """Who has this address?"""
    if ":" in address:
        body = ICMPv6ND_NS(tgt=address) / ICMPv6NDOptSrcLLAddr(lladdr=by)
        return Ether(src=by, dst="33:33:ff:00:00:01") / IPv6(src=own, dst="ff02::1:ff00:1", hlim=255) / body
    return Ether(src=by, dst=ALL) / ARP(op=1, hwsrc=by, psrc=own, pdst=address)


def other_hardware(address: str, by: str, to: str) -> Any:
    """An ARP answer of hardware type 6, which Linux takes for Ethernet's, and the switch cannot read."""
    sender = bytes.fromhex(by.replace(":", "")) + bytes(map(int, address.split(".")))
    return Ether(src=by, dst=to, type=0x0806) / Raw(b"\0\6\x08\0\6\4\0\2" + sender + bytes(6) + bytes([10, 0, 0, 13]))


WIDE = "mode=locked ipv4=10.0.0.0/24 ipv6=fd00::/64"
LISTED = "mode=isolated ipv4=10.0.0.12 ipv6=fd00::12"
LOCKED = "mode=locked ipv4=10.0.0.13 ipv6=fd00::13"
COMMON = "mode=isolated ipv4=10.0.0.12,10.0.0.13"
FREE = "mode=unlocked"
ROUTER = "mode=locked ipv4=10.0.0.2 ipv6=fd00::2 services=router"
BLUE = "mode=isolated ipv4=10.0.0.12 ipv6=fd00::12 groups=blue"
QUERY = IP(src="10.0.0.11", dst="10.0.0.12", proto=2) / Raw(b"\x11" + bytes(7))
OTHER = BLUE.replace(".12", ".9")
BLUE1 = "mode=isolated ipv4=10.0.0.11 ipv6=fd00::11 groups=blue"
OFFER = BOOTP(op=2) / DHCP(options=[("message-type", "offer"), ("router", "10.0.0.11"), "end"])
SOLE = "mode=isolated ipv4=10.0.0.11 peers=10.0.0.12 external=deny"

CASES = {
    "a wide prefix is not an address that another lists, though a peer list names it": Case(
        [WIDE, LISTED, LOCKED], claim("10.0.0.12", by=ONE, to=THREE)
    ),
    "nor its IPv6 twin": Case([WIDE, LISTED, LOCKED], claim("fd00::12", by=ONE, to=THREE)),
    "nor as a source": Case([WIDE, LISTED, LOCKED], Ether(src=ONE, dst=THREE) / udp("10.0.0.12", "10.0.0.13")),
    "but what nobody lists it is": Case([WIDE, LISTED, LOCKED], Ether(src=ONE, dst=THREE) / udp("10.0.0.77", "10.0.0.13"), {"v3"}),
    "nor a gateway, though a peer list names it": Case(
        [WIDE, LISTED + " peers=10.0.0.1 external=deny", LOCKED], claim("10.0.0.1", by=ONE, to=THREE)
    ),
    "nor what an unlocked VIF lists": Case([WIDE, FREE + " ipv4=10.0.0.31", LOCKED], claim("10.0.0.31", by=ONE, to=THREE)),
    "a wide prefix is no member of a common list": Case(
        ["mode=isolated ipv4=10.0.0.0/24", COMMON, COMMON], Ether(src=ONE, dst=TWO) / udp("10.0.0.13", "10.0.0.12")
    ),
    "and the list's members are not of it": Case(
        [COMMON, "mode=isolated ipv4=10.0.0.0/24", COMMON], Ether(src=ONE, dst=TWO) / udp("10.0.0.12", "10.0.0.13")
    ),
    "who names a peer names not who covers it": Case(
        [SOLE, "mode=isolated ipv4=10.0.0.12 peers=10.0.0.11", "mode=isolated ipv4=10.0.0.0/24 peers=10.0.0.11"],
        Ether(src=ONE, dst=THREE) / udp(link_local(1), link_local(3)),
    ),
    "nor do its broadcasts": Case(
        [SOLE, "mode=isolated ipv4=10.0.0.12 peers=10.0.0.11", "mode=isolated ipv4=10.0.0.0/24 peers=10.0.0.11"],
        Ether(src=ONE, dst=ALL) / udp("10.0.0.11", "255.255.255.255"),
        {"v2"},
    ),
    "fe80::/64 makes nobody a peer": Case(
        ["mode=isolated ipv4=10.0.0.11 ipv6=fe80::/64", "mode=isolated ipv4=10.0.0.12 ipv6=fe80::/64"],
        Ether(src=ONE, dst=TWO) / udp(link_local(1), link_local(2)),
    ),
    "nor does a shared /64": Case(
        ["mode=isolated ipv6=fd00::/64", "mode=isolated ipv6=fd00::/64"], Ether(src=ONE, dst=TWO) / udp("fd00::1:1", "fd00::1:2")
    ),
    "one that may be fe80::/64 does not get what is asked of the router": Case(
        [BLUE1, "mode=isolated ipv4=10.0.0.12 ipv6=fe80::/64 groups=win"], asks("fe80::1", by=ONE, own=link_local(1)), BEYOND
    ),
    "nor from a locked one; its flood reaches whom it may": Case(
        [LOCKED, "mode=isolated ipv4=10.0.0.12 ipv6=fe80::/64 groups=win", LISTED], asks("fe80::1", by=ONE, own=link_local(1)), BEYOND
    ),
    "nor does a wide prefix get what is asked of the gateway": Case(
        [BLUE1, "mode=isolated ipv4=10.0.0.0/24 groups=win"], asks("10.0.0.1", by=ONE, own="10.0.0.11"), BEYOND
    ),
    "an unlocked VIF is no gateway in ARP": Case([FREE, BLUE, LOCKED], claim("10.0.0.1", by=ONE, to=THREE)),
    "nor in ARP that the switch cannot read": Case([FREE, BLUE, LOCKED], other_hardware("10.0.0.1", ONE, THREE)),
    "nor from a MAC that it made up": Case([FREE, BLUE, LOCKED], other_hardware("10.0.0.1", NOBODY, ALL)),
    "nor by an option twice": Case(
        [FREE, BLUE, LOCKED],
        Ether(src=ONE, dst=THREE)
        / IPv6(src="fe80::bad", dst="fd00::13", hlim=255)
        / ICMPv6ND_NA(tgt="fd00::1", R=1, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr=ONE)
        / ICMPv6NDOptDstLLAddr(lladdr=ONE),
    ),
    "nor by a list of its own": Case([FREE + " ipv4=10.0.0.0/24", BLUE, LOCKED], claim("10.0.0.1", by=ONE, to=THREE)),
    "nor another guest by a list of its own": Case([FREE + " ipv4=10.0.0.0/24", BLUE, LOCKED], claim("10.0.0.12", by=ONE, to=THREE)),
    "nor does it take an address while it is being probed": Case(
        [FREE, BLUE, LOCKED], Ether(src=ONE, dst=ALL) / ARP(op=1, hwsrc=ONE, psrc="0.0.0.0", pdst="10.0.0.13")
    ),
    "nor a router, from a MAC that it made up": Case(
        [FREE, BLUE + " there", LOCKED], Ether(src=NOBODY, dst=NODES) / IPv6(src="fe80::bad", dst="ff02::1", hlim=255) / ICMPv6ND_RA()
    ),
    "nor a DHCP server, from a MAC that it made up": Case(
        [FREE, BLUE + " there", LOCKED], offers(NOBODY, "8.8.8.8", 9)
    ),
    "what arrives and cannot be read is nobody's": Case(
        [LOCKED, BLUE], other_hardware("10.0.0.1", NOBODY, ALL), set(), "wire"
    ),
    "a DHCP server by another port": Case(
        [BLUE1, BLUE], offers(ONE, "10.0.0.11", 1067)
    ),
    "a DHCPv6 server by another port": Case([BLUE1, BLUE], Ether(src=ONE, dst=TWO) / udp("fd00::11", "fd00::12", 1547, 546)),
    "a DHCP server that may be one": Case(
        [BLUE1 + " services=dhcp", BLUE],
        offers(ONE, "10.0.0.11", 67),
        {"v2", *BEYOND},
    ),
    "an IPv4 router advertisement": Case([BLUE1, BLUE], Ether(src=ONE, dst=TWO) / IP(src="10.0.0.11", dst="10.0.0.12") / ICMP(type=9)),
    "an IGMP query to one": Case([BLUE1, BLUE], Ether(src=ONE, dst=TWO) / QUERY),
    "a router is not the gateway to its neighbours": Case(
        [ROUTER, BLUE],
        solicits("fd00::1"),
    ),
    "as itself it asks": Case(
        [ROUTER, BLUE],
        solicits("fd00::2"),
        {"v2"},
    ),
    "a router forwards for one whose address a wide prefix may not use": Case(
        [ROUTER, "mode=locked ipv4=10.0.0.0/28", OTHER], Ether(src=ONE, dst=MACHINE_MAC) / udp("10.0.0.9", "8.8.8.8"), BEYOND - {"dom0"}
    ),
    "strangers whose family is not inside do not meet at a gateway": Case(
        ["mode=isolated ipv6=2001:db8:1::/64 groups=x", "mode=isolated ipv6=2001:db8:2::/64 groups=y"],
        Ether(src=MACHINE_MAC, dst=TWO) / udp("2001:db8:1::5", "2001:db8:2::5"),
        set(),
        "wire",
        "default=isolated inside=10.0.0.0/24 gateways=10.0.0.1",
    ),
    "a machine among the peers is asked for, with external=deny": Case(
        ["mode=isolated ipv4=10.0.0.11 peers=10.0.0.50 external=deny", BLUE], asks("10.0.0.50", by=ONE, own="10.0.0.11"), BEYOND
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_exactly_those_see_it(switch: DummySwitch, case: str) -> None:
    records, frame, seen, sender, line = CASES[case]
    vifs = [vif(f"v{n}", n, words.replace(" there", ""), here=" there" not in words) for n, words in enumerate(records, 1)]
    flows, ports = compiled(picture(line, *vifs))
    switch.bridge([("eth0", UPLINK, 0), *((name, number, 0) for name, number in ports.items())], list(ports))
    switch.run("ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", "br0", "-", feed="\n".join(map(str, flows)))
    names = {number: name for name, number in ports.items()} | {UPLINK: "wire", LOCAL: "dom0"}
    at = {name: number for number, name in names.items()}[sender]
    left = {names[port] for port, _ in switch.emit(at, bytes(frame))}
    if sender == "wire" or frame.dst == MACHINE_MAC:
        left -= {"dom0"}  # NORMAL has not learned where the machine is
        seen = seen - {"dom0"}
    assert left == seen, evaluate(flows, bytes(frame), at).drops


def test_two_unlocked_vifs_with_one_mac_close_and_nobody_else_does() -> None:
    twins = [vif("v1", 1, FREE), vif("v2", 1, FREE), vif("v3", 3, BLUE)]
    flows, _ = compiled(picture(NET, *twins))
    assert len(flows) > 100
    view = picture(NET, *twins).networks["net"]
    assert set(view.closed) == {"v1", "v2"}
    assert set(view.members) == {"v3"}
    assert not picture(None, *twins[:2]).networks["net"].closed
