"""What differs between two tables of immutable things, of which the later one keeps the objects that stay the same."""

from typing import Dict, Set, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def differing(before: Dict[K, V], after: Dict[K, V]) -> Set[K]:
    """Keys under which the two do not hold the same object, or that only one of them has."""
    if before is after:
        return set()
    found = {key for key, value in after.items() if before.get(key) is not value}
    added = sum(key not in before for key in found)
    if len(before) + added > len(after):
        found.update(key for key in before if key not in after)
    return found
