"""The simulated XAPI held to what the published XenAPI client expects, and our session and watcher to both."""

import ssl
import threading
from collections.abc import Iterator
from xmlrpc.client import ServerProxy

import pytest
import XenAPI

from ringfence import paths
from ringfence.agent.compose import SETTLE_S, Settling
from ringfence.errors import Unreachable, XapiFailure
from ringfence.picture import Facts
from ringfence.xapi.rows import CLASSES, rows_of
from ringfence.xapi.session import Session
from ringfence.xapi.store import write_line
from ringfence.xapi.watch import XapiWatcher
from ringfence_lab.database import Database
from ringfence_lab.xapi import Xapi, serve


@pytest.fixture
def database() -> Database:
    database = Database()
    host = database.create("host", name_label="h1")
    database.create("pool", name_label="p", master=host)
    network = database.create("network", name_label="backend", bridge="xapi1", default_locking_mode="unlocked")
    vm = database.create("VM", name_label="web1", power_state="Running", resident_on=host, domid=7)
    database.create("VIF", VM=vm, device="0", network=network, MAC="00:16:3E:00:00:01", locking_mode="network_default")
    return database


@pytest.fixture
def client(database: Database) -> Iterator[XenAPI.Session]:
    server = serve(Xapi(database))
    session = XenAPI.Session("http://127.0.0.1:{}".format(server.server_address[1]))
    session.xenapi.login_with_password("root", "", "1.0", "test")
    yield session
    session.xenapi.logout()
    ServerProxy.__call__(session, "close")()
    server.stop()


def test_the_published_client_reads_and_writes(client: XenAPI.Session) -> None:
    (vif,) = client.xenapi.VIF.get_all()
    record = client.xenapi.VIF.get_record(vif)
    assert record["locking_mode"] == "network_default"
    assert record["MTU"] == "0"  # integers are strings in XML-RPC
    client.xenapi.VIF.add_to_other_config(vif, "ringfence", "mode=locked")
    assert client.xenapi.VIF.get_other_config(vif) == {"ringfence": "mode=locked"}
    with pytest.raises(XenAPI.Failure) as caught:
        client.xenapi.VIF.add_to_other_config(vif, "ringfence", "mode=isolated")
    assert caught.value.details[0] == "MAP_DUPLICATE_KEY"
    client.xenapi.VIF.remove_from_other_config(vif, "ringfence")
    assert client.xenapi.VIF.get_other_config(vif) == {}
    with pytest.raises(XenAPI.Failure, match="VALUE_NOT_SUPPORTED"):
        client.xenapi.VIF.set_locking_mode(vif, "isolated")
    with pytest.raises(XenAPI.Failure, match="UUID_INVALID"):
        client.xenapi.VM.get_by_uuid("nothing")
    with pytest.raises(XenAPI.Failure, match="MESSAGE_METHOD_UNKNOWN"):
        client.xenapi.VIF.set_MAC(vif, "00:00:00:00:00:01")


def test_a_map_key_set_by_xe_is_two_events(client: XenAPI.Session) -> None:
    (vif,) = client.xenapi.VIF.get_all()
    first = client.xenapi.event_from(["vif"], "", 1.0)
    assert [e["operation"] for e in first["events"]] == ["add"]
    client.xenapi.VIF.add_to_other_config(vif, "a", "1")
    second = client.xenapi.event_from(["vif"], first["token"], 1.0)
    assert second["events"][0]["snapshot"]["other_config"] == {"a": "1"}
    client.xenapi.VIF.remove_from_other_config(vif, "a")
    third = client.xenapi.event_from(["vif"], second["token"], 1.0)
    assert third["events"][0]["snapshot"]["other_config"] == {}
    with pytest.raises(XenAPI.Failure, match="EVENT_FROM_TOKEN_PARSE_FAILURE"):
        client.xenapi.event_from(["vif"], "elsewhere,5", 1.0)


def test_watcher_follows_and_starts_over(database: Database, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(paths, "XAPI_SOCKET", str(tmp_path / "xapi"))
    xapi = Xapi(database)
    server = serve(xapi, tmp_path / "xapi")
    changed = threading.Event()
    watcher = XapiWatcher(Session(), lambda *_: changed.set())
    watcher.start()
    try:
        assert _until(changed, lambda: watcher.in_sync)
        writer = Session()
        (ref,) = writer.call("VIF.get_all")
        write_line(writer, "VIF", ref, "mode=locked")
        assert _until(changed, lambda: _line(watcher) == "mode=locked")
        write_line(writer, "VIF", ref, "mode=isolated")
        assert _until(changed, lambda: _line(watcher) == "mode=isolated")
        # The session ends, and the server comes back with another token: the watcher starts from nothing.
        server.stop()
        xapi.sessions.clear()
        database.boot = "another"
        server = serve(xapi, tmp_path / "xapi")
        writer.close()
        write_line(writer, "VIF", ref, None)
        assert _until(changed, lambda: watcher.in_sync and _line(watcher) is None)
        with pytest.raises(XapiFailure, match="HANDLE_INVALID"):
            writer.call("VIF.get_record", "OpaqueRef:none")
        writer.close()
    finally:
        watcher.stop()
        watcher.join(5)
        watcher.session.close()
        server.stop()
    assert not watcher.is_alive()


def _line(watcher: XapiWatcher) -> str | None:
    assert watcher.facts is not None
    (vif,) = watcher.facts.vifs.values()
    return vif.line


def _until(changed: threading.Event, true) -> bool:
    for _ in range(100):
        if true():
            return True
        changed.wait(0.1)
        changed.clear()
    return False


def test_a_line_that_comes_back_was_never_gone() -> None:
    settling = Settling()
    with_line = _facts("mode=isolated")
    assert settling.apply(with_line, 10.0) == with_line
    assert settling.apply(_facts(None), 11.0) == with_line
    assert settling.apply(_facts("mode=locked"), 11.1) == _facts("mode=locked")
    assert settling.apply(_facts(None), 12.0) == _facts("mode=locked")
    assert settling.waiting
    assert settling.apply(_facts(None), 12.0 + SETTLE_S) == _facts(None)
    assert not settling.waiting


def _facts(line: str | None) -> Facts:
    return Facts(pool_line=line)


def test_https_to_a_server_known_by_its_certificate(database: Database, identity: tuple[ssl.SSLContext, str]) -> None:
    """As from a workstation to a pool's master."""
    context, fingerprint = identity
    server = serve(Xapi(database), tls=context)
    where = f"127.0.0.1:{server.server_address[1]}"
    try:
        session = Session(where, ":".join(fingerprint[n : n + 2] for n in range(0, 64, 2)).upper())
        assert len(session.call("VIF.get_all")) == 1
        session.close()
        with pytest.raises(Unreachable, match=fingerprint):
            Session(where, "00" * 32).login("root", "secret")
        with pytest.raises(Unreachable, match="certificate"):
            Session(where).login("root", "secret")
    finally:
        server.stop()


def test_a_member_sends_us_to_its_master(database: Database, identity: tuple[ssl.SSLContext, str]) -> None:
    context, fingerprint = identity
    master = serve(Xapi(database), tls=context)
    member = serve(Xapi(database, master=f"127.0.0.1:{master.server_address[1]}"), tls=context)
    try:
        session = Session(f"127.0.0.1:{member.server_address[1]}", fingerprint)
        session.login("root", "secret")
        assert len(session.call("VIF.get_all")) == 1
        session.close()
    finally:
        member.stop()
        master.stop()


def test_rows_cost_what_an_event_changes(database: Database) -> None:
    """A guest that fills its vm-data changes no fact; and what comes event by event is what comes at once."""
    tables = {kind: dict(database.rows[{"vif": "VIF", "vm": "VM"}.get(kind, kind)]) for kind in CLASSES}
    rows = rows_of(tables)
    (vm,), (vif,), (network,) = tables["vm"], tables["vif"], tables["network"]
    before = rows.facts
    noisy = dict(tables["vm"][vm], xenstore_data={"vm-data/x": "1"})
    assert rows.take([{"class": "vm", "operation": "mod", "ref": vm, "snapshot": noisy}]) == {("vm", vm)}
    assert rows.facts is before
    other = database.create("network", name_label="other", bridge="xapi2", default_locking_mode="disabled")
    moved = dict(tables["vif"][vif], network=other, other_config={"ringfence": "mode=locked"})
    renamed = dict(noisy, name_label="web2")
    steps: list[dict] = [
        {"class": "network", "operation": "add", "ref": other, "snapshot": database.get("network", other)},
        {"class": "vif", "operation": "mod", "ref": vif, "snapshot": moved},
        {"class": "vm", "operation": "mod", "ref": vm, "snapshot": renamed},
        {"class": "network", "operation": "del", "ref": network},
    ]
    for step in steps:
        rows.take([step])
    tables["network"][other] = database.get("network", other)
    tables["vif"][vif], tables["vm"][vm] = moved, renamed
    del tables["network"][network]
    assert rows.facts == rows_of(tables).facts
    (found,) = rows.facts.vifs.values()
    assert (found.name, found.line, found.xapi.locking_mode) == ("web2/0", "mode=locked", "disabled")
    assert [ref for ref, _ in rows.vifs_of(vm)] == [vif]
    rows.take([{"class": "vm", "operation": "mod", "ref": vm, "snapshot": dict(renamed, is_a_template=True)}])
    assert not rows.facts.vifs
    rows.take([{"class": "vm", "operation": "del", "ref": vm}, {"class": "vif", "operation": "del", "ref": vif}])
    assert not rows.vifs_of(vm)
