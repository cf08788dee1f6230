"""MAC addresses as text. Apart from the other addresses, because the hook needs it and must not wait for their library."""

import re

from .errors import BadRecord

MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}\Z")
"""In lower case with colons."""


def parse_mac(text: str) -> str:
    """A unicast MAC in lower case with colons."""
    mac = text.strip().lower().replace("-", ":")
    if not MAC.match(mac):
        raise BadRecord("{!r} is not a MAC address".format(text), mend="write six octets, aa:bb:cc:dd:ee:ff")
    if int(mac[:2], 16) & 1:
        raise BadRecord("{} is a multicast address".format(mac), mend="write the VIF's own MAC")
    return mac
