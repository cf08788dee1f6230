"""Small pools to test with: one network, guests named by what they are."""

import ipaddress
import random

from ringfence.flows import BridgePlan, FlowSet, Segment, compile_bridge
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
    return compile_bridge(made), ports


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


NETWORK_LINES = (
    "default=isolated inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1,fd00::1",
    "inside=10.0.0.0/24 host=allow",
    "external=deny gateways=10.0.0.1",
    "default=locked inside=fe80::/16,10.0.0.0/25",
    "default=isolated inside=10.0.0.0/24 enforce=watch",
    "mode=nonsense",
    None,
)


def record(chance: random.Random) -> str | None:
    """Any record, good and bad ones."""
    if chance.random() < 0.1:
        return chance.choice([None, "mode=nonsense", "", "mode=unlocked"])
    words = [f"mode={chance.choice(MODES)}"]
    words.append(f"ipv4={','.join(sorted(set(chance.choices(_IPV4, k=chance.randint(1, 3)))))}")
    if chance.random() < 0.5:
        words.append(f"ipv6={','.join(sorted(set(chance.choices(_IPV6, k=chance.randint(1, 2)))))}")
    if chance.random() < 0.6:
        words.append(f"groups={','.join(chance.sample(['a', 'b', 'c', 'd'], chance.randint(1, 3)))}")
    if chance.random() < 0.4:
        words.append(f"peers={','.join(sorted(set(chance.choices(_IPV4 + _IPV6, k=chance.randint(1, 3)))))}")
    if chance.random() < 0.2:
        words.append(f"services={','.join(chance.sample(['dhcp', 'dhcp6', 'ra', 'router'], chance.randint(1, 2)))}")
    if chance.random() < 0.2:
        words.append("external=deny")
    return " ".join(words)


_IPV4 = [*(f"10.0.0.{n}" for n in range(10, 18)), "10.0.0.1", "10.0.1.9", "10.0.0.8/29", "10.0.0.0/24", "0.0.0.0/0"]
_IPV6 = [*(f"fd00::{n}" for n in range(10, 16)), "fd00::1", "fe80::5", "fd00::/120", "fe80::/64", "::/0"]


def changed(facts: Facts, chance: random.Random) -> Facts:
    """One to three changes of any kind; what does not change stays the same object."""
    vifs, networks = dict(facts.vifs), dict(facts.networks)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        number = chance.randint(1, 12)
        name = f"v{number}"
        row = vifs.get(name) or vif(name, number, record(chance), here=chance.random() < 0.6)
        dice = chance.random()
        if dice < 0.15:
            vifs.pop(name, None)
        elif dice < 0.7:
            vifs[name] = row._replace(line=record(chance))
        elif dice < 0.8:
            vifs[name] = row._replace(host=chance.choice(["here", "there", ""]), migrating=chance.random() < 0.5)
        elif dice < 0.85:
            vifs[name] = row._replace(mac=mac(chance.randint(1, 12)))
        elif dice < 0.9:
            vifs[name] = row._replace(xapi=XapiFields(chance.choice(["locked", "unlocked"]), ("10.0.0.11",), ()))
        elif dice < 0.93:
            vifs[name] = row._replace(network=chance.choice(["net", "other", "nowhere"]))
        elif dice < 0.96:
            vifs[name] = row._replace()
        else:
            uuid = chance.choice(["net", "other"])
            networks[uuid] = NetworkFacts(uuid, uuid, "xapi1", chance.choice(NETWORK_LINES))
    return facts._replace(vifs=vifs, networks=networks)
