"""Every bench, and the table of budgets with what was measured: pass or fail. Raw figures are in bench/results.

The budgets are those of docs/design/scale.md, which says of each that fails why, and what would do it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from figures import ratio

HERE = Path(__file__).parent
RESULTS = HERE / "results"
BENCHES = ("hook", "changes", "start", "datapath", "enforce", "flood", "cli")
WITH_JSON = BENCHES[:5]


class Row(NamedTuple):
    what: str
    budget: str
    figure: str
    passed: bool


def plugs(raw: Any) -> Iterator[Row]:
    found = ratio(raw["10"]["agent"], raw["10"]["baseline"])
    yield Row("plug of a VIF with 10 addresses, to a process a flow", "<= 0.10", f"{found:.2f}", found <= 0.1)
    found = median(raw["1000"]["agent"]) / median(raw["1"]["agent"])
    yield Row("plug with 1000 addresses, to one with 1", "<= 1.5", f"{found:.2f}", found <= 1.5)


def changes(raw: Any) -> Iterator[Row]:
    large, group, small = raw["7150"], raw["10000"]["changes"]["a member joins"], raw["10"]["changes"]["a member joins"]
    for name, row in large["changes"].items():
        found = median(row["committed_s"]) * 1000
        yield Row(f"{name}, among {large['flows']:,} flows, to commit", "< 5 ms", f"{found:.1f} ms", found < 5)
    found = median(group["committed_s"]) * 1000
    yield Row("a member joins a group of 10,000, to commit", "< 5 ms", f"{found:.1f} ms", found < 5)
    found = median(group["committed_s"]) / median(small["committed_s"])
    yield Row("the same, to one that joins a group of 10", "<= 1.5", f"{found:.2f}", found <= 1.5)
    # Who joins has an IPv4 and a link-local address.
    for name, addresses in (("a member joins", 2), ("an address more", 1), ("an address elsewhere", 1)):
        found = raw["10000"]["changes"][name]["flows"] / addresses
        yield Row(f"{name}: flows that change, an own address", "<= 4", f"{found:g}", found <= 4)
    found = median([a + b for a, b in zip(large["compiled_s"], large["fill_s"], strict=True)])
    yield Row(f"{large['flows']:,} flows from nothing", "< 2 s", f"{found:.2f} s", found < 2)


def start(raw: Any) -> Iterator[Row]:
    for size, networks in (("100", "networks of 100"), ("0", "one network")):
        one = raw[size]
        found = median(one["again_s"])
        yield Row(f"restart with 1,000 VIFs here, 20,000 in the pool, {networks}", "< 3 s", f"{found:.1f} s", found < 3)
        yield Row("flows that this rewrites", "0", str(max(one["rewritten"])), not max(one["rewritten"]))
        found = median([each["VmRSS"] for each in one["memory"]])
        yield Row("memory of that agent", "< 200 MiB", f"{found:.0f} MiB", found < 200)


def datapath(raw: Any) -> Iterator[Row]:
    for name, what in (("bits_per_s", "throughput"), ("frames_per_s", "frames a second")):
        found = ratio(raw[name]["ringfence"], raw[name]["NORMAL"])
        yield Row(f"{what} between members, to NORMAL", ">= 0.95", f"{found:.2f}", found >= 0.95)
    flows = raw["cached"]["ringfence"]
    yield Row("datapath flows for 1,000 external addresses", "<= 33", str(flows), flows <= 33)


def enforce(raw: Any) -> Iterator[Row]:
    for key, what in (("joined_s", "one joins"), ("all_joined_s", "all join at once"), ("cold_s", "from nothing")):
        for count in (key for key in raw if key.isdigit()):
            found = ratio(raw[count]["ringfence"][key], raw[count]["OVN"][key])
            yield Row(f"{what}, of {int(count):,} ports, until a frame passes, to OVN", "< 1", f"{found:.2f}", found < 1)


ROWS: dict[str, Callable[[Any], Iterator[Row]]] = {
    "hook": plugs,
    "changes": changes,
    "start": start,
    "datapath": datapath,
    "enforce": enforce,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=BENCHES, default=BENCHES, help="of them (all)")
    parser.add_argument("--table", action="store_true", help="only the table, of what was last measured")
    asked = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for name in () if asked.table else asked.only:
        print(f"== {name}", flush=True)
        words = ["--json", str(RESULTS / f"{name}.json")] if name in WITH_JSON else []
        subprocess.run([sys.executable, str(HERE / f"{name}.py"), *words], check=True)
        print(flush=True)
    rows = [row for name, of in ROWS.items() if (RESULTS / f"{name}.json").exists() for row in of(_read(name))]
    width = max(len(row.what) for row in rows)
    for row in rows:
        print(f"{row.what:<{width}}  {row.budget:>15}  {row.figure:>9}  {'pass' if row.passed else 'FAIL'}")
    (RESULTS / "table.json").write_text(json.dumps([row._asdict() for row in rows], indent=1))


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())


if __name__ == "__main__":
    main()
