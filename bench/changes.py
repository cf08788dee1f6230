"""What a change costs, from the facts that bring it to the switch's answer, and how that grows with the group.

A switch with the dummy datapath: the real OpenFlow side, no frames. Timed are the next picture, its compilation, and the
commit over the native session, and the same from nothing; beside them the same flows committed by one ovs-ofctl process.
The two take turns, and the ratio is of each turn. Thirty members are on this host, the others elsewhere.
"""

import argparse
import gc
import ipaddress
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import can_be_kept, keep, ratio

from ringfence import paths
from ringfence.agent.daemon import GARBAGE
from ringfence.flows import BridgePlan, Compiler, Segment
from ringfence.flows.flow import Flow, show_key
from ringfence.picture import Facts, NetworkFacts, Picture, VifFacts
from ringfence.switch import ofctl
from ringfence.switch.openflow import Session
from ringfence.table import Table
from ringfence_lab.dummy import DummySwitch

HERE = 30
FILLS = 5
LINE = "default=isolated inside=10.0.0.0/8 gateways=10.255.255.1"
NEWCOMER = 1 << 20
LINES = "{:>8} {:>8}  {:>22}  {:>5}  {:>9} {:>9} {:>9}  {:>9}  {:>9}  {:>6}"


def vif(number: int, words: str, here: bool) -> VifFacts:
    mac = "00:16:3e:{:02x}:{:02x}:{:02x}".format(*number.to_bytes(3, "big"))
    line = f"{words} ipv4={ipaddress.IPv4Address('10.0.0.0') + number}".strip()
    return VifFacts(str(number), f"vm{number}", f"vm{number}", "0", mac, "net", line, host="here" if here else "there")


def group(members: int) -> Facts:
    """One group of so many, the last one elsewhere, and a VIF here (0) that is in none."""
    vifs = [vif(0, "", True)] + [vif(number, "groups=big", number <= HERE and number < members) for number in range(1, members + 1)]
    return Facts(
        Table((one.uuid, one) for one in vifs), {"net": NetworkFacts("net", "backend", "xapi1", LINE)}, {"here": "h1", "there": "h2"}
    )


def last(facts: Facts) -> VifFacts:
    return facts.vifs[str(len(facts.vifs) - 1)]


PORTS = {str(number): (100 + number,) for number in range(HERE + 1)}


CHANGES: dict[str, Callable[[Facts], VifFacts]] = {
    "a member joins": lambda _: vif(0, "groups=big", True),
    "an address more": lambda facts: facts.vifs["1"]._replace(line="ipv4=10.0.0.1,10.1.0.1 groups=big"),
    "an address elsewhere": lambda facts: last(facts)._replace(line=f"{last(facts).line},10.1.0.1"),
    "a peer": lambda facts: facts.vifs["1"]._replace(line=f"{facts.vifs['1'].line} peers=10.0.0.2"),
    "a VIF elsewhere": lambda _: vif(NEWCOMER, "groups=big", False),
}


class Site:
    """A bridge as an agent keeps it."""

    def __init__(self, members: int) -> None:
        self.facts = group(members)
        self.compiler = Compiler()
        self.session = Session("br0")
        began = time.perf_counter()
        self.picture = Picture(self.facts)
        self.compiler.compile(self._plan())
        self.compiled_s = time.perf_counter() - began

    def _plan(self) -> BridgePlan:
        return BridgePlan((Segment(self.picture.networks["net"], 120, PORTS, ()),), (1,))

    def change(self, uuid: str, vif: VifFacts | None) -> tuple[float, float, list[Any], list[Flow]]:
        """Seconds until it is compiled; until it is committed; what was removed and added."""
        began = time.perf_counter()
        vifs = self.facts.vifs.copy()
        assert isinstance(vifs, Table)
        if vif is None:
            vifs.drop(uuid)
        else:
            vifs.put(uuid, vif)
        self.facts = self.facts._replace(vifs=vifs)
        self.picture = Picture(self.facts, self.picture)
        remove, add = self.compiler.compile(self._plan())
        compiled = time.perf_counter()
        self.session.commit(remove, add)
        return compiled - began, time.perf_counter() - began, remove, add

    def fill(self) -> float:
        began = time.perf_counter()
        self.session.commit([], self.compiler.flows)
        return time.perf_counter() - began


def text(remove: list[Any], add: list[Flow]) -> tuple[list[str], list[str]]:
    return [show_key(key) for key in remove], [str(flow) for flow in add]


def measure(members: int, turns: int) -> dict[str, Any]:
    site = Site(members)
    found: dict[str, Any] = {"flows": len(site.compiler.flows), "changes": {}, "compiled_s": [site.compiled_s], "fill_s": [site.fill()]}
    for name, change in CHANGES.items():
        new = change(site.facts)
        before = site.facts.vifs.get(new.uuid)
        rows: dict[str, list[float]] = {"compiled_s": [], "committed_s": [], "process_s": []}
        for turn in range(turns + 1):
            old = dict(site.compiler.flows.flows) if not turn else {}
            compiled, committed, remove, add = site.change(new.uuid, new)
            back = [old[flow.key] for flow in add if flow.key in old] if not turn else []
            if not turn:
                found["changes"][name] = {"flows": len(remove) + len(add), **rows}
                undo = ([flow.key for flow in add if flow.key not in old], back + [old[key] for key in remove])
            site.session.commit(*undo)
            began = time.perf_counter()
            ofctl.commit("br0", *text(remove, add))
            took = time.perf_counter() - began
            site.change(new.uuid, before)
            if turn:
                for row, seconds in zip(rows.values(), (compiled, committed, took), strict=True):
                    row.append(seconds)
    for _ in range(FILLS - 1):
        site.session.commit([flow.key for flow in site.compiler.flows], [])
        site.session.close()
        site = Site(members)
        found["compiled_s"].append(site.compiled_s)
        found["fill_s"].append(site.fill())
    site.session.commit([flow.key for flow in site.compiler.flows], [])
    site.session.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, nargs="*", default=[10, 100, 1000, 7150, 10000], help="of the group (7150: 100,000 flows)")
    parser.add_argument("--turns", type=int, default=21, help="turns of each way (default: 21)")
    can_be_kept(parser)
    asked = parser.parse_args()
    raw: dict[int, Any] = {}
    gc.set_threshold(*GARBAGE)  # as the agent does
    with tempfile.TemporaryDirectory() as folder:
        switch = DummySwitch(Path(folder))
        try:
            switch.start()
            os.environ.update(switch.env)
            paths.OVS_RUN = folder
            switch.bridge([("eth0", 1, 0)], [])
            print(f"medians of {asked.turns} turns; ratio: committed, as a part of what one ovs-ofctl process takes for the same flows")
            print(LINES.format("members", "flows", "change", "flows", "compiled", "committed", "p90", "nothing", "ovs-ofctl", "ratio"))
            for members in asked.members:
                raw[members] = one = measure(members, asked.turns)
                nothing = [a + b for a, b in zip(one["compiled_s"], one["fill_s"], strict=True)]
                fill = f"{statistics.median(nothing):.2f} s"
                for name, row in one["changes"].items():
                    part = ratio(row["committed_s"], row["process_s"])
                    mine = [f"{statistics.median(row[what]) * 1000:.2f} ms" for what in ("compiled_s", "committed_s")]
                    mine.append(f"{statistics.quantiles(row['committed_s'], n=10)[-1] * 1000:.2f} ms")
                    process = f"{statistics.median(row['process_s']) * 1000:.1f} ms"
                    print(LINES.format(members, one["flows"], name, row["flows"], *mine, fill, process, f"{part:.3f}"), flush=True)
        finally:
            switch.stop()
    keep(raw, asked.json)


if __name__ == "__main__":
    main()
