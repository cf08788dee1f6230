"""One bridge: what we know is in it, and how it is brought to what should be."""

import fcntl
import os
import time
from typing import AbstractSet, Dict, List, Optional, Sequence, Set

from .. import paths
from ..errors import Unreachable
from ..flows import Change, FlowSet
from ..flows.flow import Key
from ..flows.pipeline import PREFIXES, TABLES
from .command import vsctl
from .openflow import PortSession, Session
from .ovsdb import BridgeState


class BridgeLock:
    """One writer a bridge, agent and hook alike; says whether another wrote since we last held it."""

    def __init__(self, bridge: str) -> None:
        os.makedirs(paths.RUN, mode=0o700, exist_ok=True)
        self._path = os.path.join(paths.RUN, "{}.lock".format(bridge))
        self._file: Optional[int] = None
        self._stamp = b""

    def acquire(self, timeout: float = 15.0) -> bool:
        """True when nobody else wrote in between. Raises Unreachable when another holds it for too long."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    os.close(self._file)
                    raise Unreachable("another writer holds the bridge", self._path, "wait, or end that process") from None
                time.sleep(0.01)
        stamp = os.read(self._file, 64)
        return bool(self._stamp) and stamp == self._stamp

    def release(self) -> None:
        if self._file is not None:
            self._stamp = "{} {}".format(os.getpid(), time.time()).encode()
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, self._stamp, 0)
            os.close(self._file)
            self._file = None


class BridgeWriter:
    """Brings our flows and port settings on one bridge to what is wanted; the cost is that of the difference."""

    def __init__(self, name: str, uuid: str) -> None:
        self.name = name
        self.uuid = uuid
        """Of the bridge's row in OVSDB: what is known of one bridge is not true of another under its name."""
        self.installed: Optional[FlowSet] = None
        self._flooding: Dict[str, int] = {}
        self.session = Session(name)
        self._ports = PortSession(name)
        self._lock = BridgeLock(name)
        self._prefixes = False

    def close(self) -> None:
        self.session.close()
        self._ports.close()

    def forget(self) -> None:
        """The switch may have lost everything: look before the next change."""
        self.installed = None
        self._flooding = {}
        self._prefixes = False

    def apply(self, wanted: FlowSet, change: Optional[Change] = None, keep: bool = False) -> int:
        """Make our flows the wanted ones, in one bundle; the number of changes. ``keep`` deletes nothing.

        ``change``: what differs from what ``wanted`` held when it was last applied; without it the switch is asked, as it is
        where that cannot be relied on. Raises SwitchRefused (then nothing has changed) or Unreachable.
        """
        known, self.installed = self.installed, None
        alone = self._lock.acquire()
        try:
            remove: Sequence[Key]
            if change is None or not alone or known is not wanted:
                remove, add = self.session.differences(wanted)  # what is right stays as it is
            else:
                remove, add = change
            gone = [] if keep else remove
            self.session.commit(gone, add)
            self.installed = wanted if len(gone) == len(remove) else None  # where nothing is left over, all is known
            return len(gone) + len(add)
        finally:
            self._lock.release()

    def hold_ports(self, bridge: BridgeState, fenced: Set[str], leave: AbstractSet[str] = frozenset()) -> None:
        """``no-flood`` and ``protected`` for the VIF ports of fenced networks, and for no other that we set.

        Ports to ``leave`` stay as they are.
        """
        words = []
        changes: Dict[str, bool] = {}
        for port in bridge.ports:
            if port.kind != "vif" or port.name in leave:
                continue
            if port.name in fenced and not (port.protected and port.marked):
                words += ["--", "--if-exists", "set", "Port", port.port, "protected=true", "external_ids:ringfence=protected"]
            elif port.name not in fenced and port.marked and port.ofport > 0:  # one without a number is on its way
                words += ["--", "--if-exists", "set", "Port", port.port, "protected=false"]
                words += ["--", "--if-exists", "remove", "Port", port.port, "external_ids", "ringfence"]
            held = self._flooding.get(port.name) == port.ofport
            if port.ofport > 0 and (port.name in fenced) != held and (port.name in fenced or held or port.marked):
                changes[port.name] = port.name not in fenced
        if changes:
            self._ports.set_flooding(changes)
            self._flooding.update((port.name, port.ofport) for port in bridge.ports if changes.get(port.name) is False)
            self._flooding = {name: number for name, number in self._flooding.items() if not changes.get(name)}
        if words:
            vsctl(*words[1:])
        present = {port.name for port in bridge.ports}
        self._flooding = {name: number for name, number in self._flooding.items() if name in present}

    def track_prefixes(self) -> None:
        """Set Flow_Table.prefixes on the tables that match addresses; done once, when the first fenced VIF comes."""
        if self._prefixes:
            return
        if not self._tracked():
            vsctl(*prefix_words(self.name))
        self._prefixes = True

    def _tracked(self) -> bool:
        have = vsctl("get", "Bridge", self.name, "flow_tables")
        return all("{}=".format(TABLES[name]) in have.replace(" ", "") for name in PREFIXES)


def prefix_words(bridge: str) -> List[str]:
    """For ovs-vsctl: the fields that each table tracks."""
    words: List[str] = []
    for name, fields in PREFIXES.items():
        words += ["--", "--id=@{}".format(name), "create", "Flow_Table", "prefixes={}".format(",".join(fields))]
    entries = ["flow_tables:{}=@{}".format(TABLES[name], name) for name in PREFIXES]
    return words[1:] + ["--", "set", "Bridge", bridge] + entries
