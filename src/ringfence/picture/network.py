"""A network as policy sees it: its members, what is inside, and the identity of every party on it."""

import ipaddress
from typing import Dict, FrozenSet, Iterable, Mapping, Optional, Set, Tuple, TypeVar

from ..records import NetworkLine
from ..records.addresses import LINK_LOCAL, Prefix, is_single, within
from ..table import Table
from .facts import NetworkFacts, VifFacts
from .identity import EXTERNAL, Identity, Token, group, peers, same
from .prefixes import PrefixSet
from .roster import Member, Roster, Row, Space

EVERYTHING: Tuple[Prefix, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
NO_TOKENS: FrozenSet[Token] = frozenset()
PeerList = Tuple[Prefix, ...]
K = TypeVar("K")
V = TypeVar("V")


class NetworkView:
    """Immutable: ``after`` makes the next one, at the cost of what changes, however large the network is.

    What stays the same stays the same object in the next view: members with all that was worked out about them, and the
    tables of ``boundaries``. Prefixes among own addresses and peers, and routers, cost a look at all that they may hold.
    """

    def __init__(self, facts: NetworkFacts, line: NetworkLine, vifs: Iterable[Row]) -> None:
        self.facts = facts
        self.line = line
        self._roster = Roster()
        self.owners: Table[Prefix, Tuple[str, ...]] = Table()
        """uuids of the members that list an address or prefix, sorted."""
        self._listing: Table[str, PeerList] = Table()
        """By uuid: the peers of isolated members."""
        self._lists: Table[PeerList, int] = Table()
        """Lists of peers, and how many isolated members have each."""
        self._peer_entries: Table[Prefix, FrozenSet[PeerList]] = Table()
        self._peered = PrefixSet()
        self._gateways = set(line.gateways)
        self._gated = PrefixSet(line.gateways)
        self._spoken_of = {prefix.version for prefix in line.inside}
        self._routers: Dict[str, Member] = {}
        self._routed: Set[Prefix] = set()
        self._wide: Dict[str, Member] = {}
        """Members with a prefix of their own."""
        self._guests = PrefixSet()
        """What is inside."""
        self._covered: Dict[Prefix, FrozenSet[Token]] = {}
        self._boundaries: Dict[Space, Table[Prefix, Identity]] = {}
        for entry in line.inside:
            self._set_inside(entry)
        self._take({row.vif.uuid: row for row in vifs})

    def after(self, rows: Dict[str, Optional[Row]]) -> "NetworkView":
        """The view with some VIFs as they are now; None for one that is gone."""
        made: NetworkView = NetworkView.__new__(NetworkView)
        made.__dict__.update(self.__dict__)
        for name in ("_roster", "owners", "_listing", "_lists", "_peer_entries", "_peered", "_routers", "_wide", "_guests"):
            setattr(made, name, getattr(self, name).copy())
        made._boundaries = dict(self._boundaries)
        made._take(rows)
        return made

    # How a view comes about.

    def _take(self, rows: Dict[str, Optional[Row]]) -> None:
        entries: Set[Prefix] = set()
        """Of members that came or went."""
        shared: Set[Prefix] = set()
        """Those that are of several VIFs now and were not, or no longer are."""
        routers = False
        changed = self._roster.take(rows)
        for uuid, (before, now) in changed.items():
            for member, add in ((before, False), (now, True)):
                if member is None:
                    continue
                entries.update(member.policy.own)
                for entry in member.policy.own:
                    if self._own(entry, uuid, add):
                        shared ^= {entry}
                routers = routers or member.router
                _keep(self._routers, uuid, member, add and member.router)
                _keep(self._wide, uuid, member, add and any(not is_single(entry) for entry in member.policy.own))
        if routers:
            self._routed = {entry for member in self._routers.values() for entry in member.policy.own}
        others = {uuid for entry in shared for uuid in self.owners.get(entry, ())}
        stale, lists = self._note_peers(set(changed) | others)
        listed = {entry for peer_list in lists for entry in peer_list}
        if listed:
            self._list_peers(lists)
        moved = {entry for entry in entries if self._set_inside(entry)}
        self._renew(stale - set(changed), entries, listed)
        self._bound_again(moved | listed, listed, routers)

    def _own(self, entry: Prefix, uuid: str, add: bool) -> bool:
        """A VIF lists an entry, or does no longer. Whether it now is one of several, or no longer is."""
        before: Tuple[str, ...] = self.owners.get(entry, ())
        now = tuple(sorted({*before, uuid})) if add else tuple(one for one in before if one != uuid)
        if now:
            self.owners.put(entry, now)
        else:
            self.owners.drop(entry)
        return (len(before) < 2) != (len(now) < 2)

    def _note_peers(self, uuids: Set[str]) -> Tuple[Set[str], Set[PeerList]]:
        """Note the peers of VIFs: who has others now, and which lists came or went."""
        stale: Set[str] = set()
        lists: Set[PeerList] = set()
        for uuid in uuids:
            before, now = self._listing.get(uuid, ()), self._peers(uuid)
            if before == now:
                continue
            stale.add(uuid)
            if now:
                self._listing.put(uuid, now)
            else:
                self._listing.drop(uuid)
            for peer_list, step in ((before, -1), (now, 1)):
                if peer_list and self._count(peer_list, step):
                    lists ^= {peer_list}
        return stale, lists

    def _peers(self, uuid: str) -> PeerList:
        """Those of an isolated member, and none where they are its own address alone (of each family): nobody else is to have it.

        So a VIF of no group, which is its own peer, costs no class; as one of a common list it has the peers that it lists.
        """
        member = self.members.get(uuid)
        if member is None or not member.isolated:
            return ()
        listed = member.policy.peers
        alone = all(is_single(entry) and self.owners.get(entry) == (uuid,) for entry in listed)
        return () if alone and len({entry.version for entry in listed}) == len(listed) else listed

    def _count(self, peer_list: PeerList, step: int) -> bool:
        """Whether the list came with its first member, or went with its last."""
        count = self._lists.get(peer_list, 0) + step
        if count:
            self._lists.put(peer_list, count)
        else:
            self._lists.drop(peer_list)
        return count == max(step, 0)

    def _list_peers(self, lists: Set[PeerList]) -> None:
        """Lists that came or went."""
        self._covered = {}
        for peer_list in lists:
            alone = frozenset((peer_list,))
            for entry in peer_list:
                of: FrozenSet[PeerList] = self._peer_entries.get(entry, frozenset())
                of = of | alone if peer_list in self._lists else of - alone
                if of:
                    self._peer_entries.put(entry, of)
                    self._peered.add(entry)
                else:
                    self._peer_entries.drop(entry)
                    self._peered.discard(entry)

    def _set_inside(self, entry: Prefix) -> bool:
        """Whether it changed that an address or prefix is one of those that are inside."""
        local = within(entry, LINK_LOCAL)
        inside = entry in self.line.inside
        if not inside and (is_single(entry) or (entry.version not in self._spoken_of and not local)):
            inside = any(uuid not in self._routers for uuid in self.owners.get(entry, ()))
        inside = inside and (is_single(entry) or not local)
        if inside == (entry in self._guests):
            return False
        (self._guests.add if inside else self._guests.discard)(entry)
        return True

    def _renew(self, stale: Set[str], entries: Iterable[Prefix], listed: Set[Prefix]) -> None:
        """Members about which something else follows now, though they are what they were: besides ``stale`` itself."""
        wide = [entry for entry in listed if not is_single(entry)]
        stale.update(uuid for entry in listed for uuid in self.owners.get(entry, ()))
        if wide:
            stale.update(uuid for entry, owners in self.owners.items() if any(within(entry, w) for w in wide) for uuid in owners)
        if listed or any(entry in self._peer_entries for entry in entries):
            stale.update(self._wide)
        for uuid in stale:
            member = self._roster.renew(uuid)
            for table in (self._routers, self._wide):
                if uuid in table:
                    table[uuid] = member

    def _bound_again(self, edges: Set[Prefix], listed: Set[Prefix], all_of_it: bool) -> None:
        """``edges``: entries that may have become an edge or none, or mean something else; of them ``listed`` as peers."""
        for space, table in list(self._boundaries.items()):
            mine = listed if space[0] == "open" else edges
            if (all_of_it and space[0] != "open") or any(not is_single(entry) for entry in mine):
                del self._boundaries[space]
                continue
            changes = {entry: self._edge(space, entry) for entry in mine}
            changes = {entry: identity for entry, identity in changes.items() if table.get(entry) != identity}
            if changes:
                made = self._boundaries[space] = table.copy()
                for entry, identity in changes.items():
                    if identity is None:
                        made.drop(entry)
                    else:
                        made.put(entry, identity)

    def _edge(self, space: Space, entry: Prefix) -> Optional[Identity]:
        """What a single address is in a space, where that is another thing than what lies around it."""
        tables = [self._peered] if space[0] == "open" else [self._peered, self._guests, self._gated]
        around = [one for table in tables for one in table.containing(entry)]
        if space[0] != "open":
            around += [one for one in self._routed if within(entry, one)]
            if within(entry, LINK_LOCAL):
                around.append(LINK_LOCAL)
        if entry not in around:
            return None
        nearest = max((one for one in around if one != entry), key=lambda one: one.prefixlen, default=EVERYTHING[entry.version == 6])
        identity = self.foreign(space, entry)
        return None if identity == self.foreign(space, nearest) else identity

    # What it says.

    @property
    def members(self) -> Mapping[str, Member]:
        """By uuid: the VIFs that run."""
        return self._roster.members

    @property
    def closed(self) -> Mapping[str, Tuple[VifFacts, str]]:
        """By uuid: the VIFs that do not, with the reason, "" where one is disabled."""
        return self._roster.closed

    @property
    def by_mac(self) -> Mapping[str, Tuple[str, ...]]:
        """uuids of all VIFs, sorted."""
        return self._roster.by_mac

    @property
    def fenced(self) -> bool:
        """Whether any VIF of the network is held to anything: else the network gets no flow."""
        return self._roster.fenced

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
        return bool(self._guests.containing(entry)) and not (within(entry, LINK_LOCAL) and entry not in self._guests)

    def strange(self, peer_list: PeerList) -> bool:
        """Whether a list has an entry that no VIF lists: a machine's, for all that is known."""
        return any(entry not in self.owners for entry in peer_list)

    def within_inside(self, entry: Prefix) -> bool:
        """Whether the network's line says that it is inside; gateways are, too."""
        return any(within(entry, prefix) for prefix in self.line.inside)

    def covered(self, entry: Prefix) -> FrozenSet[Token]:
        """The peer lists that hold all of ``entry``."""
        if not self._peer_entries:
            return NO_TOKENS
        if entry not in self._covered:
            found: Set[Token] = set()
            for listed in self._peered.containing(entry):
                found.update(peers(p) for p in self._peer_entries[listed])
            self._covered[entry] = frozenset(found)
        return self._covered[entry]

    def _touched(self, member: Member) -> FrozenSet[Token]:
        """The peer lists that hold any of its own addresses: they cover its link-local one, and its broadcasts."""
        if not self._peer_entries:
            return NO_TOKENS
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
        if not is_single(entry) or member.lists(entry):
            return False
        return entry in self._gateways or any(uuid != member.vif.uuid for uuid in self.owners.get(entry, ()))

    def identity(self, member: Member, entry: Optional[Prefix] = None) -> Identity:
        """A VIF at one of its own entries, or (None) in a frame that names no address of it."""
        if entry is not None:
            known = self.entries(member).get(entry)
            return self._identity(member, entry) if known is None else known
        if member.default is None:
            member.default = self._identity(member, None)
        return member.default

    def _identity(self, member: Member, entry: Optional[Prefix]) -> Identity:
        policy = member.policy
        needs: Set[Token] = set()
        if member.isolated:
            needs.update(group(g) for g in policy.groups)
            if member.vif.uuid in self._listing:
                needs.add(peers(self._listing[member.vif.uuid]))
            if policy.external:
                needs.add(EXTERNAL)
        offers: Set[Token] = {group(g) for g in policy.groups}
        if entry is None or within(entry, LINK_LOCAL):
            offers |= self._touched(member)
        if entry is not None:
            offers |= self.covered(entry)
        if member.router:
            offers.add(EXTERNAL)
        return same(Identity(member.isolated, frozenset(needs), frozenset(offers)))

    def foreign(self, space: Space, entry: Prefix) -> Identity:
        """A party that is judged by its address alone: a machine, dom0, an unlocked VIF."""
        kind, groups = space
        offers = set(self.covered(entry)) | {group(g) for g in groups}
        if (kind == "machine" or (kind == "host" and self.line.host == "allow")) and not self.is_inside(entry):
            offers.add(EXTERNAL)
        return same(Identity(False, frozenset(), frozenset(offers)))

    def boundaries(self, space: Space) -> Mapping[Prefix, Identity]:
        """Longest-prefix table of a space: only entries that differ from what lies around them."""
        if space not in self._boundaries:
            self._boundaries[space] = self._bound(space)
        return self._boundaries[space]

    def _bound(self, space: Space) -> Table[Prefix, Identity]:
        edges = set(EVERYTHING) | set(self._peer_entries)
        if space[0] != "open":
            edges |= set(self._guests) | self._gateways | self._routed | {LINK_LOCAL}
        table: Dict[Prefix, Identity] = {}
        kept = PrefixSet()
        for entry in sorted(edges, key=lambda p: p.prefixlen):
            identity = self.foreign(space, entry)
            around = kept.containing(entry)
            if not around or table[around[-1]] != identity:
                table[entry] = identity
                kept.add(entry)
        return Table(table)

    def entries(self, member: Member) -> Dict[Prefix, Identity]:
        """Own entries of a VIF with its identity there; prefixes are split where a peer list draws a line."""
        if member.entries is None and not self._peer_entries:
            member.entries = dict.fromkeys(member.policy.own, self.identity(member))
        if member.entries is None:
            table = {entry: self._identity(member, entry) for entry in member.policy.own}
            if member.vif.uuid in self._wide:
                for entry in member.policy.own:
                    if not is_single(entry):
                        for listed in self._peer_entries:
                            if listed != entry and within(listed, entry) and not self.taken(listed, member):
                                table[listed] = self._identity(member, listed)
            member.entries = table
        return member.entries

    def reserved(self, opened: bool) -> Set[Prefix]:
        """Addresses that only their owners may use: of own prefixes, or (``opened``) of those of unlocked VIFs."""
        return self._gateways | {entry for entry in self.owners if self.is_reserved(entry, opened)}

    def is_reserved(self, entry: Prefix, opened: bool) -> bool:
        """In an own prefix, singles and gateways are; to unlocked VIFs, what held ones list."""
        if entry in self._gateways:
            return True
        owners = self.owners.get(entry, ())
        held = opened and any(not self.members[uuid].open for uuid in owners)
        return bool(owners) and (held or (is_single(entry) and not opened)) and entry.prefixlen != 0


def _keep(table: Dict[K, V], key: K, value: Optional[V], keep: bool) -> None:
    if keep and value is not None:
        table[key] = value
    else:
        table.pop(key, None)
