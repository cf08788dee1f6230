"""What a hostile guest sends: one row an attack, with the reason for which it is dropped, and its honest twin.

``a`` is the attacker, ``v`` whom it sends to, ``m`` a guest that it pretends to be; each has ``mac``, ``ip4``, ``ip6`` and
``ll`` (link-local). The target shares a group with the attacker, or is the gateway: what stops the frame is its
falseness. A twin is seen by its target, or, where ``to`` is "all", by every member and the gateway. ``note`` names where
the idea comes from.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from scapy.all import (
    ARP,
    BOOTP,
    DHCP,
    ESP,
    GRE,
    ICMP,
    IP,
    LLC,
    SCTP,
    SNAP,
    STP,
    TCP,
    UDP,
    Dot1AD,
    Dot1Q,
    Dot3,
    Ether,
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6MLReport,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    Raw,
    RouterAlert,
)
from scapy.layers.dhcp6 import DHCP6_Advertise, DHCP6_Solicit

Make = Callable[[Any, Any, Any], Any]
ALL = "all"
BROADCAST = "ff:ff:ff:ff:ff:ff"
NOBODY = "00:16:3e:ee:ee:ee"
ROUTERS, NODES, MLD2 = "33:33:00:00:00:02", "33:33:00:00:00:01", "33:33:00:00:00:16"


class Row(NamedTuple):
    name: str
    reason: str
    attack: Make
    twin: Make | None = None
    to: str = ""
    note: str = ""


def eth(a: Any, v: Any, **more: Any) -> Any:
    return Ether(**{"src": a.mac, "dst": v.mac, **more})


def udp4(a: Any, v: Any, **more: Any) -> Any:
    return IP(**{"src": a.ip4, "dst": v.ip4, **more}) / UDP(sport=5000, dport=9) / Raw(b"honest")


def udp6(a: Any, v: Any, **more: Any) -> Any:
    return IPv6(**{"src": a.ip6, "dst": v.ip6, **more}) / UDP(sport=5000, dport=9) / Raw(b"honest")


def solicited(address: str) -> tuple[str, str]:
    """Multicast MAC and address that a neighbour solicitation for an address goes to (RFC 4291, section 2.7.1)."""
    import ipaddress

    low = ipaddress.IPv6Address(address).packed[-3:]
    return "33:33:ff:" + low.hex(":"), "ff02::1:ff" + low.hex()[:2] + ":" + low.hex()[2:]


def ns(a: Any, v: Any, option: bytes = b"", **more: Any) -> Any:
    """A unicast neighbour solicitation with the attacker's own addresses, but for what ``more`` says."""
    head = {"src": a.ip6, "dst": v.ip6, "hlim": 255, **{k: w for k, w in more.items() if k in ("src", "hlim")}}
    body = ICMPv6ND_NS(tgt=more.get("tgt", v.ip6), code=more.get("code", 0))
    return IPv6(**head) / (body / Raw(option) if option else body / ICMPv6NDOptSrcLLAddr(lladdr=more.get("sll", a.mac)))


def na(a: Any, v: Any, option: bytes = b"", **more: Any) -> Any:
    head = {"src": a.ip6, "dst": v.ip6, "hlim": 255, **{k: w for k, w in more.items() if k in ("src", "hlim")}}
    body = ICMPv6ND_NA(tgt=more.get("tgt", a.ip6), R=0, S=1, O=1, code=more.get("code", 0))
    return IPv6(**head) / (body / Raw(option) if option else body / ICMPv6NDOptDstLLAddr(lladdr=more.get("tll", a.mac)))


def arp(a: Any, v: Any, op: int = 2, **more: Any) -> Any:
    return ARP(**{"op": op, "hwsrc": a.mac, "psrc": a.ip4, "hwdst": v.mac, "pdst": v.ip4, **more})


def mac_option(kind: int, mac: str, units: int = 1) -> bytes:
    return bytes([kind, units]) + bytes.fromhex(mac.replace(":", "")) + bytes(8 * (units - 1))


def discover(a: Any) -> Any:
    chaddr = bytes.fromhex(a.mac.replace(":", ""))
    return UDP(sport=68, dport=67) / BOOTP(chaddr=chaddr) / DHCP(options=[("message-type", "discover"), "end"])


# fmt: off
MAC_ROWS = [
    Row("foreign MAC, IPv4", "mac", lambda a, v, m: eth(a, v, src=m.mac) / udp4(a, v), lambda a, v, m: eth(a, v) / udp4(a, v)),
    Row("foreign MAC, IPv6", "mac", lambda a, v, m: eth(a, v, src=m.mac) / udp6(a, v), lambda a, v, m: eth(a, v) / udp6(a, v)),
    Row("unknown MAC", "mac", lambda a, v, m: eth(a, v, src=NOBODY) / udp4(a, v), note="CVE-2016-5363"),
    Row("multicast source MAC", "mac", lambda a, v, m: eth(a, v, src="01:00:5e:00:00:01") / udp4(a, v)),
    Row("foreign MAC, ARP", "mac", lambda a, v, m: eth(a, v, src=m.mac) / arp(a, v), lambda a, v, m: eth(a, v) / arp(a, v)),
    Row("foreign MAC, RARP", "mac", lambda a, v, m: Ether(src=m.mac, dst=BROADCAST, type=0x8035) / arp(m, m, 3)),
    Row("RARP for another", "ethertype", lambda a, v, m: Ether(src=a.mac, dst=BROADCAST, type=0x8035) / arp(m, m, 3)),
    Row("foreign MAC, ethertype 0x88b5", "mac", lambda a, v, m: eth(a, v, src=m.mac, type=0x88B5) / Raw(b"x" * 46)),
    Row("ethertype 0x88b5", "ethertype", lambda a, v, m: eth(a, v, type=0x88B5) / Raw(b"x" * 46)),
    Row("ethertype of PPPoE", "ethertype", lambda a, v, m: eth(a, v, type=0x8863) / Raw(b"x" * 46)),
    Row("ethertype of MACsec", "ethertype", lambda a, v, m: eth(a, v, type=0x88E5) / Raw(b"x" * 46)),
    Row("STP", "link-control", lambda a, v, m: Dot3(src=a.mac, dst="01:80:c2:00:00:00") / LLC() / STP()),
    Row("PAUSE", "link-control", lambda a, v, m: Ether(src=a.mac, dst="01:80:c2:00:00:01", type=0x8808) / Raw(b"\0\1\xff\xff")),
    Row("LACP", "link-control", lambda a, v, m: Ether(src=a.mac, dst="01:80:c2:00:00:02", type=0x8809) / Raw(b"\1" * 46)),
    Row("LLDP", "link-control", lambda a, v, m: Ether(src=a.mac, dst="01:80:c2:00:00:0e", type=0x88CC) / Raw(b"\2" * 46)),
    Row("CDP and VTP", "link-control", lambda a, v, m: Dot3(src=a.mac, dst="01:00:0c:cc:cc:cc") / LLC() / SNAP(OUI=0xC, code=0x2000)),
]
TAG_ROWS = [
    Row("802.1Q tag", "tagged", lambda a, v, m: eth(a, v) / Dot1Q(vlan=120) / udp4(a, v)),
    Row("802.1Q tag, ARP", "tagged", lambda a, v, m: eth(a, v) / Dot1Q(vlan=120) / arp(a, v)),
    Row("VLAN 0", "tagged", lambda a, v, m: eth(a, v) / Dot1Q(vlan=0, prio=3) / udp4(a, v)),
    Row("QinQ", "tagged", lambda a, v, m: eth(a, v) / Dot1Q(vlan=1) / Dot1Q(vlan=120) / udp4(a, v)),
    Row("802.1ad", "tagged", lambda a, v, m: eth(a, v) / Dot1AD(vlan=120) / udp4(a, v)),
    Row("VLAN-0 stack", "tagged", lambda a, v, m: eth(a, v) / Dot1Q(vlan=0) / Dot1Q(vlan=0) / udp4(a, v), note="CVE-2021-27854"),
    Row("VLAN-0 and SNAP, RA", "tagged", lambda a, v, m: eth(a, v) / Dot1Q(vlan=0, type=0x3c) / LLC() / SNAP(code=0x86DD) / udp6(a, v), note="CVE-2021-27853"),
]
IPV4_ROWS = [
    Row("foreign IPv4 source", "source", lambda a, v, m: eth(a, v) / udp4(a, v, src=m.ip4), lambda a, v, m: eth(a, v) / udp4(a, v)),
    Row("outside IPv4 source", "source", lambda a, v, m: eth(a, v) / udp4(a, v, src="8.8.8.8")),
    Row("IPv4 source 0.0.0.0", "source", lambda a, v, m: eth(a, v) / udp4(a, v, src="0.0.0.0")),
    Row("broadcast as source", "source", lambda a, v, m: eth(a, v) / udp4(a, v, src="255.255.255.255")),
    Row("loopback as source", "source", lambda a, v, m: eth(a, v) / udp4(a, v, src="127.0.0.1")),
    Row("foreign source in a first fragment", "source", lambda a, v, m: eth(a, v) / udp4(a, v, src=m.ip4, flags="MF")),
    Row("foreign source in a later fragment", "source", lambda a, v, m: eth(a, v) / udp4(a, v, src=m.ip4, frag=3), lambda a, v, m: eth(a, v) / udp4(a, v, frag=3)),
    Row("foreign source to port 67", "source", lambda a, v, m: eth(a, v) / IP(src=m.ip4, dst=v.ip4) / discover(a), note="CVE-2016-5362"),
    Row("foreign source in a DHCP discover", "source", lambda a, v, m: Ether(src=a.mac, dst=BROADCAST) / IP(src=m.ip4, dst="255.255.255.255") / discover(a), lambda a, v, m: Ether(src=a.mac, dst=BROADCAST) / IP(src="0.0.0.0", dst="255.255.255.255") / discover(a), ALL, note="CVE-2016-5362"),
    Row("SNAP-encapsulated foreign IPv4", "source", lambda a, v, m: Dot3(src=a.mac, dst=v.mac) / LLC() / SNAP(code=0x800) / udp4(a, v, src=m.ip4)),
    Row("answer of a DHCP server", "dhcp-server", lambda a, v, m: eth(a, v) / IP(src=a.ip4, dst=v.ip4) / UDP(sport=67, dport=68) / BOOTP(op=2)),
    Row("answer of a DHCP server by another port", "dhcp-server", lambda a, v, m: Ether(src=a.mac, dst=BROADCAST) / IP(src=a.ip4, dst="255.255.255.255") / UDP(sport=1067, dport=68) / BOOTP(op=2)),
    Row("IPv4 router advertisement", "router-advertisement", lambda a, v, m: eth(a, v) / IP(src=a.ip4, dst=v.ip4) / ICMP(type=9)),
    Row("IGMP query to one", "query", lambda a, v, m: eth(a, v) / IP(src=a.ip4, dst=v.ip4, proto=2) / Raw(b"\x11\x64\xee\x9b\0\0\0\0")),
    Row("ICMP redirect", "redirect", lambda a, v, m: eth(a, v) / IP(src=a.ip4, dst=v.ip4) / ICMP(type=5, gw=a.ip4), lambda a, v, m: eth(a, v) / IP(src=a.ip4, dst=v.ip4) / ICMP(type=3, code=4) / Raw(b"q" * 28)),
    Row("IGMP query", "query", lambda a, v, m: Ether(src=a.mac, dst="01:00:5e:00:00:01") / IP(src=a.ip4, dst="224.0.0.1", proto=2) / Raw(b"\x11\x64\xee\x9b\0\0\0\0")),
    Row("bad header length", "source", lambda a, v, m: eth(a, v) / udp4(a, v, src=m.ip4, ihl=3)),
    Row("total length below the header", "source", lambda a, v, m: eth(a, v) / udp4(a, v, src=m.ip4, len=10), note="CVE-2020-35498"),
    Row("cut off in the IPv4 header", "source", lambda a, v, m: Raw(bytes(eth(a, v, type=0x800) / udp4(a, v, src=m.ip4))[:30])),
    Row("protocol 0 before TCP", "source", lambda a, v, m: eth(a, v) / IP(src=m.ip4, dst=v.ip4, proto=0) / TCP(), note="CVE-2023-1668"),
]
IPV4_TWINS = [
    Row("DHCP renewal", "", lambda a, v, m: eth(a, v) / IP(src=a.ip4, dst=v.ip4) / discover(a)),
    Row("ESP", "", lambda a, v, m: eth(a, v) / IP(src=a.ip4, dst=v.ip4, proto=50) / ESP(spi=1, seq=1) / Raw(b"e" * 20)),
    Row("SCTP", "", lambda a, v, m: eth(a, v) / IP(src=a.ip4, dst=v.ip4) / SCTP(sport=1, dport=2) / Raw(b"s" * 20)),
    Row("GRE", "", lambda a, v, m: eth(a, v) / IP(src=a.ip4, dst=v.ip4) / GRE() / Raw(b"g" * 20)),
    Row("6in4", "", lambda a, v, m: eth(a, v) / IP(src=a.ip4, dst=v.ip4, proto=41) / udp6(a, v)),
    Row("a fragment of UDP", "", lambda a, v, m: eth(a, v) / udp4(a, v, flags="MF")),
]
ARP_ROWS = [
    Row("ARP reply for another", "arp", lambda a, v, m: eth(a, v) / arp(a, v, psrc=m.ip4), lambda a, v, m: eth(a, v) / arp(a, v)),
    Row("ARP request with a foreign sender", "arp", lambda a, v, m: eth(a, v) / arp(a, v, 1, psrc=m.ip4), lambda a, v, m: eth(a, v) / arp(a, v, 1)),
    Row("ARP with a foreign sender MAC", "arp", lambda a, v, m: eth(a, v) / arp(a, v, hwsrc=m.mac)),
    Row("ARP reply from 0.0.0.0", "arp", lambda a, v, m: eth(a, v) / arp(a, v, psrc="0.0.0.0")),
    Row("gratuitous ARP for another", "arp", lambda a, v, m: Ether(src=a.mac, dst=BROADCAST) / arp(a, v, psrc=m.ip4, pdst=m.ip4, hwdst=BROADCAST), lambda a, v, m: Ether(src=a.mac, dst=BROADCAST) / arp(a, v, 1, pdst=a.ip4, hwdst="00:00:00:00:00:00"), ALL),
    Row("ARP probe for another", "arp", lambda a, v, m: Ether(src=a.mac, dst=BROADCAST) / arp(a, v, 1, psrc="0.0.0.0", pdst=m.ip4), lambda a, v, m: Ether(src=a.mac, dst=BROADCAST) / arp(a, v, 1, psrc="0.0.0.0", pdst=a.ip4), ALL),
    Row("ARP probe for another, to one", "arp", lambda a, v, m: eth(a, v) / arp(a, v, 1, psrc="0.0.0.0", pdst=m.ip4)),
    Row("ARP probe for its receiver's address", "arp", lambda a, v, m: Ether(src=a.mac, dst=BROADCAST) / arp(a, v, 1, psrc="0.0.0.0")),
    Row("ARP reply from 0.0.0.0 to all", "arp", lambda a, v, m: Ether(src=a.mac, dst=BROADCAST) / arp(a, v, psrc="0.0.0.0", pdst=a.ip4), lambda a, v, m: Ether(src=a.mac, dst=BROADCAST) / arp(a, v, pdst=a.ip4), ALL),
    Row("ARP of hardware type 6", "arp", lambda a, v, m: eth(a, v, type=0x806) / Raw(b"\0\6" + bytes(arp(a, v, psrc=m.ip4))[2:]), note="Linux takes it"),
    Row("ARP of hardware type 6, broadcast", "arp", lambda a, v, m: eth(a, v, dst=BROADCAST, type=0x806) / Raw(b"\0\6" + bytes(arp(a, v, 1, psrc=m.ip4))[2:])),
    Row("ARP operation 257", "arp", lambda a, v, m: eth(a, v) / arp(a, v, 257, psrc=m.ip4)),
    Row("short ARP", "arp", lambda a, v, m: Raw(bytes(eth(a, v) / arp(a, v, psrc=m.ip4))[:34])),
    Row("SNAP ARP for another", "arp", lambda a, v, m: Dot3(src=a.mac, dst=v.mac) / LLC() / SNAP(code=0x806) / arp(a, v, psrc=m.ip4)),
]
IPV6_ROWS = [
    Row("foreign IPv6 source", "source", lambda a, v, m: eth(a, v) / udp6(a, v, src=m.ip6), lambda a, v, m: eth(a, v) / udp6(a, v)),
    Row("foreign link-local source", "source", lambda a, v, m: eth(a, v) / udp6(a, v, src=m.ll, dst=v.ll), lambda a, v, m: eth(a, v) / udp6(a, v, src=a.ll, dst=v.ll)),
    Row("IPv6 source ::", "source", lambda a, v, m: eth(a, v) / udp6(a, v, src="::")),
    Row("IPv6 source ::1", "source", lambda a, v, m: eth(a, v) / udp6(a, v, src="::1")),
    Row("mapped IPv4 source", "source", lambda a, v, m: eth(a, v) / udp6(a, v, src="::ffff:10.0.0.1")),
    Row("foreign source in an IPv6 fragment", "source", lambda a, v, m: eth(a, v) / IPv6(src=m.ip6, dst=v.ip6) / IPv6ExtHdrFragment(offset=8, nh=17) / Raw(b"f" * 16), lambda a, v, m: eth(a, v) / IPv6(src=a.ip6, dst=v.ip6) / IPv6ExtHdrFragment(offset=8, nh=17) / Raw(b"f" * 16)),
    Row("router advertisement", "router-advertisement", lambda a, v, m: Ether(src=a.mac, dst=NODES) / IPv6(src=a.ll, dst="ff02::1", hlim=255) / ICMPv6ND_RA() / ICMPv6NDOptPrefixInfo(prefix="fd66::"), lambda a, v, m: Ether(src=a.mac, dst=ROUTERS) / IPv6(src=a.ll, dst="ff02::2", hlim=255) / ICMPv6ND_RS(), ALL),
    Row("RA to one", "router-advertisement", lambda a, v, m: eth(a, v) / IPv6(src=a.ll, dst=v.ll, hlim=255) / ICMPv6ND_RA()),
    Row("RA in a fragment", "fragment", lambda a, v, m: eth(a, v) / IPv6(src=a.ll, dst=v.ll, hlim=255) / IPv6ExtHdrFragment(nh=58, m=1) / ICMPv6ND_RA(), note="RFC 6980"),
    Row("RA behind destination options", "router-advertisement", lambda a, v, m: eth(a, v) / IPv6(src=a.ll, dst=v.ll, hlim=255) / IPv6ExtHdrDestOpt() / ICMPv6ND_RA(), note="RFC 7113"),
    Row("RA behind both", "fragment", lambda a, v, m: eth(a, v) / IPv6(src=a.ll, dst=v.ll, hlim=255) / IPv6ExtHdrFragment(nh=60, m=1) / IPv6ExtHdrDestOpt() / ICMPv6ND_RA(), note="RFC 7112"),
    Row("IPv6 redirect", "redirect", lambda a, v, m: eth(a, v) / IPv6(src=a.ll, dst=v.ll, hlim=255) / ICMPv6ND_Redirect(tgt=a.ll, dst="2001:db8::1"), lambda a, v, m: eth(a, v) / IPv6(src=a.ip6, dst=v.ip6) / ICMPv6DestUnreach(code=4) / Raw(b"u" * 48)),
    Row("answer of a DHCPv6 server", "dhcp-server", lambda a, v, m: eth(a, v) / IPv6(src=a.ll, dst=v.ll) / UDP(sport=547, dport=546) / DHCP6_Advertise(trid=1), lambda a, v, m: Ether(src=a.mac, dst="33:33:00:01:00:02") / IPv6(src=a.ll, dst="ff02::1:2") / UDP(sport=546, dport=547) / DHCP6_Solicit(trid=1), ALL),
    Row("answer of a DHCPv6 server by another port", "dhcp-server", lambda a, v, m: eth(a, v) / IPv6(src=a.ll, dst=v.ll) / UDP(sport=1547, dport=546) / DHCP6_Advertise(trid=1)),
    Row("inverse neighbour advertisement", "neighbour-discovery", lambda a, v, m: eth(a, v) / IPv6(src=a.ll, dst=v.ll, hlim=255, nh=58) / Raw(b"\x8e" + bytes(7) + mac_option(1, m.mac))),
    Row("MLD query", "query", lambda a, v, m: Ether(src=a.mac, dst=NODES) / IPv6(src=a.ll, dst="ff02::1", hlim=1) / IPv6ExtHdrHopByHop(nh=58, options=[RouterAlert()]) / Raw(b"\x82\0\0\0\0\1\0\0" + bytes(16)), lambda a, v, m: Ether(src=a.mac, dst=MLD2) / IPv6(src=a.ll, dst="ff02::16", hlim=1) / IPv6ExtHdrHopByHop(options=[RouterAlert()]) / ICMPv6MLReport2(), ALL),
    Row("cut off in the IPv6 header", "ipv6-header", lambda a, v, m: Raw(bytes(eth(a, v, type=0x86DD) / udp6(a, v, src=m.ip6))[:40])),
]
IPV6_TWINS = [
    Row("echo over IPv6", "", lambda a, v, m: eth(a, v) / IPv6(src=a.ip6, dst=v.ip6) / ICMPv6EchoRequest(id=7)),
    Row("first fragment of UDP over IPv6", "", lambda a, v, m: eth(a, v) / IPv6(src=a.ip6, dst=v.ip6) / IPv6ExtHdrFragment(m=1, nh=17) / UDP(sport=1, dport=2) / Raw(b"f" * 16)),
    Row("MLD report", "", lambda a, v, m: Ether(src=a.mac, dst="33:33:00:00:00:05") / IPv6(src=a.ll, dst="ff02::5", hlim=1) / IPv6ExtHdrHopByHop(options=[RouterAlert()]) / ICMPv6MLReport(mladdr="ff02::5"), to=ALL),
]
ND_ROWS = [
    Row("DAD for its receiver's address", "neighbour-discovery", lambda a, v, m: Ether(src=a.mac, dst=solicited(v.ip6)[0]) / IPv6(src="::", dst=solicited(v.ip6)[1], hlim=255) / ICMPv6ND_NS(tgt=v.ip6)),
    Row("DAD for another, to one", "neighbour-discovery", lambda a, v, m: eth(a, v) / IPv6(src="::", dst=v.ip6, hlim=255) / ICMPv6ND_NS(tgt=m.ip6)),
    Row("NS with a foreign source", "source", lambda a, v, m: eth(a, v) / ns(a, v, src=m.ip6), lambda a, v, m: eth(a, v) / ns(a, v)),
    Row("NS with a foreign link-layer address", "neighbour-discovery", lambda a, v, m: eth(a, v) / ns(a, v, sll=m.mac)),
    Row("NS with two link-layer addresses", "neighbour-discovery", lambda a, v, m: eth(a, v) / ns(a, v, mac_option(1, a.mac) + mac_option(1, m.mac))),
    Row("NS with a long link-layer address", "neighbour-discovery", lambda a, v, m: Ether(src=a.mac, dst=solicited(v.ip6)[0]) / IPv6(src=a.ip6, dst=solicited(v.ip6)[1], hlim=255) / ICMPv6ND_NS(tgt=v.ip6) / Raw(mac_option(1, m.mac, 2)), note="length 2: the switch sees none"),
    Row("NS of hop limit 64", "neighbour-discovery", lambda a, v, m: eth(a, v) / ns(a, v, hlim=64)),
    Row("NS of code 1", "neighbour-discovery", lambda a, v, m: eth(a, v) / ns(a, v, code=1, src=m.ip6), note="CVE-2023-5366"),
    Row("NA for another", "neighbour-discovery", lambda a, v, m: eth(a, v) / na(a, v, tgt=m.ip6), lambda a, v, m: eth(a, v) / na(a, v), note="CVE-2015-8914"),
    Row("NA for another, of code 1", "neighbour-discovery", lambda a, v, m: eth(a, v) / na(a, v, tgt=m.ip6, code=1, src=m.ip6), note="CVE-2023-5366"),
    Row("NA with a foreign link-layer address", "neighbour-discovery", lambda a, v, m: eth(a, v) / na(a, v, tll=m.mac)),
    Row("NA with two link-layer addresses", "neighbour-discovery", lambda a, v, m: eth(a, v) / na(a, v, mac_option(2, a.mac) + mac_option(2, m.mac))),
    Row("NA with a foreign source", "source", lambda a, v, m: eth(a, v) / na(a, v, src=m.ip6)),
    Row("NA from a foreign MAC", "mac", lambda a, v, m: eth(a, v, src=m.mac) / na(a, v)),
    Row("NA of hop limit 64", "neighbour-discovery", lambda a, v, m: eth(a, v) / na(a, v, hlim=64)),
    Row("unsolicited NA to all for another", "neighbour-discovery", lambda a, v, m: Ether(src=a.mac, dst=NODES) / IPv6(src=a.ip6, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=m.ip6, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=a.mac), lambda a, v, m: Ether(src=a.mac, dst=NODES) / IPv6(src=a.ip6, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=a.ip6, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=a.mac), ALL),
    Row("DAD for another", "neighbour-discovery", lambda a, v, m: Ether(src=a.mac, dst=solicited(m.ip6)[0]) / IPv6(src="::", dst=solicited(m.ip6)[1], hlim=255) / ICMPv6ND_NS(tgt=m.ip6), lambda a, v, m: Ether(src=a.mac, dst=solicited(a.ip6)[0]) / IPv6(src="::", dst=solicited(a.ip6)[1], hlim=255) / ICMPv6ND_NS(tgt=a.ip6), ALL),
]
# fmt: on
ATTACKS = MAC_ROWS + TAG_ROWS + IPV4_ROWS + ARP_ROWS + IPV6_ROWS + ND_ROWS
HONEST = IPV4_TWINS + IPV6_TWINS
