"""Tables 39 to 41: learning where machines are, delivery, and the copies of a flood."""

from typing import Dict, Iterable, List, Tuple

from ..picture.roster import Member
from .flow import (
    FORGET_PORT,
    NORMAL,
    PASSED,
    STRIP_TAG,
    Action,
    FlowSet,
    clone,
    load,
    move,
    output,
    resubmit,
    set_receiver,
)
from .match import NOTHING, match, on
from .pipeline import (
    ARRIVED,
    COPY,
    DESTINATION,
    KIND_LOCAL,
    KIND_NETWORK,
    KIND_PARTY,
    NETWORK,
    RECEIVER,
    SENDER,
    WATCHED,
    cookie,
)
from .site import Site

PAGE = 256
"""Copies in one flow: it holds no more than some 600."""


def shared(flows: FlowSet) -> None:
    # Explicit delivery teaches the switch nothing about the sender: a copy sent back to it does.
    teach = clone(move("dl_src", "dl_dst"), NORMAL)
    flows.add("learn", 100, match(**{ARRIVED: 1, COPY: 0}), [teach, resubmit("delivery")])
    flows.add("learn", 0, NOTHING, [resubmit("delivery")])
    flows.add("delivery", 10, match(**{RECEIVER: 0}), [NORMAL])
    flows.drop("delivery", 0, NOTHING, "unmatched")
    flows.drop("flood", 0, NOTHING, "unmatched")


def watched(flows: FlowSet) -> None:
    """Behind the verdict a copy that is only watched has passed: nothing of it is learned or sent."""
    flows.add("learn", 200, match(**{WATCHED: 1}), [PASSED])


def member(flows: FlowSet, site: Site, one: Member) -> None:
    """Frames that may reach a VIF: here by its ports, elsewhere by its MAC."""
    vid = site.vid(one.vif.uuid)
    for_it = on(RECEIVER, vid)
    to = set_receiver(one.vif.mac)
    ports = site.ports(one)
    if not ports:
        flows.add("delivery", 100, for_it, [to, NORMAL], cookie(KIND_PARTY, vid))
        return
    mark = cookie(KIND_LOCAL, vid)
    send: List[Action] = [FORGET_PORT, STRIP_TAG] + [output(port) for port in ports]
    reached = [to, clone(*send), NORMAL] if one.vif.migrating else [to] + send
    flows.add("delivery", 100, for_it, reached, mark)
    flows.drop("delivery", 200, for_it + on(SENDER, vid), "echo", vid)
    # A copy teaches nothing: it leaves one table sooner, for the switch follows 4096 jumps for a frame, and no more.
    flows.add("learn", 150, on(COPY, 1) + for_it, send, mark)
    flows.drop("learn", 160, on(COPY, 1) + for_it + on(SENDER, vid), "echo", vid)


def flood(flows: FlowSet, site: Site, here: Iterable[Tuple[int, int]], beyond: int) -> None:
    """A copy for each of those ``here`` (number and class), and one for the uplinks, judged as class ``beyond``."""
    mark = cookie(KIND_NETWORK, site.net)
    if site.view.watched:  # the copies are not counted: they need not be judged
        flows.add("flood", 50, match(**{NETWORK: site.net}), [PASSED], mark)
        return
    copies: Dict[int, List[Action]] = {}
    for vid, kind in here:
        one = clone(load(RECEIVER, vid), load(DESTINATION, kind), load(COPY, 1), resubmit("out"))
        copies.setdefault(vid // PAGE + 2, []).append(one)
    made = [one for page in copies.values() for one in page]
    if len(made) > PAGE:
        for page, of in copies.items():
            flows.add("flood", 150, match(**{NETWORK: site.net, COPY: page}), of, mark)
        made = [clone(load(COPY, page), resubmit("flood")) for page in sorted(copies)]
    flows.add("flood", 100, match(**{NETWORK: site.net, ARRIVED: 1}), made + [NORMAL], mark)
    judged = [load(RECEIVER, 0), load(DESTINATION, beyond), load(COPY, 1), resubmit("out")]
    flows.add("flood", 50, match(**{NETWORK: site.net}), made + judged, mark)
