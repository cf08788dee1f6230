"""The picture of a pool: facts read as policy, network by network."""

import ipaddress
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple, Union

from ..errors import BadRecord
from ..records import Closed, NetworkLine, PoolLine, parse_network, parse_pool
from ..records.addresses import Prefix, is_single, single, within
from ..table import differing
from .facts import Facts, NetworkFacts, VifFacts
from .identity import Identity, Reach, reaches
from .network import NetworkView
from .networks import Networks
from .roster import HOST, MACHINE


class Party(NamedTuple):
    """Who takes part in an exchange: a VIF (``vif``, at ``address`` or at any), a machine, or dom0 (``host``)."""

    vif: Optional[str] = None
    address: Optional[Any] = None
    host: bool = False


class Picture:
    """Immutable. ``problems`` holds one line for each network or pool line that could not be read."""

    def __init__(self, facts: Facts, earlier: Optional["Picture"] = None) -> None:
        """``earlier``: what has not changed since is taken over from it."""
        self.facts = facts
        self._lines: Dict[str, Union[NetworkLine, Closed]] = {}
        problems: List[str] = []
        self.pool = self._pool(facts, problems)
        before = Facts() if earlier is None else earlier.facts
        anew = {uuid for uuid in differing(before.networks, facts.networks) if before.networks.get(uuid) != facts.networks.get(uuid)}
        if earlier is not None:
            self._lines = {uuid: line for uuid, line in earlier._lines.items() if uuid not in anew}
        for uuid in sorted(anew & set(facts.networks)):
            self._lines[uuid] = self._line(facts.networks[uuid])
        problems += [line.reason for _, line in sorted(self._lines.items()) if isinstance(line, Closed)]
        self.problems = problems
        self.networks: Networks = Networks(facts, self._lines, None if earlier is None else earlier.networks, anew)

    @property
    def watched(self) -> Set[str]:
        """uuids of the networks that are only watched."""
        lines = {uuid: line for uuid, line in self._lines.items() if uuid in self.networks}
        return {uuid for uuid, line in lines.items() if not isinstance(line, Closed) and line.enforce == "watch"}

    @staticmethod
    def _pool(facts: Facts, problems: List[str]) -> PoolLine:
        try:
            return parse_pool(facts.pool_line or "")
        except BadRecord as error:
            problems.append(str(error.at("pool")))
            return PoolLine()

    @staticmethod
    def _line(network: NetworkFacts) -> Union[NetworkLine, Closed]:
        if network.line is None:
            return NetworkLine()
        try:
            return parse_network(network.line)
        except BadRecord as error:
            return Closed(str(error.at("network {}".format(network.name))))

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
        found = self.networks[network].members.values() if network in self.networks else []
        members = sorted(found, key=lambda member: (member.vif.name, member.vif.uuid))
        exact = [m.vif for m in members if address in m.policy.own]
        return exact or [m.vif for m in members if any(not is_single(o) and within(address, o) for o in m.policy.own)]
