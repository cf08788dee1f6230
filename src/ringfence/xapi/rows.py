"""XAPI's records of five classes as events bring them, and the facts that they amount to."""

import sys
import threading
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from ..mac import MAC
from ..picture import Facts, NetworkFacts, VifFacts
from ..records import XapiFields
from ..table import Table
from .keys import KEY, own_mode
from .session import Session

CLASSES = ("pool", "host", "network", "vm", "vif")
FIELDS = {
    "pool": ("uuid", "master", "other_config"),
    "host": ("uuid", "name_label", "enabled", "other_config"),
    "network": ("uuid", "name_label", "bridge", "default_locking_mode", "other_config"),
    "vm": (
        "uuid",
        "name_label",
        "power_state",
        "resident_on",
        "domid",
        "is_a_template",
        "is_a_snapshot",
        "is_control_domain",
        "current_operations",
        "xenstore_data",
    ),
    "vif": ("uuid", "VM", "network", "device", "MAC", "locking_mode", "ipv4_allowed", "ipv6_allowed", "other_config"),
}
"""What is looked at: a VM alone has a hundred fields, and a pool 20,000 of them."""
ALIKE = {
    "vm": ("power_state", "resident_on", "current_operations", "xenstore_data"),
    "vif": ("network", "device", "locking_mode", "ipv4_allowed", "ipv6_allowed"),
}
"""Fields in which thousands of rows say the same."""
NULL = "OpaqueRef:NULL"
Row = Dict[str, Any]
_NOTHING: Dict[type, Any] = {dict: {}, list: []}
Tables = Dict[str, Dict[str, Row]]
"""Snapshots by reference, by class (in lower case), of a pool whole, of Rows their FIELDS. A row is replaced, never changed."""
Touched = Set[Tuple[str, str]]
"""Class and reference."""

MIGRATIONS = frozenset({"pool_migrate", "migrate_send"})


class Rows:
    """Thread-safe. An event costs what it changes: ``facts`` is the same object while no fact has changed."""

    def __init__(self, places: bool = True) -> None:
        """``places``: whether it is among the facts where VMs run. No flow depends on it, and all VMs of a pool may move at once."""
        self._places = places
        self.tables: Tables = {name: {} for name in CLASSES}
        self._vifs: Table[str, VifFacts] = Table()
        self.facts = Facts(self._vifs)
        self.lock = threading.RLock()
        self._uuids: Dict[str, str] = {}
        """uuid of a VIF that is among the facts, by reference."""
        self._hosts: Dict[str, str] = {}
        """uuids of the hosts by reference."""
        self._refs: Dict[str, Tuple[str, ...]] = {}
        """The other way; two while one row takes another's place, for events come in no order."""
        self._vifs_of: Dict[str, Tuple[str, ...]] = {}
        """References of VIFs by reference of their VM."""
        self._vifs_on: Dict[str, Set[str]] = {}
        """The same by reference of their network."""

    def take(self, events: Iterable[Dict[str, Any]]) -> Touched:
        """Take events in, as ``event.from`` gives them, ``trimmed`` or not. Raises KeyError or TypeError for what is no event."""
        touched: Touched = set()
        with self.lock:
            for event in events:
                rows = self.tables.get(event["class"].lower())
                if rows is None:
                    continue
                key = (event["class"].lower(), event["ref"])
                touched.add(key)
                if key[0] == "vif":
                    self._unlink(key[1])
                if event["operation"] == "del":
                    rows.pop(key[1], None)
                else:
                    rows[key[1]] = event["snapshot"]
                    if key[0] == "vif":
                        vm, network = event["snapshot"]["VM"], event["snapshot"]["network"]
                        self._vifs_of[vm] = self._vifs_of.get(vm, ()) + (key[1],)
                        self._vifs_on.setdefault(network, set()).add(key[1])
            self._count(touched)
        return touched

    def _unlink(self, ref: str) -> None:
        row = self.tables["vif"].get(ref)
        if row is not None:
            _drop(self._vifs_of, row["VM"], ref)
            self._vifs_on.get(row["network"], set()).discard(ref)

    def _count(self, touched: Touched) -> None:
        """Bring the facts up to date."""
        tables, facts = self.tables, self.facts
        there = tables["host"] if self._places else {}
        hosts = {row["uuid"]: row["name_label"] for row in there.values()}
        host_refs = {ref: row["uuid"] for ref, row in there.items()}
        stale = {ref for kind, ref in touched if kind == "vif"}
        if host_refs != self._hosts:
            self._hosts = host_refs
            stale.update(tables["vif"])
        else:
            for kind, ref in touched:
                if kind == "vm":
                    stale.update(self._vifs_of.get(ref, ()))
                elif kind == "network":
                    stale |= self._vifs_on.get(ref, set())
        doubtful: Set[str] = set()
        made: Dict[str, Optional[VifFacts]] = {}
        for ref in stale:
            if ref in self._uuids:
                known = self._uuids.pop(ref)
                doubtful.add(known)
                _drop(self._refs, known, ref)
            vif = made[ref] = self._vif(ref)
            if vif is not None:
                doubtful.add(vif.uuid)
                self._uuids[ref] = vif.uuid
                self._refs[vif.uuid] = self._refs.get(vif.uuid, ()) + (ref,)
        changed = {uuid: self._of_uuid(uuid, made) for uuid in doubtful}
        changed = {uuid: vif for uuid, vif in changed.items() if facts.vifs.get(uuid) != vif}
        if changed:
            self._vifs = self._vifs.after(changed)
            facts = facts._replace(vifs=self._vifs)
        if any(kind == "network" for kind, _ in touched):
            facts = facts._replace(networks={row["uuid"]: _network(row) for row in tables["network"].values()})
        line = None
        for row in tables["pool"].values():
            line = row["other_config"].get(KEY)
        facts = facts._replace(hosts=hosts, pool_line=line)
        if facts != self.facts:
            self.facts = facts

    def _vif(self, ref: str) -> Optional[VifFacts]:
        """None for what is no VIF of a VM proper: VIFs of templates, snapshots and control domains are left out.

        So is one with no MAC that is one: its port is a stranger's, closed where a network is fenced.
        """
        row = self.tables["vif"].get(ref)
        if row is None:
            return None
        vm, network = self.tables["vm"].get(row["VM"]), self.tables["network"].get(row["network"])
        if vm is None or network is None or not is_guest(vm) or not MAC.match(row["MAC"].lower()):
            return None
        return _vif(row, vm, network, self.tables["host"].get(vm["resident_on"]) if self._places else None)

    def _of_uuid(self, uuid: str, made: Dict[str, Optional[VifFacts]]) -> Optional[VifFacts]:
        """``made``: by reference, what was read from its row already."""
        refs = self._refs.get(uuid)
        if refs is None:
            return None
        ref = max(refs)
        return made[ref] if ref in made else self._vif(ref)

    def vifs_of(self, vm: str) -> List[Tuple[str, Row]]:
        """References and rows of the VIFs of a VM (by reference)."""
        with self.lock:
            return [(ref, self.tables["vif"][ref]) for ref in sorted(self._vifs_of.get(vm, ()))]

    def get(self, kind: str, ref: str) -> Optional[Row]:
        return self.tables[kind].get(ref)

    def all(self, kind: str) -> List[Tuple[str, Row]]:
        with self.lock:
            return list(self.tables[kind].items())


def trimmed(given: Dict[str, Any]) -> Dict[str, Any]:
    """An event with what is looked at of its row; anything else as it is.

    Done as an answer is read, it saves the memory for a pool's rows whole.
    """
    if "snapshot" not in given:  # nearly all are something inside a row
        return given
    kind, row = str(given.get("class")).lower(), given["snapshot"]
    fields = FIELDS.get(kind)
    if fields is None or not isinstance(row, dict):
        return given
    snapshot = {name: row[name] for name in fields if name in row}
    for name in ALIKE.get(kind, ()):
        if name in snapshot:
            snapshot[name] = _shared(snapshot[name])
    event: Row = {name: given[name] for name in ("class", "operation", "ref") if name in given}
    event["snapshot"] = snapshot
    return event


def _drop(table: Dict[str, Tuple[str, ...]], key: str, ref: str) -> None:
    """Sets of one or two are tuples: a pool has tens of thousands."""
    left = tuple(other for other in table.get(key, ()) if other != ref)
    if left:
        table[key] = left
    else:
        table.pop(key, None)


def _shared(value: Any) -> Any:
    """One object for all that say the same."""
    if isinstance(value, str):
        return sys.intern(value)
    return value or _NOTHING.get(type(value), value)


def is_guest(vm: Row) -> bool:
    return not (vm["is_a_template"] or vm["is_a_snapshot"] or vm["is_control_domain"])


def read_tables(session: Session) -> Tables:
    """One look at the database. Raises RingfenceError."""
    names = {"vif": "VIF", "vm": "VM"}
    return {name: session.call("{}.get_all_records".format(names.get(name, name))) for name in CLASSES}


def rows_of(tables: Tables) -> Rows:
    """A whole database, as ``get_all_records`` gives it."""
    rows = Rows()
    added = ({"class": kind, "operation": "add", "ref": r, "snapshot": s} for kind in CLASSES for r, s in tables[kind].items())
    rows.take(map(trimmed, added))
    return rows


def _network(row: Row) -> NetworkFacts:
    return NetworkFacts(row["uuid"], row["name_label"], row["bridge"], row["other_config"].get(KEY))


def xapi_fields(row: Row, network: Row) -> XapiFields:
    mode = own_mode(row["locking_mode"], row["other_config"])
    if mode == "network_default":
        mode = network["default_locking_mode"]
    return XapiFields(mode, tuple(row["ipv4_allowed"]), tuple(row["ipv6_allowed"]))


def _vif(row: Row, vm: Row, network: Row, host: Optional[Row]) -> VifFacts:
    return VifFacts(
        row["uuid"],
        vm["uuid"],
        vm["name_label"],
        row["device"],
        row["MAC"].lower(),
        network["uuid"],
        row["other_config"].get(KEY),
        xapi_fields(row, network),
        host["uuid"] if host and vm["power_state"] in ("Running", "Paused") else "",
        bool(MIGRATIONS & set(vm["current_operations"].values())),
    )
