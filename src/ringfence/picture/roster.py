"""Who takes part in a network: its VIFs that run, those that are closed, and why."""

from typing import Container, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Set, Tuple, Union

from ..records import Closed, Policy
from ..records.addresses import Prefix
from ..table import Table
from .facts import VifFacts
from .identity import Identity

Space = Tuple[str, FrozenSet[str]]
"""How addresses that are not pinned to a VIF are judged: ("machine" | "host" | "open", groups)."""
MACHINE: Space = ("machine", frozenset())
HOST: Space = ("host", frozenset())
MANY = 8
"""Own entries: as many are looked for in a set, which is not worth its memory for fewer."""


class Row(NamedTuple):
    """A VIF, and what its record and its network's line come to."""

    vif: VifFacts
    policy: Union[Policy, Closed]

    @property
    def may_run(self) -> bool:
        return not isinstance(self.policy, Closed) and self.policy.mode != "disabled"

    @property
    def held(self) -> bool:
        """Whether it is reason enough for its network to be fenced."""
        return isinstance(self.policy, Closed) or self.policy.mode in ("locked", "isolated")


class Member:
    """A VIF that takes part in its network. Never changed: where anything about it changes, another one takes its place.

    So what its network's view works out about it is kept here.
    """

    __slots__ = ("_own", "default", "entries", "policy", "vif")

    def __init__(self, vif: VifFacts, policy: Policy) -> None:
        self.vif = vif
        self.policy = policy
        self.default: Optional[Identity] = None
        """In a frame that names no address of it."""
        self.entries: Optional[Dict[Prefix, Identity]] = None
        """At its own entries."""
        self._own: Container[Prefix] = policy.own if len(policy.own) < MANY else frozenset(policy.own)

    def lists(self, entry: Prefix) -> bool:
        """Whether this very address or prefix is one of its own, and not only within one."""
        return entry in self._own

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


class Roster:
    """``take`` changes it: a view keeps one, and gives the next view a copy."""

    def __init__(self) -> None:
        self.members: Table[str, Member] = Table()
        self.closed: Table[str, Tuple[VifFacts, str]] = Table()
        """With the reason, "" where the VIF is disabled."""
        self.by_mac: Table[str, Tuple[str, ...]] = Table()
        """uuids of all VIFs, sorted."""
        self._rows: Table[str, Row] = Table()
        self._held = 0
        self._shared: Set[str] = set()
        """MACs that several VIFs have."""

    def copy(self) -> "Roster":
        made = Roster()
        made.members, made.closed, made.by_mac = self.members.copy(), self.closed.copy(), self.by_mac.copy()
        made._rows, made._held, made._shared = self._rows.copy(), self._held, self._shared.copy()
        return made

    @property
    def fenced(self) -> bool:
        """Whether any VIF is held to anything: else the network gets no flow."""
        return self._held > 0

    def take(self, rows: Dict[str, Optional[Row]]) -> Dict[str, Tuple[Optional[Member], Optional[Member]]]:
        """Put rows in, or (None) take VIFs out. By uuid, the members that came or went, and what they were before."""
        fenced = self.fenced
        doubtful: Set[str] = set(rows)
        for uuid, row in rows.items():
            for mac in {one.vif.mac for one in (self._rows.get(uuid), row) if one is not None}:
                doubtful.update(self.by_mac.get(mac, ()))
            self._put(uuid, row)
        if fenced != self.fenced:
            for mac in self._shared:
                doubtful.update(self.by_mac[mac])
        changed: Dict[str, Tuple[Optional[Member], Optional[Member]]] = {}
        for uuid in doubtful:
            before = self.members.get(uuid)
            after = self._judge(uuid, fresh=uuid in rows)
            if after is not before:
                changed[uuid] = (before, after)
        return changed

    def renew(self, uuid: str) -> Member:
        """The same member as another object: what was worked out about it holds no more."""
        made = Member(self.members[uuid].vif, self.members[uuid].policy)
        self.members.put(uuid, made)
        return made

    def _put(self, uuid: str, row: Optional[Row]) -> None:
        old: Optional[Row] = self._rows.get(uuid)
        self._rows.drop(uuid)
        if old is not None:
            self._held -= old.held
            self._name(old.vif.mac, set(self.by_mac[old.vif.mac]) - {uuid})
        if row is not None:
            self._rows.put(uuid, row)
            self._held += row.held
            self._name(row.vif.mac, set(self.by_mac.get(row.vif.mac, ())) | {uuid})

    def _name(self, mac: str, uuids: Iterable[str]) -> None:
        named = tuple(sorted(uuids))
        if named:
            self.by_mac.put(mac, named)
        else:
            self.by_mac.drop(mac)
        (self._shared.add if len(named) > 1 else self._shared.discard)(mac)

    def _judge(self, uuid: str, fresh: bool) -> Optional[Member]:
        """Two VIFs with one MAC: nobody can tell them apart, so both close, but where nobody is held to anything."""
        row = self._rows.get(uuid)
        reason: Optional[str] = None
        if row is not None and isinstance(row.policy, Closed):
            reason = row.policy.reason
        elif row is not None and not row.may_run:
            reason = ""
        elif row is not None and self.fenced and len(self.by_mac[row.vif.mac]) > 1:
            rivals: List[VifFacts] = [r.vif for r in (self._rows[u] for u in self.by_mac[row.vif.mac]) if r.may_run]
            if len(rivals) > 1:
                names = " and ".join(sorted(vif.name for vif in rivals))
                reason = "{} share the MAC {}: give one of them another".format(names, row.vif.mac)
        if reason is None:
            self.closed.drop(uuid)
        elif row is not None and (fresh or self.closed.get(uuid, (None, None))[1] != reason):
            self.closed.put(uuid, (row.vif, reason))
        if row is None or isinstance(row.policy, Closed) or reason is not None:
            self.members.drop(uuid)
        elif fresh or uuid not in self.members:
            self.members.put(uuid, Member(row.vif, row.policy))
        return self.members.get(uuid)
