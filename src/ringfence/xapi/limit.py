"""How often something may happen at most: for what a guest can cause without end."""

import time
from typing import Dict, Hashable, Tuple


class Backoff:
    """By key: once, then again after a pause that doubles as long as it goes on, from ``first`` to ``longest`` seconds."""

    LIMIT = 4096

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._known: Dict[Hashable, Tuple[float, float]] = {}
        """When it was last done, and the pause after it."""

    def due(self, key: Hashable) -> float:
        """Seconds until it may happen; 0 is now."""
        when, pause = self._known.get(key, (0.0, 0.0))
        return max(0.0, when + pause - time.monotonic())

    def done(self, key: Hashable) -> None:
        """It happens now."""
        now = time.monotonic()
        when, pause = self._known.get(key, (0.0, 0.0))
        again = pause and now - when < 3 * pause
        self._known[key] = (now, min(pause * 2, self._longest) if again else self._first)
        if len(self._known) > self.LIMIT:
            quiet = [k for k, (at, length) in self._known.items() if now - at > 3 * length]
            for old in quiet or [min(self._known, key=lambda k: self._known[k][0])]:
                del self._known[old]


class Effort:
    """Keeps a thread to a share of one core, whatever a guest makes others send: measures a turn, and says how long to rest.

    What was not used is there for later, up to a burst: an operator's change of thousands of VIFs does not wait.
    """

    LONGEST_S = 1.0

    def __init__(self, share: float, burst: float) -> None:
        """``burst``: seconds of work."""
        self._share = share
        self._burst = burst
        self._left = burst
        """Seconds of work; below 0 is too much, and no more than a burst of that is remembered."""
        self._when = time.monotonic()
        self._begin = 0.0
        self.rest = 0.0
        """Seconds, after the last turn."""

    def __enter__(self) -> None:
        self._begin = _worked()

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        gained = (now - self._when) * self._share
        self._when = now
        self._left = max(-self._burst, min(self._burst, self._left + gained) - (_worked() - self._begin))
        self.rest = min(self.LONGEST_S, max(0.0, -self._left / self._share))


def _worked() -> float:
    """Seconds that this thread has worked; ``time.thread_time`` came with Python 3.7."""
    return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)


class Budget:
    """So many a minute, whatever they are about."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60.0
        self._most = float(per_minute)
        self._left = self._most
        self._when = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._when) * self._rate)
        self._when = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
