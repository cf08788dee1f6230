"""A network's line, ``network.other_config:ringfence``."""

from typing import List, NamedTuple, Optional, Tuple

from .addresses import Prefix, parse_prefix, show_all, sort_prefixes
from .line import join_line, listed, one_of, split_line
from .record import MODES

KEYS = ("default", "inside", "gateways", "external", "least", "enforce", "host")


class NetworkLine(NamedTuple):
    """What a network's line says, with what holds where it says nothing."""

    default: Optional[str] = None
    inside: Tuple[Prefix, ...] = ()
    gateways: Tuple[Prefix, ...] = ()
    external: str = "allow"
    least: Optional[str] = None
    enforce: str = "on"
    host: str = "deny"
    extra: Tuple[Tuple[str, str], ...] = ()

    def __str__(self) -> str:
        words: List[Tuple[str, str]] = []
        if self.default is not None:
            words.append(("default", self.default))
        if self.inside:
            words.append(("inside", ",".join(show_all(self.inside))))
        if self.gateways:
            words.append(("gateways", ",".join(show_all(self.gateways))))
        if self.external != "allow":
            words.append(("external", self.external))
        if self.least is not None:
            words.append(("least", self.least))
        if self.enforce != "on":
            words.append(("enforce", self.enforce))
        if self.host != "deny":
            words.append(("host", self.host))
        return join_line(words + list(self.extra))


def parse_network(text: str) -> NetworkLine:
    """The line of a network. Raises BadRecord."""
    words, extra = split_line(text, KEYS)
    return NetworkLine(
        default=one_of("default", words["default"], MODES) if "default" in words else None,
        inside=sort_prefixes(listed("inside", words.get("inside", ""), parse_prefix)),
        gateways=sort_prefixes(listed("gateways", words.get("gateways", ""), parse_prefix)),
        external=one_of("external", words.get("external", "allow"), ("allow", "deny")),
        least=one_of("least", words["least"], ("locked", "isolated")) if "least" in words else None,
        enforce=one_of("enforce", words.get("enforce", "on"), ("on", "watch")),
        host=one_of("host", words.get("host", "deny"), ("allow", "deny")),
        extra=extra,
    )
