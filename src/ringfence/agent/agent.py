"""The agent: events only mark dirty; ``reconcile`` does the work, under one lock."""

import copy
import logging
import threading
import time
from typing import Any, Dict, Optional

from ..errors import RingfenceError
from ..flows.pipeline import KIND_DROP, KIND_LOCAL, read_cookie
from ..picture import Facts
from ..switch import ofctl, port
from ..switch.ovsdb import OvsdbView, OvsdbWatcher, read_once
from ..xapi.mirror import Mirror
from ..xapi.session import Session
from ..xapi.watch import XapiWatcher
from . import restart
from .compose import Settling, compose
from .reconcile import Outcome, Reconciler
from .state import State

log = logging.getLogger("ringfence")
TICK_S = 0.5


class Agent:
    def __init__(self, host: str) -> None:
        self.state = State.load()
        if self.state.problem:
            log.error("event=state-lost reason=%s", self.state.problem)
        self.state.host = host or self.state.host
        self.reconciler = Reconciler(self.state)
        self.outcome = Outcome()
        self.rounds = 0
        """Completed reconciles; ``covered`` is the facts that the last one enforced."""
        self.token = ""
        """Of the events that the last reconcile had taken in."""
        self._dirty = threading.Event()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._settling = Settling()
        self._links: Dict[str, bool] = {}
        self._armed = False
        self._pid = restart.switch_pid()
        self._looked = 0.0
        self.ovsdb = OvsdbWatcher(self._dirty.set)
        self.xapi = XapiWatcher(Session(), self._changed)
        self.mirror = Mirror(Session(), self.state.host)

    def _changed(self) -> None:
        self._dirty.set()
        self.mirror.offer(self.xapi.tables)

    def run(self) -> None:
        """Until ``stop``; returns with the flows as they are."""
        self.ovsdb.start()
        self.xapi.start()
        self.mirror.start()
        while not self._stopping.is_set():
            self._dirty.wait(TICK_S)
            if self._stopping.is_set():
                break
            due = self._dirty.is_set() or self._settling.waiting
            self._dirty.clear()
            try:
                with self._lock:
                    due = self._watch_switch() or due
                    if due:
                        self.reconcile()
            except RingfenceError as error:
                log.error("event=reconcile-failed reason=%s", error)
                self._stopping.wait(TICK_S)
                self._dirty.set()
        self.xapi.stop()
        self.ovsdb.stop()
        self.mirror.stop()
        for thread in (self.xapi, self.ovsdb, self.mirror):
            thread.join(3)

    def stop(self) -> None:
        self._stopping.set()
        self._dirty.set()

    def reconcile(self, view: Optional[OvsdbView] = None, held: bool = False) -> Outcome:
        """Bring every bridge to what is known. The caller holds the lock or is alone."""
        with self._lock:
            view = view or self.ovsdb.view
            if view is None:
                return self.outcome
            token = self.xapi.token
            known = self.xapi.facts if self.xapi.facts is not None else self.state.facts
            base = None if known is None else self._settling.apply(known)
            facts = compose(base, self.xapi.in_sync, self.state)
            if base is None:
                return self.outcome  # nothing is known yet: nothing is changed
            before = (self.state.facts, copy.deepcopy(self.state.numbers))
            outcome = self.reconciler.run(facts, view, sweep=self.xapi.facts is not None, held=held)
            self._report(outcome)
            self._ports(view)
            if not outcome.failed and self.xapi.in_sync:
                self.state.facts = base
                if not self._armed:
                    restart.arm()
                    self._armed = True
            if (self.state.facts, self.state.numbers) != before or outcome.changes:
                self.save()
            self.rounds += 1
            self.token = token
            return outcome

    def save(self) -> None:
        try:
            self.state.save()
        except OSError as error:
            log.error("event=state-not-saved reason=%s", error)

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
            self._dirty.set()
        self.outcome = outcome

    def _ports(self, view: OvsdbView) -> None:
        """Links and ports of the VIFs plugged here: closed is link down, disabled is on no bridge."""
        picture = self.reconciler.picture
        if picture is None:
            return
        for name, plug in sorted(self.state.plugs.items()):
            if not port.exists(name) or plug["vif"] not in picture.facts.vifs:
                continue
            reason = picture.why_closed(plug["vif"])
            found = view.find(name)
            if reason == "" and found:
                log.info("port=%s event=disabled", name)
                port.remove(name)
            elif reason is None and not found and plug.get("ready"):
                log.info("port=%s event=enabled bridge=%s", name, plug["bridge"])
                port.add(plug["bridge"], name, plug["external_ids"], True)
                self._dirty.set()
            elif found and found[1].ofport > 0 and plug.get("ready") and found[0].name not in self.outcome.failed:
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
        if self._links.get(name) != up:
            port.set_link(name, up)
            self._links[name] = up

    def _watch_switch(self) -> bool:
        """Whether the switch lost flows: it restarted, or somebody deleted them."""
        pid = restart.switch_pid()
        if pid != self._pid:
            self._pid = pid
            if pid is None:
                return False
            log.warning("event=switch-restarted pid=%d", pid)
            self._restore()
            return True
        if pid is None or time.monotonic() - self._looked < 1.0:
            return False
        self._looked = time.monotonic()
        for name, writer in self.reconciler.writers.items():
            if writer.installed is not None and ofctl.count(name) != len(writer.installed):
                log.warning("bridge=%s event=flows-lost: putting them back", name)
                writer.forget()
                return True
        return False

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

    # What the socket asks.

    def answer(self, request: Dict[str, Any]) -> Dict[str, Any]:
        operation = request.get("op")
        handler = {
            "describe": self._describe,
            "commit": self._commit,
            "unplug": self._unplug,
            "wait": self._wait,
            "status": self._status,
            "flows": self._flows,
        }.get(str(operation))
        if handler is None:
            raise ValueError("no such operation: {}".format(operation))
        try:
            return handler(request)
        except RingfenceError as error:
            return {"error": str(error)}

    def _learn(self, plug: Dict[str, Any], ready: bool) -> None:
        earlier = [p for p in self.state.plugs.values() if p["vif"] == plug["vif"]]
        last = self.state.lines.get(plug["vif"], "never")
        plug["fresh"] = plug["line"] != last or any(p.get("fresh") and p["line"] == plug["line"] for p in earlier)
        plug["ready"] = ready
        self.state.lines[plug["vif"]] = plug["line"]
        self.state.plugs[plug["interface"]] = plug

    def _describe(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """What the hook must know before it touches the port."""
        with self._lock:
            self._learn(request["plug"], ready=False)
            known = self.xapi.facts if self.xapi.facts is not None else self.state.facts
            if known is None:
                return {"known": False}
            return dict(self.reconciler.describe(compose(known, self.xapi.in_sync, self.state), request["plug"]["vif"]), known=True)

    def _commit(self, request: Dict[str, Any]) -> Dict[str, Any]:
        plug = request["plug"]
        with self._lock:
            view = self.ovsdb.view
            found = view.find(plug["interface"]) if view else None
            if found is None or found[1].ofport != request["ofport"] or found[1].external_ids != plug["external_ids"]:
                view = read_once()
            plug["ready"] = True
            plug["fresh"] = self.state.plugs.get(plug["interface"], {}).get("fresh", False)
            self.state.plugs[plug["interface"]] = plug
            self._links.pop(plug["interface"], None)
            outcome = self.reconcile(view)
            self.save()
            if self.reconciler.picture is None or plug["vif"] not in self.reconciler.picture.facts.vifs:
                return {"closed": "the agent does not know the pool yet"}
            bridge = view.find(plug["interface"]) if view else None
            failed = outcome.failed.get(bridge[0].name) if bridge else "the port is on no bridge"
            return {"closed": failed or outcome.closed.get(plug["interface"])}

    def _unplug(self, request: Dict[str, Any]) -> Dict[str, Any]:
        with self._lock:
            self.state.plugs.pop(request["interface"], None)
            self._links.pop(request["interface"], None)
            port.remove(request["interface"])
            self.reconcile(read_once())
            self.save()
        return {}

    def _wait(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """Until the line of a VIF or network is the given one in the facts enforced; None once it is gone for good."""
        deadline = time.monotonic() + min(float(request.get("timeout", 5)), 30.0)
        while True:
            with self._lock:
                picture = self.reconciler.picture
                facts = Facts() if picture is None else picture.facts
                rows: Any = facts.vifs if request["kind"] == "VIF" else facts.networks
                row = rows.get(request["uuid"])
                if row is not None and row.line == request["line"] and not self._dirty.is_set():
                    return {"in_force": True}
            if time.monotonic() > deadline:
                return {"in_force": False}
            time.sleep(0.01)

    def _status(self, request: Dict[str, Any]) -> Dict[str, Any]:
        with self._lock:
            if request.get("look"):  # at the switch, now and not when it is due
                self._looked = 0.0
                if self._watch_switch():
                    self._dirty.set()
            picture = self.reconciler.picture
            names = {} if picture is None else {v.uuid: v.name for v in picture.facts.vifs.values()}
            closed = {}
            for interface, reason in self.outcome.closed.items():
                plug = self.state.plugs.get(interface, {})
                closed[names.get(plug.get("vif", interface), names.get(interface, interface))] = reason
            settled = not self._dirty.is_set() and not self.outcome.failed and not self._settling.waiting
            return {
                "in_sync": self.xapi.in_sync and settled,
                "settled": settled,
                "token": self.token,
                "rounds": self.rounds,
                "host": self.state.host,
                "plugged": len(self.state.plugs),
                "flows": {n: len(w.installed) for n, w in self.reconciler.writers.items() if w.installed is not None},
                "closed": closed,
                "failed": self.outcome.failed,
                "problems": [] if picture is None else picture.problems,
                "tampered": self.mirror.tampered,
            }

    def _flows(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """Flows that are there because a VIF is plugged here, and flows that nothing accounts for."""
        with self._lock:
            counted, ours, lost = 0, 0, []
            for name, writer in self.reconciler.writers.items():
                numbers = self.state.numbers.get(name, {}).get("vif", {})
                number = numbers.get(request.get("vif", ""))
                wanted = {flow.cookie for flow in writer.installed or ()}
                for line in ofctl.dump(name):
                    known = read_cookie(ofctl.cookie_of(line))
                    if known is None:
                        continue
                    ours += 1
                    if known.number == number and (known.kind == KIND_LOCAL or known.kind >= KIND_DROP):
                        counted += 1
                    if ofctl.cookie_of(line) not in wanted:
                        lost.append(line)
            return {"count": counted, "ours": ours, "orphans": lost}
