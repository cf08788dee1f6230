"""Which fenced networks are on which bridge: the picture laid over what OVSDB says."""

from typing import Any, Dict, List, NamedTuple, Set, Tuple

from ..flows import BridgePlan, Segment
from ..picture import Picture
from ..switch.ovsdb import BridgeState, OvsdbView, PortState


class Layout(NamedTuple):
    """What one bridge should carry, and which of its VIF ports are held."""

    plan: BridgePlan
    fenced: Set[str]
    """Interfaces of VIFs on fenced networks: no-flood and protected."""
    closed: Dict[str, str]
    """Reason by interface: link down."""


def named(view: OvsdbView, plugs: Dict[str, Dict[str, Any]]) -> OvsdbView:
    """The view with what the hook said of a port where OVSDB says nothing: networkd's new bridges have bare ports."""
    bridges = {}
    for name, bridge in view.bridges.items():
        ports = tuple(
            port._replace(external_ids=plugs[port.name]["external_ids"])
            if port.kind == "vif" and port.name in plugs and "xs-vif-uuid" not in port.external_ids
            else port
            for port in bridge.ports
        )
        bridges[name] = bridge._replace(ports=ports)
    return view._replace(bridges=bridges)


def lay_out(picture: Picture, view: OvsdbView) -> Dict[str, Layout]:
    """A layout for every bridge."""
    return {name: _bridge(picture, bridge, view) for name, bridge in view.bridges.items()}


def _bridge(picture: Picture, bridge: BridgeState, view: OvsdbView) -> Layout:
    by_network: Dict[Tuple[str, int], Dict[str, List[PortState]]] = {}
    unknown: List[PortState] = []
    for port in bridge.ports:
        if port.kind != "vif" or port.ofport <= 0:
            continue
        uuid = port.external_ids.get("xs-vif-uuid", "")
        if uuid in picture.facts.vifs and _in_place(picture, uuid, bridge, port, view):
            key = (picture.facts.vifs[uuid].network, port.tag)
            by_network.setdefault(key, {}).setdefault(uuid, []).append(port)
        else:
            unknown.append(port)
    segments: List[Segment] = []
    fenced: Set[str] = set()
    closed: Dict[str, str] = {}
    for (network, tag), vifs in sorted(by_network.items()):
        segment_view = picture.networks[network]
        if not segment_view.fenced:
            continue
        ports = {uuid: tuple(p.ofport for p in held) for uuid, held in vifs.items()}
        segments.append(Segment(segment_view, tag, ports, _internal(bridge, tag)))
        for uuid, held in vifs.items():
            if segment_view.held:
                fenced.update(p.name for p in held)
            reason = picture.why_cut(uuid)
            if reason is not None:
                closed.update((p.name, reason or "disabled") for p in held)
    fenced_tags = {segment.tag for segment in segments if segment.view.held}
    strangers = [port for port in unknown if port.tag in fenced_tags or _is_fenced(picture, port)]
    fenced.update(port.name for port in strangers)
    closed.update((port.name, "no VIF of the pool is known for this port, or it is on the bridge of another network") for port in strangers)
    uplinks = tuple(port.ofport for port in bridge.ports if port.kind == "uplink" and port.ofport > 0)
    backups = tuple(port.ofport for port in bridge.ports if port.ofport > 0 and port.takes == "nothing")
    deaf = tuple(port.ofport for port in bridge.ports if port.ofport > 0 and port.takes == "unicast")
    others = tuple(port.ofport for port in bridge.ports if port.kind == "vif" and port.ofport > 0 and port.name not in fenced)
    plan = BridgePlan(tuple(segments), uplinks, tuple(p.ofport for p in strangers), backups, deaf, others)
    return Layout(plan, fenced, closed)


def _in_place(picture: Picture, uuid: str, bridge: BridgeState, port: PortState, view: OvsdbView) -> bool:
    """Whether a VIF's port is where its network is: not so while a VIF moves, or where somebody put it elsewhere."""
    network = picture.facts.networks.get(picture.facts.vifs[uuid].network)
    place = view.place(network.bridge) if network is not None and network.bridge else None
    return place is None or place == (bridge.name, port.tag)


def _is_fenced(picture: Picture, port: PortState) -> bool:
    uuid = port.external_ids.get("xs-vif-uuid", "")
    return uuid in picture.facts.vifs and picture.view_of(uuid).held


def _internal(bridge: BridgeState, tag: int) -> Tuple[Tuple[int, str], ...]:
    return tuple((p.ofport, p.mac) for p in bridge.ports if p.kind == "internal" and p.tag == tag and p.ofport > 0 and p.mac)
