"""Tables of immutable things, of which the next one shares all that stays the same, and what differs between two."""

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple, TypeVar, Union

K = TypeVar("K")
V = TypeVar("V")
PIECE = 32
"""Entries of a piece, on average, at most."""
_NOTHING = object()


class Table(Mapping[K, V]):
    """A mapping in pieces: a copy shares them, and a piece is copied when something in it is put or dropped.

    So the next table costs what changes, however many entries there are. The order of entries means nothing.
    """

    __slots__ = ("_length", "_mask", "_own", "_pieces")

    def __init__(self, items: Union[Mapping[K, V], Iterable[Tuple[K, V]]] = ()) -> None:
        entries: Dict[K, V] = dict(items)
        self._length = len(entries)
        self._spread(entries.items(), 1)

    def _spread(self, entries: Iterable[Tuple[K, V]], pieces: int) -> None:
        while pieces * PIECE < self._length:
            pieces *= 2
        self._pieces: List[Dict[K, V]] = [{} for _ in range(pieces)]
        self._mask = pieces - 1
        self._own: Optional[Set[int]] = None
        """Pieces that no other table has; None where all of them are."""
        for key, value in entries:
            self._pieces[hash(key) & (pieces - 1)][key] = value

    def __getitem__(self, key: K) -> V:
        return self._pieces[hash(key) & self._mask][key]

    def get(self, key: K, default: Any = None) -> Any:
        return self._pieces[hash(key) & self._mask].get(key, default)

    def __contains__(self, key: Any) -> bool:
        return key in self._pieces[hash(key) & self._mask]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[K]:
        for piece in self._pieces:
            yield from piece

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Table) and len(other._pieces) == len(self._pieces):
            return all(one is another or one == another for one, another in zip(self._pieces, other._pieces))
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Table({!r})".format(dict(self))

    def copy(self) -> "Table[K, V]":
        made: Table[K, V] = Table.__new__(Table)
        made._length, made._mask, made._pieces = self._length, self._mask, list(self._pieces)
        made._own, self._own = set(), set()
        return made

    def after(self, changes: Mapping[K, Optional[V]]) -> "Table[K, V]":
        """The next table: with entries put in, or (None) taken out."""
        if len(changes) * 2 > self._length:  # few pieces would be left to share
            entries = dict(self.items())
            entries.update((key, value) for key, value in changes.items() if value is not None)
            for key, value in changes.items():
                if value is None:
                    entries.pop(key, None)
            return Table(entries)
        made = self.copy()
        for key, value in changes.items():
            if value is None:
                made.drop(key)
            else:
                made.put(key, value)
        return made

    def put(self, key: K, value: V) -> None:
        piece = self._piece(key)
        self._length += key not in piece
        piece[key] = value
        if self._length > len(self._pieces) * PIECE:
            self._spread(list(self.items()), len(self._pieces) * 2)

    def drop(self, key: K) -> None:
        """Nothing where it is not there."""
        if key in self:
            del self._piece(key)[key]
            self._length -= 1

    def _piece(self, key: K) -> Dict[K, V]:
        """Where a key belongs, to be changed."""
        number = hash(key) & self._mask
        if self._own is not None and number not in self._own:
            self._pieces[number] = dict(self._pieces[number])
            self._own.add(number)
        return self._pieces[number]


def table_of(entries: Mapping[K, V]) -> Table[K, V]:
    """A table with the same entries, to be changed."""
    return entries.copy() if isinstance(entries, Table) else Table(entries)


def differing(before: Mapping[K, V], after: Mapping[K, V]) -> Set[K]:
    """Keys under which the two do not hold the same object, or that only one of them has.

    Costs what differs where one is a Table that came of the other, else a look at everything.
    """
    if before is after:
        return set()
    if isinstance(before, Table) and isinstance(after, Table) and len(before._pieces) == len(after._pieces):
        pairs = [(one, another) for one, another in zip(before._pieces, after._pieces) if one is not another]
        return {key for one, another in pairs for key in _differing(one, another)}
    return _differing(before, after)


def _differing(before: Mapping[K, V], after: Mapping[K, V]) -> Set[K]:
    found = {key for key, value in after.items() if before.get(key, _NOTHING) is not value}
    added = sum(key not in before for key in found)
    if len(before) + added > len(after):
        found.update(key for key in before if key not in after)
    return found
