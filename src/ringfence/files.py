"""Files that are written whole: all of the new, or what was there before."""

import os
from contextlib import contextmanager
from typing import IO, Iterator


@contextmanager
def replacing(path: str, mode: int) -> Iterator[IO[str]]:
    """A file to write that takes the place of ``path`` once it is on the disk. Raises OSError; what was there stays then."""
    name = "{}.{}".format(path, os.getpid())
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as kept:
            yield kept
            kept.flush()
            os.fsync(kept.fileno())
        os.rename(name, path)
    except OSError:
        os.unlink(name)
        raise
