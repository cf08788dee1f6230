"""Files that are written whole: all of the new, or what was there before."""

import json
import os
from contextlib import contextmanager
from typing import IO, Any, Iterator


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


def write_json(path: str, data: Any) -> None:
    """Mode 0600. Raises OSError, as above."""
    with replacing(path, 0o600) as kept:
        kept.write(json.dumps(data))
