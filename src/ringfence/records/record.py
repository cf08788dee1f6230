"""The record: the policy of one VIF, one line of text."""

import re
from typing import FrozenSet, List, NamedTuple, Optional, Tuple

from ..errors import BadRecord
from ..mac import parse_mac
from .addresses import Prefix, parse_prefix, show_all, sort_prefixes
from .line import LIMIT_BYTES, join_line, listed, one_of, split_line

MODES = ("unlocked", "locked", "isolated", "disabled")
SERVICES = ("dhcp", "dhcp6", "ra", "router")
KEYS = ("mode", "ipv4", "ipv6", "groups", "peers", "external", "services", "mac")
SYNONYMS = {"locking-mode": "mode", "ipv4-allowed": "ipv4", "ipv6-allowed": "ipv6"}
MAX_ADDRESSES = 64
MAX_GROUPS = 32
MAX_PEERS = 64
GROWTH = 5
"""A canonical line has no more bytes than this for each character given: ``'`` in a quoted value becomes ``'"'"'``."""

_GROUP = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}\Z")


class Record(NamedTuple):
    """What one VIF's line says; None where it says nothing."""

    mode: Optional[str] = None
    ipv4: Optional[Tuple[Prefix, ...]] = None
    ipv6: Optional[Tuple[Prefix, ...]] = None
    groups: FrozenSet[str] = frozenset()
    peers: Tuple[Prefix, ...] = ()
    external: Optional[str] = None
    services: FrozenSet[str] = frozenset()
    mac: Optional[str] = None
    extra: Tuple[Tuple[str, str], ...] = ()

    @property
    def own(self) -> Tuple[Prefix, ...]:
        """The own addresses that it lists, of both families."""
        return (self.ipv4 or ()) + (self.ipv6 or ())

    def __str__(self) -> str:
        """The canonical line: ``parse_record(str(record)) == record``."""
        words: List[Tuple[str, str]] = []
        if self.mode is not None:
            words.append(("mode", self.mode))
        if self.ipv4 is not None:
            words.append(("ipv4", ",".join(show_all(self.ipv4))))
        if self.ipv6 is not None:
            words.append(("ipv6", ",".join(show_all(self.ipv6))))
        if self.groups:
            words.append(("groups", ",".join(sorted(self.groups))))
        if self.peers:
            words.append(("peers", ",".join(show_all(self.peers))))
        if self.external is not None:
            words.append(("external", self.external))
        if self.services:
            words.append(("services", ",".join(s for s in SERVICES if s in self.services)))
        if self.mac is not None:
            words.append(("mac", self.mac))
        return join_line(words + list(self.extra))


def parse_group(text: str) -> str:
    if not _GROUP.match(text):
        raise BadRecord("{!r} is not a group name".format(text), mend="write lower-case letters, digits, dots and dashes, 63 at most")
    return text


def _service(text: str) -> str:
    if text not in SERVICES:
        raise BadRecord("{} is not known".format(text), mend="write one of {}".format(", ".join(SERVICES)))
    return text


def parse_record(text: str) -> Record:
    """The record that a line states. Raises BadRecord."""
    words, extra = split_line(text, KEYS, SYNONYMS)

    def own(key: str, version: int) -> Optional[Tuple[Prefix, ...]]:
        if key not in words:
            return None
        return sort_prefixes(listed(key, words[key], lambda part: parse_prefix(part, version)))

    ipv4, ipv6 = own("ipv4", 4), own("ipv6", 6)
    if len((ipv4 or ()) + (ipv6 or ())) > MAX_ADDRESSES:
        raise BadRecord("lists {} own addresses".format(len((ipv4 or ()) + (ipv6 or ()))), mend="the limit is {}".format(MAX_ADDRESSES))
    record = Record(
        mode=one_of("mode", words["mode"], MODES) if "mode" in words else None,
        ipv4=ipv4,
        ipv6=ipv6,
        groups=frozenset(listed("groups", words["groups"], parse_group, MAX_GROUPS, "groups") if "groups" in words else ()),
        peers=sort_prefixes(listed("peers", words["peers"], parse_prefix, MAX_PEERS, "peers") if "peers" in words else ()),
        external=one_of("external", words["external"], ("allow", "deny")) if "external" in words else None,
        services=frozenset(listed("services", words["services"], _service) if "services" in words else ()),
        mac=parse_mac(words["mac"]) if "mac" in words else None,
        extra=extra,
    )
    if len(text) > LIMIT_BYTES // GROWTH:
        split_line(str(record), KEYS)
    return record
