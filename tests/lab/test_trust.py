"""Whom a policy is taken from: the anchor, proposals in vm-data, hosts that run no ringfence."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import BACKEND, guest, log_of, reaches, ringfence, running
from ringfence.xapi.keys import SAVED_MODE
from ringfence_lab.folder import wait_for
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool
from ringfence_lab.probe import exchange
from ringfence_lab.steps import Steps
from ringfence_lab.xenopsd import QUOTA

KEY = "vm-data/ringfence/0"
SCENARIO = {
    "hosts": ["h1", "h2"],
    "stock": ["h2"],
    "networks": {"backend": {"vlan": 120, "ringfence": BACKEND}},
    "guests": {
        "blue1": guest("h1", 11, "groups=blue"),
        "blue2": guest("h1", 12, "groups=blue"),
        "green1": guest("h1", 21, "groups=green"),
        "plain": guest("h1", 31, "mode=unlocked"),
    },
    "outside": {"gw": {"network": "backend", "addresses": ["10.0.0.1"]}},
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        yield made


def anchor(pool: Pool, vif: str) -> str:
    return str(pool.db.get("VIF", pool.vifs[vif])["other_config"]["ringfence"])


def mirror(pool: Pool, guest: str) -> str | None:
    return pool.db.get("VM", pool.vms[guest])["xenstore_data"].get(KEY)


def messages(pool: Pool, name: str) -> list[dict]:
    return [row for row in pool.db.rows["message"].values() if row["name"] == name]


def test_a_guest_that_writes_its_record_changes_nothing_and_is_reported(pool: Pool, host: Host) -> None:
    wait_for(lambda: mirror(pool, "blue2") == anchor(pool, "blue2/0"), "the mirror")
    for value in ("mode=unlocked groups=green", "x" * 2048, "not=a record\x01"):
        pool.xenopsd.guest_write("blue2", KEY, value)
    pool.settle()
    assert not exchange(pool.ends["blue2/0"], pool.ends["green1/0"], "icmp", 4, 0.5)
    wait_for(lambda: mirror(pool, "blue2") == anchor(pool, "blue2/0"), "the mirror", 30)
    assert "vif=blue2/0" in log_of(host)
    (alert,) = messages(pool, "RINGFENCE_TAMPERED")
    assert alert["obj_uuid"] == pool.db.get("VM", pool.vms["blue2"])["uuid"]
    assert "ringfence adopt blue2" in alert["body"]
    assert "blue2/0: its record's mirror was written over" in ringfence(host, "status").stdout
    counted = next(line for line in ringfence(host, "metrics").stdout.splitlines() if 'ringfence_tampered_total{vif="blue2/0"}' in line)
    assert int(counted.split()[1]) >= 1
    pool.xenopsd.guest_remove("blue2", "vm-data")
    wait_for(lambda: mirror(pool, "blue2") == anchor(pool, "blue2/0"), "the mirror", 60)
    assert reaches(pool, "blue1/0", "blue2/0")


def test_a_guest_that_fills_its_store_to_the_quota_changes_nothing(pool: Pool, host: Host) -> None:
    lines = len(log_of(host).splitlines())
    binary = bytes(range(1, 256)).decode("latin-1") * 4
    refused = ""
    for number in range(1, 2 * QUOTA):
        try:
            pool.xenopsd.guest_write("blue2", f"vm-data/ringfence/{number}", "mode=unlocked" if number % 2 else binary)
        except ValueError as error:
            refused = str(error)
            break
    assert "EQUOTA" in refused
    pool.settle()
    assert not exchange(pool.ends["blue2/0"], pool.ends["green1/0"], "icmp", 4, 0.5)
    assert mirror(pool, "blue2") == anchor(pool, "blue2/0")
    assert ringfence(host, "vif", "set", "blue1/0", "x-note=1").returncode == 0
    assert len(log_of(host).splitlines()) - lines < 10
    pool.xenopsd.guest_remove("blue2", "vm-data")
    wait_for(lambda: mirror(pool, "blue2") == anchor(pool, "blue2/0"), "the mirror", 60)


def test_what_was_written_can_be_adopted(pool: Pool, host: Host) -> None:
    before = anchor(pool, "blue1/0")
    line = "ipv4=10.0.0.11 groups=blue,green"
    # As xe vm-param-set xenstore-data:vm-data/ringfence/0=... does it: in the database alone.
    with pool.db.changed:
        data = pool.db.get("VM", pool.vms["blue1"])["xenstore_data"]
        pool.db.update("VM", pool.vms["blue1"], xenstore_data={**data, KEY: line})
    wait_for(lambda: mirror(pool, "blue1") == before, "the mirror", 30)
    refused = ringfence(host, "adopt", "blue1")
    assert refused.returncode == 2
    assert "pass --yes" in refused.stderr
    assert anchor(pool, "blue1/0") == before
    dry = ringfence(host, "adopt", "blue1", "--dry-run")
    assert f"before: {before}" in dry.stdout
    assert "after:  ipv4=10.0.0.11 groups=blue,green mac=" in dry.stdout
    assert ringfence(host, "adopt", "blue1", "--yes").returncode == 0
    assert reaches(pool, "blue1/0", "green1/0")
    again = ringfence(host, "adopt", "blue1", "--yes")
    assert again.returncode == 0
    assert "nothing to adopt" in again.stderr
    assert ringfence(host, "group", "remove", "green", "blue1/0").returncode == 0
    assert not exchange(pool.ends["blue1/0"], pool.ends["green1/0"], "icmp", 4, 0.5)
    assert ringfence(host, "adopt", "nobody").returncode == 2


def test_novas_networking_data_is_adopted(pool: Pool, host: Host, steps: Steps) -> None:
    mac = pool.ends["green1/0"].mac.replace(":", "").upper()
    told = {"label": "backend", "mac": mac, "ips": [{"ip": "10.0.0.21", "enabled": "1"}, {"ip": "10.0.0.22", "enabled": "1"}]}
    told["ip6s"] = [{"ip": "fd00::21", "enabled": "1"}]
    with pool.db.changed:
        data = pool.db.get("VM", pool.vms["green1"])["xenstore_data"]
        pool.db.update("VM", pool.vms["green1"], xenstore_data={**data, f"vm-data/networking/{mac}": json.dumps(told)})
    assert ringfence(host, "adopt", "green1", "--from", "nova", "--yes").returncode == 0
    assert "ipv4=10.0.0.21,10.0.0.22 ipv6=fd00::21 groups=green" in anchor(pool, "green1/0")
    with pool.db.changed:
        pool.db.update("VM", pool.vms["green1"], xenstore_data={**data, f"vm-data/networking/{mac}": "[1, 2]"})
    broken = ringfence(host, "adopt", "green1", "--from", "nova", "--yes")
    assert broken.returncode == 2
    assert "is not what nova writes" in broken.stderr
    steps.run({"do": "set green1/0 'ipv4=10.0.0.21 groups=green'"})


def test_a_copied_record_is_closed_until_it_is_adopted(pool: Pool, host: Host, steps: Steps) -> None:
    steps.run({"do": "set blue1/0 'ipv4=10.0.0.11 groups=blue mac=00:16:3e:99:99:99'"})
    assert "ringfence adopt" in ringfence(host, "status").stdout
    assert not exchange(pool.ends["blue1/0"], pool.ends["blue2/0"], "icmp", 4, 0.5)
    assert ringfence(host, "adopt", "blue1", "--yes").returncode == 0
    wait_for(lambda: reaches(pool, "blue1/0", "blue2/0"), "blue1", 5)


def test_least_holds_against_a_weaker_record(pool: Pool, steps: Steps) -> None:
    assert reaches(pool, "plain/0", "gw")
    steps.run({"do": f"set-network backend '{BACKEND} least=isolated'"})
    assert not exchange(pool.ends["plain/0"], pool.ends["blue2/0"], "arp", 4, 0.5)
    assert reaches(pool, "plain/0", "gw")
    steps.run({"do": f"set-network backend '{BACKEND}'"})


def test_a_pool_that_trusts_its_guests_takes_vm_data_for_the_policy(pool: Pool, host: Host, steps: Steps) -> None:
    steps.run({"do": "set-pool vm-data=adopt"})
    try:
        assert not exchange(pool.ends["green1/0"], pool.ends["blue2/0"], "icmp", 4, 0.5)
        pool.xenopsd.guest_write("green1", KEY, "ipv4=10.0.0.21 groups=blue")
        wait_for(lambda: reaches(pool, "green1/0", "blue2/0", 0.5), "green1 in its new group", 20)
        wait_for(lambda: mirror(pool, "green1") == anchor(pool, "green1/0"), "the canonical mirror", 20)
        # What is no record is no policy, and neither is nothing.
        pool.xenopsd.guest_write("green1", KEY, "mode=closed")
        wait_for(lambda: mirror(pool, "green1") == anchor(pool, "green1/0"), "the mirror", 20)
        assert "groups=blue" in anchor(pool, "green1/0")
        # An operator's change of the anchor is not undone by the older mirror.
        assert ringfence(host, "vif", "set", "green1/0", "groups=green").returncode == 0
        wait_for(lambda: mirror(pool, "green1") == anchor(pool, "green1/0"), "the mirror", 20)
        assert "groups=green" in anchor(pool, "green1/0")
        # Nor is one that came while no agent looked.
        host.stop_agent()
        steps.run({"do": "set green1/0 'ipv4=10.0.0.21 groups=green x-late=1'"})
        host.start_agent()
        wait_for(lambda: mirror(pool, "green1") == anchor(pool, "green1/0"), "the mirror", 20)
        assert "x-late=1" in anchor(pool, "green1/0")
    finally:
        steps.run({"do": "set-pool"})


def test_a_host_without_ringfence_puts_isolated_vifs_on_no_bridge(pool: Pool, host: Host, steps: Steps) -> None:
    def mode(vif: str) -> tuple[str, str | None]:
        row = pool.db.get("VIF", pool.vifs[vif])
        return row["locking_mode"], row["other_config"].get(SAVED_MODE)

    wait_for(lambda: mode("green1/0") == ("disabled", "network_default"), "the fallback", 10)
    assert mode("plain/0") == ("network_default", None)
    assert reaches(pool, "green1/0", "gw")  # ringfence's own hook obeys the record
    wait_for(lambda: "h2 shows no sign of ringfence" in ringfence(host, "status").stdout, "the status", 15)
    assert "\nringfence_hosts_without_agent 1\n" in ringfence(host, "metrics").stdout
    wait_for(lambda: messages(pool, "RINGFENCE_HOST_WITHOUT_AGENT"), "the alert", 15)
    pool.xenopsd.stop("green1")
    pool.xenopsd.start("green1", "h2")
    assert "vif" not in pool.hosts["h2"].switch.vsctl("--bare", "--columns=name", "list", "Port")
    assert not exchange(pool.ends["green1/0"], pool.ends["gw"], "icmp", 4, 0.5)
    pool.xenopsd.stop("green1")
    pool.xenopsd.start("green1", "h1")
    pool.settle()
    assert reaches(pool, "green1/0", "gw")
    steps.run({"do": "set-pool no-agent=stock"})
    wait_for(lambda: mode("green1/0") == ("network_default", None), "the old mode", 10)
    assert reaches(pool, "green1/0", "gw")
    steps.run({"do": "set-pool"})
    wait_for(lambda: mode("green1/0") == ("disabled", "network_default"), "the fallback", 10)
    steps.run({"do": "clear green1/0"})
    assert ringfence(host, "network", "set", "backend", "default=").returncode == 0
    wait_for(lambda: mode("green1/0") == ("network_default", None), "the old mode", 15)
    assert ringfence(host, "network", "set", "backend", "default=isolated").returncode == 0
    steps.run({"do": "set green1/0 'ipv4=10.0.0.21 groups=green'"})


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_guest_that_writes_without_end_costs_next_to_nothing(pool: Pool, host: Host) -> None:
    """A thousand writes a second for half a minute, as far as the lab gets there: policy unchanged, one alert a minute.

    The agent's share is measured once the work that it may do at once (xapi/limit.py) is done.
    """
    assert host.agent is not None
    earlier = len(messages(pool, "RINGFENCE_TAMPERED"))
    lines = log_of(host).count("event=tampered")
    start, writes = time.monotonic(), 0
    before, since = 0.0, 0.0
    while time.monotonic() - start < 30:
        if not since and time.monotonic() - start > 8:
            before, since = _cpu_s(host.agent.pid), time.monotonic()
        pool.xenopsd.guest_write("blue2", KEY, f"mode=unlocked x-{writes}=1")
        writes += 1
        time.sleep(max(0.0, start + writes * 0.001 - time.monotonic()))
    took = time.monotonic() - start
    share = (_cpu_s(host.agent.pid) - before) / (time.monotonic() - since)
    print(f"{writes / took:.0f} writes a second for {took:.0f} s: the agent took {share * 100:.1f} % of one core")
    assert writes > 10000
    assert share < 0.10
    assert len(messages(pool, "RINGFENCE_TAMPERED")) - earlier <= 1
    assert log_of(host).count("event=tampered") - lines <= 4
    assert not exchange(pool.ends["blue2/0"], pool.ends["green1/0"], "icmp", 4, 0.5)
    assert reaches(pool, "blue1/0", "blue2/0")
    wait_for(lambda: mirror(pool, "blue2") == anchor(pool, "blue2/0"), "the mirror", 90)
