"""What holds for one VIF: its record, with its network's line and XAPI's own fields behind it."""

from functools import lru_cache
from typing import FrozenSet, NamedTuple, Optional, Tuple, Union

from ..errors import BadRecord
from .addresses import Prefix, link_local, parse_prefix, singles, sort_prefixes
from .network import NetworkLine
from .record import MODES, Record, parse_record

_STRENGTH = {mode: n for n, mode in enumerate(MODES)}


class XapiFields(NamedTuple):
    """XAPI's own VIF locking: ``VIF.locking_mode`` with ``network_default`` resolved, and its lists."""

    locking_mode: str = "unlocked"
    ipv4_allowed: Tuple[str, ...] = ()
    ipv6_allowed: Tuple[str, ...] = ()


class Closed(NamedTuple):
    """Why a VIF carries nothing."""

    reason: str


class Policy(NamedTuple):
    """What is enforced for one VIF. ``own`` includes the link-local address where one holds."""

    mode: str
    own: Tuple[Prefix, ...] = ()
    groups: FrozenSet[str] = frozenset()
    peers: Tuple[Prefix, ...] = ()
    external: bool = True
    services: FrozenSet[str] = frozenset()
    named: bool = False
    """Whether ringfence was asked for (by a record or the network's default), not XAPI's own locking alone."""


@lru_cache(maxsize=1 << 15)
def effective(line: Optional[str], mac: str, network: NetworkLine, xapi: XapiFields) -> Union[Policy, Closed]:
    """The policy of a VIF, or why it is closed. ``line`` is None where there is no record."""
    try:
        record = Record() if line is None else parse_record(line)
        lists = [
            tuple(parse_prefix(a, version, lenient=True) for a in allowed) if own is None else own
            for own, allowed, version in ((record.ipv4, xapi.ipv4_allowed, 4), (record.ipv6, xapi.ipv6_allowed, 6))
        ]
    except BadRecord as error:
        return Closed(str(error))
    if record.mac is not None and record.mac != mac.lower():
        return Closed("copied record: written for {}, this VIF is {}: run ringfence adopt".format(record.mac, mac))
    stock = xapi.locking_mode.lower()
    mode = record.mode or network.default or (stock if stock in MODES else None)
    if mode is None:
        return Closed("XAPI's locking mode {!r} is not known".format(xapi.locking_mode))
    if network.least and _STRENGTH[mode] < _STRENGTH[network.least]:
        mode = network.least
    own = sort_prefixes(lists[0] + lists[1])
    peers = record.peers
    if mode == "isolated" and not record.groups and not peers:
        peers = singles(own)
    if mode in ("locked", "isolated"):
        own = sort_prefixes(own + (link_local(mac),))
    return Policy(
        mode=mode,
        own=own,
        groups=record.groups,
        peers=peers,
        external=(record.external or network.external) == "allow",
        services=record.services,
        named=line is not None or network.default is not None,
    )
