"""The facts that are enforced: XAPI's where events come, else the last known, with what hooks told of new VIFs."""

import time
from typing import Any, Dict, Mapping, Optional, Tuple

from ..picture import Facts, VifFacts
from ..records import XapiFields
from ..table import differing, table_of
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
    """``base`` with what only a hook has told: itself where that is nothing."""
    facts = base or Facts()
    told: Dict[str, VifFacts] = {}
    for plug in state.plugs.values():
        known = facts.vifs.get(plug["vif"])
        if known is None:
            told[plug["vif"]] = plugged_facts(plug)
        elif not in_sync and plug.get("fresh") and plug.get("against", [None]) == [known.line]:
            new = plugged_facts(plug)
            told[plug["vif"]] = known._replace(line=new.line, xapi=new.xapi, mac=new.mac, network=new.network)
    return facts._replace(vifs=table_of(facts.vifs).after(told)) if told else facts


class Settling:
    """Keeps a line that has just vanished until it has stayed away for SETTLE_S. A change costs what it changes."""

    def __init__(self) -> None:
        self._given = Facts()
        self._made = Facts()
        self._until: Dict[Tuple[str, str], float] = {}
        """When (monotonic) a line that is gone is taken to be gone, by kind and uuid."""

    def apply(self, facts: Facts, now: Optional[float] = None) -> Facts:
        """The same object again where nothing has changed since."""
        moment = time.monotonic() if now is None else now
        if facts is self._given and not self._until:
            return self._made
        given, made = self._given, self._made
        self._given = facts
        self._made = facts._replace(
            vifs=self._rows("vif", given.vifs, facts.vifs, made.vifs, moment),
            networks=self._rows("network", given.networks, facts.networks, made.networks, moment),
            pool_line=self._line(("pool", ""), facts.pool_line, made.pool_line, moment),
        )
        return self._made

    def _rows(
        self, kind: str, given: Mapping[str, Any], now: Mapping[str, Any], made: Mapping[str, Any], moment: float
    ) -> Mapping[str, Any]:
        """``made``: what came of ``given``."""
        waiting = {uuid for word, uuid in self._until if word == kind}
        changed = differing(given, now) | waiting
        if not changed:
            return made
        there = [uuid for uuid in changed if uuid in now and uuid in made]
        if not waiting and not any(now[uuid].line is None and made[uuid].line is not None for uuid in there):
            return now  # no line is gone
        rows: Dict[str, Any] = {}
        for uuid in changed:
            row = now.get(uuid)
            if row is None:
                rows[uuid] = None
                self._until.pop((kind, uuid), None)
                continue
            line = self._line((kind, uuid), row.line, made[uuid].line if uuid in made else None, moment)
            rows[uuid] = row if line == row.line else row._replace(line=line)
        return table_of(made).after(rows)

    def _line(self, key: Tuple[str, str], line: Optional[str], last: Optional[str], now: float) -> Optional[str]:
        """``last``: what held so far."""
        if line is not None or last is None:
            self._until.pop(key, None)
            return line
        if now < self._until.setdefault(key, now + SETTLE_S):
            return last
        del self._until[key]
        return None

    @property
    def waiting(self) -> bool:
        return bool(self._until)
