"""reconcile: bring every bridge to what the picture says. The agent and a hook that is alone run the same one."""

import logging
import time
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from ..errors import RingfenceError, SwitchRefused
from ..flows import Compiler, close_ports
from ..picture import Facts, Picture
from ..switch import ofctl
from ..switch.bridge import BridgeWriter
from ..switch.datapath import revalidate
from ..switch.ovsdb import BridgeState, OvsdbView
from .plan import Layout, lay_out, named
from .state import State

log = logging.getLogger("ringfence")
AGAIN_S = 60.0
"""A VIF whose flows the switch refused is tried again when the facts change, and after this."""


class Outcome(NamedTuple):
    """What one reconcile did."""

    changes: int = 0
    closed: Dict[str, str] = {}
    """Reason by interface."""
    failed: Dict[str, str] = {}
    """By bridge: why it could not be brought right."""


class Reconciler:
    """Holds what is known to be in each bridge between two runs."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.writers: Dict[str, BridgeWriter] = {}
        self.refused: Dict[str, Set[str]] = {}
        """By bridge: VIFs whose flows the switch refused."""
        self._tried: Dict[str, Tuple[Optional[Picture], float]] = {}
        """By bridge: with which picture they were last tried, and when (monotonic)."""
        self.picture: Optional[Picture] = None
        self._compilers: Dict[str, Compiler] = {}
        self._freed: Dict[str, List[int]] = {}
        """By bridge: numbers of VIFs that are gone, whose counters the switch still has."""

    def run(self, facts: Facts, view: OvsdbView, sweep: bool = True, only: Optional[str] = None, held: bool = False) -> Outcome:
        """Apply. ``sweep``: what is not wanted goes; without it flows are only added.

        ``held``: the switch forwards nothing yet, so there is no datapath to wait for.
        """
        if self.picture is None or self.picture.facts != facts:
            self.picture = Picture(facts, self.picture)
        running = set() if held else _running_free(view)
        view = named(view, self.state.plugs)
        changes = 0
        closed: Dict[str, str] = {}
        failed: Dict[str, str] = {}
        for name, layout in lay_out(self.picture, view).items():
            if only is not None and name != only:
                continue
            try:
                done = self._bridge(name, layout, view, sweep, running)
                if done and not held:
                    revalidate(self.writers[name].session)
                changes += done
                closed.update(layout.closed)
                closed.update(self._refused_ports(view.bridges[name]))
            except RingfenceError as error:
                failed[name] = str(error)
            except (ValueError, KeyError, TypeError, IndexError) as error:  # a mistake of ours: this bridge stays as it is
                failed[name] = "its flows cannot be made ({!r}): tell the makers of ringfence".format(error)
        for name in set(self.writers) - set(view.bridges):
            self.writers.pop(name).close()
            self._compilers.pop(name, None)
            self._freed.pop(name, None)
        return Outcome(changes, closed, failed)

    def close_unknown(self, bridge: str, ofport: int) -> None:
        """Nothing is known of the pool: close one port, and leave all else as it is."""
        BridgeWriter(bridge, "").apply(close_ports((ofport,)), keep=True)

    def describe(self, facts: Facts, vif: str) -> Dict[str, Any]:
        """Before a plug: whether the VIF is disabled, and whether its network is fenced (with it on it)."""
        picture = Picture(facts, self.picture)
        return {"disabled": picture.why_cut(vif) == "", "held": picture.view_of(vif).held}

    def _bridge(self, name: str, layout: Layout, view: OvsdbView, sweep: bool, running: Set[str]) -> int:
        """Ports are held before their flows change, but for those that run free: what they may go on doing is not cut."""
        uuid = view.bridges[name].uuid
        writer = self.writers.get(name)
        if writer is None or writer.uuid != uuid:
            writer = self.writers[name] = BridgeWriter(name, uuid)
        if layout.plan.segments:
            writer.track_prefixes()
        writer.hold_ports(view.bridges[name], layout.fenced, running)
        try:
            return self._fill(writer, name, layout, sweep)
        finally:
            if running & layout.fenced:
                writer.hold_ports(view.bridges[name], layout.fenced)

    def _fill(self, writer: BridgeWriter, name: str, layout: Layout, sweep: bool) -> int:
        bad = self.refused.get(name, set())
        picture, when = self._tried.get(name, (None, 0.0))
        if bad and (picture is not self.picture or time.monotonic() - when > AGAIN_S):
            return self._try_each(writer, layout, sorted(bad), sweep)
        try:
            return self._apply(writer, layout, bad, sweep)
        except SwitchRefused as error:
            log.warning("bridge=%s event=refused reason=%s", name, error)
            return self._try_each(writer, layout, [uuid for s in layout.plan.segments for uuid in sorted(s.ports)], sweep)

    def _apply(self, writer: BridgeWriter, layout: Layout, bad: Set[str], sweep: bool) -> int:
        name = writer.name
        compiler = self._compilers.pop(name, None) or Compiler(self.state.numbers.get(name))
        change = compiler.compile(_without(layout, bad).plan)
        self._compilers[name] = compiler  # one that failed is not used again
        self.state.numbers[name] = compiler.numbers.kept()
        freed = self._freed.setdefault(name, [])
        freed += compiler.freed
        changes = writer.apply(compiler.flows, change, keep=not sweep)
        ofctl.forget_counters(name, freed)
        freed.clear()
        return changes

    def _try_each(self, writer: BridgeWriter, layout: Layout, suspects: List[str], sweep: bool) -> int:
        """The switch refused a flow: close all suspects, then open them one by one, as far as it takes them."""
        self._tried[writer.name] = (self.picture, time.monotonic())
        bad = set(suspects)
        self.refused[writer.name] = bad
        changes = self._apply(writer, layout, bad, sweep)
        for uuid in suspects:
            try:
                changes += self._apply(writer, layout, bad - {uuid}, sweep)
                bad.discard(uuid)
            except SwitchRefused as refusal:
                log.error("vif=%s event=refused reason=%s", uuid, refusal)
        return changes

    def _refused_ports(self, bridge: BridgeState) -> Dict[str, str]:
        bad = self.refused.get(bridge.name, set())
        return {p.name: "the switch refused its flows" for p in bridge.ports if p.external_ids.get("xs-vif-uuid") in bad}


def _running_free(view: OvsdbView) -> Set[str]:
    """VIF ports that were never held, and say whose they are: they run on networks that were not fenced so far."""
    ports = (port for bridge in view.bridges.values() for port in bridge.ports)
    return {port.name for port in ports if port.kind == "vif" and not port.marked and "xs-vif-uuid" in port.external_ids}


def _without(layout: Layout, bad: Set[str]) -> Layout:
    """The layout with some VIFs closed: their ports drop, and no flow names them."""
    if not bad:
        return layout
    strangers: List[int] = list(layout.plan.strangers)
    segments = []
    for segment in layout.plan.segments:
        strangers += [port for uuid in sorted(bad & set(segment.ports)) for port in segment.ports[uuid]]
        segments.append(segment._replace(ports={u: p for u, p in segment.ports.items() if u not in bad}))
    return layout._replace(plan=layout.plan._replace(segments=tuple(segments), strangers=tuple(strangers)))
