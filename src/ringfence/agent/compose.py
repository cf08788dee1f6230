"""The facts that are enforced: XAPI's where events come, else the last known, with what hooks told of new VIFs."""

import time
from typing import Any, Dict, Optional, Tuple

from ..picture import Facts, VifFacts
from ..records import XapiFields
from .state import State

SETTLE_S = 2.0
"""``xe … other-config:k=v`` is a removal and an addition: a record is gone only when it is still gone after this."""


def plugged_facts(plug: Dict[str, Any]) -> VifFacts:
    mode, ipv4, ipv6 = plug["xapi"]
    return VifFacts(
        plug["vif"],
        plug["vm"],
        plug.get("vm_name", plug["vm"]),
        plug["device"],
        plug["mac"],
        plug["network"],
        plug["line"],
        XapiFields(mode, tuple(ipv4), tuple(ipv6)),
    )


def learn(plug: Dict[str, Any], state: State, known: Optional[Facts], in_sync: bool) -> None:
    """What a hook says of a VIF before it is on its bridge.

    While XAPI's events come, they are newer than any hook. Else the hook is, where it says something else than the last
    one (a guest's own reboot brings an old record, and so does a migration), and as long as the facts say what they say
    now: ``fresh`` and ``against``.
    """
    row = known.vifs.get(plug["vif"]) if known is not None else None
    plug["fresh"] = not in_sync and not plug.get("migrated") and plug["line"] != state.lines.get(plug["vif"], "never")
    plug["against"] = [row.line] if row is not None else []
    for earlier in state.plugs.values():  # the same word again, for a second port or a new mode: as new as it was
        if not plug["fresh"] and earlier["vif"] == plug["vif"] and earlier.get("fresh") and earlier["line"] == plug["line"]:
            plug["fresh"], plug["against"] = True, earlier["against"]
    plug["ready"] = False
    state.lines[plug["vif"]] = plug["line"]
    state.plugs[plug["interface"]] = plug


def compose(base: Optional[Facts], in_sync: bool, state: State) -> Facts:
    """``base`` with this host's own residence left out, and the VIFs that only a hook has told of."""
    facts = base or Facts()
    vifs = {uuid: vif._replace(host="") if vif.host == state.host else vif for uuid, vif in facts.vifs.items()}
    for plug in state.plugs.values():
        known = vifs.get(plug["vif"])
        told = plugged_facts(plug)
        if known is None:
            vifs[told.uuid] = told
        elif not in_sync and plug.get("fresh") and plug.get("against", [None]) == [known.line]:
            vifs[told.uuid] = known._replace(line=told.line, xapi=told.xapi, mac=told.mac, network=told.network)
    return facts._replace(vifs=vifs)


class Settling:
    """Keeps a line that has just vanished until it has stayed away for SETTLE_S."""

    def __init__(self) -> None:
        self._kept: Dict[Tuple[str, str], Tuple[str, float]] = {}
        self._last: Dict[Tuple[str, str], str] = {}

    def apply(self, facts: Facts, now: Optional[float] = None) -> Facts:
        moment = time.monotonic() if now is None else now
        vifs = {u: v._replace(line=self._line("vif", u, v.line, moment)) for u, v in facts.vifs.items()}
        networks = {u: n._replace(line=self._line("network", u, n.line, moment)) for u, n in facts.networks.items()}
        return facts._replace(vifs=vifs, networks=networks, pool_line=self._line("pool", "", facts.pool_line, moment))

    def _line(self, kind: str, uuid: str, line: Optional[str], now: float) -> Optional[str]:
        key = (kind, uuid)
        if line is not None:
            self._last[key] = line
            self._kept.pop(key, None)
            return line
        if key in self._last:
            self._kept[key] = (self._last.pop(key), now + SETTLE_S)
        if key in self._kept:
            kept, until = self._kept[key]
            if now < until:
                return kept
            del self._kept[key]
        return None

    @property
    def waiting(self) -> bool:
        return bool(self._kept)
