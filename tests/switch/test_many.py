"""A host full of guests, all on one network: a thousand VIFs are what XenServer and XCP-ng let a host have."""

import pytest
from scapy.all import ARP, Ether

from pools import UPLINK, compiled, mac, picture, vif
from ringfence import paths
from ringfence.flows import FlowSet, evaluate
from ringfence.flows.flow import clone, load
from ringfence.flows.match import NOTHING
from ringfence.switch.openflow import Session
from ringfence.switch.openflow.message import ADD, flow_mod
from ringfence_lab.dummy import DummySwitch

VIFS = 1000
LINE = "default=isolated external=deny inside=10.0.0.0/16"


def full(size: int) -> tuple[FlowSet, dict[str, int]]:
    """Groups of so many."""
    here = [vif(f"v{n:04}", n, f"ipv4=10.0.{n // 256}.{n % 256} groups=g{(n - 1) // size}") for n in range(1, VIFS + 1)]
    return compiled(picture(LINE, *here))


@pytest.mark.parametrize("size", [20, VIFS])
def test_a_broadcast_reaches_the_whole_group_and_nobody_else(switch: DummySwitch, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Neither a flow nor what the switch does for one frame has an end before."""
    flows, ports = full(size)
    assert len(ports) == VIFS
    for name, value in switch.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(paths, "OVS_RUN", str(switch.folder))
    names = {uuid: f"p{number}" for uuid, number in ports.items()}
    switch.bridge([("eth0", UPLINK, 0), *((names[uuid], number, 0) for uuid, number in ports.items())], [])
    session = Session("br0")
    session.commit([], flows)
    session.close()
    frame = bytes(Ether(src=mac(1), dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mac(1), psrc="10.0.0.1", pdst="10.0.200.200"))
    members = {number for uuid, number in ports.items() if 1 < int(uuid[1:]) <= size}
    left, text = switch.trace(ports["v0001"], frame)
    assert dict(left) == dict.fromkeys(members, 1), text[-200:]
    assert {out.port for out in evaluate(flows, frame, ports["v0001"]).outputs} == members


def test_a_flow_that_no_message_holds_is_refused_by_name() -> None:
    flows = FlowSet()
    flows.add("flood", 1, NOTHING, [clone(load("reg3", 1))] * 2000)
    (flow,) = flows
    with pytest.raises(ValueError, match=r"octets, of at most \d+: table=41,priority=1$"):
        flow_mod(ADD, flow.key, 1, flow)
