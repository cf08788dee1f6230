"""An event that threads wait for, whatever the clock does.

In Python 3.6, ``threading.Event.wait`` with a timeout waits for a time of day: a clock that is set back makes it wait
for as long as that. ``poll`` counts.
"""

import os
import select


class Wake:
    """Like ``threading.Event``."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)

    def set(self) -> None:
        try:
            os.write(self._writing, b"x")
        except BlockingIOError:
            pass  # it is full, and so it is set

    def clear(self) -> None:
        try:
            while len(os.read(self._reading, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass

    def is_set(self) -> bool:
        return self.wait(0.0)

    def wait(self, seconds: float) -> bool:
        """Whether it is set, at the latest after so many seconds."""
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def __del__(self) -> None:
        os.close(self._reading)
        os.close(self._writing)
