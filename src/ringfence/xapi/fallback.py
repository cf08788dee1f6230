"""``no-agent=closed``: on a host without ringfence, the stock hook puts VIFs that are to be isolated on no bridge."""

import logging
from typing import Dict

from ..errors import BadRecord, RingfenceError
from ..records import Closed, PoolLine, effective, parse_network, parse_pool
from .keys import KEY, SAVED_MODE
from .rows import Row, Rows, xapi_fields
from .session import Session
from .store import write_key

log = logging.getLogger("ringfence")
RETRY_S = 30.0


class Fallback:
    """Sets XAPI's own locking mode of isolated VIFs to ``disabled``, keeps the old one beside it, and puts it back."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._written: Dict[str, Dict[str, Row]] = {}
        """By VM and VIF: the row as it was when we last wrote; the event about that is still under way."""

    def forget(self, vm: str) -> None:
        """The VM is gone, or another host's."""
        self._written.pop(vm, None)

    def look(self, vm: str, row: Row, rows: Rows) -> float:
        """Bring the modes of a VM's VIFs right; seconds until it must be looked at again, 0 for no need."""
        later = 0.0
        written = self._written.setdefault(vm, {})
        closing = _pool_line(rows).no_agent == "closed"
        for ref, vif in rows.vifs_of(vm):
            network = rows.get("network", vif["network"])
            if network is None or written.get(ref) is vif:
                continue
            try:
                if self._one(ref, vif, closing and _must_close(vif, network)):
                    written[ref] = vif
            except RingfenceError as error:
                log.warning("vif=%s/%s event=fallback-failed reason=%s", row["name_label"], vif["device"], error)
                later = RETRY_S
        return later

    def _one(self, ref: str, vif: Row, close: bool) -> bool:
        """Whether anything was written. In each order of the two writes the VIF reads as it is meant."""
        saved = vif["other_config"].get(SAVED_MODE)
        ours = saved is not None and vif["locking_mode"] == "disabled"
        if close and not ours:
            if vif["locking_mode"] == "disabled":
                return False  # the operator's own; nothing is closer than that
            write_key(self.session, "VIF", ref, "other_config", SAVED_MODE, vif["locking_mode"])
            self.session.call("VIF.set_locking_mode", ref, "disabled")
            return True
        if not close and saved is not None:
            if ours:
                self.session.call("VIF.set_locking_mode", ref, saved)
            write_key(self.session, "VIF", ref, "other_config", SAVED_MODE, None)
            return True
        return False


def _pool_line(rows: Rows) -> PoolLine:
    for _, pool in rows.all("pool"):
        try:
            return parse_pool(pool["other_config"].get(KEY, ""))
        except BadRecord:
            break
    return PoolLine()


def _must_close(vif: Row, network: Row) -> bool:
    """Isolated, or not to be understood: what a host without ringfence must not let out."""
    try:
        line = parse_network(network["other_config"].get(KEY, ""))
    except BadRecord:
        return True
    if line.enforce == "watch":
        return False
    policy = effective(vif["other_config"].get(KEY), vif["MAC"].lower(), line, xapi_fields(vif, network))
    return isinstance(policy, Closed) or policy.mode == "isolated"
