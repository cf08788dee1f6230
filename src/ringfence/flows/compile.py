"""compile: what is plugged into a bridge, and the picture of its networks, to the flows of that bridge."""

from typing import Dict, Set, Tuple

from ..picture.identity import Identity
from . import count, deliver, guest, party, verdict  # the writers of the tables, one a concern
from .flow import FlowSet
from .numbers import Numbers
from .site import BridgePlan, Site


def compile_bridge(plan: BridgePlan, numbers: Numbers) -> FlowSet:
    """All flows of a bridge: a function of its arguments alone. Empty where no segment is fenced."""
    flows = FlowSet()
    if not plan.segments:
        return flows
    identities: Dict[int, Dict[int, Identity]] = {}
    guest.shared(flows)
    party.shared(flows)
    verdict.shared(flows)
    deliver.shared(flows)
    count.shared(flows)
    if any(segment.view.watched for segment in plan.segments):
        party.watched(flows)
        deliver.watched(flows)
        count.watched(flows, 0)
    for port in plan.strangers:
        guest.stranger(flows, port)
    tags = sorted(segment.tag for segment in plan.segments)
    party.guests(flows, plan.others, [segment.tag for segment in plan.segments if segment.tag and not segment.view.watched])
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
