"""The xenstore commands, as the hook uses them."""

import subprocess
from typing import Optional


def read(path: str) -> Optional[str]:
    done = subprocess.run(["xenstore-read", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def write(path: str, value: str) -> bool:
    return subprocess.run(["xenstore-write", path, value], stderr=subprocess.DEVNULL).returncode == 0


def remove(path: str) -> None:
    """A path that is not there is no error."""
    subprocess.run(["xenstore-rm", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
