"""How much slower two guests talk while a third floods: their ping's median under the flood, beside the quiet one before it.

The flooder is held (isolated) or not (unlocked), and sends frames with one header at random: MACs, addresses, ports. All
switches of the lab and the flood itself share this machine's cores, so a host with cores of its own fares better.
"""

import argparse
import random
import statistics
import threading
import time

from ringfence_lab.folder import LabFolder
from ringfence_lab.pool import Pool
from ringfence_lab.probe import Pinger, packet_socket
from ringfence_lab.scenario import read

FIELDS = ((6, 12), (0, 6), (26, 30), (30, 34), (34, 38), (12, 14))
"""Source MAC, destination MAC, IPv4 source and destination, ports, EtherType: bytes of the frame."""


def guest(number: int, words: str) -> dict:
    address = f"10.0.0.{number}"
    return {"vifs": [{"network": "net", "addresses": [address], "ringfence": f"ipv4={address} {words}"}]}


SCENARIO = {
    "hosts": ["h1"],
    "networks": {"net": {"vlan": 120, "ringfence": "default=isolated inside=10.0.0.0/24 gateways=10.0.0.1"}},
    "guests": {
        "one": guest(11, "groups=a"),
        "other": guest(12, "groups=a"),
        "isolated": guest(21, "groups=b"),
        "unlocked": guest(31, "mode=unlocked"),
    },
    "outside": {"gw": {"network": "net", "addresses": ["10.0.0.1"]}},
}


class Flooder(threading.Thread):
    """Sends at a rate, for as long as the block lasts."""

    def __init__(self, pool: Pool, name: str, rate: int) -> None:
        super().__init__()
        self.sent = 0
        self._end, self._rate, self._over = pool.ends[f"{name}/0"], rate, threading.Event()
        mac, to = (bytes.fromhex(pool.ends[end].mac.replace(":", "")) for end in (f"{name}/0", "gw"))
        own = self._end.addresses[0].ip.packed
        self._frame = to + mac + b"\x08\0\x45\0\0\x1c\0\0\0\0\x40\x11\0\0" + own + bytes([10, 0, 0, 1]) + b"\x03\xe8\0\x09\0\x08\0\0"

    def run(self) -> None:
        dice = random.Random(1)
        begun = time.monotonic()
        with packet_socket(self._end) as raw:
            while not self._over.is_set():
                start, stop = dice.choice(FIELDS)
                raw.send(self._frame[:start] + dice.randbytes(stop - start) + self._frame[stop:])
                self.sent += 1
                self._over.wait(max(0.0, begun + self.sent / self._rate - time.monotonic()))

    def __enter__(self) -> "Flooder":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def ping(pool: Pool, seconds: float) -> tuple[float, int]:
    """Median round trip in seconds, and pings lost."""
    pinger = Pinger(pool.ends["one/0"], "10.0.0.12", 0.01)
    time.sleep(seconds)
    pinger.stop()
    return statistics.median(pinger.round_trips), pinger.lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=1000, help="frames a second of the flood (default: 1000)")
    parser.add_argument("--turns", type=int, default=7, help="turns of each flooder (default: 7)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (default: 2)")
    asked = parser.parse_args()
    folder = LabFolder()
    folder.take()
    pool = Pool(folder, read(SCENARIO))
    try:
        pool.build()
        print(f"median ping of two guests under {asked.rate} frames a second, as a ratio to the quiet one; {asked.turns} turns")
        for name in ("isolated", "unlocked"):
            ratios, lost, sent = [], 0, 0
            for _ in range(asked.turns):
                quiet, _ = ping(pool, asked.seconds)
                with Flooder(pool, name, asked.rate) as flooder:
                    loud, missed = ping(pool, asked.seconds)
                ratios.append(loud / quiet)
                lost, sent = lost + missed, sent + flooder.sent
            print(f"{name:>9}  ratio {statistics.median(ratios):.2f}  of {sent} frames, {lost} pings lost", flush=True)
    finally:
        if pool.xapi_up:
            pool.stop_xapi()
        folder.leave()


main()
