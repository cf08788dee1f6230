"""Running Open vSwitch's own programs."""

import subprocess
from typing import List, Optional, Tuple

from ..errors import SwitchRefused, Unreachable

_AWAY = ("failed to connect", "database connection failed", "is not a bridge or a socket", "Connection re", "End of file", "Broken pipe")
"""What Open vSwitch's programs say where the switch or its database is gone, or goes while they ask."""


def run(argv: List[str], feed: Optional[str] = None, timeout: float = 30.0, good: Tuple[int, ...] = (0,)) -> str:
    """Standard output of a command that ends ``good``. Raises Unreachable, or SwitchRefused with the program's own words."""
    try:
        done = subprocess.run(
            argv,
            input=feed,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise Unreachable("{} is not installed".format(argv[0]), mend="install Open vSwitch") from None
    except subprocess.TimeoutExpired:
        raise Unreachable("{} did not answer within {:g} s".format(argv[0], timeout), mend="is ovs-vswitchd running?") from None
    if done.returncode not in good:
        words = " ".join(done.stderr.split())
        if any(sign in words for sign in _AWAY):
            raise Unreachable(words, argv[0], "is ovs-vswitchd running?")
        raise SwitchRefused(words or "exit {}".format(done.returncode), argv[0])
    return done.stdout


def vsctl(*words: str) -> str:
    """ovs-vsctl, without waiting for the switch to follow."""
    return run(["ovs-vsctl", "--timeout=10", "--no-wait"] + list(words))
