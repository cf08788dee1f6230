"""The kinds of exchange that are asked about: ``icmp``, ``arp``, ``tcp/443``, ``udp/53``."""

import re
from typing import NamedTuple

from ..errors import BadInput

_FORM = re.compile(r"(icmp|arp|(?:tcp|udp)/([0-9]{1,5}))")


class Kind(NamedTuple):
    """Of an exchange: ``icmp``, ``arp``, ``tcp`` or ``udp``, and its port."""

    name: str
    port: int = 0


def parse_kind(text: str) -> Kind:
    """``icmp``, ``arp``, ``tcp/443``, ``udp/53``. Raises BadInput."""
    found = _FORM.fullmatch(text)
    if not found or not 0 < int(found.group(2) or 1) <= 0xFFFF:
        raise BadInput("{!r} is no kind of exchange".format(text), mend="write icmp, arp, tcp/443 or udp/53")
    return Kind(text.partition("/")[0], int(found.group(2) or 0))
