"""A thread that follows XAPI's events and publishes facts."""

import logging
import threading
import time
from typing import Callable, Dict, Optional

from ..errors import RingfenceError, Unreachable, XapiFailure
from ..picture import Facts
from .rows import CLASSES, Rows, Touched
from .session import Session

log = logging.getLogger("ringfence")
SHARE = 0.1
"""Of one core's time, at most, goes into events: a guest that makes XAPI send them without end costs no more."""
PAUSE_S = 1.0
"""The longest pause that this makes."""


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
        self._stopping = threading.Event()

    def run(self) -> None:
        token = ""
        rows = Rows()
        while not self._stopping.is_set():
            try:
                if not token:
                    rows = Rows()
                answer = self.session.call("event.from", list(CLASSES), token, 30.0)
                begin = _spent()
                token = self._take(answer, rows)
                self._stopping.wait(min(PAUSE_S, (_spent() - begin) * (1 / SHARE - 1)))
            except (Unreachable, XapiFailure) as error:
                if self.in_sync:
                    log.warning("event=xapi-lost reason=%s", error)
                token = ""
                self.in_sync = False
                self._stopping.wait(0.5)
            except (KeyError, TypeError, AttributeError, RingfenceError) as error:
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


def _spent() -> float:
    """CPU time of this thread in seconds (``time.thread_time`` came with Python 3.7)."""
    return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)
