"""The view that follows OVSDB reads again what changed, and is what a new look sees."""

import random
import time
from collections.abc import Callable, Iterator

import pytest

from pools import UPLINK
from ringfence import paths
from ringfence.switch.ovsdb import OvsdbWatcher, read_once
from ringfence_lab.dummy import DummySwitch

CALM = 40
"""Ports that nobody touches."""


@pytest.fixture
def watcher(switch: DummySwitch, monkeypatch: pytest.MonkeyPatch) -> Iterator[OvsdbWatcher]:
    monkeypatch.setattr(paths, "OVS_RUN", str(switch.folder))
    switch.bridge([("eth0", UPLINK, 0), *((f"vif{number}.0", number, number % 3) for number in range(1, CALM + 1))], [])
    made = OvsdbWatcher(lambda: None)
    made.start()
    yield made
    made.stop()
    made.join(10)
    assert not made.is_alive()


def up_to_date(watcher: OvsdbWatcher, why: str) -> None:
    deadline = time.monotonic() + 20
    while watcher.view != read_once():
        assert time.monotonic() < deadline, f"{why}: {watcher.view} is not {read_once()}"
        time.sleep(0.01)


def changes(chance: random.Random) -> Callable[[], list[str]]:
    """What somebody does to ports, a bond, fake bridges and another bridge."""
    name = f"vif{chance.randint(100, 105)}.{chance.randint(0, 1)}"
    steps: list[list[str]] = [
        ["--may-exist", "add-port", "br0", name, "--", "set", "Interface", name, "type=dummy"],
        ["--if-exists", "del-port", name],
        ["--if-exists", "set", "Port", name, f"tag={chance.randint(1, 9)}"],
        ["--if-exists", "clear", "Port", name, "tag"],
        ["--if-exists", "set", "Port", name, f"protected={chance.choice(['true', 'false'])}", "external_ids:ringfence=protected"],
        ["--if-exists", "remove", "Port", name, "external_ids", "ringfence"],
        ["--if-exists", "set", "Interface", name, f"external_ids:xs-vif-uuid=u{chance.randint(1, 3)}"],
        ["--if-exists", "set", "Interface", name, f"ofport_request={chance.randint(200, 210)}"],
        ["--may-exist", "add-bond", "br0", "bond0", "eth1", "eth2", "--", *["set", "Interface", "eth1", "type=dummy"]]
        + ["--", "set", "Interface", "eth2", "type=dummy"],
        ["--if-exists", "set", "Port", "bond0", f"bond_mode={chance.choice(['active-backup', 'balance-slb'])}"],
        ["--if-exists", "set", "Port", "bond0", f"lacp={chance.choice(['active', 'off'])}"],
        ["--if-exists", "del-port", "bond0"],
        ["--may-exist", "add-br", "xapi7", "br0", "7"],
        ["--if-exists", "del-br", "xapi7"],
        ["--may-exist", "add-br", "br1", "--", "set", "Bridge", "br1", "datapath_type=dummy"],
        ["--if-exists", "del-br", "br1"],
    ]
    return lambda: chance.choice(steps)


@pytest.mark.parametrize("seed", range(4))
def test_a_view_that_took_changes_is_a_new_look(switch: DummySwitch, watcher: OvsdbWatcher, seed: int) -> None:
    chance = random.Random(seed)
    for step in range(40):
        words = changes(chance)()
        switch.run("ovs-vsctl", *words)
        up_to_date(watcher, f"step {step}: {words}")
    switch.run("ovs-vsctl", "--if-exists", "del-br", "br1")


def test_what_did_not_change_is_not_read_again(switch: DummySwitch, watcher: OvsdbWatcher) -> None:
    up_to_date(watcher, "at first")
    assert watcher.view is not None
    before = {port.name: port for port in watcher.view.bridges["br0"].ports}
    switch.run("ovs-vsctl", "set", "Port", "vif1.0", "tag=9")
    up_to_date(watcher, "a tag")
    after = {port.name: port for port in watcher.view.bridges["br0"].ports}
    again = {name for name in before if after[name] is not before[name]}
    assert again == {name for name in before if after[name] != before[name]}
    assert "vif1.0" in again
    assert len(again) < CALM / 2


def test_a_database_that_was_away_is_read_whole(switch: DummySwitch, watcher: OvsdbWatcher) -> None:
    up_to_date(watcher, "at first")
    switch.run("ovs-appctl", "-t", "ovsdb-server", "ovsdb-server/reconnect")
    switch.run("ovs-vsctl", "set", "Port", "vif1.0", "tag=9", "--", "del-port", "vif2.0")
    up_to_date(watcher, "after it hung up")
