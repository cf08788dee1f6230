"""Messages as bytes (OpenFlow 1.4.1, section 7)."""

import struct
from typing import Dict, Iterator, NamedTuple, Optional, Tuple

from ...flows.flow import PLACE, Action, Flow, Key, key_of, show_key
from ...flows.match import NOTHING, Match
from ...flows.pipeline import COOKIE_MASK, MARK
from .action import encode_actions

VERSION = 5
"""OpenFlow 1.4 on the wire."""
HEADER = struct.Struct("!BBHI")
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FLOW_MOD, MULTIPART_REQUEST, MULTIPART_REPLY = 0, 1, 2, 3, 14, 18, 19
STATS_REPLY = 17
"""What OpenFlow 1.0 has in place of a multipart reply."""
BARRIER_REQUEST, BUNDLE_CONTROL, BUNDLE_ADD = 20, 33, 34
OPEN, COMMIT, DISCARD = 0, 4, 6
"""Requests of a bundle's control message; each one's reply is the number above it."""
ATOMIC_ORDERED = 3
ADD, MODIFY_STRICT, DELETE_STRICT = 0, 2, 4
FLOW, AGGREGATE = 1, 2
NONE = 0xFFFFFFFF
LONGEST = 0xFFFF - 1024
"""Octets of actions: a message has 65535 in all, and a bundle's wraps another one."""
_FLOW_MOD = struct.Struct("!QQBBHHHIIIHH")
_FLOW_STATS = struct.Struct("!HBx8xH10xQ")
"""Length, table, priority and cookie; packet counts follow, and the match at octet 48."""
_APPLY = struct.Struct("!HH4x")
_MATCH = struct.Struct("!HH")
_ERRORS: Dict[Tuple[int, int], str] = {
    (5, 1): "OFPFMFC_TABLE_FULL",
    (5, 2): "OFPFMFC_BAD_TABLE_ID",
    (17, 4): "OFPBFC_TIMEOUT",
    (17, 11): "OFPBFC_MSG_FAILED",
}
"""Names of the errors that an operator may meet; others go by number (OpenFlow 1.4.1, section 7.5.4)."""


class Message(NamedTuple):
    version: int
    kind: int
    xid: int
    body: bytes


def message(kind: int, xid: int, body: bytes = b"", version: int = VERSION) -> bytes:
    return HEADER.pack(version, kind, HEADER.size + len(body), xid) + body


def hello(xid: int, version: int = VERSION) -> bytes:
    """This version and no other: what the two sides agree on is then known."""
    return message(HELLO, xid, struct.pack("!HHI", 1, 8, 1 << version), version)


def greets(first: Message, version: int = VERSION) -> bool:
    """Whether the other side's first message says that it speaks this version (section 7.5.1)."""
    if first.kind != HELLO:
        return False
    if len(first.body) >= 8 and first.body[:2] == b"\0\1":
        return bool(struct.unpack_from("!I", first.body, 4)[0] >> version & 1)
    return first.version >= version


def encode_instructions(actions: Tuple[Action, ...]) -> bytes:
    """None where there is no action. Raises ValueError for more than fit into a message."""
    if not actions:
        return b""
    body = encode_actions(actions)
    if len(body) > LONGEST:
        raise ValueError("its actions are {} octets, of at most {}".format(len(body), LONGEST))
    return _APPLY.pack(4, 8 + len(body)) + body


def _wrapped(match: Match) -> bytes:
    """``struct ofp_match``."""
    length = 4 + len(match)
    return _MATCH.pack(1, length) + match + bytes(-length % 8)


def flow_mod(command: int, key: Key, xid: int, flow: Optional[Flow] = None) -> bytes:
    """Of a flow to add or modify, or of the key of one to delete. Raises ValueError for one that fits into no message."""
    table, priority = PLACE.unpack_from(key)
    cookie, instructions = 0, b""
    if flow is not None:
        cookie = flow.cookie
        try:
            instructions = encode_instructions(flow.actions)
        except ValueError as error:
            raise ValueError("{}: {}".format(error, show_key(flow.key))) from None
    head = _FLOW_MOD.pack(cookie, 0, table, command, 0, 0, priority, NONE, NONE, NONE, 0, 0)
    return message(FLOW_MOD, xid, head + _wrapped(key[3:]) + instructions)


def bundle_control(what: int, bundle: int, xid: int) -> bytes:
    return message(BUNDLE_CONTROL, xid, struct.pack("!IHH", bundle, what, ATOMIC_ORDERED))


def bundle_add(bundle: int, xid: int, inner: bytes) -> bytes:
    return message(BUNDLE_ADD, xid, struct.pack("!I2xH", bundle, ATOMIC_ORDERED) + inner)


def count_request(xid: int) -> bytes:
    """How many flows of ours there are, in all tables."""
    body = struct.pack("!B3xII4xQQ", 0xFF, NONE, NONE, MARK << 48, COOKIE_MASK) + _wrapped(NOTHING)
    return message(MULTIPART_REQUEST, xid, struct.pack("!HH4x", AGGREGATE, 0) + body)


def read_count(body: bytes) -> int:
    """Of the reply to ``count_request``."""
    return int(struct.unpack_from("!I", body, 8 + 16)[0])


Installed = Tuple[Key, int, bytes]
"""A flow as the switch tells of it: its key, with the fields in the switch's own order, its cookie and its instructions."""


def flows_request(xid: int) -> bytes:
    """Every flow of ours, in as many replies as it takes."""
    body = struct.pack("!B3xII4xQQ", 0xFF, NONE, NONE, MARK << 48, COOKIE_MASK) + _wrapped(NOTHING)
    return message(MULTIPART_REQUEST, xid, struct.pack("!HH4x", FLOW, 0) + body)


def is_last(reply: Message) -> bool:
    """Whether no further part of a multipart reply follows."""
    kind = STATS_REPLY if reply.version == 1 else MULTIPART_REPLY
    return reply.kind != kind or not struct.unpack_from("!H", reply.body, 2)[0] & 1


def read_flows(body: bytes) -> Iterator[Installed]:
    """Of a part of the reply to ``flows_request``."""
    at = 8
    while at < len(body):
        length, table, priority, cookie = _FLOW_STATS.unpack_from(body, at)
        start = at + 48
        (size,) = struct.unpack_from("!H", body, start + 2)
        key = key_of(table, priority, body[start + 4 : start + size])
        yield key, cookie, body[start + (size + 7) // 8 * 8 : at + length]
        at += length


def show_error(body: bytes) -> str:
    kind, code = struct.unpack_from("!HH", body)
    return _ERRORS.get((kind, code), "error {}, code {}".format(kind, code))
