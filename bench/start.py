"""How long an agent takes until it is in sync, and what memory it needs, on a host with 1,000 VIFs in a pool of 20,000.

The pool has networks of a hundred VIFs, each on eight hosts; then one network for all, which is the worst that can be: the host
has flows for every VIF of the pool. The switch has the dummy datapath, XAPI is simulated, and both share the machine's cores
with the agent. First the switch is empty; then the agent is killed and started again, and finds its flows.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from enforce import Ringfence, until
from figures import can_be_kept, keep

from ringfence.agent.client import ask
from ringfence.errors import Unreachable

LINE = "{:>9} {:>8} {:>13} {:>8} {:>10} {:>8} {:>8}"


class Start(Ringfence):
    def status(self) -> dict[str, Any]:
        try:
            return ask({"op": "status"}, 60.0, f"{self.folder}/run/ringfence/agent.sock")
        except Unreachable:
            return {"in_sync": False}

    def until_sync(self) -> float:
        began = time.perf_counter()
        self.start()
        until(lambda: bool(self.status()["in_sync"]), "the agent's sync", 0.01)
        return time.perf_counter() - began

    def memory(self) -> dict[str, int]:
        """MiB now, and the most that it was."""
        text = Path(f"/proc/{self.processes[-1].pid}/status").read_text()
        return {name: int(text.split(f"{name}:")[1].split()[0]) // 1024 for name in ("VmRSS", "VmHWM")}

    def committed(self) -> int:
        """Changes to the switch since it was last started."""
        log = (self.folder / f"{Path(sys.executable).name}.log").read_text().rpartition("event=xapi-in-sync")[2]
        return sum(int(line.rpartition("changes=")[2]) for line in log.splitlines() if "event=committed" in line)


def measure(size: int, asked: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="rf-") as root:
        side = Start(Path(root), asked.vifs, asked.here, size)
        try:
            raw: dict[str, Any] = {"empty_s": [side.until_sync()], "again_s": [], "memory": [side.memory()], "rewritten": []}
            raw["flows"] = side.flows()
            for _ in range(asked.turns):
                time.sleep(3.0)  # the state is on the disk
                side.processes[-1].kill()
                side.processes.pop().wait()
                raw["again_s"].append(side.until_sync())
                raw["memory"].append(side.memory())
                raw["rewritten"].append(side.committed())
        finally:
            side.close()
    return raw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vifs", type=int, default=20000, help="of the pool (default: 20000)")
    parser.add_argument("--here", type=int, default=1000, help="of them on this host (default: 1000)")
    parser.add_argument("--size", type=int, nargs="*", default=[100, 0], help="VIFs of a network; 0 is one for all (default: 100 0)")
    parser.add_argument("--turns", type=int, default=5, help="restarts (default: 5)")
    can_be_kept(parser)
    asked = parser.parse_args()
    print(f"{asked.here} VIFs here, {asked.vifs} in the pool; medians of {asked.turns} restarts")
    print(LINE.format("a network", "flows", "empty switch", "restart", "rewritten", "memory", "at most"))
    found = {}
    for size in asked.size:
        raw = found[size] = measure(size, asked)
        now, most = statistics.median(m["VmRSS"] for m in raw["memory"]), max(m["VmHWM"] for m in raw["memory"])
        empty, again = f"{raw['empty_s'][0]:.1f} s", f"{statistics.median(raw['again_s']):.1f} s"
        cells = [size or asked.vifs, raw["flows"], empty, again, max(raw["rewritten"]), f"{now:.0f} MiB", f"{most} MiB"]
        print(LINE.format(*cells), flush=True)
    keep(found, asked.json)


if __name__ == "__main__":
    main()
