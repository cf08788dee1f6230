"""xenopsd and the vif script, simulated: the same files, the same hook in the same order, a new domain id at each start."""

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from ringfence.errors import RingfenceError

from . import netns
from .database import NULL
from .ends import configure, without_offload
from .host import Host
from .probe import send_frame

if TYPE_CHECKING:
    from .pool import Pool

QUOTA = 1000
"""Nodes that a domain may own, as oxenstored has it by default."""


class Xenopsd:
    """One queue a VM: operations of one VM follow one another."""

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self._queues: dict[str, threading.RLock] = {}
        self._known: dict[str, dict[str, dict[str, Any]]] = {}
        """VIF metadata by guest by device, as it was when the VM was started: what a guest's own reboot uses."""
        self._read_only: set[tuple[str, int]] = set()
        """Host and domain id of the guests whose vm-data was replaced live."""
        self._domids: dict[str, int] = {}
        self.blackout = (0.0, 0.0)
        """When (monotonic) the guest of the last migration was gone from the source, and when it was back on the wire."""

    def queue(self, guest: str) -> threading.RLock:
        return self._queues.setdefault(guest, threading.RLock())

    # Operations on VMs.

    def start(self, guest: str, host_name: str) -> None:
        """VM.start on a host."""
        with self.queue(guest):
            self._known[guest] = self._metadata(guest)
            host = self.pool.hosts[host_name]
            self._run_domain(guest, host)
            ref = self._host_ref(host)
            self.pool.db.update("VM", self.pool.vms[guest], power_state="Running", resident_on=ref, domid=self._domid(guest))

    def stop(self, guest: str) -> None:
        with self.queue(guest):
            host = self._running_on(guest)
            self._end_domain(guest, host)
            self.pool.db.update("VM", self.pool.vms[guest], power_state="Halted", resident_on=NULL, domid=-1)
            host.forget_json(self._uuid(guest))

    def suspend(self, guest: str) -> None:
        """The domain goes, what is known of its VIFs stays; XAPI says Suspended."""
        with self.queue(guest):
            host = self._running_on(guest)
            self._end_domain(guest, host)
            self.pool.db.update("VM", self.pool.vms[guest], power_state="Suspended", resident_on=NULL, domid=-1)
            host.forget_json(self._uuid(guest))

    def reboot(self, guest: str) -> None:
        """By the guest itself: no XAPI call; VIFs come back with the metadata of the last start."""
        with self.queue(guest):
            host = self._running_on(guest)
            self._end_domain(guest, host)
            self._run_domain(guest, host)
            self.pool.db.update("VM", self.pool.vms[guest], domid=self._domid(guest))

    def crash(self, guest: str) -> None:
        """The domain is gone at once: devices first, hooks afterwards; the VM is halted."""
        self.stop(guest)

    def plug(self, vif: str) -> None:
        guest, _, device = vif.partition("/")
        with self.queue(guest):
            host = self._running_on(guest)
            self._known.setdefault(guest, {})[device] = self._metadata(guest)[device]
            self._plug(guest, device, host, self._domid(guest))

    def unplug(self, vif: str) -> None:
        guest, _, device = vif.partition("/")
        with self.queue(guest):
            host = self._running_on(guest)
            self._unplug(guest, device, host, self._domid(guest))
            self._known.get(guest, {}).pop(device, None)

    def move(self, vif: str, network: str) -> None:
        """VIF.move: the JSON is rewritten, and the hook runs on the port as it stands."""
        guest, _, device = vif.partition("/")
        with self.queue(guest):
            host = self._running_on(guest)
            self.pool.db.update("VIF", self.pool.vifs[vif], network=self.pool.networks[network])
            self._known[guest][device] = self._metadata(guest)[device]
            self._register(guest, device, host, self._domid(guest), self._uuid(guest))
            if host.hook(f"vif{self._domid(guest)}.{device}", self._uuid(guest), device, "filter"):
                raise RingfenceError(f"the hook refused to move {vif}", host.name, f"see {host.root}/var/log")
            self.pool.ends[vif] = self.pool.ends[vif]._replace(network=network)

    def set_mode(self, ref: str) -> None:
        """VIF.set_locking_mode on a running VM: only the mode in xenopsd's metadata changes; exit status ignored."""
        vif = next(name for name, known in self.pool.vifs.items() if known == ref)
        guest, _, device = vif.partition("/")
        with self.queue(guest):
            host = self.pool.host_of(guest)
            if host is not None and self.pool.db.get("VIF", ref)["currently_attached"]:
                self._known[guest][device]["locking_mode"] = self._metadata(guest)[device]["locking_mode"]
                self._register(guest, device, host, self._domid(guest), self._uuid(guest))
                host.hook(f"vif{self._domid(guest)}.{device}", self._uuid(guest), device, "filter")

    def migrate(self, guest: str, target_name: str, pause: float, *, fails: bool = False) -> None:
        """The target is plugged ``pause`` seconds before the guest moves; the guest announces itself there.

        One that ``fails`` does so after the pause: the target is cleared, and the guest never left.
        """
        with self.queue(guest):
            source, target = self._running_on(guest), self.pool.hosts[target_name]
            if source is target:
                raise RingfenceError(f"{guest} is on {target_name} already", mend="name another host")
            vm = self.pool.vms[guest]
            self.pool.db.update("VM", vm, current_operations={"OpaqueRef:migration": "pool_migrate"})
            old = self._domid(guest)
            try:
                self._migrate(guest, source, target, old, pause, fails)
            finally:
                self.pool.db.update("VM", vm, current_operations={})

    def _migrate(self, guest: str, source: Host, target: Host, old: int, pause: float, fails: bool) -> None:
        uuid = self._uuid(guest)
        temporary = uuid[:-12] + "000000000001"
        devices = sorted(self._known[guest])
        target.domid += 1
        new = target.domid
        target.xenstore.write(f"/vm/{temporary}/final-uuid", uuid)
        for device in devices:
            self._device(guest, device, target, new, parked=True)
            self._register(guest, device, target, new, temporary)
            if target.hook(f"vif{new}.{device}", temporary, device, "filter"):
                raise RingfenceError(f"the target refused {guest}/{device}", target.name, f"see {target.root}/var/log")
        threading.Event().wait(pause)
        if fails:
            for device in devices:
                netns.run("ip", "-n", netns.name_of(target.name), "link", "del", f"vif{new}.{device}")
                target.hook(f"vif{new}.{device}", temporary, device, "clear")
            target.forget_json(temporary)
            return
        left = time.monotonic()
        for device in devices:
            netns.run("ip", "-n", netns.name_of(source.name), "link", "del", f"vif{old}.{device}")
            netns.run(
                "ip", "-n", netns.name_of("limbo"), "link", "set", f"g{new}-{device}", "netns", netns.name_of(guest), "name", f"eth{device}"
            )
            self._configure(guest, device)
        for device in devices:
            self.announce(f"{guest}/{device}")
        self.blackout = (left, time.monotonic())
        for device in devices:
            # The target is renamed to the final uuid, the source's devices are cleared.
            self._register(guest, device, target, new, uuid)
            source.hook(f"vif{old}.{device}", uuid, device, "clear")
        target.forget_json(temporary)
        source.forget_json(uuid)
        self._domids[guest] = new
        self.pool.db.update("VM", self.pool.vms[guest], resident_on=self._host_ref(target), domid=new)

    def announce(self, vif: str) -> None:
        """What QEMU or the guest's front end sends on landing: reverse ARP with the own MAC, and gratuitous ARP."""
        end = self.pool.ends[vif]
        mac = bytes.fromhex(end.mac.replace(":", ""))
        send_frame(end, b"\xff" * 6 + mac + bytes.fromhex("80350001080006040003") + mac + bytes(4) + mac + bytes(4))
        for address in end.addresses:
            if address.version == 4:
                own = address.ip.packed
                send_frame(end, b"\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + own + bytes(6) + own)

    # What the guest does to its store.

    def guest_write(self, guest: str, path: str, value: str) -> None:
        """Root in the guest writes below its vm-data; xapi copies it into the database. Raises ValueError."""
        host = self._running_on(guest)
        domid = self._domid(guest)
        if (host.name, domid) in self._read_only:
            raise RingfenceError(f"{guest} may only read its vm-data until its next boot", mend="reboot it first")
        if len(host.xenstore.tree(f"/local/domain/{domid}/vm-data")) >= QUOTA:
            raise ValueError(f"{guest}: EQUOTA: a domain owns at most {QUOTA} nodes")
        host.xenstore.write(f"/local/domain/{domid}/{path}", value)
        self._copy_back(guest, host, domid)

    def guest_remove(self, guest: str, path: str) -> None:
        host = self._running_on(guest)
        host.xenstore.remove(f"/local/domain/{self._domid(guest)}/{path}")
        self._copy_back(guest, host, self._domid(guest))

    def _copy_back(self, guest: str, host: Host, domid: int) -> None:
        live = {f"vm-data/{k}": v for k, v in host.xenstore.tree(f"/local/domain/{domid}/vm-data").items()}
        vm = self.pool.vms[guest]
        with self.pool.db.changed:
            kept = {k: v for k, v in self.pool.db.get("VM", vm)["xenstore_data"].items() if not k.startswith("vm-data/")}
            self.pool.db.update("VM", vm, xenstore_data={**kept, **live})

    def replace_vm_data(self, ref: str) -> None:
        """VM.set_xenstore_data on a running VM: waits in its queue, then makes the tree anew, read-only to the guest."""
        guest = next(name for name, vm in self.pool.vms.items() if vm == ref)
        with self.queue(guest):
            host = self.pool.host_of(guest)
            if host is not None:
                domid = self._domid(guest)
                host.xenstore.remove(f"/local/domain/{domid}/vm-data")
                self._write_vm_data(guest, host, domid)
                self._read_only.add((host.name, domid))

    def _write_vm_data(self, guest: str, host: Host, domid: int) -> None:
        for key, value in self.pool.db.get("VM", self.pool.vms[guest])["xenstore_data"].items():
            if key.startswith("vm-data/"):
                host.xenstore.write(f"/local/domain/{domid}/{key}", value)

    # Domains and devices.

    def _uuid(self, guest: str) -> str:
        return str(self.pool.db.get("VM", self.pool.vms[guest])["uuid"])

    def _domid(self, guest: str) -> int:
        return self._domids[guest]

    def _host_ref(self, host: Host) -> str:
        return self.pool.db.by_uuid("host", host.uuid)

    def _running_on(self, guest: str) -> Host:
        host = self.pool.host_of(guest) if guest in self.pool.vms else None
        if host is None:
            raise RingfenceError(f"{guest} is not running", mend="start it first")
        return host

    def _metadata(self, guest: str) -> dict[str, dict[str, Any]]:
        """What xapi hands to xenopsd: VIF.other_config whole, the locking mode resolved."""
        found = {}
        for name, ref in self.pool.vifs.items():
            owner, _, device = name.partition("/")
            if owner != guest:
                continue
            row = self.pool.db.get("VIF", ref)
            network = self.pool.db.get("network", row["network"])
            mode = network["default_locking_mode"] if row["locking_mode"] == "network_default" else row["locking_mode"]
            locking: Any = mode.capitalize()
            if mode == "locked":
                locking = ["Locked", {"ipv4": row["ipv4_allowed"], "ipv6": row["ipv6_allowed"]}]
            found[device] = {
                "id": [self._uuid(guest), device],
                "position": int(device),
                "mac": row["MAC"],
                "carrier": True,
                "mtu": 1500,
                "rate": None,
                "backend": ["Local", network["bridge"]],
                "other_config": dict(row["other_config"]),
                "locking_mode": locking,
                "extra_private_keys": {"vif-uuid": row["uuid"], "network-uuid": network["uuid"]},
                "vlan": None,
                "trunks": [],
            }
        return found

    def _run_domain(self, guest: str, host: Host) -> None:
        host.domid += 1
        domid = self._domids[guest] = host.domid
        host.xenstore.write(f"/local/domain/{domid}/vm", f"/vm/{self._uuid(guest)}")
        self._write_vm_data(guest, host, domid)
        for device in sorted(self._known[guest]):
            self._plug(guest, device, host, domid)

    def _end_domain(self, guest: str, host: Host) -> None:
        domid = self._domid(guest)
        for device in sorted(self._known[guest]):
            if self.pool.db.get("VIF", self.pool.vifs[f"{guest}/{device}"])["currently_attached"]:
                self._unplug(guest, device, host, domid)
        host.xenstore.remove(f"/local/domain/{domid}")
        host.xenstore.remove(f"/xapi/{self._uuid(guest)}")

    def _register(self, guest: str, device: str, host: Host, domid: int, vm: str) -> None:
        """The JSON and the private keys of a VIF."""
        data = json.loads(json.dumps(self._known[guest][device]))
        data["id"] = [vm, device]
        host.write_json(vm, device, data)
        private = f"/xapi/{vm}/private/vif/{device}"
        host.xenstore.write(f"{private}/bridge", data["backend"][1])
        host.xenstore.write(f"{private}/vif-uuid", data["extra_private_keys"]["vif-uuid"])
        host.xenstore.write(f"{private}/network-uuid", data["extra_private_keys"]["network-uuid"])
        host.xenstore.write(f"/xapi/{vm}/hotplug/{domid}/vif/{device}/hotplug", "online")

    def _device(self, guest: str, device: str, host: Host, domid: int, *, parked: bool = False) -> None:
        """netback's device, and the guest's end of it."""
        mac = self._known[guest][device]["mac"]
        near, far = f"vif{domid}.{device}", f"g{domid}-{device}" if parked else f"eth{device}"
        owner = "limbo" if parked else guest
        netns.run(
            "ip", "link", "add", near, "address", "fe:ff:ff:ff:ff:ff", "netns", netns.name_of(host.name), "type", "veth",
            "peer", "name", far, "address", mac, "netns", netns.name_of(owner),
        )  # fmt: skip
        without_offload(owner, far)
        without_offload(host.name, near)

    def _configure(self, guest: str, device: str) -> None:
        spec = self.pool.spec(f"{guest}/{device}")
        netns.ip(guest, *configure(f"eth{device}", self.pool.ends[f"{guest}/{device}"].addresses, spec.gateway))

    def _plug(self, guest: str, device: str, host: Host, domid: int) -> None:
        """vif-real online: private keys and JSON are there, then the hook, then the guest may use it."""
        uuid = self._uuid(guest)
        self._device(guest, device, host, domid)
        self._register(guest, device, host, domid, uuid)
        if host.hook(f"vif{domid}.{device}", uuid, device, "filter"):
            host.xenstore.write(f"/local/domain/0/backend/vif/{domid}/{device}/hotplug-error", "hook failed")
            raise RingfenceError(f"the hook failed for {guest}/{device}", host.name, f"see {host.root}/var/log/setup-vif-rules.log")
        host.xenstore.write(f"/local/domain/0/backend/vif/{domid}/{device}/hotplug-status", "connected")
        self._configure(guest, device)
        self.pool.db.update("VIF", self.pool.vifs[f"{guest}/{device}"], currently_attached=True)

    def _unplug(self, guest: str, device: str, host: Host, domid: int) -> None:
        """udev's remove comes after netback has freed the device."""
        netns.run("ip", "-n", netns.name_of(host.name), "link", "del", f"vif{domid}.{device}")
        if host.hook(f"vif{domid}.{device}", self._uuid(guest), device, "clear"):
            raise RingfenceError(f"clear failed for {guest}/{device}", host.name, f"see {host.root}/var/log/setup-vif-rules.log")
        host.xenstore.remove(f"/xapi/{self._uuid(guest)}/hotplug/{domid}/vif/{device}")
        host.xenstore.remove(f"/local/domain/0/backend/vif/{domid}/{device}")
        self.pool.db.update("VIF", self.pool.vifs[f"{guest}/{device}"], currently_attached=False)
