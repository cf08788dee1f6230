"""Small pools to test with: one network, guests named by what they are."""

import ipaddress
import random

from ringfence.flows import BridgePlan, FlowSet, Numbers, Segment, compile_bridge
from ringfence.picture import Facts, NetworkFacts, Picture, VifFacts
from ringfence.records import XapiFields

UPLINK = 1
LOCAL = 65534
HOST_MAC = "02:00:00:00:00:fe"
MACHINE_MAC = "02:00:00:00:00:99"
MODES = ("isolated", "isolated", "isolated", "locked", "unlocked", "disabled")


def mac(number: int) -> str:
    return "00:16:3e:00:{:02x}:{:02x}".format(number >> 8, number & 255)


def vif(
    name: str, number: int, line: str | None, *, here: bool = True, stock: XapiFields | None = None, migrating: bool = False
) -> VifFacts:
    """A VIF named ``name`` with MAC ``mac(number)``, on the host ``here`` or ``there``."""
    host = "here" if here else "there"
    return VifFacts(name, "vm-" + name, name, "0", mac(number), "net", line, stock or XapiFields(), host, migrating)


def picture(line: str | None, *vifs: VifFacts) -> Picture:
    network = NetworkFacts("net", "backend", "xapi1", line)
    return Picture(Facts({v.uuid: v for v in vifs}, {"net": network}, {"here": "h1", "there": "h2"}))


def plan(view_of: Picture, tag: int = 0, uplinks: tuple[int, ...] = (UPLINK,), local: int = LOCAL, **bond: tuple[int, ...]) -> BridgePlan:
    """VIFs that are ``here`` on ports 101, 102, … in the order of their names."""
    view = view_of.networks["net"]
    everyone = sorted([m.vif for m in view.members.values()] + [v for v, _ in view.closed.values()], key=lambda v: v.uuid)
    ports: dict[str, tuple[int, ...]] = {v.uuid: (101 + n,) for n, v in enumerate(x for x in everyone if x.host == "here")}
    segments = (Segment(view, tag, ports, ((local, HOST_MAC),)),) if view.fenced and ports else ()
    return BridgePlan(segments, uplinks, **bond)


def compiled(view_of: Picture, **options) -> tuple[FlowSet, dict[str, int]]:
    """The flows, and the port of each VIF here."""
    made = plan(view_of, **options)
    ports = {uuid: p[0] for uuid, p in made.segments[0].ports.items()} if made.segments else {}
    return compile_bridge(made, Numbers()), ports


def link_local(number: int) -> str:
    octets = [int(o, 16) for o in mac(number).split(":")]
    raw = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return str(ipaddress.IPv6Address((0xFE80 << 112) | int.from_bytes(raw, "big")))


def generated(chance: random.Random, more: str = "") -> Picture:
    """``more``: further words of the network's line."""
    line = chance.choice(
        [
            "default=isolated inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1,fd00::1",
            "inside=10.0.0.0/24 host=allow",
            "external=deny gateways=10.0.0.1",
        ]
    )
    vifs = []
    for number in range(1, chance.randint(4, 8)):
        words = [f"mode={chance.choice(MODES)}"]
        own = [f"10.0.0.{10 + number}"]
        if chance.random() < 0.2:
            own.append("10.0.0.100")
        if chance.random() < 0.2:
            own.append("10.0.0.64/28")
        words.append(f"ipv4={','.join(own)}")
        words.append(f"ipv6=fd00::{10 + number}" + (",fd00:0:0:0:5::/80" if chance.random() < 0.2 else ""))
        if chance.random() < 0.7:
            words.append(f"groups={','.join(chance.sample(['a', 'b', 'c'], chance.randint(1, 2)))}")
        if chance.random() < 0.3:
            words.append(f"peers=10.0.0.{10 + chance.randint(1, 8)},fd00::{10 + chance.randint(1, 8)}")
        if chance.random() < 0.3:
            words.append(f"services={','.join(chance.sample(['dhcp', 'dhcp6', 'ra', 'router'], chance.randint(1, 2)))}")
        if chance.random() < 0.2:
            words.append("external=deny")
        if chance.random() < 0.05:
            words = ["mode=nonsense"]
        vifs.append(vif(f"v{number}", number, " ".join(words), here=chance.random() < 0.75, migrating=chance.random() < 0.1))
    vifs[0] = vifs[0]._replace(host="here", line="mode=isolated ipv4=10.0.0.11 ipv6=fd00::11 groups=a")
    return picture(f"{line} {more}".strip(), *vifs)
