"""The match fields that the pipeline uses: their names in ovs-ofctl (ovs-fields(7)), how each is written, and on the wire."""

from typing import Dict, NamedTuple

NXM, OXM = 0x0001, 0x8000
"""Open vSwitch's own class of fields, and OpenFlow's (OpenFlow 1.4.1, section 7.2.2.3)."""


class Field(NamedTuple):
    form: str
    """How its value is written: dec, hex, mac, ipv4 or ipv6."""
    kind: int
    """Its class on the wire."""
    number: int
    size: int
    """In octets."""


FIELDS: Dict[str, Field] = {"reg{}".format(n): Field("hex", NXM, n, 4) for n in range(16)}
FIELDS.update(
    conj_id=Field("dec", NXM, 37, 4),
    in_port=Field("dec", OXM, 0, 4),
    vlan_tci=Field("hex", OXM, 6, 2),
    dl_src=Field("mac", OXM, 4, 6),
    dl_dst=Field("mac", OXM, 3, 6),
    dl_type=Field("hex", OXM, 5, 2),
    nw_proto=Field("dec", OXM, 10, 1),
    nw_src=Field("ipv4", OXM, 11, 4),
    nw_dst=Field("ipv4", OXM, 12, 4),
    ipv6_src=Field("ipv6", OXM, 26, 16),
    ipv6_dst=Field("ipv6", OXM, 27, 16),
    nw_ttl=Field("dec", NXM, 29, 1),
    ip_frag=Field("frag", NXM, 26, 1),
    tp_src=Field("dec", OXM, 15, 2),
    tp_dst=Field("dec", OXM, 16, 2),
    icmp_type=Field("dec", OXM, 19, 1),
    icmp_code=Field("dec", OXM, 20, 1),
    nd_target=Field("ipv6", OXM, 31, 16),
    nd_sll=Field("mac", OXM, 32, 6),
    nd_tll=Field("mac", OXM, 33, 6),
    arp_op=Field("dec", OXM, 21, 2),
    arp_spa=Field("ipv4", OXM, 22, 4),
    arp_tpa=Field("ipv4", OXM, 23, 4),
    arp_sha=Field("mac", OXM, 24, 6),
    arp_tha=Field("mac", OXM, 25, 6),
)
"""In the order in which they are shown.

Of ``vlan_tci`` the pipeline looks at the VLAN and whether there is one, which is OpenFlow's ``vlan_vid``; ``tp_*`` are UDP's,
the only transport that it looks into; ``icmp_*`` are ICMP's, and have other numbers for ICMPv6.
"""
ICMPV6_NUMBERS = {"icmp_type": 29, "icmp_code": 30}
ORDER = {name: n for n, name in enumerate(FIELDS)}

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
