"""A VIF's port: put on its bridge, taken off, link up and down."""

import errno
import fcntl
import os
import re
import socket
import struct
from typing import Dict, List, NamedTuple, Optional

from ..errors import SwitchRefused, Unreachable
from .command import run, vsctl

_PAIR = re.compile(r'"?([^\s{,="]+)"?="?([^",}]*)"?')


IFF_UP = 1
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
"""netdevice(7)."""


class Standing(NamedTuple):
    """A port that is on a bridge."""

    bridge: str
    """Name of its bridge, or fake bridge."""
    ofport: int
    external_ids: Dict[str, str]


def standing(interface: str) -> Optional[Standing]:
    """None where it is on no bridge, or the switch gave it no number."""
    words = ["iface-to-br", interface, "--", "get", "Interface", interface, "ofport", "external_ids"]
    try:
        bridge, ofport, ids = run(["ovs-vsctl", "--timeout=10", "--"] + words).splitlines()
    except (SwitchRefused, ValueError):
        return None
    if not ofport.isdigit() or int(ofport) == 0:
        return None
    return Standing(bridge, int(ofport), dict(_PAIR.findall(ids)))


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
    run(["ovs-vsctl", "--timeout=30", "--", "--if-exists", "del-port", interface])


def _label(interface: str, external_ids: Dict[str, str]) -> List[str]:
    pairs = ['external_ids:"{}"="{}"'.format(key, value) for key, value in sorted(external_ids.items())]
    return ["set", "Interface", interface] + pairs


def label(interface: str, external_ids: Dict[str, str]) -> None:
    """Say in OVSDB whose port it is."""
    vsctl(*_label(interface, external_ids))


def add(bridge: str, interface: str, external_ids: Dict[str, str], held: bool) -> int:
    """Put it on the bridge, held (no frame between two such ports) from its first moment; its OpenFlow port."""
    words = ["ovs-vsctl", "--timeout=30", "--", "--if-exists", "del-port", interface, "--", "add-port", bridge, interface]
    words += ["--"] + _label(interface, external_ids)
    if held:
        words += ["--", "set", "Port", interface, "protected=true", "external_ids:ringfence=protected"]
    run(words)
    found = vsctl("--if-exists", "get", "Interface", interface, "ofport").strip()
    if not found.isdigit() or int(found) == 0:
        raise Unreachable("the switch gave {} no port number ({})".format(interface, found or "none"), mend="see ovs-vswitchd.log")
    return int(found)
