"""Attacks that take two guests, or time: one inside the victim's group and one outside, on its host and on another."""

import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from scapy.all import ARP, IP, UDP, Ether, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6, Raw

from lab import Flood, log_of, reaches, running
from ringfence_lab import netns
from ringfence_lab.frames import core, same
from ringfence_lab.pool import Pool
from ringfence_lab.probe import Capture, Pinger, packet_socket
from ringfence_lab.steps import Steps

LINE = "default=isolated inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1,fd00::1"
NUMBERS = {"victim": 11, "friend": 12, "insider": 13, "outsider": 21, "far": 22, "plain": 31, "router": 2, "gw": 1}
STRANGERS = ("outsider", "far")
QUIET_S = 0.15
POISON_S = 4.0
FLOOD_S = 3.0
MACS = 3000
"""More than the switches' tables hold by far: they are set to 64."""


def record(name: str, words: str) -> str:
    return f"ipv4=10.0.0.{NUMBERS[name]} ipv6=fd00::{NUMBERS[name]} {words}"


def guest(name: str, host: str, words: str) -> dict:
    addresses = [f"10.0.0.{NUMBERS[name]}", f"fd00::{NUMBERS[name]}"]
    return {"host": host, "vifs": [{"network": "net", "addresses": addresses, "ringfence": record(name, words)}]}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    scenario = {
        "hosts": ["h1", "h2"],
        "networks": {"net": {"vlan": 120, "ringfence": LINE}},
        "guests": {
            "victim": guest("victim", "h1", "groups=blue"),
            "friend": guest("friend", "h2", "groups=blue"),
            "insider": guest("insider", "h1", "groups=blue,dark"),
            "outsider": guest("outsider", "h1", "groups=dark"),
            "far": guest("far", "h2", "groups=dark"),
            "plain": guest("plain", "h1", "mode=unlocked"),
            "router": guest("router", "h2", "mode=locked services=router"),
        },
        "outside": {"gw": {"network": "net", "addresses": ["10.0.0.1", "fd00::1"]}},
    }
    with running(scenario) as made:
        for name in ("gw", "router"):
            netns.inside(
                name, lambda: [Path(f"/proc/sys/net/{way}").write_text("1") for way in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")]
            )
        yield made


def end(name: str) -> str:
    return name if name == "gw" else f"{name}/0"


def mac(pool: Pool, name: str) -> str:
    return pool.ends[end(name)].mac


def ip4(name: str) -> str:
    return f"10.0.0.{NUMBERS[name]}"


def ip6(name: str) -> str:
    return f"fd00::{NUMBERS[name]}"


def packets(pool: Pool, *, ether: tuple[str, str], ip: tuple[str, str]) -> list[bytes]:
    """UDP over IPv4 and IPv6: Ethernet from one to one, IP from one to one."""
    head = Ether(src=mac(pool, ether[0]), dst=mac(pool, ether[1]))
    body = UDP(sport=4000, dport=9) / Raw(f"{ether}{ip}".encode())
    return [bytes(head / IP(src=ip4(ip[0]), dst=ip4(ip[1])) / body), bytes(head / IPv6(src=ip6(ip[0]), dst=ip6(ip[1])) / body)]


def claims(pool: Pool, liar: str, claimed: str, told: str) -> list[bytes]:
    """``liar`` tells ``told`` that the addresses of ``claimed`` are at its own MAC: ARP answers, requests, advertisements."""
    lie = mac(pool, liar)
    made = []
    for target in (mac(pool, told), "ff:ff:ff:ff:ff:ff"):
        for op in (1, 2):
            made.append(Ether(src=lie, dst=target) / ARP(op=op, hwsrc=lie, psrc=ip4(claimed), hwdst=mac(pool, told), pdst=ip4(told)))
    advertisement = ICMPv6ND_NA(tgt=ip6(claimed), R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=lie)
    made += [
        Ether(src=lie, dst=mac(pool, told)) / IPv6(src=source, dst=ip6(told), hlim=255) / advertisement
        for source in map(ip6, (claimed, liar))
    ]
    return [bytes(frame) for frame in made]


def told_to_one(pool: Pool, stranger: str, target: str) -> list[bytes]:
    """``stranger`` tells ``target`` alone of itself, as others tell all: ARP about its own address, a solicitation for it."""
    own = mac(pool, stranger)
    head = Ether(src=own, dst=mac(pool, target))
    made = [head / ARP(op=op, hwsrc=own, psrc=ip4(stranger), hwdst=mac(pool, target), pdst=ip4(stranger)) for op in (1, 2)]
    asked = ICMPv6ND_NS(tgt=ip6(stranger)) / ICMPv6NDOptSrcLLAddr(lladdr=own)
    made += [head / IPv6(src=ip6(stranger), dst=ip6(name), hlim=255) / asked for name in (target, stranger)]
    return [bytes(frame / Raw(f"from {stranger} to {target}".encode())) for frame in made]


def seen(pool: Pool, sender: str, frames: list[bytes]) -> set[str]:
    """Who sees any of the frames, whatever became of the Ethernet destination."""
    cores = [core(frame) for frame in frames]
    with Capture([other for other in pool.ends.values() if other.name != end(sender)]) as capture, packet_socket(
        pool.ends[end(sender)]
    ) as raw:
        for frame in frames:
            raw.send(frame)
        while capture.read(QUIET_S):
            pass
        return {where.name.split("/")[0] for where, got in capture.frames if any(same(one, got) for one in cores)}


def neighbour(pool: Pool, owner: str, address: str) -> str:
    """The MAC that a guest's own kernel holds an address to have; empty where it holds none."""
    text = netns.run("ip", "-n", netns.name_of(owner), "neigh", "show", address, "dev", pool.ends[end(owner)].device)
    words = text.split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


def doubt(device: str) -> None:
    """The kernel trusts a neighbour for a moment only, then asks, and takes what it is told."""
    for family in ("ipv4", "ipv6"):
        for name, value in (("base_reachable_time_ms", "200"), ("delay_first_probe_time", "0"), ("locktime", "0")):
            setting = Path(f"/proc/sys/net/{family}/neigh/{device}/{name}")
            if setting.exists():
                setting.write_text(value)


def test_an_insider_gives_an_outsider_no_way_in(pool: Pool) -> None:
    """What the outsider sends as the insider, and the insider as the outsider, to the victim and its friend, arrives nowhere."""
    strange: dict[str, list[bytes]] = {"outsider/0": [], "far/0": [], "insider/0": []}
    for target in ("victim", "friend"):
        for stranger in STRANGERS:
            for as_ether in (stranger, "insider", "victim", "friend"):
                for as_ip in (stranger, "insider", "friend" if target == "victim" else "victim", "gw"):
                    strange[f"{stranger}/0"] += packets(pool, ether=(as_ether, target), ip=(as_ip, target))
            # To the insider's MAC, but for the victim; to the victim's, but for the insider.
            strange[f"{stranger}/0"] += packets(pool, ether=(stranger, "insider"), ip=(stranger, target))
            strange[f"{stranger}/0"] += packets(pool, ether=(stranger, target), ip=(stranger, "insider"))
            strange[f"{stranger}/0"] += told_to_one(pool, stranger, target)
            for as_ether, as_ip in ((stranger, stranger), ("insider", stranger), (stranger, "insider")):
                strange["insider/0"] += packets(pool, ether=(as_ether, target), ip=(as_ip, target))
            for as_ether, as_ip in ((target, target), ("insider", target), (target, "insider")):
                strange["insider/0"] += packets(pool, ether=(as_ether, stranger), ip=(as_ip, stranger))
    with Flood(pool, strange, list(pool.hosts.values())) as flood:
        time.sleep(1.0)
    print(f"{flood.sent} frames sent, {len(flood.leaked)} arrived")
    assert flood.sent > 3 * sum(map(len, strange.values()))
    assert not flood.leaked
    assert seen(pool, "outsider", packets(pool, ether=("outsider", "insider"), ip=("outsider", "insider"))) == {"insider"}
    assert seen(pool, "insider", packets(pool, ether=("insider", "victim"), ip=("insider", "victim"))) == {"victim"}


def test_what_an_outsider_broadcasts_only_its_own_group_sees(pool: Pool) -> None:
    """Its group, and who is external; whomever the broadcast names inside."""
    for name in ("victim", "friend", "gw"):
        told = [frame for frame in claims(pool, "outsider", "outsider", name) if frame[:6] == b"\xff" * 6]
        told += [b"\xff" * 6 + frame[6:] for frame in packets(pool, ether=("outsider", "gw"), ip=("outsider", name))]
        assert not seen(pool, "outsider", told) & {"victim", "friend", "plain"}
        assert seen(pool, "outsider", told) >= ({"insider", "far", "gw"} if name == "gw" else {"far"})


@pytest.mark.parametrize("liar", ["outsider", "far", "insider"])
def test_caches_keep_the_truth_for_as_long_as_it_is_lied(pool: Pool, liar: str) -> None:
    """A victim that keeps asking, under claims without end: its kernel believes the owner, and not a ping is lost."""
    lies = [frame for claimed in ("gw", "friend") for frame in claims(pool, liar, claimed, "victim")]
    lies += [frame for told in ("gw", "friend") for frame in claims(pool, liar, "victim", told)]
    pairs = (("victim", "gw"), ("victim", "friend"), ("friend", "victim"), ("gw", "victim"))
    truth = {(owner, address): mac(pool, name) for owner, name in pairs for address in (ip4(name), ip6(name))}
    assert all(reaches(pool, "victim/0", end(name)) for name in ("gw", "friend"))
    for owner in ("victim", "friend", "gw"):  # their kernels ask anew, again and again
        netns.inside(owner, partial(doubt, pool.ends[end(owner)].device))
    pingers = [Pinger(pool.ends["victim/0"], address, 0.05) for name in ("gw", "friend") for address in (ip4(name), ip6(name))]
    wrong = set()
    with Flood(pool, {end(liar): lies}, []) as flood:
        until = time.monotonic() + POISON_S
        while time.monotonic() < until:
            time.sleep(0.1)
            wrong |= {(where, neighbour(pool, *where)) for where in truth} - set(truth.items())
    for pinger in pingers:
        pinger.stop()
    assert flood.sent > 500
    assert not {row for row in wrong if row[1]}
    assert all(pinger.sent > 50 and not pinger.lost for pinger in pingers), [(p.sent, p.lost) for p in pingers]


@pytest.mark.parametrize("flooder", ["outsider", "plain"])
def test_a_full_table_of_macs_makes_nobody_see_what_is_not_theirs(pool: Pool, flooder: str) -> None:
    """Random source MACs until the switch has forgotten everybody: it floods then, but past every guest."""
    dice = random.Random(1)
    for host in pool.hosts.values():
        host.switch.vsctl("set", "Bridge", "xenbr0", "other-config:mac-table-size=64")
    try:
        honest = packets(pool, ether=("victim", "gw"), ip=("victim", "gw")) + packets(
            pool, ether=("victim", "friend"), ip=("victim", "friend")
        )
        asked = b"".join(
            [b"\xff" * 6, honest[0][6:12], b"\x08\x06\0\1\x08\0\6\4\0\1", honest[0][6:12], honest[0][26:30], bytes(6), honest[0][30:34]]
        )
        body = packets(pool, ether=(flooder, "gw"), ip=(flooder, "gw"))[0]
        with packet_socket(pool.ends[end(flooder)]) as raw:
            for number in range(MACS):
                raw.send(body[:6] + b"\x02" + dice.randbytes(5) + body[12:])
                if number % 16 == 0:
                    time.sleep(0.001)
        found = {name: seen(pool, "victim", frames) for name, frames in (("gw", honest[:2]), ("friend", honest[2:]), ("arp", [asked]))}
        assert found == {"gw": {"gw"}, "friend": {"friend"}, "arp": {"gw", "friend", "insider", "router"}}
        assert reaches(pool, "victim/0", "gw")
    finally:
        for host in pool.hosts.values():
            host.switch.vsctl("remove", "Bridge", "xenbr0", "other-config", "mac-table-size")


@pytest.mark.parametrize("relay", ["gw", "router"])
def test_who_forwards_brings_no_stranger_to_a_victim(pool: Pool, relay: str) -> None:
    """To the relay's MAC with the victim's address; and what a relay would make of it, were it let through."""
    for stranger in STRANGERS:
        assert seen(pool, stranger, packets(pool, ether=(stranger, relay), ip=(stranger, "victim"))) == set()
        assert seen(pool, relay, packets(pool, ether=(relay, "victim"), ip=(stranger, "victim"))) == set()
        assert seen(pool, "victim", packets(pool, ether=("victim", relay), ip=("victim", stranger))) == set()
        assert seen(pool, stranger, packets(pool, ether=(stranger, relay), ip=(stranger, relay))) == {relay}
    assert seen(pool, relay, packets(pool, ether=(relay, "victim"), ip=(relay, "victim"))) == {"victim"}
    # With a machine's MAC an address inside is nobody's, a member's too: who is who is told by the MAC.
    assert seen(pool, relay, packets(pool, ether=(relay, "victim"), ip=("friend", "victim"))) == set()


def test_an_address_listed_twice_brings_its_owners_no_nearer(pool: Pool) -> None:
    """The outsider's record also lists the victim's address: a mistake of an administrator, not a membership."""
    Steps(pool).run({"do": f"set outsider/0 'ipv4={ip4('outsider')},{ip4('victim')} ipv6={ip6('outsider')},{ip6('victim')} groups=dark'"})
    try:
        for as_ip in ("outsider", "victim"):
            assert seen(pool, "outsider", packets(pool, ether=("outsider", "victim"), ip=(as_ip, "victim"))) == set()
            assert seen(pool, "outsider", packets(pool, ether=("outsider", "friend"), ip=(as_ip, "friend"))) == set()
        assert seen(pool, "victim", packets(pool, ether=("victim", "outsider"), ip=("victim", "outsider"))) == set()
        asks = Ether(src=mac(pool, "friend"), dst="ff:ff:ff:ff:ff:ff") / ARP(
            op=1, hwsrc=mac(pool, "friend"), psrc=ip4("friend"), pdst=ip4("victim")
        )
        assert seen(pool, "friend", [bytes(asks)]) == {"victim"}
        assert reaches(pool, "friend/0", "victim/0")
    finally:
        Steps(pool).run({"do": f"set outsider/0 '{record('outsider', 'groups=dark')}'"})


@pytest.mark.parametrize("flooder", ["outsider", "plain"])
def test_a_flood_of_random_headers_is_not_noticed(pool: Pool, flooder: str) -> None:
    """MACs, addresses and ports at random: others still talk, and the agents do nothing and say nothing.

    How much slower they talk, ``make bench`` says: here every switch shares two cores with the flood.
    """
    dice = random.Random(2)
    host = pool.hosts["h1"]
    base = packets(pool, ether=(flooder, "gw"), ip=(flooder, "gw"))[0]
    parts = {"MACs": (6, 12), "destinations": (0, 6), "sources": (26, 30), "addresses": (30, 34), "ports": (34, 38), "ethertypes": (12, 14)}
    assert reaches(pool, "victim/0", "friend/0")
    before = [host.ask(op="status")["rounds"] for host in pool.hosts.values()], log_of(host)
    pinger = Pinger(pool.ends["victim/0"], ip4("friend"), 0.01)
    sent = 0
    with packet_socket(pool.ends[end(flooder)]) as raw:
        until = time.monotonic() + FLOOD_S
        while time.monotonic() < until:
            start, stop = dice.choice(list(parts.values()))
            raw.send(base[:start] + dice.randbytes(stop - start) + base[stop:])
            sent += 1
            if sent % 4 == 0:
                time.sleep(0.001)
    pinger.stop()
    print(f"{flooder}: {sent} frames sent, {pinger.lost} of {pinger.sent} pings lost")
    assert sent > 500
    assert pinger.sent > 100
    assert pinger.lost <= pinger.sent // 10
    assert ([host.ask(op="status")["rounds"] for host in pool.hosts.values()], log_of(host)) == before


POLICIES = ("groups=red", "peers=10.0.0.12", "mode=disabled", "groups=blue")
RACES = {
    "reboots": ["reboot victim"] * 3,
    "plugs": ["unplug victim/0", "plug victim/0"] * 3,
    "a killed agent": ["agent kill h1", "agent start h1"],
    "other policies": [f"set victim/0 '{record('victim', words)}'" for words in POLICIES],
    "moves": ["migrate victim h2", "migrate victim h1"],
}


@pytest.mark.parametrize("race", RACES)
def test_no_moment_lets_a_stranger_in(pool: Pool, race: str) -> None:
    strange = {f"{name}/0": packets(pool, ether=(name, "victim"), ip=(name, "victim")) for name in STRANGERS}
    strange["outsider/0"] += packets(pool, ether=("insider", "victim"), ip=("insider", "victim"))
    strange["victim/0"] = [frame for name in STRANGERS for frame in packets(pool, ether=("victim", name), ip=("victim", name))]
    with Flood(pool, strange, list(pool.hosts.values())) as flood:
        for step in RACES[race]:
            Steps(pool).run({"do": step})
    print(f"{race}: {flood.sent} frames sent, {len(flood.leaked)} arrived")
    assert flood.sent > 500
    assert not flood.leaked
    assert reaches(pool, "victim/0", "friend/0")


def test_a_door_that_was_open_is_shut_when_the_command_returns(pool: Pool) -> None:
    """The victim is a member of the outsider's group for a while; frames pass from ``set`` on, and none after the ``set`` that ends it."""
    strange = {"outsider/0": packets(pool, ether=("outsider", "victim"), ip=("outsider", "victim"))}
    spans = []
    with Flood(pool, strange, [pool.hosts["h1"]]) as flood:
        for _ in range(3):
            begun = time.monotonic()
            Steps(pool).run({"do": f"set victim/0 '{record('victim', 'groups=blue,dark')}'"})
            time.sleep(0.1)
            Steps(pool).run({"do": f"set victim/0 '{record('victim', 'groups=blue')}'"})
            spans.append((begun, time.monotonic()))
            time.sleep(0.3)
    inside = [sum(begun <= when <= over for _, when, _ in flood.leaked) for begun, over in spans]
    assert all(inside), "the door never opened"
    assert len(flood.leaked) == sum(inside)
