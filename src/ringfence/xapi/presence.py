"""Which hosts of the pool run ringfence: each says so in its own row, again and again, and watches the others."""

import time
from typing import Dict, List, Optional, Tuple

from .. import __version__
from .keys import KEY
from .rows import Row, Rows
from .session import Session
from .store import write_key

MISSED = 3
"""A host that missed so many signs in a row is taken to be without ringfence."""


class Presence:
    """Times are this host's monotonic clock: what counts is that a sign changes, not what it says."""

    def __init__(self, session: Session, host: str, interval: float) -> None:
        self.session = session
        self.host = host
        self.interval = interval
        self._next = 0.0
        self._rows: Optional[Rows] = None
        self._count = 0
        self._seen: Dict[str, Tuple[Optional[str], float]] = {}
        """By host uuid: its last sign, and when it changed."""

    def look(self, rows: Rows) -> None:
        now = time.monotonic()
        if rows is not self._rows:  # events were away, and with them all signs
            self._rows = rows
            self._seen.clear()
        for _, row in rows.all("host"):
            sign = row["other_config"].get(KEY)
            if row["uuid"] not in self._seen or self._seen[row["uuid"]][0] != sign:
                self._seen[row["uuid"]] = (sign, now)

    def missing(self, rows: Rows) -> Dict[str, Row]:
        """Enabled hosts that gave no sign for three intervals, by uuid."""
        late = time.monotonic() - MISSED * self.interval
        return {
            row["uuid"]: row
            for _, row in rows.all("host")
            if row["enabled"] and row["uuid"] != self.host and self._seen.get(row["uuid"], (None, time.monotonic()))[1] < late
        }

    def caretaker(self, rows: Rows) -> bool:
        """Whether this host looks after what is no host's own: the master does, else the first that is there."""
        missing = self.missing(rows)
        master = [row["uuid"] for _, pool in rows.all("pool") for ref, row in rows.all("host") if ref == pool["master"]]
        there: List[str] = [uuid for uuid in master if uuid not in missing]
        there += sorted(row["uuid"] for _, row in rows.all("host") if row["enabled"] and row["uuid"] not in missing)
        return bool(there) and there[0] == self.host

    def sign(self, rows: Rows) -> float:
        """Give the own sign where it is due; seconds until the next one. Raises RingfenceError."""
        now = time.monotonic()
        if now < self._next:
            return self._next - now
        self._next = now + self.interval
        for ref, row in rows.all("host"):
            if row["uuid"] == self.host:
                self._count += 1
                line = "version={} sign={}.{}".format(__version__, int(time.time()), self._count)
                write_key(self.session, "host", ref, "other_config", KEY, line)
        return self.interval
