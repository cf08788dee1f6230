"""OpenFlow through ovs-ofctl: one bundle a change."""

import re
from typing import Dict, Iterable, List, Tuple

from ..flows.flow import Flow
from ..flows.pipeline import COOKIE_MASK, COUNTED, MARK, RECEIVER, SENDER
from .command import run

_COOKIE = re.compile(r"cookie=0x([0-9a-f]+)")
_PORT = re.compile(r"^ (\d+)\(([^)]+)\):", re.MULTILINE)
_PACKETS = re.compile(r"n_packets=(\d+)")
_COUNT = re.compile(r"flow_count=(\d+)")
OURS = "cookie={:#x}/{:#x}".format(MARK << 48, COOKIE_MASK)
COUNTERS = "cookie={:#x}/{:#x}".format(COUNTED << 48, COOKIE_MASK)
OPENFLOW = ["ovs-ofctl", "-O", "OpenFlow14", "--timeout=30"]


def commit(bridge: str, remove: Iterable[str], add: Iterable[str]) -> None:
    """Deletes (by key) and adds, as text, in one transaction: all of it or none. Raises SwitchRefused, Unreachable."""
    lines = ["delete_strict {}".format(key) for key in remove] + ["add {}".format(flow) for flow in add]
    if lines:
        run(OPENFLOW + ["--bundle", "add-flows", bridge, "-"], "\n".join(lines) + "\n")


def delete_ours(bridge: str) -> None:
    """Every flow of ours, with the counters that the switch made for it, and no other."""
    run(OPENFLOW + ["--bundle", "add-flows", bridge, "-"], "delete {}\ndelete {}\n".format(OURS, COUNTERS))


def forget_counters(bridge: str, vifs: Iterable[int]) -> None:
    """The counters of VIFs (by number) that are gone: the next one to bear a number starts at none."""
    lines = ["delete {},{}={}".format(COUNTERS, register, number) for number in vifs for register in (SENDER, RECEIVER)]
    if lines:
        run(OPENFLOW + ["--bundle", "add-flows", bridge, "-"], "\n".join(lines) + "\n")


def differences(bridge: str, wanted: Iterable[Flow]) -> Tuple[List[str], List[str]]:
    """Keys to delete and flows to add, as text, so that our flows on the bridge are the wanted ones."""
    feed = "".join("{}\n".format(flow) for flow in wanted)
    text = run(OPENFLOW + ["diff-flows", bridge, "/dev/stdin"], feed, good=(0, 2))  # 2 says that there are differences
    remove: List[str] = []
    add: List[str] = []
    lines = text.splitlines()
    # A match on fragments reads back with other unused bits: a difference that shows no difference is none.
    both = {line[1:] for line in lines if line.startswith("-")} & {line[1:] for line in lines if line.startswith("+")}
    for line in lines:
        if line[1:] in both:
            continue
        found = _COOKIE.search(line)
        if not found or int(found.group(1), 16) >> 48 != MARK:
            continue
        if line.startswith("+"):
            head, actions = line[1:].strip().split(" actions=", 1)
            add.append("{},actions={}".format(",".join(head.replace(",", " ").split()), actions))
        elif line.startswith("-"):
            remove.append(key_of(line[1:]))
    changed = {key_of(line.replace(",actions=", " actions=")) for line in add}
    return [key for key in remove if key not in changed], add


def key_of(line: str) -> str:
    """Table, priority and match of a line of diff-flows or dump-flows."""
    head = line.split(" actions=")[0].split(" send_flow_rem")[0]
    words = [w for part in head.split() for w in part.split(",") if w]
    skip = ("cookie=", "duration=", "n_packets=", "n_bytes=", "idle_age=", "hard_age=", "reset_counts")
    return ",".join(w for w in words if not w.startswith(skip))


def count(bridge: str) -> int:
    """How many flows of ours are on the bridge."""
    found = _COUNT.search(run(OPENFLOW + ["dump-aggregate", bridge, OURS]))
    return int(found.group(1)) if found else 0


def dump(bridge: str, match: str = "") -> List[str]:
    """Flows as lines of text, with their counters."""
    text = run(OPENFLOW + ["dump-flows", bridge] + ([match] if match else []))
    return [line.strip() for line in text.splitlines() if "actions=" in line]


def cookie_of(line: str) -> int:
    found = _COOKIE.search(line)
    return int(found.group(1), 16) if found else 0


def packets_of(line: str) -> int:
    """``n_packets`` of a line of dump-flows."""
    found = _PACKETS.search(line)
    return int(found.group(1)) if found else 0


def port_numbers(bridge: str) -> Dict[str, int]:
    """The switch's own numbers of its ports, by name."""
    return {m.group(2): int(m.group(1)) for m in _PORT.finditer(run(OPENFLOW + ["dump-ports-desc", bridge]))}
