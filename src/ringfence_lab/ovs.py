"""One Open vSwitch instance of the lab: its own database, its own userspace switch."""

import os
import signal
import subprocess
from pathlib import Path

from .folder import LabFolder, wait_for

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Switch:
    """ovsdb-server and ovs-vswitchd in the namespace of ``owner``, files under ``root``."""

    def __init__(self, folder: LabFolder, owner: str, root: Path) -> None:
        self.folder = folder
        self.owner = owner
        self.root = root
        self.env = {name: str(root) for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR")}
        self._vswitchd: subprocess.Popen | None = None

    def start(self) -> None:
        self.root.mkdir(parents=True)
        database = self.root / "conf.db"
        self.run("ovsdb-tool", "create", str(database), SCHEMA)
        self._start_database()
        self.run("ovs-vsctl", "--no-wait", "init")
        self.start_vswitchd()

    def _start_database(self) -> None:
        socket = self.root / "db.sock"
        words = ["ovsdb-server", str(self.root / "conf.db"), f"--remote=punix:{socket}", "--pidfile", "-vconsole:warn", "-vsyslog:off"]
        self._database = self.folder.spawn(self.owner, words, self.env, self.root / "ovsdb-server.log")
        wait_for(socket.exists, f"{socket}")

    def restart_database(self) -> None:
        """ovsdb-server ends and comes back; the switch goes on meanwhile."""
        self.folder.end(self._database)
        (self.root / "db.sock").unlink(missing_ok=True)
        (self.root / "ovsdb-server.pid").unlink(missing_ok=True)
        self._start_database()

    def start_vswitchd(self) -> None:
        words = ["ovs-vswitchd", f"unix:{self.root / 'db.sock'}", "--pidfile", "--disable-system", "-vconsole:warn", "-vsyslog:off"]
        self._vswitchd = self.folder.spawn(self.owner, words, self.env, self.root / "ovs-vswitchd.log")
        wait_for((self.root / "ovs-vswitchd.pid").exists, "ovs-vswitchd")

    def stop_vswitchd(self, *, kill: bool = False) -> None:
        if self._vswitchd is not None:
            self.folder.end(self._vswitchd, signal.SIGKILL if kill else signal.SIGTERM)
            (self.root / "ovs-vswitchd.pid").unlink(missing_ok=True)

    def run(self, *words: str) -> str:
        """A command with this switch's environment. Raises RuntimeError."""
        done = subprocess.run(words, env={**os.environ, **self.env}, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def vsctl(self, *words: str) -> str:
        return self.run("ovs-vsctl", "--timeout=20", *words)
