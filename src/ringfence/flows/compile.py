"""compile: what is plugged into a bridge, and the picture of its networks, to the flows of that bridge."""

from typing import Dict, List, NamedTuple, Set, Tuple

from ..picture.identity import EXTERNAL, Identity, Token
from ..picture.network import HOST, MACHINE, Member, NetworkView, Space
from ..records.addresses import Prefix
from .flow import FlowSet
from .numbers import Numbers


class Segment(NamedTuple):
    """One network on one bridge."""

    view: NetworkView
    tag: int = 0
    """VLAN of its frames on the uplinks; 0 is untagged."""
    ports: Dict[str, Tuple[int, ...]] = {}
    """OpenFlow ports (vif and tap) of the VIFs plugged here, by VIF uuid."""
    internal: Tuple[Tuple[int, str], ...] = ()
    """dom0's own ports on the network: OpenFlow port and MAC."""


class BridgePlan(NamedTuple):
    """What a bridge carries: the fenced networks on it, its uplinks, and the VIF ports that nobody can name."""

    segments: Tuple[Segment, ...] = ()
    uplinks: Tuple[int, ...] = ()
    strangers: Tuple[int, ...] = ()
    backups: Tuple[int, ...] = ()
    """Members of bonds that take nothing: the active one has the same frames."""
    deaf: Tuple[int, ...] = ()
    """Members of bonds that take no multicast, for the same reason."""


class Site:
    """A segment with the numbers of everything on it: what the writers of the tables work from."""

    def __init__(self, segment: Segment, plan: BridgePlan, numbers: Numbers) -> None:
        self.segment = segment
        self.view = segment.view
        self.plan = plan
        self.numbers = numbers
        self.net = numbers.network(segment.view.facts.uuid)
        self.members: List[Member] = [m for _, m in sorted(segment.view.members.items())]
        self.entries: Dict[str, Dict[Prefix, Identity]] = {m.vif.uuid: self.view.entries(m) for m in self.members}
        self.spaces: Set[Space] = {MACHINE} | {m.space for m in self.members if m.space is not None}
        if segment.internal:
            self.spaces.add(HOST)

    def vid(self, uuid: str) -> int:
        return self.numbers.vif(uuid)

    def ports(self, member: Member) -> Tuple[int, ...]:
        return self.segment.ports.get(member.vif.uuid, ())

    def space(self, space: Space) -> int:
        return self.numbers.space(self.net, space[0], space[1])

    def number(self, identity: Identity) -> int:
        return self.numbers.identity(self.net, identity)

    def any_class(self, member: Member) -> int:
        return self.number(self.view.identity(member))

    def uplink(self) -> Identity:
        """Who a flooded frame may mean beyond the uplinks: machines, and the members that live elsewhere."""
        offers: Set[Token] = {EXTERNAL}
        for member in self.members:
            if member.vif.migrating or (member.vif.host and not self.ports(member)):
                offers |= self.view.identity(member).offers
        return Identity(False, frozenset(), frozenset(offers))


def compile_bridge(plan: BridgePlan, numbers: Numbers) -> FlowSet:
    """All flows of a bridge: a function of its arguments alone. Empty where no segment is fenced."""
    from . import deliver, guest, party, verdict  # the tables' writers, one a concern

    flows = FlowSet()
    if not plan.segments:
        return flows
    identities: Dict[int, Dict[int, Identity]] = {}
    guest.shared(flows)
    party.shared(flows)
    verdict.shared(flows)
    deliver.shared(flows)
    for port in plan.strangers:
        guest.stranger(flows, port)
    tags = sorted(segment.tag for segment in plan.segments)
    for segment in plan.segments:
        site = Site(segment, plan, numbers)
        guest.network(flows, site, tags)
        party.network(flows, site)
        deliver.network(flows, site)
        identities[site.net] = _identities(site)
        verdict.network(flows, site, identities[site.net])
    return flows


def close_ports(ports: Tuple[int, ...]) -> FlowSet:
    """The drops alone for ports of which nothing is known; no other flow is named."""
    from . import guest

    flows = FlowSet()
    for port in ports:
        guest.stranger(flows, port)
    return flows


def _identities(site: Site) -> Dict[int, Identity]:
    """Every identity that a register can hold on this network, by class number."""
    found: Set[Identity] = {site.uplink()}
    for member in site.members:
        found.add(site.view.identity(member))
        found.update(site.entries[member.vif.uuid].values())
    for space in site.spaces:
        found.update(site.view.boundaries(space).values())
    return {site.number(identity): identity for identity in found}
