"""The networks of a pool by uuid, each looked at when somebody first asks for it."""

from typing import Dict, Iterator, Mapping, Optional, Set, Union

from ..records import Closed, NetworkLine, effective
from ..table import Table, differing
from .facts import Facts, NetworkFacts, VifFacts
from .network import NetworkView
from .roster import Row

Lines = Mapping[str, Union[NetworkLine, Closed]]


NOBODY: Table[str, VifFacts] = Table()


class Networks(Mapping[str, NetworkView]):
    """Immutable. Those that have VIFs: a host asks for the few that are on it, of a pool's hundreds."""

    def __init__(self, facts: Facts, lines: Lines, earlier: Optional["Networks"], anew: Set[str]) -> None:
        """``earlier``: what its views say holds, but for the VIFs that differ, and for the networks of ``anew``."""
        self._facts = facts
        self._lines = lines
        self._vifs: Dict[str, Table[str, VifFacts]] = {} if earlier is None else dict(earlier._vifs)
        self._made: Dict[str, NetworkView] = {}
        changed = self._sort(Facts() if earlier is None else earlier._facts)
        for network, view in [] if earlier is None else list(earlier._made.items()):
            if network not in anew and network in self._vifs:
                rows = changed.get(network)
                if rows is not None:
                    view = view.after({uuid: None if vif is None else self._row(vif) for uuid, vif in rows.items()})
                self._made[network] = view

    def _sort(self, before: Facts) -> Dict[str, Dict[str, Optional[VifFacts]]]:
        """Which VIFs each network has. What changed, by network and VIF; None is for one that went."""
        changed: Dict[str, Dict[str, Optional[VifFacts]]] = {}
        for uuid in differing(before.vifs, self._facts.vifs):
            was, now = before.vifs.get(uuid), self._facts.vifs.get(uuid)
            if was == now:
                continue
            if was is not None:
                changed.setdefault(was.network, {})[uuid] = None
            if now is not None:
                changed.setdefault(now.network, {})[uuid] = now
        for network, vifs in changed.items():
            self._vifs[network] = self._vifs.get(network, NOBODY).after(vifs)
            if not self._vifs[network]:
                del self._vifs[network]
        return changed

    def _row(self, vif: VifFacts) -> Row:
        line = self._lines.get(vif.network, Closed("its network is not known"))
        return Row(vif, line if isinstance(line, Closed) else effective(vif.line, vif.mac, line, vif.xapi))

    def __getitem__(self, network: str) -> NetworkView:
        view = self._made.get(network)
        if view is None:
            rows = [self._row(vif) for vif in self._vifs[network].values()]
            line = self._lines.get(network, Closed(""))
            facts = self._facts.networks.get(network, NetworkFacts(network, network))
            made = NetworkView(facts, NetworkLine() if isinstance(line, Closed) else line, rows)
            view = self._made.setdefault(network, made)  # one for all who ask at once
        return view

    def __contains__(self, network: object) -> bool:
        return network in self._vifs

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._vifs))

    def __len__(self) -> int:
        return len(self._vifs)
