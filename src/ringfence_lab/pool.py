"""The pool: hosts, the wire between them, the database, guests and machines outside, built from a scenario."""

import sys
import threading
import xmlrpc.client
from functools import partial
from typing import Any

from ringfence.errors import RingfenceError

from . import netns
from .database import Database, Failure
from .ends import End, configure, quiet, without_offload
from .folder import LabFolder, wait_for
from .host import Host
from .ovs import Switch
from .scenario import Network, Outside, Scenario, VifSpec
from .xapi import Xapi, serve
from .xenopsd import Xenopsd


class Pool:
    """Made by ``build``; everything ends with ``LabFolder.leave``."""

    def __init__(self, folder: LabFolder, scenario: Scenario) -> None:
        self.folder = folder
        self.scenario = scenario
        self.db = Database()
        self.xapi = Xapi(self.db)
        self.xapi.live = self
        self.hosts: dict[str, Host] = {}
        self.ends: dict[str, End] = {}
        self.wire = Switch(folder, "wire", folder.root / "wire")
        self._servers: list[Any] = []
        self.networks: dict[str, str] = {}
        self.vms: dict[str, str] = {}
        self.vifs: dict[str, str] = {}
        """References by name."""
        self.xapi_up = False
        self.xenopsd = Xenopsd(self)

    # Building.

    def build(self) -> None:
        netns.add("wire")
        netns.add("limbo")
        self.wire.start()
        self._database()
        threads = [threading.Thread(target=self._host, args=(host,)) for host in self.hosts.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        missing = [name for name, host in self.hosts.items() if not (host.root / "laid-out").exists()]
        if missing:
            raise RingfenceError(f"host {missing[0]} could not be built", str(self.folder.root), "see the log files there")
        self.start_xapi()
        for outside in self.scenario.outside.values():
            self._outside(outside)
        for number, guest in enumerate(self.scenario.guests.values()):
            self._guest(number, guest.name)
        for host in self.hosts.values():
            host.start_agent()
            host.start_watchdog()
        for host in self.hosts.values():
            host.wait_ready()
        for guest in self.scenario.guests.values():
            if guest.running:
                self.xenopsd.start(guest.name, guest.host)
        self.settle()

    def _database(self) -> None:
        for name in self.scenario.hosts:
            ref = self.db.create("host", name_label=name, hostname=name, enabled=True)
            self.hosts[name] = Host(self.folder, name, self.db.get("host", ref)["uuid"], stock=name in self.scenario.stock)
        other = {} if self.scenario.pool is None else {"ringfence": self.scenario.pool}
        self.db.create("pool", name_label="lab", master=next(iter(self.db.rows["host"])), other_config=other)
        for number, network in enumerate(self.scenario.networks.values()):
            other = {} if network.line is None else {"ringfence": network.line}
            self.networks[network.name] = self.db.create(
                "network",
                name_label=network.name,
                bridge=self._bridge_name(network, number),
                other_config=other,
                default_locking_mode=network.default_locking_mode,
            )

    def _bridge_name(self, network: Network, number: int) -> str:
        plain = not network.vlan and not network.internal and not network.bond
        return f"xenbr{network.nic - 1}" if plain else f"xapi{number + 1}"

    def _host(self, host: Host) -> None:
        host.prepare()
        for nic in sorted({n.nic for n in self.scenario.networks.values() if not n.internal and not n.bond} or {1}):
            self._nic(host, f"eth{nic - 1}", f"phys{nic}")
            host.bridge(f"xenbr{nic - 1}", [f"eth{nic - 1}"])
        for network in self.scenario.networks.values():
            bridge = self.db.get("network", self.networks[network.name])["bridge"]
            if network.internal:
                host.bridge(bridge, [])
            elif network.bond:
                number = list(self.scenario.networks).index(network.name)
                members = [f"b{number}a", f"b{number}b"]
                for member in members:
                    self._nic(host, member, f"bond{number}")
                host.bridge(bridge, members, network.bond)
            elif network.vlan:
                host.vlan_bridge(bridge, f"xenbr{network.nic - 1}", network.vlan)
        (host.root / "laid-out").touch()

    def _nic(self, host: Host, device: str, wire: str) -> None:
        """A NIC: a cable from the host to a switch of the physical network, as a trunk."""
        far = f"{host.name}-{device}"
        netns.run(
            "ip", "link", "add", device, "netns", netns.name_of(host.name), "type", "veth", "peer", "name", far,
            "netns", netns.name_of("wire"),
        )  # fmt: skip
        netns.ip(host.name, f"link set {device} up")
        netns.ip("wire", f"link set {far} up")
        self._attach(wire, far, 0)

    def _attach(self, wire: str, port: str, tag: int) -> None:
        words = ["--may-exist", "add-br", wire, "--", "set", "Bridge", wire, "datapath_type=netdev", "--", "add-port", wire, port]
        self.wire.vsctl(*words, *([f"tag={tag}"] if tag else []))

    def _outside(self, spec: Outside) -> None:
        network = self.scenario.networks[spec.network]
        netns.add(spec.name)
        far = f"o-{spec.name}"
        mac = f"02:00:00:00:01:{len(self.ends) + 1:02x}"
        netns.run(
            "ip", "link", "add", "eth0", "address", mac, "netns", netns.name_of(spec.name), "type", "veth", "peer", "name", far,
            "netns", netns.name_of("wire"),
        )  # fmt: skip
        quiet(spec.name)
        without_offload(spec.name, "eth0")
        netns.ip(spec.name, *configure("eth0", spec.addresses, spec.gateway))
        netns.ip("wire", f"link set {far} up")
        wire = f"bond{list(self.scenario.networks).index(network.name)}" if network.bond else f"phys{network.nic}"
        self._attach(wire, far, network.vlan)
        self.ends[spec.name] = End(spec.name, "eth0", mac, spec.network, spec.addresses, spec.name)

    def _guest(self, number: int, name: str) -> None:
        guest = self.scenario.guests[name]
        netns.add(name)
        quiet(name)
        self.vms[name] = self.db.create("VM", name_label=name, power_state="Halted", domid=-1)
        for device, vif in enumerate(guest.vifs):
            mac = f"00:16:3e:{number >> 8:02x}:{number & 255:02x}:{device:02x}"
            other = {} if vif.line is None else {"ringfence": vif.line}
            ref = self.db.create(
                "VIF",
                VM=self.vms[name],
                device=str(device),
                network=self.networks[vif.network],
                MAC=mac,
                MTU=1500,
                other_config=other,
                locking_mode=vif.locking_mode,
                ipv4_allowed=list(vif.ipv4_allowed),
                ipv6_allowed=list(vif.ipv6_allowed),
            )
            full = f"{name}/{device}"
            self.vifs[full] = ref
            self.ends[full] = End(name, f"eth{device}", mac, vif.network, vif.addresses, full)
        self.db.update("VM", self.vms[name], VIFs=[self.vifs[f"{name}/{d}"] for d in range(len(guest.vifs))])

    # What the steps use.

    def spec(self, vif: str) -> VifSpec:
        guest, _, device = vif.partition("/")
        return self.scenario.guests[guest].vifs[int(device)]

    def host_of(self, guest: str) -> Host | None:
        ref = self.db.get("VM", self.vms[guest])["resident_on"]
        for host in self.hosts.values():
            if ref in self.db.rows["host"] and self.db.get("host", ref)["uuid"] == host.uuid:
                return host
        return None

    def start_xapi(self) -> None:
        self._servers = [serve(self.xapi, host.root / "var/lib/xcp/xapi") for host in self.hosts.values()]
        self.xapi_up = True

    def stop_xapi(self) -> None:
        self.xapi_up = False
        for server in self._servers:
            server.stop()
        self._servers = []
        self.xapi.sessions.clear()

    def settle(self) -> None:
        """Until every agent that runs has enforced what the database says. Raises RingfenceError after 10 s."""
        generation = self.db.generation if self.xapi_up else None
        for host in self.hosts.values():
            wait_for(partial(host.settled, generation), f"convergence of {host.name}", 10)

    def remake_bridge(self, host_name: str, network: str) -> None:
        """The real bridge behind a network, made anew with its fake bridges; ports come back without external_ids."""
        host = self.hosts[host_name]
        name = self.db.get("network", self.networks[network])["bridge"]
        real = host.switch.vsctl("br-to-parent", name).strip()
        fakes = [b for b in host.switch.vsctl("list-br").split() if host.switch.vsctl("br-to-parent", b).strip() == real and b != real]
        words = ["--", "del-br", real, "--", "add-br", real, "--", "set", "Bridge", real, "datapath_type=netdev"]
        tags = {fake: host.switch.vsctl("br-to-vlan", fake).strip() for fake in fakes}
        ports = {bridge: host.switch.vsctl("list-ports", bridge).split() for bridge in [real, *fakes]}
        for fake, tag in tags.items():
            words += ["--", "add-br", fake, real, tag]
        for bridge, names in ports.items():
            for port in names:
                words += ["--", "add-port", bridge, port]
        host.switch.vsctl(*words[1:])

    def bond_carrier(self, host_name: str, network: str, *, fail: bool) -> None:
        """The active member of a bond loses its carrier, or all have it again."""
        number = list(self.scenario.networks).index(network)
        members = [f"b{number}a", f"b{number}b"]
        if fail:
            bridge = self.db.get("network", self.networks[network])["bridge"]
            mac = self.hosts[host_name].switch.vsctl("get", "Port", f"bond-{bridge}", "bond_active_slave").strip().strip('"')
            macs = {m: self.hosts[host_name].switch.vsctl("get", "Interface", m, "mac_in_use").strip().strip('"') for m in members}
            members = [m for m in members if macs[m] == mac]
        for member in members:
            netns.ip("wire", f"link set {host_name}-{member} {'down' if fail else 'up'}")
        self.wire.run("ovs-appctl", "fdb/flush", f"bond{number}")  # a switch forgets what is behind a port without carrier

    def lose_sessions(self, *, events: bool) -> None:
        """All sessions expire; with ``events``, what event.from gave is too old, too."""
        self.xapi.sessions.clear()
        if events:
            with self.db.changed:
                self.db.boot += "x"
                self.db.changed.notify_all()

    def new_master(self, host: str) -> None:
        """Another host is master: every connection is cut, sessions and tokens are worth nothing."""
        self.stop_xapi()
        self.db.update("pool", next(iter(self.db.rows["pool"])), master=self.db.by_uuid("host", self.hosts[host].uuid))
        self.lose_sessions(events=True)
        self.start_xapi()

    def vm_data(self, ref: str) -> None:
        self.xenopsd.replace_vm_data(ref)

    def vif_mode(self, ref: str) -> None:
        self.xenopsd.set_mode(ref)

    def call_plugin(self, uuid: str, plugin: str, function: str, arguments: dict[str, str]) -> str:
        """XAPI runs the program on that host, hands it the call, and reads its answer."""
        host = next(host for host in self.hosts.values() if host.uuid == uuid)
        if plugin != "ringfence" or host.stock:
            raise Failure("XENAPI_MISSING_PLUGIN", plugin)
        call = xmlrpc.client.dumps(("OpaqueRef:plugin", arguments), function)
        done = host.run(sys.executable, "-m", "ringfence.agent.plugin", call)
        answer: Any = xmlrpc.client.loads(done.stdout)[0][0]
        if answer["Status"] != "Success":
            raise Failure("XENAPI_PLUGIN_FAILURE", function, *answer["ErrorDescription"])
        return str(answer["Value"])
