"""What is proved on the machine, one function each, in the order in which they run.

Each raises Failed or AssertionError, or returns a line that says what was seen.
"""

import hashlib
import json
import os
import re
import subprocess
import time
import xmlrpc.client
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from order import PROOFS
from ringfence.flows.pipeline import COUNTED
from volley import DEVICES, ENDS, SETS, Volley
from xcp import HERE, Dom0, Failed, Guest, Store, sh, until

TEAM = ("isolated", "locked", "near")
NOT_OURS = (
    *(
        "/etc/openvswitch/",
        "/var/lib/openvswitch/",
        os.path.expanduser("~/.rpmdb"),
        "/var/lib/rpm",
        "/var/lib/systemd/",
        "/var/lib/xenstored/",
    ),
    *("/var/lib/xen/", "/var/lib/libuuid"),
)
"""Where others write while we are installed: the switch's database, rpm's, systemd's, xenstore's."""
STRAY = re.compile(r"cookie=0x(5246[0-9a-f]{12}|1)\b")


class Bench:
    """The machine, and what was seen on it so far."""

    def __init__(self) -> None:
        self.dom0 = Dom0()
        self.transcript: list[str] = []
        self.before: dict[str, str] = {}

    def guest(self, name: str) -> Guest:
        return self.dom0.guests[name]

    def shown(self, line: str, good: tuple[int, ...] = (0,)) -> str:
        """Type a command as an operator does; it goes into the transcript with what it printed."""
        done = subprocess.run(["/bin/bash", "-c", line], cwd=Path.home(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"   # {line}\n" + "".join(f"   {text}\n" for text in done.stdout.splitlines()), end="", flush=True)
        self.transcript += [f"# {line}", *done.stdout.splitlines(), ""]
        if done.returncode not in good:
            raise Failed(f"{line}: exit {done.returncode}")
        return done.stdout

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(sh("ringfence", "-o", "json", "status", check=False))
        return found

    def settled(self, limit: float = 30.0) -> None:
        """Until the agent has enforced what the database says now."""
        generation = self.dom0.db.generation

        def reached() -> bool:
            try:
                status = self.status()
            except ValueError:
                return False
            number = str(status["token"]).rpartition(",")[2]
            return bool(status["in_sync"]) and number.isdigit() and int(number) >= generation

        until(reached, "the agent's convergence", limit)


def reach(bench: Bench, source: str, target: str, network: str = "net", patience: float = 4.0) -> bool:
    device = f"eth{DEVICES[network]}"
    return bool(bench.guest(source).ask("ping", address=ENDS[target][network]["ip4"], device=device, patience=patience)["answered"])


def apart(bench: Bench, one: str, other: str, network: str = "net") -> None:
    """No frame of one arrives at the other, with ARP out of the question, either way. Raises Failed."""
    device = f"eth{DEVICES[network]}"
    for source, target in ((one, other), (other, one)):
        end = ENDS[target][network]
        bench.guest(source).ask("neighbour", address=end["ip4"], mac=end["mac"], device=device)
        bench.guest(target).ask("capture", device=device)
        answered = reach(bench, source, target, network, 1.5)
        sources = bench.guest(target).ask("captured", device=device)["sources"]
        seen = sources.get(ENDS[source][network]["mac"], 0)
        if answered or seen:
            raise Failed(f"{source} reaches {target} on {network}: answered {answered}, {seen} frames seen")


def together(bench: Bench, names: tuple[str, ...], network: str = "net") -> None:
    for source in names:
        for target in names:
            if source != target and not reach(bench, source, target, network):
                raise Failed(f"{source} does not reach {target} on {network}")


class Pings:
    """10 ms pings between members while something happens."""

    def __init__(self, bench: Bench, source: str = "isolated", target: str = "near", interval: float = 0.01) -> None:
        self.source, self.target = bench.guest(source), ENDS[target]["net"]["ip4"]
        self.interval = interval
        self.found: dict[str, Any] = {}

    def __enter__(self) -> "Pings":
        self.source.ask("ping_start", name="p", address=self.target, interval=self.interval)
        return self

    def __exit__(self, *error: Any) -> None:
        self.found = self.source.ask("ping_stop", name="p")
        if error[0] is None and (self.found["lost"] or self.found["unsent"] or self.found["sent"] < 20):
            raise Failed(f"pings under way: {self.found}")


def snapshot(bench: Bench) -> dict[str, str]:
    """Everything that an installation could leave: flows and settings of the switch, files, xenstore, XAPI's rows."""
    found = {}
    for number, line in enumerate(sorted(flow_lines("xenbr0"))):
        found[f"flow {number}"] = line
    for table, columns in (("Port", "name,protected,external_ids,tag"), ("Bridge", "name,flow_tables"), ("Open_vSwitch", "other_config")):
        found[f"ovsdb {table}"] = "\n".join(sorted(sh("ovs-vsctl", f"--columns={columns}", "-f", "csv", "list", table).splitlines()))
    flags = re.findall(r"^ [^ (]+\(([^)]+)\):[^\n]*\n +config: +([^\n]*)", sh("ovs-ofctl", "-O", "OpenFlow10", "show", "xenbr0"), re.M)
    found["port settings"] = str(sorted(flags))
    for top in ("/etc", "/opt", "/usr", "/var/lib", "/var/log", "/run/ringfence", os.path.expanduser("~"), "/srv"):
        for where, folders, names in os.walk(top):
            for name in folders + names:
                path = os.path.join(where, name)
                if path.startswith(NOT_OURS) or (path.startswith("/var/log/") and not path.startswith("/var/log/ringfence")):
                    continue
                if os.path.islink(path):
                    found[f"file {path}"] = "-> " + os.readlink(path)
                elif path.startswith("/usr/"):  # too much to be read by an emulated processor
                    about = os.stat(path)
                    found[f"file {path}"] = f"{about.st_mode:o}" + (f" {about.st_size} {about.st_mtime_ns}" if os.path.isfile(path) else "")
                elif os.path.isfile(path):
                    found[f"file {path}"] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
                else:
                    found[f"file {path}"] = "folder"
    for tree in ("/xapi", "/vm"):
        for number, line in enumerate(sh("xenstore-ls", "-f", tree).splitlines()):
            found[f"xenstore {tree} {number}"] = line
    for guest in bench.dom0.guests.values():
        if guest.domid:
            found[f"xenstore {guest.name}"] = sh("xenstore-ls", "-f", f"/local/domain/{guest.domid}/vm-data", check=False)
    for kind in ("host", "VM", "VIF", "network", "pool"):
        for ref, row in bench.dom0.db.rows[kind].items():
            found[f"xapi {kind} {ref}"] = json.dumps({k: row[k] for k in ("other_config", "locking_mode", "xenstore_data") if k in row})
    return found


def flow_lines(bridge: str) -> list[str]:
    skip = r"(duration|n_packets|n_bytes|idle_age|hard_age)=[^ ]+ "
    return [
        re.sub(skip, "", line).strip()
        for line in sh("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", bridge).splitlines()
        if "actions=" in line
    ]


def policy_lines() -> list[str]:
    """As above, without the counters that the switch makes and forgets by itself."""
    return sorted(line for line in flow_lines("xenbr0") if f"cookie={COUNTED:#x}" not in line)


def strays() -> list[str]:
    """Flows of ours, or of the stock script, that no running VIF accounts for."""
    live = set(sh("ovs-vsctl", "--bare", "--columns=ofport", "list", "Interface").split())
    found = []
    for line in flow_lines("xenbr0"):
        port = re.search(r"\bin_port=(\d+)", line)
        if STRAY.search(line) and port and port.group(1) not in live:
            found.append(line)
    return found


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    keys = sorted(set(before) | set(after))
    return [f"{key}: {before.get(key)!r} became {after.get(key)!r}" for key in keys if before.get(key) != after.get(key)]


# The proofs.


def stock(bench: Bench) -> str:
    """Before anything is installed: four guests under the stock hook, one of them locked by stock VIF locking."""
    dom0 = bench.dom0
    dom0.furnish()
    for name in ("isolated", "locked", "near", "stranger"):
        more = {"locking_mode": "locked", "ipv4_allowed": [ENDS[name]["net"]["ip4"]], "ipv6_allowed": []} if name == "locked" else {}
        dom0.start(dom0.guest(name, ENDS[name], **more))
    for guest in dom0.guests.values():
        guest.ready()
    together(bench, ("isolated", "near", "stranger"))
    if not any(line.startswith("cookie=0x1,") for line in flow_lines("xenbr0")):
        raise Failed("the stock hook wrote no flow for the locked VIF")
    bench.before = snapshot(bench)
    return f"{len(dom0.guests)} PV guests on netback, all reach each other; {len(bench.before)} things remembered"


def install(bench: Bench) -> str:
    with Pings(bench) as pings:
        bench.shown("rpm --install --nodeps /payload/first/ringfence-*.noarch.rpm")
    bench.shown("ringfence host doctor")
    for guest in bench.dom0.guests.values():
        for vif in guest.vifs:
            hook = Store.read(f"/xapi/{guest.vm}/private/vif/{vif.device}/setup-vif-rules")
            if hook != "/opt/ringfence/current/bin/setup-vif-rules":
                raise Failed(f"{vif.name} still has the hook {hook}")
    return f"four running VMs adopted, {pings.found['sent']} pings at 10 ms, none lost"


def parts(_: Bench) -> str:
    """What the package brings for the host's own tools is what they take."""
    units = [f"/usr/lib/systemd/system/{name}.service" for name in ("ringfenced", "ringfence-watchdog")]
    complaints = sh("systemd-analyze", "--man=no", "verify", *units)
    if complaints.strip():
        raise Failed(complaints)
    sh("logrotate", "--debug", "/etc/logrotate.d/ringfence")
    call = xmlrpc.client.dumps(("OpaqueRef:x", {"request": json.dumps({"op": "status"})}), "ask")
    answer: Any = xmlrpc.client.loads(sh("/etc/xapi.d/plugins/ringfence", call))[0][0]
    if answer["Status"] != "Success" or not json.loads(answer["Value"])["in_sync"]:
        raise Failed(f"XAPI's plugin: {answer}")
    ElementTree.parse("/etc/xensource/bugtool/ringfence.xml")
    commands = [str(one.text) for one in ElementTree.parse("/etc/xensource/bugtool/ringfence/stuff.xml").iter("command")]
    for command in commands:
        if not sh("bash", "-c", command, check=False).strip():
            raise Failed(f"the bug report gets nothing of {command}")
    modes = {
        path: os.stat(path).st_mode & 0o777
        for path in ("/var/log/ringfence.log", "/var/lib/ringfence/state.json", "/run/ringfence/agent.sock")
    }
    if set(modes.values()) != {0o600}:
        raise Failed(f"not for root alone: {modes}")
    exposed = sh("systemd-analyze", "security", "--no-pager", "ringfenced.service", check=False).splitlines()[-1]
    return f"units, log rotation, XAPI's plugin, {len(commands)} commands of the bug report; {' '.join(exposed.split()[1:])}"


def policy(bench: Bench) -> str:
    bench.shown("ringfence network set net default=isolated inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1,fd00::1")
    bench.shown("ringfence network set vlan default=isolated inside=10.1.0.0/24,fd01::/64 gateways=10.1.0.1,fd01::1")
    for name in (*TEAM, "stranger"):
        words = "groups=strangers" if name == "stranger" else "groups=team"
        mode = "mode=locked " if name == "locked" else ""
        for network, device in DEVICES.items():
            end = ENDS[name][network]
            line = f"{mode}ipv4={end['ip4']} ipv6={end['ip6']} {words}"
            if network == "net":
                bench.shown(f"ringfence vif set {name}/{device} {line}")
            else:
                as_xe(bench, name, device, line)
    bench.settled()
    bench.shown("ringfence vif list")
    bench.shown("ringfence status")
    return "records set by the command line, in force"


def as_xe(bench: Bench, name: str, device: int, line: str | None) -> None:
    """A record written, or (None) removed, by plain xe."""
    vif = bench.guest(name).vifs[device]
    other = {key: value for key, value in bench.dom0.db.get("VIF", vif.ref)["other_config"].items() if key != "ringfence"}
    bench.dom0.db.update("VIF", vif.ref, other_config=other if line is None else {**other, "ringfence": line})


def isolation(bench: Bench) -> str:
    for network in DEVICES:
        together(bench, TEAM, network)
        for name in ("isolated", "near"):
            apart(bench, name, "stranger", network)
        for name in (*TEAM, "stranger"):
            found = bench.guest(name).ask("ping", address=ENDS["gw"][network]["ip4"], device=f"eth{DEVICES[network]}", patience=5.0)
            if not found["answered"]:
                raise Failed(f"{name} does not reach the gateway on {network}")
    bench.shown("ringfence explain isolated/0 stranger/0 tcp/443", (0, 1))
    return "untagged and VLAN: members and the gateway are reached, the stranger is not, not a frame of it is seen"


def own_store(bench: Bench) -> str:
    """Root in the guest writes, removes and makes anew its vm-data."""
    guest = bench.guest("isolated")
    until(lambda: Store.read(f"/local/domain/{guest.domid}/vm-data/ringfence/0"), "the mirror in vm-data", 60)
    flows = policy_lines()
    errors = guest.ask("store", verb="write", path="vm-data/ringfence/0", value="mode=unlocked x-n={n}", times=200)["errors"]
    errors += guest.ask("store", verb="remove", path="vm-data")["errors"]
    errors += guest.ask("store", verb="write", path="vm-data/ringfence/0", value="mode=unlocked")["errors"]
    time.sleep(3.0)
    apart(bench, "isolated", "stranger")
    together(bench, ("isolated", "near"))
    if policy_lines() != flows:
        raise Failed("the flows changed when the guest wrote its store")
    anchor = bench.dom0.db.get("VIF", guest.vifs[0].ref)["other_config"]["ringfence"]
    if "groups=team" not in anchor:
        raise Failed(f"the anchor changed: {anchor}")
    tampered = until(lambda: bench.status()["tampered"], "the report of the tampering", 60)
    alerts = [row["name"] for row in bench.dom0.db.rows["message"].values()]
    refused = ", ".join(sorted(set(errors))) or "nothing"
    return f"policy unchanged by 202 writes and a removal (xenstore refused {refused}); reported: {tampered}, alerts {alerts}"


def attacks(bench: Bench) -> str:
    """The attack table and its honest twins, from a locked and an isolated VIF, on both networks, to a guest and the gateway."""
    volleys = [Volley(bench.dom0, name, TEAM) for name in sorted({key.rpartition(":")[0] for key in SETS})]
    wrong: list[str] = []
    for volley in volleys:
        wrong += volley.fire()
        print(f"   {volley.name}: {len(volley.attacks)} attacks, {len(volley.twins)} twins", flush=True)
    if wrong:
        raise Failed(f"{len(wrong)}: " + "; ".join(wrong[:40]))
    different = len({row["name"] for volley in volleys for row in volley.attacks.values()})
    sent, honest = sum(volley.sent for volley in volleys), sum(volley.honest for volley in volleys)
    return f"{different} rows, {sent} attack frames sent, 0 arrived; {honest} honest ones did, each where it should, and there alone"


def flows_lost(bench: Bench) -> str:
    """Every flow deleted, with the agent stopped: isolated guests of one host stay apart; then all is put back."""
    sh("systemctl", "stop", "ringfenced")
    sh("ovs-ofctl", "-O", "OpenFlow14", "del-flows", "xenbr0")
    sh("ovs-ofctl", "-O", "OpenFlow14", "add-flow", "xenbr0", "priority=0,actions=NORMAL")
    for network in DEVICES:
        apart(bench, "isolated", "stranger", network)
    sh("systemctl", "start", "ringfenced")
    bench.settled()
    together(bench, ("isolated", "near"))
    sh("ovs-ofctl", "-O", "OpenFlow14", "del-flows", "xenbr0")
    sh("ovs-ofctl", "-O", "OpenFlow14", "add-flow", "xenbr0", "priority=0,actions=NORMAL")
    until(lambda: len(policy_lines()) > 50, "the flows' return", 20)
    bench.settled()
    together(bench, TEAM)
    return "with no flow in the switch the stranger sees nothing; the agent puts all flows back"


def switch_restarted(bench: Bench) -> str:
    """The distribution's own unit restarts the switch: what isolates comes back, and nothing strange passes meanwhile."""
    bench.guest("stranger").ask("capture", device="eth0")
    started = time.monotonic()
    sh("systemctl", "restart", "openvswitch-switch")
    bench.settled(60)
    together(bench, ("isolated", "near"))
    took = time.monotonic() - started
    strange = bench.guest("stranger").ask("captured", device="eth0")["sources"]
    known = {ENDS[name]["net"]["mac"] for name in ("isolated", "near")}
    if known & set(strange):
        raise Failed(f"the stranger saw {strange}")
    apart(bench, "isolated", "stranger")
    return f"no frame of the isolated guests at the stranger; members reach each other again, all told after {took:.0f} s"


def agent_killed(bench: Bench) -> str:
    with Pings(bench) as pings:
        for _ in range(3):
            sh("systemctl", "kill", "-s", "KILL", "ringfenced")
            time.sleep(0.5)
            bench.settled()
    apart(bench, "isolated", "stranger")
    return f"killed 3 times: {pings.found['sent']} pings at 10 ms, none lost; in sync again each time"


def hook_alone(bench: Bench) -> str:
    """A VM starts while no agent runs: the hook does the agent's work."""
    sh("systemctl", "stop", "ringfenced")
    guest = bench.guest("near")
    bench.dom0.destroy(guest)
    bench.dom0.start(guest)
    guest.ready()
    apart(bench, "near", "stranger")
    together(bench, ("isolated", "near"))
    sh("systemctl", "start", "ringfenced")
    bench.settled()
    together(bench, ("isolated", "near"))
    return "plugged by the hook alone: members reached, the stranger not"


def life(bench: Bench) -> str:
    """Reboot by the guest itself, crash, destroy: the VIF comes and goes with a new domain each time."""
    dom0, guest = bench.dom0, bench.guest("near")
    first = guest.domid
    guest.ask("end", how="reboot")
    until(lambda: bench.dom0.domid_of(guest) not in (first, None), "the reboot", 60)
    guest.domid = int(sh("xl", "domid", guest.name))
    Store.write(f"/local/domain/{guest.domid}/vm-data", "")
    sh("xenstore-chmod", f"/local/domain/{guest.domid}/vm-data", f"n{guest.domid}")
    dom0.db.update("VM", guest.ref, domid=guest.domid)
    guest.ready()
    bench.settled()
    together(bench, ("isolated", "near"))
    apart(bench, "near", "stranger")
    guest.ask("end", how="crash")
    until(lambda: bench.dom0.domid_of(guest) is None, "the end of the crashed domain", 60)
    dom0.ended(guest)
    left = strays()
    if left:
        raise Failed(f"after the crash: {left[:3]}")
    dom0.start(guest)
    guest.ready()
    together(bench, ("isolated", "near"))
    apart(bench, "near", "stranger")
    return f"domains {first} and {guest.domid}: rebooted by itself, crashed and started again; members reached, the stranger not"


def restarts(bench: Bench) -> str:
    """Twenty starts and ends of one VM: nothing is left in the switch, in xenstore, in the agent's state."""
    dom0 = bench.dom0
    guest = dom0.guest("churn", {"net": {"mac": "00:16:3e:00:00:20", "ip4": "10.0.0.32", "ip6": "fd00::32"}})
    dom0.db.update("VIF", guest.vifs[0].ref, other_config={"ringfence": "ipv4=10.0.0.32 groups=team"})
    bench.settled()
    before = policy_lines()
    for _ in range(20):
        dom0.start(guest, run=False)
        if len(policy_lines()) <= len(before):
            raise Failed("no flow came with the VIF")
        dom0.destroy(guest)
    bench.settled()
    until(lambda: policy_lines() == before or strays(), "the switch as it was", 20)
    if strays() or policy_lines() != before:
        raise Failed(f"left: {strays()[:3]}")
    ports = sh("ovs-vsctl", "--bare", "--columns=name", "list", "Interface").split()
    if any(port.startswith("vif") and not os.path.exists(f"/sys/class/net/{port}") for port in ports):
        raise Failed(f"ports without a device: {ports}")
    findings = sh("ringfence", "audit", check=False).strip()
    if findings != "nothing is amiss":
        raise Failed(findings)
    left = [line for line in sh("xenstore-ls", "-f", "/xapi").splitlines() if guest.vm in line]
    if left:
        raise Failed(f"left in xenstore: {left[:3]}")
    return f"20 starts and ends by the hook in vif-real's order: the same {len(before)} flows as before, audit: {findings}"


def upgrade(bench: Bench) -> str:
    with Pings(bench) as pings:
        bench.shown("rpm --upgrade --nodeps /payload/second/ringfence-*.noarch.rpm")
    bench.shown("ringfence --version")
    bench.shown("ringfence status")
    if os.path.exists("/opt/ringfence/" + (HERE / "first/VERSION").read_text().strip()):
        raise Failed("the old version's files are still there")
    apart(bench, "isolated", "stranger")
    together(bench, TEAM)
    return f"{pings.found['sent']} pings at 10 ms, none lost"


def failed_upgrade(bench: Bench) -> str:
    """A version whose agent does not come up is not left in force."""
    before = os.readlink("/opt/ringfence/current")
    broken = Path("/opt/ringfence/9.9.9")
    sh("cp", "-a", f"/opt/ringfence/{before}", str(broken))
    daemon = broken / "lib/ringfence/agent/daemon.py"
    daemon.write_text(daemon.read_text().replace("def main(", "raise SystemExit(7)\n\n\ndef main("))
    with Pings(bench):
        done = subprocess.run([str(broken / "bin/ringfence"), "host", "upgrade"], capture_output=True, text=True)
    sh("rm", "-rf", str(broken))
    if "taking a step back failed" in done.stderr:
        raise Failed(done.stderr)
    if done.returncode == 0 or os.readlink("/opt/ringfence/current") != before:
        raise Failed(f"exit {done.returncode}, current is {os.readlink('/opt/ringfence/current')}")
    bench.settled()
    apart(bench, "isolated", "stranger")
    return done.stderr.strip()


def uninstall(bench: Bench) -> str:
    bench.shown("rpm --erase ringfence", (1,))
    apart(bench, "isolated", "stranger")
    for name in (*TEAM, "stranger"):
        bench.shown(f"ringfence vif clear {name}/0")
        as_xe(bench, name, 1, None)
    for network in DEVICES:
        bench.shown(f"ringfence network clear {network}")
    bench.settled()
    rows = bench.dom0.db.rows
    until(lambda: all("vm-data/ringfence/0" not in row["xenstore_data"] for row in rows["VM"].values()), "the mirrors' end", 60)
    until(lambda: all(row["locking_mode"] != "disabled" for row in rows["VIF"].values()), "XAPI's own locking modes", 60)
    with Pings(bench) as pings:
        bench.shown("rpm --erase ringfence")
    time.sleep(1.0)
    different = differences(bench.before, snapshot(bench))
    if different:
        raise Failed(f"{len(different)} things are not as before: " + "; ".join(different[:8]))
    together(bench, ("isolated", "near", "stranger"))
    what = f"flows, switch settings, files, xenstore and XAPI's rows are as before, by diff ({len(bench.before)} things)"
    return f"{what}; {pings.found['sent']} pings, none lost"


def tarball(bench: Bench) -> str:
    """The same by the tarball, for hosts that take no RPM; and uninstalled while a VIF is isolated."""
    sh("tar", "-xzf", next(str(p) for p in (HERE / "first").glob("*.tar.gz")), "-C", str(Path.home()))
    bench.shown(f"{unpacked().name}/install.sh")
    policy_quietly(bench)
    return "installed and in force"


def unpacked() -> Path:
    """Where the tarball was unpacked: the folder in which commands are typed."""
    return next(Path.home().glob("ringfence-*"))


def policy_quietly(bench: Bench) -> None:
    kept, bench.transcript = bench.transcript, []
    try:
        policy(bench)
    finally:
        bench.transcript = kept


def removed(bench: Bench) -> str:
    folder = unpacked()
    refused = subprocess.run([f"{folder}/install.sh", "--remove"], capture_output=True, text=True)
    if refused.returncode == 0 or "--open-isolated" not in refused.stderr:
        raise Failed(f"isolated VIFs were opened without a word: {refused.stdout}{refused.stderr}")
    bench.shown(f"{folder.name}/install.sh --remove --open-isolated")
    sh("rm", "-rf", str(folder))
    ours = [line for line in flow_lines("xenbr0") if re.search("cookie=0x52(46|53)", line)]
    if ours:
        raise Failed(f"{len(ours)} flows of ours are left: {ours[:2]}")
    after = snapshot(bench)
    different = [d for d in differences(bench.before, after) if d.startswith(("file", "ovsdb Bridge", "ovsdb Open_vSwitch"))]
    if "NO_FLOOD" in after["port settings"]:  # the ports are others by now, for their domains are
        different.append(after["port settings"])
    if different:
        raise Failed("; ".join(different[:8]))
    locked = [line for line in flow_lines("xenbr0") if line.startswith("cookie=0x1,")]
    if not locked:
        raise Failed("stock VIF locking holds nothing any more")
    together(bench, ("isolated", "near", "stranger"))
    return f"refused while VIFs are isolated, then done; {len(locked)} flows of stock VIF locking hold its VIF"


def aftermath() -> None:
    """What helps to understand a failure, on the console."""
    for path in (Path("/var/log/ringfence.log"), Path("/var/log/vif.log")):
        if path.exists():
            print(f"--- {path}\n" + "\n".join(path.read_text().splitlines()[-15:]), flush=True)
    print(sh("journalctl", "--no-pager", "-n", "15", "-u", "ringfenced", "-t", "setup-vif-rules", check=False), flush=True)


def main() -> None:
    bench = Bench()
    results = []
    for name in PROOFS:
        proof = globals()[name]
        started = time.monotonic()
        try:
            text, good = proof(bench), True
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the result
            text, good = f"{type(error).__name__}: {error}", False
        seconds = time.monotonic() - started
        results.append({"name": name, "good": good, "text": text, "seconds": round(seconds, 1)})
        print(f"{'ok    ' if good else 'FAILED'} {name} ({seconds:.0f} s): {text}", flush=True)
        if not good:
            aftermath()
        (HERE / "results.json").write_text(json.dumps({"results": results, "transcript": bench.transcript}))
        if not good and name in ("stock", "install", "tarball"):
            break


if __name__ == "__main__":
    main()
