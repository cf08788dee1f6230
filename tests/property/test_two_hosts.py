"""Frames of guests on two hosts, over switches that know where every MAC is: whoever gets one may talk with its sender.

``NORMAL`` is where a frame leaves our flows to the switch's own table of MACs, so it is followed to where that leads.
"""

import random
from collections import Counter

import pytest
from scapy.all import ARP, IP, Ether, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6, Raw

from frames import Frames, Somebody
from pools import MACHINE_MAC, UPLINK, compiled, mac, picture, vif
from ringfence.flows import evaluate
from ringfence.picture import Picture, VifFacts

LINE = "default=isolated inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1"
GROUPS = ("groups=a", "groups=b", "groups=a,c", "", "mode=locked groups=b", "mode=locked", "mode=disabled", "mode=nonsense")
FRAMES = 80


class TwoHosts:
    """Both compile the same pool, each with its own VIFs plugged."""

    def __init__(self, vifs: list[VifFacts]) -> None:
        self.pool = picture(LINE, *vifs)
        turned = [one._replace(host="there" if one.host == "here" else "here") for one in vifs]
        self.hosts = {"here": compiled(self.pool), "there": compiled(picture(LINE, *turned))}
        self.home = {one.mac: one for one in vifs}

    def send(self, sender: VifFacts, frame: bytes) -> Counter:
        """Who gets it, by uuid."""
        self.got: Counter = Counter()
        self._through(sender.host, self.hosts[sender.host][1][sender.uuid], frame, far=False)
        return self.got

    def _through(self, host: str, port: int, frame: bytes, *, far: bool) -> None:
        flows, ports = self.hosts[host]
        names: dict[int | str, str] = {number: uuid for uuid, number in ports.items()}
        for out in evaluate(flows, frame, port).outputs:
            if out.port != "NORMAL":
                self.got[names[out.port]] += 1
                continue
            home = self.home.get(out.frame[:6].hex(":"))
            if home is not None and home.host == host:
                self.got[home.uuid] += far  # to another guest's port it is refused: both are protected
            elif not far:
                self._through("there" if host == "here" else "here", UPLINK, out.frame, far=True)


def drawn(chance: random.Random) -> list[VifFacts]:
    lines = [f"ipv4=10.0.0.{10 + n} ipv6=fd00::{10 + n} {chance.choice(GROUPS)}" for n in range(1, 9)]
    return [vif(f"v{n}", n, line, here=chance.random() < 0.5) for n, line in enumerate(lines, 1)]


def about_itself(chance: random.Random, me: Somebody, you: Somebody) -> bytes:
    """What one says of its own address, to one MAC or to all."""
    head = Ether(src=me.mac, dst=chance.choice([you.mac, you.mac, "ff:ff:ff:ff:ff:ff"]))
    if chance.random() < 0.7:
        return bytes(head / ARP(op=chance.choice([1, 2]), hwsrc=me.mac, psrc=me.ipv4, pdst=me.ipv4) / Raw(b"said"))
    asks = ICMPv6ND_NS(tgt=me.ipv6) / ICMPv6NDOptSrcLLAddr(lladdr=me.mac)
    return bytes(head / IPv6(src=me.ipv6, dst=chance.choice([me.ipv6, you.ipv6]), hlim=255) / asks)


def may_talk(pool: Picture, one: str, other: str) -> bool:
    return one == other or all(pool.exchange(one, other))


@pytest.mark.parametrize("seed", range(60))
def test_whoever_gets_a_frame_may_talk_with_its_sender(seed: int) -> None:
    chance = random.Random(seed)
    vifs = drawn(chance)
    hosts = TwoHosts(vifs)
    view = hosts.pool.networks["net"]
    guests = [Somebody(one.uuid, int(one.uuid[1:]), 1, f"10.0.0.{10 + n}", f"fd00::{10 + n}") for n, one in enumerate(vifs, 1)]
    frames = Frames(chance, [*guests, Somebody("uplink", 0, 0, "10.0.0.1", "fd00::1")])
    by_name = {one.uuid: one for one in vifs}
    for _ in range(FRAMES):
        sender, frame = frames.draw(0)
        if chance.random() < 0.3:
            frame = about_itself(chance, sender, chance.choice(guests))
        got = hosts.send(by_name[sender.name], frame)
        strangers = [name for name in got if name not in view.members or not may_talk(hosts.pool, sender.name, name)]
        assert not strangers, f"{sender.name} to {strangers}: {frame.hex()}"
        assert sender.name not in got, "its own frame came back"
    for one in vifs:
        for other in vifs:
            if one is other or one.uuid not in view.members or other.uuid not in view.members:
                continue
            me, you = guests[vifs.index(one)], guests[vifs.index(other)]
            packet = Ether(src=me.mac, dst=you.mac) / IP(src=me.ipv4, dst=you.ipv4) / Raw(b"x" * 20)
            asks = Ether(src=me.mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=me.mac, psrc=me.ipv4, pdst=you.ipv4)
            for frame in (packet, asks):
                wanted = {other.uuid: 1} if may_talk(hosts.pool, one.uuid, other.uuid) else {}
                assert hosts.send(one, bytes(frame)) == wanted


def test_a_machine_is_reached_by_its_mac() -> None:
    """The model itself: what is for the wire goes there, and to no guest."""
    hosts = TwoHosts([vif("v1", 1, "ipv4=10.0.0.11"), vif("v2", 2, "ipv4=10.0.0.12", here=False)])
    packet = Ether(src=mac(1), dst=MACHINE_MAC) / IP(src="10.0.0.11", dst="8.8.8.8") / Raw(b"x" * 20)
    assert [out.port for out in evaluate(hosts.hosts["here"][0], bytes(packet), hosts.hosts["here"][1]["v1"]).outputs] == ["NORMAL"]
    assert not hosts.send(hosts.home[mac(1)], bytes(packet))
