"""A match: its fields as OpenFlow writes them, OXM's and Open vSwitch's own, in the order in which the switch tells of them.

So what is sent is what is read back, and two matches are alike where their octets are.
"""

import ipaddress
import struct
from functools import lru_cache
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from ..records.addresses import Prefix
from .fields import ARP, FIELDS, ICMPV6, ICMPV6_NUMBERS, IPV4, IPV6, ORDER, Field, mac_number
from .pipeline import CLAIMED

Match = bytes
FIRST_RESERVED = 0xFF00
VLAN_AND_PRESENT = 0x1FFF
NOTHING: Match = b""
"""Matches everything."""
ON_THE_WIRE = (
    ["conj_id", "in_port", "dl_src", "dl_dst", "dl_type", "vlan_tci", "nw_src", "nw_dst", "ipv6_src", "ipv6_dst"]
    + ["ip_frag", "nw_ttl", "nw_proto", "tp_src", "tp_dst", "icmp_type", "icmp_code", "nd_target", "nd_sll", "nd_tll"]
    + ["arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"]
    + ["reg{}".format(n) for n in range(16)]
)
"""Each behind what it needs (``nx_put_raw`` of Open vSwitch)."""
_AT = {name: n for n, name in enumerate(ON_THE_WIRE)}


class Row(NamedTuple):
    """One field of a match, to be read."""

    name: str
    value: int
    mask: Optional[int]
    """None where it is exact."""


class _Wire(NamedTuple):
    exact: bytes
    masked: bytes
    """The heads of the field in both forms."""
    size: int


def _wire(field: Field, number: int) -> _Wire:
    return _Wire(
        struct.pack("!HBB", field.kind, number << 1, field.size),
        struct.pack("!HBB", field.kind, number << 1 | 1, field.size * 2),
        field.size,
    )


_WIRE = {name: _wire(field, field.number) for name, field in FIELDS.items()}
_ICMPV6 = {name: _wire(FIELDS[name], number) for name, number in ICMPV6_NUMBERS.items()}
_WIRE_6 = dict(_WIRE, **_ICMPV6)
_NAMES: Dict[Tuple[int, int], str] = {(field.kind, field.number): name for name, field in FIELDS.items()}
_NAMES.update({(FIELDS[name].kind, number): name for name, number in ICMPV6_NUMBERS.items()})


def header(name: str) -> int:
    """The four octets by which actions name a field."""
    return int.from_bytes(_WIRE[name].exact, "big")


def port_number(port: int) -> int:
    """OVSDB has port numbers of 16 bits; those above the last real port have more bits on the wire."""
    return port if port < FIRST_RESERVED else port | 0xFFFF0000


def match(**fields: Any) -> Match:
    """Fields given as a number, a (value, mask) pair, a MAC as text, or a prefix."""
    wires = _WIRE if fields.get("nw_proto") != ICMPV6 else _WIRE_6
    parts: List[bytes] = []
    for name in _in_order(tuple(fields)):
        given = fields[name]
        exact, masked, size = wires[name]
        if isinstance(given, int):
            parts.append(exact + (port_number(given) if name == "in_port" else given).to_bytes(size, "big"))
        elif isinstance(given, str):
            parts.append(exact + mac_number(given).to_bytes(size, "big"))
        elif isinstance(given, tuple):
            value, mask = given
            if mask in (-1, (1 << 8 * size) - 1) or (name == "vlan_tci" and mask == VLAN_AND_PRESENT):
                parts.append(exact + value.to_bytes(size, "big"))
            else:
                parts.append(masked + value.to_bytes(size, "big") + mask.to_bytes(size, "big"))
        else:
            parts.append(_address(name, given))
    return b"".join(parts)


def _address(name: str, prefix: Prefix) -> Match:
    """The prefix of length 0 matches everything."""
    exact, masked, size = _WIRE[name]
    if prefix.prefixlen == 8 * size:
        return exact + prefix.network_address.packed
    return masked + prefix.network_address.packed + prefix.netmask.packed if prefix.prefixlen else NOTHING


def on(register: str, number: int) -> Match:
    """A register: they are behind all other fields, so this may be put behind any match, in the order of their numbers."""
    return _WIRE[register].exact + number.to_bytes(4, "big")


def sources(prefix: Prefix) -> List[Match]:
    """The headers in which a frame names a prefix as where it comes from: IP source, ARP sender."""
    if prefix.version == 4:
        return [_IS_IPV4 + _address("nw_src", prefix), _IS_ARP + _address("arp_spa", prefix)]
    return [_IS_IPV6 + _address("ipv6_src", prefix)]


def targets(prefix: Prefix) -> List[Match]:
    """The headers in which a frame names a prefix as where it goes: IP destination, ARP target."""
    return [packets_to(prefix), arp_to(prefix)] if prefix.version == 4 else [packets_to(prefix)]


def packets_to(prefix: Prefix) -> Match:
    """IP packets to a prefix."""
    return _IS_IPV4 + _address("nw_dst", prefix) if prefix.version == 4 else _IS_IPV6 + _address("ipv6_dst", prefix)


def arp_to(prefix: Prefix) -> Match:
    """ARP that names an IPv4 prefix as its target."""
    return _IS_ARP + _address("arp_tpa", prefix)


def claimed(prefix: Prefix) -> Match:
    """The registers that hold what ARP or neighbour discovery claims; they are behind all others."""
    form = "!{}I".format(prefix.max_prefixlen // 32)
    values, masks = (struct.unpack(form, address.packed) for address in (prefix.network_address, prefix.netmask))
    return match(**{name: (value, mask) for name, value, mask in zip(CLAIMED, values, masks) if mask})


@lru_cache(maxsize=1 << 10)
def _in_order(names: Tuple[str, ...]) -> Tuple[str, ...]:
    return tuple(sorted(names, key=_AT.__getitem__))


_IS_IPV4, _IS_ARP, _IS_IPV6 = match(dl_type=IPV4), match(dl_type=ARP), match(dl_type=IPV6)


def canonical(fields: bytes) -> Optional[Match]:
    """A match in another order of its fields; None for what the pipeline never matches."""
    pieces = list(_pieces(fields))
    names = [_name(piece) for piece in pieces]
    if None in names:
        return None
    return b"".join(piece for _, piece in sorted(zip(((_AT[name or ""]) for name in names), pieces)))


def _pieces(fields: bytes) -> Iterable[bytes]:
    at = 0
    while at < len(fields):
        end = at + 4 + fields[at + 3]
        yield fields[at:end]
        at = end


def _name(piece: bytes) -> Optional[str]:
    kind, number = struct.unpack_from("!HB", piece)
    return _NAMES.get((kind, number >> 1))


@lru_cache(maxsize=1 << 14)
def rows(fields: Match) -> Tuple[Row, ...]:
    """The fields one by one, in the order in which they are shown. Raises ValueError for what the pipeline never matches."""
    found = [_row(piece) for piece in _pieces(fields)]
    return tuple(sorted(found, key=lambda row: ORDER[row.name]))


def _row(piece: bytes) -> Row:
    name = _name(piece)
    if name is None:
        raise ValueError("no field of ours: {}".format(piece.hex()))
    size = FIELDS[name].size
    value = int.from_bytes(piece[4 : 4 + size], "big")
    mask = int.from_bytes(piece[4 + size :], "big") if len(piece) > 4 + size else None
    if name == "in_port" and value > 0xFFFF:
        value &= 0xFFFF
    elif name == "vlan_tci" and mask is None:
        mask = VLAN_AND_PRESENT
    return Row(name, value, mask)


def show_number(form: str, number: int) -> str:
    if form == "mac":
        return ":".join("{:02x}".format(octet) for octet in number.to_bytes(6, "big"))
    if form == "ipv4":
        return str(ipaddress.IPv4Address(number))
    if form == "ipv6":
        return str(ipaddress.IPv6Address(number))
    return "{:#x}".format(number) if form == "hex" else str(number)


def show_row(row: Row) -> str:
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


def show_match(fields: Match) -> str:
    return ",".join(show_row(row) for row in rows(fields))
