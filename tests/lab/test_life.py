"""The life of a VM as xenopsd lives it, and what the stock script left in a switch."""

from collections.abc import Iterator

import pytest

from lab import BACKEND, Flood, guest, log_of, port, reaches, ringfence, running, udp
from ringfence_lab import netns
from ringfence_lab.ends import End, without_offload
from ringfence_lab.folder import wait_for
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool
from ringfence_lab.probe import Capture, exchange, packet_socket
from ringfence_lab.steps import Steps

SCENARIO = {
    "hosts": ["h1", "h2"],
    "networks": {
        "backend": {"vlan": 120, "ringfence": BACKEND},
        "other": {"vlan": 130, "ringfence": BACKEND},
        "inner": {"internal": True, "ringfence": "default=isolated"},
    },
    "guests": {
        "blue1": guest("h1", 11, "groups=blue"),
        "blue2": guest("h2", 12, "groups=blue"),
        "blue3": guest("h1", 13, "groups=blue"),
        "green1": guest("h1", 21, "groups=green"),
        "twin": guest("h2", 11, "groups=blue", "other"),
        "mate": guest("h1", 14, "groups=blue", "other"),
        "in1": guest("h1", 11, "groups=blue", "inner"),
        "in2": guest("h1", 12, "groups=blue", "inner"),
        "in3": guest("h1", 13, "groups=green", "inner"),
    },
    "outside": {"gw": {"network": "backend", "addresses": ["10.0.0.1"]}},
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        yield made


def clean(steps: Steps, vif: str = "") -> None:
    for name in ("h1", "h2"):
        steps.run({"flows": {"host": name, "orphans": 0}})
    if vif:
        steps.run({"flows": {"host": "h1", "of": vif, "count": 0}})


def came(pool: Pool, sender: str, frame: bytes, ends: list[End]) -> set[str]:
    """At which ends a frame of a guest was seen, within half a second."""
    with Capture(ends) as capture, packet_socket(pool.ends[sender]) as raw:
        raw.send(frame)
        while capture.read(0.5):
            pass
        return {end.name for end, got in capture.frames if got[14:] == frame[14:]}


def test_suspended_and_resumed_elsewhere(pool: Pool, steps: Steps) -> None:
    assert reaches(pool, "blue1/0", "blue2/0")
    steps.run({"do": "suspend blue1"})
    clean(steps, "blue1/0")
    assert reaches(pool, "blue2/0", "blue3/0")
    steps.run({"do": "resume blue1 h2"})
    assert reaches(pool, "blue1/0", "blue3/0")
    assert not exchange(pool.ends["blue1/0"], pool.ends["green1/0"], "icmp", 4, 0.5)
    steps.run({"do": "migrate blue1 h1"})
    assert reaches(pool, "blue1/0", "blue2/0")
    clean(steps)


def test_registered_twice_as_windows_does(pool: Pool, steps: Steps) -> None:
    for _ in range(2):
        pool.xenopsd.unplug("blue1/0")
        pool.xenopsd.plug("blue1/0")
    pool.settle()
    assert reaches(pool, "blue1/0", "blue2/0")
    assert reaches(pool, "blue1/0", "gw")
    clean(steps)


def test_a_vif_that_moves_to_another_network(pool: Pool, host: Host, steps: Steps) -> None:
    assert reaches(pool, "blue3/0", "blue2/0")
    steps.run({"do": "move blue3/0 other"})
    assert reaches(pool, "blue3/0", "twin/0")
    assert not exchange(pool.ends["blue3/0"], pool.ends["blue2/0"], "icmp", 4, 0.5)
    steps.run({"do": "move blue3/0 backend"})
    assert reaches(pool, "blue3/0", "blue2/0")
    clean(steps)
    assert ringfence(host, "audit").returncode == 0


def test_vlans_with_the_same_addresses_do_not_meet(pool: Pool) -> None:
    """blue1 and twin bear one address on two VLANs of one bridge, and in1 bears it on an internal network."""
    assert reaches(pool, "twin/0", "mate/0")
    assert reaches(pool, "in1/0", "in2/0")
    assert not exchange(pool.ends["in1/0"], pool.ends["in3/0"], "icmp", 4, 0.5)
    frame = udp(pool, "blue1/0", "blue3/0", "10.0.0.11", "10.0.0.13")
    ends = [pool.ends[f"{name}/0"] for name in ("blue2", "blue3", "green1", "twin", "mate", "in1", "in2", "in3")]
    assert came(pool, "blue1/0", frame, ends) == {"blue3/0"}
    everybody = b"\xff" * 6 + frame[6:]
    assert came(pool, "blue1/0", everybody, ends) == {"blue2/0", "blue3/0"}


def test_an_emulated_device_beside_the_vif(pool: Pool, host: Host, steps: Steps) -> None:
    """An HVM guest before its PV drivers load: tapD.N, the same MAC and record, a second port."""
    name, _ = port(pool, host, "blue1")
    tap, uuid = name.replace("vif", "tap"), pool.db.get("VM", pool.vms["blue1"])["uuid"]
    mac = pool.ends["blue1/0"].mac
    netns.run(
        "ip", "link", "add", tap, "netns", netns.name_of("h1"), "type", "veth", "peer", "name", "emu0", "address", mac,
        "netns", netns.name_of("blue1"),
    )  # fmt: skip
    without_offload("h1", tap)
    without_offload("blue1", "emu0")
    emulated = pool.ends["blue1/0"]._replace(device="emu0", name="emu")
    pool.ends["emu"] = emulated
    try:
        netns.ip("blue1", "link set emu0 up")
        assert host.hook(tap, uuid, "0", "filter") == 0
        assert host.xenstore.read(f"/xapi/{uuid}/hotplug/{name[3:].partition('.')[0]}/vif/0/tap-ofport")
        pool.settle()
        others = [pool.ends[n] for n in ("blue1/0", "blue3/0", "green1/0", "gw")]
        honest = udp(pool, "blue1/0", "blue3/0", "10.0.0.11", "10.0.0.13")
        assert came(pool, "emu", honest, others) == {"blue3/0"}
        assert came(pool, "emu", b"\xff" * 6 + honest[6:], others) == {"blue3/0", "gw"}
        assert came(pool, "emu", udp(pool, "blue1/0", "blue3/0", "10.0.0.21", "10.0.0.13"), others) == set()
        assert came(pool, "emu", udp(pool, "blue1/0", "green1/0", "10.0.0.11", "10.0.0.21"), others) == set()
        assert came(pool, "emu", udp(pool, "green1/0", "blue3/0", "10.0.0.11", "10.0.0.13"), others) == set()
        towards = udp(pool, "blue3/0", "blue1/0", "10.0.0.13", "10.0.0.11")
        assert came(pool, "blue3/0", towards, [emulated, pool.ends["blue1/0"]]) == {"emu", "blue1/0"}
        assert came(pool, "green1/0", udp(pool, "green1/0", "blue1/0", "10.0.0.21", "10.0.0.11"), [emulated]) == set()
    finally:
        del pool.ends["emu"]
        netns.run("ip", "-n", netns.name_of("h1"), "link", "del", tap)
        assert host.hook(tap, uuid, "0", "clear") == 0
    pool.settle()
    assert reaches(pool, "blue1/0", "blue3/0")
    clean(steps)


def test_gone_without_a_word(pool: Pool, host: Host, steps: Steps) -> None:
    """Device, domain and JSON are gone before ``clear`` runs; it exits 0 and leaves nothing."""
    name, _ = port(pool, host, "blue3")
    uuid = pool.db.get("VM", pool.vms["blue3"])["uuid"]
    netns.run("ip", "-n", netns.name_of("h1"), "link", "del", name)
    host.forget_json(uuid)
    host.xenstore.remove(f"/xapi/{uuid}")
    assert host.hook(name, uuid, "0", "clear") == 0
    pool.settle()
    clean(steps, "blue3/0")
    assert host.hook(name, uuid, "0", "filter") == 1
    pool.db.update("VIF", pool.vifs["blue3/0"], currently_attached=False)
    steps.run({"do": "stop blue3"})
    steps.run({"do": "start blue3"})
    assert reaches(pool, "blue3/0", "blue1/0")


def test_a_port_without_a_number_harms_nobody(pool: Pool, host: Host, steps: Steps) -> None:
    uuid = pool.db.get("VIF", pool.vifs["green1/0"])["uuid"]
    host.switch.vsctl("--no-wait", "add-port", "xapi1", "vif99.0", "--", "set", "Interface", "vif99.0", f"external_ids:xs-vif-uuid={uuid}")
    wait_for(lambda: host.switch.vsctl("get", "Interface", "vif99.0", "ofport").strip() == "-1", "an ofport of -1")
    steps.run({"do": "ip-add blue1/0 10.0.0.111"})
    assert reaches(pool, "blue1/0", "blue3/0")
    assert reaches(pool, "green1/0", "gw")
    assert host.hook("vif99.0", pool.db.get("VM", pool.vms["green1"])["uuid"], "0", "clear") == 0
    assert "vif99.0" not in host.switch.vsctl("list-ports", "xapi1")
    pool.settle()
    assert reaches(pool, "green1/0", "gw")
    steps.run({"do": "ip-remove blue1/0 10.0.0.111"})


def test_a_number_that_was_anothers(pool: Pool, host: Host, steps: Steps) -> None:
    """Nobody noticed that green1's port went, and blue3's got its number: it is not taken for green1."""
    steps.run({"do": "stop blue3"})
    name, number = port(pool, host, "green1")
    host.stop_agent(kill=True)
    netns.run("ip", "-n", netns.name_of("h1"), "link", "del", name)
    host.switch.vsctl("del-port", name)
    pool.xenopsd.start("blue3", "h1")
    late, _ = port(pool, host, "blue3")
    host.switch.vsctl("set", "Interface", late, f"ofport_request={number}")
    wait_for(lambda: port(pool, host, "blue3")[1] == number, "the number")
    forged = udp(pool, "green1/0", "gw", "10.0.0.21", "10.0.0.1")
    host.start_agent()
    pool.settle()
    wait_for(lambda: reaches(pool, "blue3/0", "blue1/0", 0.5), "blue3", 5)
    assert came(pool, "blue3/0", forged, [pool.ends["gw"]]) == set()
    pool.db.update("VIF", pool.vifs["green1/0"], currently_attached=False)
    steps.run({"do": "stop green1"})
    steps.run({"do": "start green1"})
    assert reaches(pool, "green1/0", "gw")
    clean(steps)


def test_what_the_stock_script_left_is_found_and_removed(pool: Pool, host: Host) -> None:
    """Orphans have no port, or another VIF's; what others put on live ports with the same cookie stays."""
    _, number = port(pool, host, "blue1")
    gone, foreign = "in_port=77,dl_src=00:16:3e:aa:aa:aa", f"in_port={number},dl_src=00:16:3e:bb:bb:bb"
    orphans = [
        f"priority=8000,{gone},ip,nw_src=10.0.0.5,actions=NORMAL",
        "priority=4000,in_port=77,actions=drop",
        f"priority=8000,{foreign},arp,arp_sha=00:16:3e:bb:bb:bb,actions=NORMAL",
        f"priority=4000,in_port={number},actions=drop",
    ]
    live = f"in_port={port(pool, host, 'blue3')[1]},dl_src={pool.ends['blue3/0'].mac}"
    kept = [f"priority=8000,{live},ip,actions=NORMAL", "priority=7,tcp,actions=NORMAL"]

    def add(flows: list[str]) -> None:
        for flow in flows:
            host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "add-flow", "xenbr0", f"cookie=0x1,{flow}")

    def there() -> int:
        return host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "xenbr0", "cookie=0x1/-1").count("cookie=0x1,")

    add(orphans + kept)
    found = ringfence(host, "audit")
    assert found.returncode == 1
    assert found.stdout.count("orphan") == len(orphans)
    assert there() == len(orphans + kept)
    repaired = ringfence(host, "audit", "--repair")
    assert repaired.returncode == 0
    assert there() == len(kept)
    assert ringfence(host, "audit").returncode == 0
    host.stop_agent()
    add(orphans)
    mark = len(log_of(host))
    host.start_agent()
    wait_for(lambda: there() == len(kept), "the sweep at the start", 10)
    assert log_of(host)[mark:].count("event=orphan-removed") == len(orphans)
    assert reaches(pool, "blue1/0", "blue3/0")
    host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "del-flows", "xenbr0", "cookie=0x1/-1")


def test_audit_finds_and_repairs_what_somebody_broke(pool: Pool, host: Host) -> None:
    name, number = port(pool, host, "blue1")
    host.switch.vsctl("set", "Port", name, "protected=false")
    wait_for(lambda: host.switch.vsctl("get", "Port", name, "protected").strip() == "true", "the agent's repair")
    host.switch.run("ovs-ofctl", "-O", "OpenFlow10", "mod-port", "xenbr0", name, "flood")
    flow = f"cookie={0x5246 << 48 | 0xFF:#x},table=12,priority=9,in_port={number},actions=drop"
    host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "add-flow", "xenbr0", flow)
    found = ringfence(host, "-o", "csv", "audit", "--repair")
    assert f"port,{name} is flooded to" in found.stdout
    assert "extra" in found.stdout
    assert found.returncode == 0, found.stdout
    assert ringfence(host, "audit").returncode == 0


def test_a_bridge_made_anew_comes_back_whole(pool: Pool, host: Host, steps: Steps) -> None:
    """networkd's ports come back bare: no flows, no external_ids, not protected."""
    strange = udp(pool, "green1/0", "blue1/0", "10.0.0.21", "10.0.0.11")
    name, _ = port(pool, host, "blue1")
    ids = host.switch.vsctl("get", "Interface", name, "external_ids")
    with Flood(pool, {"green1/0": [strange]}, [host]) as flood:
        steps.run({"do": "remake-bridge h1 backend"})
    times = [when for _, when, _ in flood.leaked]
    print(f"a bridge made anew lets {len(times)} strange frames through, for {(max(times) - min(times)) * 1000 if times else 0:.0f} ms")
    wait_for(lambda: reaches(pool, "blue1/0", "blue2/0", 0.5), "the members", 10)
    assert host.switch.vsctl("get", "Interface", name, "external_ids") == ids
    assert came(pool, "green1/0", strange, [pool.ends["blue1/0"], pool.ends["blue3/0"]]) == set()
    assert not exchange(pool.ends["green1/0"], pool.ends["blue1/0"], "icmp", 4, 0.5)
    assert reaches(pool, "green1/0", "gw")
    assert ringfence(host, "audit").returncode == 0
