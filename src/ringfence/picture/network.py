"""A network as policy sees it: its members, what is inside, and the identity of every party on it."""

import ipaddress
from typing import Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Set, Tuple, Union

from ..records import Closed, NetworkLine, Policy
from ..records.addresses import LINK_LOCAL, Prefix, is_single, within
from .facts import NetworkFacts, VifFacts
from .identity import EXTERNAL, Identity, Token, group, peers
from .prefixes import PrefixSet

EVERYTHING: Tuple[Prefix, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))

Space = Tuple[str, FrozenSet[str]]
"""How addresses that are not pinned to a VIF are judged: ("machine" | "host" | "open", groups)."""
MACHINE: Space = ("machine", frozenset())
HOST: Space = ("host", frozenset())


class Member(NamedTuple):
    """A VIF that takes part in its network: its facts and its policy."""

    vif: VifFacts
    policy: Policy

    @property
    def router(self) -> bool:
        return "router" in self.policy.services

    @property
    def open(self) -> bool:
        return self.policy.mode == "unlocked"

    @property
    def isolated(self) -> bool:
        return self.policy.mode == "isolated" and not self.router

    @property
    def space(self) -> Optional[Space]:
        """How its addresses beyond its own are judged; None where it may use no others."""
        if self.router:
            return MACHINE
        return ("open", self.policy.groups) if self.open else None


class NetworkView:
    """Built once, from facts and policies; immutable afterwards."""

    def __init__(self, facts: NetworkFacts, line: NetworkLine, vifs: Iterable[Tuple[VifFacts, Union[Policy, Closed]]]) -> None:
        self.facts = facts
        self.line = line
        self.members: Dict[str, Member] = {}
        self.closed: Dict[str, Tuple[VifFacts, str]] = {}
        for vif, policy in vifs:
            if isinstance(policy, Closed):
                self.closed[vif.uuid] = (vif, policy.reason)
            elif policy.mode == "disabled":
                self.closed[vif.uuid] = (vif, "")
            else:
                self.members[vif.uuid] = Member(vif, policy)
        self._duplicates()
        self.owners: Dict[Prefix, List[str]] = {}
        for uuid, member in self.members.items():
            for entry in member.policy.own:
                self.owners.setdefault(entry, []).append(uuid)
        self.peer_lists: Set[Tuple[Prefix, ...]] = {m.policy.peers for m in self.members.values() if m.isolated and m.policy.peers}
        self._peer_entries: Dict[Prefix, Set[Tuple[Prefix, ...]]] = {}
        for entries in self.peer_lists:
            for entry in entries:
                self._peer_entries.setdefault(entry, set()).add(entries)
        self._peered = PrefixSet(self._peer_entries)
        self._gateways = set(line.gateways)
        self._gated = PrefixSet(line.gateways)
        self._routed: Set[Prefix] = set()
        inside: Set[Prefix] = set(line.inside)
        spoken_of = {prefix.version for prefix in line.inside}
        for member in self.members.values():
            if member.router:
                self._routed.update(member.policy.own)
        for entry, owners in self.owners.items():
            local = within(entry, LINK_LOCAL)
            if (is_single(entry) or (entry.version not in spoken_of and not local)) and any(not self.members[u].router for u in owners):
                inside.add(entry)
        self.inside = {p for p in inside if is_single(p) or not within(p, LINK_LOCAL)}
        self._guests = PrefixSet(self.inside)
        self._covered: Dict[Optional[Prefix], FrozenSet[Token]] = {}
        self._identities: Dict[Tuple[str, Optional[Prefix]], Identity] = {}
        self._boundaries: Dict[Space, Dict[Prefix, Identity]] = {}

    def _duplicates(self) -> None:
        """Two VIFs with one MAC: nobody can tell them apart, so both close, but where nobody is held to anything."""
        if not self.fenced:
            return
        by_mac: Dict[str, List[VifFacts]] = {}
        for member in self.members.values():
            by_mac.setdefault(member.vif.mac, []).append(member.vif)
        for mac, vifs in by_mac.items():
            if len(vifs) > 1:
                names = " and ".join(sorted(v.name for v in vifs))
                for vif in vifs:
                    del self.members[vif.uuid]
                    self.closed[vif.uuid] = (vif, "{} share the MAC {}: give one of them another".format(names, mac))

    @property
    def fenced(self) -> bool:
        """Whether any VIF of the network is held to anything: else the network gets no flow."""
        return any(not m.open for m in self.members.values()) or any(reason for _, reason in self.closed.values())

    @property
    def watched(self) -> bool:
        """``enforce=watch``: what would be dropped is counted, and passes."""
        return self.line.enforce == "watch"

    @property
    def held(self) -> bool:
        """Whether the ports of its VIFs are kept from one another: fenced, and not only watched."""
        return self.fenced and not self.watched

    def watches(self, vif: VifFacts) -> bool:
        """Whether a VIF's own frames are only watched. Never where XAPI itself locks it: no network's line loosens that."""
        return self.watched and vif.xapi.locking_mode == "unlocked"

    def why_cut(self, uuid: str) -> Optional[str]:
        """Why nothing passes for a VIF: as ``closed`` says, but for those that are only watched, which run; None where it runs."""
        if uuid not in self.closed:
            return None
        vif, reason = self.closed[uuid]
        return None if reason and self.watches(vif) else reason

    def is_inside(self, entry: Prefix) -> bool:
        """Whether an address or prefix belongs to guests."""
        if entry in self._routed or self._gated.containing(entry):
            return False
        return bool(self._guests.containing(entry)) and not (within(entry, LINK_LOCAL) and entry not in self.inside)

    def within_inside(self, entry: Prefix) -> bool:
        """Whether the network's line says that it is inside; gateways are, too."""
        return any(within(entry, prefix) for prefix in self.line.inside)

    def covered(self, entry: Prefix) -> FrozenSet[Token]:
        """The peer lists that hold all of ``entry``."""
        if entry not in self._covered:
            found: Set[Token] = set()
            for listed in self._peered.containing(entry):
                found.update(peers(p) for p in self._peer_entries[listed])
            self._covered[entry] = frozenset(found)
        return self._covered[entry]

    def _touched(self, member: Member) -> FrozenSet[Token]:
        """The peer lists that hold any of its own addresses: they cover its link-local one, and its broadcasts."""
        found: Set[Token] = set()
        for entry in member.policy.own:
            found |= self.covered(entry)
            if not is_single(entry):
                for listed, lists in self._peer_entries.items():
                    if within(listed, entry) and not self.taken(listed, member):
                        found.update(peers(p) for p in lists)
        return frozenset(found)

    def taken(self, entry: Prefix, member: Member) -> bool:
        """Whether an own prefix of a VIF does not cover this address: it is a gateway's, or another VIF lists it singly."""
        if not is_single(entry) or entry in member.policy.own:
            return False
        return entry in self._gateways or any(uuid != member.vif.uuid for uuid in self.owners.get(entry, ()))

    def identity(self, member: Member, entry: Optional[Prefix] = None) -> Identity:
        """A VIF at one of its own entries, or (None) in a frame that names no address of it."""
        key = (member.vif.uuid, entry)
        known = self._identities.get(key)
        if known is None:
            known = self._identities[key] = self._identity(member, entry)
        return known

    def _identity(self, member: Member, entry: Optional[Prefix]) -> Identity:
        policy = member.policy
        needs: Set[Token] = set()
        if member.isolated:
            needs.update(group(g) for g in policy.groups)
            if policy.peers:
                needs.add(peers(policy.peers))
            if policy.external:
                needs.add(EXTERNAL)
        offers: Set[Token] = {group(g) for g in policy.groups}
        if entry is None or within(entry, LINK_LOCAL):
            offers |= self._touched(member)
        if entry is not None:
            offers |= self.covered(entry)
        if member.router:
            offers.add(EXTERNAL)
        return Identity(member.isolated, frozenset(needs), frozenset(offers))

    def foreign(self, space: Space, entry: Prefix) -> Identity:
        """A party that is judged by its address alone: a machine, dom0, an unlocked VIF."""
        kind, groups = space
        offers = set(self.covered(entry)) | {group(g) for g in groups}
        if (kind == "machine" or (kind == "host" and self.line.host == "allow")) and not self.is_inside(entry):
            offers.add(EXTERNAL)
        return Identity(False, frozenset(), frozenset(offers))

    def boundaries(self, space: Space) -> Dict[Prefix, Identity]:
        """Longest-prefix table of a space: only entries that differ from what lies around them."""
        if space not in self._boundaries:
            self._boundaries[space] = self._bound(space)
        return self._boundaries[space]

    def _bound(self, space: Space) -> Dict[Prefix, Identity]:
        edges = set(EVERYTHING) | set(self._peer_entries)
        if space[0] != "open":
            edges |= self.inside | self._gateways | self._routed
            if any(within(p, LINK_LOCAL) or within(LINK_LOCAL, p) for p in self.inside):
                edges.add(LINK_LOCAL)
        table: Dict[Prefix, Identity] = {}
        kept = PrefixSet()
        for entry in sorted(edges, key=lambda p: p.prefixlen):
            identity = self.foreign(space, entry)
            around = kept.containing(entry)
            if not around or table[around[-1]] != identity:
                table[entry] = identity
                kept.add(entry)
        return table

    def entries(self, member: Member) -> Dict[Prefix, Identity]:
        """Own entries of a VIF with its identity there; prefixes are split where a peer list draws a line."""
        table = {entry: self.identity(member, entry) for entry in member.policy.own}
        for entry in member.policy.own:
            if not is_single(entry):
                for listed in self._peer_entries:
                    if listed != entry and within(listed, entry) and not self.taken(listed, member):
                        table[listed] = self.identity(member, listed)
        return table

    def reserved(self, opened: bool) -> Dict[Prefix, Set[str]]:
        """Addresses that only their owners may use: for own prefixes singles and gateways, for unlocked VIFs what held ones list."""
        table: Dict[Prefix, Set[str]] = {g: set() for g in self._gateways}
        for entry, owners in self.owners.items():
            held = opened and any(not self.members[u].open for u in owners)
            if (held or (is_single(entry) and not opened)) and entry.prefixlen != 0:
                table.setdefault(entry, set()).update(owners)
        return table
