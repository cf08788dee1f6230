"""What OVSDB says is on the bridges: read once, or watched by a thread that publishes immutable views."""

import re
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from ovs.db import idl as ovs_idl
from ovs.poller import Poller

from .. import paths
from ..errors import Unreachable
from ..wake import Wake

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


def _connect() -> Any:
    helper = ovs_idl.SchemaHelper(location=paths.OVS_SCHEMA)
    for table, columns in _COLUMNS.items():
        helper.register_columns(table, columns)
    return ovs_idl.Idl("unix:{}/db.sock".format(paths.OVS_RUN), helper)


def _read(idl: Any) -> OvsdbView:
    bridges: Dict[str, BridgeState] = {}
    for root in idl.tables["Open_vSwitch"].rows.values():
        for bridge in root.bridges:
            ports: List[PortState] = []
            fakes: Dict[str, int] = {}
            for port in bridge.ports:
                tag = port.tag[0] if port.tag else 0
                if port.fake_bridge:
                    fakes[port.name] = tag
                for interface in port.interfaces:
                    ports.append(_port(port, interface, tag))
            bridges[bridge.name] = BridgeState(bridge.name, tuple(sorted(ports)), fakes, str(bridge.uuid))
    return OvsdbView(bridges)


def _port(port: Any, interface: Any, tag: int) -> PortState:
    kind = "vif" if VIF_NAME.match(interface.name) else "internal" if interface.type == "internal" else "uplink"
    return PortState(
        interface.name,
        port.name,
        interface.ofport[0] if interface.ofport else -1,
        kind,
        tag,
        interface.mac_in_use[0] if interface.mac_in_use else "",
        bool(port.protected and port.protected[0]) if isinstance(port.protected, list) else bool(port.protected),
        "ringfence" in port.external_ids,
        dict(interface.external_ids),
        _takes(port, interface),
    )


def _takes(port: Any, interface: Any) -> str:
    """Without LACP the switch on the other side knows of no bond: it floods to every member."""
    if len(port.interfaces) < 2 or (port.lacp and port.lacp[0] in ("active", "passive")):
        return "all"
    active = port.bond_active_slave[0].lower() if port.bond_active_slave else ""
    if not active or (interface.mac_in_use and interface.mac_in_use[0].lower() == active):
        return "all"
    return "unicast" if port.bond_mode and port.bond_mode[0].startswith("balance") else "nothing"


def read_once(timeout: float = 5.0) -> OvsdbView:
    """One look, from a connection of its own. Raises Unreachable."""
    idl = _connect()
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
        return _read(idl)
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
        idl = _connect()
        seen = -1
        while not self._stopping.is_set():
            idl.run()
            if idl.has_ever_connected() and idl.change_seqno != seen:
                seen = idl.change_seqno
                view = _read(idl)
                if view != self.view:
                    self.view = view
                    self._on_change()
            poller = Poller()
            idl.wait(poller)
            poller.timer_wait(200)
            poller.block()
        idl.close()

    def stop(self) -> None:
        self._stopping.set()
