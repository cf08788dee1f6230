"""The pool's line, ``pool.other_config:ringfence``."""

from typing import List, NamedTuple, Tuple

from .line import join_line, one_of, split_line

KEYS = ("vm-data", "no-agent")


class PoolLine(NamedTuple):
    vm_data: str = "mirror"
    no_agent: str = "closed"
    extra: Tuple[Tuple[str, str], ...] = ()

    def __str__(self) -> str:
        words: List[Tuple[str, str]] = []
        if self.vm_data != "mirror":
            words.append(("vm-data", self.vm_data))
        if self.no_agent != "closed":
            words.append(("no-agent", self.no_agent))
        return join_line(words + list(self.extra))


def parse_pool(text: str) -> PoolLine:
    """The line of the pool. Raises BadRecord."""
    words, extra = split_line(text, KEYS)
    return PoolLine(
        vm_data=one_of("vm-data", words.get("vm-data", "mirror"), ("mirror", "adopt")),
        no_agent=one_of("no-agent", words.get("no-agent", "closed"), ("closed", "stock")),
        extra=extra,
    )
