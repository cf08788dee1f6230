"""What OVSDB says is on the bridges: read once, or watched by a thread that publishes immutable views."""

import re
import threading
import time
from typing import Any, Callable, Dict, NamedTuple, Optional, Set, Tuple

from ovs.db import idl as ovs_idl
from ovs.poller import Poller

from .. import paths
from ..errors import Unreachable
from ..wake import Wake

SOON_S = 0.25
"""How long the view is waited for where somebody says that OVSDB has changed: a look of its own takes longer than it mostly does."""
VIF_NAME = re.compile(r"(vif|tap)\d+\.\d+\Z")
_COLUMNS = {
    "Open_vSwitch": ["bridges"],
    "Bridge": ["name", "ports"],
    "Port": ["name", "interfaces", "tag", "fake_bridge", "protected", "external_ids", "bond_mode", "bond_active_slave", "lacp"],
    "Interface": ["name", "type", "ofport", "external_ids", "mac_in_use"],
}


class PortState(NamedTuple):
    """An interface on a bridge, with what its Port says."""

    name: str
    port: str
    """Name of the Port; another one than the interface's in a bond."""
    ofport: int
    """-1 where the switch has none for it."""
    kind: str
    """vif, internal or uplink."""
    tag: int = 0
    mac: str = ""
    protected: bool = False
    marked: bool = False
    """Whether ringfence wrote ``protected``."""
    external_ids: Dict[str, str] = {}
    takes: str = "all"
    """``all``, ``unicast`` or ``nothing``: what a bond takes from this member of it (ovs-vswitchd.conf.db(5), bonding)."""


class BridgeState(NamedTuple):
    name: str
    ports: Tuple[PortState, ...]
    fakes: Dict[str, int]
    """VLAN by name of the fake bridges on it."""
    uuid: str = ""
    """Of its row: another one for a bridge that was made anew under its old name."""


class OvsdbView(NamedTuple):
    bridges: Dict[str, BridgeState] = {}

    def place(self, bridge: str) -> Optional[Tuple[str, int]]:
        """The real bridge and VLAN behind the name of a bridge or fake bridge."""
        if bridge in self.bridges:
            return bridge, 0
        for real in self.bridges.values():
            if bridge in real.fakes:
                return real.name, real.fakes[bridge]
        return None

    def find(self, interface: str) -> Optional[Tuple[BridgeState, PortState]]:
        for bridge in self.bridges.values():
            for port in bridge.ports:
                if port.name == interface:
                    return bridge, port
        return None


class _Idl(ovs_idl.Idl):
    """The database as far as it is looked at; rows that changed since they were last read are read again, and no others."""

    def __init__(self) -> None:
        helper = ovs_idl.SchemaHelper(location=paths.OVS_SCHEMA)
        for table, columns in _COLUMNS.items():
            helper.register_columns(table, columns)
        super().__init__("unix:{}/db.sock".format(paths.OVS_RUN), helper)
        self._changed: Set[Any] = set()
        """uuids of rows."""
        self._known: Dict[Any, _Port] = {}
        """Ports by uuid."""

    def notify(self, _event: Any, row: Any, _updates: Any = None) -> None:
        self._changed.add(row.uuid)

    def view(self) -> OvsdbView:
        bridges: Dict[str, BridgeState] = {}
        found: Dict[Any, _Port] = {}
        for root in self.tables["Open_vSwitch"].rows.values():
            for bridge in root.bridges:
                here = [self._port(row) for row in bridge.ports]
                found.update((port.row.uuid, port) for port in here)
                ports = sorted(state for port in here for state in port.states)
                fakes = {port.fake: port.states[0].tag for port in here if port.fake and port.states}
                bridges[bridge.name] = BridgeState(bridge.name, tuple(ports), fakes, str(bridge.uuid))
        self._known = found
        self._changed.clear()
        return OvsdbView(bridges)

    def _port(self, row: Any) -> "_Port":
        known = self._known.get(row.uuid)
        if known is None or known.row is not row or not self._changed.isdisjoint(known.uuids):
            tag = row.tag[0] if row.tag else 0
            interfaces = row.interfaces
            states = tuple(_state(row, interface, tag, len(interfaces)) for interface in interfaces)
            known = _Port(row, {row.uuid}.union(i.uuid for i in interfaces), states, row.name if row.fake_bridge else "")
        return known


class _Port(NamedTuple):
    """A port as it was when it was last read."""

    row: Any
    uuids: Set[Any]
    """Of the rows that it was read from."""
    states: Tuple[PortState, ...]
    fake: str
    """Name of the fake bridge that it is, if it is one."""


def _state(port: Any, interface: Any, tag: int, members: int) -> PortState:
    """``members``: how many interfaces the port has."""
    name = interface.name
    kind = "vif" if VIF_NAME.match(name) else "internal" if interface.type == "internal" else "uplink"
    ofport, mac, protected = interface.ofport, interface.mac_in_use, port.protected
    return PortState(
        name,
        port.name,
        ofport[0] if ofport else -1,
        kind,
        tag,
        mac[0] if mac else "",
        bool(protected and protected[0]) if isinstance(protected, list) else bool(protected),
        "ringfence" in port.external_ids,
        dict(interface.external_ids),
        "all" if members < 2 else _takes(port, interface),
    )


def _takes(port: Any, interface: Any) -> str:
    """Of a bond: without LACP the switch on the other side knows of none, and floods to every member."""
    if port.lacp and port.lacp[0] in ("active", "passive"):
        return "all"
    active = port.bond_active_slave[0].lower() if port.bond_active_slave else ""
    if not active or (interface.mac_in_use and interface.mac_in_use[0].lower() == active):
        return "all"
    return "unicast" if port.bond_mode and port.bond_mode[0].startswith("balance") else "nothing"


def read_once(timeout: float = 5.0) -> OvsdbView:
    """One look, from a connection of its own. Raises Unreachable."""
    idl = _Idl()
    try:
        deadline = time.monotonic() + timeout
        while not idl.has_ever_connected():
            idl.run()
            if idl.has_ever_connected():
                break
            left = deadline - time.monotonic()
            if left <= 0:
                raise Unreachable("OVSDB does not answer", paths.OVS_RUN + "/db.sock", "is openvswitch running?")
            poller = Poller()
            idl.wait(poller)
            poller.timer_wait(int(left * 1000) + 1)
            poller.block()
        return idl.view()
    finally:
        idl.close()


class OvsdbWatcher(threading.Thread):
    """Publishes ``view`` and calls ``on_change`` after every change; reconnects by itself."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        super().__init__(name="ovsdb", daemon=True)
        self.view: Optional[OvsdbView] = None
        self._on_change = on_change
        self._stopping = Wake()

    def run(self) -> None:
        idl = _Idl()
        seen = -1
        while not self._stopping.is_set():
            idl.run()
            if idl.has_ever_connected() and idl.change_seqno != seen:
                seen = idl.change_seqno
                view = idl.view()
                if view != self.view:
                    self.view = view
                    self._on_change()
            poller = Poller()
            idl.wait(poller)
            poller.timer_wait(200)
            poller.block()
        idl.close()

    def seen(self, good: Callable[[OvsdbView], bool]) -> OvsdbView:
        """The view once it is ``good``, as it is about to be; else what a look of its own sees. Raises Unreachable."""
        deadline = time.monotonic() + SOON_S
        while time.monotonic() < deadline:
            view = self.view
            if view is not None and good(view):
                return view
            time.sleep(0.0005)
        return read_once()

    def stop(self) -> None:
        self._stopping.set()
