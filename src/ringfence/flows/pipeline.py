"""The pipeline: its tables, which leads to which, its registers, cookies and drop reasons."""

from typing import Dict, FrozenSet, NamedTuple, Optional, Tuple

TABLES: Dict[str, int] = {
    "dispatch": 0,
    "link": 10,
    "ethertype": 11,
    "arp": 12,
    "ipv4": 13,
    "ipv4-source": 14,
    "ipv6": 15,
    "nd": 16,
    "nd-target": 17,
    "ipv6-source": 18,
    "open-address": 19,
    "open": 20,
    "arrival": 21,
    "arrival-address": 22,
    "foreign-source": 23,
    "destination": 24,
    "destination-address": 25,
    "foreign-destination": 26,
    "receiver": 27,
    "out": 30,
    "in": 31,
    "learn": 39,
    "delivery": 40,
    "flood": 41,
    "count": 42,
    "counted": 43,
}
NAMES = {number: name for name, number in TABLES.items()}

_NEXT: Dict[str, FrozenSet[str]] = {
    "dispatch": frozenset({"dispatch", "link", "open", "arrival"}),
    "link": frozenset({"ethertype"}),
    "ethertype": frozenset({"arp", "ipv4", "ipv6"}),
    "arp": frozenset({"destination"}),
    "ipv4": frozenset({"ipv4-source", "destination"}),
    "ipv4-source": frozenset({"destination", "foreign-source"}),
    "ipv6": frozenset({"nd", "ipv6-source"}),
    "nd": frozenset({"nd-target", "ipv6-source"}),
    "nd-target": frozenset({"ipv6-source", "destination"}),
    "ipv6-source": frozenset({"destination", "foreign-source"}),
    "open": frozenset({"open-address"}),
    "open-address": frozenset({"foreign-source"}),
    "arrival": frozenset({"arrival-address", "foreign-source"}),
    "arrival-address": frozenset({"destination", "foreign-source"}),
    "foreign-source": frozenset({"destination"}),
    "destination": frozenset({"dispatch", "destination", "receiver", "foreign-destination", "flood"}),
    "receiver": frozenset({"destination-address", "flood"}),
    "destination-address": frozenset({"foreign-destination", "out"}),
    "foreign-destination": frozenset({"out"}),
    "out": frozenset({"in"}),
    "in": frozenset({"learn"}),
    "learn": frozenset({"delivery"}),
    "delivery": frozenset(),
    "flood": frozenset({"flood", "out"}),
    "count": frozenset({"counted"}),
}
NEXT: Dict[str, FrozenSet[str]] = {name: after | {"count"} for name, after in _NEXT.items()}
NEXT.update(count=_NEXT["count"], counted=frozenset())
"""Which tables a flow may resubmit to; every one may drop, which is to count and do no more.

``flood`` makes its copies page by page, and starts the verdict anew for each; ``destination`` does for the copy that is only
watched, and what passes on a watched network meets in ``dispatch`` what others have put there. Nothing else goes back.
"""

_SOURCES, _TARGETS = ("nw_src", "ipv6_src"), ("nw_dst", "ipv6_dst")
PREFIXES: Dict[str, Tuple[str, ...]] = {
    "ipv4": ("nw_src", "nw_dst"),
    "ipv4-source": _SOURCES,
    "nd": _SOURCES,
    "ipv6-source": _SOURCES,
    "open-address": _SOURCES,
    "arrival-address": _SOURCES,
    "foreign-source": _SOURCES,
    "destination-address": _TARGETS,
    "foreign-destination": _TARGETS,
}
"""``Flow_Table.prefixes`` of the tables that match addresses: an address then costs no datapath flow of its own.

A table tracks three fields at most (ovs-vswitchd.conf.db(5)). Only IP packets are tracked so, not ARP, nor what neighbour
discovery asks for.
"""

NETWORK, SOURCE, DESTINATION, COPY, RECEIVER, SENDER, ARRIVED, SOURCE_SPACE, DESTINATION_SPACE, REASON, WATCHED, ASKED = (
    "reg0",  # number of the network
    "reg1",  # class of the source party
    "reg2",  # class of the destination party
    "reg3",  # 1 in a copy made by the flood table; in that table, from 2, which page of copies is to be made
    "reg4",  # number of the VIF that the frame is for; 0 is a machine
    "reg5",  # number of the VIF that sent it; 0 is a machine
    "reg6",  # 1 where it came from an uplink or dom0
    "reg7",  # space in which the source address is judged
    "reg8",  # space in which the destination address is judged
    "reg9",  # why it is dropped
    "reg10",  # 1 in a copy that is judged and counted, and never sent; 2 in the frame itself, which passes
    "reg11",  # 1 where the receiver is whose address ARP or neighbour discovery asks for or answers, whatever the MAC
)
CLAIMED = ("reg12", "reg13", "reg14", "reg15")
"""The address that a guest's ARP or neighbour discovery claims: of IPv4 the first one, of IPv6 all of them."""
ALL_CLAIMED = "xxreg3"
"""The four as one field, to be filled."""
ISOLATED = 1 << 31
"""Bit of a class number: the party is isolated, so the verdict needs a token."""

REASONS: Dict[str, int] = {
    "closed": 1,
    "tagged": 2,
    "link-control": 3,
    "mac": 4,
    "ethertype": 5,
    "arp": 6,
    "dhcp-server": 7,
    "redirect": 8,
    "query": 9,
    "fragment": 10,
    "source": 11,
    "ipv6-header": 12,
    "router-advertisement": 13,
    "neighbour-discovery": 14,
    "reserved-address": 15,
    "reflected": 16,
    "arrival-source": 17,
    "destination-address": 18,
    "unreachable-out": 19,
    "unreachable-in": 20,
    "echo": 21,
    "unmatched": 22,
    "bond": 23,
}
REASON_NAMES = {number: name for name, number in REASONS.items()}

MARK = 0x5246
KIND_SHARED, KIND_NETWORK, KIND_LOCAL, KIND_PARTY, KIND_DROP = 1, 2, 3, 4, 0x80
COOKIE_MASK = 0xFFFF << 48
COUNTED = 0x5253
"""In place of ``MARK``: the flows that the switch makes itself, in table ``counted``. They hold counters, and are no policy."""


def cookie(kind: int, number: int = 0) -> int:
    """``0x5246`` (16 bits), kind (8), object (40: a network's or VIF's number)."""
    return MARK << 48 | kind << 40 | number


def drop_cookie(reason: str, number: int = 0) -> int:
    return cookie(KIND_DROP + REASONS[reason], number)


BY_SENDER, BY_RECEIVER, OVERFLOW, BY_PARTIES, BY_ADDRESSES = 1, 2, 3, 4, 5
"""Kinds of counters, which are their priorities, too: the finer ones first."""


def counted_cookie(kind: int, number: int = 0) -> int:
    """The switch limits how many flows of one cookie it makes: each VIF (``number``) that is watched has a share of its own."""
    return COUNTED << 48 | number << 8 | kind


class Cookie(NamedTuple):
    kind: int
    number: int

    @property
    def reason(self) -> Optional[str]:
        return REASON_NAMES.get(self.kind - KIND_DROP) if self.kind >= KIND_DROP else None


def read_cookie(value: int) -> Optional[Cookie]:
    """What a cookie of ours says; None for another's."""
    if value >> 48 != MARK:
        return None
    return Cookie(value >> 40 & 0xFF, value & 0xFFFFFFFFFF)
