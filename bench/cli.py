"""What an operator waits for at the command line: whole commands over a pool of 5,000 VIFs, beside a bare Python's start.

XAPI is the lab's, on its unix socket; no switch and no agent take part. A figure is the median of the ratios to `python -c pass`, each
pair timed one after the other; the seconds beside it are medians too.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ringfence_lab.database import Database
from ringfence_lab.xapi import Xapi, serve

COMMANDS = {
    "--help": (["--help"], 0.15),
    "vif list": (["vif", "list"], 1.0),
    "explain": (["explain", "vm17/0", "vm18/0", "tcp/443"], 0.5),
    "group list": (["group", "list"], 1.0),
    "check": (["check"], None),
    "export": (["export"], None),
}
"""Words, and the seconds that the command may take; None where nothing was promised."""


def fill(database: Database, vifs: int) -> None:
    """One network, twenty guests a group, none of them running: no agent is asked."""
    host = database.create("host", name_label="h1", enabled=True)
    database.create("pool", name_label="pool", master=host)
    line = "default=isolated inside=10.0.0.0/8 gateways=10.0.0.1"
    network = database.create("network", name_label="backend", bridge="xenbr0", other_config={"ringfence": line})
    for number in range(vifs):
        vm = database.create("VM", name_label=f"vm{number}", power_state="Halted", domid=-1)
        record = f"ipv4=10.1.{number >> 8}.{number & 255} groups=g{number // 20}"
        mac = f"00:16:3e:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        other = {"ringfence": record}
        database.create("VIF", VM=vm, device="0", network=network, MAC=mac, locking_mode="network_default", other_config=other)


def seconds(words: list[str], env: dict[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(words)}: exit {done.returncode}: {done.stderr}")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--vifs", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rf-") as root:
        database = Database()
        fill(database, options.vifs)
        server = serve(Xapi(database), Path(root) / "var/lib/xcp/xapi")
        env = {**os.environ, "RINGFENCE_ROOT": root}
        try:
            print(f"{options.vifs} VIFs, {options.turns} turns; ratio to python -c pass")
            for name, (words, promised) in COMMANDS.items():
                pairs = []
                for _ in range(options.turns):
                    bare = seconds([sys.executable, "-c", "pass"], env)
                    pairs.append((seconds([sys.executable, "-m", "ringfence.cli.main", *words], env), bare))
                took = statistics.median(own for own, _ in pairs)
                ratio = statistics.median(own / bare for own, bare in pairs)
                verdict = "" if promised is None else f"   promised {promised:g} s: {'kept' if took <= promised else 'NOT kept'}"
                print(f"ringfence {name:12} {took * 1000:7.0f} ms  ratio {ratio:6.1f}{verdict}", flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
