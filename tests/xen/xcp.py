"""dom0 of the machine made to look like XCP-ng's: the pool's database, xenopsd's files and order of steps, guests.

Real here: Xen, its domains, netback and the udev events about it, xenstore, the switch and its kernel datapath, systemd.
Simulated: XAPI, and what xenopsd writes before it starts a domain.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from guest import Xenstore
from ringfence_lab.database import Database
from ringfence_lab.xapi import Xapi, serve

HERE = Path(__file__).resolve().parent
HOST = "aaaaaaaa-0000-4000-8000-000000000001"
BRIDGES = {"net": "xenbr0", "vlan": "xapi1"}
VLAN = 120
NETWORKS = {"net": "bbbbbbbb-0000-4000-8000-000000000001", "vlan": "bbbbbbbb-0000-4000-8000-000000000002"}
STOCK_HOOK = Path("/usr/libexec/xenopsd/setup-vif-rules")
UDEV = """\
SUBSYSTEM=="xen-backend", KERNEL=="vif*", RUN+="{here}/vif $env{{ACTION}}"
"""
CONFIG = """\
name = "{name}"
uuid = "{vm}"
kernel = "{here}/vmlinux"
ramdisk = "{ramdisk}"
memory = {memory}
extra = "console=hvc0 quiet loglevel=3 rdinit=/init"
on_reboot = "restart"
on_crash = "destroy"
vif = [{vifs}]
"""


class Failed(Exception):
    """Something is not as it must be."""


def sh(*words: str, check: bool = True, **more: Any) -> str:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **more)
    if check and done.returncode:
        raise Failed(f"{' '.join(words)}: exit {done.returncode}: {done.stdout.strip()[-500:]}")
    return done.stdout


def until(condition: Any, what: str, limit: float = 30.0) -> Any:
    deadline = time.monotonic() + limit
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not come about within {limit:g} s")
        time.sleep(0.1)


class Store:
    """xenstore as dom0 sees it."""

    _bus = Xenstore()
    _lock = threading.Lock()

    @classmethod
    def read(cls, path: str) -> str | None:
        with cls._lock:
            try:
                return str(cls._bus.read(path))
            except OSError:
                return None

    @classmethod
    def write(cls, path: str, value: str) -> None:
        with cls._lock:
            cls._bus.write(path, value)

    @classmethod
    def remove(cls, path: str) -> None:
        with cls._lock:
            try:
                cls._bus.remove(path)
            except OSError:
                pass

    @classmethod
    def names(cls, path: str) -> list[str]:
        with cls._lock:
            try:
                return list(cls._bus.names(path))
            except OSError:
                return []


class Vif:
    def __init__(self, guest: "Guest", device: int, network: str, mac: str, addresses: list[str], uuid: str) -> None:
        self.guest, self.device, self.network, self.mac, self.addresses, self.uuid = guest, device, network, mac, addresses, uuid
        self.ref = ""

    @property
    def name(self) -> str:
        return f"{self.guest.name}/{self.device}"


class Guest:
    """One VM: its rows, its domain, and the program in it that does what it is asked."""

    def __init__(self, dom0: "Dom0", number: int, name: str) -> None:
        self.dom0, self.number, self.name = dom0, number, name
        self.vm = f"cccccccc-0000-4000-8000-{number:012d}"
        self.ref = ""
        self.vifs: list[Vif] = []
        self.domid = 0
        self._asked = 0

    def ask(self, op: str, limit: float = 120.0, **more: Any) -> dict[str, Any]:
        self._asked += 1
        path = f"/local/domain/{self.domid}/data"
        Store.write(f"{path}/ask", json.dumps({"n": self._asked, "do": {"op": op, **more}}))

        def answer() -> dict[str, Any] | None:
            text = Store.read(f"{path}/answer")
            found = json.loads(text) if text else {}
            return found if found.get("n") == self._asked else None

        found = until(answer, f"{self.name}: the answer to {op}", limit)
        if "error" in found:
            raise Failed(f"{self.name}: {op}: {found['error']}")
        return found

    def ready(self) -> None:
        """Its program answers, its addresses are set."""
        self._asked = 0
        self.ask("hello", 180.0)
        print(f"   {self.name} answers", flush=True)
        for vif in self.vifs:
            self.ask("configure", device=f"eth{vif.device}", addresses=vif.addresses)

    def port(self, device: int = 0) -> str:
        return f"vif{self.domid}.{device}"


class Machine:
    """A machine outside, behind the uplink: a namespace, and the same program in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        words = ["ip", "netns", "exec", name, sys.executable, "-S", str(HERE / "guest.py"), str(HERE / "frames.json"), "--lines"]
        self._program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, op: str, **more: Any) -> dict[str, Any]:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps({"op": op, **more}) + "\n")
        self._program.stdin.flush()
        found: dict[str, Any] = json.loads(self._program.stdout.readline())
        if "error" in found:
            raise Failed(f"{self.name}: {op}: {found['error']}")
        return found


class Dom0:
    def __init__(self) -> None:
        self.db = Database()
        self.guests: dict[str, Guest] = {}
        self._stopping = False

    # The host.

    def furnish(self) -> None:
        """Files, bridges, XAPI; as an XCP-ng host has them."""
        Path("/etc/xensource").mkdir(exist_ok=True)
        Path("/etc/xensource/bugtool").mkdir(exist_ok=True)
        Path("/etc/xapi.d/plugins").mkdir(parents=True, exist_ok=True)
        Path("/etc/xensource-inventory").write_text(f"INSTALLATION_UUID='{HOST}'\n")
        Path("/etc/xensource/network.conf").write_text("openvswitch\n")
        Path("/etc/xenopsd.conf").write_text(f"# As xenopsd is told\nsetup-vif-rules={STOCK_HOOK}\n")
        Path("/etc/xenopsd.conf.d").mkdir(exist_ok=True)
        STOCK_HOOK.parent.mkdir(parents=True, exist_ok=True)
        STOCK_HOOK.write_text(f'#!/bin/sh\nPYTHONDONTWRITEBYTECODE=1 PYTHONPATH={HERE} exec {sys.executable} -m ringfence_lab.stock "$@"\n')
        STOCK_HOOK.chmod(0o755)
        unit = Path("/etc/systemd/system/xenopsd-xc.service")
        unit.write_text(
            "[Unit]\nDescription=stands in for xenopsd: shows whether it was restarted\n[Service]\nExecStart=/bin/sleep infinity\n"
        )
        Path("/etc/udev/rules.d/99-vif.rules").write_text(UDEV.format(here=HERE))
        sh("systemctl", "daemon-reload")
        sh("systemctl", "start", "xenopsd-xc")
        sh("udevadm", "control", "--reload")
        sh("modprobe", "xen-netback")
        sh("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "cable")
        sh("ip", "netns", "add", "gw")
        sh("ip", "link", "set", "cable", "netns", "gw", "name", "eth0", "address", "02:00:00:00:00:01")
        sh("ip", "link", "set", "eth0", "up")
        sh("ovs-vsctl", "add-br", "xenbr0", "--", "add-port", "xenbr0", "eth0", "--", "add-br", "xapi1", "xenbr0", str(VLAN))
        inside = ["ip", "netns", "exec", "gw", "ip"]
        sh(*inside, "link", "set", "lo", "up")
        sh("ip", "netns", "exec", "gw", "sh", "-c", "for n in all default; do echo 0 > /proc/sys/net/ipv6/conf/$n/accept_dad; done")
        sh(*inside, "link", "add", "link", "eth0", "name", "eth0.120", "type", "vlan", "id", str(VLAN))
        self.gw = Machine("gw")
        self.gw.ask("configure", device="eth0", addresses=["10.0.0.1/24", "fd00::1/64"])
        self.gw.ask("configure", device="eth0.120", addresses=["10.1.0.1/24", "fd01::1/64"])
        self._fill()
        self.xapi = Xapi(self.db)
        serve(self.xapi, Path("/var/lib/xcp/xapi"))
        threading.Thread(target=self._copy_vm_data, daemon=True).start()

    def _fill(self) -> None:
        host = self.db.create("host", uuid=HOST, name_label="xcp1", hostname="xcp1", enabled=True, address="127.0.0.1")
        self.db.create("pool", name_label="pool", master=host)
        self.networks = {
            name: self.db.create("network", uuid=uuid, name_label=name, bridge=BRIDGES[name], default_locking_mode="unlocked")
            for name, uuid in NETWORKS.items()
        }
        self.host = host

    def guest(self, name: str, ends: dict[str, dict[str, Any]], **fields: Any) -> Guest:
        """A halted VM with a VIF on each network; ``ends``: MAC and addresses by network."""
        guest = self.guests[name] = Guest(self, len(self.guests) + 1, name)
        guest.ref = self.db.create("VM", uuid=guest.vm, name_label=name, power_state="Halted", domid=-1)
        for device, (network, end) in enumerate(ends.items()):
            uuid = f"dddddddd-0000-4000-8000-{guest.number:06d}{device:06d}"
            addresses = [f"{end['ip4']}/24", f"{end['ip6']}/64"]
            vif = Vif(guest, device, network, end["mac"], addresses, uuid)
            vif.ref = self.db.create(
                "VIF", uuid=uuid, VM=guest.ref, device=str(device), network=self.networks[network], MAC=vif.mac, MTU=1500,
                **{"locking_mode": "network_default", **(fields if device == 0 else {})},
            )  # fmt: skip
            guest.vifs.append(vif)
        self.db.update("VM", guest.ref, VIFs=[vif.ref for vif in guest.vifs])
        return guest

    # xenopsd.

    def _hook(self) -> str:
        """What xenopsd's settings say, the last word counting."""
        found = ""
        for path in [Path("/etc/xenopsd.conf"), *sorted(Path("/etc/xenopsd.conf.d").glob("*.conf"))]:
            for line in path.read_text().splitlines():
                key, equals, value = line.partition("=")
                if equals and key.strip() == "setup-vif-rules":
                    found = value.strip()
        return found

    def start(self, guest: Guest, *, run: bool = True) -> None:
        """VM.start: description and private keys, the domain with vm-data, its VIFs plugged, and it runs.

        Without ``run`` the domain stays paused: its devices are all that is wanted.
        """
        row = self.db.get("VM", guest.ref)
        for vif in guest.vifs:
            self._describe(vif)
        vifs = ", ".join(f'"mac={v.mac},bridge={BRIDGES[v.network]},script={HERE}/nothing"' for v in guest.vifs)
        ramdisk, memory = (f"{HERE}/guest.cpio", 176) if run else (f"{HERE}/empty.cpio", 128)
        config = Path(f"/run/{guest.name}.cfg")
        config.write_text(CONFIG.format(name=guest.name, vm=guest.vm, here=HERE, ramdisk=ramdisk, memory=memory, vifs=vifs))
        if run:
            print(f"   starting {guest.name}", flush=True)
        sh("xl", "create", "-p", str(config))
        guest.domid = int(sh("xl", "domid", guest.name))
        base = f"/local/domain/{guest.domid}/vm-data"
        Store.write(base, "")
        sh("xenstore-chmod", base, f"n{guest.domid}")
        for key, value in row["xenstore_data"].items():
            Store.write(f"/local/domain/{guest.domid}/{key}", value)
        for vif in guest.vifs:
            status = f"/local/domain/0/backend/vif/{guest.domid}/{vif.device}/hotplug-status"
            error = status.replace("-status", "-error")
            until(lambda s=status, e=error: Store.read(s) or Store.read(e), f"the plug of {vif.name}", 60)
            if Store.read(error):
                raise Failed(f"the plug of {vif.name}: {Store.read(error)}")
        self.db.update("VM", guest.ref, power_state="Running", domid=guest.domid, resident_on=self.host)
        for vif in guest.vifs:
            self.db.update("VIF", vif.ref, currently_attached=True)
        if run:
            sh("xl", "unpause", guest.name)
            print(f"   {guest.name} runs as domain {guest.domid}", flush=True)

    def _describe(self, vif: Vif) -> None:
        guest, row = vif.guest, self.db.get("VIF", vif.ref)
        mode = "unlocked" if row["locking_mode"] == "network_default" else row["locking_mode"]
        locking: Any = ["Locked", {"ipv4": row["ipv4_allowed"], "ipv6": row["ipv6_allowed"]}] if mode == "locked" else mode.capitalize()
        keys = {"vif-uuid": vif.uuid, "network-uuid": NETWORKS[vif.network]}
        data = {
            "id": [guest.vm, str(vif.device)], "position": vif.device, "mac": vif.mac, "carrier": True, "mtu": 1500, "rate": None,
            "backend": ["Local", BRIDGES[vif.network]], "other_config": row["other_config"], "locking_mode": locking,
            "extra_private_keys": keys, "vlan": None, "trunks": [],
        }  # fmt: skip
        path = Path(f"/var/run/nonpersistent/xenopsd/classic/VM/{guest.vm}/vif.{vif.device}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
        private = f"/xapi/{guest.vm}/private/vif/{vif.device}"
        for key, value in {**keys, "bridge": BRIDGES[vif.network], "mac": vif.mac, "xenopsd-backend": "classic"}.items():
            Store.write(f"{private}/{key}", value)
        Store.write(f"{private}/setup-vif-rules", self._hook())

    @staticmethod
    def domid_of(guest: Guest) -> int | None:
        """As Xen has it now; None where there is no such domain."""
        done = subprocess.run(["xl", "domid", guest.name], capture_output=True, text=True)
        return int(done.stdout) if done.returncode == 0 else None

    def ended(self, guest: Guest) -> None:
        """What is left to do when the domain is gone: its hooks ran, its keys go."""
        until(lambda: not os.path.exists(f"/sys/class/net/{guest.port()}"), f"the end of {guest.port()}")
        sh("udevadm", "settle")
        Store.remove(f"/xapi/{guest.vm}")
        self.db.update("VM", guest.ref, power_state="Halted", domid=-1, resident_on="OpaqueRef:NULL")
        for vif in guest.vifs:
            self.db.update("VIF", vif.ref, currently_attached=False)

    def destroy(self, guest: Guest) -> None:
        sh("xl", "destroy", guest.name)
        self.ended(guest)

    def _copy_vm_data(self) -> None:
        """xenopsd watches what the guest writes, and xapi copies it into the database."""
        while not self._stopping:
            for guest in list(self.guests.values()):
                row = self.db.get("VM", guest.ref)
                if row["power_state"] != "Running":
                    continue
                live = self._tree(f"/local/domain/{guest.domid}/vm-data", "vm-data")
                kept = {key: value for key, value in row["xenstore_data"].items() if not key.startswith("vm-data/")}
                if {**kept, **live} != row["xenstore_data"]:
                    self.db.update("VM", guest.ref, xenstore_data={**kept, **live})
            time.sleep(0.5)

    def _tree(self, path: str, name: str) -> dict[str, str]:
        found = {}
        for child in Store.names(path):
            value = Store.read(f"{path}/{child}")
            if value:
                found[f"{name}/{child}"] = value
            found.update(self._tree(f"{path}/{child}", f"{name}/{child}"))
        return found
