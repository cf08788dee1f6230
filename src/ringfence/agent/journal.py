"""What changed since the state was last written whole: a line of JSON a change, so that keeping one costs what it is."""

import json
import os
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..shape import check

MOST = 1000
"""Entries after which the state is due to be written whole."""


class Journal:
    """Entries are numbered in their order. One that was cut short ends what is read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.last = 0
        """Number of the last entry."""
        self._entries: List[Tuple[int, str]] = []
        """Those in the file, as lines."""
        self._whole = False
        """Whether the file ends where they do."""

    def read(self, after: int, shape: Any) -> Iterator[Dict[str, Any]]:
        """Entries later than number ``after``. Those of no known shape count as cut short."""
        self.last = max(self.last, after)
        try:
            with open(self.path, encoding="utf-8") as kept:
                text = kept.read()
        except (OSError, ValueError):
            return
        self._whole = not text or text.endswith("\n")
        for line in text.splitlines():
            try:
                number, entry = json.loads(line)
                check(number, int)
                check(entry, shape)
            except (ValueError, KeyError, TypeError, RecursionError):
                self._whole = False
                return
            if number > after:
                self.last = max(self.last, number)
                self._entries.append((number, line))
                yield entry

    def add(self, entry: Dict[str, Any]) -> None:
        """Raises OSError; the entry then counts for nothing, for what comes in its place may not say the same."""
        self.last += 1
        line = json.dumps([self.last, entry])
        self._entries.append((self.last, line))
        try:
            self._write([line] if self._whole else None)
        except OSError:
            self._entries.pop()
            raise

    def forget(self, until: int) -> None:
        """Entries up to number ``until`` are kept elsewhere. Raises OSError."""
        self._entries = [one for one in self._entries if one[0] > until]
        self._write(None)

    def __len__(self) -> int:
        return len(self._entries)

    def _write(self, more: Optional[List[str]]) -> None:
        """``more`` lines, or all of them anew."""
        self._whole = False
        lines = [line for _, line in self._entries] if more is None else more
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if more is None else os.O_APPEND), 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as kept:
            kept.write("".join(line + "\n" for line in lines))
        self._whole = True
