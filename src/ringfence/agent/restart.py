"""The switch's restarts: it holds all packets until its flows are back, and never longer than the watchdog allows."""

import logging
import os
import time
from typing import Optional

from .. import paths
from ..errors import RingfenceError
from ..switch.command import vsctl

log = logging.getLogger("ringfence")
HOLD_S = 5.0


def switch_pid() -> Optional[int]:
    """The running ovs-vswitchd's process id; None where there is none."""
    try:
        with open(os.path.join(paths.OVS_RUN, "ovs-vswitchd.pid"), encoding="ascii") as kept:
            pid = int(kept.read().strip())
        os.kill(pid, 0)
        return pid
    except (OSError, ValueError):
        return None


def arm() -> None:
    """The next start of the switch forwards nothing until ``release``; a running switch does not mind."""
    vsctl("set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true")


def release() -> None:
    vsctl("remove", "Open_vSwitch", ".", "other_config", "flow-restore-wait")


def watchdog() -> None:
    """Runs by itself: a switch that started and was not released within HOLD_S is released, agent or no agent."""
    seen, since = switch_pid(), 0.0
    while True:
        pid = switch_pid()
        if pid != seen:
            seen, since = pid, time.monotonic()
        if since and seen is not None and time.monotonic() - since > HOLD_S - 0.5:
            since = 0.0
            try:
                if "flow-restore-wait" in vsctl("get", "Open_vSwitch", ".", "other_config"):
                    log.warning("event=released-by-watchdog")
                    release()
            except RingfenceError as error:
                log.error("event=watchdog-failed reason=%s", error)
        time.sleep(0.25)
