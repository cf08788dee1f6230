"""Writes the state whole now and then, in a thread of its own: what changed meanwhile stands in its journal."""

import logging
import threading
import time
from typing import Callable

from ..wake import Wake
from .state import Snapshot, write

log = logging.getLogger("ringfence")
SOON_S = 1.0
PART = 50
"""It rests so many times as long as it took to write."""


class Saver(threading.Thread):
    """``due`` may be called by any thread; the two functions by this one alone."""

    def __init__(self, snapshot: Callable[[], Snapshot], written: Callable[[Snapshot], None]) -> None:
        super().__init__(name="saver", daemon=True)
        self._snapshot = snapshot
        self._written = written
        self._due = False
        self._wake = Wake()
        self._stopping = Wake()
        self._failure = ""

    def due(self) -> None:
        self._due = True
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(60.0)
            self._wake.clear()
            self._stopping.wait(SOON_S)
            began = time.monotonic()
            self.save()
            self._stopping.wait(PART * (time.monotonic() - began))
        self.save()

    def save(self) -> None:
        if not self._due:
            return
        self._due = False
        try:
            snapshot = self._snapshot()
            write(snapshot)
            self._written(snapshot)
            self._failure = ""
        except OSError as error:
            self._due = True  # in a while, again
            if self._failure != str(error):
                log.error("event=state-not-saved reason=%s", error)
            self._failure = str(error)
