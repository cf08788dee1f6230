"""xenstore over its socket in dom0, and where there is none over the kernel's device: one connection a question.

The wire protocol is Xen's xen/include/public/io/xs_wire.h; a program for each question would take longer than the rest of a plug.
"""

import os
import select
import socket
import struct
import time
from typing import List, Optional

from . import paths
from .errors import Refused, Unreachable

DIRECTORY, READ, WRITE, RM, ERROR = 1, 2, 11, 13, 16
HEADER = struct.Struct("=IIII")
"""What is asked, the number of the question, the transaction, and the length of what follows."""
LONGEST = 4096
"""Octets behind the header."""
PATIENCE_S = 5.0


def read(path: str) -> Optional[str]:
    """None where there is none. Raises Unreachable."""
    found = _ask(READ, path)
    return None if found is None else found.decode("utf-8", "surrogateescape")


def listed(path: str) -> List[str]:
    """The names below a path. Raises Unreachable."""
    return [name for name in (_ask(DIRECTORY, path) or b"").decode("utf-8", "surrogateescape").split("\0") if name]


def write(path: str, value: str) -> None:
    """Raises Refused, or Unreachable."""
    _ask(WRITE, path, value)


def remove(path: str) -> None:
    """With all below it; a path that is not there is no error. Raises Refused, or Unreachable."""
    _ask(RM, path)


def _ask(kind: int, path: str, value: str = "") -> Optional[bytes]:
    """None for a path that is not there."""
    if "\0" in path:
        raise Refused("xenstore has no such path: {!r}".format(path))
    body = path.encode("utf-8", "surrogateescape") + b"\0" + value.encode("utf-8", "surrogateescape")
    if len(body) > LONGEST:
        raise Refused("{}: {} octets are more than xenstore takes".format(path, len(body)))
    wire = _connect()
    try:
        os.write(wire, HEADER.pack(kind, 0, 0, len(body)) + body)
        deadline = time.monotonic() + PATIENCE_S
        answered, _, _, length = HEADER.unpack(_exactly(wire, HEADER.size, deadline))
        answer = _exactly(wire, min(length, LONGEST), deadline)
    except OSError as error:
        raise Unreachable("xenstore hung up ({})".format(error), paths.XENSTORE_SOCKET, "is xenstored running?") from None
    finally:
        os.close(wire)
    if answered == kind:
        return answer
    reason = answer.rstrip(b"\0").decode("ascii", "replace")
    if reason == "ENOENT":
        return None
    raise Refused("xenstore refuses {} ({})".format(path, reason or "answer {}".format(answered)))


def _connect() -> int:
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        wire.connect(paths.XENSTORE_SOCKET)
    except OSError as error:
        wire.close()
        try:
            return os.open(paths.XENBUS, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            where = paths.XENSTORE_SOCKET
        raise Unreachable("xenstore does not answer ({})".format(error), where, "is xenstored running?") from None
    return wire.detach()


def _exactly(wire: int, length: int, deadline: float) -> bytes:
    found = b""
    while len(found) < length:
        ready = select.poll()
        ready.register(wire, select.POLLIN)
        if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise OSError("no answer within {:g} s".format(PATIENCE_S))
        more = os.read(wire, length - len(found))
        if not more:
            raise OSError("end of file")
        found += more
    return found
