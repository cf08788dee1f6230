"""Alerts before the operator's eyes: XAPI messages, bounded in number."""

import logging

from ..errors import RingfenceError
from .limit import Backoff, Budget
from .session import Session

log = logging.getLogger("ringfence")
WARNING = 3
"""Priority, as XAPI's own messages use it: 1 data loss, 2 service loss, 3 degraded, 4 healed, 5 information."""


class Alerts:
    """The same alert at most once a minute, ever more seldom while it goes on; ten a minute from this host in all."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._again = Backoff(60.0, 3600.0)
        self._budget = Budget(10)

    def send(self, name: str, kind: str, uuid: str, body: str) -> None:
        """``kind`` and ``uuid`` name the object that the message is about (XAPI: enum cls)."""
        if self._again.due((name, uuid)) or not self._budget.take():
            return
        self._again.done((name, uuid))
        try:
            self.session.call("message.create", name, WARNING, kind, uuid, body)
        except RingfenceError as error:
            log.warning("event=alert-failed name=%s uuid=%s reason=%s", name, uuid, error)
