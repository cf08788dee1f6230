"""Addresses and prefixes as a record writes them."""

import ipaddress
from typing import Iterable, List, Optional, Tuple, Union

from ..errors import BadRecord

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Prefix = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class _HashedOnce:
    """A pool's prefixes are looked up by the million."""

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            self._hash: int = super().__hash__()
            return self._hash


class Prefix4(_HashedOnce, ipaddress.IPv4Network):
    """As its base, which it equals."""


class Prefix6(_HashedOnce, ipaddress.IPv6Network):
    """As its base, which it equals."""


LINK_LOCAL = Prefix6("fe80::/10")


def parse_prefix(text: str, version: Optional[int] = None, lenient: bool = False) -> Prefix:
    """``text`` as a prefix; a bare address is a prefix of its full length.

    With ``version`` 4 or 6 the other family is an error. ``lenient`` reads host bits as
    stock XAPI does (they are masked away); otherwise they are an error with both readings.
    """
    word = text.strip()
    if "/" not in word and "%" not in word:
        try:  # the usual case first: an interface is two objects more
            network = (Prefix6 if ":" in word else Prefix4)(word)
        except ValueError:
            pass
        else:
            if version in (None, network.version):
                return network
    try:
        interface = ipaddress.ip_interface(word)
    except ValueError:
        raise BadRecord(
            "{!r} is not an address or prefix".format(text),
            mend="write 10.0.0.5, 10.0.0.0/24, 2001:db8::5 or 2001:db8::/64",
        ) from None
    network = (Prefix4 if interface.version == 4 else Prefix6)(interface.network)
    if "%" in word:
        raise BadRecord("{!r} has a zone".format(text), mend="leave out the part from % on")
    if version and network.version != version:
        raise BadRecord("{} is not an IPv{} address".format(text, version), mend="move it to ipv{}=".format(network.version))
    if interface.ip != network.network_address and not lenient:
        raise BadRecord(
            "{} has host bits set".format(word),
            mend="write {} for one address or {} for the prefix".format(interface.ip, network),
        )
    return network


def is_single(prefix: Prefix) -> bool:
    return prefix.prefixlen == prefix.max_prefixlen


def show_prefix(prefix: Prefix) -> str:
    """The canonical text: an address alone where the prefix is one address."""
    return str(prefix.network_address) if is_single(prefix) else str(prefix)


def sort_prefixes(prefixes: Iterable[Prefix]) -> Tuple[Prefix, ...]:
    """Sorted and without repetitions, IPv4 before IPv6."""
    found = tuple(prefixes)
    return tuple(sorted(set(found), key=in_order)) if len(found) > 1 else found


def in_order(prefix: Prefix) -> Tuple[int, int, int]:
    """What prefixes are sorted by."""
    return (prefix.version, int(prefix.network_address), prefix.prefixlen)


def within(inner: Prefix, outer: Prefix) -> bool:
    """Whether every address of ``inner`` is in ``outer``; prefixes of two families never are."""
    if inner.version != outer.version or inner.prefixlen < outer.prefixlen:
        return False
    shift = outer.max_prefixlen - outer.prefixlen
    return int(inner.network_address) >> shift == int(outer.network_address) >> shift


def single(address: Address) -> Prefix:
    return (Prefix4 if address.version == 4 else Prefix6)(address)


def singles(prefixes: Iterable[Prefix]) -> Tuple[Prefix, ...]:
    """The single addresses among prefixes, link-local ones left out."""
    return tuple(entry for entry in prefixes if is_single(entry) and not within(entry, LINK_LOCAL))


def link_local(mac: str) -> Prefix:
    """The link-local address that is derived from a MAC (RFC 4291, appendix A)."""
    number = int(mac.replace(":", ""), 16)
    return Prefix6(0xFE80 << 112 | (number >> 24 ^ 2 << 16) << 40 | 0xFFFE << 24 | number & 0xFFFFFF)


def show_all(prefixes: Iterable[Prefix]) -> List[str]:
    return [show_prefix(p) for p in prefixes]
