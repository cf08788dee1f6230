"""The mirror: vm-data shows each VIF's record to guest and tools; the anchor in VIF.other_config is what holds."""

import logging
import time
from typing import Callable, Dict, List, Optional

from .. import xenstore
from ..errors import BadRecord, RingfenceError
from ..records import parse_pool, parse_record
from .alert import Alerts
from .keys import KEY
from .limit import Backoff
from .rows import Row, Rows
from .session import Session
from .store import MIRROR, mirror_key, write_key, write_line

log = logging.getLogger("ringfence")
SETTLE_S = 2.0
"""``xe … xenstore-data:k=v`` is a removal and an addition: a key is gone only when it is still gone after this."""
FIRST_S, LONGEST_S = 10.0, 300.0
"""A key that a guest keeps rewriting is put back and logged at most this often, ever more seldom."""
MOST_KEYS = 32
"""That belong to no VIF and are removed at a time: a guest can make a thousand."""
SHOWN = 200
"""Characters of a foreign value in a log line."""


class Mirror:
    """Looks after the vm-data of one VM at a time; called by one thread."""

    def __init__(self, session: Session, alerts: Alerts, propose: Callable[[str, str], None]) -> None:
        """``propose`` is given a VIF's uuid and the last value that its mirror was given by somebody else."""
        self.session = session
        self.alerts = alerts
        self.tampered: Dict[str, int] = {}
        """How often, by VIF name."""
        self._propose = propose
        self._same: Dict[str, Dict[str, Optional[str]]] = {}
        """By VM and key: what mirror and anchor both said last."""
        self._gone: Dict[str, Dict[str, float]] = {}
        """When (monotonic) a key was first seen to be gone."""
        self._written: Dict[str, Row] = {}
        """By VM: the row as it was when we last wrote; it says nothing about what came of that."""
        self._again = Backoff(FIRST_S, LONGEST_S)

    def forget(self, vm: str) -> None:
        """The VM is gone, or another host's."""
        self._written.pop(vm, None)
        self._same.pop(vm, None)
        self._gone.pop(vm, None)

    def look(self, vm: str, row: Row, rows: Rows) -> float:
        """Bring the mirrors of a VM (reference, row) right; seconds until it must be looked at again, 0 for no need."""
        if self._written.get(vm) is row:
            return 0.0  # the event about what we wrote is still under way
        anchors = {mirror_key(vif["device"]): (ref, vif) for ref, vif in rows.vifs_of(vm)}
        have = {key: value for key, value in row["xenstore_data"].items() if key.startswith(MIRROR)}
        waits = [self._one(vm, row, rows, key, have.get(key), *anchors[key]) for key in sorted(anchors)]
        waits.append(self._strays(vm, row, sorted(set(have) - set(anchors))))
        return min((wait for wait in waits if wait), default=0.0)

    def _strays(self, vm: str, row: Row, keys: List[str]) -> float:
        """Keys that are no VIF's: one that is gone, or whatever a guest makes up. Removed some at a time."""
        wait = self._again.due((vm, "")) if keys else 0.0
        if not keys or wait:
            return wait
        self._again.done((vm, ""))
        log.info("vm=%s event=strays keys=%d first=%s: they belong to no VIF and are removed", row["uuid"], len(keys), _shown(keys[0]))
        for key in keys[:MOST_KEYS]:
            self._put(vm, row, key, None)
        return FIRST_S if len(keys) > MOST_KEYS else 0.0

    def _one(self, vm: str, row: Row, rows: Rows, key: str, have: Optional[str], ref: str, vif: Row) -> float:
        same, gone = self._same.setdefault(vm, {}), self._gone.setdefault(vm, {})
        want = vif["other_config"].get(KEY)
        if have == want:
            same[key] = want
            gone.pop(key, None)
            return 0.0
        foreign = have != same[key] if key in same else have is not None
        if have is None and foreign:
            since = gone.setdefault(key, time.monotonic())
            left = since + SETTLE_S - time.monotonic()
            if left > 0:
                return left
        gone.pop(key, None)
        if foreign:
            anchor_stands = want is None or same.get(key) == want
            if have is not None and anchor_stands and self._adopts(rows, have):
                return self._adopt(vm, key, ref, vif, have)
            wait = self._again.due((vm, key))
            if wait:
                return wait
            self._again.done((vm, key))
            self._report(row, key, have, vif)
        wait = self._put(vm, row, key, want)
        if not wait:
            same[key] = want
        return wait

    def _put(self, vm: str, row: Row, key: str, want: Optional[str]) -> float:
        try:
            write_key(self.session, "VM", vm, "xenstore_data", key, want)
            _live(row, key, want)
        except RingfenceError as error:
            log.warning("vm=%s event=mirror-failed key=%s reason=%s", row["uuid"], _shown(key), error)
            return FIRST_S
        self._written[vm] = row
        return 0.0

    def _report(self, row: Row, key: str, have: Optional[str], vif: Row) -> None:
        """Which VIF, and what was tried; never a guess at who."""
        label = "{}/{}".format(row["name_label"], vif["device"])
        tried = "removed" if have is None else _shown(have)
        if label in self.tampered or len(self.tampered) < Backoff.LIMIT:
            self.tampered[label] = self.tampered.get(label, 0) + 1
        if have is not None:
            self._propose(vif["uuid"], have)
        log.warning("vif=%s vm=%s event=tampered value=%s: the mirror is put back, the policy did not change", label, row["uuid"], tried)
        body = "{} differs from the record of {}: {}. The record holds, and the mirror was put back. If it is wanted: ringfence adopt {}"
        self.alerts.send("RINGFENCE_TAMPERED", "VM", row["uuid"], body.format(_shown(key), label, tried, row["name_label"]))

    @staticmethod
    def _adopts(rows: Rows, have: str) -> bool:
        """Whether the pool takes vm-data for the policy (``vm-data=adopt``), and this value is a record at all."""
        try:
            parse_record(have)
            return any(parse_pool(pool["other_config"].get(KEY, "")).vm_data == "adopt" for _, pool in rows.all("pool"))
        except BadRecord:
            return False

    def _adopt(self, vm: str, key: str, ref: str, vif: Row, have: str) -> float:
        record = parse_record(have)
        line = str(record if record.mac else record._replace(mac=vif["MAC"].lower()))
        try:
            write_line(self.session, "VIF", ref, line)
        except RingfenceError as error:
            log.warning("vif=%s event=adopt-failed reason=%s", vif["uuid"], error)
            return FIRST_S
        log.info("vif=%s event=adopted line=%s", vif["uuid"], _shown(line))
        self._same[vm][key] = have  # the anchor's event comes; then the mirror follows its canonical form
        return 0.0


def _shown(text: str) -> str:
    """A guest's text for a log line: bounded, on one line."""
    return repr(text if len(text) <= SHOWN else "{}… ({} characters)".format(text[:SHOWN], len(text)))


def _live(row: Row, key: str, want: Optional[str]) -> None:
    """The copy in xenstore; ``VM.set_xenstore_data`` would wait behind a plug, and a plug for us."""
    if row["power_state"] != "Running" or int(row["domid"]) <= 0:
        return
    path = "/local/domain/{}/{}".format(row["domid"], key)
    folder = path.rpartition("/")[0]
    try:
        if want is not None:
            xenstore.write(path, want)
            return
        xenstore.remove(path)
        if not xenstore.listed(folder):
            xenstore.remove(folder)
    except RingfenceError as error:
        log.warning("vm=%s event=xenstore-failed path=%s reason=%s", row["uuid"], _shown(path), error)
