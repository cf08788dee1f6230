"""A flow, a set of flows, and the text that ovs-ofctl reads."""

import struct
from functools import lru_cache
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .match import Match, show_match
from .pipeline import (
    ALL_CLAIMED,
    KIND_SHARED,
    NAMES,
    NEXT,
    REASON,
    REASONS,
    TABLES,
    WATCHED,
    cookie,
    counted_cookie,
    drop_cookie,
    read_cookie,
)

NXM = {
    "dl_src": "NXM_OF_ETH_SRC",
    "dl_dst": "NXM_OF_ETH_DST",
    "nw_src": "NXM_OF_IP_SRC",
    "nw_dst": "NXM_OF_IP_DST",
    "ipv6_src": "NXM_NX_IPV6_SRC",
    "ipv6_dst": "NXM_NX_IPV6_DST",
    "arp_spa": "NXM_OF_ARP_SPA",
    "arp_tpa": "NXM_OF_ARP_TPA",
    "nd_target": "NXM_NX_ND_TARGET",
    ALL_CLAIMED: "NXM_NX_XXREG3",
}
"""How ovs-actions(7) names the fields that are copied, or that a counter may tell apart."""
NXM.update(("reg{}".format(n), "NXM_NX_REG{}".format(n)) for n in range(16))
Action = Tuple[Any, ...]
Key = bytes
"""Table (one octet), priority (two), and match: two flows with one key are one flow to the switch."""


@lru_cache(maxsize=1 << 14)
def load(register: str, value: int) -> Action:
    return ("load", register, value)


@lru_cache(maxsize=None)
def resubmit(table: str) -> Action:
    return ("resubmit", TABLES[table])


@lru_cache(maxsize=1 << 14)
def become(register: str, number: int, default: int, table: str) -> Tuple[Action, ...]:
    """Go on in ``table``, with ``number`` in the register where it holds another one (``default``) so far.

    Most flows of addresses do just this, so they share it.
    """
    return (resubmit(table),) if number == default else (load(register, number), resubmit(table))


def output(port: int) -> Action:
    return ("output", port)


def clone(*actions: Action) -> Action:
    """Run ``actions`` on a copy: frame and registers are as before afterwards."""
    return ("clone", actions)


def set_receiver(mac: str) -> Action:
    return ("set-dl_dst", mac)


def move(source: str, target: str) -> Action:
    """Copy a field of the frame."""
    return ("move", source, target)


def learn(kind: int, limit: int, ethertype: int, fields: Tuple[str, ...], number: int = 0) -> Action:
    """Have the switch make a flow in table ``counted`` for frames alike in ``fields``: its counter is what it is for.

    ``ethertype``: 0 for any. ``limit``: how many there may be of this kind and VIF. One that meets no frame for a while goes.
    """
    return ("learn", kind, limit, ethertype, fields, number)


def conjunction(number: int, clause: int) -> Action:
    return ("conjunction", number, clause)


NORMAL: Action = ("normal",)
FORGET_PORT: Action = ("forget-port",)
"""A protected port refuses frames from another; one with no ingress port it takes."""
STRIP_TAG: Action = ("strip-tag",)
PASSED: Action = load(WATCHED, 1)
"""Ends the judgement of a copy that is only watched: there is nothing to count, and nothing is sent."""
PLACE = struct.Struct("!BH")
"""What a key begins with."""
FORGOTTEN_S = 300
"""How long a counter lives that nothing adds to."""


def show_action(action: Action) -> str:
    kind = action[0]
    if kind == "load":
        return "load:{:#x}->NXM_NX_{}[]".format(action[2], action[1].upper())
    if kind == "resubmit":
        return "resubmit(,{})".format(action[1])
    if kind == "output":
        return "output:{}".format(action[1])
    if kind == "normal":
        return "NORMAL"
    if kind == "clone":
        return "clone({})".format(",".join(show_action(a) for a in action[1]))
    if kind == "set-dl_dst":
        return "set_field:{}->eth_dst".format(action[1])
    if kind == "learn":
        _, counter, limit, ethertype, fields, number = action
        head = "table={},idle_timeout={},priority={},cookie={:#x},limit={}".format(
            TABLES["counted"], FORGOTTEN_S, counter, counted_cookie(counter, number), limit
        )
        same = (["eth_type={:#x}".format(ethertype)] if ethertype else []) + ["{}[]".format(NXM[name]) for name in fields]
        return "learn({},{})".format(head, ",".join(same))
    if kind == "conjunction":
        return "conjunction({},{}/2)".format(action[1], action[2])
    if kind == "move":
        return "move:{}[]->{}[]".format(NXM[action[1]], NXM[action[2]])
    if kind == "forget-port":
        return "load:0->NXM_OF_IN_PORT[]"
    if kind == "strip-tag":
        return "load:0->NXM_OF_VLAN_TCI[]"
    raise ValueError("no such action: {!r}".format(action))


_AFTER = {table: frozenset(TABLES[name] for name in after) for table, after in NEXT.items()}


def key_of(table: int, priority: int, match: Match) -> Key:
    return PLACE.pack(table, priority) + match


class Flow(NamedTuple):
    key: Key
    actions: Tuple[Action, ...]
    cookie: int

    @property
    def table(self) -> int:
        return self.key[0]

    @property
    def priority(self) -> int:
        return self.key[1] << 8 | self.key[2]

    @property
    def match(self) -> Match:
        return self.key[3:]

    @property
    def drops(self) -> str:
        """Why it drops what it meets; "" where it does not."""
        known = read_cookie(self.cookie)
        return (known and known.reason) or ""

    def __str__(self) -> str:
        """One line, as ``ovs-ofctl add-flows`` reads it."""
        actions = ",".join(show_action(a) for a in self.actions) or "drop"
        return "cookie={:#x},{},actions={}".format(self.cookie, show_key(self.key), actions)


def show_key(key: Key) -> str:
    """As ovs-ofctl reads it. Raises ValueError for fields that the pipeline never matches."""
    text = "table={},priority={}".format(*PLACE.unpack_from(key))
    return "{},{}".format(text, show_match(key[3:])) if len(key) > 3 else text


class FlowSet:
    """Flows by key. ``add`` refuses a second flow with one key, and a jump that the pipeline does not declare."""

    def __init__(self) -> None:
        self.flows: Dict[Key, Flow] = {}

    def __iter__(self) -> Iterator[Flow]:
        return iter(self.flows.values())

    def __len__(self) -> int:
        return len(self.flows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlowSet) and self.flows == other.flows

    __hash__ = None  # type: ignore[assignment]

    def add(self, table: str, priority: int, match: Match, actions: Sequence[Action], mark: int = 0) -> None:
        key = _place(table, priority) + match
        flow = Flow(key, tuple(actions), mark or cookie(KIND_SHARED))
        _check_jumps(table, actions)
        known = self.flows.get(key)
        if known is not None and known != flow:
            raise ValueError("two flows with one match: {} and {}".format(known, flow))
        self._put(key, flow, known)

    def _put(self, key: Key, flow: Flow, known: Optional[Flow]) -> None:
        """``known`` does the same already."""
        if known is None:
            self.flows[key] = flow

    def drop(self, table: str, priority: int, match: Match, reason: str, number: int = 0, counted: bool = True) -> None:
        """``number``: the VIF that it is about; without one the switch counts for each VIF and reason (count.py) what is ``counted``."""
        known = bool(number) or table == "dispatch" or not counted
        actions = [] if known else [load(REASON, REASONS[reason]), resubmit("count")]
        self.add(table, priority, match, actions, drop_cookie(reason, number))

    def by_table(self) -> Dict[int, List[Flow]]:
        """Each table's flows, highest priority first."""
        tables: Dict[int, List[Flow]] = {}
        for flow in self:
            tables.setdefault(flow.table, []).append(flow)
        for flows in tables.values():
            flows.sort(key=lambda f: -f.priority)
        return tables


@lru_cache(maxsize=None)
def _place(table: str, priority: int) -> bytes:
    return PLACE.pack(TABLES[table], priority)


def _check_jumps(table: str, actions: Iterable[Action]) -> None:
    after = _AFTER[table]
    for action in actions:
        if action[0] == "resubmit":
            if action[1] not in after:
                raise ValueError("table {} may not lead to {}".format(table, NAMES[action[1]]))
        elif action[0] == "clone":
            _check_jumps(table, action[1])
