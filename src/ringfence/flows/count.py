"""Tables 42 and 43: who dropped frames were from and for, counted by the switch itself.

A drop says its reason in a register and leads here, where the first frame of its kind makes the counter of all that follow.
On enforced networks nothing of the frame itself tells counters apart: a flood of any kind makes no more than one for each
VIF and reason, and no more datapath flows. On watched ones its addresses do, for they are what is to be learned: each VIF has
a share of such counters, and one more for what does not fit into it. That a flood does not reach strangers is no drop:
counting its copies would cost the switch more than making them (verdict.py).
"""

from .fields import ARP, IPV4, IPV6
from .flow import FlowSet, learn, resubmit
from .match import NOTHING, match
from .pipeline import BY_ADDRESSES, BY_PARTIES, BY_RECEIVER, BY_SENDER, OVERFLOW, REASON, RECEIVER, SENDER, WATCHED

ADDRESSES = ((IPV4, ("nw_src", "nw_dst")), (IPV6, ("ipv6_src", "ipv6_dst")), (ARP, ("arp_spa", "arp_tpa")))
PARTIES = (SENDER, RECEIVER, REASON, WATCHED)
LIMIT = 16384
SHARE = 512
"""Of a VIF that is watched here; as much for all that comes from elsewhere."""


def shared(flows: FlowSet) -> None:
    # Frames of machines are told apart by whom they are for; those of VIFs here by whom they are from.
    flows.add("count", 0, NOTHING, [learn(BY_SENDER, LIMIT, 0, (SENDER, REASON, WATCHED)), resubmit("counted")])
    to_a_guest = learn(BY_RECEIVER, LIMIT, 0, (SENDER, RECEIVER, REASON, WATCHED))
    flows.add("count", 10, match(**{SENDER: 0}), [to_a_guest, resubmit("counted")])


def watched(flows: FlowSet, number: int) -> None:
    """What a VIF here sends on a watched network; with 0, what machines and VIFs of other hosts do."""
    of = {WATCHED: 1, SENDER: number} if number else {WATCHED: 1}
    nearer = 10 if number else 0
    flows.add("count", 50 + nearer, match(**of), [learn(BY_PARTIES, SHARE, 0, PARTIES, number), resubmit("counted")])
    for ethertype, addresses in ADDRESSES:
        counters = [learn(BY_ADDRESSES, SHARE, ethertype, PARTIES + addresses, number), learn(OVERFLOW, SHARE, 0, PARTIES, number)]
        flows.add("count", 100 + nearer, match(**dict(of, dl_type=ethertype)), counters + [resubmit("counted")])
