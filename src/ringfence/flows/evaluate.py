"""Run a frame through a FlowSet, as the switch would."""

import struct
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from .fields import mac_number
from .flow import Flow, FlowSet
from .frame import read_frame
from .match import Row, rows
from .pipeline import ALL_CLAIMED, CLAIMED

MAX_DEPTH = 64
"""The switch's own limit of resubmits that follow one another."""


class Output(NamedTuple):
    """A frame that left the pipeline: by a port, or (``NORMAL``) as the switch's own learning decides."""

    port: Union[int, str]
    frame: bytes


class Verdict(NamedTuple):
    outputs: Tuple[Output, ...]
    drops: Tuple[str, ...]
    """Reasons of the drops on the way; a flooded frame can have many."""
    trail: Tuple[Flow, ...]


class _State:
    def __init__(self, frame: bytes, fields: Dict[str, int]) -> None:
        self.frame = frame
        self.fields = fields

    def copy(self) -> "_State":
        return _State(self.frame, dict(self.fields))


def evaluate(flows: FlowSet, frame: bytes, in_port: int) -> Verdict:
    """What the flows do with a frame (bytes on the wire, without checksum) that comes in by ``in_port``."""
    run = _Run(flows)
    fields = read_frame(frame)
    fields["in_port"] = in_port
    run.lookup(0, _State(frame, fields), 0)
    return Verdict(tuple(run.outputs), tuple(run.drops), tuple(run.trail))


class _Run:
    def __init__(self, flows: FlowSet) -> None:
        self.tables = flows.by_table()
        self.outputs: List[Output] = []
        self.drops: List[str] = []
        self.trail: List[Flow] = []

    def lookup(self, table: int, state: _State, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.drops.append("unmatched")
            return
        flow = _best(self.tables.get(table, []), state.fields)
        if flow is None:
            if table == 0:  # not ours: the base flow of every bridge
                self.outputs.append(Output("NORMAL", state.frame))
            return
        self.trail.append(flow)
        if flow.drops or not flow.actions:
            self.drops.append(flow.drops or "unmatched")
        self.act(flow.actions, state, depth)

    def act(self, actions: Any, state: _State, depth: int) -> None:
        for action in actions:
            kind = action[0]
            if kind == "load":
                state.fields[action[1]] = action[2]
            elif kind == "resubmit":
                self.lookup(action[1], state, depth + 1)
            elif kind == "clone":
                self.act(action[1], state.copy(), depth + 1)
            elif kind == "output":
                # The switch never sends a frame back to the port that it came in by.
                if action[1] != state.fields["in_port"]:
                    self.outputs.append(Output(action[1], state.frame))
            elif kind == "normal":
                self.outputs.append(Output("NORMAL", state.frame))
            elif kind == "forget-port":
                state.fields["in_port"] = 0
            elif kind == "set-dl_dst":
                _set_destination(state, mac_number(action[1]))
            elif kind == "move":
                _move(state, action[1], action[2])
            elif kind == "learn":
                pass  # a counter of the switch's own
            elif kind == "strip-tag":
                if state.fields["vlan_tci"]:
                    state.frame = state.frame[:12] + state.frame[16:]
                    state.fields["vlan_tci"] = 0
            else:
                raise ValueError("no such action: {!r}".format(action))


def _set_destination(state: _State, mac: int) -> None:
    state.fields["dl_dst"] = mac
    state.frame = mac.to_bytes(6, "big") + state.frame[6:]


def _move(state: _State, source: str, target: str) -> None:
    value = state.fields.get(source, 0)
    if target == "dl_dst":
        _set_destination(state, value)
    elif target == ALL_CLAIMED:
        for register, word in zip(CLAIMED, struct.unpack("!4I", value.to_bytes(16, "big"))):
            state.fields[register] = word
    else:
        state.fields[target] = value


def _matches(row: Row, fields: Dict[str, int]) -> bool:
    name, value, mask = row
    have = fields.get(name, 0)
    return have == value if mask is None else have & mask == value


def _best(flows: List[Flow], fields: Dict[str, int]) -> Optional[Flow]:
    """The flow with the highest priority that matches; a conjunction counts once all its clauses are met."""
    clauses: Dict[Tuple[int, int], set] = {}
    for flow in flows:  # highest priority first
        if not all(_matches(row, fields) for row in rows(flow.match)):
            continue
        if not flow.actions or flow.actions[0][0] != "conjunction":
            return flow
        for _, number, clause in flow.actions:
            met = clauses.setdefault((flow.priority, number), set())
            met.add(clause)
            if len(met) == 2:
                found = _best(flows, dict(fields, conj_id=number))
                if found is not None:
                    return found
    return None
