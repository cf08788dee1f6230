"""A match as bytes: OXM fields (OpenFlow 1.4.1, section 7.2.2) and Open vSwitch's NXM ones (ovs-fields(7))."""

import struct
from functools import lru_cache
from typing import Dict, Optional, Tuple

from ...flows.fields import ICMPV6, ORDER, Match, Value

NXM_0, NXM_1, OXM = 0x0000, 0x0001, 0x8000

WIRE: Dict[str, Tuple[int, int, int]] = {
    "conj_id": (NXM_1, 37, 4),
    "in_port": (OXM, 0, 4),
    "vlan_tci": (OXM, 6, 2),
    "dl_dst": (OXM, 3, 6),
    "dl_src": (OXM, 4, 6),
    "dl_type": (OXM, 5, 2),
    "nw_proto": (OXM, 10, 1),
    "nw_src": (OXM, 11, 4),
    "nw_dst": (OXM, 12, 4),
    "ipv6_src": (OXM, 26, 16),
    "ipv6_dst": (OXM, 27, 16),
    "nw_ttl": (NXM_1, 29, 1),
    "ip_frag": (NXM_1, 26, 1),
    "tp_src": (OXM, 15, 2),
    "tp_dst": (OXM, 16, 2),
    "nd_target": (OXM, 31, 16),
    "nd_sll": (OXM, 32, 6),
    "nd_tll": (OXM, 33, 6),
    "arp_op": (OXM, 21, 2),
    "arp_spa": (OXM, 22, 4),
    "arp_tpa": (OXM, 23, 4),
    "arp_sha": (OXM, 24, 6),
    "arp_tha": (OXM, 25, 6),
}
"""Class, field and octets by name.

Of ``vlan_tci`` the pipeline looks at the VLAN and whether there is one, which is OpenFlow's ``vlan_vid``; ``tp_*`` are UDP's,
the only transport that it looks into. So a match reads back as it is written, but for the order of its fields.
"""
WIRE.update(("reg{}".format(n), (NXM_1, n, 4)) for n in range(16))
ICMP_TYPE = {4: (OXM, 19, 1), 6: (OXM, 29, 1)}
ICMP_CODE = {4: (OXM, 20, 1), 6: (OXM, 30, 1)}
FIRST_RESERVED = 0xFF00
VLAN_AND_PRESENT = 0x1FFF


def header(name: str) -> int:
    """The four octets by which actions name a field."""
    kind, field, size = WIRE[name]
    return kind << 16 | field << 9 | size


def encode_field(place: Tuple[int, int, int], value: int, mask: int = -1) -> bytes:
    """One field; ``mask`` -1 is exact."""
    kind, field, size = place
    if mask == -1:
        return struct.pack("!HBB", kind, field << 1, size) + value.to_bytes(size, "big")
    return struct.pack("!HBB", kind, field << 1 | 1, size * 2) + value.to_bytes(size, "big") + mask.to_bytes(size, "big")


def port_number(port: int) -> int:
    """OVSDB has port numbers of 16 bits; those above the last real port have more bits on the wire."""
    return port if port < FIRST_RESERVED else port | 0xFFFF0000


def encode_match(rows: Match) -> bytes:
    """``struct ofp_match``, padded. The rows stand in the pipeline's order, prerequisites first."""
    version = 6 if ("nw_proto", ICMPV6, None) in rows else 4
    return wrap_match(b"".join([_encode_row(row, version) for row in rows]))


@lru_cache(maxsize=1 << 14)
def _encode_row(row: Value, version: int) -> bytes:
    name, value, mask = row
    if name == "icmp_type":
        place = ICMP_TYPE[version]
    elif name == "icmp_code":
        place = ICMP_CODE[version]
    else:
        place = WIRE[name]
    if name == "in_port":
        value = port_number(value)
    elif name == "vlan_tci" and mask == VLAN_AND_PRESENT:
        mask = None
    return encode_field(place, value, -1 if mask is None else mask)


def wrap_match(fields: bytes) -> bytes:
    length = 4 + len(fields)
    return struct.pack("!HH", 1, length) + fields + bytes(-length % 8)


NAMES: Dict[Tuple[int, int], str] = {(kind, field): name for name, (kind, field, _) in WIRE.items()}
NAMES.update({place[:2]: "icmp_type" for place in ICMP_TYPE.values()})
NAMES.update({place[:2]: "icmp_code" for place in ICMP_CODE.values()})


def decode_match(fields: bytes) -> Optional[Match]:
    """The inverse of ``encode_match`` for what is in a match, in whatever order; None for what the pipeline never matches."""
    rows = []
    at = 0
    while at < len(fields):
        end = at + 4 + fields[at + 3]
        row = _decode(fields[at:end])
        if row is None:
            return None
        rows.append(row)
        at = end
    rows.sort(key=_place)
    return tuple(rows)


def _place(row: Value) -> int:
    return ORDER[row[0]]


@lru_cache(maxsize=1 << 14)
def _decode(field: bytes) -> Optional[Value]:
    kind, number, size = struct.unpack_from("!HBB", field)
    name = NAMES.get((kind, number >> 1))
    if name is None:
        return None
    half = size // 2 if number & 1 else size
    value = int.from_bytes(field[4 : 4 + half], "big")
    mask = int.from_bytes(field[4 + half :], "big") if number & 1 else None
    if name == "in_port" and value > 0xFFFF:
        value &= 0xFFFF
    elif name == "vlan_tci" and mask is None:
        mask = VLAN_AND_PRESENT
    return (name, value, mask)
