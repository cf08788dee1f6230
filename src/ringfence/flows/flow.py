"""A flow, a set of flows, and the text that ovs-ofctl reads."""

from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from .fields import Match, show_match
from .pipeline import NAMES, NEXT, TABLES, cookie, drop_cookie

Action = Tuple[Any, ...]
Key = Tuple[int, int, Match]
"""Table, priority, match: two flows with one key are one flow to the switch."""


def load(register: str, value: int) -> Action:
    return ("load", register, value)


def resubmit(table: str) -> Action:
    return ("resubmit", TABLES[table])


def become(register: str, number: int, default: int, table: str) -> List[Action]:
    """Go on in ``table``, with ``number`` in the register where it holds another one (``default``) so far."""
    return ([] if number == default else [load(register, number)]) + [resubmit(table)]


def output(port: int) -> Action:
    return ("output", port)


def clone(*actions: Action) -> Action:
    """Run ``actions`` on a copy: frame and registers are as before afterwards."""
    return ("clone", actions)


def set_receiver(mac: str) -> Action:
    return ("set-dl_dst", mac)


def conjunction(number: int, clause: int) -> Action:
    return ("conjunction", number, clause)


NORMAL: Action = ("normal",)
SOURCE_TO_DESTINATION: Action = ("move-src-dst",)
FORGET_PORT: Action = ("forget-port",)
"""A protected port refuses frames from another; one with no ingress port it takes."""
STRIP_TAG: Action = ("strip-tag",)


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
    if kind == "conjunction":
        return "conjunction({},{}/2)".format(action[1], action[2])
    if kind == "move-src-dst":
        return "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]"
    if kind == "forget-port":
        return "load:0->NXM_OF_IN_PORT[]"
    if kind == "strip-tag":
        return "load:0->NXM_OF_VLAN_TCI[]"
    raise ValueError("no such action: {!r}".format(action))


class Flow(NamedTuple):
    table: int
    priority: int
    match: Match
    actions: Tuple[Action, ...]
    cookie: int

    @property
    def key(self) -> Key:
        return (self.table, self.priority, self.match)

    def show_key(self) -> str:
        text = "table={},priority={}".format(self.table, self.priority)
        return "{},{}".format(text, show_match(self.match)) if self.match else text

    def __str__(self) -> str:
        """One line, as ``ovs-ofctl add-flows`` reads it."""
        actions = ",".join(show_action(a) for a in self.actions) or "drop"
        return "cookie={:#x},{},actions={}".format(self.cookie, self.show_key(), actions)


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

    def add(self, table: str, priority: int, rows: Match, actions: List[Action], mark: int = 0) -> None:
        flow = Flow(TABLES[table], priority, rows, tuple(actions), mark or cookie(1))
        for target in _jumps(actions):
            if NAMES[target] not in NEXT[table]:
                raise ValueError("table {} may not lead to {}".format(table, NAMES[target]))
        if flow.key in self.flows:
            known = self.flows[flow.key]
            if known.actions == flow.actions:
                return
            raise ValueError("two flows with one match: {} and {}".format(known, flow))
        self.flows[flow.key] = flow

    def drop(self, table: str, priority: int, rows: Match, reason: str, number: int = 0) -> None:
        self.add(table, priority, rows, [], drop_cookie(reason, number))

    def by_table(self) -> Dict[int, List[Flow]]:
        """Each table's flows, highest priority first."""
        tables: Dict[int, List[Flow]] = {}
        for flow in self:
            tables.setdefault(flow.table, []).append(flow)
        for flows in tables.values():
            flows.sort(key=lambda f: -f.priority)
        return tables


def _jumps(actions: Any) -> Iterator[int]:
    for action in actions:
        if action[0] == "resubmit":
            yield action[1]
        elif action[0] == "clone":
            for table in _jumps(action[1]):
                yield table
