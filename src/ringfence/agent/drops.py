"""What this host dropped, and on networks that are only watched let pass: by who sent it, whom it was for, and the reason.

The switch counts (flows/count.py); it forgets a counter that nothing adds to, and all of them when it restarts. Here the
counts go on, and are kept on the disk.
"""

import json
import logging
import os
import threading
import time
from collections import Counter
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .. import paths
from ..errors import RingfenceError
from ..files import write_json
from ..flows.count import SHARE
from ..flows.pipeline import BY_ADDRESSES, KIND_LOCAL, OVERFLOW, REASON, REASON_NAMES, RECEIVER, SENDER, WATCHED, cookie, read_cookie
from ..picture import Picture
from ..shape import Items, Keys, check
from ..switch import ofctl
from ..wake import Wake
from .metrics import DROPS

log = logging.getLogger("ringfence")
EVERY_S = 60.0
"""Shorter than the switch remembers."""
BEGINS_S = 1.0
"""How soon it is seen that a network is watched from now on."""
MOST = 20000
"""Of rows; those with addresses go first, and of them those that nothing was added to for longest."""
MOST_OF_ONE = 1000
"""Of rows with addresses, for one sender; what is more is counted together."""
VERSION = 1
LOCAL = "table=0,cookie={:#x}/{:#x}".format(cookie(KIND_LOCAL), 0xFFFFFF << 40)


class Row(NamedTuple):
    """What is told apart. An empty reason counts all frames of a VIF that is watched."""

    sender: str
    """uuid of a VIF; "" for a machine."""
    receiver: str
    reason: str
    watched: bool
    source: str = ""
    """Addresses in the frame, on watched networks."""
    target: str = ""


ROW = Items(str, str, str, bool, str, str)
SHAPE = Keys(
    {"version": int, "rows": [Items(ROW, int, float, float)], "raw": {str: {str: int}}, "since": {str: float}},
    {},
)


class Drops(threading.Thread):
    """``look`` and ``told`` may be called by any thread."""

    def __init__(self, numbered: Callable[[], Tuple[Optional[Picture], Dict[str, Dict[str, int]]]]) -> None:
        """``numbered``: what is enforced, and by bridge the numbers of VIFs (by uuid) in its flows."""
        super().__init__(name="drops", daemon=True)
        self._numbered = numbered
        self._lock = threading.Lock()
        self._stopping = Wake()
        self._rows: Dict[Row, List[float]] = {}
        """Count, and when it was first and last added to (seconds since 1970)."""
        self._raw: Dict[str, Dict[str, int]] = {}
        """By bridge and flow: the switch's own count when last looked at."""
        self._since: Dict[str, float] = {}
        """By network (uuid): since when it is watched here."""
        self._load()

    def run(self) -> None:
        looked = time.monotonic()
        while not self._stopping.wait(BEGINS_S):
            if time.monotonic() - looked > EVERY_S or self._begins():
                self.look()
                looked = time.monotonic()
        self.look()

    def _begins(self) -> bool:
        """Whether a network is watched, or is so no more, that was not when last looked at."""
        picture, _ = self._numbered()
        return picture is not None and picture.watched != set(self._since)

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> None:
        """Add what the switch has counted since."""
        picture, bridges = self._numbered()
        if picture is None:
            return
        with self._lock:
            before = (dict(self._raw), self._since)
            self._watch(picture)
            for bridge, numbers in sorted(bridges.items()):
                vifs = {number: uuid for uuid, number in numbers.items()}
                try:
                    counted = dict(_counted(bridge, vifs, picture))
                except RingfenceError as error:
                    log.warning("bridge=%s event=not-counted reason=%s", bridge, error)
                    continue
                self._add(bridge, counted)
            for bridge in set(self._raw) - set(bridges):
                del self._raw[bridge]
            for row in sorted(self._rows, key=lambda row: (not row.source, self._rows[row][2]))[: max(0, len(self._rows) - MOST)]:
                del self._rows[row]
            if (self._raw, self._since) != before:
                self._save()

    def told(self) -> Dict[str, Any]:
        """Rows as JSON, with when each network's watching began here."""
        with self._lock:
            rows = [
                dict(row._asdict(), count=int(count), first=first, last=last) for row, (count, first, last) in sorted(self._rows.items())
            ]
            return {"rows": rows, "since": dict(self._since), "now": time.time()}

    def _watch(self, picture: Picture) -> None:
        """What was counted while a network was watched goes when that ends."""
        watched = picture.watched
        changed = watched ^ set(self._since)
        if changed:
            vifs = {uuid for uuid, vif in picture.facts.vifs.items() if vif.network in changed}
            self._rows = {row: told for row, told in self._rows.items() if not row.watched or not {row.sender, row.receiver} & vifs}
        now = time.time()
        self._since = {uuid: self._since.get(uuid, now) for uuid in watched}

    def _add(self, bridge: str, counted: Dict[str, Tuple[Row, int]]) -> None:
        before, now = self._raw.get(bridge, {}), time.time()
        apart = Counter(row.sender for row in self._rows if row.source)
        for key, (row, count) in counted.items():
            more = count - before.get(key, 0)
            more = count if more < 0 else more  # the switch began anew
            if more:
                if row not in self._rows and row.source:
                    if apart[row.sender] >= MOST_OF_ONE:
                        row = row._replace(source="", target="")
                    apart[row.sender] += 1
                told = self._rows.setdefault(row, [0, now, now])
                told[0] += more
                told[2] = now
        self._raw[bridge] = {key: count for key, (_, count) in counted.items()}

    def _load(self) -> None:
        try:
            with open(paths.DROPS, encoding="utf-8") as kept:
                data = json.load(kept)
            check(data, SHAPE)
            self._rows = {Row(*row): [count, first, last] for row, count, first, last in data["rows"]}
            self._raw, self._since = data["raw"], data["since"]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            log.warning("event=drops-lost reason=%s", error)

    def _save(self) -> None:
        rows = [[list(row), int(count), first, last] for row, (count, first, last) in self._rows.items()]
        try:
            os.makedirs(os.path.dirname(paths.DROPS), mode=0o700, exist_ok=True)
            write_json(paths.DROPS, {"version": VERSION, "rows": rows, "raw": self._raw, "since": self._since})
        except OSError as error:
            log.warning("event=drops-not-saved reason=%s", error)


def _counted(bridge: str, vifs: Dict[int, str], picture: Picture) -> Iterator[Tuple[str, Tuple[Row, int]]]:
    """The switch's counts by flow. Raises Unreachable."""
    known = picture.facts.vifs
    lines = ofctl.dump(bridge, ofctl.COUNTERS)
    shares = Counter(ofctl.cookie_of(line) for line in lines)
    for line in lines:
        fields, mark = _fields(line), ofctl.cookie_of(line)
        left_over = mark & 0xFF == OVERFLOW
        if left_over and shares[mark - OVERFLOW + BY_ADDRESSES] < SHARE:
            continue  # what it met came just before its own counter was there
        sender, receiver = (vifs.get(int(fields.get(register, "0"), 16), "") for register in (SENDER, RECEIVER))
        reason = REASON_NAMES.get(int(fields.get(REASON, "0"), 16))
        if reason is None or sender == receiver:  # of machines alone, or a VIF's own flood
            continue
        source, target = (next((fields[name] for name in names if name in fields), "") for names in SIDES)
        row = Row(sender, receiver, reason, bool(int(fields.get(WATCHED, "0"), 16)), source, target)
        if row.watched and not _is_watched(picture, sender or receiver):
            continue  # the watching has ended
        # The frame that makes the switch make a counter is not in it; of one that takes what is left, another one counts it.
        yield _key(line, row), (row, ofctl.packets_of(line) + (0 if left_over else 1))
    for line in ofctl.dump(bridge, DROPS):
        known_as = read_cookie(ofctl.cookie_of(line))
        vif = vifs.get(known_as.number, "") if known_as is not None else ""
        if known_as is not None and known_as.reason not in (None, "echo") and vif in known and line.endswith("actions=drop"):
            row = Row(vif, "", known_as.reason, picture.view_of(vif).watches(known[vif]))
            yield _key(line, row), (row, ofctl.packets_of(line))
    for line in ofctl.dump(bridge, LOCAL) if picture.watched else ():
        known_as = read_cookie(ofctl.cookie_of(line))
        vif = vifs.get(known_as.number, "") if known_as is not None else ""
        if vif in known and picture.view_of(vif).watches(known[vif]):
            row = Row(vif, "", "", True)
            yield _key(line, row), (row, ofctl.packets_of(line))


def _is_watched(picture: Picture, vif: str) -> bool:
    return vif in picture.facts.vifs and picture.view_of(vif).watched


def _key(line: str, row: Row) -> str:
    """Of a flow's counter: numbers of VIFs and ports are given to others when they are free."""
    return "{} {} {}".format(ofctl.key_of(line), row.sender, row.receiver)


SIDES = (("nw_src", "ipv6_src", "arp_spa"), ("nw_dst", "ipv6_dst", "arp_tpa"))


def _fields(line: str) -> Dict[str, str]:
    words = [word.partition("=") for word in ofctl.key_of(line).split(",")]
    return {name: value for name, equals, value in words if equals}
