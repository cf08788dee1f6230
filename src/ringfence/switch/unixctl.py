"""Asking ovs-vswitchd over its control socket (ovs-vswitchd(8), RUNTIME MANAGEMENT COMMANDS), without a process."""

import json
import os
import socket

from .. import paths
from ..errors import Unreachable

TIMEOUT_S = 10.0


def ask(method: str, *words: str) -> str:
    """Raises Unreachable."""
    with asked(method, *words) as wire:
        return answered(wire)


def asked(method: str, *words: str) -> socket.socket:
    """vswitchd's control socket with a question on it (ovs-vswitchd(8), RUNTIME MANAGEMENT COMMANDS)."""
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with open(os.path.join(paths.OVS_RUN, "ovs-vswitchd.pid"), encoding="ascii") as kept:
            where = os.path.join(paths.OVS_RUN, "ovs-vswitchd.{}.ctl".format(int(kept.read())))
        wire.settimeout(TIMEOUT_S)
        wire.connect(where)
        wire.sendall(json.dumps({"id": 0, "method": method, "params": list(words)}).encode("ascii"))
        return wire
    except (OSError, ValueError) as error:
        wire.close()
        raise Unreachable("ovs-vswitchd cannot be asked ({})".format(error), paths.OVS_RUN, "is it running?") from None


def answered(wire: socket.socket) -> str:
    """The answer, once it is there. Raises Unreachable."""
    text = ""
    while True:
        try:
            more = wire.recv(4096)
            if not more:
                raise OSError("it hung up")
            text += more.decode("utf-8", "replace")
            answer = json.loads(text)
            break
        except OSError as error:
            raise Unreachable("ovs-vswitchd did not answer ({})".format(error), paths.OVS_RUN, "see ovs-vswitchd.log") from None
        except ValueError:
            continue  # half of it
    if answer.get("error"):
        raise Unreachable(str(answer["error"]).strip(), "ovs-vswitchd", "see ovs-vswitchd.log")
    return str(answer.get("result") or "")
