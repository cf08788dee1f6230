"""A private Open vSwitch with the dummy datapath: no root, no frames, but the real parser, tables and ofproto/trace."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from ovs.unixctl.client import UnixctlClient

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_SHOW = re.compile(r"^\s+(\S+) (\d+)/(\d+):", re.MULTILINE)


class DummySwitch:
    """One bridge, ``br0``, with the ports asked for (name, OpenFlow number, access VLAN or 0)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {name: str(folder) for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR")}
        self.env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
        self._processes: list[subprocess.Popen] = []
        self._client: UnixctlClient | None = None
        self.ports: dict[int, int] = {}
        """OpenFlow port by datapath port."""

    def run(self, *words: str, feed: str | None = None) -> str:
        done = subprocess.run(words, env=self.env, input=feed, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def start(self) -> None:
        database = self.folder / "conf.db"
        self.run("ovsdb-tool", "create", str(database), SCHEMA)
        socket = f"unix:{self.folder}/db.sock"
        self._spawn("ovsdb-server", str(database), f"--remote=p{socket}", "--pidfile", "-vconsole:off", "-vsyslog:off")
        self._wait(self.folder / "db.sock")
        self.run("ovs-vsctl", "--no-wait", "init")
        words = ["--enable-dummy=override", "--disable-system", "--pidfile", "-vconsole:off", "-vsyslog:off"]
        self._spawn("ovs-vswitchd", socket, *words, f"--unixctl={self.folder}/vswitchd.ctl")
        self._wait(self.folder / "vswitchd.ctl")
        error, client = UnixctlClient.create(f"{self.folder}/vswitchd.ctl")
        assert not error
        self._client = client

    def _spawn(self, *words: str) -> None:
        found = shutil.which(words[0], path=self.env["PATH"])
        assert found, f"{words[0]} is not installed"
        self._processes.append(
            subprocess.Popen(
                [found, *words[1:]], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )

    def _wait(self, path: Path) -> None:
        for _ in range(500):
            if path.exists():
                return
            try:
                self._processes[-1].wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"ended before {path} was there")
        raise AssertionError(f"{path} did not come")

    def bridge(self, ports: list[tuple[str, int, int]], no_flood: list[str]) -> None:
        self.run("ovs-vsctl", "--if-exists", "del-br", "br0")
        words = ["ovs-vsctl", "add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=dummy", "fail_mode=standalone"]
        for name, number, tag in ports:
            words += ["--", "add-port", "br0", name, *([f"tag={tag}"] if tag else [])]
            words += ["--", "set", "Interface", name, "type=dummy", f"ofport_request={number}"]
        self.run(*words)
        for name in no_flood:
            self.run("ovs-ofctl", "-O", "OpenFlow10", "mod-port", "br0", name, "no-flood")
        self.ports = {}
        for name, openflow, datapath in _SHOW.findall(self.appctl("dpif/show")):
            self.ports[int(datapath)] = 65534 if name == "br0" else int(openflow)

    def appctl(self, command: str, *arguments: str) -> str:
        assert self._client is not None
        number, error, result = self._client.transact(command, list(arguments))
        assert not error, f"{command}: {error}"
        assert not number, command
        return str(result)

    def trace(self, in_port: int, frame: bytes) -> tuple[Counter, str]:
        """How often the frame leaves by each OpenFlow port, and the whole trace."""
        self.appctl("fdb/flush", "br0")
        text = self.appctl("ofproto/trace", "br0", f"in_port={in_port}", frame.hex())
        actions = text.rpartition("Datapath actions: ")[2].split("\n")[0]
        found: Counter = Counter()
        for word in re.sub(r"\([^()]*(\([^()]*\)[^()]*)*\)", "", actions).split(","):
            if word.strip().isdigit():
                found[self.ports[int(word)]] += 1
        return found, text

    def stop(self) -> None:
        if self._client is not None:
            self._client.close()
        for process in reversed(self._processes):
            process.terminate()
            process.wait(10)
