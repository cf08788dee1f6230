"""A VIF's port in OVSDB: what the hook writes itself is what ovs-vsctl would have written, and what it reads."""

import os
import signal
import socket
import tempfile
import threading
from pathlib import Path

import pytest

from pools import UPLINK
from ringfence import paths
from ringfence.errors import SwitchRefused, Unreachable
from ringfence.switch import port, transact
from ringfence_lab.dummy import DummySwitch

IDS = {"xs-vif-uuid": "u1", "attached-mac": "00:16:3e:00:00:01"}


@pytest.fixture
def bridge(switch: DummySwitch, monkeypatch: pytest.MonkeyPatch) -> DummySwitch:
    monkeypatch.setattr(paths, "OVS_RUN", str(switch.folder))
    switch.bridge([("eth0", UPLINK, 0), ("vif1.0", 7, 0)], [])
    switch.run("ovs-vsctl", "add-br", "xapi7", "br0", "7", "--", "add-br", "xapi8", "br0", "8")
    return switch


def standing(interface: str) -> tuple[str, int, dict[str, str]]:
    found = port.standing(interface)
    assert found is not None
    return found.bridge, found.ofport, found.external_ids


def told(switch: DummySwitch, *words: str) -> str:
    return switch.run("ovs-vsctl", *words).strip()


@pytest.mark.parametrize(("name", "tag"), [("br0", "[]"), ("xapi8", "8")])
@pytest.mark.parametrize("held", [True, False])
def test_a_port_is_put_on_a_bridge_and_taken_off(bridge: DummySwitch, name: str, tag: str, held: bool) -> None:
    number = port.add(name, "vif9.0", IDS, held)
    assert told(bridge, "iface-to-br", "vif9.0") == name
    assert told(bridge, "get", "Interface", "vif9.0", "ofport") == str(number)
    assert told(bridge, "get", "Port", "vif9.0", "tag") == tag
    assert told(bridge, "get", "Port", "vif9.0", "protected") == str(held).lower()
    assert told(bridge, "get", "Port", "vif9.0", "external_ids") == ("{ringfence=protected}" if held else "{}")
    assert standing("vif9.0") == (name, number, IDS)
    port.label("vif9.0", {"xs-vif-uuid": "u2", "more": "1"})
    assert standing("vif9.0") == (name, number, {**IDS, "xs-vif-uuid": "u2", "more": "1"})
    port.remove("vif9.0")
    assert port.standing("vif9.0") is None
    assert "vif9.0" not in told(bridge, "list-ports", "br0")
    assert not told(bridge, "--bare", "find", "Interface", "name=vif9.0")
    port.remove("vif9.0")


def test_a_port_that_was_elsewhere_moves(bridge: DummySwitch) -> None:
    port.add("br0", "vif9.0", {"old": "1"}, True)
    number = port.add("xapi7", "vif9.0", IDS, False)
    assert standing("vif9.0") == ("xapi7", number, IDS)
    assert told(bridge, "get", "Port", "vif9.0", "protected") == "false"
    assert told(bridge, "--bare", "--columns=name", "find", "Port", "name=vif9.0") == "vif9.0"
    assert "vif1.0" in told(bridge, "list-ports", "br0"), "others stay"


def test_what_cannot_be_is_told(bridge: DummySwitch) -> None:
    before = told(bridge, "list-ports", "br0")
    with pytest.raises(SwitchRefused, match="there is no bridge xapi9: see ovs-vsctl show"):
        port.add("xapi9", "vif9.0", IDS, True)
    with pytest.raises(SwitchRefused, match=r"OVSDB refuses: .*Nothing"):
        transact.transact({"op": "select", "table": "Nothing", "where": []})
    assert told(bridge, "list-ports", "br0") == before


def test_a_switch_that_does_not_follow_is_given_up(bridge: DummySwitch) -> None:
    pid = int((bridge.folder / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable, match=r"ovs-vswitchd did not follow within 0\.2 s"):
            transact.commit("a change", patience=0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    transact.commit("a change")


def test_a_database_that_is_away_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "OVS_RUN", str(tmp_path))
    with pytest.raises(Unreachable, match="OVSDB does not answer"):
        port.standing("vif9.0")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('{"id":1,"result":null,"error":"canceled"}', "OVSDB refuses: canceled"),
        ('{"id":1,"result":[],"error":null}', "OVSDB did 0 of 1 operations"),
        ('{"id":1,"result":[{"rows":[]},{"error":"constraint violation","details":"why"}]}', r"constraint violation \(why\)"),
        ('{"id":"echo","method":"echo","params":[]}{"id":1,"result":[{"rows":[]}],"error":null}', ""),
        ("[]", "OVSDB does not answer"),
        ('{"id":1,"result"', "OVSDB does not answer .*hung up"),
    ],
)
def test_whatever_the_database_says_is_an_answer_or_one_line(said: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="rf-") as folder, socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.setattr(paths, "OVS_RUN", folder)
        listening.bind(f"{folder}/db.sock")
        listening.listen()

        def serve() -> None:
            wire, _ = listening.accept()
            wire.recv(1 << 16)
            for octet in said:
                wire.sendall(octet.encode())
            wire.close()

        server = threading.Thread(target=serve)
        server.start()
        if told:
            with pytest.raises(Unreachable, match=told):
                port.standing("vif9.0")
        else:
            assert port.standing("vif9.0") is None
        server.join()


def test_who_put_a_port_on_a_bridge_stands_in_the_log(bridge: DummySwitch) -> None:
    port.add("br0", "vif9.0", IDS, True)
    port.remove("vif9.0")
    log = bridge.run("ovsdb-tool", "-m", "show-log", f"{bridge.folder}/conf.db")
    assert "ringfence: add-port br0 vif9.0" in log
    assert "ringfence: del-port vif9.0" in log
