"""Tables of immutable things, of which a later one keeps the objects that stay the same, and what differs between two."""

from typing import Any, Dict, Optional, Set, TypeVar

K = TypeVar("K")
V = TypeVar("V")
_NOTHING = object()


class Table(Dict[K, V]):
    """A dict that knows which table it was copied from, and what was put and dropped since; no other change is made."""

    __slots__ = ("_changed", "_origin")

    def __init__(self, *items: Any) -> None:
        super().__init__(*items)
        self._origin: Optional["Table[K, V]"] = None
        self._changed: Set[K] = set()

    def copy(self) -> "Table[K, V]":
        made: Table[K, V] = Table(self)
        made._origin, self._origin = self, None  # no chain of all that ever were
        return made

    def put(self, key: K, value: V) -> None:
        self[key] = value
        self._changed.add(key)

    def drop(self, key: K) -> None:
        if key in self:
            del self[key]
            self._changed.add(key)


def differing(before: Dict[K, V], after: Dict[K, V]) -> Set[K]:
    """Keys under which the two do not hold the same object, or that only one of them has.

    Costs what differs where ``after`` is a Table that was copied from ``before``, else a look at everything.
    """
    if before is after:
        return set()
    if isinstance(after, Table) and after._origin is before:
        return {key for key in after._changed if before.get(key, _NOTHING) is not after.get(key, _NOTHING)}
    found = {key for key, value in after.items() if before.get(key) is not value}
    added = sum(key not in before for key in found)
    if len(before) + added > len(after):
        found.update(key for key in before if key not in after)
    return found
