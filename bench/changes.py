"""What a change costs among many flows: over the native session, beside one ovs-ofctl process.

A switch with the dummy datapath: the real OpenFlow side, no frames. The two ways take turns, and the ratio is of each turn.
"""

import argparse
import ipaddress
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ringfence import paths
from ringfence.flows import BridgePlan, FlowSet, Segment, compile_bridge
from ringfence.flows.flow import Flow
from ringfence.picture import Facts, NetworkFacts, Picture, VifFacts
from ringfence.switch import ofctl
from ringfence.switch.openflow import Session
from ringfence_lab.dummy import DummySwitch

HERE = 30
"""VIFs on this host; the others are members elsewhere."""
FLOWS_A_VIF = 15
Work = Callable[[], object]


def facts(vifs: int) -> Facts:
    """Members of seven groups on one network, one address each."""
    made = {}
    for number in range(1, vifs + 1):
        mac = "00:16:3e:{:02x}:{:02x}:{:02x}".format(*number.to_bytes(3, "big"))
        address = ipaddress.IPv4Address("10.0.0.0") + number
        line = f"mode=isolated ipv4={address} groups=g{number % 7}"
        host = "here" if number <= HERE else "there"
        made[str(number)] = VifFacts(str(number), f"vm{number}", f"vm{number}", "0", mac, "net", line, host=host)
    network = NetworkFacts("net", "backend", "xapi1", "default=isolated inside=10.0.0.0/8")
    return Facts(made, {"net": network}, {"here": "h1", "there": "h2"})


def compiled(vifs: int) -> FlowSet:
    view = Picture(facts(vifs)).networks["net"]
    ports = {str(n): (100 + n,) for n in range(1, min(vifs, HERE) + 1)}
    return compile_bridge(BridgePlan((Segment(view, 120, ports, ()),), (1,)))


def timed(work: Work) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def turns(
    native: Callable[[], object], process: Callable[[], object], undo: Callable[[], object], count: int
) -> tuple[float, float, float]:
    """Medians in seconds of the two ways, and of their ratio."""
    ones, others = [], []
    for _ in range(count):
        ones.append(timed(native))
        undo()
        others.append(timed(process))
        undo()
    return statistics.median(ones), statistics.median(others), statistics.median(a / b for a, b in zip(ones, others, strict=True))


def row(what: str, figures: tuple[float, float, float]) -> None:
    native, process, ratio = figures
    print(f"{what:>34}  {native * 1000:>9.2f} ms  {process * 1000:>9.2f} ms  {ratio:>7.4f}", flush=True)


def measure(session: Session, vifs: int, count: int) -> None:
    flows = compiled(vifs)
    every: list[Flow] = list(flows)
    text = [str(flow) for flow in every]
    keys = [flow.key for flow in every]
    number = f"{len(every):,} flows"
    fill = turns(lambda: session.commit([], every), lambda: ofctl.commit("br0", [], text), lambda: session.commit(keys, []), count)
    row(f"{number} from nothing", fill)
    session.commit([], every)
    one = every[len(every) // 2]
    other = one._replace(cookie=one.cookie + 1)
    change = turns(
        lambda: session.commit([], [other]), lambda: ofctl.commit("br0", [], [str(other)]), lambda: session.commit([], [one]), 5 * count
    )
    row(f"one change among {number}", change)
    session.commit(keys, [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flows", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="about how many (1000 10000 100000)")
    parser.add_argument("--turns", type=int, default=5, help="turns of each way (default: 5)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        switch = DummySwitch(Path(folder))
        try:
            switch.start()
            os.environ.update(switch.env)
            paths.OVS_RUN = folder
            switch.bridge([("eth0", 1, 0)], [])
            print(f"medians of {asked.turns} turns; ratio: the session's time as a part of the process's in the same turn")
            print(f"{'':>34}  {'session':>12}  {'ovs-ofctl':>12}  {'ratio':>7}")
            for flows in asked.flows:
                measure(Session("br0"), flows // FLOWS_A_VIF, asked.turns)
        finally:
            switch.stop()


main()
