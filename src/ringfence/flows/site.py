"""What is plugged into a bridge, network by network, with the numbers of everything on it."""

from typing import Dict, List, NamedTuple, Tuple

from ..picture.identity import Identity
from ..picture.network import NetworkView
from ..picture.roster import Member, Space
from .flow import NORMAL, PASSED, Action, clone, load, resubmit
from .numbers import Numbers
from .pipeline import WATCHED


class Segment(NamedTuple):
    """One network on one bridge."""

    view: NetworkView
    tag: int = 0
    """VLAN of its frames on the uplinks; 0 is untagged."""
    ports: Dict[str, Tuple[int, ...]] = {}
    """OpenFlow ports (vif and tap) of the VIFs plugged here, by VIF uuid."""
    internal: Tuple[Tuple[int, str], ...] = ()
    """dom0's own ports on the network: OpenFlow port and MAC."""


class BridgePlan(NamedTuple):
    """What a bridge carries: the fenced networks on it, its uplinks, and the VIF ports that nobody can name."""

    segments: Tuple[Segment, ...] = ()
    uplinks: Tuple[int, ...] = ()
    strangers: Tuple[int, ...] = ()
    backups: Tuple[int, ...] = ()
    """Members of bonds that take nothing: the active one has the same frames."""
    deaf: Tuple[int, ...] = ()
    """Members of bonds that take no multicast, for the same reason."""
    others: Tuple[int, ...] = ()
    """VIF ports on networks that are not fenced, or only watched: a guest that tags its frames is no uplink."""

    @property
    def tags(self) -> List[int]:
        """The VLANs of all fenced networks of the bridge."""
        return sorted(segment.tag for segment in self.segments)

    @property
    def closed_tags(self) -> List[int]:
        """Those into which guests of other networks may not tag."""
        return [segment.tag for segment in self.segments if segment.tag and not segment.view.watched]

    @property
    def watched(self) -> bool:
        return any(segment.view.watched for segment in self.segments)


class Site:
    """A segment with the numbers of everything on it: what the writers of the tables work from."""

    def __init__(self, segment: Segment, plan: BridgePlan, numbers: Numbers) -> None:
        self.segment = segment
        self.view = segment.view
        self.plan = plan
        self.numbers = numbers
        self.net = numbers.network(segment.view.facts.uuid)

    @property
    def on_its_way(self) -> Action:
        """What becomes of what the switch itself may forward: the frame was sent already where a copy is watched."""
        return PASSED if self.view.watched else NORMAL

    def judged(self, *actions: Action) -> List[Action]:
        """What is done with frames as they come in; on a watched network with a copy, and the frame passes."""
        return self.let(load(WATCHED, 1), *actions) if self.view.watched else list(actions)

    @staticmethod
    def let(*actions: Action) -> List[Action]:
        """Do so with a copy, and let the frame pass: it meets what others have put into the switch, as it would without us."""
        return [clone(*actions), load(WATCHED, 2), resubmit("dispatch")]

    @property
    def at_first(self) -> Dict[str, int]:
        """What a match in ``dispatch`` has besides, so that a frame that was let pass does not meet it again."""
        return {WATCHED: 0} if self.view.watched else {}

    def vid(self, uuid: str) -> int:
        return self.numbers.vif(uuid)

    def ports(self, member: Member) -> Tuple[int, ...]:
        return self.segment.ports.get(member.vif.uuid, ())

    def space(self, space: Space) -> int:
        return self.numbers.space(self.net, space)

    def number(self, identity: Identity) -> int:
        return self.numbers.identity(self.net, identity)

    def any_class(self, member: Member) -> int:
        return self.number(self.view.identity(member))
