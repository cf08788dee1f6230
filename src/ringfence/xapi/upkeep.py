"""What this host writes into XAPI, in a thread of its own: XAPI may wait for a plug, and a plug waits for the agent."""

import logging
import threading
import time
from typing import Callable, Dict, Optional, Set

from ..errors import RingfenceError
from ..wake import Wake
from .alert import Alerts
from .fallback import Fallback
from .limit import Effort
from .mirror import Mirror
from .presence import Presence
from .rollback import Rollback
from .rows import Row, Rows, Touched, is_guest
from .session import Session

log = logging.getLogger("ringfence")
TICK_S = 1.0


class Upkeep(threading.Thread):
    """One writer a VM: the host where it is; the caretaker's for halted ones. Never while a VM has operations."""

    def __init__(self, session: Session, host: str, interval: float, propose: Callable[[str, str], None]) -> None:
        """``interval``: seconds between two signs of presence."""
        super().__init__(name="upkeep", daemon=True)
        self.session = session
        self.host = host
        self.alerts = Alerts(session)
        self.mirror = Mirror(session, self.alerts, propose)
        self.fallback = Fallback(session)
        self.presence = Presence(session, host, interval)
        self.rollback = Rollback()
        self.missing: Dict[str, str] = {}
        """Names of the hosts that show no sign of ringfence, by uuid."""
        self._rows: Optional[Rows] = None
        self._due: Dict[str, float] = {}
        """When (monotonic) a VM must be looked at, by reference."""
        self._lock = threading.Lock()
        self._wake = Wake()
        self._stopping = False
        self._effort = Effort(0.02, 0.1)

    def offer(self, rows: Rows, touched: Touched) -> None:
        """Events came: the VMs that they are about are looked at."""
        vms: Set[str] = set()
        everything = rows is not self._rows
        for kind, ref in touched:
            if kind == "vm":
                vms.add(ref)
            elif kind == "vif":
                vif = rows.get("vif", ref)
                if vif is not None:
                    vms.add(vif["VM"])
            elif kind in ("pool", "network"):
                everything = True
        with self._lock:
            self._rows = rows
            if everything:
                vms.update(ref for ref, _ in rows.all("vm"))
            now = time.monotonic()
            self._due.update((ref, now) for ref in vms)
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self.session.abort()

    def run(self) -> None:
        while True:
            with self._lock:
                soonest = min(self._due.values(), default=time.monotonic() + TICK_S)
            self._wake.wait(min(TICK_S, soonest - time.monotonic()))
            self._wake.clear()
            if self._stopping:
                return
            with self._lock:
                rows, now = self._rows, time.monotonic()
                due = [ref for ref, when in self._due.items() if when <= now]
                for ref in due:
                    del self._due[ref]
            self.rollback.look(self.session)
            if rows is None:
                continue
            with self._effort:
                self._hosts(rows)
                mine_too = self.presence.caretaker(rows)
                for ref in due:
                    if self._stopping:
                        return
                    self._one(ref, rows, mine_too)
            time.sleep(self._effort.rest)

    def _one(self, ref: str, rows: Rows, caretaker: bool) -> None:
        row = rows.get("vm", ref)
        if row is None or not is_guest(row) or not self._mine(row, rows, caretaker):
            self.mirror.forget(ref)
            self.fallback.forget(ref)
            return
        if row["current_operations"]:
            return  # their end is an event
        waits = [self.mirror.look(ref, row, rows), self.fallback.look(ref, row, rows)]
        again = min((w for w in waits if w), default=0.0)
        if again:
            with self._lock:
                self._due.setdefault(ref, time.monotonic() + again)

    def _mine(self, row: Row, rows: Rows, caretaker: bool) -> bool:
        host = rows.get("host", row["resident_on"])
        return caretaker if host is None else host["uuid"] == self.host

    def _hosts(self, rows: Rows) -> None:
        """Our own sign, and those that do not come."""
        try:
            self.presence.sign(rows)
        except RingfenceError as error:
            log.debug("event=sign-failed reason=%s", error)
        self.presence.look(rows)
        missing = self.presence.missing(rows)
        for uuid, row in missing.items():
            if uuid not in self.missing:
                log.warning("host=%s event=no-agent: VIFs that are to be isolated are not enforced by ringfence there", row["name_label"])
            if self.presence.caretaker(rows):
                body = "No sign of ringfence on {}. With no-agent=closed, isolated VIFs are on no bridge there: install it."
                self.alerts.send("RINGFENCE_HOST_WITHOUT_AGENT", "Host", uuid, body.format(row["name_label"]))
        for uuid in set(self.missing) - set(missing):
            log.info("host=%s event=agent-back", self.missing[uuid])
        self.missing = {uuid: str(row["name_label"]) for uuid, row in missing.items()}
