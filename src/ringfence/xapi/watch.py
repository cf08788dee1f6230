"""A thread that follows XAPI's events and publishes facts."""

import ctypes
import logging
import threading
from typing import Callable, Dict, Optional

from ..errors import RingfenceError, Unreachable, XapiFailure
from ..picture import Facts
from ..wake import Wake
from .limit import Effort
from .rows import CLASSES, Rows, Touched
from .session import Session

log = logging.getLogger("ringfence")


class XapiWatcher(threading.Thread):
    """``facts`` is the last complete picture; ``in_sync`` says whether events still come."""

    def __init__(self, session: Session, on_change: Callable[[bool, Rows, Touched], None]) -> None:
        """``on_change`` is told whether the facts changed, the rows, and which of them events were about."""
        super().__init__(name="xapi", daemon=True)
        self.session = session
        self.facts: Optional[Facts] = None
        self.in_sync = False
        self.token = ""
        """Of the last events taken in."""
        self._on_change = on_change
        self._stopping = Wake()
        self._effort = Effort(0.03, 1.0)

    def run(self) -> None:
        token = ""
        rows = Rows(places=False)
        while not self._stopping.is_set():
            try:
                whole = not token
                if whole:
                    rows = Rows(places=False)
                with self._effort:
                    token = self._take(self.session.call("event.from", list(CLASSES), token, 30.0), rows)
                if whole:
                    _give_back()
                self._stopping.wait(self._effort.rest)
            except (Unreachable, XapiFailure) as error:
                if self.in_sync:
                    log.warning("event=xapi-lost reason=%s", error)
                token = ""
                self.in_sync = False
                self._stopping.wait(0.5)
            except (LookupError, TypeError, ValueError, AttributeError, RingfenceError) as error:
                log.error("event=xapi-unreadable reason=%r", error)
                token = ""
                self.in_sync = False
                self._stopping.wait(2.0)

    def _take(self, answer: Dict, rows: Rows) -> str:
        touched = rows.take(answer["events"])
        new = rows.facts is not self.facts and rows.facts != self.facts
        if not self.in_sync:
            log.info("event=xapi-in-sync vifs=%d networks=%d", len(rows.facts.vifs), len(rows.facts.networks))
        changed = new or not self.in_sync
        if new:
            self.facts = rows.facts
        self.in_sync = True
        self.token = str(answer["token"])
        self._on_change(changed, rows, touched)
        return self.token

    def stop(self) -> None:
        self._stopping.set()
        self.session.abort()


def _give_back() -> None:
    """What it took to read a whole pool goes back to the system (malloc_trim(3), where there is one)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
