"""ringfenced: the agent as a process in the foreground."""

import argparse
import gc
import logging
import logging.handlers
import os
import signal
import socket
import sys
from typing import Any, List, Optional

from .. import __version__, paths
from ..errors import RingfenceError
from ..inventory import backend, installation_uuid
from . import restart
from .agent import Agent
from .requests import Requests
from .socket import AgentServer

TURN_S = 0.001
"""How long one thread may keep another waiting: a change is to be in force within milliseconds, whatever else is done meanwhile."""
GARBAGE = (100000, 20, 20)
"""Thresholds of the search for garbage: a picture and its flows are 100,000 values and more without a cycle, made anew by a change."""


def main(argv: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="ringfenced", description="Enforces ringfence policy on this host; runs in the foreground.")
    parser.add_argument("--watchdog", action="store_true", help="only release a switch that waits for its flows for too long")
    parser.add_argument(
        "--presence", type=float, default=60.0, metavar="SECONDS", help="how often this host tells the pool that ringfence runs here (60)"
    )
    parser.add_argument("--log", metavar="FILE", help="log into a file, opened anew when it is rotated (standard error)")
    parser.add_argument("--verbose", action="store_true", help="log at debug level")
    parser.add_argument("--version", action="version", version=__version__)
    options = parser.parse_args(argv)
    level = logging.DEBUG if options.verbose else logging.INFO
    handler: logging.Handler = logging.handlers.WatchedFileHandler(options.log) if options.log else logging.StreamHandler()
    logging.basicConfig(level=level, handlers=[handler], format="%(asctime)s level=%(levelname)s %(message)s")
    try:
        return _watch() if options.watchdog else _serve(options.presence)
    except RingfenceError as error:
        sys.stderr.write("ringfenced: {}\n".format(error))
        return error.exit_status


def _watch() -> int:
    signal.signal(signal.SIGTERM, _exit)
    restart.watchdog()
    return 0


def _exit(*_: Any) -> None:
    sys.exit(0)


def _serve(presence: float) -> int:
    if backend() == "bridge":
        raise RingfenceError(
            "this host uses the Linux bridge", mend="run xe-switch-network-backend openvswitch with no VM running, and reboot"
        )
    gc.set_threshold(*GARBAGE)
    sys.setswitchinterval(TURN_S)
    agent = Agent(installation_uuid(), presence)
    server = AgentServer(Requests(agent).answer)
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: agent.stop())
    signal.signal(signal.SIGINT, lambda *_: agent.stop())
    notify("READY=1")
    try:
        agent.run()
    finally:
        notify("STOPPING=1")
        server.shutdown()
        server.server_close()
        try:
            os.unlink(paths.AGENT_SOCKET)
        except FileNotFoundError:
            pass
    return 0


def notify(state: str) -> None:
    """systemd's notify protocol, sd_notify(3); nothing where nobody listens."""
    where = os.environ.get("NOTIFY_SOCKET")
    if not where:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        try:
            wire.sendto(state.encode("ascii"), "\0" + where[1:] if where.startswith("@") else where)
        except OSError:
            pass


if __name__ == "__main__":
    sys.exit(main())
