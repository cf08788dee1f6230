"""Frames between two members, beside a bridge with nothing but NORMAL: throughput, frames a second, and what is cached.

Two hosts of the lab, each with two guests on it: on one their network has a policy and they are of one group, on the other
it has none. The two take turns. The switches are userspace ones, so the figures themselves say nothing of a real host;
their ratio does. Then one guest sends to a thousand external addresses: the datapath flows that this makes on each bridge.
"""

import argparse
import json
import statistics
import subprocess
import time
from typing import Any

from figures import can_be_kept, keep, ratio

from ringfence_lab import netns
from ringfence_lab.folder import LabFolder
from ringfence_lab.pool import Pool
from ringfence_lab.probe import packet_socket
from ringfence_lab.scenario import read

SIDES = {"ringfence": ("one", "two", "10.0.0.12", "h1"), "NORMAL": ("three", "four", "10.0.0.14", "h2")}
EXTERNAL = 1000
SEGMENT = 88
"""Octets of TCP's smallest maximum segment in Linux."""


def guest(host: str, network: str, number: int) -> dict:
    address = f"10.0.0.{number}"
    vif = {"network": network, "addresses": [address]}
    return {"host": host, "vifs": [{**vif, "ringfence": f"ipv4={address} groups=a"} if network == "held" else vif]}


SCENARIO = {
    "hosts": ["h1", "h2"],
    "networks": {"held": {"vlan": 120, "ringfence": "default=isolated inside=10.0.0.0/24 gateways=10.0.0.1"}, "plain": {"vlan": 130}},
    "guests": {
        "one": guest("h1", "held", 11),
        "two": guest("h1", "held", 12),
        "three": guest("h2", "plain", 13),
        "four": guest("h2", "plain", 14),
    },
}


def received(side: str, seconds: int, *words: str) -> float:
    """Octets a second of one TCP stream that arrive."""
    client, server, address, _ = SIDES[side]
    run = ["ip", "netns", "exec"]
    with subprocess.Popen(
        [*run, netns.name_of(server), "iperf3", "-s", "-1", "--forceflush"], stdout=subprocess.PIPE, text=True
    ) as listens:
        try:
            assert listens.stdout is not None
            while "listening" not in listens.stdout.readline():
                assert listens.poll() is None, "iperf3 does not listen"
            asked = [*run, netns.name_of(client), "iperf3", "-c", address, "-t", str(seconds), "-J", *words]
            done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, timeout=seconds + 30)
            told: dict[str, Any] = json.loads(done.stdout)
            if "error" in told:
                raise SystemExit(f"bench: iperf3: {told['error']}")
            return float(told["end"]["sum_received"]["bits_per_second"]) / 8
        finally:
            listens.terminate()


def throughput(side: str, seconds: int) -> float:
    """Bits a second, in frames as large as they can be."""
    return 8 * received(side, seconds)


def frames(side: str, seconds: int) -> float:
    """Frames a second, of segments as small as the kernel makes them."""
    return received(side, seconds, "--set-mss", str(SEGMENT)) / SEGMENT


def cached(pool: Pool, side: str) -> int:
    """Datapath flows that a guest makes by one frame each to so many external addresses."""
    one, _, _, host = SIDES[side]
    end = pool.ends[f"{one}/0"]
    switch = pool.hosts[host].switch
    switch.run("ovs-appctl", "revalidator/purge")
    mac = bytes.fromhex(end.mac.replace(":", ""))
    own = end.addresses[0].ip.packed
    with packet_socket(end) as raw:
        for number in range(EXTERNAL):
            address = bytes([198, 18, number >> 8, number & 255])
            head = b"\x45\0\0\x1c\0\0\0\0\x40\x11\0\0" + own + address
            raw.send(b"\x02\0\0\0\0\x01" + mac + b"\x08\0" + head + b"\x03\xe8\0\x09\0\x08\0\0")
            if number % 50 == 0:
                time.sleep(0.01)
    time.sleep(0.3)
    lines = switch.run("ovs-appctl", "dpctl/dump-flows").splitlines()
    return sum("eth_type(0x0800)" in line and end.mac in line for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7, help="turns of each side (default: 7)")
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement (default: 2)")
    can_be_kept(parser)
    asked = parser.parse_args()
    folder = LabFolder()
    folder.take()
    pool = Pool(folder, read(SCENARIO))
    raw: dict[str, Any] = {name: {side: [] for side in SIDES} for name in ("bits_per_s", "frames_per_s")}
    try:
        pool.build()
        for turn in range(asked.turns + 1):
            for side in SIDES:
                for name, work in (("bits_per_s", throughput), ("frames_per_s", frames)):
                    found = work(side, asked.seconds if turn else 1)
                    if turn:
                        raw[name][side].append(found)
        raw["cached"] = {side: cached(pool, side) for side in SIDES}
    finally:
        if pool.xapi_up:
            pool.stop_xapi()
        folder.leave()
    print(f"between two members, medians of {asked.turns} turns; ratio: a part of what a bridge with only NORMAL does in the same turn")
    for name, unit, scale in (("bits_per_s", "Mbit/s", 1e6), ("frames_per_s", "frames/s", 1.0)):
        ours, theirs = raw[name]["ringfence"], raw[name]["NORMAL"]
        part = ratio(ours, theirs)
        medians = [statistics.median(one) / scale for one in (ours, theirs)]
        print(f"{unit:>10}  {medians[0]:>10,.0f}  {medians[1]:>10,.0f}  {part:.2f}")
    print(f"datapath flows for {EXTERNAL} external addresses: {raw['cached']['ringfence']}, NORMAL {raw['cached']['NORMAL']}")
    keep(raw, asked.json)


if __name__ == "__main__":
    main()
