"""Actions as bytes: OpenFlow 1.4.1, section 7.2.4, and Open vSwitch's own (ovs-actions(7))."""

import struct
from functools import lru_cache
from typing import Iterable

from ...flows.fields import FIELDS
from ...flows.flow import FORGOTTEN_S, Action
from ...flows.match import header, match, port_number
from ...flows.pipeline import ALL_CLAIMED, TABLES, counted_cookie

NICIRA = 0x2320
IN_PORT, NORMAL = 0xFFF8, 0xFFFA
MOVE, LOAD, RESUBMIT, CONJUNCTION, CLONE, LEARN = 6, 7, 14, 34, 42, 45
IN_PORT_FIELD = 0x00000002
"""NXM_OF_IN_PORT, of 16 bits: what may be loaded is not the field that is matched."""
VLAN_TCI_FIELD = 0x00000802
"""NXM_OF_VLAN_TCI, of which all is set."""
NXM = {
    "dl_dst": 0x00000206,
    "dl_src": 0x00000406,
    "dl_type": 0x00000602,
    "nw_src": 0x00000E04,
    "nw_dst": 0x00001004,
    "ipv6_src": 0x00012610,
    "ipv6_dst": 0x00012810,
    "arp_spa": 0x00002004,
    "arp_tpa": 0x00002204,
    "nd_target": 0x00012E10,
    ALL_CLAIMED: 0x0001E410,
}
"""NXM's names of what is copied, or what a counter tells apart, which are those that the switch reads back."""
CLAUSES = 2


def _own(kind: int, body: bytes) -> bytes:
    """An action of Open vSwitch's; the whole is a multiple of 8 octets long."""
    return struct.pack("!HHIH", 0xFFFF, 10 + len(body), NICIRA, kind) + body


def _load(field: int, bits: int, value: int) -> bytes:
    return _own(LOAD, struct.pack("!HIQ", bits - 1, field, value))


def _output(port: int) -> bytes:
    return struct.pack("!HHIH6x", 0, 16, port_number(port), 0)


def _learn(kind: int, limit: int, ethertype: int, fields: Iterable[str], number: int) -> bytes:
    """``struct nx_action_learn2``: what the new flow matches is copied from the frame's fields, bit 13 says from a constant."""
    body = struct.pack("!HHHQHBxHHIHH", FORGOTTEN_S, 0, kind, counted_cookie(kind, number), 0, TABLES["counted"], 0, 0, limit, 0, 0)
    if ethertype:
        body += struct.pack("!HHIH", 1 << 13 | 16, ethertype, NXM["dl_type"], 0)
    for name in fields:
        field = struct.pack("!IH", _named(name), 0)
        body += struct.pack("!H", 8 * FIELDS[name].size) + field + field
    return _own(LEARN, body + bytes(-(10 + len(body)) % 8))


def _named(field: str) -> int:
    return NXM[field] if field in NXM else header(field)


@lru_cache(maxsize=1 << 14)
def encode_action(action: Action) -> bytes:
    kind = action[0]
    if kind == "load":
        return _load(header(action[1]), 32, action[2])
    if kind == "resubmit":
        return _own(RESUBMIT, struct.pack("!HB3x", IN_PORT, action[1]))
    if kind == "output":
        return _output(action[1])
    if kind == "normal":
        return _output(NORMAL)
    if kind == "clone":
        return _own(CLONE, bytes(6) + encode_actions(action[1]))
    if kind == "set-dl_dst":
        return struct.pack("!HH", 25, 16) + match(dl_dst=action[1]) + bytes(2)
    if kind == "learn":
        return _learn(*action[1:])
    if kind == "conjunction":
        return _own(CONJUNCTION, struct.pack("!BBI", action[2] - 1, CLAUSES, action[1]))
    if kind == "move":
        return _own(MOVE, struct.pack("!HHHII", 8 * FIELDS[action[1]].size, 0, 0, _named(action[1]), _named(action[2])))
    if kind == "forget-port":
        return _load(IN_PORT_FIELD, 16, 0)
    if kind == "strip-tag":
        return _load(VLAN_TCI_FIELD, 16, 0)
    raise ValueError("no such action: {!r}".format(action))


def encode_actions(actions: Iterable[Action]) -> bytes:
    return b"".join([encode_action(action) for action in actions])
