"""The fields of a frame, read as Open vSwitch reads them (flow.c, miniflow_extract), mistakes of the sender included."""

from typing import Dict, Tuple

from .fields import ARP, ICMP, ICMPV6, IGMP, IPV4, IPV6, RARP, UDP

TCP, SCTP = 6, 132
NOT_ETHERNET_TYPE = 0x05FF
_HOP, _ROUTING, _FRAGMENT, _AUTH, _OPTIONS = 0, 43, 44, 51, 60


def read_frame(frame: bytes) -> Dict[str, int]:
    """Match fields by name; a field that the frame does not have reads 0, as in the switch."""
    fields: Dict[str, int] = {
        "dl_dst": int.from_bytes(frame[0:6], "big"),
        "dl_src": int.from_bytes(frame[6:12], "big"),
        "vlan_tci": 0,
    }
    rest = frame[12:]
    if rest[:2] in (b"\x81\x00", b"\x88\xa8") and len(rest) >= 6:
        fields["vlan_tci"] = _u16(rest, 2) | 0x1000
        rest = rest[4:]
    fields["dl_type"], body = _ethertype(rest)
    if fields["dl_type"] in (ARP, RARP):
        _arp(fields, body)
    elif fields["dl_type"] == IPV4:
        _ipv4(fields, body)
    elif fields["dl_type"] == IPV6:
        _ipv6(fields, body)
    return fields


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _ethertype(rest: bytes) -> Tuple[int, bytes]:
    kind = _u16(rest, 0)
    if kind >= 0x600:
        return kind, rest[2:]
    snap = rest[2:10]
    if len(snap) < 8 or snap[:6] != b"\xaa\xaa\x03\x00\x00\x00" or _u16(snap, 6) < 0x600:
        return NOT_ETHERNET_TYPE, rest[2:]
    return _u16(snap, 6), rest[10:]


def _arp(fields: Dict[str, int], body: bytes) -> None:
    if len(body) < 28 or body[:6] != b"\x00\x01\x08\x00\x06\x04":
        return
    operation = _u16(body, 6)
    fields["arp_op"] = operation if operation <= 0xFF else 0
    fields["arp_sha"] = int.from_bytes(body[8:14], "big")
    fields["arp_spa"] = int.from_bytes(body[14:18], "big")
    fields["arp_tha"] = int.from_bytes(body[18:24], "big")
    fields["arp_tpa"] = int.from_bytes(body[24:28], "big")


def _ipv4(fields: Dict[str, int], body: bytes) -> None:
    if len(body) < 20:
        return
    header, total = (body[0] & 15) * 4, _u16(body, 2)
    if header < 20 or header > len(body) or total < header or total > len(body):
        return
    fields["nw_proto"], fields["nw_ttl"] = body[9], body[8]
    fields["nw_src"] = int.from_bytes(body[12:16], "big")
    fields["nw_dst"] = int.from_bytes(body[16:20], "big")
    offset = _u16(body, 6)
    if offset & 0x3FFF:
        fields["ip_frag"] = 3 if offset & 0x1FFF else 1
        return  # in the default mode, ports and ICMP types of every fragment read as 0
    _transport(fields, body[9], body[header:total])


def _transport(fields: Dict[str, int], protocol: int, data: bytes) -> None:
    if protocol in (TCP, UDP, SCTP) and len(data) >= {TCP: 20, UDP: 8, SCTP: 12}[protocol]:
        fields["tp_src"], fields["tp_dst"] = _u16(data, 0), _u16(data, 2)
    elif protocol in (ICMP, IGMP) and len(data) >= 8:
        fields["icmp_type"], fields["icmp_code"] = data[0], data[1]
    elif protocol == ICMPV6 and len(data) >= 4:
        fields["icmp_type"], fields["icmp_code"] = data[0], data[1]
        if data[0] in (135, 136) and data[1] == 0:
            _neighbour(fields, data)


def _neighbour(fields: Dict[str, int], data: bytes) -> None:
    if len(data) < 24:
        return
    found = {"nd_target": int.from_bytes(data[8:24], "big")}
    options = data[24:]
    while len(options) >= 8:
        length = options[1] * 8
        if not length or length > len(options):
            break
        name = {1: "nd_sll", 2: "nd_tll"}.get(options[0])
        if name and length == 8:
            if found.get(name):
                return  # the same option twice: the switch believes none of it
            found[name] = int.from_bytes(options[2:8], "big")
        options = options[length:]
    fields.update(found)


def _ipv6(fields: Dict[str, int], body: bytes) -> None:
    if len(body) < 40:
        return
    length = _u16(body, 4)
    if length > len(body) - 40:
        return
    fields["nw_ttl"] = body[7]
    fields["ipv6_src"] = int.from_bytes(body[8:24], "big")
    fields["ipv6_dst"] = int.from_bytes(body[24:40], "big")
    following, data, fragment = body[6], body[40 : 40 + length], 0
    while following in (_HOP, _ROUTING, _FRAGMENT, _AUTH, _OPTIONS):
        if len(data) < 8:
            return
        size = 8 if following == _FRAGMENT else (data[1] + 2) * 4 if following == _AUTH else (data[1] + 1) * 8
        if len(data) < size:
            return
        if following == _FRAGMENT:
            offset = _u16(data, 2)
            if offset:
                fragment = 1
                if offset & 0xFFF8:
                    fields["nw_proto"], fields["ip_frag"] = _FRAGMENT, 3
                    return
        following, data = data[0], data[size:]
    fields["nw_proto"] = following
    if fragment:
        fields["ip_frag"] = fragment
        return
    _transport(fields, following, data)
