"""The mirror: vm-data shows each VIF's record to guest and tools; the anchor in VIF.other_config is what holds."""

import logging
import subprocess
import threading
import time
from typing import Dict, List, Optional, Tuple

from ..errors import RingfenceError
from .rows import KEY, Tables
from .session import Session
from .store import MIRROR, mirror_key, write_key

log = logging.getLogger("ringfence")
AGAIN_S = 10.0
"""A key that a guest keeps rewriting is put back at most this often, and logged as often."""


class Mirror(threading.Thread):
    """Writes in a thread of its own: XAPI may wait for a plug, and a plug waits for the agent."""

    def __init__(self, session: Session, host: str) -> None:
        super().__init__(name="mirror", daemon=True)
        self.session = session
        self.host = host
        self.tampered: Dict[str, int] = {}
        """How often, by VM uuid and key."""
        self._tables: Optional[Tables] = None
        self._wake = threading.Condition()
        self._stopping = False
        self._last: Dict[Tuple[str, str], Tuple[float, Optional[str]]] = {}

    def offer(self, tables: Tables) -> None:
        with self._wake:
            self._tables = tables
            self._wake.notify()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self.session.abort()

    def run(self) -> None:
        while True:
            with self._wake:
                if self._tables is None and not self._stopping:
                    self._wake.wait(1.0)
                tables, self._tables = self._tables, None
                if self._stopping:
                    return
            if tables is None:
                continue
            later = False
            for ref, row, key, want in self._work(tables):
                later = not self._put(ref, row, key, want) or later
            if later:
                time.sleep(0.5)
                with self._wake:
                    self._tables = self._tables or tables

    def _work(self, tables: Tables) -> List[Tuple[str, Dict, str, Optional[str]]]:
        wanted: Dict[str, Dict[str, str]] = {}
        for vif in tables["vif"].values():
            if KEY in vif["other_config"]:
                wanted.setdefault(vif["VM"], {})[mirror_key(vif["device"])] = vif["other_config"][KEY]
        work: List[Tuple[str, Dict, str, Optional[str]]] = []
        master = {row["master"] for row in tables["pool"].values()}
        for ref, row in tables["vm"].items():
            if row["is_a_template"] or row["is_a_snapshot"] or row["is_control_domain"]:
                continue
            host = tables["host"].get(row["resident_on"])
            mine = host["uuid"] == self.host if host else any(tables["host"].get(m, {}).get("uuid") == self.host for m in master)
            have = {k: v for k, v in row["xenstore_data"].items() if k.startswith(MIRROR)}
            if not mine:
                continue
            for key in sorted(set(have) | set(wanted.get(ref, {}))):
                want = wanted.get(ref, {}).get(key)
                if have.get(key) != want:
                    work.append((ref, row, key, want))
                elif (ref, key) not in self._last or self._last[(ref, key)][1] != want:
                    self._last[(ref, key)] = (0.0, want)
        return work

    def _put(self, ref: str, row: Dict, key: str, want: Optional[str]) -> bool:
        """False where it must be tried again: the VM is busy, or it was put back a moment ago."""
        when, written = self._last.get((ref, key), (0.0, "" if want is None else None))
        if row["current_operations"] or (written == want and time.time() - when < AGAIN_S):
            return False
        if written == want:
            self.tampered[row["uuid"]] = self.tampered.get(row["uuid"], 0) + 1
            log.warning("vm=%s event=tampered key=%s: the mirror is put back; the policy did not change", row["uuid"], key)
        try:
            write_key(self.session, "VM", ref, "xenstore_data", key, want)
            self._live(row, key, want)
        except RingfenceError as error:
            log.warning("vm=%s event=mirror-failed key=%s reason=%s", row["uuid"], key, error)
        self._last[(ref, key)] = (time.time(), want)
        return True

    @staticmethod
    def _live(row: Dict, key: str, want: Optional[str]) -> None:
        if row["power_state"] != "Running" or int(row["domid"]) <= 0:
            return
        path = "/local/domain/{}/{}".format(row["domid"], key)
        words = ["xenstore-rm", path] if want is None else ["xenstore-write", path, want]
        try:
            subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=5)
        except (OSError, subprocess.TimeoutExpired) as error:
            log.warning("vm=%s event=xenstore-failed path=%s reason=%s", row["uuid"], path, error)
