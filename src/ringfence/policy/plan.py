"""A document laid over a pool: what would change, what the pool would then be, and which guests gain or lose each other."""

from collections import Counter
from typing import Callable, Dict, List, NamedTuple, Optional, Set, Tuple

from ..errors import BadInput, BadRecord
from ..picture import Facts, Picture, VifFacts
from ..picture.facts import NetworkFacts
from ..picture.identity import Identity, reaches
from ..picture.network import NetworkView
from ..records import Record, parse_network, parse_record
from .document import Document
from .expect import broken

MANY = 3000
"""More kinds of guests than this on one network are not compared with each other."""


class Change(NamedTuple):
    """One line that would be another."""

    kind: str
    """``VIF`` or ``network``."""
    uuid: str
    name: str
    before: Optional[str]
    after: Optional[str]
    """None where it goes."""


class Pairs(NamedTuple):
    """Pairs of guests of one network that may exchange frames after, and not before; and the other way round."""

    gained: int = 0
    lost: int = 0
    uncounted: Tuple[str, ...] = ()
    """Networks of too many kinds of guests."""


class Plan(NamedTuple):
    changes: List[Change]
    after: Picture
    broken: List[str]
    """Expectations that would not hold, a line each."""


def make_plan(
    picture: Picture,
    document: Document,
    find_vif: Callable[[str], VifFacts],
    find_network: Callable[[str], NetworkFacts],
    prune: bool = False,
) -> Plan:
    """Everything is looked at before anything is said to be good. Raises BadInput, told where in the document.

    ``prune``: what the document does not name goes: records of other VIFs, lines of other networks, other groups.
    """
    vifs = _vifs(picture, document, find_vif, prune)
    networks: Dict[str, Optional[str]] = {}
    for name, line in document.networks.items():
        network = find_network(name)
        if network.uuid in networks:
            raise BadInput("is named twice", "networks: {}".format(name), "name it once")
        networks[network.uuid] = None if line is None else _network_line(name, line)
    if prune:
        networks.update({uuid: None for uuid in picture.facts.networks if uuid not in networks})
    changes = []
    for uuid, network in picture.facts.networks.items():
        if uuid in networks and networks[uuid] != network.line:
            changes.append(Change("network", uuid, "network {}".format(network.name), network.line, networks[uuid]))
    for vif, line in sorted(((picture.facts.vifs[uuid], line) for uuid, line in vifs.items()), key=lambda row: row[0].name):
        if line != vif.line:
            changes.append(Change("VIF", vif.uuid, vif.name, vif.line, line))
    after = Picture(_changed(picture.facts, changes), picture)
    return Plan(changes, after, [text for expectation in document.expect for text in broken(after, expectation)])


def _network_line(name: str, line: str) -> str:
    try:
        parse_network(line)
    except BadRecord as error:
        raise error.at("networks: {}".format(name)) from None
    return line


def _vifs(picture: Picture, document: Document, find_vif: Callable[[str], VifFacts], prune: bool) -> Dict[str, Optional[str]]:
    """The record that each VIF would have, by uuid; VIFs that keep theirs may be missing."""
    records: Dict[str, Optional[Record]] = {}
    said: Set[str] = set()
    for name, line in document.vifs.items():
        where = "vifs: {}".format(name)
        vif = _found(find_vif, name, where)
        if vif.uuid in said:
            raise BadInput("is named twice", where, "name it once")
        said.add(vif.uuid)
        if line is not None and line == vif.line:
            continue  # also one that cannot be read: it is not ours to judge here
        records[vif.uuid] = None if line is None else _record(line, vif, where)
    if prune:
        records.update({uuid: None for uuid, vif in picture.facts.vifs.items() if uuid not in said and vif.line is not None})
    members: Dict[str, Set[str]] = {}
    for group, names in document.groups.items():
        for name in names:
            members.setdefault(group, set()).add(_found(find_vif, name, "groups: {}".format(group)).uuid)
    for group in document.groups:
        _make_group(picture, group, members.get(group, set()), records, said)
    lines: Dict[str, Optional[str]] = {}
    for uuid, record in records.items():
        vif = picture.facts.vifs[uuid]
        lines[uuid] = None if record is None else str(record._replace(mac=vif.mac))
        if record is not None:
            _record(str(lines[uuid]), vif, vif.name)  # its limits, now that its groups are in it
            if _means(vif, record):
                lines[uuid] = vif.line
    return lines


def _make_group(picture: Picture, group: str, members: Set[str], records: Dict[str, Optional[Record]], said: Set[str]) -> None:
    """Those VIFs and no others are in the group."""
    for uuid, vif in picture.facts.vifs.items():
        record = records[uuid] if uuid in records else _kept(vif)
        has = record is not None and group in record.groups
        if uuid in members and not has:
            records[uuid] = (record or Record())._replace(groups=(record.groups if record else frozenset()) | {group})
        elif uuid not in members and has and record is not None:
            if uuid in said:
                what = "its record is in group {}, whose list lacks it".format(group)
                raise BadInput(what, "vifs: {}".format(vif.name), "say it in one of the two places")
            records[uuid] = record._replace(groups=record.groups - {group})


def _kept(vif: VifFacts) -> Optional[Record]:
    """The record that a VIF has; one that cannot be read is in no group, and stays as it is."""
    try:
        return None if vif.line is None else parse_record(vif.line)
    except BadRecord:
        return None


def _found(find: Callable[[str], VifFacts], name: str, where: str) -> VifFacts:
    try:
        return find(name)
    except BadInput as error:
        raise error.at(where) from None


def _record(line: str, vif: VifFacts, where: str) -> Record:
    try:
        record = parse_record(line)
    except BadRecord as error:
        raise error.at(where) from None
    if record.mac is not None and record.mac != vif.mac:
        raise BadInput("it is bound to {}, and the VIF has {}".format(record.mac, vif.mac), where, "leave mac out")
    return record


def _means(vif: VifFacts, record: Record) -> bool:
    """Whether the VIF's own line says this already, in whatever words; one that is not bound to its MAC stays so."""
    kept = _kept(vif)
    return kept is not None and kept.mac in (None, vif.mac) and kept._replace(mac=None) == record._replace(mac=None)


def _changed(facts: Facts, changes: List[Change]) -> Facts:
    vifs, networks = dict(facts.vifs), dict(facts.networks)
    for change in changes:
        if change.kind == "VIF":
            vifs[change.uuid] = vifs[change.uuid]._replace(line=change.after)
        else:
            networks[change.uuid] = networks[change.uuid]._replace(line=change.after)
    return facts._replace(vifs=vifs, networks=networks)


def count_pairs(before: Picture, after: Picture) -> Pairs:
    """Guests of one identity are counted together: the cost is that of the kinds of guests, not of the guests."""
    gained = lost = 0
    uncounted = []
    for uuid, new in after.networks.items():
        old = before.networks.get(uuid)
        if old is new or old is None:
            continue
        kinds = list(Counter((_identity(old, vif), _identity(new, vif)) for vif in _guests(new)).items())
        if len(kinds) > MANY:
            uncounted.append(new.facts.name)
            continue
        for place, ((old_a, new_a), many_a) in enumerate(kinds):
            for (old_b, new_b), many_b in kinds[place:]:
                was, now = _talk(old_a, old_b), _talk(new_a, new_b)
                if was != now:
                    pairs = many_a * (many_a - 1) // 2 if (old_a, new_a) == (old_b, new_b) else many_a * many_b
                    gained, lost = gained + pairs * now, lost + pairs * was
    return Pairs(gained, lost, tuple(uncounted))


def _guests(view: NetworkView) -> List[str]:
    return list(view.members) + list(view.closed)


def _identity(view: NetworkView, vif: str) -> Optional[Identity]:
    """None for a closed one."""
    member = view.members.get(vif)
    return None if member is None else view.identity(member)


def _talk(one: Optional[Identity], other: Optional[Identity]) -> bool:
    return one is not None and other is not None and bool(reaches(one, other)) and bool(reaches(other, one))


def export(picture: Picture, name_of: Callable[[VifFacts], str]) -> Document:
    """All records and lines of a pool; groups as lists, and out of the records."""
    vifs: Dict[str, Optional[str]] = {}
    groups: Dict[str, List[str]] = {}
    for vif in sorted(picture.facts.vifs.values(), key=lambda v: (v.name, v.uuid)):
        if vif.line is None:
            continue
        name = name_of(vif)
        try:
            record = parse_record(vif.line)
        except BadRecord:
            vifs[name] = vif.line
            continue
        for group in sorted(record.groups):
            groups.setdefault(group, []).append(name)
        bound = None if record.mac == vif.mac else record.mac
        vifs[name] = str(record._replace(mac=bound, groups=frozenset()))
    networks: Dict[str, Optional[str]] = {
        network.name: network.line for network in picture.facts.networks.values() if network.line is not None
    }
    return Document(vifs, networks, {group: tuple(names) for group, names in groups.items()})
