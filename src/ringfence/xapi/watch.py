"""A thread that follows XAPI's events and publishes facts."""

import logging
import threading
from typing import Callable, Dict, Optional

from ..errors import RingfenceError, Unreachable, XapiFailure
from ..picture import Facts
from .rows import CLASSES, Tables, facts_of
from .session import Session

log = logging.getLogger("ringfence")


class XapiWatcher(threading.Thread):
    """``facts`` is the last complete picture; ``in_sync`` says whether events still come."""

    def __init__(self, session: Session, on_change: Callable[[], None]) -> None:
        super().__init__(name="xapi", daemon=True)
        self.session = session
        self.facts: Optional[Facts] = None
        self.tables: Tables = {}
        self.in_sync = False
        self.token = ""
        """Of the last events taken in."""
        self._on_change = on_change
        self._stopping = threading.Event()

    def run(self) -> None:
        token = ""
        tables: Tables = {}
        while not self._stopping.is_set():
            try:
                if not token:
                    tables = {name: {} for name in CLASSES}
                answer = self.session.call("event.from", list(CLASSES), token, 30.0)
                token = self._take(answer, tables)
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

    def _take(self, answer: Dict, tables: Tables) -> str:
        for event in answer["events"]:
            rows = tables.get(event["class"].lower())
            if rows is None:
                continue
            if event["operation"] == "del":
                rows.pop(event["ref"], None)
            else:
                rows[event["ref"]] = event["snapshot"]
        facts = facts_of(tables)
        if facts != self.facts or not self.in_sync:
            if not self.in_sync:
                log.info("event=xapi-in-sync vifs=%d networks=%d", len(facts.vifs), len(facts.networks))
            self.facts = facts
            self.in_sync = True
        self.tables = {name: dict(rows) for name, rows in tables.items()}
        self.token = str(answer["token"])
        self._on_change()
        return self.token

    def stop(self) -> None:
        self._stopping.set()
        self.session.abort()
