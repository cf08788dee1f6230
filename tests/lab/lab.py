"""A pool for a test, and what its tests ask of it."""

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

from ringfence_lab import netns
from ringfence_lab.folder import LabFolder
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool
from ringfence_lab.probe import ETH_P_ALL, exchange, packet_socket
from ringfence_lab.scenario import read

BACKEND = "default=isolated inside=10.0.0.0/24 gateways=10.0.0.1"


@contextlib.contextmanager
def running(scenario: dict) -> Iterator[Pool]:
    """The pool of a scenario, taken down whatever happens."""
    folder = LabFolder()
    folder.take()
    made = Pool(folder, read(scenario))
    try:
        made.build()
        yield made
    finally:
        if made.xapi_up:
            made.stop_xapi()
        folder.leave()


def guest(host: str, number: int, line: str, network: str = "backend") -> dict:
    """A guest with one VIF at 10.0.0.NUMBER, which its record lists."""
    address = f"10.0.0.{number}"
    return {"host": host, "vifs": [{"network": network, "addresses": [address], "ringfence": f"ipv4={address} {line}"}]}


def port(pool: Pool, host: Host, name: str) -> tuple[str, int]:
    """Interface and OpenFlow port of a guest's first VIF."""
    interface = f"vif{pool.db.get('VM', pool.vms[name])['domid']}.0"
    return interface, int(host.switch.vsctl("get", "Interface", interface, "ofport"))


def ringfence(host: Host, *words: str) -> subprocess.CompletedProcess:
    return host.run("ringfence", *words)


def reaches(pool: Pool, one: str, other: str, patience: float = 2.0) -> bool:
    return exchange(pool.ends[one], pool.ends[other], "icmp", 4, patience)


def udp(pool: Pool, source: str, target: str, one: str, other: str, port: int = 4000) -> bytes:
    """A UDP frame with the MACs of two ends and any addresses."""
    from scapy.all import IP, UDP, Ether

    return bytes(Ether(src=pool.ends[source].mac, dst=pool.ends[target].mac) / IP(src=one, dst=other) / UDP(sport=port, dport=9))


def log_of(host: Host) -> str:
    return (host.root / "agent.log").read_text()


class Flood:
    """A guest sends strange frames without end, while what the switches give to any VIF of the hosts is watched."""

    def __init__(self, pool: Pool, senders: dict[str, list[bytes]], hosts: list[Host]) -> None:
        self.sent = 0
        self.leaked: list[tuple[str, float, bytes]] = []
        """Interface, when (monotonic), and frame."""
        self._pool = pool
        self._bodies = {frame[14:] for frames in senders.values() for frame in frames}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=row) for row in senders.items()]
        self._threads += [threading.Thread(target=self._watch, args=(host,)) for host in hosts]

    def __enter__(self) -> "Flood":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.3)
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, name: str, frames: list[bytes]) -> None:
        """A guest that moves has another interface afterwards."""
        while not self._stop.is_set():
            try:
                with packet_socket(self._pool.ends[name]) as raw:
                    while not self._stop.wait(0.002):
                        for frame in frames:
                            raw.send(frame)
                            self.sent += 1
            except OSError:
                self._stop.wait(0.005)

    def _watch(self, host: Host) -> None:
        """Every interface of dom0, those that come later too; what goes out of a vif is in the guest."""

        def make() -> socket.socket:
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
            raw.settimeout(0.1)
            return raw

        with netns.inside(host.name, make) as raw:
            while not self._stop.is_set():
                try:
                    frame, address = raw.recvfrom(2048)
                except TimeoutError:
                    continue
                if address[2] == socket.PACKET_OUTGOING and address[0].startswith(("vif", "tap")) and frame[14:] in self._bodies:
                    self.leaked.append((f"{host.name} {address[0]}", time.monotonic(), frame))
