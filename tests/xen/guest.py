"""What runs in a guest, or as a machine outside: does what it is asked, one JSON object at a time, and answers.

In a guest it is asked and answers through xenstore (``data/ask``, ``data/answer``), outside through its standard input
and output. Standard library alone: a guest has nothing else.
"""

import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

ETH_P_ALL = 3
DIRECTORY, READ, WATCH, WRITE, RM, WATCH_EVENT, ERROR = 1, 2, 4, 11, 13, 15, 16
"""Of xenstore's wire protocol (xen/include/public/io/xs_wire.h)."""


class Xenstore:
    """xenstore over /dev/xen/xenbus; in a guest, relative paths are its own."""

    def __init__(self):
        self._bus = os.open("/dev/xen/xenbus", os.O_RDWR)
        self._events = 0

    def _ask(self, kind, body):
        os.write(self._bus, struct.pack("<IIII", kind, 1, 0, len(body)) + body)
        while True:
            kind, answer = self._message()
            if kind == WATCH_EVENT:
                self._events += 1
                continue
            if kind == ERROR:
                raise OSError(answer.rstrip(b"\0").decode())
            return answer

    def _message(self):
        kind, _, _, length = struct.unpack("<IIII", self._exactly(16))
        return kind, self._exactly(length)

    def watch(self, path):
        self._ask(WATCH, path.encode() + b"\0token\0")

    def wait(self):
        """Until what is watched has changed since the last wait."""
        while not self._events:
            kind, _ = self._message()
            self._events += kind == WATCH_EVENT
        self._events = 0

    def names(self, path):
        return [name.decode() for name in self._ask(DIRECTORY, path.encode() + b"\0").split(b"\0") if name]

    def _exactly(self, length):
        data = b""
        while len(data) < length:
            data += os.read(self._bus, length - len(data))
        return data

    def read(self, path):
        return self._ask(READ, path.encode() + b"\0").decode()

    def write(self, path, value):
        self._ask(WRITE, path.encode() + b"\0" + value.encode())

    def remove(self, path):
        self._ask(RM, path.encode() + b"\0")


def core(frame):
    """EtherType and payload, whatever the tags; trailing zeros are padding."""
    rest = frame[12:]
    while rest[:2] in (b"\x81\x00", b"\x88\xa8"):
        rest = rest[4:]
    return rest.rstrip(b"\0")


class Capture(threading.Thread):
    """Remembers which frames of a known set came in: by source and core."""

    def __init__(self, device, known):
        super().__init__(daemon=True)
        self._known: dict = {}
        for name, frame in known.items():  # some rows' frames are the same
            self._known.setdefault((frame[6:12], core(frame)), []).append(name)
        self._socket = packet_socket(device)
        self._stopping = False
        self.seen = set()
        self.sources = {}
        self.start()

    def run(self):
        while not self._stopping:
            ready, _, _ = select.select([self._socket], [], [], 0.1)
            if not ready:
                continue
            frame, address = self._socket.recvfrom(65536)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            source = frame[6:12].hex(":")
            self.sources[source] = self.sources.get(source, 0) + 1
            self.seen.update(self._known.get((frame[6:12], core(frame)), ()))

    def stop(self):
        self._stopping = True
        self.join()
        self._socket.close()


class Pinger(threading.Thread):
    """Echo requests at an interval; late replies count."""

    def __init__(self, device, address, interval):
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        self._target, self._interval = address, interval
        self._stopping = False
        self.sent, self.unsent, self.answered = 0, 0, set()
        self.times = {}
        """When each was sent, by number, in seconds since the epoch."""
        self.start()

    def run(self):
        number = os.getpid() & 0xFFFF
        due = time.monotonic()
        end = None
        while end is None or (time.monotonic() < end and len(self.answered) < self.sent):
            if self._stopping and end is None:
                end = time.monotonic() + 2.0
            if end is None and time.monotonic() >= due:
                self.sent += 1
                self.times[self.sent] = round(time.time(), 2)
                due = max(due + self._interval, time.monotonic() - self._interval)  # a guest that slept sends no burst afterwards
                head = struct.pack("!BBHHH", 8, 0, 0, number, self.sent & 0xFFFF)
                try:
                    self._socket.sendto(head[:2] + struct.pack("!H", checksum(head)) + head[4:], (self._target, 0))
                except OSError:
                    self.unsent += 1
            wait = 0.05 if end else max(0.0, min(0.05, due - time.monotonic()))
            if select.select([self._socket], [], [], wait)[0]:
                data = self._socket.recv(2048)
                body = data[(data[0] & 15) * 4 :]
                if body[0] == 0 and body[4:6] == struct.pack("!H", number):
                    self.answered.add(struct.unpack("!H", body[6:8])[0])
        self._socket.close()

    def stop(self):
        self._stopping = True
        self.join()


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def packet_socket(device):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    raw.bind((device, ETH_P_ALL))
    return raw


class Worker:
    """``frames``: by set, by name, in hex."""

    def __init__(self, frames, xenstore=None):
        self._frames = frames
        self._xenstore = xenstore
        self._captures = {}
        self._pingers = {}

    def do(self, asked):
        return getattr(self, "do_" + asked.pop("op"))(**asked)

    def _set(self, name):
        return {key: bytes.fromhex(value) for key, value in self._frames.get(name, {}).items()}

    def do_hello(self):
        return {"devices": sorted(os.listdir("/sys/class/net"))}

    def do_configure(self, device, addresses):
        words = [["link", "set", device, "up"]] + [["addr", "add", a, "dev", device] for a in addresses]
        for more in words:
            subprocess.run(["ip"] + more, check=True)
        return {}

    def do_ping(self, address, patience=5.0, device="eth0"):
        """Whether any of some pings is answered."""
        pinger = Pinger(device, address, 0.3)
        deadline = time.monotonic() + patience
        while not pinger.answered and time.monotonic() < deadline:
            time.sleep(0.05)
        pinger.stop()
        return {"answered": len(pinger.answered)}

    def do_ping_start(self, name, address, interval, device="eth0"):
        self._pingers[name] = Pinger(device, address, interval)
        return {}

    def do_ping_stop(self, name):
        pinger = self._pingers.pop(name)
        pinger.stop()
        lost = [n for n in range(1, pinger.sent + 1) if n & 0xFFFF not in pinger.answered]
        return {"sent": pinger.sent, "unsent": pinger.unsent, "lost": len(lost), "when": [pinger.times[n] for n in lost[:1] + lost[-1:]]}

    def do_neighbour(self, address, mac, device="eth0"):
        subprocess.run(["arp", "-i", device, "-s", address, mac], check=True)
        return {}

    def do_capture(self, device="eth0", sets=()):
        known = {}
        for name in sets:
            known.update(self._set(name))
        self._captures[device] = Capture(device, known)
        return {}

    def do_captured(self, device="eth0"):
        capture = self._captures.pop(device)
        capture.stop()
        return {"seen": sorted(capture.seen), "sources": dict(sorted(capture.sources.items())[:20])}

    def do_send(self, name, device="eth0", only=None, pause=0.0, times=1):
        with packet_socket(device) as raw:
            sent, refused = 0, []
            for _ in range(times):
                for key, frame in self._set(name).items():
                    if only is None or key in only:
                        try:
                            raw.send(frame)
                            sent += 1
                        except OSError:
                            refused.append(key)
                        time.sleep(pause)
        return {"sent": sent, "refused": refused}

    def do_end(self, how):
        """Ends the guest from within, a moment after the answer."""
        trigger = {"reboot": "b", "crash": "c"}[how]
        subprocess.Popen(["sh", "-c", "sleep 1; echo 1 > /proc/sys/kernel/sysrq; echo %s > /proc/sysrq-trigger" % trigger])
        return {}

    def do_store(self, verb, path, value="", times=1):
        errors = set()
        for number in range(times):
            try:
                if verb == "write":
                    self._xenstore.write(path, value.replace("{n}", str(number)))
                else:
                    self._xenstore.remove(path)
            except OSError as error:
                errors.add(str(error))
        return {"errors": sorted(errors)}


def serve_xenstore(worker, store):
    done = ""
    store.write("data/answer", json.dumps({"n": 0}))
    store.watch("data/ask")
    while True:
        store.wait()
        try:
            text = store.read("data/ask")
        except OSError:
            text = ""
        if text and text != done:
            done = text
            asked = json.loads(text)
            store.write("data/answer", json.dumps(dict(answered(worker, asked["do"]), n=asked["n"])))


def serve_lines(worker):
    for line in sys.stdin:
        print(json.dumps(answered(worker, json.loads(line))), flush=True)


def answered(worker, asked):
    try:
        return worker.do(asked)
    except Exception as error:  # noqa: BLE001 - whatever it is, who asked must hear of it
        return {"error": repr(error)}


def main():
    with open(sys.argv[1]) as kept:
        frames = json.load(kept)
    if "--lines" in sys.argv:
        serve_lines(Worker(frames))
    store = Xenstore()
    serve_xenstore(Worker(frames, store), store)


if __name__ == "__main__":
    main()
