"""The picture of a pool: facts read as policy, network by network."""

import ipaddress
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from ..errors import BadRecord
from ..records import Closed, NetworkLine, Policy, PoolLine, effective, parse_network, parse_pool
from ..records.addresses import Prefix, is_single, single, within
from .facts import Facts, NetworkFacts, VifFacts
from .identity import Identity, Reach, reaches
from .network import HOST, MACHINE, NetworkView


class Party(NamedTuple):
    """Who takes part in an exchange: a VIF (``vif``, at ``address`` or at any), a machine, or dom0 (``host``)."""

    vif: Optional[str] = None
    address: Optional[Any] = None
    host: bool = False


class Picture:
    """Immutable. ``problems`` holds one line for each network or pool line that could not be read."""

    def __init__(self, facts: Facts, earlier: Optional["Picture"] = None) -> None:
        """``earlier``: networks about which nothing has changed since are taken over from it."""
        self.facts = facts
        self.problems: List[str] = []
        self.pool = self._pool(facts)
        rows: Dict[str, List[Tuple[VifFacts, Union[Policy, Closed]]]] = {}
        lines: Dict[str, Union[NetworkLine, Closed]] = {}
        for network in facts.networks.values():
            lines[network.uuid] = self._line(network)
        for vif in facts.vifs.values():
            line = lines.get(vif.network, Closed("its network is not known"))
            policy = line if isinstance(line, Closed) else effective(vif.line, vif.mac, line, vif.xapi)
            rows.setdefault(vif.network, []).append((vif, policy))
        self.networks: Dict[str, NetworkView] = {}
        self._sources: Dict[str, Any] = {}
        for uuid, vifs in rows.items():
            line = lines.get(uuid, Closed(""))
            known = facts.networks.get(uuid, NetworkFacts(uuid, uuid))
            source = (known, NetworkLine() if isinstance(line, Closed) else line, vifs)
            self._sources[uuid] = source
            if earlier is not None and earlier._sources.get(uuid) == source:
                self.networks[uuid] = earlier.networks[uuid]
            else:
                self.networks[uuid] = NetworkView(*source)

    def _pool(self, facts: Facts) -> PoolLine:
        try:
            return parse_pool(facts.pool_line or "")
        except BadRecord as error:
            self.problems.append(str(error.at("pool")))
            return PoolLine()

    def _line(self, network: NetworkFacts) -> Union[NetworkLine, Closed]:
        if network.line is None:
            return NetworkLine()
        try:
            return parse_network(network.line)
        except BadRecord as error:
            problem = str(error.at("network {}".format(network.name)))
            self.problems.append(problem)
            return Closed(problem)

    def view_of(self, vif: str) -> NetworkView:
        return self.networks[self.facts.vifs[vif].network]

    def why_closed(self, vif: str) -> Optional[str]:
        """Why its policy closes a VIF: a reason, "" where it is disabled, None where it is not closed."""
        closed = self.view_of(vif).closed.get(vif)
        return None if closed is None else closed[1]

    def why_cut(self, vif: str) -> Optional[str]:
        """As ``why_closed``, for what is enforced: a VIF that is only watched runs, but for a disabled one."""
        return self.view_of(vif).why_cut(vif)

    def can_reach(self, vif: str, party: Party) -> Reach:
        """Whether the VIF can reach the party on its network, with the reason. Raises KeyError for an unknown VIF."""
        view = self.view_of(vif)
        reason = self.why_closed(vif)
        if reason is not None:
            return Reach(False, "it is closed: {}".format(reason or "disabled"))
        if party.vif is not None:
            other_view = self.view_of(party.vif)
            if other_view is not view:
                return Reach(False, "it is on another network")
            other_reason = self.why_closed(party.vif)
            if other_reason is not None:
                return Reach(False, "the other end is closed: {}".format(other_reason or "disabled"))
        other = self._identity(view, party)
        if other is None:
            return Reach(False, "{} is not an address of the other end".format(party.address))
        return reaches(view.identity(view.members[vif]), other)

    def exchange(self, vif: str, other: str) -> Tuple[Reach, Reach]:
        """Both directions between two VIFs: frames pass only when both allow."""
        return self.can_reach(vif, Party(vif=other)), self.can_reach(other, Party(vif=vif))

    @staticmethod
    def _identity(view: NetworkView, party: Party) -> Optional[Identity]:
        entry = None if party.address is None else single(ipaddress.ip_address(str(party.address)))
        if party.vif is not None:
            member = view.members[party.vif]
            if entry is None:
                return view.identity(member)
            if any(within(entry, own) for own in member.policy.own):
                return view.identity(member, entry)
            return None if member.space is None else view.foreign(member.space, entry)
        if entry is None:
            raise ValueError("a machine is judged by its address: give one")
        return view.foreign(HOST if party.host else MACHINE, entry)

    def owners(self, network: str, address: Prefix) -> List[VifFacts]:
        """The VIFs that list ``address`` singly, or else those whose own prefix holds it."""
        members = self.networks[network].members.values() if network in self.networks else []
        exact = [m.vif for m in members if address in m.policy.own]
        return exact or [m.vif for m in members if any(not is_single(o) and within(address, o) for o in m.policy.own)]
