"""One host, looked at from inside: what the hook, the agent and the command line leave in the switch."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import Flood, port, reaches, ringfence, running, udp
from ringfence.flows.pipeline import COUNTED, PREFIXES, TABLES
from ringfence_lab import netns
from ringfence_lab.folder import wait_for
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool
from ringfence_lab.probe import Capture, exchange, packet_socket, send_frame
from ringfence_lab.steps import Failed, Steps

SCENARIO = {
    "hosts": ["h1"],
    "networks": {"backend": {"vlan": 120, "ringfence": "default=isolated inside=10.0.0.0/24 gateways=10.0.0.1"}},
    "guests": {
        "blue1": {"vifs": [{"network": "backend", "addresses": ["10.0.0.11"], "ringfence": "ipv4=10.0.0.11 groups=blue"}]},
        "blue2": {"vifs": [{"network": "backend", "addresses": ["10.0.0.12"], "ringfence": "ipv4=10.0.0.12 groups=blue"}]},
        "green1": {"vifs": [{"network": "backend", "addresses": ["10.0.0.21"], "ringfence": "ipv4=10.0.0.21 groups=green"}]},
        "plain": {"vifs": [{"network": "backend", "addresses": ["10.0.0.99"], "ringfence": "mode=unlocked"}]},
    },
    "outside": {"gw": {"network": "backend", "addresses": ["10.0.0.1"]}},
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        yield made


def test_a_change_moves_no_port(pool: Pool, host: Host, steps: Steps) -> None:
    before = port(pool, host, "blue1")
    trunks = host.switch.vsctl("get", "Port", before[0], "trunks")
    steps.run({"do": "ip-add blue1/0 10.0.0.111"})
    steps.run({"do": "set blue1/0 ipv4=10.0.0.11 groups=blue,green peers=10.0.0.77"})
    assert host.hook(before[0], pool.db.get("VM", pool.vms["blue1"])["uuid"], "0", "filter") == 0
    steps.run({"do": "set blue1/0 ipv4=10.0.0.11 groups=blue"})
    assert port(pool, host, "blue1") == before
    assert host.switch.vsctl("get", "Port", before[0], "trunks") == trunks


def test_the_hook_keeps_the_stock_contract(pool: Pool, host: Host) -> None:
    name, number = port(pool, host, "blue1")
    uuid = pool.db.get("VM", pool.vms["blue1"])["uuid"]
    vif = pool.db.get("VIF", pool.vifs["blue1/0"])
    ids = host.switch.vsctl("get", "Interface", name, "external_ids")
    assert f'xs-vif-uuid="{vif["uuid"]}"' in ids
    assert f'xs-vm-uuid="{uuid}"' in ids
    assert f'attached-mac="{vif["MAC"]}"' in ids
    assert "xs-network-uuid" in ids
    domid = name[3:].partition(".")[0]
    assert host.xenstore.read(f"/xapi/{uuid}/hotplug/{domid}/vif/0/vif-ofport") == str(number)
    assert host.hook("vif1.0", uuid, "0", "sideways") == 1
    assert host.run("python3", "-m", "ringfence.hook.main", "classic").returncode == 1
    assert host.hook("vif77.3", uuid, "3", "clear") == 0
    assert host.hook("vif77.3", uuid, "3", "filter") == 1


def test_two_hooks_at_once_do_not_race(pool: Pool, host: Host) -> None:
    name, number = port(pool, host, "blue2")
    uuid = pool.db.get("VM", pool.vms["blue2"])["uuid"]
    with ThreadPoolExecutor(4) as together:
        assert set(together.map(lambda _: host.hook(name, uuid, "0", "filter"), range(4))) == {0}
    host.stop_agent(kill=True)
    try:
        with ThreadPoolExecutor(4) as together:
            assert set(together.map(lambda _: host.hook(name, uuid, "0", "filter"), range(4))) == {0}
        assert port(pool, host, "blue2") == (name, number)
        assert reaches(pool, "blue1/0", "blue2/0")
    finally:
        host.start_agent()
        pool.settle()


def test_the_agents_return_changes_nothing_that_is_right(pool: Pool, host: Host) -> None:
    flows = "\n".join(sorted(_without_counters(host)))
    foreign = f"cookie=0x1,priority=3,in_port={port(pool, host, 'plain')[1]},actions=NORMAL"
    host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "add-flow", "xenbr0", foreign)
    host.stop_agent(kill=True)
    mark = (host.root / "agent.log").stat().st_size
    host.start_agent()
    host.wait_ready()
    log = (host.root / "agent.log").read_text()[mark:]
    assert "xapi-in-sync" in log
    assert "committed" not in log
    after = _without_counters(host)
    assert "\n".join(sorted(line for line in after if "cookie=0x1," not in line)) == flows
    assert any("cookie=0x1," in line for line in after)
    host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "del-flows", "xenbr0", "cookie=0x1/-1")


def _without_counters(host: Host) -> list[str]:
    text = host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "dump-flows", "xenbr0")
    return [line.strip() for line in text.splitlines() if "actions=" in line and f"cookie={COUNTED:#x}" not in line]


def test_ip_add_returns_when_the_change_is_in_force(pool: Pool, host: Host) -> None:
    frame = udp(pool, "blue1/0", "gw", "10.0.0.112", "10.0.0.1")
    with Capture([pool.ends["gw"]]) as capture, packet_socket(pool.ends["blue1/0"]) as raw:
        raw.send(frame)
        done = ringfence(host, "ip", "add", "blue1/0", "10.0.0.112")
        assert done.returncode == 0, done.stderr
        assert "before:" in done.stdout
        capture.read(0.2)
        assert not [got for _, got in capture.frames if got[26:30] == bytes([10, 0, 0, 112])]
        raw.send(frame)
        wait_for(lambda: capture.read(0.1) and any(got[26:30] == bytes([10, 0, 0, 112]) for _, got in capture.frames), "the frame", 3)
    assert "mac=00:16:3e:00:00:00" in ringfence(host, "vif", "show", "blue1/0").stdout
    again = ringfence(host, "ip", "add", "blue1/0", "10.0.0.112")
    assert again.returncode == 0
    assert "no change" in again.stdout
    assert ringfence(host, "ip", "remove", "blue1/0", "10.0.0.112").returncode == 0


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["ip", "add", "blue1/0", "10.0.0.21"], 4, "belongs to green1/0"),
        (["ip", "add", "blue1/0", "10.0.0.1"], 4, "is a gateway of backend"),
        (["ip", "add", "blue1/0", "10.0.0.5/24"], 2, "write 10.0.0.5 for one address or 10.0.0.0/24 for the prefix"),
        (["ip", "add", "nobody/0", "10.0.0.5"], 2, "no VIF is called nobody/0"),
        (["vif", "set", "blue1/0", "ipv4=10.0.0.11,10.0.0.21"], 4, "blue1/0: 10.0.0.21 belongs to green1/0"),
        (["vif", "set", "blue1/0", "ipv4=10.0.0.1"], 4, "10.0.0.1 is a gateway of backend"),
        (["vif", "set", "blue1/0", "mac=00:16:3e:00:00:09"], 2, "leave it out"),
        (["vif", "set", "blue1/0", "services=dns"], 2, "blue1/0: services=dns is not known: write one of dhcp"),
        (["explain", "blue1", "blue1"], 2, "are one party"),
        (["vif", "set", "blue1/0", "mode=closed"], 2, "write one of unlocked, locked, isolated, disabled"),
        (["vif", "set", "blue1/0", "colour=red"], 2, "unknown key 'colour'"),
        (["group", "add", "Blue", "blue1/0"], 2, "is not a group name"),
        (["network", "set", "backend", "inside=10.0.0.1/24"], 2, "has host bits set"),
        (["network", "show", "nowhere"], 2, "no network is called nowhere"),
        (["frobnicate"], 2, "invalid choice"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(pool: Pool, host: Host, words: list[str], status: int, says: str) -> None:
    before = {kind: dict(pool.db.rows[kind]) for kind in ("VIF", "network", "pool")}
    done = ringfence(host, *words)
    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert {kind: dict(pool.db.rows[kind]) for kind in before} == before


def test_the_commands_of_an_operator(pool: Pool, host: Host) -> None:
    assert ringfence(host, "group", "add", "red", "blue1/0", "green1/0").returncode == 0
    assert reaches(pool, "blue1/0", "green1/0")
    shown = ringfence(host, "-o", "json", "group", "show", "red")
    assert [row["vif"] for row in json.loads(shown.stdout)["rows"]] == ["blue1/0", "green1/0"]
    assert ringfence(host, "group", "remove", "red", "blue1/0", "green1/0").returncode == 0
    assert not exchange(pool.ends["blue1/0"], pool.ends["green1/0"], "icmp", 4, 0.5)
    assert ringfence(host, "group", "show", "red").returncode == 1
    dry = ringfence(host, "vif", "set", "green1/0", "mode=disabled", "--dry-run")
    assert "after:  mode=disabled" in dry.stdout
    assert reaches(pool, "green1/0", "gw")
    assert ringfence(host, "network", "set", "backend", "external=deny").returncode == 0
    assert not exchange(pool.ends["green1/0"], pool.ends["gw"], "icmp", 4, 0.5)
    assert ringfence(host, "network", "set", "backend", "external=").returncode == 0
    assert reaches(pool, "green1/0", "gw")
    assert ringfence(host, "status").returncode == 0
    assert ringfence(host, "ip", "who", "10.0.0.21").stdout.split()[-3:] == ["green1/0", "backend", "10.0.0.21"]


def test_explain_says_why_and_what_would_change_it(pool: Pool, host: Host) -> None:
    members = ringfence(host, "explain", "blue1", "blue2/0")
    assert members.returncode == 0
    assert "blue1/0 may talk to blue2/0 on backend: both are in group blue" in members.stdout
    assert "change: ringfence group remove blue blue2/0" in members.stdout
    strangers = ringfence(host, "explain", "blue1/0", "10.0.0.21")
    assert strangers.returncode == 1
    assert "blue1/0 may not talk to 10.0.0.21 (green1/0) on backend: no shared group, no peer entry and not external" in strangers.stdout
    changes = [line.partition("ringfence ")[2].split() for line in strangers.stdout.splitlines() if "change:" in line]
    assert changes == [["vif", "set", "blue1/0", "peers=10.0.0.21"], ["vif", "set", "green1/0", "peers=10.0.0.11"]]
    assert ringfence(host, *changes[0]).returncode == 0
    assert ringfence(host, "explain", "blue1/0", "green1/0").returncode == 1
    assert ringfence(host, *changes[1]).returncode == 0
    assert ringfence(host, "explain", "blue1/0", "green1/0").returncode == 0
    assert reaches(pool, "blue1/0", "green1/0")
    for name in ("blue1/0", "green1/0"):
        assert ringfence(host, "vif", "set", name, "peers=").returncode == 0
    gateway = json.loads(ringfence(host, "-o", "json", "explain", "green1", "10.0.0.1", "tcp/443").stdout)["rows"]
    assert [(row["allowed"], row["why"], row["switch"]) for row in gateway] == [(True, "it is external", "h1 delivers tcp/443")]
    assert ringfence(host, "explain", "green1", "outside").returncode == 0
    inside = ringfence(host, "explain", "green1", "10.0.0.250")
    assert inside.returncode == 1
    assert "change: ringfence vif set green1/0 peers=10.0.0.250" in inside.stdout
    assert "as:     10.0.0.21; what it sends from any other address is dropped" in inside.stdout
    assert ringfence(host, "explain", "10.0.0.1", "outside").returncode == 2
    assert ringfence(host, "explain", "plain", "blue1").returncode == 1


def test_metrics_count_what_is_dropped(pool: Pool, host: Host) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    def found() -> dict[str, float]:
        families = text_string_to_metric_families(ringfence(host, "metrics").stdout)
        return {"/".join([s.name, *sorted(s.labels.values())]): s.value for family in families for s in family.samples}

    before = found()
    assert before["ringfence_in_sync"] == 1
    assert before["ringfence_flows/xenbr0"] > 100
    frame = udp(pool, "blue1/0", "blue2/0", "10.0.0.99", "10.0.0.12")
    for _ in range(5):
        send_frame(pool.ends["blue1/0"], frame)
    name = "ringfence_dropped_packets_total/source/xenbr0"
    wait_for(lambda: found()[name] >= before.get(name, 0) + 5, "the count", 10)


def test_explain_asks_the_switch_and_says_where_it_differs(pool: Pool, host: Host) -> None:
    for kind in ("icmp", "arp", "tcp/443", "udp/53"):
        assert ringfence(host, "explain", "blue1", "blue2", kind).stdout.count(f"switch: h1 delivers {kind}") == 2
        strangers = ringfence(host, "explain", "-v", "blue1", "green1", kind).stdout
        assert strangers.count(f"switch: h1 drops {kind} (unreachable-out)") == 2
        assert "cookie 0x5246" in strangers
    for wrong in ("tcp", "tcp/70000", "sctp/1"):
        done = ringfence(host, "explain", "blue1", "blue2", wrong)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    number = port(pool, host, "blue1")[1]
    block = f"cookie=0x77,table=0,priority=65000,in_port={number},actions=drop"
    host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "add-flow", "xenbr0", block)
    try:
        done = ringfence(host, "explain", "blue1", "blue2")
        assert "h1 drops icmp (nothing of ours: the switch itself), which differs from the policy" in done.stdout
        assert done.returncode == 1
    finally:
        host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "del-flows", "xenbr0", "cookie=0x77/-1")
    assert ringfence(host, "explain", "blue1", "blue2").returncode == 0


def test_a_bad_record_closes_its_own_vif_and_says_why(pool: Pool, host: Host, steps: Steps) -> None:
    steps.run({"do": "set green1/0 'ipv4=10.0.0.5/24 groups=green'"})
    status = ringfence(host, "status")
    assert status.returncode == 1
    assert "closed:    green1/0:" in status.stdout
    assert "has host bits set" in status.stdout
    assert reaches(pool, "blue1/0", "blue2/0")
    assert "state DOWN" in netns.run("ip", "-n", "rfl-h1", "link", "show", port(pool, host, "green1")[0])
    steps.run({"do": "set green1/0 'ipv4=10.0.0.21 groups=green'"})
    assert reaches(pool, "green1/0", "gw")


def test_the_mirror_shows_the_record_and_is_put_back(pool: Pool, host: Host, steps: Steps) -> None:
    vm = pool.vms["blue2"]
    key = "vm-data/ringfence/0"
    line = pool.db.get("VIF", pool.vifs["blue2/0"])["other_config"]["ringfence"]
    wait_for(lambda: pool.db.get("VM", vm)["xenstore_data"].get(key) == line, "the mirror")
    live = f"/local/domain/{pool.db.get('VM', vm)['domid']}/{key}"
    wait_for(lambda: host.xenstore.read(live) == line, "the live mirror")
    steps.run({"do": f"guest-writes blue2 {key} 'mode=unlocked groups=green'"})
    assert not exchange(pool.ends["blue2/0"], pool.ends["green1/0"], "icmp", 4, 0.5)
    wait_for(lambda: pool.db.get("VM", vm)["xenstore_data"].get(key) == line, "the mirror", 15)
    wait_for(lambda: host.xenstore.read(live) == line, "the live mirror")
    assert "tampered" in (host.root / "agent.log").read_text()


def test_a_flow_that_the_switch_refuses_closes_its_own_vif(pool: Pool, host: Host, steps: Steps) -> None:
    used = len([line for line in _without_counters(host) if "table=14," in line])
    table = host.switch.vsctl("get", "Bridge", "xenbr0", "flow_tables:14").strip()
    host.switch.vsctl("set", "Flow_Table", table, f"flow_limit={used + 2}", "overflow_policy=refuse")
    try:
        many = ",".join(f"10.0.0.{n}" for n in range(30, 60))
        steps.run({"do": f"set green1/0 'ipv4={many} groups=green'"})
        status = ringfence(host, "status")
        assert "green1/0: the switch refused its flows" in status.stdout
        assert reaches(pool, "blue1/0", "blue2/0")
        assert reaches(pool, "blue1/0", "gw")
        assert not exchange(pool.ends["green1/0"], pool.ends["gw"], "icmp", 4, 0.5)
    finally:
        host.switch.vsctl("clear", "Flow_Table", table, "flow_limit", "overflow_policy")
    steps.run({"do": "set green1/0 'ipv4=10.0.0.21 groups=green'"})
    wait_for(lambda: exchange(pool.ends["green1/0"], pool.ends["gw"], "icmp", 4, 0.5), "green1's return", 10)


def test_a_gateway_that_only_unicasts_is_learned(pool: Pool, host: Host) -> None:
    """Else each frame to it would be flooded, to the unlocked guest too."""
    host.switch.run("ovs-appctl", "fdb/flush", "xenbr0")
    with packet_socket(pool.ends["gw"]) as gateway, packet_socket(pool.ends["blue1/0"]) as guest:
        with Capture([pool.ends["blue1/0"]]) as arrived:
            gateway.send(udp(pool, "gw", "blue1/0", "10.0.0.1", "10.0.0.11"))
            wait_for(lambda: arrived.read(0.1) and arrived.frames, "the gateway's frame", 3)
        table = host.switch.run("ovs-appctl", "fdb/show", "xenbr0")
        assert pool.ends["gw"].mac in table
        with Capture([pool.ends["gw"], pool.ends["plain/0"]]) as capture:
            guest.send(udp(pool, "blue1/0", "gw", "10.0.0.11", "10.0.0.1", 4001))
            wait_for(lambda: capture.read(0.1) and any(end.name == "gw" and b"\x0f\xa1" in got for end, got in capture.frames), "it", 3)
            capture.read(0.2)
            assert not [got for end, got in capture.frames if end.name == "plain/0" and b"\x0f\xa1" in got]


def test_no_strange_frame_while_the_switch_is_killed(pool: Pool, host: Host, steps: Steps) -> None:
    """A stranger floods members and the gateway with forged frames while the switch dies and comes back."""
    strange = [
        udp(pool, "green1/0", "blue1/0", "10.0.0.21", "10.0.0.11"),
        udp(pool, "blue2/0", "blue1/0", "10.0.0.12", "10.0.0.11"),
        udp(pool, "gw", "blue1/0", "10.0.0.1", "10.0.0.11"),
    ]
    strange.append(b"\xff" * 6 + strange[0][6:])
    with Flood(pool, {"green1/0": strange}, [host]) as flood:
        for what in ("switch kill h1", "switch restart h1", "flows-lost h1", "agent kill h1", "agent start h1"):
            steps.run({"do": what})
    assert flood.sent > 500
    assert not flood.leaked
    wait_for(lambda: reaches(pool, "blue1/0", "blue2/0"), "the members", 5)


def test_what_a_lonely_hook_cannot_know_stays_closed(pool: Pool, host: Host) -> None:
    """No agent and no saved picture: the VIF is plugged, drops everything, and its link is down."""
    host.stop_agent()
    state = host.root / "var/lib/ringfence/state.json"
    kept = state.read_text()
    try:
        state.write_text("{ not json")
        pool.xenopsd.reboot("green1")
        name, number = port(pool, host, "green1")
        assert number > 0
        assert "state DOWN" in netns.run("ip", "-n", "rfl-h1", "link", "show", name)
        assert not exchange(pool.ends["green1/0"], pool.ends["gw"], "icmp", 4, 0.5)
        assert reaches(pool, "blue1/0", "blue2/0")
    finally:
        state.write_text(kept)
        host.start_agent()
        pool.settle()
    wait_for(lambda: reaches(pool, "green1/0", "gw"), "green1 once the agent knows it", 10)


def test_addresses_are_tracked_by_prefix(host: Host) -> None:
    for table, fields in PREFIXES.items():
        uuid = host.switch.vsctl("get", "Bridge", "xenbr0", f"flow_tables:{TABLES[table]}").strip()
        assert all(field in host.switch.vsctl("get", "Flow_Table", uuid, "prefixes") for field in fields)


def test_too_few_pings_prove_nothing(steps: Steps) -> None:
    ping = {"from": "blue2", "to": "blue1", "every": "1s"}
    with pytest.raises(Failed, match=r"only [0-9]+ pings"):
        steps.run({"while": {"ping": ping, "do": ["ip-add blue1/0 10.0.0.111", "ip-remove blue1/0 10.0.0.111"], "lost": 0}})


def test_check_finds_what_is_probably_not_meant(pool: Pool, host: Host) -> None:
    """In a pool that was made for this module: whose guest says it uses another address, and whose rules are another's."""
    done = ringfence(host, "-o", "json", "check")
    before = {(row["where"], row["what"]) for row in json.loads(done.stdout)["rows"]}
    vm, vif = pool.vms["blue1"], pool.vifs["blue1/0"]
    networks = {
        "0/ip": "10.0.0.11",
        "0/ipv4/0": "10.0.0.11",
        "0/ipv4/1": "10.0.0.199",
        "0/ipv6/0": "fe80::5",
        "1/ip": "10.9.9.9",
        "0/ipv6/1": "?",
    }
    metrics = pool.db.create("VM_guest_metrics", networks=networks)
    controller = pool.db.create("SDN_controller", protocol="ssl", address="192.0.2.7", port=6640)
    kept = dict(pool.db.get("VIF", vif)["other_config"])
    pool.db.update("VM", vm, guest_metrics=metrics)
    pool.db.update("VIF", vif, other_config=dict(kept, **{"xo:sdn-controller:of-rules": "[]"}))
    try:
        done = ringfence(host, "-o", "json", "check")
        rows = json.loads(done.stdout)["rows"]
        new = {(row["where"], row["what"].split(":")[0]) for row in rows if (row["where"], row["what"]) not in before}
        assert new == {
            ("blue1/0", "the guest says that it uses 10.0.0.199, which its record does not list"),
            ("blue1/0", "Xen Orchestra's traffic rules do nothing on this network"),
            ("pool", "an SDN controller (192.0.2.7) may write flows into the same bridges"),
        }
        assert done.returncode == 1
        assert all(row["mend"] for row in rows)
        table = ringfence(host, "check")
        assert "mend: ringfence ip add blue1/0 10.0.0.199" in table.stdout
        assert "hint" in table.stdout.splitlines()[-1]
    finally:
        pool.db.update("VM", vm, guest_metrics="OpaqueRef:NULL")
        pool.db.update("VIF", vif, other_config=kept)
        pool.db.destroy("VM_guest_metrics", metrics)
        pool.db.destroy("SDN_controller", controller)
