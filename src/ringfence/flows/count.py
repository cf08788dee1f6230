"""Tables 42 and 43: who dropped frames were from and for, counted by the switch itself.

A drop says its reason in a register and leads here, where the first frame of its kind makes the counter of all that follow.
On enforced networks nothing of the frame itself tells counters apart: a flood of any kind makes no more than one for each
VIF and reason, and no more datapath flows. On watched ones its addresses do, for they are what is to be learned. That a flood
does not reach strangers is no drop: counting its copies would cost the switch more than making them.
"""

from .fields import ARP, IPV4, IPV6, match
from .flow import FlowSet, learn, load, resubmit
from .pipeline import COPY, REASON, RECEIVER, SENDER, WATCHED

ADDRESSES = ((IPV4, ("nw_src", "nw_dst")), (IPV6, ("ipv6_src", "ipv6_dst")), (ARP, ("arp_spa", "arp_tpa")))
LIMIT = 16384
WATCHED_LIMIT = 4096


def shared(flows: FlowSet) -> None:
    flows.add("count", 200, match(**{COPY: 1}), [load(REASON, 0)])
    # Frames of machines are told apart by whom they are for; those of VIFs here by whom they are from.
    flows.add("count", 0, (), [learn(1, LIMIT, 0, (SENDER, REASON, WATCHED)), resubmit("counted")])
    to_a_guest = learn(2, LIMIT, 0, (SENDER, RECEIVER, REASON, WATCHED))
    flows.add("count", 10, match(**{SENDER: 0}), [to_a_guest, resubmit("counted")])


def watched(flows: FlowSet) -> None:
    parties = (SENDER, RECEIVER, REASON, WATCHED)
    flows.add("count", 50, match(**{WATCHED: 1}), [learn(3, WATCHED_LIMIT, 0, parties), resubmit("counted")])
    for ethertype, addresses in ADDRESSES:
        counter = learn(4, WATCHED_LIMIT, ethertype, parties + addresses)
        flows.add("count", 100, match(**{WATCHED: 1, "dl_type": ethertype}), [counter, resubmit("counted")])
