"""VIFs by whatever they are called: name-labels and uuids of VMs, uuids of VIFs, and what a uuid unambiguously begins with."""

import bisect
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple

from ..picture import VifFacts

SHORTEST = 4
"""Letters that the beginning of a uuid has at least."""


class Found(NamedTuple):
    """A VIF with its row in XAPI."""

    ref: str
    row: Dict[str, Any]
    facts: VifFacts


class Names:
    """Built once; a look-up costs what it finds."""

    def __init__(self, rows: Dict[str, Dict[str, Any]], vifs: Mapping[str, VifFacts]) -> None:
        """``rows``: XAPI's VIFs by reference. ``vifs``: those of guests, by uuid."""
        self._by_uuid: Dict[str, Found] = {}
        self._by_vm: Dict[str, List[Found]] = {}
        self._by_name: Dict[str, List[Found]] = {}
        for ref, row in rows.items():
            facts = vifs.get(row["uuid"])
            if facts is not None:
                found = self._by_uuid[facts.uuid] = Found(ref, row, facts)
                self._by_vm.setdefault(facts.vm, []).append(found)
                self._by_name.setdefault(facts.vm_name, []).append(found)
        self._uuids = sorted(self._by_uuid)
        self._vms = sorted(self._by_vm)

    def of_vm(self, word: str) -> List[Found]:
        """The VIFs of all VMs of this name-label, or whose uuid begins so."""
        found = {one.facts.uuid: one for one in self._by_name.get(word, ())}
        for vm in _beginning(self._vms, word):
            found.update((one.facts.uuid, one) for one in self._by_vm[vm])
        return list(found.values())

    def of_uuid(self, word: str) -> List[Found]:
        """The VIFs whose uuid begins so."""
        return [self._by_uuid[uuid] for uuid in _beginning(self._uuids, word)]


def begins(word: str, uuid: str) -> bool:
    """Whether a word stands for a uuid."""
    return len(word) >= SHORTEST and uuid.startswith(word.lower())


def _beginning(uuids: List[str], word: str) -> Iterable[str]:
    at = bisect.bisect_left(uuids, word.lower())
    while at < len(uuids) and begins(word, uuids[at]):
        yield uuids[at]
        at += 1
