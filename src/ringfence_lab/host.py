"""A host of the lab: its namespace, its switch laid out as XCP-ng does, xenstore, xenopsd and the agent."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from ringfence.agent.client import ask
from ringfence.errors import Unreachable

from . import netns
from .folder import LabFolder, wait_for
from .ovs import Switch
from .xenstore import Xenstore

PRESENCE_S = 1
"""Between two signs of presence; a real pool takes a minute."""


class Host:
    """Processes run in its namespace with RINGFENCE_ROOT at its own folder."""

    def __init__(self, folder: LabFolder, name: str, uuid: str, *, stock: bool = False) -> None:
        self.folder = folder
        self.name = name
        self.uuid = uuid
        self.stock = stock
        """Whether it runs the stock hook, and no agent."""
        self.wrap: list[str] = []
        """What the agent is started with: a fault to be tried."""
        self.root = folder.root / name
        self.switch = Switch(folder, name, self.root / "ovs")
        self.agent: subprocess.Popen | None = None
        self.domid = 0

    @property
    def env(self) -> dict[str, str]:
        tools = os.path.dirname(sys.executable)
        return {
            **self.switch.env,
            "RINGFENCE_ROOT": str(self.root),
            "XENSTORED_PATH": str(self.xenstore.socket),
            "PATH": f"{self.root / 'bin'}:{tools}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        }

    def prepare(self) -> None:
        netns.add(self.name)
        self.root.mkdir()
        (self.root / "bin").mkdir()
        self.xenstore = Xenstore(self.root)
        self.folder.at_end.append(self.xenstore.stop)
        xe = self.root / "bin" / "xe"
        xe.write_text(f'#!/bin/sh\nexec {sys.executable} -m ringfence_lab.xe "$@"\n')
        xe.chmod(0o755)
        inventory = self.root / "etc" / "xensource-inventory"
        inventory.parent.mkdir()
        inventory.write_text(f"INSTALLATION_UUID='{self.uuid}'\n")
        (inventory.parent / "xensource").mkdir()
        (inventory.parent / "xensource" / "network.conf").write_text("openvswitch\n")
        (self.root / "run" / "ringfence").mkdir(parents=True)
        self.switch.start()

    def bridge(self, name: str, uplinks: list[str], bond: str = "") -> None:
        """A bridge with a NIC, a bond or (no uplinks) nothing."""
        words = ["--", "--may-exist", "add-br", name, "--", "set", "Bridge", name, "datapath_type=netdev"]
        if bond:
            words += ["--", "add-bond", name, f"bond-{name}", *uplinks, f"bond_mode={bond}"]
        else:
            for uplink in uplinks:
                words += ["--", "--may-exist", "add-port", name, uplink]
        self.switch.vsctl(*words[1:])

    def vlan_bridge(self, name: str, parent: str, tag: int) -> None:
        self.switch.vsctl("--may-exist", "add-br", name, parent, str(tag))

    def start_agent(self) -> None:
        if self.stock:
            return
        words = [*self.wrap, sys.executable, "-m", "ringfence.agent.daemon", "--presence", str(PRESENCE_S)]
        if self.agent is None or self.agent.poll() is not None:
            self.agent = self.folder.spawn(self.name, words, self.env, self.root / "agent.log")

    def start_watchdog(self) -> None:
        if self.stock:
            return
        words = [sys.executable, "-m", "ringfence.agent.daemon", "--watchdog"]
        self.folder.spawn(self.name, words, self.env, self.root / "watchdog.log")

    def stop_agent(self, *, kill: bool = False) -> None:
        if self.agent is not None:
            self.folder.end(self.agent, signal.SIGKILL if kill else signal.SIGTERM)
            self.agent = None

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask the agent. Raises Unreachable."""
        return ask(request, 10.0, str(self.root / "run" / "ringfence" / "agent.sock"))

    def settled(self, generation: int | None) -> bool:
        """Whether the agent (where one runs) has enforced the database as of ``generation`` (None: whatever it knows)."""
        if self.agent is None:
            return True
        try:
            status = self.ask(op="status", look=True)
        except Unreachable:
            return False
        if generation is None:
            return bool(status["settled"])
        number = str(status["token"]).rpartition(",")[2]
        return bool(status["in_sync"]) and number.isdigit() and int(number) >= generation

    def hook(self, interface: str, vm: str, device: str, action: str) -> int:
        """Run the hook as the vif script does; its exit status."""
        module = "ringfence_lab.stock" if self.stock else "ringfence.hook.main"
        words = [sys.executable, "-m", module, "classic", interface, vm, device, action]
        return self._exec(words).returncode

    def run(self, *words: str) -> subprocess.CompletedProcess:
        return self._exec(list(words))

    def _exec(self, words: list[str]) -> subprocess.CompletedProcess:
        done = subprocess.run(
            ["ip", "netns", "exec", netns.name_of(self.name), *words], env={**os.environ, **self.env}, capture_output=True, text=True
        )
        if done.stderr:
            with (self.root / "commands.log").open("a") as log:
                log.write(f"{' '.join(words)}: {done.stderr}")
        return done

    def json_path(self, vm: str, device: str) -> Path:
        return self.root / f"var/run/nonpersistent/xenopsd/classic/VM/{vm}/vif.{device}"

    def write_json(self, vm: str, device: str, data: dict[str, Any]) -> None:
        path = self.json_path(vm, device)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))

    def forget_json(self, vm: str) -> None:
        shutil.rmtree(self.json_path(vm, "0").parent, ignore_errors=True)

    def restart_switch(self, *, kill: bool) -> None:
        self.switch.stop_vswitchd(kill=kill)
        self.switch.start_vswitchd()

    def lose_flows(self) -> None:
        """Every flow deleted by hand; the base flow comes back as a bridge has it."""
        for bridge in self.switch.vsctl("--bare", "--columns=name", "list", "bridge").split():
            self.switch.run("ovs-ofctl", "-O", "OpenFlow14", "del-flows", bridge)
            self.switch.run("ovs-ofctl", "-O", "OpenFlow14", "add-flow", bridge, "priority=0,actions=NORMAL")

    def wait_ready(self) -> None:
        if not self.stock:
            wait_for(lambda: self.settled(0), f"the agent of {self.name}", 20)
