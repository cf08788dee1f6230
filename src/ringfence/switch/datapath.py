"""When the datapath follows the tables: what vswitchd has cached is gone over after a change."""

import select
import time

from ..flows.flow import Flow, FlowSet
from ..flows.guest import shared
from . import unixctl
from .openflow import Session

NUDGE_S = 0.004


def revalidate(session: Session) -> None:
    """Return once a round of revalidation that began after this call is over. Raises Unreachable.

    ``revalidator/wait`` answers at the end of the round that runs when it is asked, or of the next one, up to half
    a second later where nothing changes meanwhile. So it is asked twice, each time followed by a change that changes
    nothing (a flow of ours, modified to what it is), which makes vswitchd begin a round at once. A question that is
    answered in between says that vswitchd has taken in the first; and more of them wake its main loop, which
    alone answers and would else sleep on.
    """
    deadline = time.monotonic() + unixctl.TIMEOUT_S
    for _ in range(2):
        with unixctl.asked("revalidator/wait") as wire:
            unixctl.ask("version")
            session.modify(_NOTHING)
            while not select.select([wire], [], [], NUDGE_S)[0] and time.monotonic() < deadline:
                unixctl.ask("version")
            unixctl.answered(wire)


def _a_flow() -> Flow:
    flows = FlowSet()
    shared(flows)
    return next(f for f in flows if not f.match)


_NOTHING = _a_flow()
