"""A scenario file, read and checked."""

import ipaddress
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ringfence.errors import BadInput
from ringfence.shape import NONE, Keys, check

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
NAME_LIMIT = 11
_TEXT = (NONE, str)
_WORDS = (NONE, str, [str])
_VIF = Keys(
    {"network": str},
    {
        "addresses": (NONE, [str]),
        "ringfence": _TEXT,
        "locking_mode": str,
        "ipv4_allowed": _WORDS,
        "ipv6_allowed": _WORDS,
        "gateway": _WORDS,
    },
)
_ENDS = Keys({"from": str, "to": str}, {"kind": str})
STEPS: dict[str, tuple[Any, str]] = {
    "reach": (_ENDS, "reach: {from: blue1, to: blue2, kind: tcp/5432}"),
    "no-reach": (_ENDS, "no-reach: {from: blue1, to: green1}"),
    "send": (
        Keys({"from": str, "frame": str, "seen-by": [str]}, {}),
        "send: {from: blue1/0, frame: \"Ether(src=mac('blue1/0'))/IP(dst='10.0.0.12')\", seen-by: [blue2/0]}",
    ),
    "do": (str, "do: ip-add blue1/0 10.0.0.111"),
    "while": (
        Keys({"ping": Keys({"from": str, "to": str}, {"every": str}), "do": [str]}, {"lost": int}),
        "while: {ping: {from: blue2, to: blue1, every: 10ms}, do: [ip-add blue1/0 10.0.0.111], lost: 0}",
    ),
    "flows": (Keys({"host": (int, str)}, {"of": str, "count": int, "orphans": int}), "flows: {host: h1, orphans: 0}"),
    "say": (str, "say: a line of the story"),
}
"""The shape of each step, and an example of it."""
SHAPE = Keys(
    {},
    {
        "hosts": (NONE, [(int, str)]),
        "networks": (
            NONE,
            {
                str: (
                    NONE,
                    Keys({}, {"vlan": int, "nic": int, "bond": str, "internal": bool, "ringfence": _TEXT, "default_locking_mode": str}),
                )
            },
        ),
        "guests": (NONE, {str: Keys({}, {"host": (int, str), "running": bool, "vifs": (NONE, [_VIF])})}),
        "outside": (NONE, {str: Keys({"network": str}, {"addresses": (NONE, [str]), "gateway": _WORDS})}),
        "steps": (NONE, [dict]),
        "pool": _TEXT,
        "title": _TEXT,
        "stock": (NONE, [(int, str)]),
    },
)


class Network(NamedTuple):
    name: str
    vlan: int = 0
    nic: int = 1
    bond: str = ""
    internal: bool = False
    line: str | None = None
    default_locking_mode: str = "unlocked"


class VifSpec(NamedTuple):
    network: str
    addresses: tuple[Interface, ...] = ()
    line: str | None = None
    locking_mode: str = "network_default"
    ipv4_allowed: tuple[str, ...] = ()
    ipv6_allowed: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()


class Guest(NamedTuple):
    name: str
    host: str
    vifs: tuple[VifSpec, ...]
    running: bool = True


class Outside(NamedTuple):
    name: str
    network: str
    addresses: tuple[Interface, ...] = ()
    gateway: tuple[str, ...] = ()


class Scenario(NamedTuple):
    hosts: tuple[str, ...]
    networks: dict[str, Network]
    guests: dict[str, Guest]
    outside: dict[str, Outside]
    steps: tuple[dict[str, Any], ...]
    pool: str | None = None
    title: str = ""
    stock: tuple[str, ...] = ()
    """Hosts without ringfence."""


def load(path: str) -> Scenario:
    """Raises BadInput, in one line that names the place in the file."""
    try:
        data = parse(Path(path).read_text())
    except OSError as error:
        raise BadInput(str(error.strerror), path, "name a scenario file that can be read") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"is not UTF-8 text: {error}", path, "mend the file") from None
    except BadInput as error:
        raise error.at(path) from None
    try:
        return read(data)
    except BadInput as error:
        raise error.at(path) from None


def parse(text: str) -> Any:
    """YAML, as plain data. Raises BadInput."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"is not YAML: {' '.join(str(error).split())}", mend="mend the file") from None


def read(data: Any) -> Scenario:
    _keys(data, "scenario", {"hosts", "networks", "guests", "outside", "steps", "pool", "title", "stock"})
    try:
        check(data, SHAPE)
    except ValueError as error:
        raise BadInput(str(error), "scenario", "see docs/lab.md for what may stand there") from None
    hosts = tuple(_name(h, "hosts") for h in data.get("hosts") or ["h1"])
    networks = {n: _network(n, spec) for n, spec in (data.get("networks") or {}).items()}
    guests = {n: _guest(n, spec, hosts, networks) for n, spec in (data.get("guests") or {}).items()}
    outside = {n: _outside(n, spec, networks) for n, spec in (data.get("outside") or {}).items()}
    twice = [n for n in list(guests) + list(outside) + list(hosts) if (list(guests) + list(outside) + list(hosts)).count(n) > 1]
    if twice:
        raise BadInput(f"{twice[0]} names two things", "scenario", "give each its own name")
    stock = tuple(str(h) for h in data.get("stock") or ())
    for host in stock:
        if host not in hosts:
            raise BadInput(f"host {host} is not known", "stock", f"the hosts are {', '.join(hosts)}")
    steps = tuple(data.get("steps") or ())
    for number, step in enumerate(steps, 1):
        if not isinstance(step, dict) or len(step) != 1 or next(iter(step)) not in STEPS:
            raise BadInput(f"is not one step: {str(step)[:80]}", f"step {number}", f"write one of {', '.join(STEPS)}")
        ((name, body),) = step.items()
        shape, example = STEPS[name]
        try:
            check(body, shape)
        except ValueError as error:
            raise BadInput(str(error), f"step {number}: {name}", f"write it like {example}") from None
    return Scenario(hosts, networks, guests, outside, steps, data.get("pool"), str(data.get("title") or ""), stock)


def _keys(data: Any, where: str, known: set[str]) -> None:
    if not isinstance(data, dict):
        raise BadInput("is not a mapping", where, f"write the keys {', '.join(sorted(known))}")
    unknown = set(data) - known
    if unknown:
        raise BadInput(f"unknown key {sorted(map(str, unknown))[0]!r}", where, f"the keys are {', '.join(sorted(known))}")


def _name(name: Any, where: str) -> str:
    text = str(name)
    if not text or len(text) > NAME_LIMIT or not all(c.isalnum() or c in "-_" for c in text):
        raise BadInput(f"{text!r} is not a name", where, f"write at most {NAME_LIMIT} letters, digits, - and _")
    return text


def _network(name: str, spec: Any) -> Network:
    where = f"networks: {name}"
    spec = spec or {}
    _keys(spec, where, {"vlan", "nic", "bond", "internal", "ringfence", "default_locking_mode"})
    vlan = spec.get("vlan", 0)
    if not isinstance(vlan, int) or not 0 <= vlan < 4095:
        raise BadInput(f"vlan: {vlan!r} is not a VLAN", where, "write a number from 1 to 4094")
    if spec.get("bond", "") not in ("", "active-backup", "balance-slb"):
        raise BadInput(f"bond: {spec['bond']!r} is not known", where, "write active-backup or balance-slb")
    return Network(
        name,
        vlan,
        int(spec.get("nic", 1)),
        str(spec.get("bond", "")),
        bool(spec.get("internal", False)),
        spec.get("ringfence"),
        spec.get("default_locking_mode", "unlocked"),
    )


def _addresses(given: Any, where: str) -> tuple[Interface, ...]:
    found = []
    for text in given or ():
        word = str(text)
        if "/" not in word:
            word += "/64" if ":" in word else "/24"
        try:
            found.append(ipaddress.ip_interface(word))
        except ValueError:
            raise BadInput(f"{text!r} is not an address", where, "write 10.0.0.5, 10.0.0.5/16 or fd00::5") from None
    return tuple(found)


def _list(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(v) for v in value) if isinstance(value, list) else (str(value),)


def _guest(name: str, spec: Any, hosts: tuple[str, ...], networks: dict[str, Network]) -> Guest:
    where = f"guests: {_name(name, 'guests')}"
    _keys(spec, where, {"host", "vifs", "running"})
    host = str(spec.get("host", hosts[0]))
    if host not in hosts:
        raise BadInput(f"host {host} is not known", where, f"the hosts are {', '.join(hosts)}")
    vifs = []
    for vif in spec.get("vifs") or ():
        _keys(vif, where, {"network", "addresses", "ringfence", "locking_mode", "ipv4_allowed", "ipv6_allowed", "gateway"})
        if vif.get("network") not in networks:
            raise BadInput(f"network {vif.get('network')} is not known", where, f"the networks are {', '.join(networks)}")
        vifs.append(
            VifSpec(
                vif["network"],
                _addresses(vif.get("addresses"), where),
                vif.get("ringfence"),
                vif.get("locking_mode", "network_default"),
                _list(vif.get("ipv4_allowed")),
                _list(vif.get("ipv6_allowed")),
                _list(vif.get("gateway")),
            )
        )
    return Guest(name, host, tuple(vifs), bool(spec.get("running", True)))


def _outside(name: str, spec: Any, networks: dict[str, Network]) -> Outside:
    where = f"outside: {_name(name, 'outside')}"
    _keys(spec, where, {"network", "addresses", "gateway"})
    network = networks.get(spec.get("network", ""))
    if network is None:
        raise BadInput(f"network {spec.get('network')} is not known", where, f"the networks are {', '.join(networks)}")
    if network.internal:
        raise BadInput(f"network {network.name} is internal: nothing is outside it", where, "name a network with an uplink")
    return Outside(name, network.name, _addresses(spec.get("addresses"), where), _list(spec.get("gateway")))
