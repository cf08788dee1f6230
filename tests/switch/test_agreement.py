"""The evaluator held against the switch: generated pools, generated frames; ofproto/trace and the datapath send them the same way."""

import os
import random
from collections import Counter

import pytest

from frames import Frames, Somebody
from pools import LOCAL, UPLINK, compiled, generated, picture, plan, vif
from ringfence.errors import SwitchRefused, Unreachable
from ringfence.flows import Compiler, FlowSet, compile_bridge, evaluate
from ringfence.flows.evaluate import Verdict
from ringfence.flows.flow import show_key
from ringfence.flows.frame import read_frame
from ringfence.flows.pipeline import REASONS
from ringfence.picture import Picture
from ringfence.switch import ofctl
from ringfence_lab.dummy import DummySwitch, Left

FRAMES = int(os.environ.get("RINGFENCE_FRAMES", "2000"))
POOLS = int(os.environ.get("RINGFENCE_POOLS", "40"))
NEVER_IN_A_PLAN = {"unmatched"}
"""Not a policy: what a table drops that no flow of it can meet."""
INTERNAL = 2
MULTICAST_BIT = 1 << 40


def parties(pool: Picture, ports: dict[str, int], local: int) -> list[Somebody]:
    everyone = [Somebody("uplink", 0, UPLINK, "10.0.0.1", "fd00::1"), Somebody("uplink", 0, UPLINK, "8.8.8.8", "2001:db8::1")]
    everyone.append(Somebody("dom0", 0, local, "10.0.0.9", "fd00::9"))
    for uuid in sorted(pool.facts.vifs):
        number = int(uuid[1:])
        ipv4 = f"10.0.0.{10 + number}"
        everyone.append(Somebody(uuid, number, ports.get(uuid, 0), ipv4, f"fd00::{10 + number}"))
        if number == 2:
            everyone.append(Somebody(uuid, number, ports.get(uuid, 0), "10.0.0.100", "fd00:0:0:0:5::7"))
            everyone.append(Somebody(uuid, number, ports.get(uuid, 0), "10.0.0.66", "fd00:0:0:0:5::8"))
        if ports.get(uuid):
            # Arrives although it lives here, and lives elsewhere although it arrives: both are tried.
            everyone.append(Somebody("uplink", number, UPLINK, ipv4, f"fd00::{10 + number}"))
        else:
            everyone += [Somebody("uplink", number, UPLINK, ipv4, f"fd00::{10 + number}")] * 2
    return everyone


class Learning:
    """The action NORMAL on a bridge that had learned nothing before this frame."""

    def __init__(self, access: dict[int, int]) -> None:
        self._access = access
        """VLAN by access port; other ports are trunks."""
        self._table: dict[tuple[int, int], int] = {}

    def forward(self, frame: bytes, in_port: int) -> Counter:
        fields = read_frame(frame)
        source, target = fields["dl_src"], fields["dl_dst"]
        vlan, own = fields["vlan_tci"] & 0xFFF, self._access.get(in_port, 0)
        cut_off = fields["dl_type"] == 0x8100 and not fields["vlan_tci"]
        if cut_off or target >> 4 in (0x0180C200000, 0x01000CCCCCC) or (own and vlan):
            return Counter()
        vlan = own or vlan
        if not source & MULTICAST_BIT:
            self._table[(vlan, source)] = in_port
        known = self._table.get((vlan, target))
        if known is not None and not target & MULTICAST_BIT:
            return Counter([known] if known != in_port else [])
        return Counter(p for p in (UPLINK, INTERNAL, LOCAL) if p != in_port and self._access.get(p, 0) in (0, vlan))


def outputs(flows: FlowSet, frame: bytes, in_port: int, learning: Learning) -> tuple[Counter, Verdict]:
    verdict = evaluate(flows, frame, in_port)
    found: Counter = Counter()
    for port, sent in verdict.outputs:
        found += learning.forward(sent, in_port) if isinstance(port, str) else Counter([port])
    return found, verdict


def generated_switch(switch: DummySwitch, seed: int) -> tuple[FlowSet, Frames, dict[int, int], int]:
    """A generated pool in the switch: its flows, frames of its parties, the VLANs of its access ports, and that of its network."""
    chance = random.Random(seed)
    pool = generated(chance, random.Random(seed + 1000000).choices(["", "enforce=watch"], (9, 1))[0])
    tag = chance.choice([0, 120])
    local = INTERNAL if tag else LOCAL
    bond = random.Random(-seed).choices([{}, {"backups": (UPLINK,)}, {"deaf": (UPLINK,)}], (17, 1, 2))[0]
    flows, ports = compiled(pool, tag=tag, local=local, **bond)
    vifs = [(f"v{number}", number, tag) for number in ports.values()]
    switch.bridge([("eth0", UPLINK, 0), ("xapi1", INTERNAL, 120), *vifs], [name for name, _, _ in vifs])
    switch.run("ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", "br0", "-", feed="\n".join(map(str, flows)))
    access = {INTERNAL: 120, **{number: tag for _, number, tag in vifs}}
    return flows, Frames(chance, parties(pool, ports, local)), access, tag


def test_the_evaluator_agrees_with_the_switch(switch: DummySwitch, capsys) -> None:
    seen: Counter = Counter()
    total = delivered = 0
    for seed in range(POOLS):
        flows, frames, access, tag = generated_switch(switch, seed)
        for _ in range(max(1, FRAMES // POOLS)):
            sender, frame = frames.draw(tag)
            wanted, verdict = outputs(flows, frame, sender.port, Learning(access))
            real, trace = switch.trace(sender.port, frame)
            where = f"seed {seed}, port {sender.port}, frame {frame.hex()}: {dict(wanted)}"
            assert real == wanted, f"{where}, switch {dict(real)}\n{trace}"
            switch.forget()
            left = switch.emit(sender.port, frame)
            assert Counter(port for port, _ in left) == wanted, f"{where}, datapath {left}\n{trace}"
            for port, sent in verdict.outputs:
                assert isinstance(port, str) or Left(port, sent) in left, f"{where}: {port} was to get {sent.hex()}, not {left}"
            total += 1
            delivered += bool(wanted)
            seen.update(set(verdict.drops))
    with capsys.disabled():
        reasons = ", ".join(f"{name} {count}" for name, count in sorted(seen.items()))
        print(f"\n{total} frames over {POOLS} pools, {100 * delivered // total} % delivered; drops: {reasons}")
    assert delivered >= 0.3 * total
    assert set(REASONS) - set(seen) <= NEVER_IN_A_PLAN


def test_a_fresh_agent_finds_what_is_right_and_what_is_not(switch: DummySwitch, monkeypatch) -> None:
    """What is adopted: no difference where the flows are right; else exactly what is missing, strange or changed."""
    pool = generated(random.Random(3))
    flows, ports = compiled(pool, tag=120, local=INTERNAL)
    switch.bridge([("eth0", UPLINK, 0), *((f"v{number}", number, 120) for number in ports.values())], [])
    for name, value in switch.env.items():
        monkeypatch.setenv(name, value)
    foreign = "cookie=0x1,priority=5,in_port=1,actions=NORMAL"
    ofctl.commit("br0", [], [*map(str, flows), foreign])
    assert ofctl.differences("br0", flows) == ([], [])
    assert ofctl.count("br0") == len(flows)
    missing, changed = (next(f for f in flows if f.table == table and f.actions) for table in (12, 24))
    stale = "cookie=0x5246040000000063,table=21,reg0=99,actions=drop"
    ofctl.commit("br0", [show_key(missing.key)], [str(changed._replace(actions=())), stale])
    remove, add = ofctl.differences("br0", flows)
    assert len(remove) == 1
    assert "table=21" in remove[0]
    assert len(add) == 2
    ofctl.commit("br0", remove, add)
    assert ofctl.differences("br0", flows) == ([], [])
    assert len(ofctl.dump("br0", "cookie=0x1/-1")) == 1


def test_a_bundle_is_all_or_nothing(switch: DummySwitch, monkeypatch) -> None:
    for name, value in switch.env.items():
        monkeypatch.setenv(name, value)
    switch.bridge([("eth0", UPLINK, 0)], [])
    flows, _ = compiled(generated(random.Random(3)))
    limit = ["--", "--id=@t", "create", "Flow_Table", "flow_limit=3", "overflow_policy=refuse"]
    switch.run("ovs-vsctl", *limit, "--", "set", "Bridge", "br0", "flow_tables:24=@t")
    with pytest.raises(SwitchRefused, match="OFPFMFC_TABLE_FULL"):
        ofctl.commit("br0", [], map(str, flows))
    assert ofctl.count("br0") == 0
    with pytest.raises(Unreachable, match=r"running\?"):
        ofctl.count("br9")


def test_numbers_survive_and_are_used_again() -> None:
    """The same picture compiled with kept numbers gives the same flows; a member's change touches that member's alone."""
    before = picture("default=isolated", *(vif(f"v{n}", n, f"ipv4=10.0.0.{n} groups=a") for n in range(1, 9)))
    compiler = Compiler()
    compiler.compile(plan(before))
    first = compile_bridge(plan(before), compiler.numbers.kept())
    assert first == compiler.flows
    more = picture(
        "default=isolated",
        *(vif(f"v{n}", n, f"ipv4=10.0.0.{n} groups=a") for n in range(1, 9)),
        vif("v9", 9, "ipv4=10.0.0.9 groups=a", here=False),
    )
    after = compile_bridge(plan(more), compiler.numbers.kept())
    changed = [f for f in after if first.flows.get(f.key) != f]
    assert not set(first.flows) - set(after.flows)
    assert len(changed) < 30
