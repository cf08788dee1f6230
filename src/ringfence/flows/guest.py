"""Tables 0 to 20 for frames from guests: where they enter, and what a guest may claim to be."""

from typing import Any, Dict, Iterable, List, Sequence, Tuple

from ..picture.roster import Member
from ..records.addresses import Prefix, is_single
from . import count
from .fields import ARP, BROADCAST, FRAGMENT, ICMP, ICMPV6, IGMP, IPV4, IPV6, MULTICAST_BIT, RARP, UDP
from .flow import NORMAL, PASSED, Action, FlowSet, become, load, move, resubmit
from .match import NOTHING, Match, claimed, match, on, sources
from .pipeline import ALL_CLAIMED, CLAIMED, KIND_LOCAL, NETWORK, REASON, REASONS, SENDER, SOURCE, SOURCE_SPACE, cookie
from .site import Site

TAGGED = (0x1000, 0x1000)
ND: Dict[str, Any] = {"dl_type": IPV6, "nw_proto": ICMPV6, "icmp_code": 0}
SOLICIT: Dict[str, Any] = dict(ND, icmp_type=135)
ADVERTISE: Dict[str, Any] = dict(ND, icmp_type=136)
NOTHING6 = (0, (1 << 128) - 1)
UNICAST = (0, MULTICAST_BIT)
MULTICAST = (MULTICAST_BIT, MULTICAST_BIT)
SOLICITED_NODE = (0x3333FF000000, 0xFFFFFF000000)
LINK_CONTROL = (0x0180C2000000, 0xFFFFFFFFFFF0)
CISCO_CONTROL = (0x01000CCCCCC0, 0xFFFFFFFFFFF0)

SERVED: Tuple[Dict[str, Any], ...] = (
    dict(ND, icmp_type=134),
    dict(ND, icmp_type=137),
    {"dl_type": IPV4, "nw_proto": ICMP, "icmp_type": 9},
    {"dl_type": IPV4, "nw_proto": ICMP, "icmp_type": 5},
    {"dl_type": IPV4, "nw_proto": UDP, "tp_dst": 68},
    {"dl_type": IPV6, "nw_proto": UDP, "tp_dst": 546},
)
"""What a router or a DHCP server says."""


def shared(flows: FlowSet) -> None:
    """What no guest that is locked or isolated may do, whoever it is."""
    flows.drop("link", 300, match(vlan_tci=TAGGED), "tagged")
    flows.drop("link", 200, match(dl_dst=LINK_CONTROL), "link-control")
    flows.drop("link", 200, match(dl_dst=CISCO_CONTROL), "link-control")
    flows.drop("link", 0, NOTHING, "mac")

    # What is claimed is kept in a register: an address then needs one permit for what it says and for asking whether it is free.
    whether_free = {"dl_type": ARP, "arp_op": 1, "arp_spa": 0}
    flows.add("ethertype", 120, match(dl_dst=BROADCAST, **whether_free), [move("arp_tpa", CLAIMED[0]), resubmit("arp")])
    flows.drop("ethertype", 110, match(**whether_free), "arp")
    for operation in (1, 2):
        said = match(dl_type=ARP, arp_op=operation)
        flows.add("ethertype", 100, said, [move("arp_spa", CLAIMED[0]), resubmit("arp")])
    flows.drop("ethertype", 50, match(dl_type=ARP), "arp")
    flows.add("ethertype", 100, match(dl_type=IPV4), [resubmit("ipv4")])
    flows.add("ethertype", 100, match(dl_type=IPV6), [resubmit("ipv6")])
    flows.drop("ethertype", 0, NOTHING, "ethertype")
    flows.drop("arp", 0, NOTHING, "arp")

    flows.drop("ipv4", 400, match(dl_type=IPV4, nw_proto=ICMP, icmp_type=5), "redirect")
    # Clients look at the port that they listen on; a second port here would square the masks that a flood can make.
    flows.drop("ipv4", 400, match(dl_type=IPV4, nw_proto=UDP, tp_dst=68), "dhcp-server")
    flows.drop("ipv4", 400, match(dl_type=IPV4, nw_proto=ICMP, icmp_type=9), "router-advertisement")
    flows.drop("ipv4", 400, match(dl_type=IPV4, nw_proto=IGMP, nw_dst=0xE0000001), "query")
    flows.drop("ipv4", 400, match(dl_type=IPV4, nw_proto=IGMP, dl_dst=UNICAST), "query")
    flows.drop("ipv4", 400, match(dl_type=IPV4, nw_proto=IGMP, dl_dst=BROADCAST), "query")
    flows.drop("ipv4", 390, match(dl_type=IPV4, nw_proto=UDP, ip_frag=(FRAGMENT, FRAGMENT), dl_dst=MULTICAST), "fragment")
    discover = match(dl_type=IPV4, nw_proto=UDP, nw_src=0, nw_dst=0xFFFFFFFF, tp_src=68, tp_dst=67, dl_dst=BROADCAST)
    flows.add("ipv4", 380, discover, [resubmit("destination")])
    flows.add("ipv4", 0, NOTHING, [resubmit("ipv4-source")])
    flows.drop("ipv4-source", 0, NOTHING, "source")

    flows.drop("ipv6", 400, match(dl_type=IPV6, nw_proto=ICMPV6, ip_frag=(FRAGMENT, FRAGMENT)), "fragment")
    for header in (0, 43, 51, 60):  # what is left when the header behind it is cut off or out of sight
        flows.drop("ipv6", 400, match(dl_type=IPV6, nw_proto=header), "ipv6-header")
    flows.drop("ipv6", 390, match(dl_type=IPV6, nw_proto=ICMPV6, icmp_type=134), "router-advertisement")
    flows.drop("ipv6", 390, match(dl_type=IPV6, nw_proto=ICMPV6, icmp_type=137), "redirect")
    flows.drop("ipv6", 390, match(dl_type=IPV6, nw_proto=ICMPV6, icmp_type=130), "query")
    flows.drop("ipv6", 390, match(dl_type=IPV6, nw_proto=UDP, tp_dst=546), "dhcp-server")
    for kind in (138, 141, 142):  # router renumbering, inverse neighbour discovery: what no guest has to say
        flows.drop("ipv6", 390, match(dl_type=IPV6, nw_proto=ICMPV6, icmp_type=kind), "neighbour-discovery")
    for kind in (151, 152, 153):  # multicast router discovery
        flows.drop("ipv6", 390, match(dl_type=IPV6, nw_proto=ICMPV6, icmp_type=kind), "query")
    flows.add("ipv6", 300, match(dl_type=IPV6, nw_proto=ICMPV6, icmp_type=135), [resubmit("nd")])
    flows.add("ipv6", 300, match(dl_type=IPV6, nw_proto=ICMPV6, icmp_type=136), [resubmit("nd")])
    flows.add("ipv6", 0, NOTHING, [resubmit("ipv6-source")])

    # Two link-layer options make the switch see no target and no option: no proof that there is none.
    flows.drop("nd", 360, match(nd_target=NOTHING6, **SOLICIT), "neighbour-discovery")
    flows.drop("nd", 360, match(nd_target=NOTHING6, **ADVERTISE), "neighbour-discovery")
    probe = match(nw_ttl=255, ipv6_src=NOTHING6, nd_sll=0, dl_dst=SOLICITED_NODE, **SOLICIT)
    flows.add("nd", 350, probe, _about_target())
    flows.drop("nd", 340, match(ipv6_src=NOTHING6, **SOLICIT), "neighbour-discovery")
    flows.add("nd", 300, match(nw_ttl=255, nd_sll=0, dl_dst=UNICAST, **SOLICIT), [resubmit("ipv6-source")])
    flows.add("nd", 300, match(nw_ttl=255, nd_tll=0, **ADVERTISE), _about_target())
    flows.drop("nd", 0, NOTHING, "neighbour-discovery")
    flows.drop("nd-target", 0, NOTHING, "neighbour-discovery")

    # Router solicitation, multicast listener reports: what :: may say; a neighbour solicitation has passed "nd", which says for what.
    for kind in (133, 131, 132, 143, 135):
        flows.add("ipv6-source", 600, match(dl_type=IPV6, nw_proto=ICMPV6, icmp_type=kind, ipv6_src=NOTHING6), [resubmit("destination")])
    flows.drop("ipv6-source", 0, NOTHING, "source")
    # From a MAC that is not its own, for it has one for the asking: what every guest of the network would believe.
    for told in SERVED:
        flows.drop("open", 250, match(**told), "mac")
    flows.add("open", 0, NOTHING, [resubmit("open-address")])
    # What the switch cannot read names no address that could be somebody's; a guest's kernel may read it all the same.
    flows.drop("open-address", 950, match(dl_type=ARP, arp_op=0), "arp")
    for message in (SOLICIT, ADVERTISE):
        flows.drop("open-address", 950, match(nd_target=NOTHING6, **message), "neighbour-discovery")
    flows.add("open-address", 0, NOTHING, [resubmit("foreign-source")])


def stranger(flows: FlowSet, port: int) -> None:
    """A VIF's port that nobody can name carries nothing."""
    flows.drop("dispatch", 42000, match(in_port=port), "closed")


def member(flows: FlowSet, site: Site, one: Member) -> None:
    """A VIF, if it is plugged here."""
    if site.ports(one):
        (_open if one.open else _held)(flows, site, one)


def closed(flows: FlowSet, site: Site, uuid: str) -> None:
    """A VIF that is closed, if it is plugged here."""
    for port in site.segment.ports.get(uuid, ()):
        if site.view.why_cut(uuid) is None:
            _watch(flows, site, port, uuid, _counted(site, uuid, "closed"))
        else:
            flows.drop("dispatch", 42000, match(in_port=port), "closed", site.vid(uuid))


def _counted(site: Site, uuid: str, reason: str) -> List[Action]:
    return [load(NETWORK, site.net), load(SENDER, site.vid(uuid)), load(REASON, REASONS[reason]), resubmit("count")]


def _watch(flows: FlowSet, site: Site, port: int, uuid: str, judgement: List[Action]) -> None:
    """A VIF's port on a network that is only watched: what it sends untagged, and what it tags, for an untagged port is a trunk."""
    mark = cookie(KIND_LOCAL, site.vid(uuid))
    count.watched(flows, site.vid(uuid))
    flows.add("dispatch", 41000, match(in_port=port, vlan_tci=(0, 0x0FFF), **site.at_first), site.judged(*judgement), mark)
    tagged = site.judged(*_counted(site, uuid, "tagged"))
    flows.add("dispatch", 40940, match(in_port=port, vlan_tci=TAGGED, **site.at_first), tagged, mark)


def _held(flows: FlowSet, site: Site, member: Member) -> None:
    """A locked or isolated VIF."""
    vid, mac, services = site.vid(member.vif.uuid), member.vif.mac, member.policy.services
    mark = cookie(KIND_LOCAL, vid)

    def permit(table: str, priority: int, fields: Dict[str, Any], actions: Sequence[Action], claim: Match = NOTHING) -> None:
        flows.add(table, priority, match(**fields) + on(SENDER, vid) + claim, actions, mark)

    start = [load(NETWORK, site.net), load(SENDER, vid), load(SOURCE, site.any_class(member)), resubmit("link")]
    watched = site.view.watches(member.vif)
    for port in site.ports(member):
        if watched:
            _watch(flows, site, port, member.vif.uuid, start)
        else:
            flows.add("dispatch", 41000, match(in_port=port, **site.at_first), start, mark)
    permit("link", 100, {"dl_src": mac}, [resubmit("ethertype")])
    announced = {"dl_type": RARP, "arp_op": 3, "arp_sha": mac, "arp_tha": mac, "dl_dst": BROADCAST}
    permit("ethertype", 100, announced, [PASSED if watched else NORMAL])
    if "dhcp" in services:
        permit("ipv4", 410, {"dl_type": IPV4, "nw_proto": UDP, "tp_dst": 68}, [resubmit("ipv4-source")])
    if "dhcp6" in services:
        permit("ipv6", 410, {"dl_type": IPV6, "nw_proto": UDP, "tp_dst": 546}, [resubmit("ipv6-source")])
    if "ra" in services or member.router:
        permit("ipv4", 410, {"dl_type": IPV4, "nw_proto": ICMP, "icmp_type": 9}, [resubmit("ipv4-source")])
    if "ra" in services:
        permit("ipv6", 391, {"dl_type": IPV6, "nw_proto": ICMPV6, "icmp_type": 134}, [resubmit("ipv6-source")])
    if member.router:
        permit("ipv4", 410, {"dl_type": IPV4, "nw_proto": IGMP}, [resubmit("ipv4-source")])
        for kind in (151, 152, 153):
            permit("ipv6", 391, {"dl_type": IPV6, "nw_proto": ICMPV6, "icmp_type": kind}, [resubmit("ipv6-source")])
        permit("ipv6", 391, {"dl_type": IPV6, "nw_proto": ICMPV6, "icmp_type": 130}, [resubmit("ipv6-source")])
        judged = [load(SOURCE_SPACE, site.space(member.space or ("", frozenset()))), resubmit("foreign-source")]
        permit("ipv4-source", 50, {"dl_type": IPV4}, judged)
        permit("ipv6-source", 50, {"dl_type": IPV6}, judged)
        for kind in (133, 134, 135, 136, 137):  # never forwarded: what it says of neighbours, it says as itself
            flows.drop("ipv6-source", 60, match(**{SENDER: vid, "dl_type": IPV6, "nw_proto": ICMPV6, "icmp_type": kind}), "source", vid)
    permit("nd", 300, dict(SOLICIT, nw_ttl=255, nd_sll=mac), [resubmit("ipv6-source")])
    permit("nd", 300, dict(ADVERTISE, nw_ttl=255, nd_tll=mac), _about_target())
    default = site.any_class(member)
    entries = site.view.entries(member)
    several = any(entry.version == 6 and site.number(identity) != default for entry, identity in entries.items())
    for entry, identity in entries.items():
        arrive = become(SOURCE, site.number(identity), default, "destination")
        _own(permit, mac, entry, arrive, is_single(entry) and member.lists(entry))
        if several and entry.version == 6:  # who asks whether an address is free speaks for it
            permit("ipv6-source", 601 + entry.prefixlen, dict(SOLICIT, ipv6_src=NOTHING6), arrive, claimed(entry))


def _own(permit: Any, mac: str, entry: Prefix, arrive: Sequence[Action], listed: bool) -> None:
    """One own entry: its permits, which also say what class the frame then has (``arrive``).

    ``listed``: the record lists this very address, and not a prefix that holds it. Only that stands above what is reserved.
    """
    priority = 500 if listed else 100 + entry.prefixlen
    if entry.version == 4:
        permit("arp", priority, {"dl_type": ARP, "arp_sha": mac}, arrive, claimed(entry))
        permit("ipv4-source", priority, {"dl_type": IPV4, "nw_src": entry}, arrive)
    else:
        permit("nd-target", priority, {"dl_type": IPV6}, [resubmit("ipv6-source")], claimed(entry))
        permit("ipv6-source", priority, {"dl_type": IPV6, "ipv6_src": entry}, arrive)


def reserve(flows: FlowSet, site: Site, routers: Iterable[Member], entry: Prefix) -> None:
    """An own prefix holds neither a gateway nor what another VIF lists singly: drops between singles and prefixes."""
    on = {NETWORK: site.net}
    for member in routers:  # forwards for whomever an address is reserved
        vid, table = site.vid(member.vif.uuid), "ipv{}-source".format(entry.version)
        fields: Dict[str, Any] = {"dl_type": IPV4, "nw_src": entry} if entry.version == 4 else {"dl_type": IPV6, "ipv6_src": entry}
        judged = [load(SOURCE_SPACE, site.space(member.space or ("", frozenset()))), resubmit("foreign-source")]
        if not member.lists(entry):
            flows.add(table, 410, match(**dict(fields, **{SENDER: vid})), judged, cookie(KIND_LOCAL, vid))
            for kind in (133, 134, 135, 136, 137) if entry.version == 6 else ():
                told = match(**dict(fields, **{SENDER: vid, "nw_proto": ICMPV6, "icmp_type": kind}))
                flows.drop(table, 420, told, "source", vid)
    if entry.version == 4:
        flows.drop("arp", 400, match(dl_type=ARP, **on) + claimed(entry), "reserved-address")
        flows.drop("ipv4-source", 400, match(dl_type=IPV4, nw_src=entry, **on), "reserved-address")
    else:
        flows.drop("nd-target", 400, match(dl_type=IPV6, **on) + claimed(entry), "reserved-address")
        flows.drop("ipv6-source", 400, match(dl_type=IPV6, ipv6_src=entry, **on), "reserved-address")


def _open(flows: FlowSet, site: Site, member: Member) -> None:
    """An unlocked VIF beside guests that are held: it is not to be taken for one of them."""
    vid = site.vid(member.vif.uuid)
    mark = cookie(KIND_LOCAL, vid)
    space = site.space(member.space or ("", frozenset()))
    start = [load(NETWORK, site.net), load(SENDER, vid), load(SOURCE_SPACE, space), resubmit("open")]
    for port in site.ports(member):
        if site.view.watched:  # whatever XAPI says of it: it is unlocked
            _watch(flows, site, port, member.vif.uuid, start)
            continue
        flows.add("dispatch", 41000, match(in_port=port), start, mark)
        if site.segment.tag:
            flows.drop("dispatch", 41100, match(in_port=port, vlan_tci=TAGGED), "tagged", vid)
            continue
        flows.add("dispatch", 41100, match(in_port=port, vlan_tci=TAGGED), [NORMAL], mark)
        for tag in {0} | set(site.plan.tags):
            flows.drop("dispatch", 41200, match(in_port=port, vlan_tci=(0x1000 | tag, 0x1FFF)), "tagged", vid)
    flows.add("open", 300, match(**{SENDER: vid, "dl_src": member.vif.mac}), [resubmit("open-address")], mark)
    for entry in member.policy.own:
        priority = 600 if is_single(entry) else 201 + 2 * entry.prefixlen
        for claim in _claims(entry) + _probes(entry):
            flows.add("open-address", priority, claim + on(SENDER, vid), [resubmit("foreign-source")], mark)


def _about_target() -> List[Action]:
    """The address that neighbour discovery is about must be the sender's."""
    return [move("nd_target", ALL_CLAIMED), resubmit("nd-target")]


def reserve_mac(flows: FlowSet, site: Site, uuid: str) -> None:
    """What unlocked VIFs may not use: the MAC of another VIF."""
    on = {NETWORK: site.net}
    member = site.view.members.get(uuid)
    mac = site.view.closed[uuid][0].mac if member is None else member.vif.mac
    flows.drop("open", 200, match(dl_src=mac, **on), "mac")
    if member is not None and not member.open:
        flows.drop("open-address", 900, match(dl_type=ARP, arp_sha=mac, **on), "arp")
        flows.drop("open-address", 900, match(**dict(SOLICIT, nd_sll=mac, **on)), "neighbour-discovery")
        flows.drop("open-address", 900, match(**dict(ADVERTISE, nd_tll=mac, **on)), "neighbour-discovery")


def reserve_open(flows: FlowSet, site: Site, entry: Prefix) -> None:
    """What unlocked VIFs may not use: the addresses of gateways and of held VIFs."""
    for claim in _claims(entry) + _probes(entry):
        flows.drop("open-address", 200 + 2 * entry.prefixlen, claim + on(NETWORK, site.net), "reserved-address")


def _probes(entry: Prefix) -> List[Match]:
    """The headers in which a frame asks whether an address is free, to take it (RFC 5227, RFC 4862)."""
    if entry.version == 4:
        return [match(dl_type=ARP, arp_op=1, arp_spa=0, arp_tpa=entry)]
    return [match(ipv6_src=NOTHING6, nd_target=entry, **SOLICIT)]


def _claims(entry: Prefix) -> List[Match]:
    """The headers in which a frame claims an address as its sender's."""
    return sources(entry) + ([match(nd_target=entry, **ADVERTISE)] if entry.version == 6 else [])
