"""xenstore over its socket in dom0, and where there is none over the kernel's device: one connection a question.

The wire protocol is Xen's xen/include/public/io/xs_wire.h; a program for each question would take longer than the rest of a plug.
"""

import os
import select
import socket
import struct
import time

from . import TYPE_CHECKING, paths
from .errors import Refused, Unreachable

if TYPE_CHECKING:
    from typing import List, Optional

DIRECTORY, READ, WRITE, RM, ERROR, DIRECTORY_PART = 1, 2, 11, 13, 16, 22
HEADER = struct.Struct("=IIII")
"""What is asked, the number of the question, the transaction, and the length of what follows."""
LONGEST = 4096
"""Octets of a question behind its header, and of an answer of C xenstored. oxenstored's may be longer on the socket."""
ABSURD = 1 << 24
PATIENCE_S = 5.0


class _TooLong(Exception):
    """An answer is longer than xenstored sends."""


def read(path: str) -> "Optional[str]":
    """None where there is none. Raises Unreachable."""
    found = _ask(READ, path)
    return None if found is None else found.decode("utf-8", "surrogateescape")


def listed(path: str) -> "List[str]":
    """The names below a path. Raises Refused, or Unreachable."""
    try:
        found = _ask(DIRECTORY, path) or b""
    except _TooLong:
        found = _in_parts(path)
    return [name for name in found.decode("utf-8", "surrogateescape").split("\0") if name]


def _in_parts(path: str) -> bytes:
    """A long list of names, begun anew where it changes meanwhile: each part says its generation, and the last one ends twice."""
    for _ in range(100):
        found, first = b"", b""
        while True:
            generation, _, part = (_ask(DIRECTORY_PART, path, "{}\0".format(len(found))) or b"\0\0").partition(b"\0")
            first = first or generation
            if generation != first:
                break
            if part == b"\0" or part.endswith(b"\0\0"):
                return found + part
            if not part:
                raise Unreachable("xenstore sends no names", paths.XENSTORE_SOCKET)
            found += part
    raise Unreachable("what is below {} changes all the time".format(path), paths.XENSTORE_SOCKET, "try again")


def write(path: str, value: str) -> None:
    """Raises Refused, or Unreachable."""
    _ask(WRITE, path, value)


def remove(path: str) -> None:
    """With all below it; a path that is not there is no error. Raises Refused, or Unreachable."""
    _ask(RM, path)


def _ask(kind: int, path: str, value: str = "") -> "Optional[bytes]":
    """None for a path that is not there."""
    try:
        body = path.encode("utf-8", "surrogateescape") + b"\0" + value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        body = b"\0" * (LONGEST + 1)
    if "\0" in path or len(body) > LONGEST:
        raise Refused("xenstore takes no such question: {!r}".format(path[:LONGEST]))
    deadline = time.monotonic() + PATIENCE_S
    wire = _connect()
    try:
        os.write(wire, HEADER.pack(kind, 0, 0, len(body)) + body)
        answered, _, _, length = HEADER.unpack(_exactly(wire, HEADER.size, deadline))
        if length > ABSURD:
            raise OSError("an answer of {} octets".format(length))
        answer = _exactly(wire, length, deadline)
    except OSError as error:
        raise Unreachable("xenstore hung up ({})".format(error), paths.XENSTORE_SOCKET, "is xenstored running?") from None
    finally:
        os.close(wire)
    if answered == kind:
        return answer
    reason = answer.rstrip(b"\0").decode("ascii", "replace")
    if reason == "ENOENT":
        return None
    if reason == "E2BIG" and kind == DIRECTORY:
        raise _TooLong
    raise Refused("xenstore refuses {} ({})".format(path, reason or "answer {}".format(answered)))


def _connect() -> int:
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    wire.settimeout(PATIENCE_S)
    try:
        wire.connect(paths.XENSTORE_SOCKET)
    except OSError as error:
        wire.close()
        if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):  # no xenstored here: it may be in a domain of its own
            try:
                return os.open(paths.XENBUS, os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                pass
        raise Unreachable("xenstore does not answer ({})".format(error), paths.XENSTORE_SOCKET, "is xenstored running?") from None
    wire.setblocking(True)
    return wire.detach()


def _exactly(wire: int, length: int, deadline: float) -> bytes:
    found = b""
    while len(found) < length:
        ready = select.poll()
        ready.register(wire, select.POLLIN)
        if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise OSError("no answer within {:g} s".format(PATIENCE_S))
        more = os.read(wire, min(length - len(found), 1 << 16))
        if not more:
            raise OSError("end of file")
        found += more
    return found
