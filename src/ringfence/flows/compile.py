"""compile: what is plugged into a bridge, and the picture of its networks, to the flows of that bridge."""

from functools import partial
from typing import Any, Dict, List, Optional, Tuple

from . import count, deliver, guest, party, verdict  # the writers of the tables, one a concern
from .fence import Fence, Todo
from .flow import FlowSet
from .numbers import Kept, Numbers
from .parts import Change, Parts
from .site import BridgePlan, Site


class Compiler:
    """The flows of one bridge. What a plan changes is written again, and nothing else.

    After any history they are what one plan alone gives with the same numbers (tests/property/test_incremental.py).
    """

    def __init__(self, kept: Optional[Kept] = None) -> None:
        self.numbers = Numbers(kept or {})
        self.flows = Parts()
        self._fences: Dict[Tuple[str, int], Fence] = {}
        self._ports: Any = None
        """The ports, and the VLANs, that are nobody's of the fenced networks."""
        self.freed: List[int] = []
        """Numbers of VIFs that the last compilation set free."""

    def compile(self, plan: BridgePlan) -> Change:
        """Bring ``flows`` to the plan; there is none where no segment is fenced. Raises ValueError for a mistake of a writer.

        Then, and after any other exception, the compiler is of no more use.
        """
        todo: Todo = {}
        ports = (plan.strangers, plan.others, plan.closed_tags, plan.watched) if plan.segments else None
        segments = {(segment.view.facts.uuid, segment.tag): segment for segment in plan.segments}
        for key, fence in list(self._fences.items()):
            if key not in segments or not fence.fits(segments[key], plan):
                fence.leave()
                del self._fences[key]
                todo.update((part, None) for part in self.flows.parts_of(key))
        if ports != self._ports:
            self._ports = ports
            todo[("shared",)] = _shared if plan.segments else None
            todo[("watched",)] = _watched if plan.watched else None
            todo[("ports",)] = partial(_others, plan=plan) if plan.segments else None
        for key, segment in segments.items():
            site = Site(segment, plan, self.numbers)
            if key not in self._fences:
                self._fences[key] = Fence(site)
            self._fences[key].take(site, todo)
        change = self.flows.renew(todo)
        self.freed = self.numbers.settle()
        return change


def compile_bridge(plan: BridgePlan, kept: Optional[Kept] = None) -> FlowSet:
    """All flows of a bridge: a function of its arguments alone."""
    compiler = Compiler(kept)
    compiler.compile(plan)
    return compiler.flows


def close_ports(ports: Tuple[int, ...]) -> FlowSet:
    """The drops alone for ports of which nothing is known; no other flow is named."""
    flows = FlowSet()
    for port in ports:
        guest.stranger(flows, port)
    return flows


def _shared(flows: FlowSet) -> None:
    guest.shared(flows)
    party.shared(flows)
    verdict.shared(flows)
    deliver.shared(flows)
    count.shared(flows)


def _watched(flows: FlowSet) -> None:
    party.watched(flows)
    deliver.watched(flows)
    count.watched(flows, 0)


def _others(flows: FlowSet, plan: BridgePlan) -> None:
    for port in plan.strangers:
        guest.stranger(flows, port)
    party.guests(flows, plan.others, plan.closed_tags)
