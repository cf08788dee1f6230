"""The match fields that the pipeline uses, by their names in ovs-ofctl (ovs-fields(7)), and how each is written."""

import ipaddress
from functools import lru_cache
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..records.addresses import Prefix


class Field(NamedTuple):
    width: int
    """In bits."""
    form: str
    """dec, hex, mac, ipv4 or ipv6."""


FIELDS: Dict[str, Field] = {
    "reg0": Field(32, "hex"),
    "reg1": Field(32, "hex"),
    "reg2": Field(32, "hex"),
    "reg3": Field(32, "hex"),
    "reg4": Field(32, "hex"),
    "reg5": Field(32, "hex"),
    "reg6": Field(32, "hex"),
    "reg7": Field(32, "hex"),
    "reg8": Field(32, "hex"),
    "reg9": Field(32, "hex"),
    "reg10": Field(32, "hex"),
    "conj_id": Field(32, "dec"),
    "in_port": Field(32, "dec"),
    "vlan_tci": Field(16, "hex"),
    "dl_src": Field(48, "mac"),
    "dl_dst": Field(48, "mac"),
    "dl_type": Field(16, "hex"),
    "nw_proto": Field(8, "dec"),
    "nw_src": Field(32, "ipv4"),
    "nw_dst": Field(32, "ipv4"),
    "ipv6_src": Field(128, "ipv6"),
    "ipv6_dst": Field(128, "ipv6"),
    "nw_ttl": Field(8, "dec"),
    "ip_frag": Field(2, "frag"),
    "tp_src": Field(16, "dec"),
    "tp_dst": Field(16, "dec"),
    "icmp_type": Field(8, "dec"),
    "icmp_code": Field(8, "dec"),
    "nd_target": Field(128, "ipv6"),
    "nd_sll": Field(48, "mac"),
    "nd_tll": Field(48, "mac"),
    "arp_op": Field(8, "dec"),
    "arp_spa": Field(32, "ipv4"),
    "arp_tpa": Field(32, "ipv4"),
    "arp_sha": Field(48, "mac"),
    "arp_tha": Field(48, "mac"),
}
ORDER = {name: n for n, name in enumerate(FIELDS)}

Value = Tuple[str, int, Optional[int]]
"""Field, value, and its mask where it is not exact."""
Match = Tuple[Value, ...]

ARP, RARP, IPV4, IPV6 = 0x0806, 0x8035, 0x0800, 0x86DD
TAGS = (0x8100, 0x88A8)
"""EtherTypes of a tag (802.1Q, 802.1ad): what ``dl_type`` is behind a first one, for the switch looks no further (vlan-limit)."""
ICMP, IGMP, UDP, ICMPV6 = 1, 2, 17, 58
BROADCAST = (1 << 48) - 1
MULTICAST_BIT = 1 << 40
FRAGMENT = 1
"""Bit 0 of ``ip_frag``: any fragment; bit 1: not the first one (OVS's nw_frag)."""


def mac_number(mac: str) -> int:
    return int(mac.replace(":", ""), 16)


def match(**fields: Any) -> Match:
    """Fields given as a number, a (value, mask) pair, a MAC as text, or a prefix; in the pipeline's order."""
    rows = []
    for name in sorted(fields, key=_place):
        given = fields[name]
        if isinstance(given, int):
            rows.append(_exact(name, given))
        elif isinstance(given, str):
            rows.append((name, mac_number(given), None))
        elif isinstance(given, tuple):
            value, mask = given
            rows.append((name, value, None if mask == (1 << FIELDS[name].width) - 1 else mask))
        elif given.prefixlen:
            width, bits = FIELDS[name].width, FIELDS[name].width - given.prefixlen
            rows.append((name, int(given.network_address), (1 << width) - (1 << bits) if bits else None))
    return tuple(rows)


_place = ORDER.__getitem__


@lru_cache(maxsize=1 << 14)
def _exact(name: str, value: int) -> Value:
    """Registers and protocols say the same thing in thousands of flows: one object for all."""
    return (name, value, None)


def sources(prefix: Prefix) -> List[Dict[str, Any]]:
    """The headers in which a frame names a prefix as where it comes from: IP source, ARP sender."""
    if prefix.version == 4:
        return [{"dl_type": IPV4, "nw_src": prefix}, {"dl_type": ARP, "arp_spa": prefix}]
    return [{"dl_type": IPV6, "ipv6_src": prefix}]


def targets(prefix: Prefix) -> List[Dict[str, Any]]:
    """The headers in which a frame names a prefix as where it goes: IP destination, ARP target."""
    if prefix.version == 4:
        return [{"dl_type": IPV4, "nw_dst": prefix}, {"dl_type": ARP, "arp_tpa": prefix}]
    return [{"dl_type": IPV6, "ipv6_dst": prefix}]


def show_number(form: str, number: int) -> str:
    if form == "mac":
        return ":".join("{:02x}".format(octet) for octet in number.to_bytes(6, "big"))
    if form == "ipv4":
        return str(ipaddress.IPv4Address(number))
    if form == "ipv6":
        return str(ipaddress.IPv6Address(number))
    return "{:#x}".format(number) if form == "hex" else str(number)


def show_value(row: Value) -> str:
    """``field=value`` or ``field=value/mask``, as ovs-ofctl reads it."""
    name, value, mask = row
    form = FIELDS[name].form
    if form == "frag":
        return "ip_frag=yes"
    text = "{}={}".format(name, show_number(form, value))
    if mask is None:
        return text
    if form in ("ipv4", "ipv6"):
        return "{}/{}".format(text, bin(mask).count("1"))
    return "{}/{}".format(text, show_number(form, mask))


def show_match(rows: Match) -> str:
    return ",".join(show_value(row) for row in rows)
