"""The native OpenFlow session: what it installs is what ovs-ofctl installs, and what it is refused it names."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pools import UPLINK, compiled, generated
from ringfence import paths
from ringfence.errors import SwitchRefused, Unreachable
from ringfence.flows import FlowSet
from ringfence.flows.flow import key_of
from ringfence.flows.match import match
from ringfence.switch import ofctl
from ringfence.switch.openflow import PortSession, Session
from ringfence_lab.dummy import DummySwitch


@pytest.fixture
def session(switch: DummySwitch, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    for name, value in switch.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(paths, "OVS_RUN", str(switch.folder))
    switch.bridge([("eth0", UPLINK, 0)], [])
    made = Session("br0")
    yield made
    made.close()


def dumped(switch: DummySwitch) -> list[str]:
    """Every flow but its counters, as ovs-ofctl tells it."""
    text = switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "--no-stats", "br0")
    return sorted(line.strip() for line in text.splitlines() if "cookie=0x5246" in line)


def some(count: int) -> list[FlowSet]:
    """Every fifth of a network that is watched."""
    lines = ["", "", "", "", "enforce=watch"]
    return [
        compiled(generated(random.Random(seed), lines[seed % len(lines)]), tag=random.Random(seed).choice([0, 120]))[0]
        for seed in range(count)
    ]


def test_both_ways_install_the_same(switch: DummySwitch, session: Session) -> None:
    total = 0
    for flows in some(30):
        session.commit([], flows)
        native = dumped(switch)
        assert session.count() == len(flows) == len(native)
        session.commit([flow.key for flow in flows], [])
        assert not dumped(switch)
        ofctl.commit("br0", [], map(str, flows))
        assert dumped(switch) == native
        session.commit([flow.key for flow in flows], [])
        total += len(flows)
    assert not session.count()
    print(f"{total} flows")
    assert total > 5000


def test_a_change_is_one_transaction(session: Session) -> None:
    one, other = some(2)
    session.commit([], one)
    have, want = one.flows, other.flows
    session.commit(have.keys() - want.keys(), [flow for key, flow in want.items() if have.get(key) != flow])
    assert ofctl.differences("br0", other) == ([], [])


def test_what_is_installed_is_recognised_whoever_installed_it(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """And octet for octet: the switch writes the fields of a match in the order in which we do."""
    monkeypatch.setattr("ringfence.switch.openflow.session.canonical", lambda _: pytest.fail("another order"))
    for number, flows in enumerate(some(40)):
        if number % 2:
            session.commit([], flows)
        else:
            ofctl.commit("br0", [], map(str, flows))
        assert session.differences(flows) == ([], [])
        session.commit([flow.key for flow in flows], [])


def test_what_is_not_right_is_found_as_the_other_way_finds_it(switch: DummySwitch, session: Session) -> None:
    """Flows missing, changed, of other cookies, left over from another picture; what is not ours is not touched."""
    dice = random.Random(1)
    pools = some(20)
    total = 0
    for flows, others in zip(pools, pools[1:], strict=False):
        every = list(flows)
        missing = dice.sample(every, 5)
        changed = [flow._replace(actions=()) for flow in dice.sample(every, 5) if flow.actions]
        marked = [flow._replace(cookie=flow.cookie + 1) for flow in dice.sample(every, 5)]
        left_over = [flow for flow in others if flow.key not in flows.flows][:20]
        foreign = "cookie=0x77,table=7,priority=9,tcp,actions=drop"
        session.commit([], flows)
        session.commit([flow.key for flow in missing], [*changed, *marked, *left_over])
        ofctl.commit("br0", [], [foreign])
        remove, add = session.differences(flows)
        old_remove, old_add = ofctl.differences("br0", flows)
        assert len(remove) == len(old_remove) == len(left_over)
        assert {flow.key for flow in add} == {flow.key for flow in (*missing, *changed, *marked)}
        assert len(add) == len(old_add)
        session.commit(remove, add)
        assert session.differences(flows) == ([], [])
        assert ofctl.differences("br0", flows) == ([], [])
        assert "cookie=0x77" in switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "br0")
        session.commit([flow.key for flow in flows], [])
        assert not session.count()
        total += len(add)
    assert total > 100


def test_what_is_refused_changes_nothing_and_is_named(switch: DummySwitch, session: Session) -> None:
    flows = some(1)[0]
    session.commit([], [next(iter(flows))])
    limit = ["--", "--id=@t", "create", "Flow_Table", "flow_limit=3", "overflow_policy=refuse"]
    switch.run("ovs-vsctl", *limit, "--", "set", "Bridge", "br0", "flow_tables:24=@t")
    with pytest.raises(SwitchRefused, match=r"OFPFMFC_TABLE_FULL: cookie=0x5246.*table=24"):
        session.commit([], flows)
    assert session.count() == 1
    wrong = next(flow for flow in flows if flow.table == 14)._replace(key=key_of(14, 1, match(nw_src=1)))
    with pytest.raises(SwitchRefused, match=r"table=14.*nw_src=0.0.0.1"):
        session.commit([], [wrong])
    assert session.count() == 1


@pytest.mark.usefixtures("session")
def test_out_of_which_ports_is_flooded(switch: DummySwitch) -> None:
    """OpenFlow 1.0's own setting, as ovs-ofctl shows it, for more ports than one reply tells of."""
    names = [f"vif{number}.0" for number in range(1, 1501)]
    switch.bridge([("eth0", UPLINK, 0), *((name, 10 + at, 0) for at, name in enumerate(names))], [])
    ports = PortSession("br0")

    def shown() -> set[str]:
        text = switch.run("ovs-ofctl", "-O", "OpenFlow10", "show", "br0")
        return set(re.findall(r"^ \d+\(([^)]+)\):[^\n]*\n +config: +[^\n]*NO_FLOOD", text, re.MULTILINE))

    assert not ports.no_flood()
    quiet = set(names[::3])
    for _ in range(2):
        ports.set_flooding({name: name not in quiet for name in names})
        assert ports.no_flood() == quiet
        assert set(names[:300:3]) <= shown() <= quiet  # what ovs-ofctl shows in 1.0 is cut off at one message
    ports.set_flooding({names[0]: True, "vif9999.0": True})
    assert ports.no_flood() == quiet - {names[0]}
    with pytest.raises(SwitchRefused, match=r"it has no port vif9999\.0"):
        ports.set_flooding({names[0]: False, "vif9999.0": False})
    assert ports.no_flood() == quiet - {names[0]}
    ports.close()


def test_a_switch_that_was_away_is_asked_again(switch: DummySwitch, session: Session) -> None:
    flows = some(1)[0]
    session.commit([], flows)
    switch.bridge([("eth0", UPLINK, 0)], [])  # made anew: it hangs up on everybody
    session.commit([], flows)
    assert session.count() == len(flows)
    with pytest.raises(Unreachable, match=r"br9.mgmt.*running\?"):
        Session("br9").count()


def test_a_bridge_without_this_version_says_so(switch: DummySwitch, session: Session) -> None:
    switch.run("ovs-vsctl", "set", "Bridge", "br0", "protocols=OpenFlow10,OpenFlow13")
    try:
        with pytest.raises(Unreachable, match=r"OpenFlow 1\.4: is it among"):
            session.count()
    finally:
        switch.run("ovs-vsctl", "clear", "Bridge", "br0", "protocols")


def test_what_is_no_switch_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that talks rubbish, or hangs up in the middle of a message."""
    import socket
    import threading

    monkeypatch.setattr(paths, "OVS_RUN", str(tmp_path))
    for said in (b"HTTP/1.1 400 Bad\r\n\r\n", b"\x05\0\0\x02\0\0\0\1", b"\x05\0\0\x40\0\0\0\1", b""):
        where = tmp_path / "br0.mgmt"
        where.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(str(where))
            server.listen(1)

            def answer(server: socket.socket = server, said: bytes = said) -> None:
                wire, _ = server.accept()
                with wire:
                    wire.sendall(said)

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(Unreachable):
                Session("br0").count()
            thread.join()
