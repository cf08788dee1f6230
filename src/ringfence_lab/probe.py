"""Frames sent and seen: raw sockets in the guests' namespaces."""

import os
import select
import socket
import struct
import threading
import time
from typing import Any

from . import netns
from .ends import End

ETH_P_ALL = 3


def packet_socket(end: End) -> socket.socket:
    """A raw socket on the interface of an end."""

    def make() -> socket.socket:
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            raw.bind((end.device, ETH_P_ALL))
            raw.setblocking(False)
        except OSError:
            raw.close()
            raise
        return raw

    return netns.inside(end.owner, make)


def send_frame(end: End, frame: bytes) -> None:
    with packet_socket(end) as raw:
        raw.send(frame)


def present(end: End) -> bool:
    """Whether the interface exists: a VIF that is not plugged has none."""
    return os.path.exists(f"/run/netns/{netns.name_of(end.owner)}") and netns.inside(
        end.owner, lambda: end.device in {name for _, name in socket.if_nameindex()}
    )


class Capture:
    """Frames that come in at some ends, in the order in which they were read."""

    def __init__(self, ends: list[End]) -> None:
        self._sockets = {packet_socket(end): end for end in ends if present(end)}
        self.frames: list[tuple[End, bytes]] = []

    def read(self, wait: float) -> bool:
        """Take in what is there, waiting ``wait`` seconds for the first frame; False where none came."""
        ready, _, _ = select.select(list(self._sockets), [], [], wait)
        for raw in ready:
            while True:
                try:
                    frame, address = raw.recvfrom(65536)
                except (BlockingIOError, OSError):
                    break
                if address[2] != socket.PACKET_OUTGOING:
                    self.frames.append((self._sockets[raw], frame))
        return bool(ready)

    def close(self) -> None:
        for raw in self._sockets:
            raw.close()

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Pinger:
    """Echo requests at an interval from one end to an address, replies counted, late ones too."""

    def __init__(self, end: End, address: str, interval: float) -> None:
        self._target = address
        self._version = 6 if ":" in address else 4
        self._interval = interval
        self._number = (id(self) >> 4) & 0xFFFF

        def make() -> socket.socket:
            if self._version == 4:
                raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            else:
                raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            raw.settimeout(0.05)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, end.device.encode())
            return raw

        self._socket = netns.inside(end.owner, make)
        self.sent = 0
        self.unsent = 0
        """Sends that the guest's own kernel refused: no neighbour, no route."""
        self.answered: dict[int, float] = {}
        """When (monotonic) the reply to each came first."""
        self.times: list[float] = []
        """When (monotonic) each was sent; the first is number 1."""
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True), threading.Thread(target=self._receive, daemon=True)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        kind = 8 if self._version == 4 else 128
        due = time.monotonic()
        while not self._stopping.is_set():
            self.sent += 1
            self.times.append(time.monotonic())
            head = struct.pack("!BBHHH", kind, 0, 0, self._number, self.sent & 0xFFFF)
            try:
                self._socket.sendto(struct.pack("!BBHHH", kind, 0, _checksum(head), self._number, self.sent & 0xFFFF), (self._target, 0))
            except OSError:
                self.unsent += 1
            due += self._interval
            self._stopping.wait(max(0.0, due - time.monotonic()))

    def _receive(self) -> None:
        reply = 0 if self._version == 4 else 129
        while not self._done.is_set():
            try:
                data = self._socket.recv(2048)
            except OSError:
                continue
            icmp = data[(data[0] & 15) * 4 :] if self._version == 4 else data
            if len(icmp) >= 8 and icmp[0] == reply and struct.unpack("!H", icmp[4:6])[0] == self._number:
                self.answered.setdefault(struct.unpack("!H", icmp[6:8])[0], time.monotonic())

    def stop(self, patience: float = 1.0) -> None:
        """Send no more; wait for replies that are still under way."""
        self._stopping.set()
        self._threads[0].join()
        deadline = time.monotonic() + patience
        while len(self.answered) < self.sent and time.monotonic() < deadline:
            time.sleep(0.01)
        self._done.set()
        self._threads[1].join()
        self._socket.close()

    def lost_between(self) -> tuple[float, float] | None:
        """When the first and the last of the unanswered ones were sent."""
        times = [when for number, when in enumerate(self.times, 1) if number & 0xFFFF not in self.answered]
        return (times[0], times[-1]) if times else None

    @property
    def round_trips(self) -> list[float]:
        """Seconds of each ping that was answered; of the first 65,535."""
        return [when - self.times[number - 1] for number, when in self.answered.items() if number]

    @property
    def lost(self) -> int:
        return self.sent - len(self.answered)


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def exchange(source: End, target: End, kind: str, version: int, patience: float) -> bool:
    """Whether an exchange of the kind, started by ``source``, succeeds within ``patience`` seconds."""
    address = next(str(a.ip) for a in target.addresses if a.version == version)
    name, _, port = kind.partition("/")
    if name == "icmp":
        return _ping(source, address, patience)
    if name == "arp":
        return version == 6 or _arp(source, target, address, patience)
    return _transport(source, target, address, name, int(port), patience)


def _ping(source: End, address: str, patience: float) -> bool:
    pinger = Pinger(source, address, 0.1)
    deadline = time.monotonic() + patience
    while not pinger.answered and time.monotonic() < deadline:
        time.sleep(0.005)
    pinger.stop(0.0)
    return bool(pinger.answered)


def _arp(source: End, target: End, address: str, patience: float) -> bool:
    mine, theirs = bytes.fromhex(source.mac.replace(":", "")), bytes.fromhex(target.mac.replace(":", ""))
    own = next((a.ip.packed for a in source.addresses if a.version == 4), bytes(4))
    asked = socket.inet_aton(address)
    request = b"\xff" * 6 + mine + bytes.fromhex("08060001080006040001") + mine + own + bytes(6) + asked
    with Capture([source]) as capture:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            send_frame(source, request)
            capture.read(0.2)
            for _, frame in capture.frames:
                if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02" and frame[22:28] == theirs and frame[28:32] == asked:
                    return True
    return False


def _transport(source: End, target: End, address: str, name: str, port: int, patience: float) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if name == "tcp" else socket.SOCK_DGRAM
    word = os.urandom(8)

    def listen() -> socket.socket:
        server = socket.socket(family, kind)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.settimeout(0.1)
        if name == "tcp":
            server.listen(4)
        return server

    server = netns.inside(target.owner, listen)
    stop = threading.Event()
    thread = threading.Thread(target=_echo, args=(server, name, stop), daemon=True)
    thread.start()
    deadline = time.monotonic() + patience
    try:
        while time.monotonic() < deadline:
            client = netns.inside(source.owner, lambda: socket.socket(family, kind))
            with client:
                client.settimeout(min(0.5, patience))
                try:
                    client.connect((address, port))
                    client.sendall(word)
                    if client.recv(64) == word:
                        return True
                except OSError:
                    time.sleep(0.02)
        return False
    finally:
        stop.set()
        thread.join()
        server.close()


def _echo(server: socket.socket, name: str, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            if name == "tcp":
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(1.0)
                    connection.sendall(connection.recv(64))
            else:
                data, peer = server.recvfrom(64)
                server.sendto(data, peer)
        except OSError:
            continue
