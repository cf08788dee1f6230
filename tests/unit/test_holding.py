"""Ports of a fenced network are held before or after their flows come: see docs/design/host.md."""

from collections.abc import Set
from typing import Any

import pytest

from pools import mac
from ringfence.agent import reconcile
from ringfence.agent.reconcile import Reconciler
from ringfence.agent.state import State
from ringfence.errors import Unreachable
from ringfence.picture import Facts, NetworkFacts, VifFacts
from ringfence.switch.bridge import BridgeWriter
from ringfence.switch.ovsdb import BridgeState, OvsdbView, PortState

LABELS = {"xs-vif-uuid": "blue1"}
FACTS = Facts(
    {"blue1": VifFacts("blue1", "vm-blue1", "blue1", "0", mac(1), "net", "groups=blue", host="here")},
    {"net": NetworkFacts("net", "backend", "xenbr0", "default=isolated")},
    {"here": "h1"},
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the bridge, in its order."""
    done: list[str] = []

    def hold(_self: Any, bridge: BridgeState, fenced: Set[str], leave: Set[str] = frozenset()) -> None:
        done.extend(f"hold {port.name}" for port in bridge.ports if port.name in fenced and port.name not in leave)

    def apply(_self: Any, _wanted: Any, _change: Any, keep: bool = False) -> int:
        done.append("keep" if keep else "flows")
        return 1

    monkeypatch.setattr(BridgeWriter, "hold_ports", hold)
    monkeypatch.setattr(BridgeWriter, "apply", apply)
    monkeypatch.setattr(BridgeWriter, "track_prefixes", lambda _self: None)
    monkeypatch.setattr(reconcile, "revalidate", lambda _session: None)
    return done


def view(**port: Any) -> OvsdbView:
    ports = (PortState("eth0", "eth0", 1, "uplink"), PortState("vif1.0", "vif1.0", 101, "vif", **port))
    return OvsdbView({"xenbr0": BridgeState("xenbr0", ports, {}, "row")})


def test_a_port_that_runs_free_is_held_after_its_flows(calls: list[str]) -> None:
    Reconciler(State()).run(FACTS, view(external_ids=LABELS))
    assert calls == ["flows", "hold vif1.0"]


def test_a_port_that_was_held_is_held_first(calls: list[str]) -> None:
    Reconciler(State()).run(FACTS, view(external_ids=LABELS, protected=True, marked=True))
    assert calls == ["hold vif1.0", "flows"]


def test_a_port_of_a_bridge_made_anew_is_held_first(calls: list[str]) -> None:
    state = State()
    state.plugs = {"vif1.0": {"vif": "blue1", "external_ids": LABELS}}
    Reconciler(state).run(FACTS, view())
    assert calls == ["hold vif1.0", "flows"]


def test_a_switch_that_restarts_holds_first(calls: list[str]) -> None:
    Reconciler(State()).run(FACTS, view(external_ids=LABELS), held=True)
    assert calls == ["hold vif1.0", "flows"]


def test_a_port_is_held_also_where_its_flows_are_not_taken(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> int:
        raise Unreachable("the switch is away")

    monkeypatch.setattr(BridgeWriter, "apply", away)
    outcome = Reconciler(State()).run(FACTS, view(external_ids=LABELS))
    assert calls == ["hold vif1.0"]
    assert outcome.failed == {"xenbr0": "the switch is away"}
