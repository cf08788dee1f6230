"""Sets of prefixes that are asked which of theirs contain an address: the cost is that of the lengths in them."""

from typing import Dict, Iterable, List

from ..records.addresses import Prefix


class PrefixSet:
    """Prefixes of both families; grows only."""

    def __init__(self, prefixes: Iterable[Prefix] = ()) -> None:
        self._by_length: Dict[int, Dict[int, Dict[int, Prefix]]] = {4: {}, 6: {}}
        """By version and length: the prefixes by their leading bits."""
        self._lengths: Dict[int, List[int]] = {4: [], 6: []}
        for prefix in prefixes:
            self.add(prefix)

    def add(self, prefix: Prefix) -> None:
        table = self._by_length[prefix.version]
        if prefix.prefixlen not in table:
            table[prefix.prefixlen] = {}
            self._lengths[prefix.version] = sorted(table)
        table[prefix.prefixlen][int(prefix.network_address) >> (prefix.max_prefixlen - prefix.prefixlen)] = prefix

    def containing(self, inner: Prefix) -> List[Prefix]:
        """Those that hold all of ``inner``, itself too where it is one of them; widest first."""
        found = []
        number, width, table = int(inner.network_address), inner.max_prefixlen, self._by_length[inner.version]
        for length in self._lengths[inner.version]:
            if length > inner.prefixlen:
                break
            prefix = table[length].get(number >> (width - length))
            if prefix is not None:
                found.append(prefix)
        return found
