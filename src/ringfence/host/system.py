"""The host's own services and files, as far as putting ringfence in force touches them."""

import os
import shutil
import subprocess
from typing import List, Optional

from ..errors import Refused
from ..files import replacing

UNITS = ("ringfenced.service", "ringfence-watchdog.service")
XENOPSD = ("xenopsd-xc.service", "xenopsd.service", "xenopsd-xenlight.service")
"""Its unit by release; those that are not there are passed over."""


def systemctl(*words: str) -> str:
    """Raises Refused with systemd's own words."""
    done = subprocess.run(["systemctl"] + list(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode:
        what = " ".join((done.stderr or done.stdout).split()) or "exit {}".format(done.returncode)
        raise Refused(what, "systemctl {}".format(" ".join(words)), "see systemctl status and journalctl")
    return done.stdout


def active(unit: str) -> bool:
    words = ["systemctl", "--quiet", "is-active", unit]
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def restart_xenopsd() -> bool:
    """So that it reads its settings again; VMs go on meanwhile. False where none runs."""
    for unit in XENOPSD:
        if active(unit):
            systemctl("restart", unit)
            return True
    return False


def write_file(path: str, text: str, mode: int = 0o644) -> None:
    """All of it or what was there before. Raises OSError."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with replacing(path, mode) as kept:
        kept.write(text)


def read_file(path: str) -> Optional[str]:
    """None where it is not there. Raises OSError for all else."""
    try:
        with open(path, encoding="utf-8") as kept:
            return kept.read()
    except FileNotFoundError:
        return None


def point(link: str, target: str) -> None:
    """Make a symbolic link point elsewhere, in one step."""
    os.makedirs(os.path.dirname(link), exist_ok=True)
    name = "{}.{}".format(link, os.getpid())
    os.symlink(target, name)
    os.rename(name, link)


def forget_tree(path: str) -> None:
    """Remove a folder, a file or a link; what is not there is no error."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def bytecode(folder: str) -> List[str]:
    """The folders of compiled code below a folder."""
    return [os.path.join(where, name) for where, names, _ in os.walk(folder) for name in names if name == "__pycache__"]
