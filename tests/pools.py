"""Small pools to test with: one network, guests named by what they are."""

import ipaddress

from ringfence.flows import BridgePlan, FlowSet, Numbers, Segment, compile_bridge
from ringfence.picture import Facts, NetworkFacts, Picture, VifFacts
from ringfence.records import XapiFields

UPLINK = 1
LOCAL = 65534
HOST_MAC = "02:00:00:00:00:fe"
MACHINE_MAC = "02:00:00:00:00:99"


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
