"""The lab's folder: its lock, its processes by id, and what is done about a lab that was killed."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ringfence.errors import RingfenceError

from . import netns

ROOT = Path(os.environ.get("RINGFENCE_LAB_DIR", "/run/ringfence-lab"))


def started_at(pid: int) -> str:
    """When a process started, in clock ticks: with it a process id means one process only. "" where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


class LabFolder:
    """One lab at a time on a machine."""

    def __init__(self) -> None:
        self.root = ROOT
        self._lock = -1
        self._children: list[subprocess.Popen] = []
        self.at_end: list[Callable[[], None]] = []
        """What else is to be ended."""

    def take(self) -> None:
        """Take the lock and clear away what an earlier lab left. Raises RingfenceError while another one is up."""
        lock = ROOT.with_name(ROOT.name + ".lock")
        while True:
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._lock)
                raise RingfenceError("another lab is running", str(lock), "end it with ringfence-lab down") from None
            if lock.exists() and os.path.samestat(os.fstat(self._lock), lock.stat()):
                break
            os.close(self._lock)  # a lab that left took the file with it
        self.clear()
        self.root.mkdir(parents=True)

    def clear(self) -> None:
        """End recorded processes that still are what they were, remove namespaces and files."""
        for entry in sorted(self.root.glob("pids/*")):
            pid, start = entry.name.split("-")
            if started_at(int(pid)) == start:
                os.kill(int(pid), 9)
        if shutil.which("ip"):
            netns.remove_all()
        shutil.rmtree(self.root, ignore_errors=True)

    def record(self, pid: int) -> None:
        (self.root / "pids").mkdir(exist_ok=True)
        (self.root / "pids" / f"{pid}-{started_at(pid)}").touch()

    def spawn(self, owner: str, words: list[str], env: dict[str, str], log: Path) -> subprocess.Popen:
        """A process in the namespace of ``owner``, its output in ``log``."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            child = subprocess.Popen(
                ["ip", "netns", "exec", netns.name_of(owner), *words],
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.record(child.pid)
        self._children.append(child)
        return child

    @staticmethod
    def end(child: subprocess.Popen, signal: int = 15, limit: float = 5.0) -> None:
        """End a process and wait; SIGKILL after ``limit`` seconds."""
        if child.poll() is None:
            child.send_signal(signal)
            try:
                child.wait(limit)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def leave(self) -> None:
        """End every process, remove everything, free the lock."""
        for child in self._children:
            self.end(child, 9)
        for end in self.at_end:
            end()
        self.clear()
        lock = ROOT.with_name(ROOT.name + ".lock")
        lock.unlink(missing_ok=True)
        os.close(self._lock)


def wait_for(condition: Callable[[], object], what: str, limit: float = 10.0) -> None:
    """Until ``condition()`` is true. Raises RingfenceError naming ``what`` after ``limit`` seconds."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise RingfenceError(f"{what} did not come about within {limit:g} s")
        time.sleep(0.02)
