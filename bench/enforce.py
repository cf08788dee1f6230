"""How long a change takes until frames obey it: ringfence beside OVN, which holds tenants apart by port groups and ACLs.

Both have a switch of their own with the dummy datapath, the same N ports in groups of twenty, thirty of them on this host,
and take turns. Timed is from the change in the northern database (a record in XAPI, a port in a Port_Group) until a frame
between the two passes: when one port joins a group, and when all do at once; and from the start of what runs on a host
(ringfenced; ovn-northd and ovn-controller) with all N written, until members reach each other and strangers do not. Needs
Debian's ovn-central and ovn-host.
"""

import argparse
import contextlib
import ipaddress
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import can_be_kept, keep, ratio

from ringfence.agent.client import ask
from ringfence.agent.trace import probe
from ringfence.picture.kind import Kind
from ringfence_lab.database import Database
from ringfence_lab.dummy import DummySwitch
from ringfence_lab.xapi import Xapi, serve

HERE = 30
"""Ports on this host, the first of all: groups 0 and 1, but for the last ten, which are in none at first."""
BARE = 10
GROUP = 20
JOINER = HERE
PATIENCE_S = 300.0
SCHEMAS = "/usr/share/ovn"
HOSTS_OF_A_NETWORK = 8
ALL_TURNS = 5
"""Of what takes seconds with many ports: starts, and joins of all at once."""
LINE = "{:>7}  {:>9} {:>7} {:>6}  {:>9} {:>7} {:>6}  {:>9} {:>7} {:>6}  {:>9} {:>6}  {:>9} {:>4}"


def mac(number: int) -> str:
    return f"00:16:3e:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def group_of(number: int) -> int | None:
    return None if HERE - BARE < number <= HERE else (number - 1) // GROUP


def record(number: int, group: int | None) -> str:
    return f"ipv4={address(number)}" + ("" if group is None else f" groups=g{group}")


def frame(one: int, other: int) -> bytes:
    return probe(Kind("udp", 9), mac(one), mac(other), ipaddress.ip_address(address(one)), ipaddress.ip_address(address(other)))


def until(condition: Callable[[], bool], what: str, pause_s: float = 0.001) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: {what} did not come about within {PATIENCE_S:g} s")
        time.sleep(pause_s)


class Side(ABC):
    """A switch, and what holds the ports of this host apart. Port N has OpenFlow number N."""

    name = ""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        self.switch = DummySwitch(folder / "switch")
        self.switch.folder.mkdir(parents=True)
        self.processes: list[subprocess.Popen] = []

    def passes(self, one: int, other: int) -> bool:
        return any(left.port == other for left in self.switch.emit(one, frame(one, other)))

    def holds(self) -> bool:
        """Members reach each other, strangers do not."""
        return self.passes(1, 2) and not self.passes(1, JOINER)

    def cold(self) -> float:
        began = time.perf_counter()
        self.start()
        until(self.holds, f"{self.name}: enforcement")
        return time.perf_counter() - began

    def start_over(self) -> float:
        """What runs on a host, and the switch's flows, are gone; what is written stays."""
        self.end()
        self.switch.run("ovs-ofctl", "-O", "OpenFlow14", "del-flows", "br0")
        return self.cold()

    def all_joined(self) -> float:
        """All ports leave their groups, and join them again at once."""
        self.join_all(False)
        self.settle()
        until(lambda: not self.passes(1, 2), f"{self.name}: the leave of all")
        began = time.perf_counter()
        self.join_all(True)
        until(lambda: self.passes(1, 2), f"{self.name}: all members")
        return time.perf_counter() - began

    def joined(self) -> float:
        """One port joins a group of twenty; it leaves again."""
        began = time.perf_counter()
        self.join(True)
        until(lambda: self.passes(JOINER, 1), f"{self.name}: the member")
        took = time.perf_counter() - began
        self.join(False)
        until(lambda: not self.passes(JOINER, 1), f"{self.name}: the member's leave")
        return took

    def flows(self) -> int:
        return self.switch.run("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "br0").count("table=")

    def megaflows(self) -> int:
        """That all pairs of ports on this host make."""
        self.switch.forget()
        for one in range(1, HERE + 1):
            for other in range(1, HERE + 1):
                if one != other:
                    self.switch.emit(one, frame(one, other))
        return self.switch.appctl("dpctl/dump-flows").count("recirc_id")

    def spawn(self, words: list[str], env: dict[str, str]) -> None:
        with (self.folder / f"{Path(words[0]).name}.log").open("a") as log:
            self.processes.append(subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def end(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        self.processes.clear()

    def close(self) -> None:
        self.end()
        self.switch.stop()

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def join(self, member: bool) -> None: ...

    @abstractmethod
    def settle(self) -> None:
        """Until all that is written is in force."""

    @abstractmethod
    def join_all(self, member: bool) -> None: ...


class Ringfence(Side):
    name = "ringfence"

    def __init__(self, folder: Path, count: int, here: int = HERE, size: int = 0) -> None:
        """``size``: of the networks, each a VLAN and on HOSTS_OF_A_NETWORK hosts alike; 0 is one network for all ports."""
        super().__init__(folder, count)
        share = size // HOSTS_OF_A_NETWORK if size else here
        places = {number: divmod(number - 1, size or count) for number in range(1, count + 1)}
        local = [number for number, (_, at) in places.items() if at < share][:here]
        self.switch.start()
        control = self.switch.folder / f"ovs-vswitchd.{(self.switch.folder / 'ovs-vswitchd.pid').read_text().strip()}.ctl"
        control.symlink_to(self.switch.folder / "vswitchd.ctl")
        self.database = Database()
        host = self.database.create("host", name_label="h1", enabled=True)
        elsewhere = self.database.create("host", name_label="h2", enabled=True)
        self.database.create("pool", name_label="pool", master=host, other_config={"ringfence": "no-agent=stock"})
        line = "default=isolated inside=10.0.0.0/8 gateways=10.255.255.1"
        networks = [
            self.database.create("network", name_label=f"n{n}", bridge=f"xapi{n}" if size else "br0", other_config={"ringfence": line})
            for n in range(-(-count // (size or count)))
        ]
        here_too, uuids = set(local), {}
        self.refs: dict[int, str] = {}
        for number in range(1, count + 1):
            vm = self.database.create(
                "VM", name_label=f"vm{number}", power_state="Running", resident_on=host if number in here_too else elsewhere, domid=number
            )
            ref = self.refs[number] = self.database.create(
                "VIF",
                VM=vm,
                network=networks[places[number][0]],
                device="0",
                MAC=mac(number),
                locking_mode="network_default",
                other_config={"ringfence": record(number, group_of(number))},
            )
            uuids[number] = self.database.get("VIF", ref)["uuid"]
        self.server = serve(Xapi(self.database), folder / "var/lib/xcp/xapi")
        (folder / "etc").mkdir()
        (folder / "etc/xensource-inventory").write_text(f"INSTALLATION_UUID='{self.database.get('host', host)['uuid']}'\n")
        tags = {number: places[number][0] + 1 if size else 0 for number in local}
        self.switch.bridge([("eth0", 60000, 0)] + [(f"vif{number}.0", number, tag) for number, tag in tags.items()], [])
        words = []
        for tag in sorted(set(tags.values()) - {0}):
            words += ["--", "add-br", f"xapi{tag - 1}", "br0", str(tag)]
        for number in local:
            ids = [f"external_ids:xs-vif-uuid={uuids[number]}", f'external_ids:attached-mac="{mac(number)}"']
            words += ["--", "set", "Interface", f"vif{number}.0", *ids]
        self.switch.run("ovs-vsctl", *words[1:])
        tools = Path(sys.executable).parent
        self.env = {**os.environ, **self.switch.env, "RINGFENCE_ROOT": str(folder), "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin"}
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)  # installed, its bytecode lies beside it
        self.env["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
        subprocess.run([sys.executable, "-m", "ringfence.agent.daemon", "--version"], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        self.spawn([sys.executable, "-m", "ringfence.agent.daemon"], self.env)

    def join(self, member: bool) -> None:
        self.database.update("VIF", self.refs[JOINER], other_config={"ringfence": record(JOINER, 0 if member else None)})

    def settle(self) -> None:
        def in_force() -> bool:
            told = ask({"op": "status"}, 60.0, f"{self.folder}/run/ringfence/agent.sock")
            return bool(told["token"] == f"{self.database.boot},{self.database.generation}")

        until(in_force, f"{self.name}: what is written")

    def join_all(self, member: bool) -> None:
        for number, ref in reversed(self.refs.items()):  # those that are looked at come last
            line = record(number, group_of(number) if member else None)
            self.database.update("VIF", ref, other_config={"ringfence": line})

    def close(self) -> None:
        super().close()
        self.server.stop()


class Ovn(Side):
    name = "OVN"

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__(folder, count)
        self.env = {**self.switch.env, **{f"OVN_{name}": str(folder) for name in ("RUNDIR", "DBDIR", "LOGDIR", "SYSCONFDIR")}}
        for name in ("nb", "sb"):
            self.must("ovsdb-tool", "create", str(folder / f"{name}.db"), f"{SCHEMAS}/ovn-{name}.ovsschema")
            self.databases = [*getattr(self, "databases", []), self._served(name)]
        self.switch.start()
        self.switch.bridge([(f"p{number}", number, 0) for number in range(1, HERE + 1)], [])
        words = ["set", "Open_vSwitch", ".", f"external_ids:ovn-remote=unix:{folder}/sb.sock", "external_ids:ovn-bridge=br0"]
        words += ["external_ids:ovn-encap-type=geneve", "external_ids:ovn-encap-ip=127.0.0.1", "external_ids:system-id=h1"]
        for number in range(1, HERE + 1):
            words += ["--", "set", "Interface", f"p{number}", f"external_ids:iface-id=p{number}"]
        self.switch.run("ovs-vsctl", *words)
        self._fill()

    def must(self, *words: str) -> str:
        done = subprocess.run(words, env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"bench: {' '.join(words)[:200]}: {done.stderr}")
        return done.stdout

    def _served(self, name: str) -> subprocess.Popen:
        remote = f"--remote=punix:{self.folder}/{name}.sock"
        words = ["ovsdb-server", str(self.folder / f"{name}.db"), remote, f"--unixctl={self.folder}/{name}.ctl", "-vconsole:off"]
        process = subprocess.Popen(words, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until((self.folder / f"{name}.sock").exists, f"OVN's {name}")
        return process

    def nbctl(self, *words: str) -> str:
        return self.must("ovn-nbctl", f"--db=unix:{self.folder}/nb.sock", *words)

    def _fill(self) -> None:
        """Ports with their addresses pinned; for each group, what comes from members is let in and all other IP dropped."""
        self.nbctl("ls-add", "backend")
        groups: dict[int, list[str]] = {}
        words: list[str] = []
        for number in range(1, self.count + 1):
            name, pinned = f"p{number}", f"{mac(number)} {address(number)}"
            words += [
                "--",
                "lsp-add",
                "backend",
                name,
                "--",
                "lsp-set-addresses",
                name,
                pinned,
                "--",
                "lsp-set-port-security",
                name,
                pinned,
            ]
            group = group_of(number)
            if group is not None:
                groups.setdefault(group, []).append(name)
            if len(words) > 3000 or number == self.count:
                self.nbctl(*words[1:])
                words = []
        bare = [f"p{number}" for number in range(HERE - BARE + 1, HERE + 1)]
        self.nbctl("pg-add", "bare", *bare, "--", "acl-add", "bare", "to-lport", "900", "outport == @bare && ip", "drop")
        for group, names in groups.items():
            words += ["--", "pg-add", f"g{group}", *names]
            let = f"outport == @g{group} && ip4.src == $g{group}_ip4"
            words += ["--", "acl-add", f"g{group}", "to-lport", "1000", let, "allow-stateless"]
            words += ["--", "acl-add", f"g{group}", "to-lport", "900", f"outport == @g{group} && ip", "drop"]
            if len(words) > 2000:
                self.nbctl(*words[1:])
                words = []
        if words:
            self.nbctl(*words[1:])
        listed = self.nbctl("--bare", "--format=csv", "--columns=name,_uuid", "list", "Logical_Switch_Port").split()
        known = dict(line.split(",") for line in listed)
        self.groups = {group: ",".join(known[name] for name in names) for group, names in groups.items()}
        self.joiner = self.nbctl("--bare", "--columns=_uuid", "find", "Logical_Switch_Port", f"name=p{JOINER}").strip()

    def start(self) -> None:
        databases = [f"--ovnnb-db=unix:{self.folder}/nb.sock", f"--ovnsb-db=unix:{self.folder}/sb.sock"]
        self.spawn(["ovn-northd", *databases, f"--unixctl={self.folder}/northd.ctl", "-vconsole:warn"], self.env)
        self.nbctl("--wait=sb", "sync")
        here = f"unix:{self.switch.folder}/db.sock"
        self.spawn(["ovn-controller", here, "-vconsole:warn"], self.env)

    def join(self, member: bool) -> None:
        words = ["add", "port_group", "g0", "ports", self.joiner, "--", "remove", "port_group", "bare", "ports", self.joiner]
        if not member:
            words = ["remove", "port_group", "g0", "ports", self.joiner, "--", "add", "port_group", "bare", "ports", self.joiner]
        self.nbctl(*words)

    def settle(self) -> None:
        self.nbctl("--wait=hv", "sync")

    def join_all(self, member: bool) -> None:
        words: list[str] = []
        members = [uuid for uuids in self.groups.values() for uuid in uuids.split(",")]
        for group, uuids in self.groups.items():
            words += ["--", "set", "port_group", f"g{group}", f"ports={uuids}" if member else "ports=[]"]
        words += ["--", "remove" if member else "add", "port_group", "bare", "ports", *members]
        self.nbctl(*words[1:])

    def close(self) -> None:
        super().close()
        for process in self.databases:
            process.terminate()
            process.wait(10)


def measure(count: int, turns: int) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="rf-") as root, contextlib.ExitStack() as stack:
        sides: list[Side] = []
        for kind in (Ringfence, Ovn):
            folder = Path(root) / kind.name
            folder.mkdir()
            sides.append(kind(folder, count))
            stack.callback(sides[-1].close)
        for side in sides:
            found[side.name] = {"cold_s": [side.cold()], "joined_s": [], "all_joined_s": []}
        for turn in range(turns + 1):
            for side in sides:
                took = side.joined()
                if turn:
                    found[side.name]["joined_s"].append(took)
        for side in sides:
            found[side.name].update(flows=side.flows(), megaflows=side.megaflows())
        for _ in range(ALL_TURNS):
            for side in sides:
                found[side.name]["all_joined_s"].append(side.all_joined())
        for _ in range(ALL_TURNS - 1):
            for side in sides:
                found[side.name]["cold_s"].append(side.start_over())
    return found


def versions() -> dict[str, Any]:
    tools = ("ovs-vswitchd", "ovn-northd", "ovn-controller")
    told = {tool: subprocess.run([tool, "--version"], capture_output=True, text=True).stdout.split("\n")[0] for tool in tools}
    return {**told, "python": sys.version.split()[0], "cores": os.cpu_count()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, nargs="*", default=[100, 1000, 10000])
    parser.add_argument("--turns", type=int, default=11)
    can_be_kept(parser)
    options = parser.parse_args()
    if min(options.members) <= HERE:
        parser.error(f"--members: there are {HERE} on this host and more elsewhere: give at least {HERE + 1}")
    missing = [name for name in ("ovn-northd", "ovn-controller", "ovn-nbctl") if not shutil.which(name)]
    if missing:
        raise SystemExit(f"bench: {', '.join(missing)} not found: install ovn-central and ovn-host")
    raw: dict[str, Any] = {"versions": versions()}
    print(
        f"medians of {options.turns} turns (of {ALL_TURNS} where all join, and from nothing); ratio: a part of OVN's time in the same turn"
    )
    print(f"{'':>7}  {'one joins, ms':^24}  {'all join, s':^24}  {'from nothing, s':^24}  {'flows':^16}  {'megaflows':^14}")
    print(LINE.format("ports", *("ringfence", "OVN", "ratio") * 3, *("ringfence", "OVN") * 2))
    for count in options.members:
        both = raw[str(count)] = measure(count, options.turns)
        ours, theirs = both["ringfence"], both["OVN"]
        cells: list[Any] = []
        for what, scale, digits in (("joined_s", 1000, 1), ("all_joined_s", 1, 2), ("cold_s", 1, 2)):
            part = ratio(ours[what], theirs[what])
            cells += [f"{statistics.median(side[what]) * scale:.{digits}f}" for side in (ours, theirs)] + [f"{part:.2f}"]
        print(LINE.format(count, *cells, ours["flows"], theirs["flows"], ours["megaflows"], theirs["megaflows"]), flush=True)
    keep(raw, options.json)


if __name__ == "__main__":
    main()
