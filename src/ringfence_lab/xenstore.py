"""A host's xenstore: a tree, and a server that speaks xenstore's protocol on its socket (xen/include/public/io/xs_wire.h).

Debian's own ``xenstore-read`` and its like speak with it. What it does not do: permissions (the lab's guests write through
``guest_write`` alone), watches. In a transaction each question stands for itself.
"""

import contextlib
import socketserver
import struct
import threading
from pathlib import Path

from ringfence.xenstore import DIRECTORY, DIRECTORY_PART, ERROR, HEADER, LONGEST, READ, RM, WRITE

LIMIT = 2048
MKDIR, TRANSACTION_START, TRANSACTION_END = 12, 6, 7


class Xenstore:
    def __init__(self, root: Path) -> None:
        self.socket = root / "var/run/xenstored/socket"
        self.socket.parent.mkdir(parents=True)
        self._values: dict[str, str] = {}
        """By path; what is only a folder has an empty one."""
        self.whole = True
        """Whether a long answer goes out whole, as oxenstored's on its socket; C xenstored has it asked for in parts."""
        self._lock = threading.RLock()
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="xenstore", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def write(self, path: str, value: str) -> None:
        """Raises ValueError over 2048 bytes, as oxenstored refuses it."""
        if len(value.encode("utf-8", "surrogateescape")) > LIMIT:
            raise ValueError(f"{path}: {len(value.encode('utf-8', 'surrogateescape'))} bytes are more than {LIMIT}")
        with self._lock:
            parts = path.strip("/").split("/")
            for end in range(1, len(parts)):
                self._values.setdefault("/" + "/".join(parts[:end]), "")
            self._values["/" + "/".join(parts)] = value

    def read(self, path: str) -> str | None:
        return self._values.get(path.rstrip("/"))

    def remove(self, path: str) -> bool:
        """With all below it; whether there was anything."""
        with self._lock:
            gone = [one for one in self._values if one == path or one.startswith(path + "/")]
            for one in gone:
                del self._values[one]
        return bool(gone)

    def listed(self, path: str) -> list[str] | None:
        below = path.rstrip("/") + "/"
        with self._lock:
            names = sorted(one[len(below) :] for one in self._values if one.startswith(below) and "/" not in one[len(below) :])
            return names if names or path == "/" or path in self._values else None

    def tree(self, path: str) -> dict[str, str]:
        """Values below a path, by their path from there; folders are left out."""
        below = path.rstrip("/") + "/"
        with self._lock:
            return {one[len(below) :]: value for one, value in sorted(self._values.items()) if one.startswith(below) and value}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, store: Xenstore) -> None:
        self.store = store
        super().__init__(str(store.socket), _Handler)


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError, struct.error):
            while True:
                kind, number, transaction, length = HEADER.unpack(self.rfile.read(HEADER.size))
                try:
                    answer = self._answer(kind, self.rfile.read(length).decode("utf-8", "surrogateescape"))
                except KeyError:
                    kind, answer = ERROR, "ENOENT\0"
                except ValueError:
                    kind, answer = ERROR, "E2BIG\0"
                except NotImplementedError:
                    kind, answer = ERROR, "ENOSYS\0"
                body = answer.encode("utf-8", "surrogateescape")
                self.wfile.write(HEADER.pack(kind, number, transaction, len(body)) + body)

    def _answer(self, kind: int, body: str) -> str:
        """Raises KeyError for what is not there, ValueError for a value that is too large."""
        path, _, value = body.partition("\0")
        store = self.server.store
        found: object = "OK\0"
        if kind == READ:
            found = store.read(path)
        elif kind in (DIRECTORY, DIRECTORY_PART):
            names = store.listed(path)
            found = None if names is None else "".join(f"{name}\0" for name in names)
            if kind == DIRECTORY_PART and found is not None:
                found = _part(str(found), int(value.rstrip("\0")))
            elif not store.whole and len(found or "") > LONGEST:
                raise ValueError(path)
        elif kind == WRITE:
            store.write(path, value)
        elif kind == MKDIR:
            store.write(path, store.read(path) or "")
        elif kind == TRANSACTION_START:
            found = "1\0"
        elif kind == RM:
            found = "OK\0" if store.remove(path) else None
        elif kind != TRANSACTION_END:
            raise NotImplementedError
        if found is None:
            raise KeyError(path)
        return str(found)


def _part(names: str, offset: int) -> str:
    """A generation, and as many names from there on as fit; behind the last one is an empty one."""
    generation = f"{hash(names)}\0"
    left = names[offset:]
    part = left[: LONGEST - len(generation) - 1]
    if len(part) < len(left):
        return generation + part[: part.rindex("\0") + 1]
    return generation + part + "\0"
