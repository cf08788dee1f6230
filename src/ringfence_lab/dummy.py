"""A private Open vSwitch that needs no root: the real parser, tables, ofproto/trace and userspace datapath, on ports that are files."""

import io
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ovs.unixctl.client import UnixctlClient
from scapy.utils import RawPcapReader

from ringfence.switch.bridge import prefix_words

LOCAL = 65534
"""OpenFlow number of the bridge's own port, in 16 bits."""
PCAP_HEAD = 24
"""Bytes before the first frame of a file."""
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_LOOKUPS = re.compile(r"(?:hit|missed|lost):(\d+)")
_SHOW = re.compile(r"^\s+(\S+) (\d+)/(\d+):", re.MULTILINE)


class Left(NamedTuple):
    """A frame that left the switch."""

    port: int
    frame: bytes


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
        self._sent: dict[int, tuple[Path, int]] = {}
        """By OpenFlow port: the file that takes what leaves by it, and how much of that was read."""
        self._names: dict[int, str] = {}
        self._looked_up = 0

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
        for old in self.folder.glob("*.pcap"):
            old.unlink()
        words = ["ovs-vsctl", "add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=dummy", "fail_mode=standalone"]
        words += ["--", *prefix_words("br0")]
        for name, number, tag in ports:
            words += ["--", "add-port", "br0", name, *([f"tag={tag}"] if tag else [])]
            words += ["--", "set", "Interface", name, "type=dummy", f"ofport_request={number}"]
        self._names = {number: name for name, number, _ in ports} | {LOCAL: "br0"}
        for name in self._names.values():
            words += ["--", "set", "Interface", name, f"options:tx_pcap={self.folder}/{name}.pcap"]
        self.run(*words)
        self._looked_up = self._lookups()
        self._sent = {number: (self.folder / f"{name}.pcap", PCAP_HEAD) for number, name in self._names.items()}
        for name in no_flood:
            self.run("ovs-ofctl", "-O", "OpenFlow10", "mod-port", "br0", name, "no-flood")
        self.ports = {}
        for name, openflow, datapath in _SHOW.findall(self.appctl("dpif/show")):
            self.ports[int(datapath)] = LOCAL if name == "br0" else int(openflow)

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

    def forget(self) -> None:
        """What the switch has cached and learned: datapath flows, which as they go still teach it MACs, and then these."""
        self.appctl("revalidator/purge")
        self.appctl("fdb/flush", "br0")

    def emit(self, in_port: int, frame: bytes) -> list[Left]:
        """Send a frame through the datapath, with all that it has learned and cached; what leaves, by which ports."""
        self.appctl("netdev-dummy/receive", self._names[in_port], frame.hex())
        self._looked_up += 1
        assert any(self._lookups() >= self._looked_up for _ in range(10_000)), "the datapath did not take the frame"
        found = []
        for number, (path, read) in self._sent.items():
            size = path.stat().st_size
            if size > read:
                with path.open("rb") as kept:
                    head = kept.read(PCAP_HEAD)
                    kept.seek(read)
                    more = RawPcapReader(io.BytesIO(head + kept.read(size - read)))
                found += [Left(number, sent) for sent, _ in more]
                self._sent[number] = (path, size)
        return found

    def _lookups(self) -> int:
        """How many frames the datapath has dealt with."""
        return sum(map(int, _LOOKUPS.findall(self.appctl("dpctl/show"))[:3]))

    def stop(self) -> None:
        if self._client is not None:
            self._client.close()
        for process in reversed(self._processes):
            process.terminate()
            process.wait(10)
