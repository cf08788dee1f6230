"""Network namespaces: made, entered by a thread, removed."""

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PREFIX = "rfl-"
_LIBC = ctypes.CDLL(None, use_errno=True)
_NEWNET = 0x40000000


def name_of(owner: str) -> str:
    return PREFIX + owner


def run(*words: str, feed: str | None = None) -> str:
    """Standard output of a command; RuntimeError with its own words where it fails."""
    done = subprocess.run(words, input=feed, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def ip(owner: str, *lines: str) -> None:
    """Lines for ``ip -batch`` inside the namespace of ``owner``."""
    run("ip", "-n", name_of(owner), "-batch", "-", feed="\n".join(lines) + "\n")


def add(owner: str) -> None:
    run("ip", "netns", "add", name_of(owner))
    ip(owner, "link set lo up")


def remove_all() -> None:
    """End what runs in the lab's namespaces, and remove them."""
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        if not name.startswith(PREFIX):
            continue
        for pid in run("ip", "netns", "pids", name).split():
            try:
                os.kill(int(pid), 9)
            except ProcessLookupError:
                pass
        run("ip", "netns", "del", name)


def inside(owner: str, work: Callable[[], T]) -> T:
    """Run ``work`` in a thread that has entered the namespace; sockets made there stay there."""
    result: list[T] = []
    failure: list[BaseException] = []

    def enter() -> None:
        try:
            with open(f"/run/netns/{name_of(owner)}", "rb") as handle:
                if _LIBC.setns(handle.fileno(), _NEWNET):
                    raise OSError(ctypes.get_errno(), f"setns {name_of(owner)}")
            result.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]
