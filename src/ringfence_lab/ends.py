"""The ends of the wire: interfaces of guests and of machines outside, and how they are set up."""

from typing import NamedTuple

from . import netns
from .scenario import Interface


class End(NamedTuple):
    """An interface that frames can be sent from and seen at."""

    owner: str
    """Name of the guest or machine: its namespace."""
    device: str
    mac: str
    network: str
    addresses: tuple[Interface, ...]
    name: str
    """``blue1/0`` for a VIF, ``gw`` for a machine."""


def quiet(owner: str) -> None:
    """No waiting for duplicate address detection: its frames are sent by those scenarios that are about it."""

    def write() -> None:
        for name in ("all", "default"):
            with open(f"/proc/sys/net/ipv6/conf/{name}/accept_dad", "w") as setting:
                setting.write("0")
            with open(f"/proc/sys/net/ipv6/conf/{name}/dad_transmits", "w") as setting:
                setting.write("0")

    netns.inside(owner, write)


def without_offload(owner: str, device: str) -> None:
    """The userspace switch wants checksums in the frames."""
    netns.run("ip", "netns", "exec", netns.name_of(owner), "ethtool", "-K", device, "tx", "off")


def configure(device: str, addresses: tuple[Interface, ...], gateways: tuple[str, ...]) -> list[str]:
    lines = [f"link set {device} up"]
    lines += [f"addr replace {a} dev {device}" for a in addresses]
    lines += [f"route replace default via {g} dev {device}" for g in gateways]
    return lines
