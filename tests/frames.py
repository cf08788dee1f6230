"""Frames drawn at random: honest ones, and ones with a lie or a fault in them."""

import random
import struct
from typing import NamedTuple

from scapy.all import (
    AH,
    ARP,
    BOOTP,
    ICMP,
    IP,
    LLC,
    SNAP,
    UDP,
    Dot1AD,
    Dot1Q,
    Dot3,
    Ether,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    Packet,
    Raw,
)

from pools import HOST_MAC, MACHINE_MAC, link_local, mac

BROADCAST = "ff:ff:ff:ff:ff:ff"


class Somebody(NamedTuple):
    """A party of a generated pool: a VIF (``number``) or a machine (0)."""

    name: str
    number: int
    port: int
    ipv4: str
    ipv6: str

    @property
    def mac(self) -> str:
        if self.number:
            return mac(self.number)
        return HOST_MAC if self.name == "dom0" else MACHINE_MAC


def solicited(address: str) -> tuple[str, str]:
    low = int.from_bytes(__import__("ipaddress").ip_address(address).packed[-3:], "big")
    return f"33:33:ff:{low >> 16:02x}:{low >> 8 & 255:02x}:{low & 255:02x}", f"ff02::1:ff{low >> 16:02x}:{low & 0xFFFF:x}"


class Frames:
    """Draws frames from the parties of one pool."""

    def __init__(self, chance: random.Random, parties: list[Somebody]) -> None:
        self.chance = chance
        self.parties = parties

    def draw(self, tag: int) -> tuple[Somebody, bytes]:
        """Who sends by which port, and the frame; from an uplink it carries ``tag``."""
        chance = self.chance
        sender, other = chance.choice([p for p in self.parties if p.port]), chance.choice(self.parties)
        frame = self._honest(sender, other)
        if chance.random() < 0.4:
            frame = self._lie(frame, sender, other)
        raw = bytes(frame)
        if sender.name in ("uplink",) and tag:
            raw = raw[:12] + struct.pack("!HH", 0x8100, tag) + raw[12:]
        if chance.random() < 0.06:
            raw = self._break(raw)
        return sender, raw

    def _honest(self, me: Somebody, you: Somebody) -> Packet:
        kinds = [self._ipv4, self._ipv6, self._arp, self._neighbour, self._flooded]
        return self.chance.choice(kinds)(me, you)

    def _ipv4(self, me: Somebody, you: Somebody) -> Packet:
        payload = self.chance.choice([ICMP(), UDP(sport=4000, dport=53), UDP(sport=67, dport=68), Raw(b"x" * 20)])
        frame = Ether(src=me.mac, dst=you.mac) / IP(src=me.ipv4, dst=you.ipv4) / payload
        if self.chance.random() < 0.1:
            frame[IP].frag, frame[IP].flags = self.chance.choice([(0, 1), (100, 0)])
        return frame

    def _ipv6(self, me: Somebody, you: Somebody) -> Packet:
        one, other = (me.ipv6, you.ipv6) if self.chance.random() < 0.7 else (self._local(me), self._local(you))
        payload = self.chance.choice([ICMPv6EchoRequest(), UDP(sport=4000, dport=53), UDP(sport=547, dport=546)])
        if self.chance.random() < 0.1:
            payload = IPv6ExtHdrFragment(offset=self.chance.choice([0, 20]), m=1) / payload
        return Ether(src=me.mac, dst=you.mac) / IPv6(src=one, dst=other) / payload

    @staticmethod
    def _local(party: Somebody) -> str:
        return link_local(party.number) if party.number else "fe80::99"

    def _arp(self, me: Somebody, you: Somebody) -> Packet:
        kind = self.chance.randrange(4)
        if kind == 0:
            return Ether(src=me.mac, dst=BROADCAST) / ARP(op=1, hwsrc=me.mac, psrc=me.ipv4, pdst=you.ipv4)
        if kind == 1:
            return Ether(src=me.mac, dst=you.mac) / ARP(op=2, hwsrc=me.mac, psrc=me.ipv4, hwdst=you.mac, pdst=you.ipv4)
        if kind == 2:
            return Ether(src=me.mac, dst=BROADCAST) / ARP(op=self.chance.choice([1, 2]), hwsrc=me.mac, psrc=me.ipv4, pdst=me.ipv4)
        return Ether(src=me.mac, dst=BROADCAST) / ARP(op=1, hwsrc=me.mac, psrc="0.0.0.0", pdst=me.ipv4)

    def _neighbour(self, me: Somebody, you: Somebody) -> Packet:
        kind = self.chance.randrange(5)
        group_mac, group = solicited(you.ipv6)
        if kind == 0:
            return (
                Ether(src=me.mac, dst=group_mac)
                / IPv6(src=me.ipv6, dst=group)
                / ICMPv6ND_NS(tgt=you.ipv6)
                / ICMPv6NDOptSrcLLAddr(lladdr=me.mac)
            )
        if kind == 1:
            return Ether(src=me.mac, dst=you.mac) / IPv6(src=me.ipv6, dst=you.ipv6) / ICMPv6ND_NS(tgt=you.ipv6)
        if kind == 2:
            return (
                Ether(src=me.mac, dst=you.mac)
                / IPv6(src=me.ipv6, dst=you.ipv6)
                / ICMPv6ND_NA(tgt=me.ipv6)
                / ICMPv6NDOptDstLLAddr(lladdr=me.mac)
            )
        own_mac, own = solicited(me.ipv6)
        if kind == 3:
            return Ether(src=me.mac, dst=own_mac) / IPv6(src="::", dst=own) / ICMPv6ND_NS(tgt=me.ipv6)
        return Ether(src=me.mac, dst="33:33:00:00:00:02") / IPv6(src=self.chance.choice(["::", me.ipv6]), dst="ff02::2") / ICMPv6ND_RS()

    def _flooded(self, me: Somebody, _: Somebody) -> Packet:
        kind = self.chance.randrange(4)
        if kind == 0:
            return Ether(src=me.mac, dst="01:00:5e:00:00:fb") / IP(src=me.ipv4, dst="224.0.0.251") / UDP(sport=5353, dport=5353)
        if kind == 1:
            return Ether(src=me.mac, dst=BROADCAST) / IP(src=me.ipv4, dst="255.255.255.255") / UDP(sport=9, dport=9)
        if kind == 2:
            return Ether(src=me.mac, dst=BROADCAST) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) / BOOTP()
        return Ether(src=me.mac, dst="33:33:00:00:00:fb") / IPv6(src=me.ipv6, dst="ff02::fb") / UDP(sport=5353, dport=5353)

    def _lie(self, frame: Packet, me: Somebody, you: Somebody) -> Packet:
        third = self.chance.choice(self.parties)
        lies = [
            lambda f: self._put(f, Ether, src=third.mac),
            lambda f: self._put(f, Ether, dst=self.chance.choice([third.mac, BROADCAST, "01:80:c2:00:00:00", "02:00:00:00:55:55"])),
            lambda f: self._put(f, IP, src=third.ipv4),
            lambda f: self._put(f, IP, dst=self.chance.choice([third.ipv4, "8.8.8.8", "224.0.0.1"])),
            lambda f: self._put(f, IPv6, src=third.ipv6),
            lambda f: self._put(f, ARP, psrc=third.ipv4),
            lambda f: self._put(f, ARP, hwsrc=third.mac),
            lambda f: self._put(f, ARP, op=self.chance.choice([3, 9, 257])),
            lambda f: self._put(f, ICMPv6ND_NS, tgt=third.ipv6),
            lambda f: self._put(f, ICMPv6ND_NA, tgt=third.ipv6),
            lambda f: self._put(f, ICMPv6NDOptSrcLLAddr, lladdr=third.mac),
            lambda f: self._put(f, ICMPv6NDOptDstLLAddr, lladdr=third.mac),
            lambda f: Ether(src=me.mac, dst=you.mac) / Dot1Q(vlan=self.chance.choice([0, 120, 7])) / f.payload,
            lambda f: Ether(src=me.mac, dst=you.mac, type=self.chance.choice([0x88B5, 0x8847, 0x9000])) / Raw(b"?" * 50),
            lambda f: Ether(src=me.mac, dst=BROADCAST, type=0x8035) / bytes(ARP(op=3, hwsrc=me.mac, hwdst=me.mac)),
            lambda f: Ether(src=me.mac, dst=you.mac) / IP(src=me.ipv4, dst=you.ipv4) / ICMP(type=5),
            lambda f: Ether(src=me.mac, dst="33:33:00:00:00:01") / IPv6(src=self._local(me), dst="ff02::1") / ICMPv6ND_RA(),
            lambda f: Ether(src=me.mac, dst=you.mac) / IPv6(src=self._local(me), dst=you.ipv6) / ICMPv6ND_Redirect(),
            lambda f: Ether(src=me.mac, dst="01:00:5e:00:00:01") / IP(src=me.ipv4, dst="224.0.0.1", proto=2) / Raw(b"\x11\x64" + bytes(6)),
            lambda f: Ether(src=me.mac, dst=you.mac) / IPv6(src=me.ipv6, dst=you.ipv6) / IPv6ExtHdrFragment(m=1) / ICMPv6ND_RA(),
            lambda f: Ether(src=me.mac, dst=you.mac) / IPv6(src=me.ipv6, dst=you.ipv6, nh=60) / Raw(bytes([58, 9])),
            lambda f: Ether(src=me.mac, dst=you.mac) / IPv6(src=me.ipv6, dst=you.ipv6) / IPv6ExtHdrDestOpt() / ICMPv6ND_RA(),
            lambda f: Ether(src=me.mac, dst=BROADCAST) / IP(src=me.ipv4, dst="10.0.0.255", flags=1) / UDP(sport=67, dport=68),
            lambda f: Ether(src=me.mac, dst=self.chance.choice(["01:80:c2:00:00:02", "01:00:0c:cc:cc:cc"])) / Raw(b"?" * 46),
            lambda f: f / ICMPv6NDOptSrcLLAddr(lladdr=third.mac) if ICMPv6ND_NS in f else f,
            self._stacked,
            self._snap,
            lambda f: self._wrapped(f, third),
            lambda f: self._options(f, me, third),
        ]
        return self.chance.choice(lies)(frame)

    def _stacked(self, frame: Packet) -> Packet:
        """One to three tags of either kind, also of VLAN 0."""
        head = Ether(src=frame.src, dst=frame.dst)
        for _ in range(self.chance.randint(1, 3)):
            head /= self.chance.choice([Dot1Q, Dot1AD])(vlan=self.chance.choice([0, 0, 120, 7, 4095]), prio=self.chance.randrange(8))
        return head / frame.payload

    def _snap(self, frame: Packet) -> Packet:
        """The same behind an 802.2 header, as Ethernet frames with a length are; now and then also tagged, or of another vendor's."""
        inside = LLC() / SNAP(OUI=self.chance.choice([0, 0, 0xF8, 0xC]), code=frame.type) / frame.payload
        if self.chance.random() < 0.3:
            return Ether(src=frame.src, dst=frame.dst, type=0x8100) / Raw(struct.pack("!HH", 0, len(inside)) + bytes(inside))
        return Dot3(src=frame.src, dst=frame.dst) / inside

    def _wrapped(self, frame: Packet, third: Somebody) -> Packet:
        """Extension headers, any and in any order, before what an IPv6 packet bears; at times it bears a lie."""
        if IPv6 not in frame:
            return frame
        inside = self.chance.choice(
            [
                frame[IPv6].payload,
                ICMPv6ND_RA(),
                ICMPv6ND_NA(tgt=third.ipv6) / ICMPv6NDOptDstLLAddr(lladdr=third.mac),
                Raw(b"\x82" + bytes(23)),
            ]
        )
        for _ in range(self.chance.randint(1, 3)):
            kinds = [IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(), AH(icv=bytes(12))]
            inside = (
                self.chance.choice([*kinds, IPv6ExtHdrFragment(m=self.chance.randrange(2), offset=self.chance.choice([0, 0, 8]))]) / inside
            )
        return Ether(src=frame.src, dst=frame.dst) / IPv6(src=frame[IPv6].src, dst=frame[IPv6].dst, hlim=255) / inside

    def _options(self, frame: Packet, me: Somebody, third: Somebody) -> Packet:
        """Neighbour discovery with options again and again, of right and wrong kinds and lengths."""
        for kind in (ICMPv6ND_NS, ICMPv6ND_NA):
            if kind in frame:
                body = kind(tgt=frame[kind].tgt)
                for _ in range(self.chance.randint(1, 3)):
                    units = self.chance.choice([1, 1, 1, 0, 2])
                    mac_of = bytes.fromhex(self.chance.choice([me, third]).mac.replace(":", ""))
                    body /= Raw(bytes([self.chance.choice([1, 2, 1, 2, 14, 3]), units]) + mac_of + bytes(8 * max(0, units - 1)))
                return Ether(src=frame.src, dst=frame.dst) / IPv6(src=frame[IPv6].src, dst=frame[IPv6].dst, hlim=255) / body
        return frame

    @staticmethod
    def _put(frame: Packet, layer: type, **fields: object) -> Packet:
        if layer in frame:
            for name, value in fields.items():
                setattr(frame[layer], name, value)
        return frame

    def _break(self, raw: bytes) -> bytes:
        """Cut off, padded, or a byte of a header changed."""
        kind = self.chance.randrange(3)
        if kind == 0:
            return raw[: self.chance.randrange(14, len(raw) + 1)]
        if kind == 1:
            return raw + bytes(self.chance.randrange(60))
        at = self.chance.randrange(12, min(len(raw), 60))
        return raw[:at] + bytes([self.chance.randrange(256)]) + raw[at + 1 :]
