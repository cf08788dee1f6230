"""One network on one bridge: which parts of its flows a change of the picture, or of what is plugged here, makes stale."""

from collections import Counter
from functools import partial
from typing import Any, Dict, Iterable, Mapping, Optional, Set

from ..picture import NetworkFacts, NetworkView
from ..picture.identity import EXTERNAL, Identity
from ..picture.roster import HOST, MACHINE, Member, Space
from ..records import NetworkLine
from ..records.addresses import Prefix, in_order, is_single
from ..table import differing
from . import deliver, guest, party, verdict
from .classes import Classes
from .flow import FlowSet
from .parts import Part, Writer
from .site import BridgePlan, Segment, Site

Todo = Dict[Part, Optional[Writer]]
NOBODY_THERE = NetworkView(NetworkFacts("", ""), NetworkLine(), ())


class Fence:
    """Remembers what it was last compiled from. A member is the same as long as it is the same object (picture/network.py)."""

    def __init__(self, site: Site) -> None:
        segment, numbers = site.segment, site.numbers
        self.key = (segment.view.facts.uuid, segment.tag)
        self._given = (segment.view.line, site.plan.tags)
        self._numbers = numbers
        self._net = site.net
        self._classes = Classes(numbers, self._net)
        self._segment = segment._replace(view=NOBODY_THERE, ports={})
        self._frame: Any = None
        self._spaces: Counter = Counter()
        """How many members have each."""
        self._edges: Dict[Space, Mapping[Prefix, Identity]] = {}
        self._wide: Set[str] = set()
        """Held VIFs here that have a prefix of their own."""
        self._opened: Set[str] = set()
        """Unlocked VIFs here."""
        self._routers: Dict[str, Member] = {}
        """Here."""
        self._reserved: Dict[bool, Set[Prefix]] = {False: set(), True: set()}
        """Entries that are kept from own prefixes (False) and from unlocked VIFs (True)."""
        self._reserved_macs: Set[str] = set()
        """uuids of VIFs whose MACs are kept from unlocked ones."""
        self._needed: Counter = Counter()
        """Tokens that members here need."""
        self._offered: Counter = Counter()
        """Tokens that members beyond the uplinks offer."""
        self._beyond: Optional[Identity] = None

    def fits(self, segment: Segment, plan: BridgePlan) -> bool:
        """Whether nothing differs from what was last compiled that the flows of every VIF depend on."""
        return self._given == (segment.view.line, plan.tags)

    def take(self, site: Site, todo: Todo) -> None:
        """Put what is to be written again into ``todo``."""
        was, now = self._segment, site.segment
        self._segment = now
        frame = (site.plan.uplinks, site.plan.backups, site.plan.deaf, now.internal)
        if frame != self._frame:
            self._frame = frame
            todo[self._part("network")] = partial(party.network, site=site)
        touched = sorted(_touched(was, now))
        entries: Set[Prefix] = set()
        routers = False
        for uuid in touched:
            moved = _only_moved(was.view, now.view, uuid)
            for segment, sign in ((was, -1), (now, 1)):
                member = segment.view.members.get(uuid)
                if member is not None:
                    entries.update(() if moved else member.policy.own)
                    routers = self._count(segment, member, sign) or routers
            there = uuid in now.view.members or uuid in now.view.closed
            if uuid not in now.view.members and not (there and uuid in now.ports):
                self._numbers.release_vif(uuid)
            todo[self._part("vif", uuid)] = partial(_vif, site=site, uuid=uuid) if there else None
            if not moved:
                member = now.view.members.get(uuid)
                found = None if member is None else partial(party.destination, site=site, member=member)
                todo[self._part("destination", uuid)] = found
        for entry in sorted(entries, key=in_order):
            todo[self._part("asked", entry)] = partial(party.asked_for, site=site, entry=entry) if entry in now.view.owners else None
        self._reserve(site, todo, entries, routers)
        self._reserve_macs(site, todo, touched)
        self._bound(site, todo)
        if self._look_beyond(now) or any(uuid in was.ports or uuid in now.ports for uuid in touched):
            todo[self._part("flood")] = partial(self._flood, site=site)
        self._judge(site, todo)

    def leave(self) -> None:
        """The fence is gone: its numbers are free."""
        view = self._segment.view
        for uuid in list(view.members) + list(view.closed):
            self._numbers.release_vif(uuid)
        for space in self._edges:
            self._numbers.release_space(self._net, space)
        self._classes.leave()
        self._numbers.release_network(self.key[0])

    def _part(self, *names: Any) -> Part:
        return (self.key,) + names

    def _count(self, segment: Segment, member: Member, sign: int) -> bool:
        """A member comes (1) or goes (-1). Whether it routes here."""
        uuid, view, here = member.vif.uuid, segment.view, bool(segment.ports.get(member.vif.uuid))
        everywhere = view.identity(member)
        (self._classes.hold if sign > 0 else self._classes.drop)([everywhere, *view.entries(member).values()])
        if member.space is not None:
            _add(self._spaces, member.space, sign)
        for token in everywhere.needs if here else ():
            _add(self._needed, token, sign)
        for token in everywhere.offers if member.vif.migrating or not here else ():
            _add(self._offered, token, sign)
        _keep(self._wide, uuid, sign > 0 and here and not member.open and any(not is_single(e) for e in member.policy.own))
        _keep(self._opened, uuid, sign > 0 and here and member.open)
        self._routers.pop(uuid, None)
        if sign > 0 and here and member.router:
            self._routers[uuid] = member
        return here and member.router

    def _reserve(self, site: Site, todo: Todo, touched: Set[Prefix], routers: bool) -> None:
        """``routers``: those that route here are others, or have changed."""
        view = site.view
        for opened, active in ((False, bool(self._wide)), (True, bool(self._opened))):
            known = self._reserved[opened]
            if not active:
                fresh, gone = set(), set(known)
            elif not known or (routers and not opened):
                fresh = view.reserved(opened)
                gone = known - fresh
            else:
                fresh = {entry for entry in touched if view.is_reserved(entry, opened)}
                gone = (known & touched) - fresh
            through = [router for _, router in sorted(self._routers.items())]
            for entry in sorted(fresh, key=in_order):
                write = partial(guest.reserve_open, site=site, entry=entry)
                if not opened:
                    write = partial(guest.reserve, site=site, routers=through, entry=entry)
                todo[self._part("reserved", opened, entry)] = write
            todo.update((self._part("reserved", opened, entry), None) for entry in gone)
            known |= fresh
            known -= gone

    def _reserve_macs(self, site: Site, todo: Todo, touched: Iterable[str]) -> None:
        known, view = self._reserved_macs, site.view
        if not self._opened:
            fresh, gone = set(), set(known)
        else:
            fresh = {uuid for uuid in touched if uuid in view.members or uuid in view.closed}
            gone = known.intersection(touched) - fresh
            if not known:
                fresh = set(view.members) | set(view.closed)
        for uuid in sorted(fresh):
            todo[self._part("reserved-mac", uuid)] = partial(guest.reserve_mac, site=site, uuid=uuid)
        todo.update((self._part("reserved-mac", uuid), None) for uuid in gone)
        known |= fresh
        known -= gone

    def _bound(self, site: Site, todo: Todo) -> None:
        """Who is judged by its address alone."""
        spaces = {MACHINE} | set(self._spaces)
        if site.segment.internal:
            spaces.add(HOST)
        for space in sorted(set(self._edges) | spaces, key=lambda one: (one[0], sorted(one[1]))):
            was: Mapping[Prefix, Identity] = self._edges.pop(space, {})
            table: Mapping[Prefix, Identity] = {}
            if space in spaces:
                table = self._edges[space] = site.view.boundaries(space)
            else:
                self._numbers.release_space(self._net, space)
            for entry in sorted(differing(was, table), key=in_order):
                before, after = was.get(entry), table.get(entry)
                if before != after:
                    self._classes.hold([] if after is None else [after])
                    self._classes.drop([] if before is None else [before])
                    write = partial(party.edge, site=site, space=space, entry=entry)
                    todo[self._part("edge", space, entry)] = None if after is None else write

    def _look_beyond(self, now: Segment) -> bool:
        """Whether a flooded frame may mean another class beyond the uplinks now: machines, and the members that are not here.

        A halted one too: it may be started elsewhere while this host hears nothing of it. What nobody here needs of them is
        left out: it lets nobody pass.
        """
        offers = {token for token in self._needed if token in self._offered}
        offers.update(
            token for token in self._needed if token[0] == "peers" and not isinstance(token[1], str) and now.view.strange(token[1])
        )
        beyond = Identity(False, frozenset(), frozenset(offers | {EXTERNAL}))
        if beyond == self._beyond:
            return False
        self._classes.hold([beyond])
        self._classes.drop([] if self._beyond is None else [self._beyond])
        self._beyond = beyond
        return True

    def _flood(self, flows: FlowSet, site: Site) -> None:
        members = [site.view.members[uuid] for uuid in sorted(site.segment.ports) if uuid in site.view.members]
        assert self._beyond is not None
        deliver.flood(flows, site, [(site.vid(m.vif.uuid), site.any_class(m)) for m in members], site.number(self._beyond))

    def _judge(self, site: Site, todo: Todo) -> None:
        identities, tokens = self._classes.settle()
        for token, lives in tokens.items():
            write = partial(verdict.token, site=site, number=self._classes.live.get(token, 0))
            todo[self._part("token", token)] = write if lives else None
        for identity, held in identities.items():
            judge = partial(verdict.identity, site=site, one=identity, live=self._classes.live)
            todo[self._part("class", identity)] = judge if held else None


def _touched(was: Segment, now: Segment) -> Set[str]:
    """VIFs of which anything that their flows say may have changed."""
    found = {uuid for ports in (was.ports, now.ports) for uuid in ports if was.ports.get(uuid) != now.ports.get(uuid)}
    if was.view is now.view:
        return found
    found |= differing(was.view.members, now.view.members) | differing(was.view.closed, now.view.closed)
    for uuid in list(found):  # what is closed leaves its MAC to a member that bears it
        for view in (was.view, now.view):
            member, closed = view.members.get(uuid), view.closed.get(uuid)
            mac = member.vif.mac if member is not None else closed[0].mac if closed is not None else ""
            found.update(other for known in (was.view, now.view) for other in known.by_mac.get(mac, ()))
    return found


def _only_moved(was: NetworkView, now: NetworkView, uuid: str) -> bool:
    """Whether a member is what it was to all others, wherever it is plugged."""
    before, after = was.members.get(uuid), now.members.get(uuid)
    if before is None or after is None:
        return False
    if before is after:
        return True
    alike = before.vif.mac == after.vif.mac and before.policy == after.policy
    return alike and was.identity(before) == now.identity(after) and was.entries(before) == now.entries(after)


def _vif(flows: FlowSet, site: Site, uuid: str) -> None:
    member = site.view.members.get(uuid)
    if member is None:
        guest.closed(flows, site, uuid)
        party.closed(flows, site, uuid)
        return
    guest.member(flows, site, member)
    party.arrival(flows, site, member)
    deliver.member(flows, site, member)


def _add(table: Counter, key: Any, sign: int) -> None:
    """What is counted down to none is no longer in it."""
    table[key] += sign
    if not table[key]:
        del table[key]


def _keep(table: Set[str], uuid: str, keep: bool) -> None:
    (table.add if keep else table.discard)(uuid)
