"""Lines that go back to what they were unless somebody confirms in time, whatever became of who wrote them.

The command line keeps the lines in a file before it writes the first of them; the agent takes the file up, and whoever
is left when the time is over, it or its successor, puts the lines back.
"""

import json
import logging
import os
import threading
import time
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .. import paths
from ..errors import RingfenceError, XapiFailure
from ..shape import NONE, Items, Keys, check
from .keys import KEY
from .session import Session
from .store import write_line

log = logging.getLogger("ringfence")
LONGEST_S = 86400.0
_TEXT = (NONE, str)
_SHAPE = Keys({"seconds": (int, float), "until": (int, float), "lines": [Items(str, str, _TEXT, _TEXT)]}, {})
Line = Tuple[str, str, Optional[str], Optional[str]]
"""Class (VIF or network), uuid, line before, line after."""


class Pending(NamedTuple):
    """What waits to be confirmed."""

    lines: List[Line]
    until: float
    """By this host's monotonic clock."""


def keep(lines: List[Line], seconds: float) -> Dict[str, Any]:
    """What the file holds: the time is that of the wall, for an agent that starts anew has no other."""
    return {"seconds": seconds, "until": time.time() + seconds, "lines": lines}


class Rollback:
    """Thread-safe; ``look`` is called again and again."""

    def __init__(self, path: str = paths.ROLLBACK) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.pending: Optional[Pending] = None
        self.take_up()

    def take_up(self) -> Optional[Pending]:
        """Read the file, where there is one. A file that cannot be read counts as none, and is told."""
        try:
            with open(self._path, encoding="utf-8") as kept:
                data = json.load(kept)
            check(data, _SHAPE)
        except FileNotFoundError:
            return self.pending
        except (OSError, ValueError, TypeError, RecursionError) as error:
            log.error("event=rollback-lost reason=%s", error)
            return self.pending
        left = min(max(0.0, data["until"] - time.time()), data["seconds"], LONGEST_S)
        self.pending = Pending([tuple(line) for line in data["lines"]], time.monotonic() + left)
        return self.pending

    def confirm(self) -> Optional[int]:
        """How many lines stay as they are now; None where none waited, or its time was over."""
        with self._lock:
            if self.pending is None:
                return None
            count = len(self.pending.lines)
            self._done()
            return count

    def _done(self) -> None:
        self.pending = None
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass

    def look(self, session: Session) -> None:
        """Put the lines back once the time is over; what somebody else has changed since stays. Tried again until XAPI took all."""
        with self._lock:
            pending = self.pending
            if pending is not None and time.monotonic() >= pending.until:
                self._put_back(session, pending)

    def _put_back(self, session: Session, pending: Pending) -> None:
        back = 0
        for kind, uuid, before, after in pending.lines:
            try:
                ref = session.call("{}.get_by_uuid".format(kind), uuid)
                now = session.call("{}.get_other_config".format(kind), ref).get(KEY)
                if now == after and now != before:
                    write_line(session, kind, ref, before)
                    back += 1
            except XapiFailure as failure:
                log.error("event=rollback-failed object=%s reason=%s", uuid, failure)
            except RingfenceError as error:
                log.warning("event=rollback-waits reason=%s", error)
                return
        log.warning("event=rolled-back lines=%d of=%d", back, len(pending.lines))
        self._done()
