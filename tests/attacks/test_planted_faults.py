"""The table of attacks finds faults: for each one planted into the flows, some attack is let through."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from lab import BACKEND, Flood, guest, running, udp
from pools import compiled, mac, picture, vif
from ringfence.flows import FlowSet, evaluate
from ringfence.flows.flow import key_of
from ringfence.flows.match import match, rows
from ringfence.flows.pipeline import CLAIMED, TABLES
from ringfence.records.addresses import link_local
from ringfence_lab.folder import wait_for
from ringfence_lab.probe import send_frame
from ringfence_lab.steps import Steps
from table import ATTACKS

LINE = "inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1,fd00::1"


class Party(NamedTuple):
    mac: str
    ip4: str
    ip6: str
    ll: str


def party(number: int) -> Party:
    return Party(mac(number), f"10.0.0.{10 + number}", f"fd00::{10 + number}", str(link_local(mac(number)).network_address))


def without(table: str, *fields: str, drops: bool = False) -> Callable[[FlowSet], FlowSet]:
    """The flows with some fields taken out of the permits of a table; with ``drops``, the drops that match them are gone."""

    def plant(flows: FlowSet) -> FlowSet:
        planted, changed = FlowSet(), 0
        for flow in flows:
            hit = flow.table == TABLES[table] and {row.name for row in rows(flow.match)} & set(fields) and bool(flow.drops) == drops
            changed += bool(hit)
            if hit and drops:
                continue
            rest = {name: value if mask is None else (value, mask) for name, value, mask in rows(flow.match) if name not in fields}
            made = flow._replace(key=key_of(flow.table, flow.priority, match(**rest))) if hit else flow
            planted.flows[made.key] = made
        assert changed, "the fault was not planted"
        return planted

    return plant


FAULTS = {
    "a tag that nobody looks at": without("link", "vlan_tci", drops=True),
    "an advertisement's link-layer address that nobody looks at": without("nd", "nd_tll"),
    "a DHCP request with any source": without("ipv4", "nw_src"),
    "a port whose MAC nobody looks at": without("link", "dl_src"),
    "a target that nobody looks at": without("nd-target", *CLAIMED),
    "an ARP sender that nobody looks at": without("arp", *CLAIMED),
}


@pytest.fixture(scope="module", params=["isolated", "locked"])
def flows(request: pytest.FixtureRequest) -> tuple[FlowSet, int]:
    def record(number: int, mode: str) -> str:
        return f"mode={mode} ipv4=10.0.0.{10 + number} ipv6=fd00::{10 + number} groups=team"

    pool = picture(
        LINE, vif("a", 1, record(1, request.param)), vif("b", 2, record(2, "isolated")), vif("c", 3, record(3, "isolated"), here=False)
    )
    made, ports = compiled(pool)
    return made, ports["a"]


def arriving(flows: FlowSet, port: int) -> list[str]:
    """The attacks that leave the pipeline by any port."""
    frames = {row.name: bytes(row.attack(party(1), party(2), party(3))) for row in ATTACKS}
    return [name for name, frame in frames.items() if evaluate(flows, frame, port).outputs]


def test_no_attack_passes_the_flows_as_they_are(flows: tuple[FlowSet, int]) -> None:
    assert not arriving(*flows)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_lets_an_attack_through(flows: tuple[FlowSet, int], fault: str) -> None:
    assert arriving(FAULTS[fault](flows[0]), flows[1])


@pytest.mark.parametrize(("mode", "missing"), [("locked", ("in",)), ("isolated", ("in", "out"))])
def test_each_end_is_asked_and_one_that_is_not_lets_a_stranger_through(mode: str, missing: tuple[str, ...]) -> None:
    """From a locked VIF the receiver's check is the only one; from an isolated one either is enough."""
    stranger = vif("d", 4, "mode=isolated ipv4=10.0.0.14 ipv6=fd00::14 groups=others")
    made, ports = compiled(picture(LINE, vif("a", 1, f"mode={mode} ipv4=10.0.0.11 ipv6=fd00::11 groups=team"), stranger))

    def crossing(flows: FlowSet) -> list[bytes]:
        honest = [bytes(row.twin(party(1), party(4), party(4))) for row in ATTACKS if row.twin and not row.to]
        assert len(honest) > 10
        return [frame for frame in honest if any(out.port == ports["d"] for out in evaluate(flows, frame, ports["a"]).outputs)]

    assert not crossing(made)
    planted = made
    for number, table in enumerate(missing, 1):
        planted = without(table, "reg1", "reg2")(planted)
        assert bool(crossing(planted)) == (number == len(missing))


def test_without_flows_protected_ports_keep_strangers_apart_and_without_both_nothing_does() -> None:
    scenario = {
        "hosts": ["h1"],
        "networks": {"backend": {"vlan": 120, "ringfence": BACKEND}},
        "guests": {"blue1": guest("h1", 11, "groups=blue"), "green1": guest("h1", 21, "groups=green")},
    }
    with running(scenario) as pool:
        host = pool.hosts["h1"]
        strange = udp(pool, "green1/0", "blue1/0", "10.0.0.21", "10.0.0.11")
        host.stop_agent()
        with Flood(pool, {"green1/0": [strange, b"\xff" * 6 + strange[6:]]}, [host]) as flood:
            Steps(pool).run({"do": "flows-lost h1"})
        assert flood.sent > 50
        assert not flood.leaked
        for name in host.switch.vsctl("list-ports", "xapi1").split():
            host.switch.vsctl("set", "Port", name, "protected=false")
        learned = udp(pool, "blue1/0", "green1/0", "10.0.0.11", "10.0.0.99")

        def leaks() -> bool:
            send_frame(pool.ends["blue1/0"], learned)  # the switch must know where it is: floods leave such ports out
            return bool(flood.leaked)

        with Flood(pool, {"green1/0": [strange, b"\xff" * 6 + strange[6:]]}, [host]) as flood:
            Steps(pool).run({"do": "flows-lost h1"})
            wait_for(leaks, "the fault", 10)
