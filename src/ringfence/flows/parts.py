"""Flows by the part that they belong to: what a part is made of has changed, so the part is made again, and no other."""

from collections import Counter
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from .flow import Flow, FlowSet, Key

Part = Tuple[Any, ...]
Writer = Callable[[FlowSet], None]


class Change(NamedTuple):
    """What makes the flows that were there before into those that are wanted."""

    remove: List[Key]
    add: List[Flow]
    """New ones, and those that do or say something else now."""


class Parts(FlowSet):
    """``add`` is for writers alone. Two parts may have the same flow."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: Dict[Part, Tuple[Flow, ...]] = {}
        self._shared: Counter = Counter()
        """Flows by key that several parts have: how many besides the first."""
        self._written: List[Flow] = []
        """By the part that is being written."""
        self._new: List[Flow] = []

    def parts_of(self, owner: Any) -> List[Part]:
        """The parts whose name begins so."""
        return [part for part in self._parts if part[0] == owner]

    def renew(self, todo: Dict[Part, Optional[Writer]]) -> Change:
        """Write parts anew; None is for one that is no more. Raises ValueError for a mistake of a writer: then all is void."""
        gone: Dict[Key, Flow] = {}
        for part in todo:
            for flow in self._parts.pop(part, ()):
                key = flow.key
                if key not in self._shared:
                    gone[key] = self.flows.pop(key)
                elif self._shared[key] == 1:
                    del self._shared[key]
                else:
                    self._shared[key] -= 1
        for part, write in todo.items():
            if write is None:
                continue
            self._written = []
            write(self)
            if self._written:
                self._parts[part] = tuple(self._written)
        remove = [key for key in gone if key not in self.flows]
        add = [flow for flow in self._new if gone.get(flow.key) != flow] if gone else self._new
        self._new = []
        return Change(remove, add)

    def _put(self, key: Key, flow: Flow, known: Optional[Flow]) -> None:
        if known is None:
            self.flows[key] = flow
            self._new.append(flow)
        elif all(key != other.key for other in self._written):
            self._shared[key] += 1
        else:
            return
        self._written.append(flow if known is None else known)
