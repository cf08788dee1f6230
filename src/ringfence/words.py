"""Numbers and lists in a sentence."""

from typing import Sequence


def counted(number: int, noun: str) -> str:
    """``1 line``, ``2 lines``."""
    return "{} {}{}".format(number, noun, "" if number == 1 else "s")


def several(names: Sequence[str], most: int = 5) -> str:
    """``a, b and 3 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (" and {} more".format(more) if more > 0 else "")
