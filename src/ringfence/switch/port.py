"""A VIF's port: put on its bridge, taken off, link up and down."""

import errno
import fcntl
import os
import socket
import struct

from .. import TYPE_CHECKING
from ..errors import SwitchRefused, Unreachable
from .transact import commit, select, transact

if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .transact import Operation

IFF_UP = 1
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
"""netdevice(7)."""


class Standing:
    """A port that is on a bridge."""

    def __init__(self, bridge: str, ofport: int, external_ids: "Dict[str, str]") -> None:
        self.bridge = bridge
        """Name of its bridge, or fake bridge."""
        self.ofport = ofport
        self.external_ids = external_ids


def standing(interface: str) -> "Optional[Standing]":
    """None where it is on no bridge, or the switch gave it no number. Raises Unreachable."""
    (found,) = _rows(select("Interface", [["name", "==", interface]], "_uuid", "ofport", "external_ids"))
    if not found:
        return None
    (ports,) = _rows(select("Port", [["interfaces", "includes", found[0]["_uuid"]]], "_uuid", "tag"))
    if not ports:
        return None
    (bridges,) = _rows(select("Bridge", [["ports", "includes", ports[0]["_uuid"]]], "name", "ports"))
    ofport, tag = found[0]["ofport"], ports[0]["tag"]
    if not bridges or not isinstance(ofport, int) or ofport <= 0:
        return None
    name = bridges[0]["name"]
    if isinstance(tag, int):
        (fakes,) = _rows(select("Port", [["fake_bridge", "==", True], ["tag", "==", tag]], "_uuid", "name"))
        name = next((fake["name"] for fake in fakes if fake["_uuid"] in _set(bridges[0]["ports"])), name)
    return Standing(name, ofport, dict(found[0]["external_ids"][1]))


def _rows(*operations: "Operation") -> "List[List[Dict[str, Any]]]":
    return [result["rows"] for result in transact(*operations)]


def _set(value: "List[Any]") -> "List[Any]":
    """The members of a set as OVSDB writes it: one alone is no set."""
    return list(value[1]) if value[0] == "set" else [value]


def exists(interface: str) -> bool:
    return os.path.exists("/sys/class/net/{}".format(interface))


def set_link(interface: str, up: bool) -> None:
    """A device that is gone has no link to set: that is no error."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            asked = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", interface.encode("ascii"), 0))
            flags = struct.unpack_from("16sh", asked)[1]
            wanted = flags | IFF_UP if up else flags & ~IFF_UP
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", interface.encode("ascii"), wanted))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise


def remove(interface: str) -> None:
    """One that is on no bridge is no error. Raises Unreachable or SwitchRefused."""
    (old,) = _rows(select("Port", [["name", "==", interface]], "_uuid"))
    if old:
        commit("del-port {}".format(interface), *_gone(old))


def _gone(old: "List[Dict[str, Any]]") -> "List[Operation]":
    """Take ports off whatever bridges they are on."""
    return [
        {
            "op": "mutate",
            "table": "Bridge",
            "where": [["ports", "includes", port["_uuid"]]],
            "mutations": [["ports", "delete", port["_uuid"]]],
        }
        for port in old
    ]


def label(interface: str, external_ids: "Dict[str, str]") -> None:
    """Say in OVSDB whose port it is. Raises Unreachable or SwitchRefused."""
    said = [["external_ids", "delete", ["set", sorted(external_ids)]], ["external_ids", "insert", ["map", sorted(external_ids.items())]]]
    transact({"op": "mutate", "table": "Interface", "where": [["name", "==", interface]], "mutations": said})


def add(bridge: str, interface: str, external_ids: "Dict[str, str]", held: bool) -> int:
    """Put it on the bridge, held (no frame between two such ports) from its first moment; its OpenFlow port.

    Raises Unreachable or SwitchRefused.
    """
    named = [["name", "==", bridge]]
    wanted = select("Port", [["name", "==", interface]], "_uuid")
    real, fake, old = _rows(select("Bridge", named, "_uuid"), select("Port", named + [["fake_bridge", "==", True]], "_uuid", "tag"), wanted)
    port: "Dict[str, Any]" = {"name": interface, "interfaces": ["named-uuid", "interface"]}
    if held:
        port.update(protected=True, external_ids=["map", [["ringfence", "protected"]]])
    if fake:
        port["tag"] = fake[0]["tag"]
        (real,) = _rows(select("Bridge", [["ports", "includes", fake[0]["_uuid"]]], "_uuid"))
    if not real:
        raise SwitchRefused("there is no bridge {}".format(bridge), mend="see ovs-vsctl show")
    described = {"name": interface, "external_ids": ["map", sorted(external_ids.items())]}
    gone = _gone(old)
    done = commit(
        "add-port {} {}".format(bridge, interface),
        *gone,
        {"op": "insert", "table": "Interface", "row": described, "uuid-name": "interface"},
        {"op": "insert", "table": "Port", "row": port, "uuid-name": "port"},
        {
            "op": "mutate",
            "table": "Bridge",
            "where": [["_uuid", "==", real[0]["_uuid"]]],
            "mutations": [["ports", "insert", ["named-uuid", "port"]]],
        },
    )
    if not done[len(gone) + 2]["count"]:
        raise SwitchRefused("bridge {} went away".format(bridge), mend="see ovs-vsctl show")
    (found,) = _rows(select("Interface", [["name", "==", interface]], "ofport", "error"))
    number = found[0]["ofport"] if found else None
    if not isinstance(number, int) or number <= 0:
        reason = found[0]["error"] if found and isinstance(found[0]["error"], str) else "none"
        raise Unreachable("the switch gave {} no port number ({})".format(interface, reason), mend="see ovs-vswitchd.log")
    return number
