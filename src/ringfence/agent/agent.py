"""The agent: events only mark dirty; ``reconcile`` does the work, under one lock."""

import logging
import threading
import time
from typing import Any, Dict, Optional, Tuple

from ..errors import RingfenceError, SwitchRefused, Unreachable
from ..picture import Picture
from ..switch import ofctl, port
from ..switch.ovsdb import OvsdbView, OvsdbWatcher, read_once
from ..wake import Wake
from ..xapi.rows import Rows, Touched, trimmed
from ..xapi.session import Session
from ..xapi.upkeep import Upkeep
from ..xapi.watch import XapiWatcher
from . import audit, restart
from .compose import Settling, compose
from .drops import Drops
from .journal import MOST
from .proposals import Proposals
from .reconcile import Outcome, Reconciler
from .saver import Saver
from .state import Snapshot, State

log = logging.getLogger("ringfence")
TICK_S = 0.5
LOOK_S, LOOK_SHARE, LOOK_LONGEST_S = 1.0, 50, 5.0
"""How often the switch is asked for the number of its flows: the second for times of what the last answer took."""
SWEEP_S = 60.0
"""How often the bridges are searched for what the stock script left."""


class Agent:
    """``lock`` guards everything here; ``dirty`` says that a reconcile is due."""

    def __init__(self, host: str, presence_s: float = 60.0) -> None:
        self.state = State.load()
        if self.state.problem:
            log.error("event=state-lost reason=%s", self.state.problem)
        self.state.host = host or self.state.host
        self.reconciler = Reconciler(self.state)
        self.outcome = Outcome()
        self._failure = ""
        """Why the last round failed, if it did."""
        self.rounds = 0
        """Completed reconciles."""
        self._token = ""
        """Of the events that the last reconcile had taken in."""
        self._covered: Any = None
        """The facts that the last reconcile enforced."""
        self.dirty = Wake()
        self.lock = threading.RLock()
        self._stopping = Wake()
        self._settling = Settling()
        self.links: Dict[str, bool] = {}
        """As we last set them, by interface."""
        self._armed = False
        self._pid = restart.switch_pid()
        self._look = time.monotonic() + LOOK_S
        self._swept = 0.0
        self.proposals = Proposals()
        self.drops = Drops(self._numbered_vifs)
        self._saver = Saver(self._snapshot, self._written)
        self.ovsdb = OvsdbWatcher(self.dirty.set)
        self.xapi = XapiWatcher(Session(hook=trimmed), self._changed)
        self.upkeep = Upkeep(Session(), self.state.host, presence_s, self.proposals.put)

    def _changed(self, changed: bool, rows: Rows, touched: Touched) -> None:
        if changed:
            self.dirty.set()
        self.upkeep.offer(rows, touched)

    def run(self) -> None:
        """Until ``stop``; returns with the flows as they are."""
        self.ovsdb.start()
        self.xapi.start()
        self.upkeep.start()
        self.drops.start()
        self._saver.start()
        while not self._stopping.is_set():
            self.dirty.wait(TICK_S)
            if self._stopping.is_set():
                break
            try:
                with self.lock:  # so that nobody is told that all is done between this and that
                    due = self.dirty.is_set() or self._settling.waiting
                    self.dirty.clear()
                    if self._restarted() or due:
                        self.reconcile()
                    if self._lost():
                        self.reconcile()
                    self._sweep()
                self._failure = ""
            except RingfenceError as error:
                self._tell(error)
                self._stopping.wait(TICK_S)
                self.dirty.set()
        self.xapi.stop()
        self.ovsdb.stop()
        self.upkeep.stop()
        self.drops.stop()
        self._saver.stop()
        for thread in (self.xapi, self.ovsdb, self.upkeep, self.drops, self._saver):
            thread.join(3)

    def stop(self) -> None:
        self._stopping.set()
        self.dirty.set()

    def _tell(self, error: RingfenceError) -> None:
        """A switch that is away is tried again and again, and told once."""
        if isinstance(error, Unreachable) and not isinstance(error, SwitchRefused):
            if not self._failure:
                log.warning("event=switch-lost reason=%s", error)
            self._failure = self._failure or str(error)
        elif self._failure != str(error):
            self._failure = str(error)
            log.error("event=reconcile-failed reason=%s", error)

    def reconcile(self, view: Optional[OvsdbView] = None, held: bool = False) -> Outcome:
        """Bring every bridge to what is known. The caller holds the lock or is alone."""
        with self.lock:
            view = view or self.ovsdb.view
            if view is None:
                return self.outcome
            token = self.xapi.token
            live = self.xapi.facts
            known = live if live is not None else self.state.facts
            base = None if known is None else self._settling.apply(known)
            facts = compose(base, self.xapi.in_sync, self.state)
            if base is None:
                return self.outcome  # nothing is known yet: nothing is changed
            outcome = self.reconciler.run(facts, view, sweep=live is not None, held=held)
            self._report(outcome)
            self._ports(view)
            if not outcome.failed and self.xapi.in_sync:
                self.state.facts = base
                if not self._armed:
                    restart.arm()
                    self._armed = True
            self.keep()
            if outcome.changes or len(self.state.journal) > MOST:
                self._saver.due()
            self.rounds += 1
            self._token, self._covered = token, live
            return outcome

    def _numbered_vifs(self) -> Tuple[Optional[Picture], Dict[str, Dict[str, int]]]:
        """What is enforced, and by bridge the numbers of VIFs (by uuid) in its flows."""
        with self.lock:
            return self.reconciler.picture, {
                name: dict(self.state.numbers.get(name, {}).get("vif", {})) for name in self.reconciler.writers
            }

    def keep(self, *interfaces: str) -> None:
        """What is known now outlives the agent, with what is plugged as these interfaces. The caller holds the lock."""
        try:
            self.state.note(interfaces)
        except OSError as error:
            log.error("event=state-not-saved reason=%s", error)
            self._saver.due()

    def _snapshot(self) -> Snapshot:
        with self.lock:
            return self.state.snapshot()

    def _written(self, snapshot: Snapshot) -> None:
        with self.lock:
            self.state.written(snapshot)

    def _report(self, outcome: Outcome) -> None:
        if outcome.changes:
            log.info("event=committed changes=%d", outcome.changes)
        for name, reason in outcome.closed.items():
            if self.outcome.closed.get(name) != reason:
                log.warning("port=%s event=closed reason=%s", name, reason)
        for name, reason in outcome.failed.items():
            if self.outcome.failed.get(name) != reason:
                log.error("bridge=%s event=failed reason=%s", name, reason)
        if outcome.failed:
            self.dirty.set()
        self.outcome = outcome

    def _ports(self, view: OvsdbView) -> None:
        """Links and ports of the VIFs plugged here: closed is link down, disabled is on no bridge."""
        picture = self.reconciler.picture
        if picture is None:
            return
        there = {held.name: (bridge, held) for bridge in view.bridges.values() for held in bridge.ports}
        for name, plug in sorted(self.state.plugs.items()):
            if plug["vif"] not in picture.facts.vifs:
                continue
            reason = picture.why_cut(plug["vif"])
            found = there.get(name)
            if not (found or port.exists(name)):
                continue
            if reason == "" and found:
                log.info("port=%s event=disabled", name)
                port.remove(name)
            elif reason is None and not found and plug.get("ready"):
                log.info("port=%s event=enabled bridge=%s", name, plug["bridge"])
                port.add(plug["bridge"], name, plug["external_ids"], True)
                self.dirty.set()
            elif found and found[1].external_ids != plug["external_ids"] and "xs-vif-uuid" not in found[1].external_ids:
                log.warning("port=%s event=bare bridge=%s: its external_ids are put back", name, found[0].name)
                port.label(name, plug["external_ids"])
            if found and reason != "" and found[1].ofport > 0 and plug.get("ready") and found[0].name not in self.outcome.failed:
                self._link(name)
        for bridge in view.bridges.values():  # ports that stand without a plug that we know of: the saved state was lost or is old
            for held in () if bridge.name in self.outcome.failed else bridge.ports:
                vif = held.external_ids.get("xs-vif-uuid", "")
                known = held.name in self.state.plugs or held.kind != "vif" or held.ofport <= 0 or vif not in picture.facts.vifs
                if not known and picture.view_of(vif).fenced:
                    self._link(held.name)

    def _link(self, name: str) -> None:
        """Up once its flows are committed, down while it is closed."""
        up = name not in self.outcome.closed
        if self.links.get(name) != up:
            port.set_link(name, up)
            self.links[name] = up

    def _restarted(self) -> bool:
        """Whether the switch was started again, and so lost all flows."""
        pid = restart.switch_pid()
        if pid == self._pid:
            return False
        self._pid = pid
        if pid is None:
            return False
        log.warning("event=switch-restarted pid=%d", pid)
        self._restore()
        return True

    def _lost(self) -> bool:
        """Whether somebody deleted flows; asked as often as the switch can well answer, which counts them all."""
        if self._pid is None or time.monotonic() < self._look:
            return False
        began = time.monotonic()
        lost = ""
        for name, writer in self.reconciler.writers.items():
            if writer.installed is not None and writer.session.count() != len(writer.installed):
                lost = name
                break
        now = time.monotonic()
        self._look = now + min(LOOK_LONGEST_S, max(LOOK_S, LOOK_SHARE * (now - began)))
        if lost:
            log.warning("bridge=%s event=flows-lost: putting them back", lost)
            self.reconciler.writers[lost].forget()
        return bool(lost)

    def _restore(self) -> None:
        """After a restart: port settings and flows first, then the packets."""
        for writer in self.reconciler.writers.values():
            writer.forget()
        deadline = time.monotonic() + restart.HOLD_S - 1.5
        while time.monotonic() < deadline:
            view = read_once()
            if self._numbered(view):
                outcome = self.reconcile(view, held=True)
                if not outcome.failed:
                    break
            time.sleep(0.05)
        restart.release()
        if self._armed:
            restart.arm()

    @staticmethod
    def _numbered(view: OvsdbView) -> bool:
        """Whether OVSDB already holds the port numbers of the switch that runs now."""
        for bridge in view.bridges.values():
            try:
                real = ofctl.port_numbers(bridge.name)
            except RingfenceError:
                return False
            if any(p.ofport > 0 and real.get(p.name) != p.ofport for p in bridge.ports if p.kind != "internal"):
                return False
            if any(p.ofport <= 0 and port.exists(p.name) for p in bridge.ports if p.kind == "vif"):
                return False
        return True

    def look_at_switch_now(self) -> None:
        """Not only when it is due."""
        self._look = 0.0
        if self._restarted() or self._lost():
            self.dirty.set()

    @property
    def settled(self) -> bool:
        """Whether all that is known is in force. The caller holds the lock."""
        known = self._covered is self.xapi.facts
        return known and not self.dirty.is_set() and not self.outcome.failed and not self._settling.waiting

    @property
    def token(self) -> str:
        """Of the events that are in force: later ones that changed no fact are, too."""
        latest = self.xapi.token
        return latest if self._covered is self.xapi.facts and not self.dirty.is_set() else self._token

    def _sweep(self) -> None:
        """At the start and now and then: what the stock script left behind."""
        view = self.ovsdb.view
        if view is None or not self.xapi.in_sync or (self._swept and time.monotonic() - self._swept < SWEEP_S):
            return
        self._swept = time.monotonic()
        for bridge in view.bridges.values():
            audit.sweep(bridge)
