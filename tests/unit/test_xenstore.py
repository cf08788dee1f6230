"""xenstore over its socket: what it is asked, and what it answers, beside Debian's own programs."""

import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence import paths, xenstore
from ringfence.errors import Refused, Unreachable
from ringfence_lab.xenstore import LIMIT, Xenstore


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Xenstore]:
    with tempfile.TemporaryDirectory(prefix="rf-") as folder:
        made = Xenstore(Path(folder))
        monkeypatch.setattr(paths, "XENSTORE_SOCKET", str(made.socket))
        yield made
        made.stop()


def program(store: Xenstore, *words: str) -> str:
    env = {**os.environ, "XENSTORED_PATH": str(store.socket)}
    return subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout.strip()


def test_what_is_written_is_read_by_others_too(store: Xenstore) -> None:
    xenstore.write("/xapi/vm/hotplug", "7")
    assert program(store, "xenstore-read", "/xapi/vm/hotplug") == "7"
    program(store, "xenstore-write", "/xapi/vm/private", "blå")
    assert xenstore.read("/xapi/vm/private") == "blå"
    assert xenstore.listed("/xapi/vm") == program(store, "xenstore-list", "/xapi/vm").split() == ["hotplug", "private"]
    assert xenstore.read("/xapi/vm") == "", "a folder"


def test_what_is_not_there_is_no_error(store: Xenstore) -> None:
    assert xenstore.read("/nowhere") is None
    assert xenstore.listed("/nowhere") == []
    xenstore.remove("/nowhere")
    xenstore.write("/a/b", "1")
    xenstore.write("/a/bc", "2")
    xenstore.remove("/a/b")
    assert store.tree("/") == {"a/bc": "2"}


def test_what_it_refuses_is_told(store: Xenstore) -> None:
    with pytest.raises(Refused, match=r"refuses /a \(E2BIG\)"):
        xenstore.write("/a", "x" * (LIMIT + 1))
    for path, value in (("/a", "x" * xenstore.LONGEST), ("/a\0/b", "x"), ("/a", "\ud800")):
        with pytest.raises(Refused, match="takes no such question"):
            xenstore.write(path, value)
    assert store.tree("/") == {}


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("count", [0, 1, 112, 113, 1000])
def test_a_long_list_is_read_to_its_end(store: Xenstore, whole: bool, count: int) -> None:
    """oxenstored sends it at once, which Debian's programs take for an error; C xenstored in parts."""
    store.whole = whole
    store.write("/xapi", "")
    names = [f"{number:08d}-0000-0000-0000-000000000000" for number in range(count)]
    for name in names:
        store.write(f"/xapi/{name}", "x")
    assert xenstore.listed("/xapi") == names
    if not whole:
        assert program(store, "xenstore-list", "/xapi").split() == names


def test_a_list_that_changes_while_it_is_read_is_read_anew(store: Xenstore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.whole = False
    for number in range(300):
        store.write(f"/xapi/{number:036d}", "x")
    ask, asked = xenstore._ask, []

    def meddle(kind: int, path: str, value: str = "") -> bytes | None:
        asked.append(kind)
        if len(asked) == 3:  # the whole list, the first part, and now the second
            store.write(f"/xapi/{0:035d}a", "x")
        return ask(kind, path, value)

    monkeypatch.setattr(xenstore, "_ask", meddle)
    assert len(xenstore.listed("/xapi")) == 301


@pytest.mark.parametrize("answer", [b"", b"\1\2", xenstore.HEADER.pack(xenstore.READ, 0, 0, 9) + b"short"])
def test_one_that_hangs_up_is_unreachable(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="rf-") as folder, socket.socket(socket.AF_UNIX) as listening:
        where = f"{folder}/socket"
        monkeypatch.setattr(paths, "XENSTORE_SOCKET", where)
        with pytest.raises(Unreachable, match="does not answer"):
            xenstore.read("/a")
        listening.bind(where)
        listening.listen()

        def serve() -> None:
            wire, _ = listening.accept()
            wire.recv(100)
            wire.sendall(answer)
            wire.close()

        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises(Unreachable, match="hung up"):
            xenstore.read("/a")
        server.join()


def test_one_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="rf-") as folder, socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.setattr(paths, "XENSTORE_SOCKET", f"{folder}/socket")
        monkeypatch.setattr(xenstore, "PATIENCE_S", 0.05)
        listening.bind(f"{folder}/socket")
        listening.listen()
        for _ in range(20):  # until there is no room for one who waits
            with pytest.raises(Unreachable, match=r"no answer within|does not answer"):
                xenstore.read("/a")
