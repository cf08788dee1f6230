"""Sets of prefixes that are asked which of theirs contain an address: the cost is that of the lengths in them."""

from typing import Dict, Iterable, Iterator, List, Optional

from ..records.addresses import Prefix
from ..table import Table


class PrefixSet:
    """Prefixes of both families."""

    def __init__(self, prefixes: Iterable[Prefix] = ()) -> None:
        self._by_length: Dict[int, Dict[int, Table[int, Prefix]]] = {4: {}, 6: {}}
        """By version and length: the prefixes by their leading bits."""
        self._lengths: Dict[int, List[int]] = {4: [], 6: []}
        for prefix in prefixes:
            self.add(prefix)

    def copy(self) -> "PrefixSet":
        made = PrefixSet()
        made._by_length = {v: {length: t.copy() for length, t in tables.items()} for v, tables in self._by_length.items()}
        made._lengths = dict(self._lengths)
        return made

    def __contains__(self, prefix: Prefix) -> bool:
        table = self._by_length[prefix.version]
        return prefix.prefixlen in table and _bits(prefix) in table[prefix.prefixlen]

    def __iter__(self) -> Iterator[Prefix]:
        for tables in self._by_length.values():
            for table in tables.values():
                yield from table.values()

    def add(self, prefix: Prefix) -> None:
        table = self._by_length[prefix.version]
        if prefix.prefixlen not in table:
            table[prefix.prefixlen] = Table()
            self._lengths[prefix.version] = sorted(table)
        table[prefix.prefixlen].put(_bits(prefix), prefix)

    def discard(self, prefix: Prefix) -> None:
        table = self._by_length[prefix.version]
        if prefix.prefixlen in table:
            table[prefix.prefixlen].drop(_bits(prefix))
            if not table[prefix.prefixlen]:
                del table[prefix.prefixlen]
                self._lengths[prefix.version] = sorted(table)

    def containing(self, inner: Prefix) -> List[Prefix]:
        """Those that hold all of ``inner``, itself too where it is one of them; widest first."""
        found = []
        number, width, table = int(inner.network_address), inner.max_prefixlen, self._by_length[inner.version]
        for length in self._lengths[inner.version]:
            if length > inner.prefixlen:
                break
            prefix: Optional[Prefix] = table[length].get(number >> (width - length))
            if prefix is not None:
                found.append(prefix)
        return found


def _bits(prefix: Prefix) -> int:
    return int(prefix.network_address) >> (prefix.max_prefixlen - prefix.prefixlen)
