"""A pool of 64 hosts and 20,000 VIFs in one process: what each agent reads, computes and keeps. Pictures and events, no switch.

The database is the lab's simulated one, and what an agent gets from it is the text that XAPI would send. Each host has an
agent's own rows and picture; some of them compile the flows of their bridge, too. CPU is this process's. Hosts are many,
and the machine's cores few, so that time to converge is the CPU that the slowest agent needs, as it would on its own host.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from figures import can_be_kept, keep

from ringfence.agent.compose import Settling, compose
from ringfence.agent.daemon import GARBAGE
from ringfence.agent.state import State
from ringfence.flows import BridgePlan, Compiler, Segment
from ringfence.picture import Picture
from ringfence.xapi.rows import CLASSES, Rows, trimmed
from ringfence_lab.database import NULL, Database

FEW = 6
GROUP = 20
NETWORK = 100
"""VIFs of one network."""
LINES = "{:<44} {:>10} {:>12} {:>12} {:>12}"


class Cost(NamedTuple):
    """Of one agent."""

    cpu_s: float
    octets: int
    changes: int
    """Flows written, where it compiles."""


class Agent:
    """What ringfenced does with events, without its threads and its switch."""

    def __init__(self, compiles: bool) -> None:
        self.rows = Rows(places=False)
        self.state = State()
        self.settling = Settling()
        self.picture: Picture | None = None
        self.compiler = Compiler() if compiles else None
        self.token = ""
        self.ports: dict[str, tuple[int, ...]] = {}
        """By VIF uuid: those that are here."""

    def take(self, text: bytes) -> Cost:
        began = time.process_time()
        answer = json.loads(text, object_hook=trimmed)
        self.rows.take(answer["events"])
        self.token = answer["token"]
        changes = 0
        facts = compose(self.settling.apply(self.rows.facts), True, self.state)
        if self.picture is None or facts is not self.picture.facts:
            self.picture = Picture(facts, self.picture)
            if self.compiler is not None:
                changes = self._compile(self.picture)
        return Cost(time.process_time() - began, len(text), changes)

    def _compile(self, picture: Picture) -> int:
        assert self.compiler is not None
        there: dict[str, dict[str, tuple[int, ...]]] = {}
        for uuid, port in self.ports.items():
            there.setdefault(picture.facts.vifs[uuid].network, {})[uuid] = port
        segments = [
            Segment(picture.networks[network], 1 + number, ports, ()) for number, (network, ports) in enumerate(sorted(there.items()))
        ]
        remove, add = self.compiler.compile(BridgePlan(tuple(segments), (1,)))
        return len(remove) + len(add)


class PoolOfHosts:
    def __init__(self, hosts: int, vifs: int, spread: int, compiling: int) -> None:
        """``spread``: on how many hosts the VIFs of a network are."""
        self.db = Database()
        self.hosts = [self.db.create("host", name_label=f"h{n}", enabled=True) for n in range(hosts)]
        self.db.create("pool", name_label="pool", master=self.hosts[0])
        line = "default=isolated inside=10.0.0.0/8"
        networks = [
            self.db.create("network", name_label=f"n{n}", bridge=f"xapi{n}", other_config={"ringfence": line})
            for n in range(vifs // NETWORK)
        ]
        self.agents = [Agent(number < compiling) for number in range(hosts)]
        self.listening = hosts
        """How many agents are told."""
        self.vms: list[str] = []
        self.vifs: list[str] = []
        for n in range(vifs):
            network, at = divmod(n, NETWORK)
            place = (network * spread + at % spread) % hosts
            vm = self.db.create("VM", name_label=f"vm{n}", power_state="Running", resident_on=self.hosts[place], domid=n + 1)
            mac = f"00:16:3e:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"
            vif = self.db.create(
                "VIF",
                VM=vm,
                network=networks[network],
                device="0",
                MAC=mac,
                locking_mode="network_default",
                other_config={"ringfence": f"ipv4=10.{n >> 16}.{n >> 8 & 255}.{n & 255} groups=g{at // GROUP}"},
            )
            self.vms.append(vm)
            self.vifs.append(vif)
            self.agents[place].ports[self.db.get("VIF", vif)["uuid"]] = (n + 1,)

    def told(self) -> list[Cost]:
        """Every agent takes in what there is since it last did."""
        costs = []
        texts: dict[str, bytes] = {}
        for agent in self.agents[: self.listening]:
            if agent.token not in texts:
                answer = self.db.events(list(CLASSES), agent.token, 0.0)
                texts[agent.token] = json.dumps(answer).encode()
            costs.append(agent.take(texts[agent.token]))
        return costs

    def rounds(self, steps: Iterator[Callable[[], None]]) -> list[Cost]:
        """The sum for each agent, where they are told after each step."""
        total = [Cost(0.0, 0, 0)] * len(self.agents[: self.listening])
        for step in steps:
            step()
            total = [Cost(*(a + b for a, b in zip(one, other, strict=True))) for one, other in zip(total, self.told(), strict=True)]
        return total

    def signs(self) -> Iterator[Callable[[], None]]:
        """A minute in which nothing happens: each host says that it is there."""
        for number, ref in enumerate(self.hosts):
            yield partial(self.db.update, "host", ref, other_config={"ringfence": f"sign={time.time()}.{number}"})

    def policies(self, count: int) -> Iterator[Callable[[], None]]:
        """VIFs that join another group, one after another."""
        for number, ref in enumerate(self.vifs[:: len(self.vifs) // count][:count]):
            line = self.db.get("VIF", ref)["other_config"]["ringfence"].rpartition(" ")[0]
            yield partial(self.db.update, "VIF", ref, other_config={"ringfence": f"{line} groups=h{number % 7}"})

    def restarts(self, vms: list[str], at_once: int) -> Iterator[Callable[[], None]]:
        """VMs end, and start again on other hosts; so many go through a step before agents hear of it."""
        for first in range(0, len(vms), at_once):
            some = vms[first : first + at_once]
            steps: list[dict[str, Any]] = [
                {"current_operations": {"task": "clean_reboot"}},
                {"power_state": "Halted", "resident_on": NULL, "domid": -1},
                {"power_state": "Running", "resident_on": self.hosts[first // at_once % len(self.hosts)], "domid": 7},
                {"current_operations": {}},
            ]
            for fields in steps:
                yield partial(self._update, some, fields)

    def _update(self, vms: list[str], fields: dict[str, Any]) -> None:
        for vm in vms:
            self.db.update("VM", vm, **fields)


def resident() -> int:
    """MiB."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) // 1024


def row(what: str, costs: list[Cost], compiling: int) -> dict[str, Any]:
    cpu = [one.cpu_s for one in costs]
    found = {
        "what": what,
        "cpu_s": statistics.median(cpu[compiling:] or cpu),
        "cpu_with_flows_s": statistics.median(cpu[:compiling]),
        "octets": statistics.median(one.octets for one in costs),
        "flows": statistics.median(one.changes for one in costs[:compiling]),
    }
    figures = [f"{found['octets'] / 1e6:.2f} MB", f"{found['cpu_s'] * 1000:.0f} ms", f"{found['cpu_with_flows_s'] * 1000:.0f} ms"]
    print(LINES.format(what, *figures, f"{found['flows']:.0f}"), flush=True)
    return found


def measure(hosts: int, vifs: int, spread: int, compiling: int) -> dict[str, Any]:
    gc.set_threshold(*GARBAGE)  # as agents do
    pool = PoolOfHosts(hosts, vifs, spread, compiling)
    gc.collect()
    gc.freeze()
    before = resident()
    print(f"\n{hosts} hosts, {vifs} VIFs, networks of {NETWORK}, each on {spread} hosts; an agent, median of all")
    print(LINES.format("", "from XAPI", "CPU", "with flows", "flows"))
    rows = [row("start: everything", pool.told(), compiling)]
    memory = (resident() - before) / hosts
    rows.append(row("a quiet minute: 64 signs", pool.rounds(pool.signs()), compiling))
    rows.append(row("100 VIFs join another group, one by one", pool.rounds(pool.policies(100)), compiling))
    dead = [vm for vm in pool.vms if pool.db.get("VM", vm)["resident_on"] == pool.hosts[-1]]
    rows.append(row(f"a host ends: {len(dead)} VMs start elsewhere", pool.rounds(pool.restarts(dead, 10)), compiling))
    pool.listening = min(hosts, FEW)  # each hears the same: the others would only take their time
    rows.append(row("all VMs restart, 200 at a time", pool.rounds(pool.restarts(pool.vms, 200)), compiling))
    flows = [len(agent.compiler.flows) for agent in pool.agents if agent.compiler is not None]
    print(f"memory: {memory:.0f} MiB an agent on average, {compiling} of {hosts} with {statistics.median(flows):.0f} flows")
    return {"hosts": hosts, "vifs": vifs, "spread": spread, "rows": rows, "memory_MiB": memory, "flows": flows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=64)
    parser.add_argument("--vifs", type=int, default=20000)
    parser.add_argument("--compiling", type=int, default=3, help="hosts that compile flows, too (default: 3)")
    can_be_kept(parser)
    asked = parser.parse_args()
    found = []
    for spread in (8, asked.hosts):  # each in a process of its own: what one leaves behind is no other's memory
        with ProcessPoolExecutor(1) as alone:
            found.append(alone.submit(measure, asked.hosts, asked.vifs, spread, asked.compiling).result())
    keep(found, asked.json)


if __name__ == "__main__":
    main()
