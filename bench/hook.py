"""How long a VIF takes to be plugged: the hook, through the agent and alone, beside one ovs-ofctl process a flow.

The hook runs as the package installs it, with its bytecode beside it. The three take turns on one lab host, so that what else
the machine does falls on all alike; the ratios of each turn are taken first, and their medians are what is printed.
"""

import argparse
import compileall
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import can_be_kept, keep, ratio

from ringfence_lab import netns
from ringfence_lab.folder import LabFolder
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool
from ringfence_lab.scenario import read

LAYOUT = Path(__file__).parent.parent / "packaging/layout"
BASELINE = Path(__file__).with_name("one_process_a_flow.py")
WAYS = ("baseline", "agent", "alone")
MOST_OF_BASELINE = 100
"""Addresses: with more, a process a flow takes twenty seconds a plug, and says nothing new."""


def scenario(addresses: list[str]) -> dict:
    """The own addresses are XAPI's own list: a record holds 64 at most."""
    web = {"network": "backend", "addresses": [], "locking_mode": "locked", "ipv4_allowed": addresses, "ringfence": "groups=web"}
    other = {"network": "backend", "addresses": ["10.0.9.1"], "ringfence": "ipv4=10.0.9.1 groups=web"}
    return {
        "hosts": ["h1"],
        "pool": "no-agent=stock",  # else the baseline finds XAPI's locking mode at "disabled"
        "networks": {"backend": {"vlan": 120, "ringfence": "default=isolated inside=10.0.0.0/16 gateways=10.0.0.1"}},
        "guests": {"web": {"vifs": [web]}, "other": {"vifs": [other]}},
    }


class Bench:
    def __init__(self, pool: Pool, program: Path) -> None:
        """``program``: the hook."""
        self.pool = pool
        self.program = program
        self.host: Host = pool.hosts["h1"]
        row = pool.db.get("VM", pool.vms["web"])
        self.vm = row["uuid"]
        self.interface = f"vif{row['domid']}.0"

    def turn(self, way: str) -> float:
        """Seconds that one plug takes, from a VIF that is on no bridge."""
        if way == "agent":
            self.host.start_agent()
            self.host.wait_ready()
        else:
            self.host.stop_agent()
        path = str(self.host.json_path(self.vm, "0"))
        self._must(self.host.hook(self.interface, self.vm, "0", "clear"))
        words = [sys.executable, "-IS", str(self.program), "classic", self.interface, self.vm, "0", "filter"]
        if way == "baseline":
            words = [sys.executable, str(BASELINE), path, self.interface, self.vm, "0"]
        took, status = netns.inside(self.host.name, lambda: _timed(words, {**os.environ, **self.host.env}))
        self._must(status)
        self._must_stand(way)
        if way == "baseline":
            self.host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "del-flows", "xenbr0", "cookie=1/-1")
        return took

    def _must_stand(self, way: str) -> None:
        """What was timed has happened: the flows are there."""
        text = self.host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "xenbr0")
        port = self.host.switch.vsctl("get", "Interface", self.interface, "ofport").strip()
        mark = "cookie=0x1," if way == "baseline" else "cookie=0x5246"
        if not any(mark in line and f"in_port={port}" in line.replace(f'"{self.interface}"', port) for line in text.splitlines()):
            raise SystemExit(f"bench: {way} left no flow for {self.interface}")

    def _must(self, status: int) -> None:
        if status:
            raise SystemExit(f"bench: a run ended with status {status}: see {self.host.root}")


def _timed(words: list[str], env: dict[str, str]) -> tuple[float, int]:
    """Seconds, and how it ended."""
    before = time.perf_counter()
    status = subprocess.run(words, env=env, capture_output=True).returncode
    return time.perf_counter() - before, status


def installed(tree: str) -> Path:
    """The hook in a tree that is laid out as the package is, and compiled as its installation compiles it."""
    subprocess.run([sys.executable, str(LAYOUT), tree], check=True)
    compileall.compile_dir(tree, quiet=2)
    (program,) = Path(tree).glob("opt/ringfence/*/bin/setup-vif-rules")
    return program


def measure(count: int, turns: int, program: Path) -> dict[str, list[float]]:
    folder = LabFolder()
    folder.take()
    pool = Pool(folder, read(scenario([f"10.0.{1 + n // 250}.{1 + n % 250}" for n in range(count)])))
    ways = WAYS if count <= MOST_OF_BASELINE else WAYS[1:]
    times: dict[str, list[float]] = {way: [] for way in ways}
    try:
        pool.build()
        bench = Bench(pool, program)
        for number in range(turns + 1):
            for way in ways:
                took = bench.turn(way)
                if number:  # the first turn warms the caches
                    times[way].append(took)
    finally:
        if pool.xapi_up:
            pool.stop_xapi()
        folder.leave()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    addresses = [1, 10, 100, 1000]
    parser.add_argument("--addresses", type=int, nargs="*", default=addresses, help="own addresses of the VIF (default: 1 10 100 1000)")
    parser.add_argument("--turns", type=int, default=9, help="turns of each way (default: 9)")
    can_be_kept(parser)
    asked = parser.parse_args()
    raw: dict[int, dict[str, list[float]]] = {}
    print(f"plug of one VIF, median of {asked.turns} turns; ratio: its time as a part of the baseline's in the same turn")
    print(f"{'addresses':>9}  {'baseline':>9}  {'agent':>9} {'ratio':>6}  {'alone':>9} {'ratio':>6}")
    with tempfile.TemporaryDirectory(prefix="rf-") as tree:
        program = installed(tree)
        for count in asked.addresses:
            times = raw[count] = measure(count, asked.turns, program)
            base = times.get("baseline", [])
            cells = [f"{count:>9}", f"{statistics.median(base) * 1000:>6.0f} ms" if base else f"{'-':>9}"]
            for way in WAYS[1:]:
                part = f"{ratio(times[way], base):.2f}" if base else "-"
                cells.append(f"{statistics.median(times[way]) * 1000:>6.0f} ms {part:>6}")
            print("  ".join(cells), flush=True)
    keep(raw, asked.json)


if __name__ == "__main__":
    main()
