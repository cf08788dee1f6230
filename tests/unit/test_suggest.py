"""What was seen on a watched network, and what is suggested for it."""

import shlex
from typing import NamedTuple

import pytest

from pools import picture, vif
from ringfence.picture import VifFacts
from ringfence.policy.suggest import Seen, suggest

LINE = "default=isolated inside=10.0.0.0/24 gateways=10.0.0.1 enforce=watch"
A = vif("acme1", 1, "ipv4=10.0.0.11 groups=acme")
B = vif("acme2", 2, "ipv4=10.0.0.12 groups=acme")
C = vif("web-1", 3, "ipv4=10.0.0.13")
D = vif("web-2", 4, "ipv4=10.0.0.14")
BARE = vif("bare", 5, None)
MUTE = vif("mute", 6, "ipv4=10.0.0.16 external=deny")
HELD = vif("held", 7, "mode=locked ipv4=10.0.0.17")
BAD = vif("bad", 8, "colour=red")


def seen(sender: str, receiver: str, reason: str, source: str = "", target: str = "", frames: int = 1) -> Seen:
    return Seen(sender, receiver, reason, source, target, frames)


class Case(NamedTuple):
    seen: list[Seen]
    expected: list[tuple[str, int, str]]
    """A part of what is said, frames, and the command."""


CASES = {
    "nothing": Case([], []),
    "two that talk": Case(
        [
            seen("web-1", "web-2", "unreachable-out", "10.0.0.13", "10.0.0.14", 5),
            seen("web-2", "web-1", "unreachable-in", "10.0.0.14", "10.0.0.13", 2),
        ],
        [("web-1/0, web-2/0 talk", 7, "ringfence group add web web-1/0 web-2/0")],
    ),
    "a broadcast is no talk": Case([seen("web-1", "web-2", "unreachable-out", "10.0.0.13", "224.0.0.251", 5)], []),
    "ARP for the gateway is no talk": Case([seen("web-1", "web-2", "unreachable-out", "10.0.0.13", "10.0.0.1", 5)], []),
    "one joins a group that the others have": Case(
        [
            seen("web-1", "acme1", "unreachable-out", "10.0.0.13", "10.0.0.11"),
            seen("web-1", "acme2", "unreachable-out", "10.0.0.13", "10.0.0.12"),
        ],
        [("(in 2 of 3 pairs: make several groups where that is meant)", 2, "ringfence group add acme web-1/0")],
    ),
    "members need nothing": Case([seen("acme1", "acme2", "source", "10.0.0.11", "10.0.0.12")], []),
    "who is locked needs no group": Case(
        [seen("held", "held", "source", "10.0.0.99", "10.0.0.98")], [("held/0 uses 10.0.0.99", 1, "ringfence ip add held/0 10.0.0.99")]
    ),
    "an address that is not listed, and whom it talked to": Case(
        [seen("bare", "", "source", "10.0.0.55", "10.0.0.13", 4), seen("bare", "", "arp", "10.0.0.55", "10.0.0.13", 1)],
        [
            ("bare/0 uses 10.0.0.55, which its record does not list", 5, "ringfence ip add bare/0 10.0.0.55"),
            ("bare/0, web-1/0 talk", 4, "ringfence group add seen-1 bare/0 web-1/0"),
        ],
    ),
    "an address that it is spoken to at": Case(
        [seen("", "web-1", "destination-address", "10.0.0.1", "10.0.0.113", 3)],
        [("web-1/0 uses 10.0.0.113", 3, "ringfence ip add web-1/0 10.0.0.113")],
    ),
    "another's address": Case(
        [seen("web-1", "", "reserved-address", "10.0.0.14", "10.0.0.1", 2)],
        [("web-1/0 uses 10.0.0.14, which belongs to web-2/0: find out why", 2, "ringfence ip add web-1/0 10.0.0.14 --shared")],
    ),
    "the gateway's address": Case(
        [seen("web-1", "", "arp", "10.0.0.1", "10.0.0.1", 2)],
        [("belongs to a gateway: find out why", 2, "ringfence ip add web-1/0 10.0.0.1 --shared")],
    ),
    "no address at all": Case(
        [seen("web-1", "", "source", "0.0.0.0", "255.255.255.255"), seen("web-1", "", "source", "::", "ff02::1")], []
    ),
    "it forwards": Case(
        [seen("web-1", "", "source", f"172.16.0.{n}", "8.8.8.8") for n in range(1, 20)],
        [
            (
                "web-1/0 sends from 19 addresses that are not its own: it forwards for others, or forges them",
                19,
                "ringfence vif set web-1/0 services=router",
            )
        ],
    ),
    "a DHCP server": Case(
        [seen("web-1", "", "dhcp-server", "10.0.0.13", "255.255.255.255", 3), seen("web-2", "", "dhcp-server", "fe80::1", "ff02::1")],
        [
            ("web-1/0 answers as a server or router (services=dhcp)", 3, "ringfence vif set web-1/0 services=dhcp"),
            ("web-2/0 answers as a server or router (services=dhcp6)", 1, "ringfence vif set web-2/0 services=dhcp6"),
        ],
    ),
    "outside, from one that may not": Case(
        [seen("mute", "", "unreachable-out", "10.0.0.16", "8.8.8.8", 6), seen("", "mute", "unreachable-in", "9.9.9.9", "10.0.0.16", 1)],
        [("mute/0 talks to external addresses", 7, "ringfence vif set mute/0 external=allow")],
    ),
    "a machine inside": Case(
        [seen("acme1", "", "unreachable-out", "10.0.0.11", "10.0.0.200", 2)],
        [("acme1/0 talks to 10.0.0.200, inside and no VIF's", 2, "ringfence vif set acme1/0 peers=10.0.0.200")],
    ),
    "a machine inside, for one whose peers are its own addresses by default": Case(
        [seen("web-1", "", "unreachable-out", "10.0.0.13", "10.0.0.200", 2)],
        [("web-1/0 talks to 10.0.0.200, inside and no VIF's", 2, "ringfence vif set web-1/0 peers=10.0.0.200")],
    ),
    "a flood that leaves the host": Case([seen("mute", "", "unreachable-out", "10.0.0.16", "224.0.0.1")], []),
    "what no record allows": Case(
        [seen("web-1", "", "ethertype", frames=9), seen("acme1", "", "ethertype")],
        [("acme1/0, web-1/0 sent what no record allows (ethertype, docs/why.md)", 10, "")],
    ),
    "one that would be closed": Case(
        [seen("bad", "", "closed", "10.0.0.9", "10.0.0.1", 3)], [("bad/0 would be closed: unknown key", 3, "ringfence vif show bad/0")]
    ),
    "one that is gone": Case([seen("left", "web-1", "unreachable-in", "10.0.0.90", "10.0.0.13")], []),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_suggested(name: str) -> None:
    everybody: list[VifFacts] = [A, B, C, D, BARE, MUTE, HELD, BAD]
    view = picture(LINE, *everybody).networks["net"]
    found = suggest(view, CASES[name].seen)
    assert [(one.frames, one.command) for one in found] == [(frames, command) for _, frames, command in CASES[name].expected], found
    for one, (words, _, _) in zip(found, CASES[name].expected, strict=True):
        assert words in one.what


def test_a_command_can_be_pasted_whatever_the_vm_is_called() -> None:
    named = C._replace(vm_name="Debian 12 $(reboot)")
    view = picture(LINE, named, D).networks["net"]
    found = suggest(view, [seen("web-1", "web-2", "unreachable-out", "10.0.0.13", "10.0.0.14")])
    assert [shlex.split(one.command)[-2:] for one in found] == [["Debian 12 $(reboot)/0", "web-2/0"]]
