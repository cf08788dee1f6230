"""What the agent's socket is asked: by the hook, by the command line."""

import copy
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

from .. import __version__
from ..errors import RingfenceError
from ..flows import Compiler, FlowSet
from ..flows.pipeline import KIND_DROP, KIND_LOCAL, read_cookie
from ..picture import Facts, Picture
from ..picture.kind import parse_kind
from ..shape import NONE, Items, Keys, check
from ..switch import ofctl, port
from ..switch.ovsdb import OvsdbView, read_once
from . import audit, metrics
from .compose import compose, learn
from .plan import lay_out, named
from .told import INTERFACE, PLUG, TEXT
from .trace import trace

if TYPE_CHECKING:
    from .agent import Agent

LONGEST_WAIT_S = 30.0
MOST_FLOWS = 2000
"""That a preview shows."""
PREVIEW = Keys({"lines": [Items(str, str, (NONE, str))]}, {})
TRACE = Keys({"source": str, "kind": str}, {"target": TEXT, "address": TEXT})
WAIT = Keys({"kind": str, "uuid": str, "line": (NONE, str)}, {"timeout": (int, float)})


class Requests:
    """``answer`` is called by many threads; whatever touches the agent's state holds its lock."""

    def __init__(self, agent: "Agent") -> None:
        self.agent = agent
        self._known: Dict[str, Callable[[Dict[str, Any]], Dict[str, Any]]] = {
            "describe": self._describe,
            "commit": self._commit,
            "unplug": self._unplug,
            "wait": self._wait,
            "status": self._status,
            "flows": self._flows,
            "audit": self._audit,
            "proposal": self._proposal,
            "trace": self._trace,
            "preview": self._preview,
            "metrics": self._metrics,
            "drops": self._drops,
            "rollback": self._rollback,
        }

    def answer(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """Raises ValueError, KeyError or TypeError for a request that cannot be read."""
        handler = self._known.get(str(request.get("op")))
        if handler is None:
            raise ValueError("no such operation: {:.80}".format(ascii(request.get("op"))))
        try:
            return handler(request)
        except RingfenceError as error:
            return {"error": str(error)}

    # The hook.

    def _describe(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """What the hook must know before it touches the port."""
        agent = self.agent
        with agent.lock:
            known = agent.xapi.facts if agent.xapi.facts is not None else agent.state.facts
            check(request["plug"], PLUG, "plug")
            learn(request["plug"], agent.state, known, agent.xapi.in_sync)
            if known is None:
                return {"known": False}
            facts = compose(known, agent.xapi.in_sync, agent.state)
            return dict(agent.reconciler.describe(facts, request["plug"]["vif"]), known=True)

    def _commit(self, request: Dict[str, Any]) -> Dict[str, Any]:
        agent, plug = self.agent, request["plug"]
        check(plug, PLUG, "plug")
        check(request["ofport"], int, "ofport")
        with agent.lock:
            view = agent.ovsdb.seen(lambda view: _stands(view, plug, request["ofport"]))
            plug["ready"] = True
            told = agent.state.plugs.get(plug["interface"], {})
            plug.update((word, told[word]) for word in ("fresh", "against") if word in told)
            agent.state.plugs[plug["interface"]] = plug
            agent.links.pop(plug["interface"], None)
            outcome = agent.reconcile(view)
            agent.keep(plug["interface"])
            picture = agent.reconciler.picture
            if picture is None or plug["vif"] not in picture.facts.vifs:
                return {"closed": "the agent does not know the pool yet"}
            bridge = view.find(plug["interface"])
            failed = outcome.failed.get(bridge[0].name) if bridge else "the port is on no bridge"
            return {"closed": failed or outcome.closed.get(plug["interface"])}

    def _unplug(self, request: Dict[str, Any]) -> Dict[str, Any]:
        agent = self.agent
        check(request["interface"], INTERFACE, "interface")
        with agent.lock:
            agent.state.plugs.pop(request["interface"], None)
            agent.links.pop(request["interface"], None)
            port.remove(request["interface"])
            agent.reconcile(agent.ovsdb.seen(lambda view: view.find(request["interface"]) is None))
            agent.keep(request["interface"])
        return {}

    # The command line.

    def _wait(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """Until the line of a VIF or network is the given one in the facts enforced; None once it is gone for good."""
        agent = self.agent
        check(request, WAIT)
        deadline = time.monotonic() + min(float(request.get("timeout", 5)), LONGEST_WAIT_S)
        while True:
            with agent.lock:
                picture = agent.reconciler.picture
                facts = Facts() if picture is None else picture.facts
                rows: Any = facts.vifs if request["kind"] == "VIF" else facts.networks
                row = rows.get(request["uuid"])
                if row is not None and row.line == request["line"] and not agent.dirty.is_set():
                    return {"in_force": True}
            if time.monotonic() > deadline:
                return {"in_force": False}
            time.sleep(0.01)

    def _status(self, request: Dict[str, Any]) -> Dict[str, Any]:
        agent = self.agent
        with agent.lock:
            if request.get("look"):
                agent.look_at_switch_now()
            picture = agent.reconciler.picture
            vifs = Facts().vifs if picture is None else picture.facts.vifs
            closed = {}
            for interface, reason in agent.outcome.closed.items():
                vif = vifs.get(agent.state.plugs.get(interface, {}).get("vif", interface))
                closed[interface if vif is None else vif.name] = reason
            settled = agent.settled
            return {
                "in_sync": agent.xapi.in_sync and settled,
                "settled": settled,
                "release": __version__,
                "token": agent.token,
                "rounds": agent.rounds,
                "host": agent.state.host,
                "plugged": _plugged(agent.ovsdb.view),
                "flows": {n: len(w.installed) for n, w in agent.reconciler.writers.items() if w.installed is not None},
                "closed": closed,
                "failed": agent.outcome.failed,
                "problems": [] if picture is None else picture.problems,
                "tampered": dict(agent.upkeep.mirror.tampered),
                "watched": [] if picture is None else sorted(picture.facts.networks[uuid].name for uuid in picture.watched),
                "hosts_without_agent": sorted(agent.upkeep.missing.values()),
            }

    def _metrics(self, _request: Dict[str, Any]) -> Dict[str, Any]:
        """The switch is asked without the lock: counting holds up nobody."""
        status = self._status({})
        return {"text": metrics.render(status, metrics.dropped(sorted(status["flows"])))}

    def _drops(self, _request: Dict[str, Any]) -> Dict[str, Any]:
        """As with metrics."""
        self.agent.drops.look()
        told = self.agent.drops.told()
        with self.agent.lock:
            picture = self.agent.reconciler.picture
            known = {} if picture is None else picture.facts.vifs
        for row in told["rows"]:
            for side in ("sender", "receiver"):
                row[side + "_name"] = known[row[side]].name if row[side] in known else row[side]
        return told

    def _flows(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """Flows that are there because a VIF is plugged here, and flows that nothing accounts for."""
        agent = self.agent
        check(request, Keys({}, {"vif": str}))
        with agent.lock:
            counted, ours = 0, 0
            lost: List[str] = []
            view = read_once()
            for name, bridge in view.bridges.items():
                writer = agent.reconciler.writers.get(name)
                numbers = agent.state.numbers.get(name, {}).get("vif", {})
                number = numbers.get(request.get("vif", ""))
                wanted = {flow.cookie for flow in (writer.installed if writer else None) or ()}
                for line in ofctl.dump(name):
                    known = read_cookie(ofctl.cookie_of(line))
                    if known is None:
                        continue
                    ours += 1
                    if known.number == number and (known.kind == KIND_LOCAL or known.kind >= KIND_DROP):
                        counted += 1
                    if ofctl.cookie_of(line) not in wanted:
                        lost.append(line)
                lost += audit.stock_orphans(bridge)
            return {"count": counted, "ours": ours, "orphans": lost}

    def _audit(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """What is not as it should be on this host; with ``repair`` it is brought right, and what was found is told."""
        agent = self.agent
        with agent.lock:
            view = read_once()
            if agent.reconciler.picture is None:
                return {"error": "the agent does not know the pool yet"}
            layouts = lay_out(agent.reconciler.picture, named(view, agent.state.plugs))
            found: List[List[str]] = []
            for name, bridge in view.bridges.items():
                writer = agent.reconciler.writers.get(name)
                wanted = writer.installed if writer and writer.installed is not None else FlowSet()
                for finding in audit.compare(bridge, wanted, layouts[name].fenced):
                    vif = audit.vif_of(finding, bridge, agent.state.numbers.get(name, {}).get("vif", {}))
                    known = agent.reconciler.picture.facts.vifs.get(vif)
                    found.append(list(finding) + [known.name if known is not None else vif])
            if request.get("repair"):
                for name, bridge in view.bridges.items():
                    audit.sweep(bridge)
                    if name in agent.reconciler.writers:
                        agent.reconciler.writers[name].forget()
                agent.reconcile(view)
            return {"findings": found}

    def _trace(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """What the switch does with the first frame of an exchange; ``known`` is false where the sender is not here."""
        check(request, TRACE)
        kind = parse_kind(request["kind"])
        with self.agent.lock:
            picture = self.agent.reconciler.picture
            if picture is None or not {request["source"], request.get("target") or request["source"]} <= set(picture.facts.vifs):
                return {"known": False}
            view = named(read_once(), self.agent.state.plugs)
        found = trace(picture, view, request["source"], request.get("target"), request.get("address"), kind)
        return {"known": False} if found is None else dict(found._asdict(), known=True)

    def _preview(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """The flows of this host's bridges that lines of VIFs and networks would add (``+``) and take away (``-``)."""
        check(request, PREVIEW)
        agent = self.agent
        with agent.lock:
            known, view = agent.reconciler.picture, named(read_once(), agent.state.plugs)
            numbers = copy.deepcopy(agent.state.numbers)
        if known is None:
            return {"error": "the agent does not know the pool yet"}
        vifs, networks = dict(known.facts.vifs), dict(known.facts.networks)
        for kind, uuid, line in request["lines"]:
            rows: Dict[str, Any] = vifs if kind == "VIF" else networks
            if uuid in rows:
                rows[uuid] = rows[uuid]._replace(line=line)
        then = Picture(known.facts._replace(vifs=vifs, networks=networks), known)
        before, after = lay_out(known, view), lay_out(then, view)
        found: List[str] = []
        for name in sorted(view.bridges):
            compiler = Compiler(numbers.get(name))
            compiler.compile(before[name].plan)
            have = dict(compiler.flows.flows)
            change = compiler.compile(after[name].plan)
            gone = [have[key] for key in change.remove] + [have[flow.key] for flow in change.add if flow.key in have]
            found += sorted("{} - {}".format(name, flow) for flow in gone)
            found += sorted("{} + {}".format(name, flow) for flow in change.add)
        return {"flows": found[:MOST_FLOWS], "more": max(0, len(found) - MOST_FLOWS)}

    def _rollback(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """Take up what the command line has kept, or keep what it wrote."""
        check(request, Keys({}, {"confirm": bool}))
        rollback = self.agent.upkeep.rollback
        if request.get("confirm"):
            return {"confirmed": rollback.confirm()}
        if rollback.pending is not None:
            return {"waits": len(rollback.pending.lines), "taken": False}
        pending = rollback.take_up()
        return {"waits": 0 if pending is None else len(pending.lines), "taken": pending is not None}

    def _proposal(self, request: Dict[str, Any]) -> Dict[str, Any]:
        return {"line": self.agent.proposals.get(str(request["vif"]))}


def _stands(view: OvsdbView, plug: Dict[str, Any], ofport: int) -> bool:
    """Whether a VIF's port is as the hook has left it: with a number below 0, on no bridge."""
    found = view.find(plug["interface"])
    if found is None or ofport < 0:
        return found is None and ofport < 0
    bridge, port = found
    there = view.place(plug["bridge"]) == (bridge.name, port.tag)
    return there and port.ofport == ofport and port.external_ids == plug["external_ids"]


def _plugged(view: Optional[OvsdbView]) -> int:
    """How many VIFs have a port here, whoever put it there."""
    ports = (port for bridge in view.bridges.values() for port in bridge.ports) if view is not None else ()
    return len({port.external_ids.get("xs-vif-uuid", port.name) for port in ports if port.kind == "vif" and port.ofport > 0})
