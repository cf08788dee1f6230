"""When the datapath follows the tables: what vswitchd has cached is gone over after a change."""

import json
import os
import select
import socket
import time

from .. import paths
from ..errors import Unreachable
from ..flows.flow import Flow, FlowSet
from ..flows.guest import shared
from .openflow import Session

TIMEOUT_S = 10.0
NUDGE_S = 0.004


def revalidate(session: Session) -> None:
    """Return once a round of revalidation that began after this call is over. Raises Unreachable.

    ``revalidator/wait`` answers at the end of the round that runs when it is asked, or of the next one, up to half
    a second later where nothing changes meanwhile. So it is asked twice, each time followed by a change that changes
    nothing (a flow of ours, modified to what it is), which makes vswitchd begin a round at once. A question that is
    answered in between says that vswitchd has taken in the first; and more of them wake its main loop, which
    alone answers and would else sleep on.
    """
    deadline = time.monotonic() + TIMEOUT_S
    for _ in range(2):
        with _asked("revalidator/wait") as wire:
            _nudge()
            session.modify(_NOTHING)
            while not select.select([wire], [], [], NUDGE_S)[0] and time.monotonic() < deadline:
                _nudge()
            _answered(wire)


def _nudge() -> None:
    with _asked("version") as wire:
        _answered(wire)


def _a_flow() -> Flow:
    flows = FlowSet()
    shared(flows)
    return next(f for f in flows if not f.match)


_NOTHING = _a_flow()


def _asked(method: str) -> socket.socket:
    """vswitchd's control socket with a question on it (ovs-vswitchd(8), RUNTIME MANAGEMENT COMMANDS)."""
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with open(os.path.join(paths.OVS_RUN, "ovs-vswitchd.pid"), encoding="ascii") as kept:
            where = os.path.join(paths.OVS_RUN, "ovs-vswitchd.{}.ctl".format(int(kept.read())))
        wire.settimeout(TIMEOUT_S)
        wire.connect(where)
        wire.sendall(json.dumps({"id": 0, "method": method, "params": []}).encode("ascii"))
        return wire
    except (OSError, ValueError) as error:
        wire.close()
        raise Unreachable("ovs-vswitchd cannot be asked ({})".format(error), paths.OVS_RUN, "is it running?") from None


def _answered(wire: socket.socket) -> None:
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
