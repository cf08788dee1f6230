"""What the switch of this host does with a frame that one party would send to another, asked with ofproto/trace."""

import ipaddress
import re
import struct
from typing import Any, List, NamedTuple, Optional, Tuple

from ..flows.fields import ARP, ICMP, ICMPV6, IPV4, IPV6, UDP, mac_number
from ..flows.pipeline import read_cookie
from ..picture import Picture
from ..picture.kind import Kind
from ..records.addresses import LINK_LOCAL, Prefix, is_single, within
from ..switch import unixctl
from ..switch.ovsdb import OvsdbView

TCP = 6
SOMEBODY = "02:00:00:52:46:01"
"""The MAC of a machine outside that no switch has met (locally administered)."""
CLIENT_PORT = 49152
_COOKIE = re.compile(r"cookie 0x([0-9a-f]+)")


class Traced(NamedTuple):
    delivered: bool
    reason: str
    """Why it is dropped, where it is."""
    flows: List[str]
    """The flows that it met, as ofproto/trace shows them."""


def trace(picture: Picture, view: OvsdbView, source: str, target: Optional[str], address: Optional[str], kind: Kind) -> Optional[Traced]:
    """None where the source has no port here, or the two have no address of one family to talk with.

    ``source`` and ``target`` are VIFs by uuid; without a target ``address`` is that of a machine.
    """
    place = _port(view, source)
    pair = _addresses(picture, source, target, address, kind)
    if place is None or pair is None:
        return None
    bridge, ofport = place
    to = picture.facts.vifs[target].mac if target else SOMEBODY
    frame = probe(kind, picture.facts.vifs[source].mac, to, *pair)
    return read(unixctl.ask("ofproto/trace", bridge, "in_port={}".format(ofport), frame.hex()))


def read(text: str) -> Traced:
    """The answer of ofproto/trace: dropped where nothing leaves, and why as the last cookie of a drop of ours says."""
    flows = [line.strip() for line in text.splitlines() if re.match(r" *\d+\. ", line)]
    known = [read_cookie(int(word, 16)) for word in _COOKIE.findall(text)]
    reasons = [one.reason for one in known if one is not None and one.reason]
    delivered = text.rpartition("Datapath actions:")[2].split("\n")[0].strip() not in ("drop", "")
    return Traced(delivered, "" if delivered else (reasons or ["nothing of ours: the switch itself"])[-1], flows)


def _port(view: OvsdbView, vif: str) -> Optional[Tuple[str, int]]:
    for bridge in view.bridges.values():
        for port in bridge.ports:
            if port.kind == "vif" and port.ofport > 0 and port.external_ids.get("xs-vif-uuid") == vif:
                return bridge.name, port.ofport
    return None


def _addresses(picture: Picture, source: str, target: Optional[str], address: Optional[str], kind: Kind) -> Optional[Tuple[Any, Any]]:
    """One address of each, of one family: the first that each lists, link-local ones last."""
    mine = _own(picture, source)
    theirs = [ipaddress.ip_address(address)] if address is not None else _own(picture, str(target))
    for one in mine:
        for other in theirs:
            alike = (one in LINK_LOCAL) == (other in LINK_LOCAL) if one.version == 6 else True
            if one.version == other.version and alike and (kind.name != "arp" or one.version == 4):
                return one, other
    return None


def _own(picture: Picture, vif: str) -> List[Any]:
    member = picture.view_of(vif).members.get(vif)
    singles: List[Prefix] = [] if member is None else [entry for entry in member.policy.own if is_single(entry)]
    singles.sort(key=lambda entry: (within(entry, LINK_LOCAL), entry.version))
    return [entry.network_address for entry in singles]


def probe(kind: Kind, source_mac: str, target_mac: str, source: Any, target: Any) -> bytes:
    """The first frame of such an exchange, as the source's own kernel would send it; checksums left out."""
    mine, theirs = mac_number(source_mac).to_bytes(6, "big"), mac_number(target_mac).to_bytes(6, "big")
    if kind.name == "arp":
        request = struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + mine + source.packed + bytes(6) + target.packed
        return b"\xff" * 6 + mine + struct.pack("!H", ARP) + request
    if kind.name == "icmp":
        protocol, body = (ICMP, b"\x08") if source.version == 4 else (ICMPV6, b"\x80")
        body += bytes(7)
    elif kind.name == "tcp":
        protocol, body = TCP, struct.pack("!HHIIBBHHH", CLIENT_PORT, kind.port, 0, 0, 5 << 4, 2, 0xFFFF, 0, 0)
    else:
        protocol, body = UDP, struct.pack("!HHHH", CLIENT_PORT, kind.port, 8, 0)
    if source.version == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0) + source.packed + target.packed
        return theirs + mine + struct.pack("!H", IPV4) + head + body
    head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + source.packed + target.packed
    return theirs + mine + struct.pack("!H", IPV6) + head + body
