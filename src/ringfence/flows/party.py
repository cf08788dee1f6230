"""Tables 0 and 21 to 27: who a frame that arrived is from, and whom any frame is for."""

from typing import Iterable, List, Sequence

from ..picture.roster import HOST, MACHINE, Member, Space
from ..records.addresses import Prefix, is_single
from .fields import ARP, BROADCAST, IPV4, IPV6, RARP, TAGS, UDP
from .flow import NORMAL, PASSED, Action, FlowSet, become, clone, load, resubmit
from .guest import ADVERTISE, CISCO_CONTROL, LINK_CONTROL, MULTICAST, NOTHING6, SOLICIT
from .match import NOTHING, arp_to, match, on, packets_to, sources, targets
from .pipeline import (
    ARRIVED,
    ASKED,
    DESTINATION,
    DESTINATION_SPACE,
    KIND_NETWORK,
    KIND_PARTY,
    NETWORK,
    RECEIVER,
    SENDER,
    SOURCE,
    SOURCE_SPACE,
    WATCHED,
    cookie,
)
from .site import Site

TO_ALL = match(dl_dst=MULTICAST)
"""Only such a frame may be flooded: what is for one MAC would be switched to it, whatever the copies are judged to be."""
MANY_OWNERS = 16
"""An address that more VIFs own than this is asked for by a flood among those who reach each other."""


def shared(flows: FlowSet) -> None:
    # Reverse ARP only teaches switches where a MAC is; link control is dom0's and the NIC's own affair.
    flows.add("arrival", 400, match(dl_type=RARP, dl_dst=BROADCAST), [NORMAL])
    flows.add("arrival", 400, match(dl_dst=LINK_CONTROL), [NORMAL])
    flows.add("arrival", 400, match(dl_dst=CISCO_CONTROL), [NORMAL])
    flows.drop("arrival", 350, match(dl_type=ARP, arp_op=0), "arrival-source")
    for kind in (SOLICIT, ADVERTISE):  # what the switch cannot read, a guest's kernel may
        flows.drop("arrival", 350, match(nd_target=NOTHING6, **kind), "arrival-source")
    flows.add("arrival", 0, NOTHING, [resubmit("foreign-source")])
    for unspecified in ({"dl_type": IPV4, "nw_src": 0}, {"dl_type": ARP, "arp_spa": 0}, {"dl_type": IPV6, "ipv6_src": NOTHING6}):
        flows.add("arrival-address", 600, match(**unspecified), [resubmit("destination")])
    flows.drop("arrival-address", 0, NOTHING, "arrival-source")
    flows.add("foreign-source", 0, NOTHING, [resubmit("destination")])
    flows.drop("destination", 0, NOTHING, "unmatched")
    # To no address of the receiver in particular: its class was loaded with its number.
    for nobody in (
        {"dl_type": IPV4, "nw_dst": 0xFFFFFFFF},
        {"dl_type": IPV4, "nw_dst": (0xE0000000, 0xF0000000)},
        {"dl_type": IPV4, "nw_proto": UDP, "tp_dst": 68},
        {"dl_type": ARP, "arp_tpa": 0},
        {"dl_type": IPV6, "ipv6_dst": (0xFF << 120, 0xFF << 120)},
    ):
        flows.add("destination-address", 600, match(**nobody), [resubmit("out")])
    flows.add("destination-address", 950, match(dl_type=ARP, **{ASKED: 1}), [resubmit("out")])  # by that very address
    flows.drop("destination-address", 0, NOTHING, "destination-address")
    flows.drop("receiver", 0, NOTHING, "unmatched")
    flows.add("foreign-destination", 0, NOTHING, [resubmit("out")])


def watched(flows: FlowSet) -> None:
    """As above, for a copy that is only watched."""
    for passing in ({"dl_type": RARP, "dl_dst": BROADCAST}, {"dl_dst": LINK_CONTROL}, {"dl_dst": CISCO_CONTROL}):
        flows.add("arrival", 450, match(**dict(passing, **{WATCHED: 1})), [PASSED])


def guests(flows: FlowSet, ports: Iterable[int], tags: Sequence[int]) -> None:
    """Guests of other networks bring no frame into a VLAN with a policy by tagging it: our rules for VLANs ask for no port.

    A first tag of VLAN 0 the switch takes off as the frame leaves, and the wire then sees the second one.
    """
    for port in ports:
        for tag in tags:
            flows.drop("dispatch", 40950, match(in_port=port, vlan_tci=(0x1000 | tag, 0x1FFF)), "tagged")
        for behind in TAGS if tags else ():
            flows.drop("dispatch", 41050, match(in_port=port, vlan_tci=(0x1000, 0x1FFF), dl_type=behind), "tagged")


def network(flows: FlowSet, site: Site) -> None:
    """Where frames come in, and whom those are for that no VIF is meant by."""
    mark = cookie(KIND_NETWORK, site.net)
    net = on(NETWORK, site.net)
    _dispatch(flows, site, mark)
    for _, mac in site.segment.internal:
        flows.add(
            "destination",
            350,
            match(dl_dst=mac) + net,
            [load(DESTINATION_SPACE, site.space(HOST)), resubmit("foreign-destination")],
            mark,
        )
    flows.add("destination", 300, TO_ALL + net, [resubmit("flood")], mark)
    flows.add("destination", 200, net + on(ARRIVED, 1), [site.on_its_way], mark)
    if site.view.watched:  # what XAPI itself lets out
        flows.add("destination", 1000, net + on(WATCHED, 0), site.let(load(WATCHED, 1), resubmit("destination")), mark)
    flows.add("destination", 100, net, [load(DESTINATION_SPACE, site.space(MACHINE)), resubmit("foreign-destination")], mark)


def closed(flows: FlowSet, site: Site, uuid: str) -> None:
    """A VIF that is closed, wherever it is."""
    mac, net = site.view.closed[uuid][0].mac, on(NETWORK, site.net)
    if not any(other in site.view.members for other in site.view.by_mac[mac]):
        flows.drop("arrival", 300, match(dl_src=mac) + net, "closed")
        flows.drop("destination", 400, match(dl_dst=mac) + net, "closed")


def _dispatch(flows: FlowSet, site: Site, mark: int) -> None:
    """Frames from uplinks (by VLAN) and from dom0."""
    arrive = [load(NETWORK, site.net), load(ARRIVED, 1)]
    from_machine = site.judged(*arrive, load(SOURCE_SPACE, site.space(MACHINE)), resubmit("arrival"))
    if site.segment.tag:
        # From whatever port: a trunk that no other rule knows is an uplink too.
        flows.add("dispatch", 40900, match(vlan_tci=(0x1000 | site.segment.tag, 0x1FFF), **site.at_first), from_machine, mark)
    else:
        for port in site.plan.uplinks:
            flows.add("dispatch", 40900, match(in_port=port, vlan_tci=(0, 0x0FFF), **site.at_first), from_machine, mark)
    # NORMAL leaves these out by itself; what is delivered explicitly came by the active member, too.
    carried = {"vlan_tci": (0x1000 | site.segment.tag, 0x1FFF) if site.segment.tag else (0, 0x0FFF)}
    for port in () if site.view.watched else site.plan.backups:
        flows.drop("dispatch", 40950, match(in_port=port, **carried), "bond")
    for port in () if site.view.watched else site.plan.deaf:
        flows.drop("dispatch", 40950, match(in_port=port, dl_dst=MULTICAST, **carried), "bond")
    for port, _ in site.segment.internal:
        from_host = site.judged(*arrive, load(SOURCE_SPACE, site.space(HOST)), resubmit("arrival"))
        flows.add("dispatch", 41000, match(in_port=port, vlan_tci=(0, 0x0FFF), **site.at_first), from_host, mark)


def edge(flows: FlowSet, site: Site, space: Space, entry: Prefix) -> None:
    """An address or prefix that is not pinned to a VIF, in one space: the longest one holds."""
    mark, number = cookie(KIND_NETWORK, site.net), site.space(space)
    priority, kind = 100 + entry.prefixlen, site.number(site.view.boundaries(space)[entry])
    net = on(NETWORK, site.net)
    come, go = [load(SOURCE, kind), resubmit("destination")], [load(DESTINATION, kind), resubmit("out")]
    for source in sources(entry):
        flows.add("foreign-source", priority, source + net + on(SOURCE_SPACE, number), come, mark)
    for target in targets(entry):
        flows.add("foreign-destination", priority, target + net + on(DESTINATION_SPACE, number), go, mark)


def arrival(flows: FlowSet, site: Site, member: Member) -> None:
    """Frames that arrived with a VIF's MAC: from the VIF, where it lives elsewhere; else a reflection."""
    vid = site.vid(member.vif.uuid)
    mark = cookie(KIND_PARTY, vid)
    rows = match(dl_src=member.vif.mac) + on(NETWORK, site.net)
    if site.ports(member) and not member.vif.migrating:
        flows.drop("arrival", 300, rows, "reflected", vid)
        return
    start: List[Action] = [load(SENDER, vid)]
    judged: List[Action] = []
    if member.space is not None:
        judged = [load(SOURCE_SPACE, site.space(member.space)), resubmit("foreign-source")]
    if member.open:
        flows.add("arrival", 300, rows, start + judged, mark)
        return
    default, sender = site.any_class(member), on(SENDER, vid)
    flows.add("arrival", 300, rows, start + [load(SOURCE, default), resubmit("arrival-address")], mark)
    for entry, identity in site.view.entries(member).items():
        go = become(SOURCE, site.number(identity), default, "destination")
        for source in sources(entry):
            flows.add("arrival-address", 100 + entry.prefixlen, source + sender, go, mark)
    if judged:
        flows.add("arrival-address", 50, match(dl_type=IPV4, **{SENDER: vid}), judged, mark)
        flows.add("arrival-address", 50, match(dl_type=IPV6, **{SENDER: vid}), judged, mark)


def destination(flows: FlowSet, site: Site, member: Member) -> None:
    """Frames for a VIF: by its MAC, then by the address in them."""
    vid = site.vid(member.vif.uuid)
    mark, receiver = cookie(KIND_PARTY, vid), on(RECEIVER, vid)
    flows.add("destination", 400, match(dl_dst=member.vif.mac) + on(NETWORK, site.net), [load(RECEIVER, vid), resubmit("receiver")], mark)
    # What a VIF tells all about its own address (gratuitous ARP, probe, duplicate address detection) is for everybody.
    flows.add("receiver", 200, TO_ALL + receiver + on(SENDER, vid) + on(ASKED, 1), [resubmit("flood")], mark)
    default = site.any_class(member)
    flows.add("receiver", 100, receiver, [load(DESTINATION, default), resubmit("destination-address")], mark)
    for entry, identity in () if member.open else site.view.entries(member).items():
        go = become(DESTINATION, site.number(identity), default, "out")
        for target in [packets_to(entry)] if is_single(entry) and member.lists(entry) else targets(entry):
            flows.add("destination-address", 100 + entry.prefixlen, target + receiver, go, mark)
    if member.space is not None:
        judged = [load(DESTINATION, 0), load(DESTINATION_SPACE, site.space(member.space)), resubmit("foreign-destination")]
        flows.add("destination-address", 10, receiver, judged, mark)
        if member.open:
            flows.add("destination-address", 960, match(dl_type=ARP, **{RECEIVER: vid, ASKED: 1}), judged, mark)
    elif not member.isolated:
        flows.add("destination-address", 10, receiver, [load(DESTINATION, 0), resubmit("out")], mark)


def asked_for(flows: FlowSet, site: Site, entry: Prefix) -> None:
    """ARP and neighbour solicitations for an address of a known VIF go to its owners alone.

    Where it has one owner, this holds for every ARP frame, so one flow is enough; where it has several, only for what asks.
    What an unlocked VIF is answered it may have asked with another MAC.
    """
    if not is_single(entry):
        return  # a prefix holds others' addresses, too, and machines'
    owners = site.view.owners[entry]
    members = [site.view.members[uuid] for uuid in owners]
    for one in members if entry.version == 4 else ():
        number, default = site.number(site.view.identity(one, entry)), site.any_class(one)
        if not one.open and (len(owners) > 1 or number != default):
            vid = site.vid(one.vif.uuid)
            go = become(DESTINATION, number, default, "out")
            flows.add("destination-address", 960, arp_to(entry) + on(RECEIVER, vid), go, cookie(KIND_PARTY, vid))
    if len(owners) > MANY_OWNERS:
        return
    net, priority = on(NETWORK, site.net), 500 + entry.prefixlen
    if entry.version == 6:
        asks = match(nd_target=entry, **SOLICIT) + net
    elif len(owners) == 1 and not members[0].open:
        asks = arp_to(entry) + net
    else:
        asks = match(dl_type=ARP, arp_op=1, arp_tpa=entry) + net
    if len(owners) == 1:
        flows.add("destination", priority, asks, _found(site, owners[0]), cookie(KIND_PARTY, site.vid(owners[0])))
        return
    mark = cookie(KIND_NETWORK, site.net)
    for uuid in owners:
        flows.add("destination", priority + 200, TO_ALL + asks + on(SENDER, site.vid(uuid)), [resubmit("flood")], mark)
    flows.add("destination", priority, asks, [clone(*_found(site, uuid)) for uuid in owners], mark)


def _found(site: Site, uuid: str) -> List[Action]:
    return [load(RECEIVER, site.vid(uuid)), load(ASKED, 1), resubmit("receiver")]
