"""What was seen on a network that is only watched, as the records and groups that would let it pass."""

import ipaddress
from typing import Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Set, Tuple

from ..picture.network import NetworkView
from ..picture.roster import Member
from ..records.addresses import LINK_LOCAL, Prefix, is_single, show_all, show_prefix, single, singles, within
from ..words import several

FORWARDS = 8
"""A VIF that uses more addresses than this which are not its own, forwards for others."""
CLAIMS = ("source", "arp", "neighbour-discovery", "reserved-address", "arrival-source")
OFFERS = {"dhcp-server": {4: "dhcp", 6: "dhcp6"}, "router-advertisement": {4: "ra", 6: "ra"}}
TALK = ("unreachable-out", "unreachable-in", "source", "arrival-source", "destination-address")
WHATEVER = ("mac", "ethertype", "tagged", "link-control", "redirect", "query", "fragment", "ipv6-header")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.-"
"""What a group's name is made of."""
LONGEST = 40
"""Of a group's name."""
LISTED = 6
"""How many names a line tells."""


Used = Dict[str, Dict[Prefix, int]]
"""By VIF: addresses that it uses and does not list, with the frames of each."""


class Seen(NamedTuple):
    """Frames that would have been dropped. VIFs by uuid, "" where a machine was; addresses "" where a frame has none."""

    sender: str
    receiver: str
    reason: str
    source: str
    target: str
    frames: int


class Suggestion(NamedTuple):
    what: str
    frames: int
    command: str
    """"" where no record lets it pass."""


def suggest(view: NetworkView, seen: Iterable[Seen]) -> List[Suggestion]:
    """What would have to be said for what was seen to pass, kind by kind. To be read by a person, not applied blindly."""
    rows = [row for row in seen if _known(view, row)]
    used = _used(view, rows)
    kinds = [_closed(view, rows), _addresses(view, used), _services(view, rows), _groups(view, rows, used)]
    kinds += [_machines(view, rows), _never(view, rows)]
    return [one for kind in kinds for one in sorted(kind, key=lambda one: one.what)]


def _known(view: NetworkView, row: Seen) -> bool:
    """Parties that are on the network still."""
    return all(not uuid or uuid in view.members or uuid in view.closed for uuid in (row.sender, row.receiver))


def _name(view: NetworkView, uuid: str) -> str:
    return view.members[uuid].vif.name if uuid in view.members else view.closed[uuid][0].name


def _closed(view: NetworkView, rows: List[Seen]) -> Iterator[Suggestion]:
    for uuid, (vif, reason) in view.closed.items():
        frames = sum(row.frames for row in rows if row.sender == uuid and row.reason == "closed")
        if frames and reason:
            yield Suggestion("{} would be closed: {}".format(vif.name, reason), frames, "ringfence vif show {}".format(vif.word))


def _addresses(view: NetworkView, used: Used) -> Iterator[Suggestion]:
    for vif, table in used.items():
        member = view.members[vif]
        if len(table) > FORWARDS and not member.router:
            what = "{} sends from {} addresses that are not its own: it forwards for others, or forges them: find out which"
            what = what.format(member.vif.name, len(table))
            yield Suggestion(what, sum(table.values()), _with_services(member, {"router"}))
            continue
        for entry, frames in table.items():
            text = show_prefix(entry)
            owners = sorted(_name(view, uuid) for uuid in view.owners.get(entry, ()) if uuid != vif)
            if entry in view.line.gateways:
                owners.append("a gateway")
            if owners:
                what = "{} uses {}, which belongs to {}: find out why".format(member.vif.name, text, ", ".join(owners[:LISTED]))
                yield Suggestion(what, frames, "ringfence ip add {} {} --shared".format(member.vif.word, text))
            else:
                what = "{} uses {}, which its record does not list".format(member.vif.name, text)
                yield Suggestion(what, frames, "ringfence ip add {} {}".format(member.vif.word, text))


def _used(view: NetworkView, rows: List[Seen]) -> Used:
    """By VIF: addresses that it sends from or is spoken to at, and does not list; how many frames of each."""
    used: Used = {}
    for row in rows:
        claim = row.sender in view.members and row.reason in CLAIMS and row.source
        spoken_to = row.receiver in view.members and row.reason == "destination-address" and row.target
        vif, text = (row.sender, row.source) if claim else (row.receiver, row.target)
        if not claim and not spoken_to:
            continue
        entry = single(ipaddress.ip_address(text))
        address = entry.network_address
        if address.is_unspecified or address.is_multicast or any(within(entry, own) for own in view.members[vif].policy.own):
            continue
        table = used.setdefault(vif, {})
        table[entry] = table.get(entry, 0) + row.frames
    return used


def _services(view: NetworkView, rows: List[Seen]) -> Iterator[Suggestion]:
    offered: Dict[Tuple[str, str], int] = {}
    for row in rows:
        if row.sender in view.members and row.reason in OFFERS:
            service = OFFERS[row.reason][6 if ":" in row.source else 4]
            offered[row.sender, service] = offered.get((row.sender, service), 0) + row.frames
    for (vif, service), frames in offered.items():
        member = view.members[vif]
        what = "{} answers as a server or router (services={})".format(member.vif.name, service)
        yield Suggestion(what, frames, _with_services(member, {service}))


def _with_services(member: Member, more: Set[str]) -> str:
    return "ringfence vif set {} services={}".format(member.vif.word, ",".join(sorted(member.policy.services | more)))


def _groups(view: NetworkView, rows: List[Seen], used: Used) -> Iterator[Suggestion]:
    """VIFs that talked, directly or through one another. A flood that everybody hears makes no company."""
    pairs = _pairs(view, rows, used)
    forging = {vif for vif, table in used.items() if len(table) > FORWARDS}
    pairs = {pair: frames for pair, frames in pairs.items() if not pair & forging}
    names: Set[str] = {group for member in view.members.values() for group in member.policy.groups}
    for company in _companies(pairs):
        members = sorted((view.members[uuid] for uuid in company), key=lambda member: member.vif.name)
        talked = {pair: count for pair, count in pairs.items() if pair <= company}
        grouped = [set(m.policy.groups) for m in members if m.policy.groups]
        common: Set[str] = set.intersection(*grouped) if grouped else set()
        group = min(common) if common else _fresh([m.vif.vm_name for m in members], names)
        names.add(group)
        missing = [m.vif.word for m in members if group not in m.policy.groups]
        what = "{} talk".format(several([m.vif.name for m in members], LISTED))
        most = len(members) * (len(members) - 1) // 2
        if len(talked) < most:
            what += " (in {} of {} pairs: make several groups where that is meant)".format(len(talked), most)
        yield Suggestion(what, sum(talked.values()), "ringfence group add {} {}".format(group, " ".join(missing)))


def _pairs(view: NetworkView, rows: List[Seen], used: Used) -> Dict[FrozenSet[str], int]:
    """VIFs of which one sent to an address of the other, be it listed or not yet, and that share no group."""
    owners: Dict[Prefix, Set[str]] = {entry: set(uuids) for entry, uuids in view.owners.items() if is_single(entry)}
    for vif, table in used.items():
        for entry in table:
            owners.setdefault(entry, set()).add(vif)
    pairs: Dict[FrozenSet[str], int] = {}
    for row in rows:
        if row.sender not in view.members or not row.target or row.reason not in TALK:
            continue
        target = owners.get(single(ipaddress.ip_address(row.target)), set())
        for other in target & ({row.receiver} if row.receiver else target):
            one, two = view.members[row.sender], view.members[other]
            if one is not two and (one.isolated or two.isolated) and not one.policy.groups & two.policy.groups:
                pair = frozenset((row.sender, other))
                pairs[pair] = pairs.get(pair, 0) + row.frames
    return pairs


def _companies(pairs: Iterable[FrozenSet[str]]) -> List[FrozenSet[str]]:
    found: List[FrozenSet[str]] = []
    for pair in pairs:
        touched = [company for company in found if company & pair]
        found = [company for company in found if not company & pair] + [pair.union(*touched)]
    return sorted(found, key=sorted)


def _fresh(vms: List[str], taken: Set[str]) -> str:
    """A name for a group: what the names of its VMs begin with, if that is one."""
    common = vms[0].lower()
    for vm in vms[1:]:
        while not vm.lower().startswith(common):
            common = common[:-1]
    common = "".join(letter for letter in common if letter in LETTERS).strip("0123456789.-")
    common = common[:LONGEST].rstrip(".-")
    name = common if len(common) > 1 and common not in taken else ""
    number = 1
    while not name or name in taken:
        name, number = "seen-{}".format(number), number + 1
    return name


def _owns(member: Member, address: str) -> bool:
    return any(within(single(ipaddress.ip_address(address)), own) for own in member.policy.own)


def _machines(view: NetworkView, rows: List[Seen]) -> Iterator[Suggestion]:
    """Exchanges with what is no VIF."""
    inside: Dict[str, Dict[str, int]] = {}
    external: Dict[str, int] = {}
    for row in rows:
        out = row.reason == "unreachable-out" and row.sender in view.members and not row.receiver
        into = row.reason == "unreachable-in" and row.receiver in view.members and not row.sender
        vif, text = (row.sender, row.target) if out else (row.receiver, row.source)
        if not (out or into) or not text or (into and not _owns(view.members[vif], row.target or "0.0.0.0")):
            continue
        entry = single(ipaddress.ip_address(text))
        if entry.network_address.is_multicast or entry.network_address.is_unspecified or int(entry.network_address) == 0xFFFFFFFF:
            continue
        if view.is_inside(entry) or within(entry, LINK_LOCAL):
            table = inside.setdefault(vif, {})
            table[show_prefix(entry)] = table.get(show_prefix(entry), 0) + row.frames
        else:
            external[vif] = external.get(vif, 0) + row.frames
    for vif, table in inside.items():
        member = view.members[vif]
        by_default = member.policy.peers == singles(member.policy.own)
        known = [] if by_default else show_all(member.policy.peers)
        what = "{} talks to {}, inside and no VIF's".format(member.vif.name, several(sorted(table), LISTED))
        peers = ",".join(known + sorted(table))
        yield Suggestion(what, sum(table.values()), "ringfence vif set {} peers={}".format(member.vif.word, peers))
    for vif, frames in external.items():
        one = view.members[vif].vif
        yield Suggestion("{} talks to external addresses".format(one.name), frames, "ringfence vif set {} external=allow".format(one.word))


def _never(view: NetworkView, rows: List[Seen]) -> Iterator[Suggestion]:
    """What no record lets pass."""
    for reason in WHATEVER:
        by: Dict[str, int] = {}
        for row in rows:
            if row.reason == reason and row.sender in view.members:
                by[_name(view, row.sender)] = by.get(_name(view, row.sender), 0) + row.frames
        if by:
            yield Suggestion(
                "{} sent what no record allows ({}, docs/why.md)".format(several(sorted(by), LISTED), reason), sum(by.values()), ""
            )
