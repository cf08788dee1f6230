"""The hook without an agent: the same reconcile, on what the agent saved last and the JSON at hand."""

from typing import Any, Dict, Optional

from ..agent.compose import compose, learn
from ..agent.reconcile import Reconciler
from ..agent.state import State
from ..switch.ovsdb import read_once
from . import log


class Alone:
    """Answers what the agent would answer."""

    def __init__(self) -> None:
        log.start()
        self.state = State.load()

    def describe(self, plug: Dict[str, Any]) -> Dict[str, Any]:
        learn(plug, self.state, self.state.facts, False)
        facts = compose(self.state.facts, False, self.state)
        return Reconciler(self.state).describe(facts, plug["vif"])

    def commit(self, plug: Dict[str, Any]) -> Dict[str, Any]:
        if plug["interface"] not in self.state.plugs or "against" not in plug:
            learn(plug, self.state, self.state.facts, False)
        plug["ready"] = True
        closed = self._apply(plug["interface"])
        self.state.save()
        return {"closed": closed}

    def unplug(self, interface: str, bridge: Optional[str]) -> None:
        self.state.plugs.pop(interface, None)
        self._apply(interface, bridge)
        self.state.save()

    def _apply(self, interface: str, bridge: Optional[str] = None) -> Optional[str]:
        view = read_once()
        found = view.find(interface)
        place = view.place(bridge) if bridge else None
        name = found[0].name if found else place[0] if place else None
        if self.state.facts is None:
            if found and found[1].ofport > 0:
                Reconciler(self.state).close_unknown(found[0].name, found[1].ofport)
            return "nothing is known of the pool on this host: start ringfenced"
        facts = compose(self.state.facts, False, self.state)
        outcome = Reconciler(self.state).run(facts, view, only=name)
        if outcome.failed:
            return "; ".join(outcome.failed.values())
        return outcome.closed.get(interface)
