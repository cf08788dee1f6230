"""Whom ARP and neighbour discovery are for: the owner of the address that they name, and for one's own address everybody."""

import pytest
from scapy.all import ARP, IP, UDP, Ether, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6

from pools import UPLINK, compiled, mac, picture, vif
from ringfence.flows import evaluate

LINE = "default=isolated external=deny inside=10.0.0.0/24,fd00::/64"
EVERYBODY = "ff:ff:ff:ff:ff:ff"
ASKS, ANSWERS = 1, 2
NUMBERS = {"a": 11, "b": 12, "c": 13, "s1": 14, "s2": 15, "u": 16, "p": 17, "q": 18, "l": 19, "w": 20, "v": 21}
RECORDS = {
    "a": "ipv4=10.0.0.11 ipv6=fd00::11 groups=blue services=dhcp",
    "b": "ipv4=10.0.0.12 ipv6=fd00::12 groups=blue",
    "c": "ipv4=10.0.0.13 groups=green",
    "s1": "ipv4=10.0.0.14,10.0.0.50 groups=blue",
    "s2": "ipv4=10.0.0.15,10.0.0.50 groups=green",
    "u": "mode=unlocked ipv4=10.0.0.16 ipv6=fd00::16 groups=blue",
    "p": "ipv4=10.0.0.17 groups=x peers=10.0.0.61,fd00::61",
    "q": "ipv4=10.0.0.61,10.0.0.62 ipv6=fd00::61,fd00::62 groups=y peers=10.0.0.17",
    "l": "mode=locked ipv4=10.0.0.61,10.0.0.63",
    "w": "ipv6=fd00::100/120 groups=z peers=fd00::20",
    "v": "ipv6=fd00::20 groups=v peers=fd00::105",
}
FLOWS, PORTS = compiled(picture(LINE, *(vif(name, NUMBERS[name], line) for name, line in RECORDS.items())))
NAMES: dict[int | str, str] = {port: name for name, port in PORTS.items()}


def seen(sender: str, frame: Ether) -> set[str]:
    """Who gets a frame, as one that is for its own MAC or for all."""
    outputs = evaluate(FLOWS, bytes(frame), PORTS[sender]).outputs
    for out in outputs:
        assert out.frame[:6].hex(":") in (mac(NUMBERS[NAMES[out.port]]), frame.dst)
    return {NAMES[out.port] for out in outputs}


def arp(sender: str, op: int, source: int, target: int, to: str = EVERYBODY) -> set[str]:
    """``to``: a MAC, or whose; source and target are last octets, 0 is 0.0.0.0."""
    addresses = {"psrc": f"10.0.0.{source}" if source else "0.0.0.0", "pdst": f"10.0.0.{target}"}
    own = mac(NUMBERS[sender])
    return seen(sender, Ether(src=own, dst=mac(NUMBERS[to]) if to in NUMBERS else to) / ARP(op=op, hwsrc=own, **addresses))


def asked(sender: str, address: str, source: str = "::") -> set[str]:
    """By a neighbour solicitation; from :: it asks whether the address is free."""
    low, own = address.rpartition("::")[2].zfill(4), mac(NUMBERS[sender])
    group = f"33:33:ff:00:{low[:2]}:{low[2:]}"
    option = b"" if source == "::" else ICMPv6NDOptSrcLLAddr(lladdr=own)
    return seen(
        sender,
        Ether(src=own, dst=group) / IPv6(src=source, dst=f"ff02::1:ff00:{low}", hlim=255) / ICMPv6ND_NS(tgt=address) / option,
    )


@pytest.mark.parametrize("op", [ASKS, ANSWERS])
@pytest.mark.parametrize("to", [EVERYBODY, "b", "c", "q", "a"])
def test_what_names_an_address_is_for_its_owner_whatever_the_mac(op: int, to: str) -> None:
    assert arp("a", op, 11, 12, to) == {"b"}
    assert arp("a", op, 11, 13, to) == set(), "a stranger's"


def test_an_unlocked_one_is_asked_by_address_and_answered_by_mac() -> None:
    """It may have asked with another MAC than its own."""
    assert arp("a", ASKS, 11, 16) == {"u"}
    assert arp("a", ANSWERS, 11, 16, "u") == {"u"}
    assert arp("a", ANSWERS, 11, 16, "02:00:00:00:00:77") == set()


def test_what_names_no_address_of_the_receiver_is_judged_by_all_that_it_is() -> None:
    for name in ("b", "u"):
        assert asked("a", f"fd00::{NUMBERS[name]}", "fd00::11") == {name}
        for address in (f"10.0.0.{NUMBERS[name]}", "255.255.255.255"):
            offer = Ether(src=mac(NUMBERS["a"]), dst=mac(NUMBERS[name])) / IP(src="10.0.0.11", dst=address) / UDP(sport=67, dport=68)
            assert seen("a", offer) == {name}
    assert asked("a", "fd00::61", "fd00::11") == set()


@pytest.mark.parametrize("op", [ASKS, ANSWERS])
def test_what_names_ones_own_address_is_for_all_whom_one_reaches(op: int) -> None:
    assert arp("a", op, 11, 11) == {"b", "s1", "u"}
    assert arp("a", ASKS, 0, 11) == {"b", "s1", "u"}, "a probe"
    assert arp("s2", op, 50, 50) == {"c"}


def test_an_address_of_several_owners_is_asked_of_all_and_answered_by_mac() -> None:
    assert arp("a", ASKS, 11, 50) == {"s1"}
    assert arp("c", ASKS, 13, 50) == {"s2"}
    assert arp("a", ANSWERS, 11, 50, "s1") == {"s1"}
    assert arp("a", ANSWERS, 11, 50, "s2") == set()
    assert arp("a", ANSWERS, 11, 50, "b") == set(), "not its address"
    assert arp("a", ANSWERS, 11, 12, "s1") == {"b"}


def test_a_probe_is_for_ones_own_address_and_broadcast() -> None:
    assert arp("a", ASKS, 0, 12) == set()
    assert arp("a", ASKS, 0, 99) == set()
    assert arp("a", ASKS, 0, 11, "b") == set()
    assert arp("a", ANSWERS, 0, 11) == set()


def test_a_peer_at_one_of_its_addresses_is_one_at_no_other() -> None:
    for op, to in ((ASKS, EVERYBODY), (ASKS, "q"), (ANSWERS, "q"), (ANSWERS, "a")):
        assert arp("p", op, 17, 61, to) == ({"q", "l"} if op == ASKS else {"q"} if to == "q" else set())
        assert arp("p", op, 17, 62, to) == set()
        assert arp("p", op, 17, 63, to) == set(), "of one that needs nothing"
    assert arp("q", ASKS, 61, 17) == {"p"}
    assert arp("q", ASKS, 62, 17) == set()
    assert arp("q", ASKS, 0, 61) == {"p"}
    assert arp("q", ASKS, 0, 62) == set()
    assert asked("q", "fd00::61") == {"p"}
    assert asked("q", "fd00::62") == set()
    assert asked("q", "fd00::63") == set()
    assert asked("w", "fd00::105") == {"v"}, "an address within its prefix"
    assert asked("w", "fd00::106") == set()


@pytest.mark.parametrize("op", [ASKS, ANSWERS, 3])
@pytest.mark.parametrize("shared", ["", ",10.0.0.50"])
def test_what_one_says_of_itself_to_one_alone_is_told_nobody(op: int, shared: str) -> None:
    """Flooded, it would be switched to that MAC, past the verdict."""
    far = [vif(name, NUMBERS[name], f"ipv4=10.0.0.{NUMBERS[name]}{shared} ipv6=fd00::11 groups=x", here=False) for name in ("a", "c")]
    near = [vif("b", NUMBERS["b"], "ipv4=10.0.0.12 groups=y"), vif("p", NUMBERS["p"], "mode=nonsense")]
    flows, ports = compiled(picture("default=isolated inside=10.0.0.0/24,fd00::/64", *far, *near))
    own = mac(NUMBERS["a"])
    for to in ("b", "p"):
        head = Ether(src=own, dst=mac(NUMBERS[to]))
        said = [head / ARP(op=op, hwsrc=own, psrc=f"10.0.0.{n}", pdst=f"10.0.0.{n}") for n in (11, 50)]
        asks = ICMPv6ND_NS(tgt="fd00::11") / ICMPv6NDOptSrcLLAddr(lladdr=own)
        said += [head / IPv6(src="fd00::11", dst=address, hlim=255) / asks for address in ("fd00::12", "ff02::1:ff00:11")]
        for frame in said:
            left = {(out.port, out.frame[:6].hex(":")) for out in evaluate(flows, bytes(frame), UPLINK).outputs}
            assert left <= {("NORMAL", own), ("NORMAL", mac(NUMBERS["c"]))}, "back to where it came from, or to the other owner"
    assert not ports.keys() - {"b", "p"}
