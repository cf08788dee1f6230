"""What in a picture is probably not meant: each finding with where it is and what mends it."""

from shlex import quote
from typing import Callable, Dict, Iterator, List, NamedTuple, Set

from ..records.addresses import LINK_LOCAL, Prefix, is_single, show_prefix, within
from ..words import several
from .network import NetworkView
from .picture import Party, Picture
from .roster import Member

ERROR, WARNING, HINT = "error", "warning", "hint"
SEVERITIES = (ERROR, WARNING, HINT)
"""What is refused or closed; what holds less than it seems to; what is merely odd."""
WIDE = {4: 24, 6: 64}
"""An own prefix that is shorter than this holds more addresses than a guest is given."""
LISTED = 3
"""How many names a finding tells."""


class Finding(NamedTuple):
    severity: str
    where: str
    what: str
    mend: str


def lint(picture: Picture) -> List[Finding]:
    """Every finding, the gravest first."""
    mend = "ringfence network set NETWORK KEY=VALUE, or clear NETWORK; until then its VIFs are closed"
    found: List[Finding] = [Finding(ERROR, "", problem, mend) for problem in picture.problems]
    if picture.pool.vm_data == "adopt":
        what = "vm-data=adopt: root in a guest writes its own policy"
        found.append(Finding(WARNING, "pool", what, "set vm-data=mirror in pool.other_config:ringfence"))
    for view in picture.networks.values():
        for rule in RULES:
            found.extend(rule(view, picture))
    return sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.where, one.what))


def _closed(view: NetworkView, picture: Picture) -> Iterator[Finding]:
    """But for what the line of its network closes: that is told once."""
    for vif, reason in view.closed.values():
        if reason and reason not in picture.problems:
            mend = "ringfence vif clear {}, and set it anew".format(vif.word)
            if reason.startswith("copied record"):
                mend = "ringfence adopt {}".format(quote(vif.vm_name))
            elif "share the MAC" in reason:
                mend = "make one of the VIFs anew, with a MAC of its own"
            yield Finding(ERROR, vif.name, "closed: {}".format(reason), mend)


def _shared_addresses(view: NetworkView, _: Picture) -> Iterator[Finding]:
    """A VRRP address belongs to members of one group, a common list to VIFs that are isolated by it; anything else is a slip."""
    for entry, owners in view.owners.items():
        if len(owners) < 2 or not is_single(entry) or within(entry, LINK_LOCAL):
            continue
        members = sorted((view.members[uuid] for uuid in owners), key=lambda m: m.vif.name)
        together = frozenset.intersection(*(m.policy.groups for m in members))
        listed = [m.isolated and not m.policy.groups and entry in m.policy.peers for m in members]
        if not together and not all(listed):
            what = "{} belongs to {}, which share no group".format(show_prefix(entry), _names(members))
            mend = "take it from all but one: ringfence ip remove VIF {}".format(show_prefix(entry))
            yield Finding(WARNING, members[0].vif.name, what, mend)


def _lonely_groups(view: NetworkView, _: Picture) -> Iterator[Finding]:
    groups: Dict[str, List[Member]] = {}
    for member in view.members.values():
        for name in member.policy.groups:
            groups.setdefault(name, []).append(member)
    for name, members in groups.items():
        if not any(m.isolated for m in view.members.values()):
            what = "group {} holds nobody apart: no VIF of network {} is isolated".format(name, view.facts.name)
            yield Finding(WARNING, members[0].vif.name, what, "ringfence network set {} default=isolated".format(view.facts.word))
        elif len(members) == 1:
            what = "group {} has one member on network {}: it lets nobody talk".format(name, view.facts.name)
            yield Finding(HINT, members[0].vif.name, what, "ringfence group add {} VIF".format(name))


def _no_inside(view: NetworkView, _: Picture) -> Iterator[Finding]:
    if not view.line.inside and any(m.isolated for m in view.members.values()):
        what = "it has isolated VIFs and no inside: an address that no VIF lists counts as external"
        yield Finding(WARNING, _network(view), what, "ringfence network set {} inside=PREFIX".format(view.facts.word))


def _no_gateways(view: NetworkView, _: Picture) -> Iterator[Finding]:
    routed = any(view.within_inside(gateway) for gateway in view.line.gateways) or any(m.router for m in view.members.values())
    if view.line.inside and not routed and any(m.isolated and m.policy.external for m in view.members.values()):
        what = "inside holds the gateway, if there is one: isolated VIFs do not reach it"
        yield Finding(WARNING, _network(view), what, "ringfence network set {} gateways=ADDRESS".format(view.facts.word))


def _wide_prefixes(view: NetworkView, _: Picture) -> Iterator[Finding]:
    for member in view.members.values():
        for entry in () if member.open or member.router else member.policy.own:
            if entry.prefixlen < WIDE[entry.version] and not within(entry, LINK_LOCAL):
                what = "{} as an own prefix lets it use whatever no other VIF lists".format(show_prefix(entry))
                yield Finding(WARNING, member.vif.name, what, "ringfence ip remove {} {}".format(member.vif.word, show_prefix(entry)))


def _odd_addresses(view: NetworkView, _: Picture) -> Iterator[Finding]:
    """Own addresses that cannot be a guest's, or are outside of what is said to be the guests'."""
    families = {prefix.version for prefix in view.line.inside}
    missing: Set[int] = set()
    for member in view.members.values():
        for entry in () if member.open or member.router else member.policy.own:
            if within(entry, LINK_LOCAL) or entry.prefixlen == 0:
                continue
            remove = "ringfence ip remove {} {}".format(member.vif.word, show_prefix(entry))
            address = entry.network_address
            if address.is_multicast or address.is_loopback or address.is_unspecified or int(address) == 0xFFFFFFFF:
                yield Finding(WARNING, member.vif.name, "{} is no address of a guest".format(show_prefix(entry)), remove)
            elif entry in view.line.gateways:
                yield Finding(WARNING, member.vif.name, "{} is a gateway of its network".format(show_prefix(entry)), remove)
            elif families and entry.version not in families:
                missing.add(entry.version)
            elif families and not view.within_inside(entry):
                yield Finding(WARNING, member.vif.name, "{} is not inside its network".format(show_prefix(entry)), remove)
    for version in sorted(missing):
        what = "inside names no IPv{} prefix, and VIFs have such addresses: those of nobody count as external".format(version)
        yield Finding(WARNING, _network(view), what, "add one: ringfence network set {} inside=PREFIX,PREFIX".format(view.facts.word))


def _unlocked_beside(view: NetworkView, _: Picture) -> Iterator[Finding]:
    opened = [m for m in view.members.values() if m.open]
    if opened and any(m.isolated for m in view.members.values()):
        what = "unlocked beside isolated VIFs: {} may take the MAC of a machine outside".format(_names(opened))
        yield Finding(WARNING, _network(view), what, "ringfence network set {} least=locked".format(view.facts.word))


def _one_sided_peers(view: NetworkView, picture: Picture) -> Iterator[Finding]:
    """A peer that does not reach back, and one inside that nobody is."""
    for member in view.members.values():
        if not member.isolated or member.policy.peers == member.policy.own:
            continue
        for entry in member.policy.peers:
            owners = view.owners.get(entry, ()) if is_single(entry) else ()
            for other in sorted(owners, key=lambda uuid: view.members[uuid].vif.name):
                if other != member.vif.uuid and not picture.can_reach(other, Party(vif=member.vif.uuid)):
                    name = view.members[other].vif.name
                    what = "its peer {} ({}) does not reach back".format(show_prefix(entry), name)
                    yield Finding(WARNING, member.vif.name, what, _without_peer(member, entry))
            if is_single(entry) and not owners and view.is_inside(entry) and not _owned(view, entry):
                what = "its peer {} is inside, and no VIF's".format(show_prefix(entry))
                yield Finding(HINT, member.vif.name, what, _without_peer(member, entry))


def _watching(view: NetworkView, _: Picture) -> Iterator[Finding]:
    if view.watched:
        what = "NOTHING IS ENFORCED HERE (enforce=watch): what would be dropped is counted, and passes"
        mend = "see ringfence suggest {0}, then ringfence network set {0} enforce=on".format(view.facts.word)
        yield Finding(WARNING, _network(view), what, mend)


RULES: List[Callable[[NetworkView, Picture], Iterator[Finding]]] = [
    _closed,
    _shared_addresses,
    _lonely_groups,
    _no_inside,
    _no_gateways,
    _wide_prefixes,
    _odd_addresses,
    _unlocked_beside,
    _one_sided_peers,
    _watching,
]


def _without_peer(member: Member, entry: Prefix) -> str:
    rest = ",".join(show_prefix(p) for p in member.policy.peers if p != entry)
    return "ringfence vif set {} peers={}".format(member.vif.word, rest)


def _owned(view: NetworkView, entry: Prefix) -> bool:
    return any(within(entry, own) for own in view.owners)


def _network(view: NetworkView) -> str:
    return "network {}".format(view.facts.name)


def _names(members: List[Member]) -> str:
    names: Set[str] = {m.vif.name for m in members}
    return several(sorted(names), LISTED)
